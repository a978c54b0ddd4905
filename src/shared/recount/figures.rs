//! The statistics of one trial, and of a study's choice among its trials.

use super::blocks::BLOCKS;
use super::finished::Finished;
use super::lineage::Lineage;
use crate::statistic::{Blocks, Effective, Observed, effective, min_track_record, pbo as overfitting, psr};
use serde::Serialize;

/// Confidence of the minimum track record.
const ALPHA: f64 = 0.05;

/// Statistics of one trial. Undefined ones are absent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Statistics {
    /// Trials that were tried on prices that overlap with its own, and the studies that they belong to.
    pub trials: u64,
    /// Those studies.
    pub studies: u64,
    /// Those of the trials that were made elsewhere and declared.
    pub declared: u64,
    /// Bars out of sample.
    pub bars: f64,
    /// Its Sharpe ratio per bar.
    pub sharpe_per_bar: f64,
    /// Variance of all trials' Sharpe ratios per bar, never below that of chance.
    pub variance: f64,
    /// What the best of so many trials without any edge would have, per bar: of all of them, or of the widest search among
    /// them alone, if that is more.
    pub expected_max: f64,
    /// Probability that its true Sharpe ratio is above zero, as if it were the only trial.
    pub psr: Option<f64>,
    /// Probability that it is above what the best of all trials without any edge would have.
    pub dsr: Option<f64>,
    /// Bars from which its Sharpe ratio is above zero with a confidence of 95 %.
    pub min_track_record: Option<f64>,
}

impl Statistics {
    /// What it was counted beside, in words.
    pub fn beside(&self) -> String {
        let declared = match self.declared {
            0 => String::new(),
            n => format!(" ({n} of them made elsewhere and declared)"),
        };
        let studies = if self.studies == 1 { "1 study".into() } else { format!("{} studies", self.studies) };
        format!("{} trials{declared} of {studies} on prices that overlap, its own among them", self.trials)
    }
}

/// The statistics of a completed trial over so many bars out of sample; none when its Sharpe ratio is undefined.
pub fn of(trial: &Finished, bars: f64, lineage: &Lineage) -> Option<Statistics> {
    let (sharpe, skew, kurtosis) = trial.observed?;
    let o = Observed { sharpe, n: bars, skew, kurtosis };
    let most = lineage.expected_max(bars);
    Some(Statistics {
        trials: lineage.trials,
        studies: lineage.studies,
        declared: lineage.declared,
        bars,
        sharpe_per_bar: sharpe,
        variance: lineage.variance(bars),
        expected_max: most,
        psr: psr(&o, 0.0),
        dsr: psr(&o, most),
        min_track_record: min_track_record(&o, 0.0, ALPHA),
    })
}

/// Probability of backtest overfitting over all trials of a study that have returns. Absent while a pruned trial has
/// not been finished: those that were thrown away early are the ones that a choice among the others hides.
pub fn pbo(finished: &[Finished], bars: usize) -> Option<f64> {
    if finished.iter().any(|f| f.pruned && f.blocks.is_none()) {
        return None;
    }
    overfitting(&returns(finished), bars / BLOCKS)
}

/// How many independent trials those of a study are worth whose returns are known.
pub fn worth(finished: &[Finished]) -> Option<Effective> {
    effective(&returns(finished))
}

fn returns(finished: &[Finished]) -> Vec<Blocks> {
    finished.iter().filter_map(|f| f.blocks.clone()).filter(|b| !b.sums.is_empty()).collect()
}
