//! A trial's report: simulated again from the snapshot, written as JSON and as one HTML page.

use crate::error::LabError;
use crate::folder::Lab;
use crate::{study, trial};
use assay_ledger::storage::disk::{RealDisk, replace};
use assay_research::report::Report;
use std::path::{Path, PathBuf};

/// Writes both files, into `out` or the lab's own folder of reports, and gives their paths.
///
/// # Errors
/// A trial that cannot be found or simulated, or a folder that cannot be written.
pub fn write(
    lab: &Lab,
    wanted: Option<&str>,
    number: Option<u32>,
    out: Option<&Path>,
) -> Result<(PathBuf, PathBuf), LabError> {
    let (s, t) = trial::pick(lab, wanted, number)?;
    let opened = study::reopen(lab, &s.study_id)?;
    let recorded = trial::recorded(lab, t.seq)?;
    let evaluator = opened.evaluator()?;
    let run = evaluator.stitched(&recorded.seen.params)?;
    let bars = evaluator.folds().iter().flat_map(|f| opened.market.times[f.out_of_sample.clone()].iter().copied());
    let times = bars.collect();
    let dir = out.map_or_else(|| lab.dir.join("reports").join(&s.study_id), Path::to_path_buf);
    let base = dir.join(t.number.to_string());
    let report = Report::new(s, t, opened.market.symbols.clone(), times, run);
    std::fs::create_dir_all(&dir).map_err(|e| unwritable(&dir, &e))?;
    let (json, html) = (base.with_extension("json"), base.with_extension("html"));
    replace(&RealDisk, &json, report.to_json().as_bytes()).map_err(|e| unwritable(&dir, &e))?;
    replace(&RealDisk, &html, report.to_html().as_bytes()).map_err(|e| unwritable(&dir, &e))?;
    Ok((json, html))
}

fn unwritable(dir: &Path, e: &dyn std::fmt::Display) -> LabError {
    LabError::CouldNot {
        message: format!("cannot write into {}: {e}", dir.display()),
        hint: Some("name a folder that you may write to with --out".into()),
    }
}
