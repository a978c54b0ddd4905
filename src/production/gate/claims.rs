//! What a config claims against what the log says.

use super::age::same_time;
use super::approvals::Signed;
use super::refusal::{Code, GateError, refuse};
use super::replay::{Logs, VerifiedLog};
use crate::repository::git::Repo;
use assay_ledger::format::hash::hex;
use assay_ledger::keys::cosign::cosigners;
use assay_ledger::log::system_seconds;
use assay_ledger::tree::proof::Proof;
use assay_ledger::{Checkpoint, Entry};
use assay_shared::event::study::{Ended, StudyFact, TrialFact};
use assay_shared::event::{Event, StudyClosed, WalkForwardCompleted};
use assay_shared::format::config::{LedgerRef, LiveConfig, Versions, evidence_dir};
use assay_shared::policy::{Gates, Policy};
use assay_shared::strategy::Strategy;
use assay_shared::study::Study;

/// The events behind a config.
struct Facts {
    study: StudyFact,
    trial: TrialFact,
    constraints: Vec<f64>,
    closed: StudyClosed,
    closed_us: u64,
    proposed_us: u64,
    walk: WalkForwardCompleted,
}

/// Verifies every claim of a config against the events of its log, and the policy's gates.
pub(super) fn verify(
    repo: &Repo,
    commit: &str,
    config: &LiveConfig,
    author: &Signed,
    policy: &Policy,
    logs: &Logs,
) -> Result<(), GateError> {
    let path = LiveConfig::path(&config.promotion.strategy);
    let Some(reference) = &config.ledger else { return refuse(Code::NoEvidence, path, "the config names no ledger") };
    let Some(log) = logs.get(&reference.origin) else {
        return refuse(
            Code::UnknownOrigin,
            path,
            format!("the log {} is not in the repository or not in the policy", reference.origin),
        );
    };
    if log.root_at(reference.size) != Some(reference.root) {
        return refuse(Code::Checkpoint, path, "the config's checkpoint is not of this log");
    }
    // It may say anything, such as that a key counts no more.
    if let Some(at) = log.roster.unknown.filter(|at| *at < reference.size) {
        let place = format!("{} entry {at}", log.origin);
        return refuse(
            Code::UnsupportedEvent,
            place,
            "an event before the evidence is of a kind or version unknown here",
        );
    }
    offline_proofs(repo, commit, config, reference, policy)?;
    witnessed(repo, commit, config, log, policy)?;
    let facts = facts(log, config, reference, author, &path)?;
    same_time(&config.promotion.promotion_timestamp, facts.proposed_us, &path)?;
    let strategy = claims(config, &facts, &path)?;
    gates(config, &strategy, &facts, &policy.gates, &path)
}

/// The proofs that lie beside the config verify on their own.
fn offline_proofs(
    repo: &Repo,
    commit: &str,
    config: &LiveConfig,
    reference: &LedgerRef,
    policy: &Policy,
) -> Result<(), GateError> {
    let dir = evidence_dir(&config.promotion.strategy, config.promotion.version);
    let Some(verifier) = policy.verifier(&reference.origin) else {
        return refuse(Code::UnknownOrigin, dir, "not in the policy");
    };
    for (name, event) in reference.events() {
        let file = |suffix: &str| -> Result<Vec<u8>, GateError> {
            let path = format!("{dir}/{name}.{suffix}");
            repo.file(commit, &path)?.map_or_else(|| refuse(Code::NoEvidence, &path, "the evidence is missing"), Ok)
        };
        let (entry, proof) = (file("entry")?, file("tlog-proof")?);
        let checked = Proof::parse(&proof).and_then(|p| p.verify(&entry, &verifier).map(|c: Checkpoint| (p.index, c)));
        match checked {
            Ok((index, c)) if index == event.seq && c.size == reference.size && c.root == reference.root => {}
            Ok(_) => {
                return refuse(
                    Code::BadProof,
                    format!("{dir}/{name}"),
                    "it proves another entry or checkpoint than the config names",
                );
            }
            Err(e) => return refuse(Code::BadProof, format!("{dir}/{name}"), e.to_string()),
        }
        if Entry::decode(entry)?.leaf_hash() != event.leaf {
            return refuse(Code::BadProof, format!("{dir}/{name}"), "the entry is another one than the config names");
        }
    }
    Ok(())
}

