//! Walk-forward optimisation: on each past the trial that was best there, run over the bars that follow it.

use super::evaluate::{Evaluator, StudyError};
use crate::simulate::run;
use assay_shared::account::Assumptions;
use assay_shared::event::study::FoldFact;
use assay_shared::strategy::Params;
use serde::Serialize;

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

/// The one that was best in a fold's past.
fn chosen<'a, 'b>(candidates: &'b [Candidate<'a>], fold: usize) -> Option<(&'b Candidate<'a>, &'a FoldFact)> {
    let with = candidates.iter().filter_map(|c| Some((c, c.folds.get(fold)?)));
    let known = with.filter_map(|(c, f)| Some((c, f, f.in_sample?)));
    let best = known.max_by(|a, b| a.2.total_cmp(&b.2).then(b.0.number.cmp(&a.0.number)));
    best.map(|(c, f, _)| (c, f))
}

impl Evaluator<'_> {
    /// Chooses a trial on the past of each fold by its figure in sample, and runs it over the fold's bars out of sample with
    /// what the folds before have left. A study's constraints are about whole runs, so nobody knows them at that time, and
    /// they are not asked.
    ///
    /// # Errors
    /// A chosen trial that cannot be simulated.
    pub fn walk(&self, candidates: &[Candidate<'_>]) -> Result<Walk, StudyError> {
        let mut wealth = self.inputs().study.assumptions.initial_cash_usdt;
        let mut walk = Walk { steps: Vec::new(), equity: Vec::new() };
        for (k, fold) in self.folds().iter().enumerate() {
            let bars = fold.out_of_sample.clone();
            let before = wealth;
            let found = chosen(candidates, k).filter(|_| wealth > 0.0);
            let Some((candidate, fact)) = found else {
                walk.equity.extend(bars.map(|_| before));
                walk.steps.push(None);
                continue;
            };
            let (equity, trades) = self.over(candidate.params, bars, wealth)?;
            wealth = equity.last().copied().unwrap_or(wealth);
            walk.equity.extend(equity);
            let others: Vec<f64> = candidates.iter().filter_map(|c| c.folds.get(k)?.out_of_sample).collect();
            let better = |own: f64| others.iter().filter(|v| **v > own).count();
            walk.steps.push(Some(Step {
                trial: candidate.number,
                in_sample: fact.in_sample.unwrap_or(f64::NAN),
                out_of_sample: fact.out_of_sample,
                better: fact.out_of_sample.map_or(others.len(), better),
                known: others.len(),
                returned: wealth / before - 1.0,
                trades,
            }));
        }
        Ok(walk)
    }

    /// The equity of a trial that begins flat with so much cash, and how many trades ended.
    fn over(&self, params: &Params, bars: std::ops::Range<usize>, cash: f64) -> Result<(Vec<f64>, usize), StudyError> {
        let i = self.inputs();
        let bound = i.strategy.bind(params).map_err(StudyError::Bind)?;
        let prepared = self.prepared(&bound)?;
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
        FoldFact { in_sample, out_of_sample, is_trades: 0, oos_trades: 0 }
    }

    /// The best in sample, the first of equal ones; one that did not come so far, or has no figure, is not chosen.
    #[test]
    fn the_past_chooses() {
        let params = Params::new();
        let folds = [
            vec![fact(Some(1.0), Some(0.1)), fact(None, Some(9.0))],
            vec![fact(Some(2.0), Some(-1.0)), fact(Some(0.5), None)],
            vec![fact(Some(2.0), Some(5.0))],
        ];
        let all: Vec<Candidate<'_>> =
            (0..).zip(&folds).map(|(number, folds)| Candidate { number, params: &params, folds }).collect();
        assert_eq!(chosen(&all, 0).unwrap().0.number, 1);
        assert_eq!(chosen(&all, 1).unwrap().0.number, 1);
        assert!(chosen(&all, 2).is_none() && chosen(&[], 0).is_none());
        let step = |in_sample, out_of_sample| {
            Some(Step { trial: 0, in_sample, out_of_sample, better: 0, known: 0, returned: 0.0, trades: 0 })
        };
        let walk = Walk { steps: vec![step(2.0, Some(1.0)), None, step(4.0, Some(0.5))], equity: Vec::new() };
        assert_eq!(walk.efficiency(), Some(0.25));
        assert_eq!(Walk { steps: vec![step(-1.0, Some(1.0))], equity: Vec::new() }.efficiency(), None);
    }
}
