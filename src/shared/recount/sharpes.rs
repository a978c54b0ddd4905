//! Sharpe ratios of many trials, kept as what their variance needs.

use crate::statistic::expected_max;
use serde::{Deserialize, Serialize};

/// Sharpe ratios: how many, their mean, and the sum of the squares of their distances from it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(from = "(u64, u64, u64)", into = "(u64, u64, u64)")]
pub struct Sharpes {
    /// How many.
    pub n: u64,
    mean: f64,
    m2: f64,
}

impl Sharpes {
    /// One more.
    pub fn push(&mut self, sharpe: f64) {
        self.n += 1;
        let d = sharpe - self.mean;
        self.mean += d / self.n as f64;
        self.m2 += d * (sharpe - self.mean);
    }

    /// Those of another set, each times a factor.
    pub fn merge(&mut self, other: &Sharpes, factor: f64) {
        if other.n == 0 {
            return;
        }
        let (a, b) = (self.n as f64, other.n as f64);
        let d = other.mean * factor - self.mean;
        self.m2 += other.m2 * factor * factor + d * d * a * b / (a + b);
        self.mean += d * b / (a + b);
        self.n += other.n;
    }

    /// Their variance with `ddof = 1`; none for fewer than two.
    pub fn variance(&self) -> Option<f64> {
        (self.n > 1).then(|| self.m2 / (self.n - 1) as f64)
    }
}

/// To the bit: whoever remembers them must come to the same variance.
impl From<Sharpes> for (u64, u64, u64) {
    fn from(s: Sharpes) -> Self {
        (s.n, s.mean.to_bits(), s.m2.to_bits())
    }
}

impl From<(u64, u64, u64)> for Sharpes {
    fn from((n, mean, m2): (u64, u64, u64)) -> Self {
        Sharpes { n, mean: f64::from_bits(mean), m2: f64::from_bits(m2) }
    }
}

/// Of several searches the one whose best would have the highest Sharpe ratio by chance: how many trials it had, and
/// their variance. However many trials without any spread come beside it, it stays what it was.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "(u64, u64)", into = "(u64, u64)")]
pub struct Widest {
    /// Trials.
    pub trials: u64,
    /// Variance of their Sharpe ratios.
    pub variance: f64,
}

impl Widest {
    /// So many trials with these Sharpe ratios; none where they have no variance.
    pub fn of(trials: u64, sharpes: &Sharpes) -> Option<Widest> {
        sharpes.variance().map(|variance| Widest { trials: trials.max(sharpes.n), variance })
    }

    /// What the best of them would have by chance.
    pub fn expected_max(&self) -> f64 {
        expected_max(self.trials as f64, self.variance)
    }

    /// The wider of two.
    pub(super) fn wider(a: Option<Widest>, b: Option<Widest>) -> Option<Widest> {
        [a, b].into_iter().flatten().max_by(|a, b| a.expected_max().total_cmp(&b.expected_max()))
    }
}

impl From<Widest> for (u64, u64) {
    fn from(w: Widest) -> Self {
        (w.trials, w.variance.to_bits())
    }
}

impl From<(u64, u64)> for Widest {
    fn from((trials, variance): (u64, u64)) -> Self {
        Widest { trials, variance: f64::from_bits(variance) }
    }
}
