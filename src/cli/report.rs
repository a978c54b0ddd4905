//! `assay report`

use super::Context;
use super::error::CliError;
use super::lab::Lab;
use super::output::print;
use super::{opened, trials};
use assay_research::report::Report;
use assay_research::study::run::Finished;
use assay_shared::event::Event;
use std::path::PathBuf;

/// Write a trial's report: JSON, and one HTML page with equity, drawdown and margin usage
///
/// The trial is simulated again from the snapshot; the report is of its out-of-sample windows.
///
/// Example: assay report --study trend-walkforward
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: trials::Which,
}

pub fn run(cx: &Context, args: Args) -> Result<(), CliError> {
    let (json, html) = write(&cx.lab()?, args.which.study.as_deref(), args.which.number)?;
    print(&format!("{}\n{}", json.display(), html.display()));
    Ok(())
}

/// A recorded trial as the study knows it.
pub fn recorded(lab: &Lab, seq: u64) -> Result<Finished, CliError> {
    let event = Event::of(&lab.log()?.entry(seq)?)?;
    Finished::of(&event)
        .ok_or_else(|| CliError::Verification(format!("entry {seq} is not a trial; rebuild the mirror")))
}

/// Writes both files and gives their paths.
pub fn write(lab: &Lab, study_name: Option<&str>, number: Option<u32>) -> Result<(PathBuf, PathBuf), CliError> {
    let (s, t) = trials::pick(lab, study_name, number)?;
    let opened = opened::reopen(lab, &s.study_id)?;
    let trial = recorded(lab, t.seq)?;
    let evaluator = opened.evaluator()?;
    let run = evaluator.stitched(&trial.seen.params).map_err(CliError::Verification)?;
    let times =
        evaluator.windows().iter().flat_map(|w| opened.market.times[w.out_of_sample.clone()].iter().copied()).collect();
    let dir = lab.dir.join("reports").join(&s.study_id);
    let base = dir.join(t.number.to_string());
    let report = Report::new(s, t, opened.market.symbols.clone(), times, run);
    std::fs::create_dir_all(&dir).map_err(CliError::io("create", &dir))?;
    let (json, html) = (base.with_extension("json"), base.with_extension("html"));
    std::fs::write(&json, report.to_json()).map_err(CliError::io("write", &json))?;
    std::fs::write(&html, report.to_html()).map_err(CliError::io("write", &html))?;
    Ok((json, html))
}
