//! A push judged: every reference must pass, or the whole push is refused.

use super::line::{self, Step};
use super::log::Logs;
use super::pins::Host;
use super::refusal::{Code, GateError, refuse};
use super::{age, paths, policy, recount, replay, signed};
use crate::gate::config::Deployment;
use crate::repository::git::{Repo, RepoError, is_zero};
use assay_shared::format::config::LiveConfig;
use std::collections::BTreeMap;

/// One line of a hook's input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// Object name before, zeros for a new reference.
    pub old: String,
    /// Object name after, zeros for a deletion.
    pub new: String,
    /// Full name of the reference.
    pub reference: String,
}

impl Update {
    /// Reads `<old> <new> <reference>`.
    pub fn parse(line: &str) -> Option<Update> {
        let mut parts = line.splitn(3, ' ');
        let (old, new, reference) = (parts.next()?, parts.next()?, parts.next()?);
        let hex = |s: &str| matches!(s.len(), 40 | 64) && s.bytes().all(|b| b.is_ascii_hexdigit());
        (hex(old) && hex(new) && !reference.is_empty()).then(|| Update {
            old: old.into(),
            new: new.into(),
            reference: reference.into(),
        })
    }
}

/// Branches of logs, and the commits that were verified.
pub type Relied = BTreeMap<String, String>;

/// What a push would do.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// In words, for the pusher.
    pub lines: Vec<String>,
    /// Configs that would go live.
    pub deployments: Vec<Deployment>,
    /// New heads of the deploy branch, and the logs that they were verified with.
    pub relied: Vec<(String, Relied)>,
}

/// Steps of the deploy branch in one push.
const MOST_STEPS: usize = 256;

/// References in one push.
const MOST_REFERENCES: usize = 256;

/// Judges a push. Every reference must pass, or the whole push is refused.
///
/// # Errors
/// The first refusal, or why the question could not be answered.
pub fn judge(repo: &Repo, updates: &[Update], host: &Host) -> Result<Verdict, GateError> {
    let mut verdict = Verdict::default();
    let deploy = host.deploy_reference();
    let before = repo.tip(&deploy);
    check_references(repo, updates, &deploy)?;
    let current = before.as_deref().map(|tip| policy::at(repo, tip)).transpose()?;
    let mut logs = Logs::new();
    for u in updates.iter().filter(|u| u.reference.starts_with("refs/heads/ledger/")) {
        let Some((_, policy)) = &current else {
            return refuse(
                Code::NoPolicy,
                &u.reference,
                "the deploy branch must hold a policy before any log is accepted",
            );
        };
        let log = replay::verify(repo, &u.new, Some(&u.old), policy, host)?;
        if u.reference != format!("refs/heads/{}", replay::branch_of(&log.origin)) {
            return refuse(Code::WrongBranch, &u.reference, format!("the log {} has a branch of its own", log.origin));
        }
        verdict.lines.push(format!("log {}: {} entries verified", log.origin, log.len()));
        logs.insert(log.origin.clone(), log);
    }
    for u in updates.iter().filter(|u| u.reference == deploy) {
        if is_zero(&u.old) {
            let line = policy::genesis(repo, &u.new, host)?;
            verdict.lines.push(line);
            continue;
        }
        let Some(line) = repo.line(&u.old, &u.new)? else {
            let what = "the branch must grow along first parents: merge the proposal into it with --no-ff";
            return refuse(Code::NotFirstParent, &u.reference, what);
        };
        if line.len() > MOST_STEPS {
            let what = format!("{} steps in one push, over {MOST_STEPS}", line.len());
            return refuse(Code::TooLarge, &u.reference, what);
        }
        for step in line.windows(2) {
            if repo.same(&step[0], &step[1])? {
                return refuse(Code::TooLarge, &step[1], "a step that changes nothing only makes the branch longer");
            }
            let (text, policy) = policy::at(repo, &step[0])?;
            line::complete(repo, &policy, host, &mut logs)?;
            // Words for everybody who looks at the repository are somebody's too.
            if repo.file(&step[0], paths::README)? != repo.file(&step[1], paths::README)? {
                signed::commit(repo, &step[1], paths::README, &policy)?;
            }
            let found: Step = line::transition(repo, &step[0], &step[1], (&text, &policy), &logs, host)?;
            for config in found.deployments.iter().map(|d| &d.config) {
                let p = &config.promotion;
                let path = LiveConfig::path(&p.strategy);
                if config.format == 1 && p.restores_version.is_none() {
                    let what = "a config of format 1 may only be restored: promote the trial again";
                    return refuse(Code::OldFormat, path, what);
                }
                if p.restores_version.is_none() {
                    let proposed_us = age::micros(&p.promotion_timestamp).unwrap_or_default();
                    recount::current(&logs, config, proposed_us, &policy)?;
                }
                let max = policy.gates.max_evidence_age_days;
                age::fresh(&p.promotion_timestamp, assay_ledger::log::system_clock(), max, &path)?;
            }
            verdict.lines.extend(found.lines);
            verdict.deployments.extend(found.deployments);
        }
        let policy_file = |commit: &str| repo.file(commit, assay_shared::policy::PATH);
        if policy_file(&u.old)? != policy_file(&u.new)? && !verdict.deployments.is_empty() {
            return refuse(Code::MixedPush, &u.reference, "a policy cannot change in the same push as a config");
        }
        verdict.relied.push((u.new.clone(), relied(repo, updates, &logs)));
    }
    Ok(verdict)
}

