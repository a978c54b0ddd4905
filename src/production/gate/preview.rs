//! What the gate would say of a proposal, check by check, and what it computes of it: for whoever reviews.

use super::config::{approvals, author, check_version};
use super::facts::Evidence;
use super::gates::Limit;
use super::log::Logs;
use super::recount::Judged;
use super::refusal::{Code, GateError, refuse};
use super::replay::logs;
use super::verdict::{Judgement, Verdict};
use super::{age, claims, policy, reproductions, restore};
use crate::repository::git::Repo;
use assay_ledger::Hash;
use assay_shared::event::snapshot::SnapshotFact;
use assay_shared::event::study::{Ended, FoldFact, TrialFact};
use assay_shared::format::config::LiveConfig;
use assay_shared::format::reproduction::Origin;
use assay_shared::policy::Policy;
use assay_shared::recount::figures::{self, Statistics};
use assay_shared::recount::{Case, LaterRun, Looked, best};
use assay_shared::search::front::Judged as Objectives;
use serde::Serialize;
use std::collections::BTreeMap;

/// A check, with what it found, or why it would refuse.
#[derive(Debug, Clone)]
pub struct Check {
    /// What is checked.
    pub name: &'static str,
    /// In words.
    pub outcome: Result<String, String>,
}

/// What was computed of a proposal from its log and the others.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Its trial's figures out of sample.
    pub metrics: BTreeMap<String, f64>,
    /// Its score, and its further objectives with what they are of.
    pub objectives: Vec<(String, f64)>,
    /// How it stands among the trials of its study.
    pub standing: Standing,
    /// Its folds.
    pub folds: Vec<FoldFact>,
    /// Trials of its study.
    pub trials: u32,
    /// Those whose parameters somebody gave.
    pub given: Vec<u32>,
    /// Whether a witness's seed stands between its opening and its trials.
    pub witnessed: bool,
    /// Trials in all logs that do not count beside it, since they are said to be of other prices, and their studies.
    pub elsewhere: (u64, u64),
    /// How often its study got more trials.
    pub rounds: u32,
    /// What its study says: sampler, splits, objective, guardrails.
    pub study: String,
    /// The registration of its data.
    pub data: SnapshotFact,
    /// Its statistics; none when its Sharpe ratio is undefined.
    pub statistics: Option<Statistics>,
    /// Probability of overfitting of its study.
    pub pbo: Option<f64>,
    /// When it was opened, by its log's clock; microseconds since 1970.
    pub opened_us: Option<u64>,
    /// What was seen of its trial afterwards, up to now, and who looked at the same bars.
    pub later: Vec<(LaterRun, Looked)>,
}

/// How a trial stands among those of its study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The best by the score.
    pub best: Option<u32>,
    /// Of a study of several objectives, whether no other feasible trial is as good in all of them and better in one.
    pub front: Option<bool>,
}

/// A proposal as the gate sees it.
#[derive(Debug, Clone)]
pub struct Preview {
    /// Check by check, in the order of the gate.
    pub checks: Vec<Check>,
    /// Each limit of the policy beside what the evidence shows.
    pub limits: Vec<Limit>,
    /// What was computed; none when the evidence is refused.
    pub figures: Option<Figures>,
    /// Who reproduced it, besides its author, with where the data came from.
    pub reproduced: BTreeMap<String, Origin>,
    /// Who approved it.
    pub approved: Vec<String>,
}

