//! The gate: verifies a push from objects and pins alone, and fails closed.
//!
//! The policy before the push judges the push. Everything is read from objects; nothing is
//! written. The reconciler asks the same questions again before it deploys.

mod age;
pub mod approvals;
mod config;
mod evidence;
pub mod ledger;
pub mod pins;
mod policy;

pub use config::Deployment;
pub use ledger::VerifiedLog;
pub use pins::{Host, Pin};

use crate::promotion::repo::{Repo, RepoError, is_zero};
use assay_ledger::LedgerError;
use assay_shared::policy::Policy;
use assay_shared::promotion::LiveConfig;
use std::collections::{BTreeMap, BTreeSet};

/// Why a push or a state is refused. The code is stable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("[{code}] {place}: {what}")]
pub struct Refusal {
    /// Stable reason code.
    pub code: &'static str,
    /// Reference, path or entry.
    pub place: String,
    /// What is wrong, in words.
    pub what: String,
}

/// Why the gate could not answer, or answers no.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// No.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The repository could not be read.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// A log could not be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The gate's own files.
    #[error("the gate's {what}")]
    Host {
        /// Which file and what is wrong.
        what: String,
    },
}

pub(crate) fn refuse<T>(code: &'static str, place: impl Into<String>, what: impl Into<String>) -> Result<T, GateError> {
    Err(GateError::Refused(Refusal { code, place: place.into(), what: what.into() }))
}

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

/// What a push would do.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// In words, for the pusher.
    pub lines: Vec<String>,
    /// Configs that would go live.
    pub deployments: Vec<Deployment>,
}

/// The logs a judgement may rely on, by origin.
pub type Logs = BTreeMap<String, VerifiedLog>;

/// Judges a push. Every reference must pass, or the whole push is refused.
///
/// # Errors
/// The first refusal, or why the question could not be answered.
pub fn judge(repo: &Repo, updates: &[Update], host: &Host) -> Result<Verdict, GateError> {
    let mut verdict = Verdict::default();
    let deploy = host.deploy_reference();
    let before = repo.tip(&deploy);
    for u in updates {
        check_reference(repo, u, &deploy)?;
    }
    let current = before.as_deref().map(|tip| policy::at(repo, tip)).transpose()?;
    let mut logs = Logs::new();
    for u in updates.iter().filter(|u| u.reference.starts_with("refs/heads/ledger/")) {
        let Some((_, policy)) = &current else {
            return refuse(
                "no-policy",
                &u.reference,
                "the deploy branch must hold a policy before any log is accepted",
            );
        };
        let log = ledger::verify(repo, &u.new, Some(&u.old), policy, host)?;
        if u.reference != format!("refs/heads/{}", ledger::branch_of(&log.origin)) {
            return refuse("wrong-branch", &u.reference, format!("the log {} has a branch of its own", log.origin));
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
            return refuse("not-first-parent", &u.reference, what);
        };
        for step in line.windows(2) {
            let (text, policy) = policy::at(repo, &step[0])?;
            complete(repo, &policy, host, &mut logs)?;
            let found = transition(repo, &step[0], &step[1], (&text, &policy), &logs)?;
            for p in found.deployments.iter().map(|d| &d.config.promotion) {
                let path = LiveConfig::path(&p.strategy);
                let max = policy.gates.max_evidence_age_days;
                age::fresh(&p.promotion_timestamp, assay_ledger::log::system_clock(), max, &path)?;
            }
            verdict.lines.extend(found.lines);
            verdict.deployments.extend(found.deployments);
        }
        let policy_file = |commit: &str| repo.file(commit, assay_shared::policy::PATH);
        if policy_file(&u.old)? != policy_file(&u.new)? && !verdict.deployments.is_empty() {
            return refuse("mixed-push", &u.reference, "a policy cannot change in the same push as a config");
        }
    }
    Ok(verdict)
}

/// Verifies the logs that stand in the repository and were not part of the push.
///
/// # Errors
/// A log that does not verify.
pub fn complete(repo: &Repo, policy: &Policy, host: &Host, logs: &mut Logs) -> Result<(), GateError> {
    for branch in repo.branches("ledger/")? {
        let Some(tip) = repo.tip(&format!("refs/heads/{branch}")) else { continue };
        let known = policy.origins.iter().filter_map(|o| o.vkey.parse::<assay_ledger::keys::note::Verifier>().ok());
        let here = known.map(|v| v.name).find(|name| crate::promotion::evidence::ledger_branch(name) == branch);
        if let Some(origin) = here.filter(|o| !logs.contains_key(o)) {
            let log = ledger::verify(repo, &tip, None, policy, host)?;
            if log.origin != origin {
                return refuse("wrong-branch", branch, format!("it holds the log {}", log.origin));
            }
            logs.insert(origin, log);
        }
    }
    Ok(())
}

