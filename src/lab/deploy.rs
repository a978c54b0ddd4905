//! An approved branch merged and pushed with its ledger; the hook decides.

use crate::error::LabError;
use crate::folder::{Lab, absolute};
use crate::hooks;
use assay_production::repository::evidence::ledger_branch;

/// Merges a branch into main and pushes main and the ledger. Gives the hook's words. When the push
/// is refused, the lab's main branch stays where it was.
///
/// # Errors
/// A deploy repository whose hooks are not in force: a push would land there unverified. A branch
/// that does not merge, or a push that is refused.
pub fn merge_and_push(lab: &Lab, branch: &str) -> Result<String, LabError> {
    let _held = lab.session.stop.hold();
    let repo = lab.repo()?;
    hooks::check(&lab.deploy_path())?;
    let before = repo.tip("refs/heads/main");
    repo.merge(branch, "main", &lab.config.person)?;
    let ledger = ledger_branch(&lab.config.origin);
    let pushed =
        repo.push(absolute(&lab.deploy_path()).as_ref(), &["refs/heads/main".into(), format!("refs/heads/{ledger}")]);
    match pushed {
        Ok(words) => Ok(remote_words(&words)),
        Err(e) => {
            if let Some(before) = before {
                repo.reset("main", &before)?;
            }
            Err(e.into())
        }
    }
}

/// The hook's own words out of git's.
fn remote_words(text: &str) -> String {
    let lines = text.lines().filter_map(|l| l.strip_prefix("remote: ")).map(str::trim_end);
    lines.filter(|l| !l.is_empty()).collect::<Vec<_>>().join("\n")
}
