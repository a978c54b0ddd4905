//! What the gate would say of a proposal, check by check, and what it computes of it: for whoever reviews.

use super::config::{approvals, author, check_version};
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
use assay_shared::recount::{LaterRun, Looked, best};
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
    let mut out = Preview { checks: Vec::new(), figures: None, reproduced: BTreeMap::new(), approved: Vec::new() };
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
                let verdict = judged.as_ref().map(|j| Verdict::of(j, evidence.facts.trial.number));
                let judgement = verdict.map_or(Judgement::Before, Judgement::Computed);
                let trials = judged.as_ref().map_or(0, |j| j.case.study.trials);
                let found = reproductions::found(repo, new, &config, &sha256, trials, &policy)?;
                let done = reproductions::verify(repo, new, &config, &sha256, trials, &policy);
                check(
                    "reproductions",
                    done.map(|()| format!("{} of {}", found.len(), policy.thresholds.reproductions)),
                );
                check(
                    "gates",
                    super::gates::verify(&config, evidence, judgement, &policy.gates, &path).map(|()| "kept".into()),
                );
                out.reproduced = found;
                if let Some(judged) = judged {
                    let seen = seen(&known, &config, judged, evidence.facts.trial.number);
                    let words = |all: &Vec<_>| format!("{} runs over other bars than the study's", all.len());
                    check("seen later", seen.as_ref().map(words).map_err(clone));
                    out.figures = Some(figures(judged, &evidence.facts.trial, seen.unwrap_or_default()));
                }
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
    let own = super::paths::proposed(repo, old, new, strategy, version, policy);
    check("paths", own.map(|()| "this config and its evidence, and nothing else".into()));
}

/// A refusal once more.
fn clone(e: &GateError) -> GateError {
    GateError::Host { what: e.to_string() }
}

fn recounted(judged: &Option<Judged>) -> String {
    match judged {
        None => "as release 0.1.0 recorded it".into(),
        Some(j) => format!("{} trials, each the sampler's, every figure computed again", j.case.trials.len()),
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
        study: case.fact.text.clone(),
        data: case.snapshot.clone(),
        statistics: finished.and_then(|f| figures::of(f, bars as f64, &judged.lineage)),
        pbo: figures::pbo(&case.finished, bars),
        opened_us: case.opened_us,
        later,
    }
}
