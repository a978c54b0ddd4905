//! By which rule a trial is stopped before its last fold.

use crate::format::FormatError;
use serde::{Deserialize, Serialize};

/// A rule that looks at a trial after each fold, beside the trials of earlier batches.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "rule",
    rename_all = "lowercase",
    deny_unknown_fields,
    expecting = "a table such as { rule = \"percentile\" }"
)]
pub enum Pruning {
    /// Those below the median of complete trials stop.
    Median {},
    /// The best share goes on, beside complete trials.
    Percentile {
        /// The share, above 0 and below 1.
        #[serde(default = "half")]
        keep: f64,
        /// Complete trials before any is stopped.
        #[serde(default = "startup")]
        startup_trials: u32,
        /// Folds before any is stopped.
        #[serde(default = "one")]
        warmup_folds: u32,
    },
    /// Successive halving: at folds that lie apart by a factor the best share goes on, beside all trials that came so far.
    Halving {
        /// Of so many trials one goes on, and so much longer.
        #[serde(default = "factor")]
        factor: u32,
        /// The fold after which it is looked for the first time.
        #[serde(default = "one")]
        warmup_folds: u32,
    },
}

fn half() -> f64 {
    0.5
}

fn startup() -> u32 {
    8
}

fn one() -> u32 {
    1
}

fn factor() -> u32 {
    3
}

impl Pruning {
    /// Checks the numbers.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self) -> Result<(), FormatError> {
        let wrong = |what: &str| Err(FormatError::Wrong(what.into()));
        match self {
            Pruning::Percentile { keep, .. } if !(*keep > 0.0 && *keep < 1.0) => {
                wrong("pruning: keep is the share that goes on, above 0 and below 1")
            }
            Pruning::Percentile { startup_trials, .. } if !(1..=100_000).contains(startup_trials) => {
                wrong("pruning: startup_trials must be 1 to 100,000")
            }
            Pruning::Halving { factor, .. } if !(2..=100).contains(factor) => wrong("pruning: factor must be 2 to 100"),
            Pruning::Percentile { warmup_folds, .. } | Pruning::Halving { warmup_folds, .. }
                if !(1..=1000).contains(warmup_folds) =>
            {
                wrong("pruning: warmup_folds must be 1 to 1000")
            }
            _ => Ok(()),
        }
    }
}
