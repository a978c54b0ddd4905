//! What a config claims against what the log says.

use super::age::same_time;
use super::approvals::Signed;
use super::facts::{Evidence, Facts, facts};
use super::gates;
use super::log::{Logs, VerifiedLog};
use super::pins::Host;
use super::recount::{self, Judged};
use super::refusal::{Code, GateError, refuse};
use super::reproductions;
use super::verdict::{self, Judgement, Verdict};
use crate::repository::evidence::ledger_branch;
use crate::repository::git::Repo;
use assay_ledger::keys::cosign::cosigners;
use assay_ledger::log::system_seconds;
use assay_ledger::tree::proof::Proof;
use assay_ledger::{Checkpoint, Entry, Hash};
use assay_shared::RESULTS;
use assay_shared::event::study::{Ended, recorded_folds_v1};
use assay_shared::format::config::{LedgerRef, LiveConfig, Versions, evidence_dir};
use assay_shared::metric::Metric;
use assay_shared::policy::Policy;
use assay_shared::strategy::Strategy;
use assay_shared::study::Study;
use assay_shared::time::parse;
use std::collections::BTreeMap;

/// Results from which on a config says where its strategy began.
const ANCHORED: u32 = 3;

/// Verifies every claim of a config against the events of its log, and the policy's gates. What is restored was
/// judged when it first went live, and is not judged by figures again.
pub(super) fn verify(
    repo: &Repo,
    commit: &str,
    (config, sha256): (&LiveConfig, &Hash),
    author: &Signed,
    policy: &Policy,
    logs: &Logs<'_>,
    host: &Host,
) -> Result<(), GateError> {
    let evidence = evidence(repo, commit, config, author, policy, logs)?;
    if config.promotion.restores_version.is_some() {
        return Ok(());
    }
    let judgement = match verdict::remembered(host, sha256) {
        Some(verdict) => Judgement::Computed(verdict),
        None => match computed(config, &evidence, logs)? {
            Some(verdict) => {
                verdict::remember(host, sha256, &verdict);
                Judgement::Computed(verdict)
            }
            None if config.format == 1 => Judgement::Recorded,
            None => Judgement::Before,
        },
    };
    if let Judgement::Computed(verdict) = &judgement {
        seed(&evidence.facts, verdict.seeded.as_deref(), policy)?;
        reproductions::verify(repo, commit, config, sha256, verdict.trials, policy)?;
    }
    let path = LiveConfig::path(&config.promotion.strategy);
    gates::verify(&gates::limits(config, &evidence, judgement, &policy.gates, &path)?, &path)
}

/// The events that a config names stand in its log, prove it, and say what it says.
pub(super) fn evidence(
    repo: &Repo,
    commit: &str,
    config: &LiveConfig,
    author: &Signed,
    policy: &Policy,
    logs: &Logs<'_>,
) -> Result<Evidence, GateError> {
    let path = LiveConfig::path(&config.promotion.strategy);
    if config.format == 1 && policy.format > 1 && config.promotion.restores_version.is_none() {
        return refuse(Code::OldFormat, path, "a config of format 1 may only be restored: promote the trial again");
    }
    let Some(reference) = &config.ledger else { return refuse(Code::NoEvidence, path, "the config names no ledger") };
    let Some(log) = logs.get(&reference.origin) else {
        return refuse(
            Code::UnknownOrigin,
            path,
            format!("the log {} is not in the repository or not in the policy", reference.origin),
        );
    };
    if log.len() < reference.size {
        let (origin, branch) = (&reference.origin, ledger_branch(&reference.origin));
        let (here, named) = (log.len(), reference.size);
        let what = format!("the config names {named} entries of the log {origin}, {here} are here: push {branch} too");
        return refuse(Code::Checkpoint, path, what);
    }
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
    Ok(Evidence { facts, strategy })
}

/// A seed that a witness gave must be of the first that the policy names: anybody can have a witness of their own, and
/// who could choose among several would choose the seed.
pub(super) fn seed(f: &Facts, by: Option<&str>, policy: &Policy) -> Result<(), GateError> {
    let no = |what: String| refuse(Code::SeedReach, format!("study '{}'", f.study.name), what);
    match by {
        Some(vkey) if policy.witnesses().first().is_some_and(|w| w.to_string() == vkey) => Ok(()),
        Some(vkey) => no(format!("its seed was given by {vkey}, which is not the first witness of the policy")),
        None if policy.gates.witnessed_seed => {
            no("the researcher named its seed, and the policy asks for a witness's".into())
        }
        None => Ok(()),
    }
}

/// What the study behind a config comes to: computed when its log was pushed, or now.
fn computed(config: &LiveConfig, evidence: &Evidence, logs: &Logs<'_>) -> Result<Option<Verdict>, GateError> {
    let Some((reference, log)) = ours(config, logs) else { return Ok(None) };
    let facts = &evidence.facts;
    agree(facts, log, reference)?;
    if let Some((checked, lineage)) = recount::before(logs, log, &facts.study, reference)? {
        return Ok(Some(Verdict::of_checked(checked, facts.trial.clone(), &lineage)));
    }
    let judged = recount::study(logs, log, &facts.study, reference)?;
    Ok(Some(Verdict::of(&judged, config.promotion.trial_id)))
}

