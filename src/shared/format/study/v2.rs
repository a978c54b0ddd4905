//! Version 2 of a study's text.

use super::CURRENT;
use crate::format::assumed::assumptions;
use crate::format::tree::{self, Item, Table, row, some};
use crate::search::Sampler;
use crate::study::{Formula, Mode, Pruning, Requirement, Stability, Study};

fn sampler(sampler: &Sampler) -> Table {
    match sampler {
        Sampler::Random {} | Sampler::Sobol {} | Sampler::CmaEs {} => vec![row("name", sampler.name())],
        Sampler::Nsga { population } => vec![row("name", sampler.name()), row("population", *population)],
        Sampler::Grid { points } => vec![row("name", sampler.name()), row("points", *points)],
        Sampler::Tpe { startup_trials, candidates, multivariate } => {
            [row("name", sampler.name()), row("startup_trials", *startup_trials), row("candidates", *candidates)]
                .into_iter()
                .chain(some("multivariate", *multivariate))
                .collect()
        }
    }
}

fn pruning(rule: Pruning) -> Table {
    match rule {
        Pruning::Median {} => vec![row("rule", "median")],
        Pruning::Percentile { keep, startup_trials, warmup_folds } => vec![
            row("rule", "percentile"),
            row("keep", keep),
            row("startup_trials", startup_trials),
            row("warmup_folds", warmup_folds),
        ],
        Pruning::Halving { factor, warmup_folds } => {
            vec![row("rule", "halving"), row("factor", factor), row("warmup_folds", warmup_folds)]
        }
    }
}

/// A list of texts; not there where it is empty, as in what was written before there was one.
fn texts<'t>(key: &str, of: impl Iterator<Item = &'t str>) -> Option<(String, Item)> {
    let all: Vec<String> = of.map(Into::into).collect();
    (!all.is_empty()).then(|| row(key, all))
}

/// The canonical text.
pub(super) fn text(s: &Study) -> String {
    let mode = match s.splits.mode {
        Mode::Tile => "tile",
        Mode::Anchored => "anchored",
    };
    let mut splits: Table = vec![
        row("mode", mode),
        row("in_sample_days", s.splits.in_sample_days),
        row("out_of_sample_days", s.splits.out_of_sample_days),
        row("purge_bars", s.splits.purge_bars),
        row("warmup_bars", s.splits.warmup_bars),
    ];
    // Not there in what was written before there was a vault, or a choice of the spread's weight.
    splits.extend(some("vault_days", s.splits.vault_days));
    let stability = s.objective.stability_weight.map(|weight| match weight {
        Stability::Errors(weight) => row("stability_weight", weight),
        Stability::Full(_) => row("stability_weight", "full"),
    });
    let objective: Table = [row("figure", s.objective.figure.name())]
        .into_iter()
        .chain(stability)
        .chain([row("degradation_weight", s.objective.degradation_weight)])
        .chain(texts("also", s.objective.also.iter().map(Formula::text)))
        .collect();
    let limits: Vec<Table> = s
        .guardrails
        .drawdown
        .iter()
        .map(|d| vec![row("leverage", d.leverage), row("max_drawdown", d.max_drawdown)])
        .collect();
    // Not there in what was written before there was such a limit.
    let undecided =
        (s.guardrails.max_undecided_bars > 0).then(|| row("max_undecided_bars", s.guardrails.max_undecided_bars));
    let guardrails: Table =
        [row("min_trades", s.guardrails.min_trades), row("max_liquidations", s.guardrails.max_liquidations)]
            .into_iter()
            .chain(undecided)
            .chain([row("prune_below_median", s.guardrails.prune_below_median), row("drawdown", limits)])
            .chain(s.guardrails.pruning.map(|rule| row("pruning", pruning(rule))))
            .chain(texts("require", s.guardrails.require.iter().map(Requirement::text)))
            .collect();
    let declared = s.declared.as_ref().map(|d| {
        let table: Table = vec![row("hypothesis", &d.hypothesis), row("refuted_if", &d.refuted_if)];
        row("declared", table)
    });
    let head = [row("format", CURRENT), row("name", &s.name)].into_iter().chain(declared);
    let rest = vec![
        row("trials", s.trials),
        row("seed", s.seed),
        row("batch", s.batch),
        row("sampler_version", s.sampler_version),
        row("sampler", sampler(&s.sampler)),
        row("splits", splits),
        row("objective", objective),
        row("guardrails", guardrails),
        row("assumptions", assumptions(&s.assumptions)),
    ];
    tree::text(&head.chain(rest).collect())
}

#[cfg(test)]
mod tests {
    use crate::account::{Assumptions, Impact};
    use crate::format::costs_text;
    use crate::study::{Formula, Study};

    const FILE: &str = include_str!("../../../../configs/studies/walkforward.toml");
    const V1: &str = include_str!("golden/v1.json");

