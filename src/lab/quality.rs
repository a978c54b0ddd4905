//! What was found in data: to be shown, kept with a snapshot, and written as a page.

use crate::data::registered;
use crate::error::LabError;
use crate::folder::Lab;
use crate::place;
use assay_research::data::snapshot;
use assay_research::report::quality::QualityReport;
use assay_research::report::quality_page::html;
use assay_shared::event::Event;
use assay_shared::time::format_ms;
use std::path::Path;

/// What was found when the snapshot was imported whose hash begins so.
///
/// # Errors
/// No such snapshot, or one that an older release imported.
pub fn quality_of(lab: &Lab, begin: &str) -> Result<QualityReport, LabError> {
    let log = lab.log()?;
    let (_, hash) = registered(&log, begin)?;
    let mut facts = Vec::new();
    for seq in log.newest_of("SnapshotRegistered", 0..log.len(), usize::MAX)? {
        facts.extend(Event::of(&log.entry(seq)?)?.snapshot().filter(|f| f.data_hash == hash.0));
    }
    let path = snapshot::quality_path(&lab.snapshot_dir(), &hash);
    let again = "import the files again: what is found is kept beside the snapshot";
    let text = match place::read_text(&path, 1 << 28) {
        Err(LabError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Err(LabError::usage(format!("nothing is kept of what was found in {}", hash.short()), again));
        }
        other => other?,
    };
    let wrong = |what: &str| LabError::usage(format!("{}: {what}", path.display()), again);
    let report: QualityReport = serde_json::from_str(&text).map_err(|e| wrong(&e.to_string()))?;
    // What an event of its registration says too must be what it says.
    let symbols: Vec<&str> = report.series.iter().map(|s| s.symbol.as_str()).collect();
    let same = facts.iter().any(|f| {
        (report.generated, report.findings.len()) == (f.generated, f.findings as usize)
            && (report.first == format_ms(f.first_ms) && report.last == format_ms(f.last_ms))
            && symbols == f.symbols
    });
    if same { Ok(report) } else { Err(wrong("it is not what was found when the snapshot was registered")) }
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
