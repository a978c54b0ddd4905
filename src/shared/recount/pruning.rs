//! Which trial is stopped after which fold: a pure function of the trials before it.

use crate::event::study::FoldFact;
use crate::study::objective::{Objective, median};

/// Completed trials from which medians are known.
const LEAST: usize = 8;

/// Mean out-of-sample objective of the folds so far.
pub fn interim(folds: &[FoldFact]) -> Option<f64> {
    let counted = |f: &FoldFact| Objective::counted(f.out_of_sample, f.oos_trades);
    let values: Vec<f64> = folds.iter().map(counted).collect::<Option<_>>()?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Medians of the interim objective after each fold over completed trials; none while there are
/// fewer than eight of them.
pub fn fold_medians(completed: &[&[FoldFact]]) -> Vec<f64> {
    if completed.len() < LEAST {
        return Vec::new();
    }
    let folds = completed.iter().map(|f| f.len()).min().unwrap_or(0);
    (1..=folds).map(|k| median(&completed.iter().filter_map(|f| interim(&f[..k])).collect::<Vec<_>>())).collect()
}

/// The mean objective and the median that it is below, of a trial that is stopped after so many folds of `all`.
pub fn stops(folds: &[FoldFact], all: usize, medians: &[f64]) -> Option<(f64, f64)> {
    if folds.len() >= all {
        return None;
    }
    let (mean, median) = (interim(folds)?, *medians.get(folds.len().checked_sub(1)?)?);
    (mean < median).then_some((mean, median))
}