    #[test]
    fn golden() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/format/study/golden/v2.toml");
        let study = Study::parse(FILE).unwrap();
        if std::env::var_os("ASSAY_BLESS").is_some() {
            std::fs::write(path, study.text()).unwrap();
        }
        assert_eq!(study.text(), std::fs::read_to_string(path).unwrap());
        let again = Study::recorded(&study.text()).unwrap();
        assert_eq!(again.text(), study.text());
        assert!(Study::recorded(FILE).is_err(), "what is recorded is canonical");
    }

    /// What is declared is part of what is recorded, whatever characters it has; half of it, or nothing in it, is none.
    #[test]
    fn declared() {
        let file = |d: &str| format!("name = \"p\"\n[declared]\n{d}");
        let text = "hypothesis = \"funding is paid by the late\"\nrefuted_if = \"\"\"\nSharpe \\\"out\\\" < 0.5\nin the vault, or 1 µ [x]\n\"\"\"\n";
        let study = Study::parse(&file(text)).unwrap();
        let again = Study::recorded(&study.text()).unwrap();
        assert_eq!((&again.declared, again.text()), (&study.declared, study.text()));
        assert!(again.declared.unwrap().refuted_if.contains("\nin the vault"));
        let long = format!("hypothesis = \"{}\"\nrefuted_if = \"b\"", "a".repeat(2001));
        for bad in [
            "",
            "hypothesis = \"a\"",
            "hypothesis = \" \"\nrefuted_if = \"b\"",
            "x = 1",
            &long,
            "hypothesis = \"\\u001b\"\nrefuted_if = \"b\"",
        ] {
            assert!(Study::parse(&file(bad)).is_err(), "{bad}");
        }
    }

    /// A file of one line is a study; what it leaves out is recorded with it. What is recorded leaves out what was not
    /// there when it was written: no vault, and the whole spread.
    #[test]
    fn what_a_file_leaves_out() {
        let study = Study::parse("name = \"short\"\n").unwrap();
        assert_eq!((study.splits.vault_days, study.objective.figure.name()), (Some(90), "sharpe"));
        assert_eq!((study.trials, study.sampler.name(), study.assumptions.initial_cash_usdt), (200, "tpe", 1e5));
        assert_eq!(Study::recorded(&study.text()).unwrap().text(), study.text());
        let mut old = study.clone();
        (old.splits.vault_days, old.objective.stability_weight) = (None, None);
        let text = old.text();
        assert!(!text.contains("vault") && !text.contains("stability"));
        let read = Study::recorded(&text).unwrap();
        assert_eq!((read.splits.vault_days, read.objective.stability_weight), (None, None));
        let partial =
            Study::parse("name = \"p\"\n[splits]\nvault_days = 0\n[objective]\nstability_weight = \"full\"\n");
        let partial = partial.unwrap();
        assert_eq!((partial.splits.vault_days, partial.splits.in_sample_days), (Some(0), 180));
        assert_eq!(partial.objective.stability_weight, Some(crate::study::Stability::Full(crate::study::Full::Full)));
        for sampler in ["grid\"\npoints = 4", "sobol\"", "cma-es\"", "random\"", "tpe\"\nmultivariate = false"] {
            let text = format!("name = \"s\"\n[sampler]\nname = \"{sampler}\n");
            let study = Study::parse(&text).unwrap();
            assert_eq!(Study::recorded(&study.text()).unwrap(), Study { format: Some(2), ..study });
        }
    }

    /// What release 0.1.0 recorded reads into the same study as its file.
    #[test]
    fn version_1_reads() {
        let old = Study::recorded(V1).unwrap();
        assert_eq!((old.name.as_str(), old.trials, old.sampler_version), ("swing-walk", 24, 1));
        let new = Study::recorded(&old.text()).unwrap();
        assert_eq!(new, Study { format: Some(2), ..old });
    }

    /// What is assumed of costs reads back; where nothing is, no word of it is written.
    #[test]
    fn costs() {
        let mut plain = Study::parse(FILE).unwrap();
        assert_eq!(costs_text(&plain.assumptions), "max_volume_share = 0.01\n");
        plain.assumptions.max_volume_share = None;
        assert_eq!(costs_text(&plain.assumptions), "");
        for impact in [Impact::Range { share: 0.25 }, Impact::SquareRoot { factor: 1.0 }, Impact::None] {
            let mut s = plain.clone();
            s.assumptions = Assumptions {
                impact,
                max_volume_share: Some(0.01),
                carry_over: true,
                partial_liquidation: true,
                ..s.assumptions
            };
            assert_eq!(Study::recorded(&s.text()).unwrap().assumptions, s.assumptions);
            assert!(s.text().ends_with(&costs_text(&s.assumptions).replace("[impact]", "[assumptions.impact]")));
        }
    }

    /// Fields that are changed after reading are checked like those of a file.
    #[test]
    fn checks() {
        let study = Study::parse(FILE).unwrap();
        let wrong = |change: fn(&mut Study)| {
            let mut s = study.clone();
            change(&mut s);
            s.check().unwrap_err().to_string()
        };
        assert!(wrong(|s| s.objective.also = vec![Formula::parse("sharpe").unwrap(); 2]).contains("named twice"));
        assert!(wrong(|s| s.trials = 0).contains("trials"));
        assert!(wrong(|s| s.name = "x".repeat(600)).contains("128 bytes"));
        assert!(wrong(|s| s.name = "a\nb".into()).contains("control"));
        assert!(wrong(|s| s.seed = u64::MAX).contains("seed"));
        assert!(wrong(|s| s.sampler = crate::search::Sampler::Grid { points: 0 }).contains("points"));
        assert!(wrong(|s| s.assumptions.max_volume_share = Some(1.5)).contains("max_volume_share"));
        assert!(wrong(|s| s.assumptions.impact = Impact::Range { share: f64::NAN }).contains("impact"));
        assert!(Study::parse(&format!("format = 9\n{FILE}")).unwrap_err().to_string().contains("use a newer one"));
    }
}
