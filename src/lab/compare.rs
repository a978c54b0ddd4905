//! Trials beside each other.

use crate::error::LabError;
use crate::folder::Lab;
use crate::place::write_all;
use crate::report::made;
use crate::trial::named;
use assay_production::gate::version_of;
use assay_research::report::compare::Comparison;
use assay_research::report::compare_page;
use assay_shared::format::config::LiveConfig;
use std::path::Path;

/// Compares trials: `STUDY` for its best, `STUDY:NUMBER`, `NUMBER` of the newest study, or the trial that a version of a
/// strategy came from, `STRATEGY@VERSION` or `STRATEGY@live`.
///
/// # Errors
/// Fewer than two, or one that cannot be found or simulated.
pub fn compare(lab: &Lab, wanted: &[String]) -> Result<Comparison, LabError> {
    if wanted.len() < 2 {
        return Err(LabError::usage(
            "one trial cannot be compared",
            "name two or more: STUDY, STUDY:NUMBER, NUMBER, STRATEGY@VERSION or STRATEGY@live",
        ));
    }
    let mut reports = Vec::new();
    let studies = lab.mirror()?.titles()?;
    for text in wanted {
        if let Some((strategy, version)) = text.rsplit_once('@').filter(|_| studies.iter().all(|s| s.name != *text)) {
            let (study, number) = promoted(lab, strategy, version)?;
            reports.push((text.clone(), made(lab, Some(&study), Some(number))?));
            continue;
        }
        let (study, number) = named(text, &studies);
        reports.push((text.clone(), made(lab, study, number)?));
    }
    Ok(Comparison::of(reports))
}

/// The study and the trial that a version of a strategy came from, as the deploy branch has it here.
fn promoted(lab: &Lab, strategy: &str, version: &str) -> Result<(String, u32), LabError> {
    let repo = lab.repo()?;
    let missing = || {
        let hint = "see `assay active --history`; `assay sync` brings in what others deployed";
        LabError::usage(format!("there is no version '{version}' of '{strategy}'"), hint)
    };
    let head = repo.tip("refs/heads/main").ok_or_else(missing)?;
    let config = match version.parse() {
        Ok(number) => version_of(&repo, &head, strategy, number)?,
        Err(_) if version == "live" => {
            let bytes = repo.file(&head, &LiveConfig::path(strategy))?;
            bytes.and_then(|bytes| LiveConfig::parse(&bytes).ok()).filter(|c| !c.promotion.retired)
        }
        Err(_) => None,
    };
    let promotion = config.ok_or_else(missing)?.promotion;
    Ok((promotion.study_id, promotion.trial_id))
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
