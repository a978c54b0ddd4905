//! Walk-forward optimisation over a study's trials.

use super::opened::reopen;
use super::page::windows;
use super::run::{jobs, same_results};
use crate::error::LabError;
use crate::folder::Lab;
use crate::trial::board;
use assay_research::mirror::query::{Order, StudyRow, TrialRow};
use assay_research::report::days::Days;
use assay_research::report::folds::Windows;
use assay_research::study::{Candidate, Walk};
use assay_research::thread_pool;

/// Growth of a year, Sharpe ratio of a year, deepest fall.
pub type Three = (f64, f64, f64);

/// What choosing anew on each past gives, beside the study's best trial on the same bars.
#[derive(Debug)]
pub struct Walked {
    /// The study.
    pub study: StudyRow,
    /// Its trials, by number.
    pub trials: Vec<TrialRow>,
    /// Both windows of each fold.
    pub folds: Vec<Windows>,
    /// The walk.
    pub walk: Walk,
    /// What it made.
    pub made: Three,
    /// What the study's best trial made of the same bars, and its number.
    pub best: Option<(u32, Three)>,
    /// The days of what it made.
    pub days: Days,
    /// Whether results out of sample had a part in which trials there are: the sampler learns, or points were given.
    pub adaptive: bool,
}

/// Walks forward over the trials of a study.
///
/// # Errors
/// No such study, one of another build, data that are not here, or a trial that cannot be run.
pub fn walk(lab: &Lab, wanted: Option<&str>) -> Result<Walked, LabError> {
    let found = board(lab, wanted, Order::Number, u32::MAX)?;
    let opened = reopen(lab, &found.study.study_id)?;
    same_results(&opened)?;
    let evaluator = opened.evaluator()?;
    let candidates: Vec<Candidate<'_>> =
        found.trials.iter().map(|t| Candidate { number: t.number, params: &t.params, folds: &t.folds }).collect();
    let pool = thread_pool(jobs(None)).map_err(|e| LabError::could_not(e.to_string()))?;
    let walk = evaluator.walk(&candidates, &pool)?;
    let bars = evaluator.out_of_sample();
    let times = &opened.market.times[bars.clone()];
    let three = |equity: &[f64], before: f64| Days::of(times, equity, before).three();
    let days = Days::of(times, &walk.equity, opened.study.assumptions.initial_cash_usdt);
    let trial = found.study.best.and_then(|best| found.trials.iter().find(|t| t.number == best));
    let best = trial.map(|t| {
        let run = evaluator.recorded_run(&t.params)?;
        let tested = run.tested();
        Ok::<_, LabError>((t.number, three(tested.equity, tested.initial_usdt)))
    });
    Ok(Walked {
        folds: windows(&opened.market, &evaluator),
        made: days.three(),
        days,
        best: best.transpose()?,
        adaptive: opened.study.sampler.learns() || !opened.study.queued.is_empty(),
        walk,
        study: found.study,
        trials: found.trials,
    })
}
