//! Walk-forward optimisation: on each past the trial that was best there, run over the bars that follow it.

use super::evaluate::{Evaluator, StudyError, advance};
use super::run::on_all;
use crate::ThreadPool;
use crate::simulate::{prepare_on, run};
use assay_shared::account::Assumptions;
use assay_shared::event::study::FoldFact;
use assay_shared::strategy::Params;
use assay_shared::study::Objective;
use serde::Serialize;
use std::ops::Range;

/// A trial that can be chosen.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Its number.
    pub number: u32,
    /// Its parameters.
    pub params: &'a Params,
    /// Its figures in and out of sample, as far as it went.
    pub folds: &'a [FoldFact],
}

/// A fold: what was chosen by its past, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// The trial that was best in sample, the first of equal ones.
    pub trial: u32,
    /// Its figure there.
    pub in_sample: f64,
    /// Its figure out of sample, in its own run over all folds.
    pub out_of_sample: Option<f64>,
    /// Trials that did better out of sample than the chosen one.
    pub better: usize,
    /// Trials with a figure out of sample.
    pub known: usize,
    /// What the account made of the fold, flat at its beginning and valued at its end.
    pub returned: f64,
    /// Trades that ended in it.
    pub trades: usize,
}

/// What choosing anew on each past gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Walk {
    /// One for each fold; none where no trial has a figure in sample: nothing is held there.
    pub steps: Vec<Option<Step>>,
    /// The wealth at the close of each bar out of sample, beginning with the study's cash.
    pub equity: Vec<f64>,
}

impl Walk {
    /// Mean of the chosen trials' figures out of sample over their mean in sample; none where that is not positive.
    pub fn efficiency(&self) -> Option<f64> {
        let both = self.steps.iter().flatten().filter_map(|s| Some((s.in_sample, s.out_of_sample?)));
        let (is, oos) = both.fold((0.0, 0.0), |(is, oos), (a, b)| (is + a, oos + b));
        (is > 0.0).then(|| oos / is)
    }
}

/// What a fold counts as in a score: without a closed trade an undefined figure is zero.
fn inside(f: &FoldFact) -> Option<f64> {
    Objective::counted(f.in_sample, f.is_trades)
}

fn outside(f: &FoldFact) -> Option<f64> {
    Objective::counted(f.out_of_sample, f.oos_trades)
}

/// The place of the one that was best in a fold's past, the first of equal ones.
fn chosen(all: &[Vec<FoldFact>], fold: usize) -> Option<(usize, f64)> {
    let known = all.iter().enumerate().filter_map(|(k, facts)| Some((k, inside(facts.get(fold)?)?)));
    known.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
}