fn check_reference(repo: &Repo, u: &Update, deploy: &str) -> Result<(), GateError> {
    let r = &u.reference;
    let known = r == deploy || r.starts_with("refs/heads/ledger/") || r.starts_with("refs/heads/promote/");
    if !known {
        return refuse(
            "reference-not-allowed",
            r,
            format!("only {deploy}, refs/heads/ledger/* and refs/heads/promote/* may be pushed"),
        );
    }
    if r.starts_with("refs/heads/promote/") {
        return Ok(());
    }
    if is_zero(&u.new) {
        return refuse("deletion", r, "this branch is a record and cannot be deleted");
    }
    if repo.parent(&u.new).is_err() {
        return Err(RepoError::NotVisible { oid: u.new.clone() }.into());
    }
    if is_zero(&u.old) {
        return match repo.tip(r) {
            Some(_) => refuse("recreated", r, "the branch exists already"),
            None => Ok(()),
        };
    }
    if repo.tip(r).as_deref() != Some(&u.old) {
        return refuse("stale", r, "the branch has moved; fetch and try again");
    }
    if !repo.follows(&u.new, &u.old)? {
        return refuse("non-fast-forward", r, "history cannot be rewritten here");
    }
    Ok(())
}

/// Walks the deploy branch from its root: the pinned policy first, then every step under the policy
/// before it. Gives the configs in force, each with the step that brought it in.
///
/// # Errors
/// The first refusal.
pub fn walk(repo: &Repo, head: &str, host: &Host, logs: &mut Logs) -> Result<Vec<Deployment>, GateError> {
    let mut line = vec![head.to_string()];
    while let Some(parent) = repo.parent(&line[line.len() - 1])? {
        line.push(parent);
    }
    line.reverse();
    policy::genesis(repo, &line[0], host)?;
    let mut live: BTreeMap<String, Deployment> = BTreeMap::new();
    for step in line.windows(2) {
        let (text, policy) = policy::at(repo, &step[0])?;
        complete(repo, &policy, host, logs)?;
        for d in transition(repo, &step[0], &step[1], (&text, &policy), logs)?.deployments {
            live.insert(d.config.promotion.strategy.clone(), d);
        }
    }
    Ok(live.into_values().collect())
}

/// What changes between two commits of the deploy branch, and whether it may.
///
/// # Errors
/// The first refusal.
pub fn transition(
    repo: &Repo,
    old: &str,
    new: &str,
    policy: (&str, &Policy),
    logs: &Logs,
) -> Result<Verdict, GateError> {
    let (before, after) = (repo.list(old)?, repo.list(new)?);
    let changed: BTreeSet<&String> =
        before.keys().chain(after.keys()).filter(|p| before.get(*p) != after.get(*p)).collect();
    let mut verdict = Verdict::default();
    let mut configs = BTreeSet::new();
    let mut policy_changed = false;
    for path in &changed {
        match path.as_str() {
            p if p == assay_shared::policy::PATH => policy_changed = true,
            p if p.starts_with("configs/policy.sigs/") || p == "configs/allowed_signers" || p == "README.md" => {}
            p if p.starts_with("configs/live/") => {
                let name = p.trim_start_matches("configs/live/").trim_end_matches(".sig");
                let Some(strategy) = name.strip_suffix(".toml").filter(|s| !s.contains('/')) else {
                    return refuse("path-not-allowed", p, "here stand <strategy>.toml and its .sig only");
                };
                if !after.contains_key(*path) && !p.ends_with(".sig") {
                    return refuse(
                        "config-removed",
                        p,
                        "a live config cannot be removed by a push; promote another version instead",
                    );
                }
                configs.insert(strategy.to_string());
            }
            p if p.starts_with("evidence/") => {
                if before.contains_key(*path) {
                    return refuse("evidence-changed", p, "evidence that was deployed cannot be changed or removed");
                }
            }
            p => return refuse("path-not-allowed", p, "this path has no meaning on the deploy branch"),
        }
    }
    if policy_changed && !configs.is_empty() {
        return refuse("mixed-push", assay_shared::policy::PATH, "a policy cannot change in the same push as a config");
    }
    if policy_changed {
        verdict.lines.push(policy::change(repo, old, new)?);
    }
    for strategy in configs {
        let deployment = config::verify(repo, old, new, &strategy, policy, logs)?;
        let c = &deployment.config.promotion;
        verdict.lines.push(format!("{strategy} v{}: approved by {}", c.version, deployment.approvers.join(", ")));
        verdict.deployments.push(deployment);
    }
    Ok(verdict)
}
