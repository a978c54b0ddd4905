//! The deploy branch along its first parents: every step under the policy before it.

use super::config::{self, Deployment};
use super::in_force::InForce;
use super::log::Logs;
use super::paths::{self, Place};
use super::pins::Host;
use super::refusal::{Code, GateError, refuse};
use super::walked::{self, Ever};
use super::{policy, replay};
use crate::repository::git::Repo;
use assay_shared::policy::Policy;
use std::collections::{BTreeMap, BTreeSet};

/// What one step of the branch does.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// In words, for the pusher.
    pub lines: Vec<String>,
    /// Configs that it brings in.
    pub deployments: Vec<Deployment>,
}

/// Verifies the logs that stand in the repository and were not part of the push.
///
/// # Errors
/// A log that does not verify.
pub fn complete<'r>(repo: &'r Repo, policy: &Policy, host: &Host, logs: &mut Logs<'r>) -> Result<(), GateError> {
    for branch in repo.branches("ledger/")? {
        let Some(tip) = repo.tip(&format!("refs/heads/{branch}")) else { continue };
        let known = policy.origins.iter().filter_map(|o| o.vkey.parse::<assay_ledger::keys::note::Verifier>().ok());
        let here = known.map(|v| v.name).find(|name| crate::repository::evidence::ledger_branch(name) == branch);
        if let Some(origin) = here.filter(|o| !logs.contains_key(o)) {
            let log = replay::verify(repo, &tip, None, policy, host)?;
            if log.origin != origin {
                return refuse(Code::WrongBranch, branch, format!("it holds the log {}", log.origin));
            }
            logs.insert(origin, log);
        }
    }
    Ok(())
}

/// Walks the deploy branch on from where the host has verified it, else from its root: the pinned policy first, then
/// every step under the policy before it. Gives the configs in force, each with the step that brought it in, and every
/// one that ever was.
///
/// # Errors
/// The first refusal.
pub fn walk<'r>(
    repo: &'r Repo,
    head: &str,
    host: &Host,
    logs: &mut Logs<'r>,
) -> Result<(Vec<InForce>, Ever), GateError> {
    let known = walked::remembered(host);
    let until = known.as_ref().map(|known| known.head.clone());
    let mut line = vec![head.to_string()];
    while until.as_ref() != line.last()
        && let Some(parent) = repo.parent(&line[line.len() - 1])?
    {
        line.push(parent);
    }
    line.reverse();
    let (live, mut ever, seen) = match known.filter(|known| known.head == line[0]) {
        Some(known) => (known.live, known.ever, known.logs),
        None => {
            policy::genesis(repo, &line[0], host)?;
            (Vec::new(), Ever::new(), walked::Tips::new())
        }
    };
    let mut live: BTreeMap<String, InForce> = live.into_iter().map(|c| (c.strategy.clone(), c)).collect();
    for step in line.windows(2) {
        let (text, policy) = policy::at(repo, &step[0])?;
        complete(repo, &policy, host, logs)?;
        for d in transition(repo, &step[0], &step[1], (&text, &policy), logs, host)?.deployments {
            let c = d.in_force;
            ever.insert((c.strategy.clone(), c.version, c.sha256));
            live.insert(c.strategy.clone(), c);
        }
    }
    // A log that moved, forward or not, is looked at though no config came with it.
    if walked::tips(repo, host)? != seen {
        complete(repo, &policy::at(repo, head)?.1, host, logs)?;
    }
    Ok((live.into_values().collect(), ever))
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
    logs: &Logs<'_>,
    host: &Host,
) -> Result<Step, GateError> {
    let changes = repo.changes(old, new)?;
    let mut verdict = Step::default();
    let mut configs = BTreeSet::new();
    let (mut policy_changed, mut signers_changed, mut signatures) = (false, false, Vec::new());
    for c in &changes {
        let p = c.path.as_str();
        match paths::place(p) {
            Some(Place::Policy) => policy_changed = true,
            Some(Place::Signers) => signers_changed = true,
            Some(Place::PolicySignature) => signatures.push(c),
            Some(Place::Readme) => {}
            Some(Place::Config(strategy)) => {
                if !c.after && !p.ends_with(".sig") {
                    return refuse(
                        Code::ConfigRemoved,
                        p,
                        "a live config cannot be removed by a push; promote another version instead",
                    );
                }
                configs.insert(strategy.to_string());
            }
            Some(Place::Evidence { .. }) => {
                if c.before {
                    return refuse(Code::EvidenceChanged, p, "evidence that was deployed cannot be changed or removed");
                }
            }
            None => return refuse(Code::PathNotAllowed, p, "this path has no meaning on the deploy branch"),
        }
    }
    if policy_changed && !configs.is_empty() {
        return refuse(
            Code::MixedPush,
            assay_shared::policy::PATH,
            "a policy cannot change in the same push as a config",
        );
    }
    if policy_changed {
        verdict.lines.push(policy::change(repo, old, new)?);
    }
    if let Some(c) = signatures.into_iter().find(|c| c.after && !policy_changed) {
        return refuse(Code::PathNotAllowed, &c.path, "signatures over a policy come with it");
    }
    if policy_changed || signers_changed {
        paths::signers(repo, new, &policy::at(repo, new)?.1)?;
    }
    for strategy in configs {
        let deployment = config::verify(repo, old, new, &strategy, policy, logs, host)?;
        let c = &deployment.config.promotion;
        verdict.lines.push(format!(
            "{strategy} v{}: approved by {}",
            c.version,
            deployment.in_force.approvers.join(", ")
        ));
        verdict.deployments.push(deployment);
    }
    let changed: Vec<&str> = changes.iter().map(|c| c.path.as_str()).collect();
    let brought: Vec<(String, u64)> =
        verdict.deployments.iter().map(|d| &d.config.promotion).map(|p| (p.strategy.clone(), p.version)).collect();
    paths::owned(repo, new, &changed, &brought, policy.1)?;
    Ok(verdict)
}
