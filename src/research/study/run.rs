//! The loop of a study: ask a batch, evaluate it in parallel, tell it in trial order.

use super::evaluate::Evaluator;
use assay_shared::event::Event;
use assay_shared::recount::pruning::bounds;
use assay_shared::recount::{Best, Finished};
use assay_shared::search::Search;
use assay_shared::strategy::Params;
use rayon::ThreadPool;
use rayon::prelude::*;
use std::time::Instant;

/// How far a study is.
#[derive(Debug, Clone, Copy)]
pub struct StudyProgress {
    /// Trials told.
    pub done: u32,
    /// Trials in all.
    pub total: u32,
    /// Best feasible score so far with its trial.
    pub best: Option<(u32, f64)>,
    /// When this run of the study began, and with how many trials.
    pub started: (Instant, u32),
}

/// What a function gives for each of some things, in their order, by all threads of a pool.
pub(super) fn on_all<T: Sync, R: Send>(pool: &ThreadPool, of: &[T], each: impl Fn(&T) -> R + Sync) -> Vec<R> {
    pool.install(|| of.par_iter().map(&each).collect())
}

/// Runs pruned trials to their end, and gives the events that record what they would have been; none after a stop.
pub fn finish(
    pool: &ThreadPool,
    evaluator: &Evaluator<'_>,
    study_id: [u8; 16],
    trials: &[&Finished],
    stop: impl Fn() -> bool + Sync,
) -> Option<Vec<Event>> {
    let one = |t: &&Finished| (!stop()).then(|| evaluator.finish(study_id, t.number, &t.seen.params));
    pool.install(|| trials.par_iter().map(one).collect())
}

/// What a trial is pruned by, of the trials before its batch; nothing where nothing is pruned.
fn medians(evaluator: &Evaluator<'_>, before: &[Finished]) -> Vec<f64> {
    evaluator.inputs.study.guardrails.stops().map(|rule| bounds(rule, before)).unwrap_or_default()
}

/// Runs some trials of a study again, each with what was known when it was asked for; none after a stop.
pub fn again(
    pool: &ThreadPool,
    evaluator: &Evaluator<'_>,
    study_id: [u8; 16],
    finished: &[Finished],
    numbers: &[u32],
    stop: impl Fn() -> bool + Sync,
) -> Option<Vec<Event>> {
    let batch = evaluator.inputs.study.batch;
    let one = |number: &u32| {
        let medians = medians(evaluator, &finished[..(number / batch * batch) as usize]);
        let params = &finished[*number as usize].seen.params;
        let run = || evaluator.evaluate(params, &medians).event(study_id, *number, params);
        (!stop()).then(run)
    };
    pool.install(|| numbers.par_iter().map(one).collect())
}

/// Runs a study on from what is recorded. Only the evaluation of trials happens in `pool`: `tell`
/// gets each batch's events in trial order on the caller's thread, where it may wait for a disk, a
/// lock or another thread without holding up (or deadlocking) what computes. `stop` ends the study
/// between trials; a batch that is cut short is told nothing of.
///
/// # Errors
/// What `tell` fails with.
pub fn run<E>(
    pool: &ThreadPool,
    evaluator: &Evaluator<'_>,
    study_id: [u8; 16],
    finished: &mut Vec<Finished>,
    mut tell: impl FnMut(Vec<Event>) -> Result<(), E>,
    progress: impl Fn(&StudyProgress),
    stop: impl Fn() -> bool + Sync,
) -> Result<(), E> {
    let study = evaluator.inputs.study;
    let started = (Instant::now(), finished.len() as u32);
    let strategy = evaluator.inputs.strategy;
    let mut search = Search::new(&study.sampler, &strategy.file.parameters, study.seed, strategy);
    let (mut told, mut best) = (0, Best::default());
    loop {
        let next = finished.len() as u32;
        progress(&StudyProgress { done: next, total: study.trials, best: best.of(finished), started });
        if next >= study.trials || stop() {
            return Ok(());
        }
        // A batch begins at a multiple of its size, also after a kill inside it: its trials know
        // only what was finished before it, and the ones asked before them.
        let first = next / study.batch * study.batch;
        let end = (first + study.batch).min(study.trials);
        finished[told..first as usize].iter().for_each(|f| search.tell(&f.seen));
        told = first as usize;
        let mut pending: Vec<Params> = finished[told..].iter().map(|f| f.seen.params.clone()).collect();
        for number in next..end {
            pending.push(study.asked(&mut search, number, &pending));
        }
        let medians = medians(evaluator, &finished[..told]);
        let asked = &pending[(next - first) as usize..];
        let evaluate = |p: &Params| (!stop()).then(|| evaluator.evaluate(p, &medians));
        let results: Option<Vec<_>> = pool.install(|| asked.par_iter().map(evaluate).collect());
        // A batch that was cut short is asked again when the study goes on.
        let Some(results) = results else { return Ok(()) };
        let mut events = Vec::with_capacity(results.len());
        for ((number, params), r) in (next..end).zip(asked).zip(results) {
            let event = r.event(study_id, number, params);
            finished.extend(Finished::of(&event));
            events.push(event);
        }
        tell(events)?;
    }
}
