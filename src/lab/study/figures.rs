//! The statistics of a trial, computed when they are asked for: from the ledger, and from the other logs that count.

use super::recorded::{Record, recorded};
use crate::error::LabError;
use crate::folder::Lab;
use crate::proposal;
use assay_ledger::Log;
use assay_ledger::format::hash::unhex;
use assay_production::gate;
use assay_shared::metric::YEAR_MS;
use assay_shared::recount::figures::{self, Statistics};
use assay_shared::recount::{Lineage, best};
use assay_shared::statistic::{Effective, min_backtest_years};
use serde::Serialize;

/// What is known of a trial.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// The trial.
    pub trial: u32,
    /// Its statistics; none when its Sharpe ratio is undefined.
    pub statistics: Option<Statistics>,
    /// Probability of overfitting of its study.
    pub pbo: Option<f64>,
    /// How many independent trials those of its study are worth; for people to see.
    pub effective: Option<Effective>,
    /// Years of data before which the best of all trials that count would show its Sharpe ratio by chance.
    pub min_backtest_years: Option<f64>,
    /// Bars of a year.
    pub bars_of_a_year: f64,
    /// Pruned trials that have not been finished: while there are any, that is unknown.
    pub unfinished: usize,
}

impl Figures {
    /// What it was counted from, without the probabilities that say whether a result is real: on data that were made up
    /// nothing is.
    #[must_use]
    pub fn without_probabilities(self) -> Figures {
        let counted = |s: Statistics| Statistics { psr: None, dsr: None, min_track_record: None, ..s };
        Figures { statistics: self.statistics.map(counted), pbo: None, min_backtest_years: None, ..self }
    }
}

/// The statistics of a trial of a study, by number (or of its best); none without such a trial.
///
/// # Errors
/// A ledger without the study, or a log that counts and does not verify.
pub fn of_trial(lab: &Lab, study_id: &str, number: Option<u32>) -> Result<Option<Figures>, LabError> {
    let log = lab.log()?;
    let id = unhex(study_id).and_then(|raw| raw.try_into().ok());
    let unknown = || LabError::Verification(format!("the ledger has no study {study_id}"));
    let record = recorded(&log, id.ok_or_else(unknown)?)?;
    let Some(number) = number.or(best(&record.finished).map(|b| b.0)) else { return Ok(None) };
    let Some(trial) = record.finished.iter().find(|f| f.number == number) else { return Ok(None) };
    let (bars, lineage) = (record.case.bars(), lineage(lab, &log, &record)?);
    let unfinished = record.finished.iter().filter(|f| f.pruned && f.blocks.is_none()).count();
    let statistics = figures::of(trial, bars as f64, &lineage);
    let bars_of_a_year = YEAR_MS / record.case.strategy.interval_ms as f64;
    let sharpe = statistics.map(|s| s.sharpe_per_bar * bars_of_a_year.sqrt());
    Ok(Some(Figures {
        trial: number,
        statistics,
        bars_of_a_year,
        effective: figures::worth(&record.finished),
        min_backtest_years: sharpe.and_then(|sharpe| min_backtest_years(lineage.trials as f64, sharpe)),
        pbo: figures::pbo(&record.finished, bars),
        unfinished,
    }))
}

/// What was tried on prices that overlap, in this log and in those of the policy that the repository has.
fn lineage(lab: &Lab, log: &Log, record: &Record) -> Result<Lineage, LabError> {
    let mut all = record.lineage.clone();
    let repo = lab.repo()?;
    let (Some(scope), true) = (&record.scope, repo.tip("refs/heads/main").is_some()) else { return Ok(all) };
    let (policy, _) = proposal::policy(&repo)?;
    for other in gate::logs_beside(&repo, &policy, log.origin())?.into_values() {
        all.add(&gate::lineage(&other, other.len(), scope)?);
    }
    Ok(all)
}
