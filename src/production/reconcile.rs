//! The reconciler: the one writer of the live table. It verifies again, writes, and records.
//!
//! Idempotent; safe to run twice, late or out of order. It also finds and heals drift.

use crate::deploy::halts::{recordable, recordable_name};
use crate::deploy::{Before, Change, DeployError, Git, LiveTable, Row, Want};
use crate::gate::refusal::refuse;
use crate::gate::{self, Code, Dependent, Ever, GateError, Host, InForce, Logs, Pin, Tips};
use crate::repository::git::Repo;
use assay_ledger::Hash;
use assay_shared::event::{ApprovalRecorded, DriftDetected, DriftHealed, Event, PromotionDeployed};
use serde::Serialize;
use std::collections::BTreeSet;

/// How a strategy stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub enum Status {
    /// The table holds what git says.
    Synced,
    /// The table differs from git.
    OutOfSync,
    /// Git holds a version that the table does not have yet.
    Pending,
    /// The table is ahead of the commit that was read.
    Stale,
    /// Git says that nothing of it is live, and nothing is.
    Retired,
}

/// What is deployed and what had to be done.
#[derive(Debug)]
pub struct Reconciled {
    /// The commit that was reconciled.
    pub commit: String,
    /// Verified configs.
    pub live: Vec<InForce>,
    /// What was (or would be) changed.
    pub changes: Vec<Change>,
    /// What is live and rests on people or keys that do not count any more.
    pub dependents: Vec<Dependent>,
}

impl Reconciled {
    /// How a strategy stands, before any change was made.
    pub fn status(&self, strategy: &str) -> Status {
        match self.changes.iter().find(|c| c.strategy() == strategy) {
            None if self.live.iter().any(|c| c.strategy == strategy && c.retired) => Status::Retired,
            None => Status::Synced,
            Some(Change::Deploy { .. } | Change::Retire { .. }) => Status::Pending,
            Some(Change::Late { .. }) => Status::Stale,
            Some(_) => Status::OutOfSync,
        }
    }
}

/// Why reconciling stopped. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// Verification.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The live table.
    #[error(transparent)]
    Deploy(#[from] DeployError),
    /// The host's log, which must know of drift before it is healed.
    #[error("drift cannot be recorded, and is not healed before: {0}")]
    Log(String),
}

/// What the deploy branch says.
#[derive(Debug)]
pub struct Desired {
    /// Its head.
    pub head: String,
    /// The configs in force.
    pub live: Vec<InForce>,
    /// Every version that ever was.
    pub ever: Ever,
    /// The checkpoints that were verified.
    pub pins: Vec<Pin>,
    /// Where the logs' branches stood before.
    pub logs: Tips,
}

/// Verifies the deploy branch from its root as it stands. Gives its head, the configs in force, and
/// the checkpoints that were verified.
///
/// # Errors
/// The first refusal.
pub fn desired(repo: &Repo, host: &Host) -> Result<Desired, GateError> {
    let reference = host.deploy_reference();
    let Some(head) = repo.tip(&reference) else {
        return refuse(Code::NoBranch, reference, "the deploy branch does not exist yet");
    };
    let (tips, mut logs) = (gate::tips(repo, host)?, Logs::new());
    let (live, ever) = gate::walk(repo, &head, host, &mut logs)?;
    Ok(Desired { head, live, ever, pins: logs.into_values().map(|log| log.pin).collect(), logs: tips })
}

/// Records what was found in the host's log.
pub type Found<'a> = &'a mut dyn FnMut(&[Event]) -> Result<(), String>;

