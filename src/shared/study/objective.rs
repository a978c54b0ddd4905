//! The objective of a window, and the score over all folds.

use crate::format::FormatError;
use crate::metric::{Metric, Metrics};
use serde::{Deserialize, Serialize};

/// What is maximised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// The figure of one window.
    pub figure: Figure,
    /// Weight of the fall from in-sample to out-of-sample.
    pub degradation_weight: f64,
}

/// Figures of one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Figure {
    /// `CAGR × Calmar × WinRate / Leverage²` with its sign kept.
    CagrCalmarWinrate,
    /// Annualised Sharpe ratio.
    Sharpe,
    /// Annualised Sortino ratio.
    Sortino,
    /// Calmar ratio.
    Calmar,
}

impl Figure {
    /// Its name in a study.
    pub fn name(self) -> &'static str {
        match self {
            Figure::CagrCalmarWinrate => "cagr-calmar-winrate",
            Figure::Sharpe => "sharpe",
            Figure::Sortino => "sortino",
            Figure::Calmar => "calmar",
        }
    }

    /// The figure of a window, absent when it is undefined. `leverage` is the one that was in force.
    ///
    /// As often written, `CAGR × Calmar` is positive for two negatives: −90 % a year would win.
    /// Here a CAGR of zero or less scores itself, so it never outranks a positive one and a worse
    /// one scores worse.
    pub fn of(self, m: &Metrics, leverage: f64) -> Option<f64> {
        let get = |metric| m.get(&metric).copied();
        let value = match self {
            Figure::Sharpe => get(Metric::Sharpe)?,
            Figure::Sortino => get(Metric::Sortino)?,
            Figure::Calmar => get(Metric::Calmar)?,
            Figure::CagrCalmarWinrate => {
                let cagr = get(Metric::Cagr)?;
                // Without a trade there is nothing to tell a flat account by; a loss shows before it is realised.
                match get(Metric::WinRate) {
                    _ if cagr < 0.0 => cagr,
                    win_rate if cagr > 0.0 => cagr * get(Metric::Calmar)? * win_rate? / (leverage * leverage),
                    win_rate => win_rate.map(|_| cagr)?,
                }
            }
        };
        value.is_finite().then_some(value)
    }
}

impl Objective {
    /// Checks the weight.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self) -> Result<(), FormatError> {
        if (0.0..=100.0).contains(&self.degradation_weight) {
            Ok(())
        } else {
            Err(FormatError::Wrong("degradation_weight must be 0 to 100".into()))
        }
    }

    /// What a window counts as in the score: one without a closed trade whose figure is undefined, for nothing. So a
    /// quiet window neither helps nor fails a trial.
    pub fn counted(value: Option<f64>, trades: u32) -> Option<f64> {
        value.or((trades == 0).then_some(0.0))
    }

    /// `median(OOS) − std(OOS) − weight · max(0, mean(IS) − mean(OOS))`; absent when the figure of
    /// any fold is undefined. The deviation of a single fold is zero.
    pub fn score(&self, folds: &[(Option<f64>, Option<f64>)]) -> Option<f64> {
        let is: Vec<f64> = folds.iter().map(|f| f.0).collect::<Option<_>>()?;
        let oos: Vec<f64> = folds.iter().map(|f| f.1).collect::<Option<_>>()?;
        if oos.is_empty() {
            return None;
        }
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let m = mean(&oos);
        let std = if oos.len() < 2 {
            0.0
        } else {
            (oos.iter().map(|x| (x - m) * (x - m)).sum::<f64>() / (oos.len() - 1) as f64).sqrt()
        };
        let score = median(&oos) - std - self.degradation_weight * (mean(&is) - m).max(0.0);
        score.is_finite().then_some(score)
    }
}

/// The middle value, or the mean of the two in the middle.
pub fn median(values: &[f64]) -> f64 {
    let mut v = values.to_vec();
    v.sort_by(f64::total_cmp);
    let n = v.len();
    match n {
        0 => f64::NAN,
        n if n % 2 == 1 => v[n / 2],
        n => (v[n / 2 - 1] + v[n / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_never_outranks_a_gain() {
        let m = |cagr: f64, calmar: f64, win: f64| {
            Metrics::from([(Metric::Cagr, cagr), (Metric::Calmar, calmar), (Metric::WinRate, win)])
        };
        let f = |cagr, calmar, win| Figure::CagrCalmarWinrate.of(&m(cagr, calmar, win), 2.0).unwrap();
        assert_eq!(f(0.4, 2.0, 0.5), 0.1);
        assert!(f(-0.9, -1.0, 0.9) < f(-0.1, -0.5, 0.1));
        assert!(f(-0.001, -0.1, 0.0) < f(0.0001, 0.001, 0.01));
        assert_eq!(Figure::CagrCalmarWinrate.of(&Metrics::new(), 1.0), None);
    }

    #[test]
    fn the_score_punishes_spread_and_degradation() {
        let o = Objective { figure: Figure::Sharpe, degradation_weight: 0.5 };
        assert_eq!(o.score(&[(Some(1.0), Some(1.0)), (Some(1.0), Some(1.0))]), Some(1.0));
        assert_eq!(o.score(&[(Some(3.0), Some(1.0)), (Some(3.0), Some(1.0))]), Some(0.0));
        assert_eq!(o.score(&[(Some(0.0), Some(1.0)), (Some(0.0), None)]), None);
        assert_eq!(o.score(&[]), None);
    }
}
