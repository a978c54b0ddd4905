//! A lab and the repositories that it shares with others: fetched, brought together, pushed, by the user's own git.

use crate::clone::Clone;
use crate::error::LabError;
use crate::folder::Lab;
use assay_ledger::Hash;
use assay_production::gate::{Host, genesis_of};
use assay_production::repository::Repo;
use assay_production::repository::evidence::{commit_tiles, follow_tiles, has_news, ledger_branch};
use assay_shared::format::config::proposal_of;
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
    /// Branches that did not go, and why.
    pub troubles: Vec<String>,
}

/// Brings the lab and its repositories together: the deploy branch and others' logs come here, proposals and their
/// signatures go both ways, and the lab's own log goes out. A first policy that stands only here is pushed too.
///
/// # Errors
/// A repository that cannot be reached or refuses; another first policy than the one that is pinned; a branch that was
/// rewritten.
pub fn sync(lab: &Lab) -> Result<Synced, LabError> {
    let _held = lab.session.stop.hold();
    let (repo, deploy, review) = (lab.signed_repo(None)?, lab.deploy_remote(), lab.review_remote());
    if lab.config.deploy.is_none() && !lab.deploy_path().exists() {
        let hint = "set it up with `assay hook install`, or name another as deploy = \"URL\" in assay.toml";
        return Err(LabError::usage("this lab has no deploy repository", hint));
    }
    let mut out = Synced::default();
    let theirs = repo.fetch_all(&deploy, "deploy")?;
    let mut to_deploy = Vec::new();
    let own = ledger_branch(&lab.config.origin);
    match theirs.get("main") {
        Some(_) => take(lab, &repo, &theirs, &own, &mut out)?,
        // A log is taken only where a policy stands already.
        None if repo.tip("refs/heads/main").is_some() => {
            push(&repo, &deploy, &["refs/heads/main".to_string()], &mut out)?;
        }
        None => {}
    }
    let log = lab.log()?;
    let vkey = log.verifier().to_string();
    let listed = crate::proposal::policy(&repo).is_ok_and(|(p, _)| p.origins.iter().any(|o| o.vkey == vkey));
    if listed {
        commit_tiles(&repo, &log, &lab.config.person)?;
        theirs.get(&own).map_or(Ok(()), |tip| follow_tiles(&repo, &log, tip, &lab.config.person))?;
        if has_news(&repo, &own, theirs.get(&own).map(String::as_str))? {
            to_deploy.push(format!("refs/heads/{own}"));
        }
    }
    push(&repo, &deploy, &to_deploy, &mut out)?;
    let seen = if review == deploy { theirs } else { repo.fetch_all(&review, "review")? };
    proposals(lab, &repo, &review, &seen, &mut out)?;
    // What a reviewer looks at needs the logs and the deploy branch beside it.
    if review != deploy {
        if let Some(tip) = seen.get(&own).filter(|_| listed)
            && let Err(e) = follow_tiles(&repo, &log, tip, &lab.config.person)
        {
            out.troubles.push(format!("{own}: {e}"));
        }
        for branch in ["main".to_string(), own].into_iter().filter(|b| *b == "main" || listed) {
            let reference = format!("refs/heads/{branch}");
            if !has_news(&repo, &branch, seen.get(&branch).map(String::as_str))? {
                continue;
            }
            if let Err(e) = push(&repo, &review, &[reference], &mut out) {
                out.troubles.push(format!("{branch}: {e}"));
            }
        }
    }
    Ok(out)
}

/// Takes what the deploy repository has: believed only when the branch verifies from the pinned first policy on, with
/// every log that it lists.
fn take(
    lab: &Lab,
    repo: &Repo,
    theirs: &BTreeMap<String, String>,
    own: &str,
    out: &mut Synced,
) -> Result<(), LabError> {
    let logs = theirs.iter().filter(|(b, _)| b.starts_with("ledger/") && *b != own);
    let wanted: Vec<(&String, &String)> = theirs.iter().filter(|(b, _)| *b == "main").chain(logs).collect();
    let stands = |(branch, tip): &&(&String, &String)| repo.tip(&format!("refs/heads/{branch}")).as_ref() == Some(*tip);
    if wanted.iter().all(|w| stands(&w)) {
        return Ok(());
    }
    let genesis = trusted(lab, repo, &theirs["main"])?;
    let host = Host::nowhere(genesis);
    // The host's own log is of no policy, and verified by itself.
    let seen = Clone::of(repo.fetched()?, host)?;
    seen.host_log()?;
    wanted.into_iter().try_for_each(|(branch, tip)| forward(repo, branch, tip, out))
}

/// The first policy that is pinned: by the settings, else by the branch that stands here already.
fn trusted(lab: &Lab, repo: &Repo, main: &str) -> Result<Hash, LabError> {
    let found: Hash = genesis_of(repo, main)?;
    let own = repo.tip("refs/heads/main").map(|own| genesis_of(repo, &own)).transpose()?;
    let Some(genesis) = lab.config.genesis.or(own) else {
        let message = format!("nobody said which first policy to trust: there it is {found}");
        let hint = "compare it with somebody you trust, and write it as genesis = \"…\" into assay.toml";
        return Err(LabError::usage(message, hint));
    };
    if found == genesis {
        return Ok(genesis);
    }
    let message = format!("the deploy repository was founded with the policy {found}, not with {genesis}");
    Err(LabError::Refused(format!("{message}: compare genesis in assay.toml with somebody you trust")))
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
/// One that does not go stops no other.
fn proposals(
    lab: &Lab,
    repo: &Repo,
    remote: &Path,
    theirs: &BTreeMap<String, String>,
    out: &mut Synced,
) -> Result<(), LabError> {
    let main = repo.tip("refs/heads/main");
    // What is merged, or can go nowhere any more, stays where it is.
    let late = |tip: &str| main.as_ref().is_some_and(|main| repo.proposed_on(main, tip).is_err());
    let mut names: Vec<String> = repo.branches("promote/")?;
    names.extend(theirs.keys().filter(|b| b.starts_with("promote/")).cloned());
    names.retain(|name| proposal_of(name).is_some());
    names.sort();
    names.dedup();
    for branch in names {
        let reference = format!("refs/heads/{branch}");
        let one = (|| -> Result<bool, LabError> {
            let there = theirs.get(&branch);
            match (repo.tip(&reference), there) {
                (Some(ours), Some(tip)) if ours == *tip => Ok(false),
                (Some(ours), None) => Ok(!late(&ours)),
                (Some(ours), Some(tip)) if repo.follows(&ours, tip)? => Ok(!late(&ours)),
                (Some(_), Some(tip)) => {
                    // What was signed here stays, whatever became of it there.
                    let kept = repo.put_on_top(&branch, tip, &lab.config.person)?;
                    out.fetched.push(branch.clone());
                    Ok(kept != *tip && !late(&kept))
                }
                (None, Some(tip)) => {
                    repo.point(&reference, tip)?;
                    out.fetched.push(branch.clone());
                    Ok(false)
                }
                (None, None) => Ok(false),
            }
        })();
        let done = one.and_then(|go| if go { push(repo, remote, &[reference], out) } else { Ok(()) });
        if let Err(e) = done {
            out.troubles.push(format!("{branch}: {e}"));
        }
    }
    Ok(())
}

fn push(repo: &Repo, remote: &Path, references: &[String], out: &mut Synced) -> Result<(), LabError> {
    if references.is_empty() {
        return Ok(());
    }
    repo.push(remote, references)?;
    out.pushed.extend(references.iter().map(|r| r.trim_start_matches("refs/heads/").to_string()));
    Ok(())
}