/// Judges the proposal on a branch against the branch that it would go to, as its policy says now.
///
/// # Errors
/// A repository that cannot be read; what the gate would refuse is in the checks.
pub fn preview(repo: &Repo, old: &str, new: &str, strategy: &str, now_us: u64) -> Result<Preview, GateError> {
    let (text, policy) = policy::at(repo, old)?;
    let path = LiveConfig::path(strategy);
    let Some(bytes) = repo.file(new, &path)? else {
        return refuse(Code::NoEvidence, path, "the branch proposes no config of this strategy");
    };
    let config = match LiveConfig::parse(&bytes) {
        Ok(config) => config,
        Err(e) => return refuse(Code::BadConfig, path, e.to_string()),
    };
    let (sha256, policy_sha256) = (Hash::of(&bytes), Policy::hash_of(text.as_bytes()));
    let mut out = Preview {
        checks: Vec::new(),
        limits: Vec::new(),
        figures: None,
        reproduced: BTreeMap::new(),
        approved: Vec::new(),
    };
    let mut check = |name: &'static str, found: Result<String, GateError>| {
        out.checks.push(Check { name, outcome: found.map_err(|e| e.to_string()) });
    };
    let signed = author(repo, new, &path, &bytes, &config, &policy);
    check("signature", signed.as_ref().map(|s| format!("by {}", s.person)).map_err(clone));
    stated(repo, (old, new), (&path, &config), &policy, &mut check);
    let max = policy.gates.max_evidence_age_days;
    let stated = &config.promotion.promotion_timestamp;
    check("age", age::fresh(stated, now_us, max, &path).map(|()| format!("proposed {stated}")));
    let known = logs(repo, &policy)?;
    if let Some(version) = config.promotion.restores_version {
        let same = restore::verify(repo, old, &config, version);
        check("content", same.map(|()| format!("that of version {version}, which was live")));
    }
    if let Ok(signed) = &signed {
        let evidence = claims::evidence(repo, new, &config, signed, &policy, &known);
        check("evidence", evidence.as_ref().map(|_| "events, proofs and claims agree".into()).map_err(clone));
        if let (Ok(evidence), None) = (&evidence, config.promotion.restores_version) {
            let stated_us = age::micros(stated).unwrap_or_default();
            let current = super::recount::current(&known, &config, stated_us, &policy);
            check("current", current.map(|()| "results of this version, every log counted".into()));
            let judged = claims::judged(&config, evidence, &known);
            check("study", judged.as_ref().map(recounted).map_err(clone));
            if let Ok(Some(judged)) = &judged {
                let by = judged.case.seeded.as_deref();
                let words = by.map_or("named by the researcher".into(), |w| format!("given by the witness {w}"));
                check("seed", claims::seed(&evidence.facts, by, &policy).map(|()| words));
            }
            if let Ok(judged) = &judged {
                let at = At { repo, new, path: &path, sha256: &sha256 };
                weighed(&at, &config, evidence, judged.as_ref(), (&policy, &known), &mut out)?;
            }
        }
    }
    let by = signed.as_ref().map_or(config.promotion.author.as_str(), |s| s.person.as_str()).to_string();
    let approved = approvals(repo, new, &config, &sha256, &policy_sha256, &policy, &by);
    let words = |people: &Vec<String>| people.join(", ");
    let approved = approved.map(|a| a.into_iter().map(|s| s.person).collect::<Vec<_>>());
    out.checks.push(Check { name: "approvals", outcome: approved.as_ref().map(words).map_err(ToString::to_string) });
    out.approved = approved.unwrap_or_default();
    Ok(out)
}

/// Where a proposal lies.
struct At<'a> {
    repo: &'a Repo,
    new: &'a str,
    path: &'a str,
    sha256: &'a Hash,
}

/// Reproductions, the policy's limits, and everything that was computed, of a study that was computed again.
fn weighed(
    at: &At<'_>,
    config: &LiveConfig,
    evidence: &Evidence,
    judged: Option<&Judged>,
    (policy, known): (&Policy, &Logs<'_>),
    out: &mut Preview,
) -> Result<(), GateError> {
    let mut check = |name: &'static str, found: Result<String, GateError>| {
        out.checks.push(Check { name, outcome: found.map_err(|e| e.to_string()) });
    };
    let verdict = judged.map(|j| Verdict::of(j, evidence.facts.trial.number));
    let judgement = verdict.map_or(Judgement::Before, Judgement::Computed);
    let trials = judged.map_or(0, |j| j.case.study.trials);
    let found = reproductions::found(at.repo, at.new, config, at.sha256, trials, policy)?;
    let done = reproductions::verify(at.repo, at.new, config, at.sha256, trials, policy);
    check("reproductions", done.map(|()| format!("{} of {}", found.len(), policy.thresholds.reproductions)));
    let limits = super::gates::limits(config, evidence, judgement, &policy.gates, at.path);
    let kept = limits.as_ref().map_err(clone).and_then(|limits| super::gates::verify(limits, at.path));
    check("gates", kept.map(|()| "kept".into()));
    if let Some(judged) = judged {
        let seen = seen(known, config, judged, evidence.facts.trial.number);
        let words =
            |all: &Vec<_>| format!("{} over other bars than the study's; what came of them stands above", all.len());
        check("seen later", seen.as_ref().map(words).map_err(clone));
        let mut figures = figures(judged, &evidence.facts.trial, seen.unwrap_or_default());
        if let Some(log) = config.ledger.as_ref().and_then(|r| known.get(&r.origin)) {
            figures.elsewhere = super::recount::elsewhere(known, log, judged.case.fact.study_id)?;
        }
        out.figures = Some(figures);
    }
    out.limits = limits.unwrap_or_default();
    out.reproduced = found;
    Ok(())
}

