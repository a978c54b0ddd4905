//! Everything verified at once, and each live row walked back to what it came from.

use crate::error::LabError;
use crate::folder::Lab;
use crate::halted::{Halted, standing};
use crate::{host, study, table, verify};
use assay_ledger::{Finding, Hash};
use assay_production::gate::InForce;
use assay_production::reconcile::{Reconciled, Status, reconcile};
use assay_production::repository::Repo;
use serde::Serialize;
use std::collections::BTreeMap;

/// Where a log stood.
#[derive(Debug, Clone, Serialize)]
pub struct At {
    /// Its origin.
    pub origin: String,
    /// Its size.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

/// One live strategy, walked back.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs)]
pub struct Story {
    pub strategy: String,
    pub version: u64,
    pub status: Status,
    pub config_sha256: Hash,
    pub author: String,
    pub approved_by: Vec<String>,
    pub commit: String,
    pub study: String,
    pub trial: u32,
    /// Trials ever tried on prices that overlap, when this lab has the study.
    pub trials_tried_on_this_data: Option<u64>,
    pub data_hash: Hash,
    pub generated_data: bool,
    pub engine_version: String,
    pub source_commit: String,
    pub ledger: Option<At>,
}

/// What an audit found.
#[derive(Debug)]
pub struct Audit {
    /// Entries of the lab's ledger.
    pub entries: u64,
    /// Entries of the host's log.
    pub host_entries: u64,
    /// Findings of both, the lab's first.
    pub findings: Vec<Finding>,
    /// How many of them are the lab's.
    pub own_findings: usize,
    /// The deploy branch beside the live table.
    pub compared: Reconciled,
    /// The halts in force, by strategy.
    pub halted: BTreeMap<String, Halted>,
    /// Each live row.
    pub live: Vec<Story>,
}

/// Audits the lab's ledger, its deploy repository and its live table. Writes nothing.
///
/// # Errors
/// What could not be read, or a deploy branch that does not verify.
pub fn audit(lab: &Lab, full: bool) -> Result<Audit, LabError> {
    let own = verify::audited(lab)?;
    let mut gate = lab.gate()?;
    (gate.full, gate.looks) = (full, true);
    let hosts = verify::host(&gate.dir().join("ledger"), &lab.session)?;
    let repo = host::repo_of(&gate)?;
    let mut live = table::look(&gate)?;
    let now = assay_ledger::log::system_clock();
    let (compared, _) = reconcile(&repo, &gate, live.as_mut(), &host::deployed(&gate)?, now, None)?;
    let halted = standing(&gate)?;
    let live = stories(&compared, lab, &repo)?;
    let own_findings = own.findings.len();
    let findings = own.findings.into_iter().chain(hosts.findings).collect();
    Ok(Audit { entries: own.entries, host_entries: hosts.entries, findings, own_findings, compared, halted, live })
}

fn stories(compared: &Reconciled, lab: &Lab, repo: &Repo) -> Result<Vec<Story>, LabError> {
    let story = |d: &InForce| -> Result<Story, LabError> {
        let (config, _) = d.config(repo)?;
        let (p, e) = (&config.promotion, &config.environment);
        let figures = study::of_trial(lab, &p.study_id, Some(p.trial_id)).ok().flatten();
        let tried = figures.and_then(|f| f.statistics).map(|s| s.trials);
        let at =
            |l: &assay_shared::format::config::LedgerRef| At { origin: l.origin.clone(), size: l.size, root: l.root };
        Ok(Story {
            strategy: p.strategy.clone(),
            version: p.version,
            status: compared.status(&p.strategy),
            config_sha256: d.sha256,
            author: p.author.clone(),
            approved_by: d.approvers.clone(),
            commit: d.commit.clone(),
            study: p.study_name.clone(),
            trial: p.trial_id,
            trials_tried_on_this_data: tried,
            data_hash: p.data_hash,
            generated_data: p.generated_data,
            engine_version: e.engine_version.clone(),
            source_commit: e.source_commit.clone(),
            ledger: config.ledger.as_ref().map(at),
        })
    };
    compared.live.iter().map(story).collect()
}
