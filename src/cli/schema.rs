//! `assay schema`

use super::Context;
use super::output::print_bytes;
use assay_lab::LabError;
use clap::builder::{PossibleValue, PossibleValuesParser};

/// The files that a person writes, each with its schema.
const FILES: [(&str, &str); 3] = [
    ("strategy", include_str!("schemas/strategy.json")),
    ("study", include_str!("schemas/study.json")),
    ("lab", include_str!("schemas/lab.json")),
];

macro_rules! outputs {
    ($($name:literal)*) => {
        /// What commands answer with `--json`, each with its schema; `error` is what stands on stderr.
        const OUTPUTS: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("schemas/output/", $name, ".json")))),*];
    };
}

outputs! {
    "active"
    "audit"
    "compare"
    "compromise"
    "data-import"
    "data-quality"
    "data-show"
    "error"
    "explain"
    "guide"
    "halt"
    "here"
    "key-list"
    "ledger-export"
    "ledger-publish"
    "ledger-witness"
    "log"
    "parity"
    "query"
    "reconcile"
    "report"
    "reproduce"
    "resume"
    "review"
    "rules-diff"
    "rules-show"
    "study-forward"
    "study-show"
    "study-vault"
    "study-walk"
    "sync"
    "trial-reproduce"
    "trial-show"
    "trials"
    "verify"
    "witness-cosign"
}

fn names() -> PossibleValuesParser {
    let all = FILES.iter().map(|(name, _)| PossibleValue::new(*name).help("a file that you write"));
    let outputs = OUTPUTS.iter().map(|(name, _)| PossibleValue::new(*name).help("an answer with --json"));
    PossibleValuesParser::new(all.chain(outputs))
}

/// Print the JSON schema of a file that you write, or of what a command answers with --json
///
/// An editor that knows it completes fields and marks what is wrong while one writes: of taplo, a first line
/// `#:schema study.json` names it. It knows fields and ranges; expressions are checked by `assay strategy check`.
/// An answer is named by its command: `data-show` is that of `assay data show --json`, `here` that of `assay --json`,
/// and `error` what a failed command says on stderr. A field that is taken away or changes its meaning raises the
/// version in the title.
///
/// Example: assay schema study > study.json
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which file, or which answer
    #[arg(value_parser = names(), hide_possible_values = true, value_name = "NAME")]
    of: String,
}

pub fn run(_: &Context, args: Args) -> Result<(), LabError> {
    print_bytes(text(&args.of).as_bytes())
}

fn text(of: &str) -> &'static str {
    FILES.iter().chain(OUTPUTS).find(|(name, _)| *name == of).map_or("", |(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_shared::strategy::Strategy;
    use assay_shared::study::Study;
    use serde_json::Value;
    use std::collections::BTreeSet;

    fn schema(of: &str) -> Value {
        serde_json::from_str(text(of)).unwrap()
    }

    fn names(at: &Value) -> BTreeSet<String> {
        at["properties"].as_object().unwrap().keys().cloned().collect()
    }

    /// What a reader says that it has, when it is asked for a field that it has not.
    fn has(said: &str) -> BTreeSet<String> {
        let list =
            said.split_once("it has ").or(said.split_once("there are ")).or(said.split_once("there is ")).unwrap().1;
        let words = list.lines().next().unwrap().replace(['`', '\n'], "").replace(" or ", ", ");
        words.split(", ").map(|w| w.trim().to_string()).collect()
    }

    /// The schema of a strategy has the very fields that its reader has, table by table.
    #[test]
    fn a_strategy_has_these_fields() {
        let schema = schema("strategy");
        let head = "name = \"x\"\ninterval = \"1h\"\nsymbols = [\"BTCUSDT\"]\n";
        let p = &schema["properties"];
        for (table, at) in [
            ("", &schema),
            ("[risk]", &p["risk"]),
            ("[risk.loss_limits]", &p["risk"]["properties"]["loss_limits"]),
            ("[signals]", &p["signals"]),
            ("[stops]", &p["stops"]),
            ("[[stops.trailing]]", &p["stops"]["properties"]["trailing"]["items"]),
            ("[sizing]", &p["sizing"]),
            ("[sizing.risk]", &p["sizing"]["properties"]["risk"]),
            ("[sizing.volatility]", &p["sizing"]["properties"]["volatility"]),
            ("[[entries]]", &p["entries"]["items"]),
            ("[[adds]]", &p["adds"]["items"]),
            ("[[exits]]", &p["exits"]["items"]),
            ("[target]", &p["target"]),
        ] {
            let problems = Strategy::parse(&format!("{head}{table}\nzz = 1\n")).unwrap_err();
            let found =
                problems.iter().find(|d| d.message.contains("`zz`")).unwrap_or_else(|| panic!("{table}: {problems:?}"));
            let said = found.help.clone().unwrap_or_default();
            assert_eq!(has(&said), names(at), "{table}");
        }
    }

    /// The same of a study, and of each sampler and rule.
    #[test]
    fn a_study_has_these_fields() {
        let schema = schema("study");
        let p = &schema["properties"];
        for (table, at) in [
            ("", &schema),
            ("[declared]", &p["declared"]),
            ("[splits]", &p["splits"]),
            ("[objective]", &p["objective"]),
            ("[guardrails]", &p["guardrails"]),
            ("[[guardrails.drawdown]]", &p["guardrails"]["properties"]["drawdown"]["items"]),
            ("[assumptions]", &p["assumptions"]),
        ] {
            let said = Study::parse(&format!("name = \"x\"\n{table}\nzz = 1\n")).unwrap_err().to_string();
            assert_eq!(has(&said), names(at), "{table}: {said}");
        }
        let kinds = |of: &Value, tag: &str| -> BTreeSet<String> {
            of["oneOf"]
                .as_array()
                .unwrap()
                .iter()
                .map(|s| s["properties"][tag]["const"].as_str().unwrap().into())
                .collect()
        };
        let wrong = |text: &str| has(&Study::parse(&format!("name = \"x\"\n{text}")).unwrap_err().to_string());
        assert_eq!(wrong("[sampler]\nname = \"zz\""), kinds(&p["sampler"], "name"));
        assert_eq!(
            wrong("[guardrails.pruning]\nrule = \"zz\""),
            kinds(&p["guardrails"]["properties"]["pruning"], "rule")
        );
        assert_eq!(
            wrong("[assumptions.impact]\nmodel = \"zz\""),
            kinds(&p["assumptions"]["properties"]["impact"], "model")
        );
    }

    /// Every schema of the folder can be asked for, and is one of a version.
    #[test]
    fn every_answer_that_has_one() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/schemas/output");
        let mut files: Vec<String> = std::fs::read_dir(dir)
            .unwrap()
            .map(|f| f.unwrap().file_name().into_string().unwrap().trim_end_matches(".json").to_string())
            .collect();
        files.sort();
        assert_eq!(files, OUTPUTS.iter().map(|o| o.0).collect::<Vec<_>>());
        for (name, text) in OUTPUTS {
            let schema: Value = serde_json::from_str(text).unwrap();
            assert!(schema["title"].as_str().unwrap().ends_with("--json, version 1"), "{name}");
        }
    }
}
