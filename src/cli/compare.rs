//! `assay compare`

use super::Context;
use super::complete;
use super::output::{print, print_json, table};
use assay_lab::LabError;
use assay_lab::compare::{compare, page};
use assay_research::report::compare::{Comparison, Side};
use assay_research::report::sheet_page::shown;
use assay_shared::metric::{Metric, Unit};
use assay_shared::time::format_date;
use std::path::PathBuf;

/// Compare trials: on the days that are out of sample in all of them, and as they were recorded
///
/// Each is simulated again from its snapshot. A study without a number is its best trial, a number without a study one of the
/// newest study, and a version of a strategy the trial that it came from.
///
/// Example: assay compare trend@live trend-walkforward:17 momentum --out comparison.html
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Trials: STUDY, STUDY:NUMBER, NUMBER, STRATEGY@VERSION or STRATEGY@live
    #[arg(required = true, num_args = 2.., value_name = "TRIAL", add = complete::trials())]
    trials: Vec<String>,
    /// Write a page with the lines of all
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write over a file that is no comparison
    #[arg(long, requires = "out")]
    force: bool,
}

fn listed(c: &Comparison) -> String {
    let names: Vec<&str> = c.sides.iter().map(|s| s.name.as_str()).collect();
    let head: Vec<&str> = std::iter::once("").chain(names).collect();
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut row = |name: &str, of: &dyn Fn(&Side) -> String| {
        rows.push(std::iter::once(name.to_string()).chain(c.sides.iter().map(of)).collect());
    };
    row("trial", &|s| format!("{} of {}", s.number, s.study));
    row("state", &|s| s.state.clone());
    if c.sides.iter().any(|s| s.ruined_ms.is_some()) {
        row("ruined", &|s| s.ruined_ms.map_or("no".into(), |ms| format!("on {}", format_date(ms))));
    }
    row("score", &|s| s.score.map_or("undefined".into(), |v| format!("{v:.4}")));
    for m in [Metric::Sharpe, Metric::Cagr, Metric::MaxDrawdown, Metric::Trades, Metric::Liquidations] {
        let digits = if m.unit() == Unit::Count { 0 } else { 3 };
        row(m.name(), &|s| s.metrics.get(m.name()).map_or("-".into(), |v| format!("{v:.digits$}")));
    }
    row("deflated Sharpe", &|s| s.dsr.map_or("-".into(), |v| format!("{v:.3}")));
    for name in c.parameters() {
        row(name, &|s| s.params.get(name).map_or("-".into(), ToString::to_string));
    }
    for (i, figure) in c.sides[0].figures.iter().enumerate().filter(|_| c.span().is_some()) {
        row(&format!("days: {}", figure.name), &|s| shown(s.figures.get(i)));
    }
    for (i, with) in c.sides.iter().enumerate() {
        let mut cells = vec![format!("correlation with {}", with.name)];
        cells.extend(c.correlations.iter().map(|of| of[i].map_or("-".into(), |v| format!("{v:.3}"))));
        rows.push(cells);
    }
    table(&head, &rows)
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    let found = compare(&cx.lab()?, &args.trials)?;
    if let Some(out) = &args.out {
        page(&found, out, args.force)?;
    }
    if cx.json {
        print_json(&found);
        return Ok(());
    }
    if found.sides.iter().any(|s| s.generated) {
        print("GENERATED DATA: the figures say nothing about real trading");
    }
    print(&listed(&found));
    match found.span() {
        Some((a, b)) => print(&format!("days: out of sample in all of them, {} to {}", format_date(a), format_date(b))),
        None => print("no day is out of sample in all of them"),
    }
    if let Some(out) = &args.out {
        print(&out.display().to_string());
    }
    Ok(())
}
