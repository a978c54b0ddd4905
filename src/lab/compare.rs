//! Trials beside each other.

use crate::error::LabError;
use crate::folder::Lab;
use crate::place::write_all;
use crate::report::made;
use assay_research::report::compare::Comparison;
use assay_research::report::compare_page;
use std::path::Path;

/// Compares trials: `STUDY` for its best, `STUDY:NUMBER`, or `NUMBER` of the newest study.
///
/// # Errors
/// Fewer than two, or one that cannot be found or simulated.
pub fn compare(lab: &Lab, wanted: &[String]) -> Result<Comparison, LabError> {
    if wanted.len() < 2 {
        return Err(LabError::usage(
            "one trial cannot be compared",
            "name two or more: STUDY, STUDY:NUMBER, or NUMBER",
        ));
    }
    let mut reports = Vec::new();
    let names: Vec<String> = lab.mirror()?.studies()?.into_iter().map(|s| s.name).collect();
    for text in wanted {
        let (study, number) = match (text.parse().ok(), text.rsplit_once(':')) {
            // A study may be named like a number, or like a trial of another.
            _ if names.contains(text) => (Some(text.as_str()), None),
            (Some(number), _) => (None, Some(number)),
            (None, Some((study, number))) if number.parse::<u32>().is_ok() => (Some(study), number.parse().ok()),
            _ => (Some(text.as_str()), None),
        };
        reports.push((text.clone(), made(lab, study, number)?));
    }
    Ok(Comparison::of(reports))
}

/// Writes a comparison as a page.
///
/// # Errors
/// A place where something else stands.
pub fn page(found: &Comparison, out: &Path, force: bool) -> Result<(), LabError> {
    let ours = |path: &Path| std::fs::read_to_string(path).is_ok_and(|text| compare_page::is_one(&text));
    let bytes = compare_page::html(found).into_bytes();
    write_all(&[(out.to_path_buf(), bytes)], force, "is no comparison", ours)
}