impl Evaluator<'_> {
    /// Chooses a trial on the past of each fold by its figure in sample, and runs it over the fold's bars out of sample with
    /// what the folds before have left. Candidates come in the order of their numbers. Guardrails and pruning looked at
    /// what came later, so a trial that they ended is run again to its end: nobody knew of that when it was chosen.
    ///
    /// # Errors
    /// A chosen trial that cannot be simulated.
    pub fn walk(&self, candidates: &[Candidate<'_>], pool: &ThreadPool) -> Result<Walk, StudyError> {
        let folds = self.folds().len();
        let ended = |c: &Candidate<'_>| c.folds.len() < folds;
        let run_on = |c: &Candidate<'_>| ended(c).then(|| self.facts(c.params).unwrap_or_default());
        let again: Vec<Option<Vec<FoldFact>>> = on_all(pool, candidates, run_on);
        let whole = |(facts, c): (Option<Vec<FoldFact>>, &Candidate<'_>)| facts.unwrap_or_else(|| c.folds.to_vec());
        let all: Vec<Vec<FoldFact>> = again.into_iter().zip(candidates).map(whole).collect();
        let mut wealth = self.inputs.study.assumptions.initial_cash_usdt;
        let mut walk = Walk { steps: Vec::new(), equity: Vec::new() };
        for (k, fold) in self.folds().iter().enumerate() {
            let bars = fold.out_of_sample.clone();
            let before = wealth;
            let Some((at, in_sample)) = chosen(&all, k).filter(|_| wealth > 0.0) else {
                walk.equity.extend(bars.map(|_| before));
                walk.steps.push(None);
                continue;
            };
            let (equity, trades) = self.over(candidates[at].params, bars, wealth)?;
            wealth = equity.last().copied().unwrap_or(wealth);
            walk.equity.extend(equity);
            let others: Vec<f64> = all.iter().filter_map(|facts| outside(facts.get(k)?)).collect();
            let own = all[at].get(k).and_then(outside);
            walk.steps.push(Some(Step {
                trial: candidates[at].number,
                in_sample,
                out_of_sample: own,
                better: own.map_or(others.len(), |own| others.iter().filter(|v| **v > own).count()),
                known: others.len(),
                returned: wealth / before - 1.0,
                trades,
            }));
        }
        Ok(walk)
    }

    /// The figures of a trial in every fold, whatever guardrails say of it: none in sample from where its account is ruined.
    fn facts(&self, params: &Params) -> Result<Vec<FoldFact>, StudyError> {
        let i = &self.inputs;
        let bound = i.strategy.bind(params).map_err(StudyError::Bind)?;
        let Some((last, others)) = self.folds().split_last().filter(|_| bound.violated.is_none()) else {
            return Ok(Vec::new());
        };
        let (prepared, leverage) = (prepare_on(&self.ground, &bound, i.market)?, bound.terms().highest_leverage());
        let (mut simulation, cuts) = (self.simulation(&bound, &prepared, false)?, self.cuts());
        let mut out = Vec::new();
        for fold in others {
            advance(&mut simulation, &cuts, fold.out_of_sample.end)?;
            out.extend(self.fold(fold, &simulation.account().so_far(), simulation.marks(), leverage).ok());
        }
        advance(&mut simulation, &cuts, last.out_of_sample.end)?;
        let (run, marks) = simulation.finish()?;
        out.extend(self.fold(last, &run.whole(), &marks, leverage).ok());
        for (fact, fold) in out.iter_mut().zip(self.folds()) {
            if run.ruined_ms.is_some_and(|ms| ms <= i.market.times[fold.in_sample.end - 1]) {
                (fact.in_sample, fact.is_trades) = (None, 1);
            }
        }
        Ok(out)
    }

    /// The equity of a trial that begins flat with so much cash, what is open closed at the end, and how many trades ended.
    fn over(&self, params: &Params, bars: Range<usize>, cash: f64) -> Result<(Vec<f64>, usize), StudyError> {
        let i = &self.inputs;
        let bound = i.strategy.bind(params).map_err(StudyError::Bind)?;
        let prepared = prepare_on(&self.ground, &bound, i.market)?;
        let assumptions = Assumptions { initial_cash_usdt: cash, ..i.study.assumptions };
        let run = run(&bound, &prepared, i.market, i.book, &assumptions, bars, false)?;
        let whole = run.whole();
        Ok((whole.equity.to_vec(), whole.trades.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(in_sample: Option<f64>, out_of_sample: Option<f64>) -> FoldFact {
        FoldFact { in_sample, out_of_sample, is_trades: 1, oos_trades: 1 }
    }

    /// The best in sample, the first of equal ones; one that did not come so far, or has no figure, is not chosen.
    #[test]
    fn the_past_chooses() {
        let folds = [
            vec![fact(Some(1.0), Some(0.1)), fact(None, Some(9.0))],
            vec![fact(Some(2.0), Some(-1.0)), fact(Some(0.5), None)],
            vec![fact(Some(2.0), Some(5.0))],
        ];
        assert_eq!(chosen(&folds, 0), Some((1, 2.0)));
        assert_eq!(chosen(&folds, 1), Some((1, 0.5)), "one that traded and has no figure is not chosen");
        assert!(chosen(&folds, 2).is_none() && chosen(&[], 0).is_none());
        let step = |in_sample, out_of_sample| {
            Some(Step { trial: 0, in_sample, out_of_sample, better: 0, known: 0, returned: 0.0, trades: 0 })
        };
        let walk = Walk { steps: vec![step(2.0, Some(1.0)), None, step(4.0, Some(0.5))], equity: Vec::new() };
        assert_eq!(walk.efficiency(), Some(0.25));
        assert_eq!(Walk { steps: vec![step(-1.0, Some(1.0))], equity: Vec::new() }.efficiency(), None);
    }
}
