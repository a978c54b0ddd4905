//! What was found in data: to be shown, kept with a snapshot, and written as a page.

use crate::data::registered;
use crate::error::LabError;
use crate::folder::Lab;
use crate::place;
use assay_research::data::snapshot;
use assay_research::report::quality::QualityReport;
use assay_research::report::quality_page::html;
use std::path::Path;

/// What was found when the snapshot was imported whose hash begins so.
///
/// # Errors
/// No such snapshot, or one that an older release imported.
pub fn quality_of(lab: &Lab, begin: &str) -> Result<QualityReport, LabError> {
    let (_, hash) = registered(&lab.log()?, begin)?;
    let path = snapshot::quality_path(&lab.snapshot_dir(), &hash);
    let again = "import the files again: what is found is kept beside the snapshot";
    let text = match place::read_text(&path, 1 << 28) {
        Err(LabError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Err(LabError::usage(format!("nothing is kept of what was found in {}", hash.short()), again));
        }
        other => other?,
    };
    serde_json::from_str(&text).map_err(|e| LabError::usage(format!("{}: {e}", path.display()), again))
}

/// Writes a quality report as a page, over nothing that is not one.
///
/// # Errors
/// A place where something else stands, or that cannot be written.
pub fn quality_page(report: &QualityReport, path: &Path, force: bool) -> Result<(), LabError> {
    let ours = |path: &Path| std::fs::read_to_string(path).is_ok_and(|text| QualityReport::is_page(&text));
    let files = [(path.to_path_buf(), html(report).into_bytes())];
    place::write_all(&files, force, "is no quality report", ours)
}
