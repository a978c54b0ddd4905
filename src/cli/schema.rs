//! `assay schema`

use super::Context;
use super::output::print_bytes;
use assay_lab::LabError;

/// The files that a person writes, each with its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Of {
    /// A strategy file.
    Strategy,
    /// A study file.
    Study,
    /// assay.toml of a lab.
    Lab,
}

/// Print the JSON schema of a file, for an editor
///
/// An editor that knows it completes fields and marks what is wrong while one writes: of taplo, a first line
/// `#:schema study.json` names it. It knows fields and ranges; expressions are checked by `assay strategy check`.
///
/// Example: assay schema study > study.json
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which file
    #[arg(value_enum)]
    of: Of,
}

pub fn run(_: &Context, args: Args) -> Result<(), LabError> {
    print_bytes(text(args.of).as_bytes())
}

fn text(of: Of) -> &'static str {
    match of {
        Of::Strategy => include_str!("schemas/strategy.json"),
        Of::Study => include_str!("schemas/study.json"),
        Of::Lab => include_str!("schemas/lab.json"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_shared::strategy::Strategy;
    use assay_shared::study::Study;
    use serde_json::Value;
    use std::collections::BTreeSet;

    fn schema(of: Of) -> Value {
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
        let schema = schema(Of::Strategy);
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
        let schema = schema(Of::Study);
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
}
