//! The loop of a study: ask a batch, evaluate it in parallel, tell it in trial order.

use super::evaluate::{Evaluator, Outcome, PBO_BLOCKS, fold_medians};
use super::sampler::{Observation, Request, suggest};
use super::statistics::{Blocks, Observed, dsr, expected_max, min_track_record, pbo, psr};
use assay_shared::event::codec::Real;
use assay_shared::event::{Event, Fold, ParamValue, StudyClosed, TrialCompleted, TrialFailed, TrialPruned};
use assay_shared::metric::{Metrics, moments};
use assay_shared::strategy::{Params, Value};
use rayon::ThreadPool;
use rayon::prelude::*;
use std::time::Instant;

/// A recorded trial, as far as the study needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// Number in the study.
    pub number: u32,
    /// What the sampler sees.
    pub seen: Observation,
    /// Folds; only completed trials count for pruning.
    pub folds: Vec<Fold>,
    /// Sharpe ratio per bar, skewness and kurtosis of the stitched run, if defined.
    pub observed: Option<(f64, f64, f64)>,
    /// Returns in blocks, of completed trials.
    pub blocks: Option<Blocks>,
}

/// How far a study is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Trials told.
    pub done: u32,
    /// Trials in all.
    pub total: u32,
    /// Best feasible score so far with its trial.
    pub best: Option<(u32, f64)>,
    /// When this run of the study began, and with how many trials.
    pub started: (Instant, u32),
}

/// Parameters as they are recorded.
pub fn recorded_params(params: &Params) -> Vec<(String, ParamValue)> {
    let value = |v: &Value| match v {
        Value::Int(i) => ParamValue::Int(*i),
        Value::Float(f) => ParamValue::Float(Real(*f)),
    };
    params.iter().map(|(k, v)| (k.clone(), value(v))).collect()
}

/// Parameters as they were recorded.
pub fn read_params(recorded: &[(String, ParamValue)]) -> Params {
    let value = |v: &ParamValue| match v {
        ParamValue::Int(i) => Value::Int(*i),
        ParamValue::Float(f) => Value::Float(f.0),
    };
    recorded.iter().map(|(k, v)| (k.clone(), value(v))).collect()
}

impl Finished {
    /// Reads a trial's event back; other events are none.
    pub fn of(event: &Event) -> Option<Finished> {
        let bare = |number, params: &[(String, ParamValue)], folds: &[Fold]| Finished {
            number,
            seen: Observation { params: read_params(params), score: None, violation: 0.0 },
            folds: folds.to_vec(),
            observed: None,
            blocks: None,
        };
        match event {
            Event::TrialPruned(t) => Some(bare(t.number, &t.params, &t.folds)),
            Event::TrialFailed(t) => Some(bare(t.number, &t.params, &[])),
            Event::TrialCompleted(t) => {
                let mut out = bare(t.number, &t.params, &t.folds);
                out.seen.score = Some(t.score.0);
                out.seen.violation = t.constraints.iter().map(|c| c.0.max(0.0)).sum();
                let get = |name: &str| t.metrics.iter().find(|(k, _)| k == name).map(|(_, v)| v.0);
                out.observed = get("sharpe_per_bar").zip(get("skew")).zip(get("kurtosis")).map(|((s, k), q)| (s, k, q));
                out.blocks = Some(Blocks { sums: t.blocks.iter().map(|(s, q)| (s.0, q.0)).collect() });
                Some(out)
            }
            _ => None,
        }
    }
}

fn reals(metrics: &Metrics) -> Vec<(String, Real)> {
    metrics.iter().map(|(k, v)| (k.clone(), Real(*v))).collect()
}

/// The best feasible trial: highest score, earliest among equals.
pub fn best(finished: &[Finished]) -> Option<(u32, f64)> {
    let feasible =
        finished.iter().filter(|f| f.seen.violation <= 0.0).filter_map(|f| f.seen.score.map(|s| (f.number, s)));
    feasible.fold(None, |best, (n, s)| match best {
        Some((_, b)) if b >= s => best,
        _ => Some((n, s)),
    })
}

