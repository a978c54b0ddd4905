//! How much was tried on prices that overlap, and what the best of so much has by chance.

use super::sharpes::{Sharpes, Widest};
use crate::statistic::expected_max;

/// What was tried on prices that overlap with a study's.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lineage {
    /// Trials: of each study its budget, or what it recorded, if that is more.
    pub trials: u64,
    /// Studies.
    pub studies: u64,
    /// Those of the trials that were made elsewhere and declared.
    pub declared: u64,
    /// Sharpe ratios per bar of the study that is looked at.
    pub sharpes: Sharpes,
    /// The widest search of them, a study or what it was before it was extended.
    pub widest: Option<Widest>,
    /// The studies one by one, each with how many trials it counts for: log by log, in the order in which they were opened.
    pub(super) parts: Vec<(u64, Sharpes)>,
}

impl Lineage {
    /// What the best of all of them would have by chance, over so many observations: of all together, of all that there
    /// were after any one of the studies, or of the widest of them without those that are narrower, whichever is most. So
    /// trials that differ in nothing never make a finding look better, wherever they stand, nor do any that come later.
    pub fn expected_max(&self, observations: f64) -> f64 {
        let all = expected_max(self.trials as f64, self.variance(observations));
        let mut widest_first: Vec<&(u64, Sharpes)> = self.parts.iter().collect();
        widest_first.sort_by(|a, b| b.1.variance().unwrap_or(0.0).total_cmp(&a.1.variance().unwrap_or(0.0)));
        let some = self.widest_of(self.parts.iter()).max(self.widest_of(widest_first.into_iter()));
        self.widest.map_or(all, |widest| all.max(widest.expected_max())).max(some)
    }

    /// The most that any beginning of these studies would have, beside what was declared.
    fn widest_of<'p>(&self, parts: impl Iterator<Item = &'p (u64, Sharpes)>) -> f64 {
        let (mut trials, mut sharpes, mut most) = (self.declared, Sharpes::default(), 0.0_f64);
        for (n, own) in parts {
            trials = trials.saturating_add(*n);
            sharpes.merge(own, 1.0);
            most = most.max(sharpes.variance().map_or(0.0, |variance| expected_max(trials as f64, variance)));
        }
        most
    }

    /// As it counted before the studies were looked at one by one: logs hold what was said then.
    pub(super) fn as_it_was(&self) -> Lineage {
        Lineage { parts: Vec::new(), ..self.clone() }
    }

    /// The variance of the Sharpe ratios, never below that of chance over so many observations.
    pub fn variance(&self, observations: f64) -> f64 {
        let chance = if observations > 1.0 { 1.0 / (observations - 1.0) } else { 1.0 };
        self.sharpes.variance().unwrap_or(0.0).max(chance)
    }

    /// With what another log has.
    pub fn add(&mut self, other: &Lineage) {
        self.trials = self.trials.saturating_add(other.trials);
        self.studies += other.studies;
        self.declared = self.declared.saturating_add(other.declared);
        self.sharpes.merge(&other.sharpes, 1.0);
        self.widest = Widest::wider(self.widest, other.widest);
        self.parts.extend_from_slice(&other.parts);
    }
}