/// A config with results of this version, with its log.
fn ours<'a, 'r>(config: &'a LiveConfig, logs: &'a Logs<'r>) -> Option<(&'a LedgerRef, &'a VerifiedLog<'r>)> {
    let ours = config.format > 1 && config.environment.results == Some(RESULTS);
    config.ledger.as_ref().filter(|_| ours).and_then(|r| Some((r, logs.get(&r.origin)?)))
}

/// The study behind a config, computed again; none of one with results of another version, such as release 0.1.0's.
pub(super) fn judged(config: &LiveConfig, evidence: &Evidence, logs: &Logs<'_>) -> Result<Option<Judged>, GateError> {
    let Some((reference, log)) = ours(config, logs) else { return Ok(None) };
    let facts = &evidence.facts;
    agree(facts, log, reference)?;
    recount::study(logs, log, &facts.study, reference).map(Some)
}

/// The walk-forward that a promotion shows is that of its trial.
fn agree(f: &Facts, log: &VerifiedLog<'_>, r: &LedgerRef) -> Result<(), GateError> {
    let Ended::Completed { metrics, stream_hash, .. } = &f.trial.ended else { return Ok(()) };
    let no = |what: String| refuse(Code::FigureDiffers, format!("{} entry {}", log.origin, r.walk_forward.seq), what);
    if f.walk.stream_hash != *stream_hash {
        return no("the walk-forward is of another run than the trial".into());
    }
    if f.walk.folds != recorded_folds_v1(&f.trial.folds) {
        return no("the folds of the walk-forward are not the trial's".into());
    }
    let walk: BTreeMap<&str, f64> = f.walk.metrics.iter().map(|(name, v)| (name.as_str(), v.0)).collect();
    // The trial counts undecided bars over its whole run, the walk-forward those out of sample.
    let whole = Metric::UndecidedBars.name();
    let names = walk.keys().copied().chain(metrics.keys().map(String::as_str)).filter(|name| *name != whole);
    let differs = names.into_iter().find(|name| walk.get(name) != metrics.get(*name));
    match differs {
        None => Ok(()),
        Some(name) => {
            let show = |v: Option<&f64>| v.map_or("nothing".into(), ToString::to_string);
            let (said, found) = (show(walk.get(name)), show(metrics.get(name)));
            no(format!("{name} is {said} in the walk-forward, and {found} in the trial"))
        }
    }
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
    log: &VerifiedLog<'_>,
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
        Err(e) => {
            let how = "ask them with `assay ledger witness URL`, put what they sign beside the evidence with `assay ledger \
                       attach LAB/ledger/checkpoint --branch BRANCH`, and sync";
            refuse(Code::WitnessQuorum, path, format!("{e}: {how}"))
        }
    }
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
    anchored(config, &strategy, path)?;
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

/// That a config says where each symbol that its strategy reads begins. That it is where the data begin is for a
/// reproduction to see.
fn anchored(config: &LiveConfig, strategy: &Strategy, path: &str) -> Result<(), GateError> {
    if config.environment.results.unwrap_or_default() < ANCHORED {
        return Ok(());
    }
    let named: Vec<&String> = config.anchors.keys().collect();
    let mut wanted = strategy.file.all_symbols();
    wanted.sort();
    match config.anchors.values().find(|time| parse(time).is_none()) {
        Some(time) => refuse(Code::BadConfig, path, format!("the anchor '{time}' is no time")),
        None if named.into_iter().eq(&wanted) => Ok(()),
        None => refuse(Code::BadConfig, path, "it does not say at which bar each symbol of the strategy begins"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A config of results that are anchored names a time for each symbol that its strategy reads, and for no other.
    #[test]
    fn anchors_are_of_the_strategys_symbols() {
        let golden = include_bytes!("../../shared/format/config/golden/v2.toml");
        let mut config = LiveConfig::parse(golden).unwrap();
        let strategy = Strategy::recorded(&config.strategy_text).unwrap();
        let says = |config: &LiveConfig| match anchored(config, &strategy, "configs/live/s.toml") {
            Ok(()) => "fine".to_string(),
            Err(e) => e.to_string(),
        };
        assert_eq!(says(&config), "fine", "older results have none");
        config.environment.results = Some(ANCHORED);
        assert!(says(&config).contains("does not say at which bar"));
        let begin = "2022-03-01 00:00:00".to_string();
        config.anchors = strategy.file.all_symbols().into_iter().map(|s| (s, begin.clone())).collect();
        assert_eq!(says(&config), "fine");
        let (first, _) = config.anchors.pop_first().unwrap();
        assert!(says(&config).contains("does not say at which bar"));
        config.anchors.insert(first.clone(), "soon".into());
        assert!(says(&config).contains("'soon' is no time"));
        config.anchors.insert(first, begin.clone());
        config.anchors.insert("XTZUSDT".into(), begin);
        assert!(says(&config).contains("does not say at which bar"));
    }
}
