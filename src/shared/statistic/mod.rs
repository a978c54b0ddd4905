//! Honest overfitting statistics: PSR, the expected maximum, DSR, minimum track record, PBO.
//!
//! Sources: Bailey and López de Prado, "The Sharpe Ratio Efficient Frontier" (2012) and "The
//! Deflated Sharpe Ratio" (2014); Bailey, Borwein, López de Prado and Zhu, "The Probability of
//! Backtest Overfitting" (2015). Sharpe ratios are per observation, kurtosis is 3 for a normal.

mod effective;
pub mod normal;
mod pbo;

pub use effective::{ALIKE, Effective, effective, effective_trials};
use normal::{cdf, ppf};
pub use pbo::{Blocks, pbo};

const EULER: f64 = 0.577_215_664_901_532_9;

/// An observed Sharpe ratio with its sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observed {
    /// Sharpe ratio per observation.
    pub sharpe: f64,
    /// Number of observations.
    pub n: f64,
    /// Skewness.
    pub skew: f64,
    /// Kurtosis, not excess.
    pub kurtosis: f64,
}

impl Observed {
    fn spread(&self) -> f64 {
        1.0 - self.skew * self.sharpe + (self.kurtosis - 1.0) / 4.0 * self.sharpe * self.sharpe
    }
}

/// Probability that the true Sharpe ratio is above `benchmark`; absent when the moments make it
/// undefined.
pub fn psr(o: &Observed, benchmark: f64) -> Option<f64> {
    let v = (o.sharpe - benchmark) * (o.n - 1.0).sqrt() / o.spread().sqrt();
    v.is_finite().then(|| cdf(v))
}

/// Expected maximum of `trials` independent Sharpe ratios of zero mean and the given variance.
pub fn expected_max(trials: f64, variance: f64) -> f64 {
    if trials <= 1.0 {
        return 0.0;
    }
    // Of more than a double can tell from certainty the other tail says the same.
    if trials > 1e12 {
        return -variance.sqrt()
            * ((1.0 - EULER) * ppf(1.0 / trials) + EULER * ppf(1.0 / (trials * std::f64::consts::E)));
    }
    variance.sqrt()
        * ((1.0 - EULER) * ppf(1.0 - 1.0 / trials) + EULER * ppf(1.0 - 1.0 / (trials * std::f64::consts::E)))
}

/// Observations needed for confidence `1 − alpha` that the Sharpe ratio is above `benchmark`.
pub fn min_track_record(o: &Observed, benchmark: f64, alpha: f64) -> Option<f64> {
    let z = ppf(1.0 - alpha) / (o.sharpe - benchmark);
    (o.sharpe > benchmark).then(|| 1.0 + o.spread() * z * z).filter(|v| v.is_finite())
}

/// Years of data that are needed before a Sharpe ratio of a year is more than what the best of so many trials without any
/// edge is expected to show: the minimum backtest length. None for a ratio that is not above zero.
pub fn min_backtest_years(trials: f64, sharpe_of_a_year: f64) -> Option<f64> {
    let years = (expected_max(trials, 1.0) / sharpe_of_a_year).powi(2);
    (sharpe_of_a_year > 0.0 && years.is_finite()).then_some(years)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a / b - 1.0).abs() < 1e-9, "{a} {b}");
    }

    /// The papers' examples, as reproduced with scipy.
    #[test]
    fn papers() {
        close(expected_max(10.0, 1.0), 1.57459830134575);
        close(expected_max(1000.0, 1.0), 3.255121513652723);
        assert_eq!(expected_max(1.0, 1.0), 0.0);
        for (n, years) in [(7.0, 1.923), (10.0, 2.479), (45.0, 4.998), (100.0, 6.404), (1000.0, 10.596)] {
            assert!((min_backtest_years(n, 1.0).unwrap() - years).abs() < 5e-4);
        }
        close(min_backtest_years(45.0, 2.0).unwrap(), 2.235_640_177_766_405_2_f64.powi(2) / 4.0);
        assert_eq!((min_backtest_years(45.0, 0.0), min_backtest_years(1.0, 1.0)), (None, Some(0.0)));
        let o = Observed { sharpe: 2.5 / 250f64.sqrt(), n: 1250.0, skew: -3.0, kurtosis: 10.0 };
        let v = 0.5 / 250.0;
        close(expected_max(100.0, v), 0.11317200186513214);
        close(psr(&o, expected_max(100.0, v)).unwrap(), 0.9003968344493903);
        close(psr(&o, expected_max(46.0, v)).unwrap(), 0.9505017068755787);
        let normal = Observed { skew: 0.0, kurtosis: 3.0, ..o };
        close(psr(&normal, expected_max(88.0, v)).unwrap(), 0.9504908166760139);
        let monthly = Observed { sharpe: 0.036 / 0.079, n: 24.0, skew: -2.448, kurtosis: 10.164 };
        close(psr(&monthly, 0.0).unwrap(), 0.9127093395948954);
        let daily = Observed { sharpe: 2.0 / 250f64.sqrt(), n: 0.0, skew: 0.0, kurtosis: 3.0 };
        close(min_track_record(&daily, 1.0 / 250f64.sqrt(), 0.05).unwrap(), 682.796950432044);
    }
}
