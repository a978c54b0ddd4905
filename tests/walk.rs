//! Walk-forward optimisation over a study's trials, compared with what its trials say of themselves.

use crate::desk::Desk;
use serde_json::Value;

/// The walk chooses on each fold the trial that was best in its past, and each fold begins with what the ones before left.
#[test]
fn a_walk_chooses_on_each_past() {
    let desk = Desk::new();
    desk.lab_with_market();
    let plain = std::fs::read_to_string(desk.path("study.toml")).unwrap();
    let random: String = plain
        .lines()
        .filter(|l| !["startup_trials", "candidates", "multivariate"].iter().any(|key| l.starts_with(key)))
        .map(|l| format!("{}\n", l.replace("name = \"tpe\"", "name = \"random\"")))
        .collect();
    std::fs::write(desk.path("random.toml"), random).unwrap();
    let run = ["--lab", "lab", "study", "run", "trend.toml", "random.toml", "--name", "walked", "--trials", "24"];
    desk.assay(&run).ok();
    let all = desk.assay(&["--lab", "lab", "--json", "trials", "walked", "--all", "--limit", "500"]).ok().json();
    let walk = desk.assay(&["--lab", "lab", "--json", "study", "walk", "walked"]).ok().json();
    assert_eq!((&walk["sampler_saw_out_of_sample"], &walk["generated"]), (&false.into(), &false.into()));
    let folds = walk["folds"].as_array().unwrap();
    assert!(folds.len() > 1);
    let mut wealth = 1.0;
    for (k, fold) in folds.iter().enumerate() {
        let inside = |t: &&Value| t["folds"][k]["in_sample"].as_f64();
        let trials = || all.as_array().unwrap().iter();
        let most = trials().filter_map(|t| inside(&t)).fold(f64::NEG_INFINITY, f64::max);
        let best = trials().filter(|t| inside(t) == Some(most)).map(|t| t["number"].as_u64().unwrap()).min();
        let step = &fold["step"];
        assert_eq!(step["trial"].as_u64(), best, "fold {k}");
        let of = trials().find(|t| t["number"].as_u64() == best).unwrap();
        assert_eq!((&step["out_of_sample"], &fold["params"]), (&of["folds"][k]["out_of_sample"], &of["params"]));
        let outside: Vec<f64> = trials().filter_map(|t| t["folds"][k]["out_of_sample"].as_f64()).collect();
        let own = step["out_of_sample"].as_f64().unwrap();
        assert_eq!(step["better"].as_u64(), Some(outside.iter().filter(|v| **v > own).count() as u64));
        wealth *= 1.0 + step["returned"].as_f64().unwrap();
    }
    let span = |at: usize, of: &str| folds[at]["out_of_sample"][of].as_i64().unwrap() as f64;
    let years = (span(folds.len() - 1, "to_ms") - span(0, "from_ms")) / 86_400_000.0 / 365.25;
    let cagr = walk["walked"]["cagr"].as_f64().unwrap();
    assert!(
        (cagr - (f64::powf(wealth, 1.0 / years) - 1.0)).abs() < 0.01 * cagr.abs().max(0.1),
        "{cagr} {wealth} {years}"
    );
    let shown = desk.assay(&["--lab", "lab", "study", "walk"]).ok();
    assert!(shown.out.contains("walk-forward efficiency") && shown.out.contains("chosen anew on each past"));
    assert!(!shown.err.contains("learned from figures out of sample"), "{}", shown.err);
}
