//! The reconciler: the one writer of the live table. It verifies again, writes, and records.
//!
//! Idempotent; safe to run twice, late or out of order. It also finds and heals drift.

use crate::deploy::{Change, DeployError, LiveTable, Row};
use crate::gate::{self, Deployment, GateError, Host, Logs};
use crate::promotion::repo::Repo;
use assay_shared::event::{ApprovalRecorded, DriftDetected, DriftHealed, Event, PromotionDeployed};
use assay_shared::policy::{PATH, Policy};
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
pub struct Outcome {
    /// The commit that was reconciled.
    pub commit: String,
    /// Verified configs.
    pub deployments: Vec<Deployment>,
    /// What was (or would be) changed.
    pub changes: Vec<Change>,
}

impl Outcome {
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

/// Verifies the deploy branch as it stands: each live config by the step that brought it in,
/// under the policy before that step. Verified checkpoints are pinned.
///
/// # Errors
/// The first refusal.
pub fn desired(repo: &Repo, host: &Host) -> Result<(String, Vec<Deployment>), GateError> {
    let reference = host.deploy_reference();
    let Some(head) = repo.tip(&reference) else {
        return gate::refuse("no-branch", reference, "the deploy branch does not exist yet");
    };
    let mut logs = Logs::new();
    let mut out = Vec::new();
    for path in repo.list(&head)?.into_keys() {
        let Some(strategy) = path.strip_prefix("configs/live/").and_then(|p| p.strip_suffix(".toml")) else { continue };
        let (before, after) = step_of(repo, &head, &path)?;
        let Some(bytes) = repo.file(&before, PATH)? else {
            return gate::refuse("no-policy", PATH, "no policy before the config");
        };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let policy = match Policy::parse(&text) {
            Ok(p) => p,
            Err(what) => return gate::refuse("bad-policy", PATH, what),
        };
        gate::complete(repo, &policy, host, &mut logs)?;
        let verdict = gate::transition(repo, &before, &after, (&text, &policy), &logs)?;
        out.extend(verdict.deployments.into_iter().filter(|d| d.config.promotion.strategy == strategy));
    }
    for log in logs.values() {
        host.remember(&log.pin)?;
    }
    Ok((head, out))
}

/// The last step on the first-parent line that changed a file: `(before, after)`.
fn step_of(repo: &Repo, head: &str, path: &str) -> Result<(String, String), GateError> {
    let object = |commit: &str| repo.list(commit).map(|files| files.get(path).cloned());
    let mut after = head.to_string();
    let now = object(head)?;
    while let Some(before) = repo.parent(&after)? {
        if object(&before)? != now {
            return Ok((before, after));
        }
        after = before;
    }
    gate::refuse("no-history", path, "the config was there from the first commit")
}

/// Brings the live table in line with the deploy branch (or only compares, when `write` is
/// false). `record` gets the events for the deploy host's own log.
///
/// # Errors
/// [`ReconcileError`]; the table is unchanged then.
pub fn reconcile(
    repo: &Repo,
    host: &Host,
    table: &mut dyn LiveTable,
    now_us: u64,
    write: bool,
) -> Result<(Outcome, Vec<Event>), ReconcileError> {
    let (commit, deployments) = desired(repo, host)?;
    let rows: Vec<Row> = deployments.iter().map(Row::of).collect();
    let changes = table.sync(&rows, now_us as i64, write)?;
    let mut events = Vec::new();
    for change in changes.iter().filter(|_| write) {
        let d = deployments.iter().find(|d| d.config.promotion.strategy == change.strategy());
        events.extend(events_of(change, d, (now_us / 1000) as i64));
    }
    Ok((Outcome { commit, deployments, changes }, events))
}

fn events_of(change: &Change, deployment: Option<&Deployment>, at_ms: i64) -> Vec<Event> {
    let mut out = Vec::new();
    match (change, deployment) {
        (Change::Deploy { strategy, .. }, Some(d)) => {
            let version = d.config.promotion.version;
            for (person, key) in d.approvers.iter().zip(&d.approver_keys) {
                let key = key.to_bytes();
                out.push(
                    ApprovalRecorded {
                        strategy: strategy.clone(),
                        version,
                        config_sha256: d.sha256.0,
                        person: person.clone(),
                        key,
                    }
                    .into(),
                );
            }
            out.push(
                PromotionDeployed {
                    strategy: strategy.clone(),
                    version,
                    config_sha256: d.sha256.0,
                    commit: d.commit.clone(),
                    policy_sha256: d.policy_sha256.0,
                }
                .into(),
            );
        }
        (Change::Heal { strategy, version, detail }, _) => {
            out.push(DriftDetected { strategy: strategy.clone(), detail: detail.clone(), at_ms }.into());
            out.push(DriftHealed { strategy: strategy.clone(), version: *version as u64, at_ms }.into());
        }
        (Change::Remove { strategy, detail }, _) => {
            out.push(DriftDetected { strategy: strategy.clone(), detail: detail.clone(), at_ms }.into());
            out.push(DriftHealed { strategy: strategy.clone(), version: 0, at_ms }.into());
        }
        _ => {}
    }
    out
}
