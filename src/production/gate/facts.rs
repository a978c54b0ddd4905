//! The events that a config names.

use super::approvals::Signed;
use super::log::VerifiedLog;
use super::refusal::{Code, GateError, refuse};
use assay_ledger::format::hash::hex;
use assay_shared::event::study::{Ended, StudyFact, TrialFact};
use assay_shared::event::{Event, StudyClosed, WalkForwardCompleted};
use assay_shared::format::config::{LedgerRef, LiveConfig};
use assay_shared::strategy::Strategy;

/// The events behind a config.
#[derive(Debug)]
pub(super) struct Facts {
    pub study: StudyFact,
    pub trial: TrialFact,
    pub constraints: Vec<f64>,
    pub closed: StudyClosed,
    pub closed_us: u64,
    pub proposed_us: u64,
    pub walk: WalkForwardCompleted,
}

/// What a config names, and that it agrees with it.
#[derive(Debug)]
pub(super) struct Evidence {
    /// The events.
    pub facts: Facts,
    /// The strategy, as it is in the config and in the log.
    pub strategy: Strategy,
}

/// Reads the events that a config names, which must be of its trial, in its checkpoint, and proposed by its author.
pub(super) fn facts(
    log: &VerifiedLog<'_>,
    config: &LiveConfig,
    r: &LedgerRef,
    author: &Signed,
    path: &str,
) -> Result<Facts, GateError> {
    if r.events().iter().any(|(_, e)| e.seq >= r.size) {
        return refuse(Code::EventOrder, path, "an event stands after the config's checkpoint");
    }
    let wrong = |name: &str| {
        refuse(Code::WrongEvent, path, format!("the {name} reference is an event of another kind or trial"))
    };
    let Some(study) = log.event("study", &r.study)?.1.study() else { return wrong("study") };
    let Some(trial) = log.event("trial", &r.trial)?.1.trial() else { return wrong("trial") };
    let Ended::Completed { constraints, .. } = &trial.ended else { return wrong("trial") };
    let constraints = constraints.clone();
    let (closed_entry, closed) = log.event("closed", &r.closed)?;
    let Some((_, closed)) = closed.closing() else { return wrong("closed") };
    let Event::WalkForwardCompleted(walk) = log.event("walk-forward", &r.walk_forward)?.1 else {
        return wrong("walk-forward");
    };
    let Event::ParityVerified(parity) = log.event("parity", &r.parity)?.1 else { return wrong("parity") };
    let (proposal_entry, proposal) = log.event("proposal", &r.proposal)?;
    let p = &config.promotion;
    let id = study.study_id;
    let same_study = trial.study_id == id && closed.study_id == id && walk.study_id == id && parity.study_id == id;
    let same_trial = [trial.number, walk.number, parity.number].iter().all(|n| *n == p.trial_id);
    if hex(&id) != p.study_id || !same_study || !same_trial {
        return wrong("trial");
    }
    if parity.research_stream != parity.production_stream
        || parity.research_stream != walk.stream_hash
        || parity.data_hash != study.data_hash
    {
        return refuse(Code::NoParity, path, "research and production did not give the same stream on this data");
    }
    let (core, replaces, version, name) = match (&proposal, p.restores_version) {
        (Event::PromotionProposed(e), None) => (e.core_sha256, e.replaces_sha256, e.version, &e.strategy),
        (Event::RollbackProposed(e), Some(v)) if e.restores_version == v => {
            (e.core_sha256, e.replaces_sha256, e.version, &e.strategy)
        }
        _ => return wrong("proposal"),
    };
    if core != config.core_sha256().0 || replaces != p.replaces_sha256.0 || version != p.version || *name != p.strategy
    {
        return refuse(Code::ProposalDiffers, path, "the proposal in the log is for another config");
    }
    if log.roster.person(&proposal_entry.author) != Some(&author.person) && proposal_entry.author != author.key.id() {
        return refuse(
            Code::ProposalAuthor,
            path,
            "the proposal in the log was signed by somebody else than the config",
        );
    }
    let (closed_us, proposed_us) = (closed_entry.time_us, proposal_entry.time_us);
    Ok(Facts { study, trial, constraints, closed, closed_us, proposed_us, walk })
}
