//! An approved branch merged and pushed with its ledger; the hook decides.

use crate::error::LabError;
use crate::folder::Lab;
use crate::hooks;
use crate::review::mergeable;
use assay_production::repository::Repo;
use assay_production::repository::evidence::{has_news, ledger_branch};
use std::path::Path;

/// Merges a branch into main and pushes main and the ledger. Gives the hook's words. When the push
/// is refused, the lab's main branch stays where it was.
///
/// # Errors
/// A deploy repository whose hooks are not in force: a push would land there unverified. A branch
/// that does not merge, or a push that is refused.
pub fn merge_and_push(lab: &Lab, branch: &str) -> Result<String, LabError> {
    let _held = lab.session.stop.hold();
    let repo = lab.signed_repo(None)?;
    let remote = lab.deploy_remote();
    // Of one that is elsewhere its host sees to that, and everybody who looks at what is live.
    if remote.is_dir() {
        hooks::check(&remote)?;
    }
    if repo.tip(&format!("refs/heads/{branch}")).is_none() {
        let hint = "list the proposals with `assay review`";
        return Err(LabError::usage(format!("there is no branch '{branch}'"), hint));
    }
    for left in (0..TRIES).rev() {
        if let Some(words) = once(lab, &repo, &remote, branch, left == 0)? {
            return Ok(words);
        }
    }
    Err(LabError::could_not("the deploy branch moves all the time: try again"))
}

/// How often a deployment is tried while others move the branch.
const TRIES: u32 = 5;

/// Merges and pushes once. None when the branch moved meanwhile, unless it is the last time.
fn once(lab: &Lab, repo: &Repo, remote: &Path, branch: &str, last: bool) -> Result<Option<String>, LabError> {
    // An earlier deploy may have been cut off after its push landed.
    repo.catch_up(remote, "main")?;
    let main = repo.tip("refs/heads/main").unwrap_or_default();
    let tip = repo.tip(&format!("refs/heads/{branch}")).unwrap_or_default();
    // An earlier deploy may have been cut off before anybody was told.
    if repo.remote_tip(remote, "refs/heads/main")?.as_ref() == Some(&main) && repo.follows(&main, &tip)? {
        return Ok(Some(format!("{branch} is deployed already; what is live says `assay active`")));
    }
    mergeable(repo, branch)?;
    let merged = repo.merge(branch, "main", &lab.config.person)?;
    let ledger = ledger_branch(&lab.config.origin);
    let mut references = vec![format!("{merged}:refs/heads/main")];
    // A reviewer's own log has nothing to do there.
    let ledger_reference = format!("refs/heads/{ledger}");
    if has_news(repo, &ledger, repo.remote_tip(remote, &ledger_reference)?.as_deref())? {
        references.push(ledger_reference);
    }
    let pushed = repo.push(remote, &references);
    // Where the deploy branch stands now is the truth, whatever git said.
    let now = repo.remote_tip(remote, "refs/heads/main");
    let landed = now.as_ref().is_ok_and(|tip| tip.as_ref() == Some(&merged));
    if landed {
        repo.move_to("main", &merged)?;
    }
    match pushed {
        Err(e) if landed => Ok(Some(format!("the push landed, but git said: {e}"))),
        // Somebody else's push came first: merged on top of theirs, this one may go.
        Err(_) if !last && now.is_ok_and(|tip| tip.as_ref() != Some(&main)) => Ok(None),
        pushed => Ok(Some(remote_words(&pushed?))),
    }
}

/// The hook's own words out of git's.
fn remote_words(text: &str) -> String {
    let lines = text.lines().filter_map(|l| l.strip_prefix("remote: ")).map(str::trim_end);
    lines.filter(|l| !l.is_empty()).collect::<Vec<_>>().join("\n")
}
