//! Which trial is stopped after which fold: a pure function of the trials before it.

use super::finished::Finished;
use crate::event::study::FoldFact;
use crate::study::Pruning;
use crate::study::objective::{Objective, median};

/// Trials from which bounds are known.
const LEAST: usize = 8;

/// Mean out-of-sample objective of the folds so far.
pub fn interim(folds: &[FoldFact]) -> Option<f64> {
    let counted = |f: &FoldFact| Objective::counted(f.out_of_sample, f.oos_trades);
    let values: Vec<f64> = folds.iter().map(counted).collect::<Option<_>>()?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// What a trial's interim objective must reach after each fold, of the trials of earlier batches; NaN after a fold at
/// which nobody is stopped.
pub fn bounds(rule: Pruning, before: &[Finished]) -> Vec<f64> {
    let scored = before.iter().filter(|f| f.seen.score.is_some()).map(|f| f.folds.as_slice());
    let complete: Vec<&[FoldFact]> = scored.collect();
    let folds = complete.iter().map(|f| f.len()).min().unwrap_or_default();
    let after = |of: &[&[FoldFact]], k: usize| -> Vec<f64> {
        of.iter().filter(|f| f.len() >= k).filter_map(|f| interim(&f[..k])).collect()
    };
    match rule {
        Pruning::Median {} if complete.len() < LEAST => Vec::new(),
        Pruning::Median {} => (1..=folds).map(|k| median(&after(&complete, k))).collect(),
        Pruning::Percentile { startup_trials, .. } if complete.len() < startup_trials as usize => Vec::new(),
        Pruning::Percentile { keep, warmup_folds, .. } => {
            let bound =
                |k: usize| if k < warmup_folds as usize { f64::NAN } else { of_best(after(&complete, k), keep) };
            (1..=folds).map(bound).collect()
        }
        Pruning::Halving { factor, warmup_folds } => {
            let all: Vec<&[FoldFact]> = before.iter().map(|f| f.folds.as_slice()).collect();
            let longest = all.iter().map(|f| f.len()).max().unwrap_or_default();
            let mut out = vec![f64::NAN; longest];
            let mut rung = warmup_folds as usize;
            while rung <= longest {
                let values = after(&all, rung);
                if values.len() >= LEAST {
                    out[rung - 1] = of_best(values, 1.0 / f64::from(factor));
                }
                rung = rung.saturating_mul(factor as usize);
            }
            out
        }
    }
}

/// The value that the best share of some has reached; of few ones the best.
fn of_best(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(|a, b| b.total_cmp(a));
    // A share such as 0.58 lies a little below what is written: of 50 they are 29.
    let last = ((values.len() as f64 * share + 1e-9) as usize).max(1) - 1;
    values.get(last).copied().unwrap_or(f64::NAN)
}

/// The mean objective and the bound that it is below, of a trial that is stopped after so many folds of `all`.
pub fn stops(folds: &[FoldFact], all: usize, bounds: &[f64]) -> Option<(f64, f64)> {
    if folds.len() >= all {
        return None;
    }
    let (mean, bound) = (interim(folds)?, *bounds.get(folds.len().checked_sub(1)?)?);
    (mean < bound).then_some((mean, bound))
}

/// Why a trial was stopped after so many folds, as it is recorded.
pub fn reason(rule: Pruning, folds: usize, (mean, bound): (f64, f64)) -> String {
    let what = match rule {
        Pruning::Median {} => "the median".to_string(),
        Pruning::Percentile { keep, .. } => format!("what the best {} of those before it reached,", percent(keep)),
        Pruning::Halving { factor, .. } => format!("what one of {factor} before it reached,"),
    };
    format!("after fold {folds} its mean objective {mean:.4} is below {what} {bound:.4}")
}

fn percent(share: f64) -> String {
    format!("{} %", (share * 1e6).round() / 1e4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::Observation;

    /// A trial whose folds have these objectives; a score, if it went through all of them.
    fn trial(values: &[f64], all: usize) -> Finished {
        let fold = |v: &f64| FoldFact { in_sample: None, out_of_sample: Some(*v), is_trades: 1, oos_trades: 1 };
        Finished {
            number: 0,
            seen: Observation { score: (values.len() == all).then_some(0.0), ..Observation::default() },
            folds: values.iter().map(fold).collect(),
            observed: None,
            sharpe: None,
            blocks: None,
            pruned: values.len() < all,
            stream_hash: None,
        }
    }

    #[test]
    fn bounds_of_each_rule() {
        let complete: Vec<Finished> = (0..8).map(|i| trial(&[f64::from(i), f64::from(8 - i), 0.0], 3)).collect();
        assert!(bounds(Pruning::Median {}, &complete[..7]).is_empty());
        assert_eq!(bounds(Pruning::Median {}, &complete), [3.5, 4.0, 8.0 / 3.0]);
        let quarter = Pruning::Percentile { keep: 0.25, startup_trials: 4, warmup_folds: 2 };
        let found = bounds(quarter, &complete);
        assert!(found[0].is_nan() && found[1..] == [4.0, 8.0 / 3.0], "{found:?}");
        assert!(bounds(quarter, &complete[..3]).is_empty());
        // Of all that came so far, pruned ones too; at folds 1 and 3.
        let mut all = complete.clone();
        all.push(trial(&[99.0], 3));
        let halving = bounds(Pruning::Halving { factor: 3, warmup_folds: 1 }, &all);
        assert!(halving[0] == 6.0 && halving[1].is_nan() && halving[2] == 8.0 / 3.0, "{halving:?}");
        assert_eq!(of_best((0..50).map(f64::from).collect(), 0.58), 21.0, "29 of 50");
        let low = &trial(&[2.0, 2.0], 3).folds;
        assert_eq!(stops(&low[..1], 3, &halving), Some((2.0, 6.0)));
        assert_eq!((stops(low, 3, &halving), stops(&low[..1], 1, &halving)), (None, None));
        let said = [Pruning::Median {}, quarter, Pruning::Halving { factor: 3, warmup_folds: 1 }];
        let said = said.map(|rule| reason(rule, 1, (2.0, 6.0)));
        assert_eq!(said[0], "after fold 1 its mean objective 2.0000 is below the median 6.0000");
        assert!(said[1].contains("the best 25 % of those") && said[2].contains("one of 3 before it"), "{said:?}");
    }
}