/// Brings the live table in line with the deploy branch (or only compares, without `found`). `recorded` is what the host's own log says was deployed; `found` records there what somebody did behind git's
/// back, before it is healed: a run that is killed leaves no drift without a trace. Gives the other events for that log.
///
/// # Errors
/// [`ReconcileError`]; the table is unchanged then.
pub fn reconcile(
    repo: &Repo,
    host: &Host,
    table: &mut dyn LiveTable,
    recorded: &[PromotionDeployed],
    now_us: u64,
    mut found: Option<Found<'_>>,
) -> Result<(Reconciled, Vec<Event>), ReconcileError> {
    let Desired { head: commit, mut live, ever, pins, logs } = desired(repo, host)?;
    gone_back(repo, host, &commit, &ever, recorded)?;
    let want = live.iter_mut().map(|c| wanted(c, repo)).collect::<Result<Vec<_>, _>>()?;
    let make = |w: &Want| match live.iter().find(|c| c.strategy == w.strategy) {
        Some(c) => Row::of(c, repo),
        None => Err(DeployError::Text { strategy: w.strategy.clone(), what: "it is not in force".into() }),
    };
    let moved = || repo.tip(&host.deploy_reference()).as_ref() != Some(&commit);
    // Where the branch has moved meanwhile, a row ahead of it may be what it holds now.
    let known = |strategy: &str, version: i64, sha256: &str| {
        let sha256 = sha256.parse::<Hash>().ok();
        sha256.is_some_and(|sha| ever.contains(&(strategy.to_string(), version as u64, sha))) || moved()
    };
    let stands: BTreeSet<(&str, i64, String)> =
        recorded.iter().map(|r| (r.strategy.as_str(), r.version as i64, Hash(r.config_sha256).to_string())).collect();
    let said = |strategy: &str, version: i64, sha256: &str| stands.contains(&(strategy, version, sha256.to_string()));
    let git: Git<'_> = (&known, &said);
    // The logs as they are now, and what was seen of the others before.
    let mut revoked = gate::revoked(repo, &commit, host)?;
    revoked.extend(pins.iter().flat_map(|pin| pin.revoked.iter().map(|key| (pin.origin.clone(), *key))));
    let at_ms = (now_us / 1000) as i64;
    let writes = found.is_some();
    // What was done behind git's back is recorded before it is healed, in the transaction that heals it.
    let mut before = |changes: &[Change]| match (&mut found, changes.iter().filter_map(|c| drifted(c, at_ms)).collect())
    {
        (Some(found), drift) if !Vec::<Event>::is_empty(&drift) => found(&drift),
        _ => Ok(()),
    };
    let write: Option<Before<'_>> = if writes { Some(&mut before) } else { None };
    let changes = table.sync((&want, &make), git, now_us as i64, write).map_err(|e| match e {
        DeployError::Before { what } => ReconcileError::Log(what),
        e => e.into(),
    })?;
    let mut events = Vec::new();
    if writes {
        pins.iter().try_for_each(|pin| host.remember(pin))?;
        host.remember_walk(&commit, &live, &ever, &logs)?;
        // What is live and not recorded yet, though an earlier run may have brought it in and was killed before it
        // could say so. The approvals stand before the deployment, so that where that stands they do.
        let late =
            |d: &InForce| changes.iter().any(|c| matches!(c, Change::Late { strategy, .. } if *strategy == d.strategy));
        let stands = |d: &InForce| said(&d.strategy, d.version as i64, &d.sha256.to_string());
        live.iter().filter(|d| !late(d) && !stands(d)).for_each(|d| events.extend(deployed(d)));
        changes.iter().for_each(|c| events.extend(drifted(c, at_ms).into_iter().chain(healed(c, at_ms))));
    }
    let dependents = gate::dependents(repo, &commit, &live, &revoked)?;
    Ok((Reconciled { commit, live, changes, dependents }, events))
}

/// What git wants of a config in force. The hash of its row is kept there, so that it is made once.
fn wanted(c: &mut InForce, repo: &Repo) -> Result<Want, DeployError> {
    let row = match c.row {
        Some(row) => row,
        None => Row::of(c, repo)?.hash(),
    };
    c.row = Some(row);
    Ok(Want {
        strategy: c.strategy.clone(),
        version: c.version as i64,
        config_sha256: c.sha256.to_string(),
        retired: c.retired,
        row,
    })
}

/// What this host recorded as deployed must be on the branch: a branch that went back would take versions out of
/// force, and let others take their numbers, without the gate.
fn gone_back(
    repo: &Repo,
    host: &Host,
    head: &str,
    ever: &Ever,
    recorded: &[PromotionDeployed],
) -> Result<(), GateError> {
    let there = |r: &PromotionDeployed| ever.contains(&(r.strategy.clone(), r.version, Hash(r.config_sha256)));
    let Some(gone) = recorded.iter().find(|r| !there(r)) else { return Ok(()) };
    if repo.tip(&host.deploy_reference()).as_deref() != Some(head) {
        return Ok(());
    }
    let what = format!(
        "{} v{} was deployed here from commit {}, and is not on the branch any more: bring the branch back to where it was",
        gone.strategy,
        gone.version,
        gone.commit.chars().take(12).collect::<String>()
    );
    refuse(Code::Rollback, host.deploy_reference(), what)
}

/// The approvals and the deployment of a config.
fn deployed(d: &InForce) -> Vec<Event> {
    let (strategy, version, config_sha256) = (d.strategy.clone(), d.version, d.sha256.0);
    let approval = |(person, key): (&String, &assay_ledger::PublicKey)| -> Event {
        ApprovalRecorded {
            strategy: strategy.clone(),
            version,
            config_sha256,
            person: person.clone(),
            key: key.to_bytes(),
        }
        .into()
    };
    let mut out: Vec<Event> = d.approvers.iter().zip(&d.approver_keys).map(approval).collect();
    let policy_sha256 = d.policy_sha256.0;
    out.push(
        PromotionDeployed {
            strategy: strategy.clone(),
            version,
            config_sha256,
            commit: d.commit.clone(),
            policy_sha256,
        }
        .into(),
    );
    out
}

/// What somebody did behind git's back.
fn drifted(change: &Change, at_ms: i64) -> Option<Event> {
    let (strategy, detail) = match change {
        Change::Heal { strategy, detail, .. } | Change::Remove { strategy, detail } => (strategy, detail.clone()),
        Change::Forged { strategy, version } => {
            (strategy, format!("version {version} in the history was never deployed"))
        }
        Change::Deploy { .. } | Change::Retire { .. } | Change::Late { .. } | Change::PutBack { .. } => return None,
    };
    Some(DriftDetected { strategy: recordable_name(strategy), detail: recordable(&detail, 1000), at_ms }.into())
}

/// And that it was set right.
fn healed(change: &Change, at_ms: i64) -> Option<Event> {
    let (strategy, version) = match change {
        Change::Heal { strategy, version, .. } => (strategy, *version as u64),
        Change::Remove { strategy, .. } => (strategy, 0),
        _ => return None,
    };
    Some(DriftHealed { strategy: recordable_name(strategy), version, at_ms }.into())
}
