//! A trial's report: simulated again from the snapshot, written as JSON, as one HTML page, and as the stream of its
//! orders, fills and cash flows; its trades and its equity as CSV.

use crate::error::LabError;
use crate::folder::Lab;
use crate::place::write_all;
use crate::stress::costs;
use crate::study::Opened;
use crate::{study, trial};
use assay_research::report::{Bars, Report, Rules};
use assay_research::study::TrialRun;
use assay_shared::market::{Columns, Field, Market};
use assay_shared::strategy::Params;
use std::path::{Path, PathBuf};

/// The report of a trial, simulated again from the snapshot.
///
/// # Errors
/// A trial that cannot be found or simulated.
pub fn made(lab: &Lab, wanted: Option<&str>, number: Option<u32>) -> Result<Report, LabError> {
    simulated(lab, wanted, number).map(|(report, ..)| report)
}

/// The same with what it was made from.
fn simulated(lab: &Lab, wanted: Option<&str>, number: Option<u32>) -> Result<(Report, Opened, Params), LabError> {
    let (s, t) = trial::pick(lab, wanted, number)?;
    let (study_id, number) = (s.study_id.clone(), t.number);
    let opened = study::reopen(lab, &study_id)?;
    let recorded = trial::recorded(lab, t.seq)?;
    let evaluator = opened.evaluator()?;
    let found = evaluator.recorded_run(&recorded.seen.params)?;
    let reproduced = recorded.stream_hash.is_none_or(|hash| hash == found.run.stream_hash.0);
    let bars = bars(&opened.market, &found);
    let rules = Rules {
        folds_ms: study::windows(&opened.market, &evaluator),
        strategy: opened.strategy.canonical().to_string(),
    };
    let snapshots = lab.mirror()?.snapshots()?;
    let data = snapshots.into_iter().find(|row| row.data_hash == s.data_hash);
    let report = Report::new(s, t, bars, found.run, reproduced).with_data(data).with_rules(rules);
    let report = report.with_tags(opened.strategy.compiled.tags.clone());
    let report = match study::of_trial(lab, &study_id, Some(number))? {
        Some(figures) => report.with_statistics(figures.statistics, figures.pbo),
        None => report,
    };
    drop(evaluator);
    Ok((report, opened, recorded.seen.params))
}

/// Writes the files, into `out` or the lab's own folder of reports, and gives their paths.
///
/// # Errors
/// A trial that cannot be found or simulated, a file there that is no report, or a folder that cannot be written.
pub fn write(
    lab: &Lab,
    wanted: Option<&str>,
    number: Option<u32>,
    out: Option<&Path>,
    force: bool,
) -> Result<[PathBuf; 5], LabError> {
    let (report, opened, params) = simulated(lab, wanted, number)?;
    let report = report.with_costs(costs(&opened, &params)?);
    let dir = out.map_or_else(|| lab.dir.join("reports").join(&report.study.study_id), Path::to_path_buf);
    let base = dir.join(report.trial.number.to_string());
    let paths =
        ["json", "html", "stream.jsonl", "trades.csv", "equity.csv"].map(|extension| base.with_extension(extension));
    let texts = [report.to_json(), report.to_html(), report.to_stream(), report.trades_csv(), report.equity_csv()];
    let files: Vec<(PathBuf, Vec<u8>)> = paths.iter().cloned().zip(texts.map(String::into_bytes)).collect();
    write_all(&files, force, "is no report", Report::is_one).map_err(|e| match e {
        LabError::Occupied { .. } => e,
        e => unwritable(&dir, &e),
    })?;
    Ok(paths)
}

/// What the report needs of the market over a run's bars.
fn bars(market: &Market, run: &TrialRun) -> Bars {
    let close = |c: &Columns| run.bars.clone().map(|bar| c.at(Field::Close, bar)).collect();
    Bars {
        symbols: market.symbols.clone(),
        times_ms: market.times[run.bars.clone()].to_vec(),
        closes: market.columns.iter().map(close).collect(),
        tested: run.out_of_sample.start - run.bars.start,
    }
}

fn unwritable(dir: &Path, e: &dyn std::fmt::Display) -> LabError {
    LabError::CouldNot {
        message: format!("cannot write into {}: {e}", dir.display()),
        hint: Some("name a folder that you may write to with --out".into()),
    }
}