/// Where the logs stand that a judgement relies on, as the push leaves them.
fn relied(repo: &Repo, updates: &[Update], logs: &Logs<'_>) -> Relied {
    let at = |origin: &String| {
        let branch = replay::branch_of(origin);
        let reference = format!("refs/heads/{branch}");
        let pushed = updates.iter().find(|u| u.reference == reference).map(|u| u.new.clone());
        pushed.or_else(|| repo.tip(&reference)).map(|tip| (branch, tip))
    };
    logs.keys().filter_map(at).collect()
}

fn check_references(repo: &Repo, updates: &[Update], deploy: &str) -> Result<(), GateError> {
    if updates.len() > MOST_REFERENCES {
        let what = format!("{} references in one push, over {MOST_REFERENCES}", updates.len());
        return refuse(Code::TooLarge, deploy, what);
    }
    updates.iter().try_for_each(|u| check_reference(repo, u, deploy))
}

fn check_reference(repo: &Repo, u: &Update, deploy: &str) -> Result<(), GateError> {
    let r = &u.reference;
    let known = r == deploy || r.starts_with("refs/heads/ledger/") || r.starts_with("refs/heads/promote/");
    if !known {
        return refuse(
            Code::ReferenceNotAllowed,
            r,
            format!("only {deploy}, refs/heads/ledger/* and refs/heads/promote/* may be pushed"),
        );
    }
    if r.starts_with("refs/heads/promote/") {
        if is_zero(&u.new) {
            return Ok(());
        }
        let before = Some(u.old.as_str()).filter(|old| !is_zero(old));
        return paths::proposal(repo, repo.tip(deploy).as_deref(), (before, &u.new), r);
    }
    if is_zero(&u.new) {
        return refuse(Code::Deletion, r, "this branch is a record and cannot be deleted");
    }
    if repo.parent(&u.new).is_err() {
        return Err(RepoError::NotVisible { oid: u.new.clone() }.into());
    }
    if is_zero(&u.old) {
        return match repo.tip(r) {
            Some(_) => refuse(Code::Recreated, r, "the branch exists already"),
            None => Ok(()),
        };
    }
    if repo.tip(r).as_deref() != Some(&u.old) {
        return refuse(Code::Stale, r, "the branch has moved; fetch and try again");
    }
    if !repo.follows(&u.new, &u.old)? {
        return refuse(Code::NonFastForward, r, "history cannot be rewritten here");
    }
    if r == deploy && repo.brings_root(&u.old, &u.new)? {
        let what =
            "it brings a history of its own in, with another first commit: merge a proposal that began on this branch";
        return refuse(Code::NotFirstParent, r, what);
    }
    if r == deploy {
        let line = repo.line(&u.old, &u.new)?.unwrap_or_default();
        paths::on_the_way(repo, std::slice::from_ref(&u.old), &u.new, &line)?;
    }
    if r.starts_with("refs/heads/ledger/") && repo.same(&u.old, &u.new)? {
        let what = "it adds nothing to the log, and whoever keeps that would have to follow it";
        return refuse(Code::TooLarge, r, what);
    }
    Ok(())
}
