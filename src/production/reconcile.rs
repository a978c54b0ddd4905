//! The reconciler: the one writer of the live table. It verifies again, writes, and records.
//!
//! Idempotent; safe to run twice, late or out of order. It also finds and heals drift.

use crate::deploy::{Change, DeployError, LiveTable, Row};
use crate::gate::refusal::refuse;
use crate::gate::{self, Code, Deployment, Ever, GateError, Host, Logs, Pin, Tips};
use crate::repository::git::Repo;
use assay_ledger::Hash;
use assay_shared::event::{ApprovalRecorded, DriftDetected, DriftHealed, Event, PromotionDeployed};
use serde::Serialize;

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
}

/// What is deployed and what had to be done.
#[derive(Debug)]
pub struct Reconciled {
    /// The commit that was reconciled.
    pub commit: String,
    /// Verified configs.
    pub deployments: Vec<Deployment>,
    /// What was (or would be) changed.
    pub changes: Vec<Change>,
}

impl Reconciled {
    /// How a strategy stands, before any change was made.
    pub fn status(&self, strategy: &str) -> Status {
        match self.changes.iter().find(|c| c.strategy() == strategy) {
            None => Status::Synced,
            Some(Change::Deploy { .. }) => Status::Pending,
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
}

/// What the deploy branch says.
#[derive(Debug)]
pub struct Desired {
    /// Its head.
    pub head: String,
    /// The configs in force.
    pub deployments: Vec<Deployment>,
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
    let (tips, mut logs) = (gate::tips(repo)?, Logs::new());
    let (deployments, ever) = gate::walk(repo, &head, host, &mut logs)?;
    Ok(Desired { head, deployments, ever, pins: logs.into_values().map(|log| log.pin).collect(), logs: tips })
}

/// Brings the live table in line with the deploy branch (or only compares, when `write` is
/// false). `recorded` is what the host's own log says was deployed. Gives the events for that log.
///
/// # Errors
/// [`ReconcileError`]; the table is unchanged then.
pub fn reconcile(
    repo: &Repo,
    host: &Host,
    table: &mut dyn LiveTable,
    recorded: &[PromotionDeployed],
    now_us: u64,
    write: bool,
) -> Result<(Reconciled, Vec<Event>), ReconcileError> {
    let Desired { head: commit, deployments, ever, pins, logs } = desired(repo, host)?;
    gone_back(repo, host, &commit, &ever, recorded)?;
    let rows: Vec<Row> = deployments.iter().map(Row::of).collect();
    let moved = || repo.tip(&host.deploy_reference()).as_ref() != Some(&commit);
    // Where the branch has moved meanwhile, a row ahead of it may be what it holds now.
    let known = |strategy: &str, version: i64, sha256: &str| {
        let same =
            |(s, v, sha): &(String, u64, Hash)| s == strategy && *v as i64 == version && sha.to_string() == sha256;
        ever.iter().any(same) || moved()
    };
    let changes = table.sync(&rows, &known, now_us as i64, write)?;
    let mut events = Vec::new();
    if write {
        pins.iter().try_for_each(|pin| host.remember(pin))?;
        host.remember_walk(&commit, &deployments, &ever, &logs)?;
        // Facts about what is live have ids of their own content, so recording them at every run
        // is no change, and makes up for a run that was killed before it could.
        let late = |d: &&Deployment| {
            changes
                .iter()
                .any(|c| matches!(c, Change::Late { strategy, .. } if *strategy == d.config.promotion.strategy))
        };
        deployments.iter().filter(|d| !late(d)).for_each(|d| events.extend(deployed(d)));
        changes.iter().for_each(|c| events.extend(drift(c, (now_us / 1000) as i64)));
    }
    Ok((Reconciled { commit, deployments, changes }, events))
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
        &gone.commit[..12.min(gone.commit.len())]
    );
    refuse(Code::Rollback, host.deploy_reference(), what)
}

/// The approvals and the deployment of a config.
fn deployed(d: &Deployment) -> Vec<Event> {
    let p = &d.config.promotion;
    let (strategy, version, config_sha256) = (p.strategy.clone(), p.version, d.sha256.0);
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

/// What somebody did behind git's back, and that it was set right.
fn drift(change: &Change, at_ms: i64) -> Vec<Event> {
    let (strategy, version, detail) = match change {
        Change::Heal { strategy, version, detail } => (strategy, *version as u64, detail),
        Change::Remove { strategy, detail } => (strategy, 0, detail),
        Change::Forged { strategy, version } => {
            let detail = format!("version {version} in the history was never deployed");
            return vec![DriftDetected { strategy: strategy.clone(), detail, at_ms }.into()];
        }
        Change::Deploy { .. } | Change::Late { .. } => return Vec::new(),
    };
    let found = DriftDetected { strategy: strategy.clone(), detail: detail.clone(), at_ms };
    vec![found.into(), DriftHealed { strategy: strategy.clone(), version, at_ms }.into()]
}