/// What was seen of the trial afterwards, up to now.
fn seen(
    known: &Logs<'_>,
    config: &LiveConfig,
    judged: &Judged,
    number: u32,
) -> Result<Vec<(LaterRun, Looked)>, GateError> {
    match config.ledger.as_ref().and_then(|r| known.get(&r.origin)) {
        Some(log) => super::recount::seen(known, log, judged.case.fact.study_id, number),
        None => Ok(Vec::new()),
    }
}

/// What the proposal says itself: who signed it, whether its version comes next, and whether it brings nothing else.
fn stated(
    repo: &Repo,
    (old, new): (&str, &str),
    (path, config): (&str, &LiveConfig),
    policy: &Policy,
    check: &mut impl FnMut(&'static str, Result<String, GateError>),
) {
    check("version", check_version(repo, old, path, config).map(|()| format!("{}", config.promotion.version)));
    let (strategy, version) = (&config.promotion.strategy, config.promotion.version);
    // Of a proposal that is deployed already the versions say so.
    let merged = repo.follows(old, new).unwrap_or(false);
    let base = if merged { Ok(old.to_string()) } else { repo.proposed_on(old, new).map_err(GateError::from) };
    let own = base.and_then(|base| super::paths::proposed(repo, &base, new, strategy, version, policy));
    check("paths", own.map(|()| "this config and its evidence, and nothing else".into()));
}

/// A refusal once more.
fn clone(e: &GateError) -> GateError {
    GateError::Host { what: e.to_string() }
}

/// The trials whose parameters somebody gave.
fn given(case: &Case) -> Vec<u32> {
    case.trials.iter().map(|(_, t)| t.number).filter(|number| case.study.queued.contains_key(number)).collect()
}

fn recounted(judged: &Option<Judged>) -> String {
    match judged {
        None => "as release 0.1.0 recorded it".into(),
        Some(j) => {
            let (all, given) = (j.case.trials.len(), given(&j.case).len());
            let whose = match given {
                0 => "each the sampler's".into(),
                n => format!("{n} given by hand, the others the sampler's"),
            };
            format!("{all} trials, {whose}, every figure computed again")
        }
    }
}

fn figures(judged: &Judged, trial: &TrialFact, later: Vec<(LaterRun, Looked)>) -> Figures {
    let case = &judged.case;
    let bars = case.bars();
    let finished = case.finished.iter().find(|f| f.number == trial.number);
    let metrics = match &trial.ended {
        Ended::Completed { metrics, .. } => metrics.clone(),
        _ => BTreeMap::new(),
    };
    let (score, also) = match &trial.ended {
        Ended::Completed { score, also, .. } => (Some(("score".to_string(), *score)), also.clone()),
        _ => (None, Vec::new()),
    };
    let names = case.study.objective.also.iter().map(|formula| formula.text().to_string());
    let own = finished.map(|f| f.seen.judged());
    let beaten = |own: &Objectives| case.finished.iter().any(|f| f.seen.judged().beats(own));
    let several = !case.study.objective.also.is_empty();
    Figures {
        metrics,
        objectives: score.into_iter().chain(names.zip(also)).collect(),
        standing: Standing {
            best: best(&case.finished).map(|b| b.0),
            front: own.filter(|_| several).map(|own| own.violation <= 0.0 && !beaten(&own)),
        },
        folds: trial.folds.clone(),
        trials: case.study.trials,
        given: given(case),
        witnessed: case.seeded.is_some(),
        elsewhere: (0, 0),
        rounds: case.rounds,
        study: case.fact.text.clone(),
        data: case.snapshot.clone(),
        statistics: finished.and_then(|f| figures::of(f, bars as f64, &judged.lineage)),
        pbo: figures::pbo(&case.finished, bars),
        opened_us: case.opened_us,
        later,
    }
}
