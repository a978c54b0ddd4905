//! A lab and the repositories that it shares with others: fetched, brought together, pushed, by the user's own git.

use crate::error::LabError;
use crate::folder::Lab;
use assay_ledger::Hash;
use assay_production::gate::genesis_of;
use assay_production::repository::Repo;
use assay_production::repository::evidence::{commit_tiles, ledger_branch};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// What was done.
#[derive(Debug, Default, Serialize)]
pub struct Synced {
    /// Branches that came, or went on here.
    pub fetched: Vec<String>,
    /// Branches that were pushed.
    pub pushed: Vec<String>,
}

/// Brings the lab and its repositories together: the deploy branch and others' logs come here, proposals and their
/// signatures go both ways, and the lab's own log goes out. A first policy that stands only here is pushed too.
///
/// # Errors
/// A repository that cannot be reached or refuses; another first policy than the one that is pinned; a branch that was
/// rewritten.
pub fn sync(lab: &Lab) -> Result<Synced, LabError> {
    let _held = lab.session.stop.hold();
    let (repo, deploy, review) = (lab.repo()?, lab.deploy_remote(), lab.review_remote());
    let mut out = Synced::default();
    let theirs = repo.fetch_all(&deploy, "deploy")?;
    let mut to_deploy = Vec::new();
    match theirs.get("main") {
        Some(main) => {
            trusted(lab, &repo, main)?;
            forward(&repo, "main", main, &mut out)?;
        }
        // A log is taken only where a policy stands already.
        None if repo.tip("refs/heads/main").is_some() => {
            push(&repo, &deploy, vec!["refs/heads/main".to_string()], &mut out)?;
        }
        None => {}
    }
    let own = ledger_branch(&lab.config.origin);
    for (branch, tip) in theirs.iter().filter(|(b, _)| b.starts_with("ledger/") && **b != own) {
        forward(&repo, branch, tip, &mut out)?;
    }
    let log = lab.log()?;
    let vkey = log.verifier().to_string();
    let listed = crate::proposal::policy(&repo).is_ok_and(|(p, _)| p.origins.iter().any(|o| o.vkey == vkey));
    if listed {
        commit_tiles(&repo, &log, &lab.config.person)?;
        let reference = format!("refs/heads/{own}");
        if repo.tip(&reference).as_ref() != theirs.get(&own) {
            to_deploy.push(reference);
        }
    }
    push(&repo, &deploy, to_deploy, &mut out)?;
    let seen = if review == deploy { theirs } else { repo.fetch_all(&review, "review")? };
    let mut to_review = proposals(lab, &repo, &seen, &mut out)?;
    // What a reviewer looks at needs the logs and the deploy branch beside it.
    if review != deploy {
        let beside = ["main".to_string(), own].into_iter().filter(|b| *b == "main" || listed);
        to_review.extend(beside.map(|b| format!("refs/heads/{b}")));
    }
    push(&repo, &review, to_review, &mut out)?;
    Ok(out)
}

/// The first policy must be the one that is pinned.
fn trusted(lab: &Lab, repo: &Repo, main: &str) -> Result<(), LabError> {
    let Some(genesis) = lab.config.genesis else {
        if lab.config.deploy.is_none() {
            return Ok(());
        }
        let message = format!("nobody said which first policy to trust: there it is {}", genesis_of(repo, main)?);
        return Err(LabError::usage(
            message,
            "compare it with somebody you trust, and write it as genesis = \"…\" into assay.toml",
        ));
    };
    let found: Hash = genesis_of(repo, main)?;
    if found == genesis {
        return Ok(());
    }
    Err(LabError::Refused(format!("the deploy repository was founded with the policy {found}, not with {genesis}")))
}

/// Lets a branch here go on to where it stands there.
fn forward(repo: &Repo, branch: &str, theirs: &str, out: &mut Synced) -> Result<(), LabError> {
    let reference = format!("refs/heads/{branch}");
    match repo.tip(&reference) {
        Some(ours) if ours == theirs => Ok(()),
        // One that went back is a rewritten one too.
        Some(ours) if !repo.follows(theirs, &ours)? => Err(LabError::Refused(format!(
            "the branch {branch} is not what it was: it stood at {} and stands at {} there, which does not follow",
            &ours[..12],
            &theirs[..12]
        ))),
        _ => {
            repo.point(&reference, theirs)?;
            out.fetched.push(branch.into());
            Ok(())
        }
    }
}

/// Proposals of both sides: what is newer comes, what was signed here goes; those that are merged stay where they are.
fn proposals(
    lab: &Lab,
    repo: &Repo,
    theirs: &BTreeMap<String, String>,
    out: &mut Synced,
) -> Result<Vec<String>, LabError> {
    let main = repo.tip("refs/heads/main");
    let merged = |tip: &str| main.as_ref().is_some_and(|main| repo.follows(main, tip).unwrap_or(false));
    let mut push = Vec::new();
    for (branch, tip) in theirs.iter().filter(|(b, _)| b.starts_with("promote/")) {
        let reference = format!("refs/heads/{branch}");
        match repo.tip(&reference) {
            Some(ours) if ours == *tip => {}
            Some(ours) if repo.follows(&ours, tip)? => push.push(reference),
            Some(ours) if !repo.follows(tip, &ours)? => {
                repo.put_on_top(branch, tip, &lab.config.person)?;
                out.fetched.push(branch.clone());
                push.push(reference);
            }
            _ => {
                repo.point(&reference, tip)?;
                out.fetched.push(branch.clone());
            }
        }
    }
    for branch in repo.branches("promote/")? {
        let reference = format!("refs/heads/{branch}");
        if !theirs.contains_key(&branch) && repo.tip(&reference).is_some_and(|tip| !merged(&tip)) {
            push.push(reference);
        }
    }
    Ok(push)
}

fn push(repo: &Repo, remote: &Path, references: Vec<String>, out: &mut Synced) -> Result<(), LabError> {
    if references.is_empty() {
        return Ok(());
    }
    repo.push(remote, &references)?;
    out.pushed.extend(references.iter().map(|r| r.trim_start_matches("refs/heads/").to_string()));
    Ok(())
}
