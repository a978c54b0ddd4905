//! `assay study walk`: on each past the trial that was best there

use super::Context;
use super::output::{print, print_json, say, table};
use super::trials;
use assay_lab::LabError;
use assay_lab::study::{Walked, walk};
use assay_research::study::Step;
use assay_shared::time::format_ms;
use serde_json::json;

fn day(ms: i64) -> String {
    format_ms(ms).chars().take(10).collect()
}

fn params(of: &Walked, step: &Step) -> String {
    of.trials.iter().find(|t| t.number == step.trial).map_or(String::new(), trials::params)
}

/// The trial's number, and how it ended where it did not come through.
fn state(of: &Walked, step: &Step) -> String {
    let trial = of.trials.iter().find(|t| t.number == step.trial);
    match trial.map(|t| t.state.as_str()) {
        None | Some("COMPLETE") => step.trial.to_string(),
        Some(state) => format!("{} {}", step.trial, state.to_lowercase()),
    }
}

fn row(of: &Walked, k: usize) -> Vec<String> {
    let (from, to) = of.folds.get(k).map_or((0, 0), |f| f.1);
    let mut out = vec![(k + 1).to_string(), format!("{} to {}", day(from), day(to))];
    match &of.walk.steps[k] {
        None => out.extend(["none", "-", "-", "-", "0.0%", "0", "nothing has a figure in sample"].map(String::from)),
        Some(s) => out.extend([
            state(of, s),
            format!("{:.3}", s.in_sample),
            s.out_of_sample.map_or("-".into(), |v| format!("{v:.3}")),
            format!("{} of {}", s.better, s.known),
            format!("{:.1}%", s.returned * 100.0),
            s.trades.to_string(),
            params(of, s),
        ]),
    }
    out
}

fn as_json(of: &Walked) -> serde_json::Value {
    let three = |(cagr, sharpe, fall): (f64, f64, f64)| json!({"cagr": cagr, "sharpe": sharpe, "max_drawdown": fall});
    let fold = |(k, step): (usize, &Option<Step>)| {
        let at = of.folds.get(k).map(|f| json!({"from_ms": f.1.0, "to_ms": f.1.1}));
        let params = step.as_ref().map(|s| of.trials.iter().find(|t| t.number == s.trial).map(|t| &t.params));
        json!({"fold": k + 1, "out_of_sample": at, "step": step, "params": params})
    };
    json!({
        "study": of.study.name,
        "study_id": of.study.study_id,
        "generated": of.study.generated,
        "folds": of.walk.steps.iter().enumerate().map(fold).collect::<Vec<_>>(),
        "efficiency": of.walk.efficiency(),
        "walked": three(of.made),
        "best": of.best.map(|(trial, figures)| json!({"trial": trial, "figures": three(figures)})),
        "complete": of.study.closed,
        "chosen_from_saw_out_of_sample": of.adaptive,
        "days": of.days.days_ms.iter().zip(&of.days.returns).collect::<Vec<_>>(),
    })
}

/// Shows the walk over a study's trials.
pub fn show(cx: &Context, study: Option<&str>) -> Result<(), LabError> {
    let of = walk(&cx.lab()?, study)?;
    if cx.json {
        print_json(&as_json(&of));
        return Ok(());
    }
    if of.study.generated {
        print("GENERATED DATA: the figures say nothing about real trading");
    }
    let head = ["fold", "out of sample", "trial", "in", "out", "did better", "return", "trades", "parameters"];
    let rows: Vec<Vec<String>> = (0..of.walk.steps.len()).map(|k| row(&of, k)).collect();
    print(&table(&head, &rows));
    let efficiency = of.walk.efficiency().map_or("undefined".into(), |v| format!("{:.1}%", v * 100.0));
    print(&format!(
        "\nwalk-forward efficiency {efficiency}: the mean figure out of sample over the mean in sample, of what was chosen"
    ));
    let figures = |name: String, (cagr, sharpe, fall): (f64, f64, f64)| {
        vec![name, format!("{:.1}%", cagr * 100.0), format!("{sharpe:.2}"), format!("{:.1}%", fall * 100.0)]
    };
    let mut rows = vec![figures("chosen anew on each past".into(), of.made)];
    rows.extend(of.best.map(|(n, f)| figures(format!("trial {n}, the study's choice over all folds"), f)));
    print(&table(&["on the days out of sample", "CAGR", "Sharpe", "max DD"], &rows));
    if !of.study.closed {
        say(&format!(
            "note: the study '{}' is not complete: there are {} trials to choose from",
            of.study.name, of.study.trials
        ));
    }
    if of.adaptive {
        say(&format!(
            "note: which trials '{}' has depends on figures out of sample (its sampler learns from them, or points were \
             given), so the trials to choose from are not blind to them; those of `random`, `sobol` and `grid` alone are",
            of.study.name
        ));
    }
    Ok(())
}