/// Enough of the policy's witnesses cosigned a checkpoint that has the config's events (P-17).
fn witnessed(
    repo: &Repo,
    commit: &str,
    config: &LiveConfig,
    log: &VerifiedLog,
    policy: &Policy,
) -> Result<(), GateError> {
    let need = policy.thresholds.witnesses as usize;
    if need == 0 {
        return Ok(());
    }
    let path = format!("{}/checkpoint", evidence_dir(&config.promotion.strategy, config.promotion.version));
    let (Some(note), Some(verifier)) = (repo.file(commit, &path)?, policy.verifier(&log.origin)) else {
        return refuse(Code::NoEvidence, path, "the checkpoint that witnesses cosigned is missing");
    };
    let checkpoint = match Checkpoint::open(&note, &verifier) {
        Ok(c) => c,
        Err(e) => return refuse(Code::BadCheckpoint, path, e.to_string()),
    };
    let covered = config.ledger.as_ref().is_some_and(|r| checkpoint.size >= r.size);
    if !covered || log.root_at(checkpoint.size) != Some(checkpoint.root) {
        return refuse(Code::BadCheckpoint, path, "it is not one of this log that has the config's events");
    }
    match cosigners(&note, &policy.witnesses(), need, system_seconds()) {
        Ok(_) => Ok(()),
        Err(e) => refuse(Code::WitnessQuorum, path, e.to_string()),
    }
}

fn facts(
    log: &VerifiedLog,
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
    let Event::StudyClosed(closed) = closed else { return wrong("closed") };
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

fn claims(config: &LiveConfig, f: &Facts, path: &str) -> Result<Strategy, GateError> {
    let p = &config.promotion;
    let differs = |what: &str| refuse(Code::ClaimDiffers, path, format!("{what} is not what the log says"));
    let strategy = match Strategy::recorded(&config.strategy_text) {
        Ok(s) => s,
        Err(e) => return refuse(Code::BadStrategy, path, e.to_string()),
    };
    if strategy.hash() != p.strategy_hash || p.strategy_hash.0 != f.study.strategy_hash {
        return differs("the strategy");
    }
    if strategy.file.name != p.strategy {
        return refuse(Code::WrongName, path, "the strategy inside has another name than the config");
    }
    if config.parameters != f.trial.params {
        return differs("a parameter");
    }
    if p.data_hash.0 != f.study.data_hash
        || p.rulebook_hash.0 != f.study.rulebook_hash
        || p.generated_data != f.study.generated
    {
        return differs("the data or the rule book");
    }
    if p.stream_hash.0 != f.walk.stream_hash || p.study_name != f.study.name {
        return differs("the result");
    }
    if config.environment != Versions::from(&f.study.environment) {
        return differs("the environment");
    }
    match Study::recorded(&f.study.text) {
        Ok(study) if study.assumptions == config.assumptions => Ok(strategy),
        Ok(_) => differs("an assumption"),
        Err(e) => refuse(Code::MalformedEvent, path, format!("the study in the log: {e}")),
    }
}

fn gates(config: &LiveConfig, strategy: &Strategy, f: &Facts, g: &Gates, path: &str) -> Result<(), GateError> {
    let fail = |what: String| refuse(Code::Gate, path, what);
    let find = |list: &[(String, assay_shared::event::codec::Real)], name: &str| {
        list.iter().find(|(k, _)| k == name).map(|(_, v)| v.0)
    };
    let walk = |name: &str| find(&f.walk.metrics, name);
    let trades = walk("trades").unwrap_or(0.0);
    if trades < f64::from(g.min_trades) {
        return fail(format!("{trades} out-of-sample trades, fewer than {}", g.min_trades));
    }
    // What was in force, caps included: what the account really did.
    let leverage = match strategy.bind(&config.parameters) {
        Ok(bound) => bound.terms().highest_leverage(),
        Err(d) => return refuse(Code::BadStrategy, path, d.to_string()),
    };
    if leverage > g.max_leverage {
        return fail(format!("leverage {leverage} is over {}", g.max_leverage));
    }
    let drawdown = walk("max_drawdown").map_or(1.0, |d| -d);
    if drawdown > g.max_drawdown {
        return fail(format!(
            "out-of-sample drawdown {:.1} % is over {:.1} %",
            drawdown * 100.0,
            g.max_drawdown * 100.0
        ));
    }
    if let Some(c) = f.constraints.iter().find(|c| **c > 0.0) {
        return fail(format!("the trial breaks a constraint by {c}"));
    }
    let statistic = |name: &str| find(&f.closed.statistics, name);
    if let Some(min) = g.min_dsr
        && statistic("dsr").is_none_or(|v| v < min)
    {
        return fail(format!("deflated Sharpe ratio {:?} is below {min}", statistic("dsr")));
    }
    if let Some(max) = g.max_pbo
        && statistic("pbo").is_none_or(|v| v > max)
    {
        return fail(format!("probability of overfitting {:?} is over {max}", statistic("pbo")));
    }
    if !g.engine_versions.contains(&config.environment.engine_version) {
        return fail(format!("engine version {} is not allowed", config.environment.engine_version));
    }
    if config.promotion.generated_data && !g.allow_generated {
        return fail("the result comes from generated data".into());
    }
    let age_days = f.proposed_us.saturating_sub(f.closed_us) / 86_400_000_000;
    if age_days > u64::from(g.max_evidence_age_days) {
        return fail(format!(
            "the study was closed {age_days} days before the proposal, over {}",
            g.max_evidence_age_days
        ));
    }
    Ok(())
}
