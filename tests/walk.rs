//! Walk-forward optimisation over a study's trials, compared with what its trials say of themselves.

use crate::desk::Desk;
use serde_json::Value;

/// The walk chooses on each fold the trial that was best in its past, and each fold begins with what the ones before left.
#[test]
fn a_walk_chooses_on_each_past() {
    let desk = Desk::new();
    desk.lab_with_market();
    let plain = std::fs::read_to_string(desk.path("study.toml")).unwrap();
    let learned = ["startup_trials", "candidates", "multivariate"];
    let random = |guardrails: &str| {
        let mut out = String::new();
        let mut skips = false;
        for line in plain.lines() {
            skips = line == "[guardrails]" || skips && !line.starts_with('[');
            if !skips && !learned.iter().any(|key| line.starts_with(key)) {
                out += &format!("{}\n", line.replace("name = \"tpe\"", "name = \"random\""));
            }
        }
        std::fs::write(desk.path("random.toml"), format!("{out}[guardrails]\nmax_liquidations = 9999\n{guardrails}"))
            .unwrap();
    };
    let run = |name: &str| {
        let study = ["--lab", "lab", "study", "run", "trend.toml", "random.toml", "--trials", "24", "--name", name];
        desk.assay(&study).ok();
    };
    random("drawdown = [{ leverage = 1.0, max_drawdown = 1.0 }]\n");
    run("walked");
    let all = desk.assay(&["--lab", "lab", "--json", "trials", "walked", "--all", "--limit", "500"]).ok().json();
    let walk = desk.assay(&["--lab", "lab", "--json", "study", "walk", "walked"]).ok().json();
    assert_eq!((&walk["chosen_from_saw_out_of_sample"], &walk["generated"]), (&false.into(), &false.into()));
    let folds = walk["folds"].as_array().unwrap();
    assert!(folds.len() > 1);
    let mut wealth = 1.0;
    for (k, fold) in folds.iter().enumerate() {
        let figure = |t: &Value, of: &str, trades: &str| {
            let fold = &t["folds"][k];
            fold[of].as_f64().or((fold[trades] == 0).then_some(0.0))
        };
        let inside = |t: &&Value| figure(t, "in_sample", "is_trades");
        let trials = || all.as_array().unwrap().iter();
        let most = trials().filter_map(|t| inside(&t)).fold(f64::NEG_INFINITY, f64::max);
        let best = trials().filter(|t| inside(t) == Some(most)).map(|t| t["number"].as_u64().unwrap()).min();
        let step = &fold["step"];
        assert_eq!(step["trial"].as_u64(), best, "fold {k}");
        let of = trials().find(|t| t["number"].as_u64() == best).unwrap();
        let outside: Vec<f64> = trials().filter_map(|t| figure(t, "out_of_sample", "oos_trades")).collect();
        assert_eq!(step["out_of_sample"].as_f64(), figure(of, "out_of_sample", "oos_trades"));
        assert_eq!((&fold["params"], outside.len()), (&of["params"], 24), "all came through");
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
    assert!(!shown.err.contains("depends on figures out of sample"), "{}", shown.err);
    // The same trials under guardrails that end most of them: nobody knew of that when one was chosen.
    random("prune_below_median = true\ndrawdown = [{ leverage = 1.0, max_drawdown = 0.12 }]\n");
    run("guarded");
    let guarded = desk.assay(&["--lab", "lab", "--json", "study", "walk", "guarded"]).ok().json();
    let ended = desk.assay(&["--lab", "lab", "--json", "trials", "guarded", "--all"]).ok().json();
    assert!(ended.as_array().unwrap().iter().filter(|t| t["state"] != "COMPLETE").count() > 8, "{ended}");
    assert_eq!((&guarded["folds"], &guarded["walked"]), (&walk["folds"], &walk["walked"]));
    // Points that somebody gave may have been chosen by what they did.
    desk.assay(&["--lab", "lab", "study", "extend", "walked", "--try", "fast=20,slow=200"]).ok();
    let said = desk.assay(&["--lab", "lab", "study", "walk", "walked"]).ok();
    assert!(said.err.contains("depends on figures out of sample"), "{}", said.err);
}