/// Runs a study on from what is recorded. Only the evaluation of trials happens in `pool`: `tell`
/// gets each batch's events in trial order on the caller's thread, where it may wait for a disk, a
/// lock or another thread without holding up (or deadlocking) what computes. `stop` ends the study
/// between batches.
///
/// # Errors
/// What `tell` fails with.
pub fn run<E>(
    pool: &ThreadPool,
    evaluator: &Evaluator<'_>,
    study_id: [u8; 16],
    finished: &mut Vec<Finished>,
    mut tell: impl FnMut(Vec<Event>) -> Result<(), E>,
    progress: impl Fn(&Progress),
    stop: impl Fn() -> bool,
) -> Result<(), E> {
    let settings = evaluator.settings;
    let started = (Instant::now(), finished.len() as u32);
    let mut seen: Vec<Observation> = finished.iter().map(|f| f.seen.clone()).collect();
    loop {
        let next = finished.len() as u32;
        progress(&Progress { done: next, total: settings.trials, best: best(finished), started });
        if next >= settings.trials || stop() {
            return Ok(());
        }
        // A batch begins at a multiple of its size, also after a kill inside it: its trials know
        // only what was finished before it, and the ones asked before them.
        let first = next / settings.batch * settings.batch;
        let end = (first + settings.batch).min(settings.trials);
        let history = &seen[..first as usize];
        let mut pending: Vec<Params> = finished[first as usize..].iter().map(|f| f.seen.params.clone()).collect();
        for number in next..end {
            let request = Request {
                space: &evaluator.strategy.file.parameters,
                seed: settings.seed,
                number,
                history,
                pending: &pending,
            };
            pending.push(suggest(&settings.sampler, &request, &|p| evaluator.allowed(p)));
        }
        let completed: Vec<&[Fold]> =
            finished[..first as usize].iter().filter(|f| f.seen.score.is_some()).map(|f| f.folds.as_slice()).collect();
        let medians = fold_medians(&completed);
        let asked = &pending[(next - first) as usize..];
        let results: Vec<_> = pool.install(|| asked.par_iter().map(|p| evaluator.evaluate(p, &medians)).collect());
        let (mut events, mut told) = (Vec::with_capacity(results.len()), Vec::new());
        for ((number, params), r) in (next..end).zip(asked).zip(results) {
            let (params, identity) = (recorded_params(params), r.identity.0);
            let event: Event = match r.outcome {
                Outcome::Completed { score, constraints, metrics, blocks } => TrialCompleted {
                    study_id,
                    number,
                    params,
                    identity,
                    score: Real(score),
                    constraints: constraints.into_iter().map(Real).collect(),
                    folds: r.folds,
                    metrics: reals(&metrics),
                    blocks: blocks.sums.iter().map(|(s, q)| (Real(*s), Real(*q))).collect(),
                    stream_hash: r.stream_hash.0,
                }
                .into(),
                Outcome::Pruned { reason } => {
                    TrialPruned { study_id, number, params, identity, folds: r.folds, reason }.into()
                }
                Outcome::Failed { reason } => TrialFailed { study_id, number, params, identity, reason }.into(),
            };
            if let Some(f) = Finished::of(&event) {
                told.push(f.seen.clone());
                finished.push(f);
            }
            events.push(event);
        }
        seen.extend(told);
        tell(events)?;
    }
}

/// The closing event: the best trial and its overfitting statistics. `lineage` is the number of
/// trials ever asked for on the same data, this study's included.
pub fn close(evaluator: &Evaluator<'_>, study_id: [u8; 16], finished: &[Finished], lineage: u64) -> StudyClosed {
    let best = best(finished);
    let mut statistics: Vec<(String, Real)> = Vec::new();
    let mut put = |name: &str, value: Option<f64>| {
        if let Some(v) = value.filter(|v| v.is_finite()) {
            statistics.push((name.into(), Real(v)));
        }
    };
    let bars: usize = evaluator.windows().iter().map(|w| w.out_of_sample.len()).sum();
    put("trials_lineage", Some(lineage as f64));
    put("out_of_sample_bars", Some(bars as f64));
    let sharpes: Vec<f64> = finished.iter().filter_map(|f| f.observed.map(|o| o.0)).collect();
    let variance = moments(&sharpes).map(|m| m.std * m.std);
    let winner = best.and_then(|(n, _)| finished.iter().find(|f| f.number == n)).and_then(|f| f.observed);
    if let Some((sharpe, skew, kurtosis)) = winner {
        let o = Observed { sharpe, n: bars as f64, skew, kurtosis };
        let trials = lineage as f64;
        put("sharpe_per_bar", Some(sharpe));
        put("psr", psr(&o, 0.0));
        put("sharpe_variance", variance);
        put("expected_max_sharpe_per_bar", variance.map(|v| expected_max(trials, v)));
        put("dsr", variance.and_then(|v| dsr(&o, trials, v)));
        put("min_track_record_bars", min_track_record(&o, 0.0, 0.05));
    }
    let blocks: Vec<Blocks> = finished.iter().filter_map(|f| f.blocks.clone()).collect();
    // Every split visits every configuration: beyond a thousand the best of them stand for all.
    put("pbo", pbo(&strongest(blocks, 1000), bars / PBO_BLOCKS));
    StudyClosed { study_id, trials: finished.len() as u32, best: best.map(|b| b.0), statistics }
}

/// The `n` configurations with the highest sums, in their order.
fn strongest(blocks: Vec<Blocks>, n: usize) -> Vec<Blocks> {
    if blocks.len() <= n {
        return blocks;
    }
    let total = |b: &Blocks| b.sums.iter().map(|s| s.0).sum::<f64>();
    let mut order: Vec<usize> = (0..blocks.len()).collect();
    order.sort_by(|a, b| total(&blocks[*b]).total_cmp(&total(&blocks[*a])).then(a.cmp(b)));
    order.truncate(n);
    order.sort_unstable();
    order.into_iter().map(|i| blocks[i].clone()).collect()
}
