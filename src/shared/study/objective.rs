//! The objective of a window, and the score over all folds.

use super::formula::Formula;
use crate::format::FormatError;
use crate::metric::{Metric, Metrics, log_growth};
use serde::{Deserialize, Serialize};

/// What is maximised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// The figure of one window.
    #[serde(default)]
    pub figure: Figure,
    /// Weight of the spread over the folds; an objective that is given without one punishes all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stability_weight: Option<Stability>,
    /// Weight of the fall from in-sample to out-of-sample.
    #[serde(default = "degradation")]
    pub degradation_weight: f64,
    /// Further objectives, each a figure of what is out of sample, to be maximised: a study with some has a Pareto
    /// front. The first one, the score, is what the study proposes and is judged by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Formula>,
}

/// How much a spread over the folds takes from the score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "stability_weight is a number of standard errors, or \"full\"")]
pub enum Stability {
    /// So many standard errors of the mean: `std / √folds`.
    Errors(f64),
    /// The whole standard deviation, as the design review has it.
    Full(Full),
}

/// The word for the whole standard deviation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Full {
    /// `"full"`
    Full,
}

/// Weight of the spread, of a study file that says nothing of its objective.
const STABILITY: Stability = Stability::Errors(1.0);

fn degradation() -> f64 {
    0.5
}

impl Default for Objective {
    fn default() -> Objective {
        Objective {
            figure: Figure::default(),
            stability_weight: Some(STABILITY),
            degradation_weight: degradation(),
            also: Vec::new(),
        }
    }
}

/// Figures of one window.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Figure {
    /// `CAGR × Calmar × WinRate / Leverage²` with its sign kept. Over short windows it prefers losers: what it gives to
    /// one good window it takes back in none.
    CagrCalmarWinrate,
    /// Annualised Sharpe ratio.
    #[default]
    Sharpe,
    /// Annualised Sortino ratio.
    Sortino,
    /// Calmar ratio.
    Calmar,
    /// Compound annual growth rate.
    Cagr,
    /// Its logarithm, `ln(1 + CAGR)`: growth that adds up over windows.
    Growth,
    /// An expression over figures.
    Of(Formula),
}

impl From<Figure> for String {
    fn from(of: Figure) -> String {
        of.name().into()
    }
}

impl TryFrom<String> for Figure {
    type Error = FormatError;

    fn try_from(text: String) -> Result<Figure, FormatError> {
        let known = Figure::NAMED.into_iter().find(|f| f.name() == text);
        known.map_or_else(|| Formula::parse(&text).map(Figure::Of), Ok)
    }
}

impl Figure {
    /// Those with a name of their own.
    pub const NAMED: [Figure; 6] =
        [Figure::CagrCalmarWinrate, Figure::Sharpe, Figure::Sortino, Figure::Calmar, Figure::Cagr, Figure::Growth];

    /// Its name in a study, or its text.
    pub fn name(&self) -> &str {
        match self {
            Figure::CagrCalmarWinrate => "cagr-calmar-winrate",
            Figure::Sharpe => "sharpe",
            Figure::Sortino => "sortino",
            Figure::Calmar => "calmar",
            Figure::Cagr => "cagr",
            Figure::Growth => "growth",
            Figure::Of(formula) => formula.text(),
        }
    }

    /// The figures that it is made of.
    pub fn reads(&self) -> Vec<Metric> {
        match self {
            Figure::CagrCalmarWinrate => vec![Metric::Cagr, Metric::Calmar, Metric::WinRate],
            Figure::Sharpe => vec![Metric::Sharpe],
            Figure::Sortino => vec![Metric::Sortino],
            Figure::Calmar => vec![Metric::Calmar],
            Figure::Cagr | Figure::Growth => vec![Metric::Cagr],
            Figure::Of(formula) => formula.reads(),
        }
    }

    /// The figure of a window, absent when it is undefined. `leverage` is the one that was in force.
    ///
    /// As often written, `CAGR × Calmar` is positive for two negatives: −90 % a year would win.
    /// Here a CAGR of zero or less scores itself, so it never outranks a positive one and a worse
    /// one scores worse.
    pub fn of(&self, m: &Metrics, leverage: f64) -> Option<f64> {
        let get = |metric| m.get(&metric).copied();
        let value = match self {
            Figure::Sharpe => get(Metric::Sharpe)?,
            Figure::Sortino => get(Metric::Sortino)?,
            Figure::Calmar => get(Metric::Calmar)?,
            Figure::Cagr => get(Metric::Cagr)?,
            Figure::Growth => log_growth(get(Metric::Cagr)?.max(-1.0)),
            Figure::Of(formula) => formula.value(&|name| named(m, leverage, name))?,
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

/// A figure by its name, or the leverage that was in force.
pub fn named(m: &Metrics, leverage: f64, name: &str) -> Option<f64> {
    Metric::of_name(name).map_or(Some(leverage), |metric| m.get(&metric).copied())
}

impl Objective {
    /// The further objectives of a trial with these figures out of sample; nothing when one is undefined.
    pub fn others(&self, get: &dyn Fn(&str) -> Option<f64>) -> Option<Vec<f64>> {
        self.also.iter().map(|formula| formula.value(get)).collect()
    }

    /// Checks the weights.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self) -> Result<(), FormatError> {
        let spread = match self.stability_weight {
            Some(Stability::Errors(weight)) => weight,
            Some(Stability::Full(_)) | None => 0.0,
        };
        for (name, weight) in [("degradation_weight", self.degradation_weight), ("stability_weight", spread)] {
            if !(0.0..=100.0).contains(&weight) {
                return Err(FormatError::Wrong(format!("{name} must be 0 to 100")));
            }
        }
        Ok(())
    }

    /// What a window counts as in the score: one without a closed trade whose figure is undefined, for nothing. So a
    /// quiet window neither helps nor fails a trial.
    pub fn counted(value: Option<f64>, trades: u32) -> Option<f64> {
        value.or((trades == 0).then_some(0.0))
    }

    /// `median(OOS) − stability_weight · std(OOS) / √folds − degradation_weight · max(0, mean(IS) − mean(OOS))`; absent
    /// when the figure of any fold is undefined. The deviation of a single fold is zero. With `"full"` the second term
    /// is `std(OOS)`.
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
        let spread = match self.stability_weight {
            Some(Stability::Errors(weight)) => weight * std / (oos.len() as f64).sqrt(),
            Some(Stability::Full(_)) | None => std,
        };
        let score = median(&oos) - spread - self.degradation_weight * (mean(&is) - m).max(0.0);
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
        let o = Objective::default();
        assert_eq!(o.score(&[(Some(1.0), Some(1.0)), (Some(1.0), Some(1.0))]), Some(1.0));
        assert_eq!(o.score(&[(Some(3.0), Some(1.0)), (Some(3.0), Some(1.0))]), Some(0.0));
        assert_eq!(o.score(&[(Some(0.0), Some(1.0)), (Some(0.0), None)]), None);
        assert_eq!(o.score(&[]), None);
        // Folds 1, 2, 6: median 2, deviation √7, of the mean √7/√3.
        let folds = [(Some(0.0), Some(1.0)), (Some(0.0), Some(2.0)), (Some(0.0), Some(6.0))];
        let with = |stability_weight| Objective { stability_weight, ..o.clone() }.score(&folds).unwrap();
        assert!((with(None) - (2.0 - 7f64.sqrt())).abs() < 1e-15);
        assert_eq!(with(Some(Stability::Full(Full::Full))), with(None));
        assert!((with(Some(Stability::Errors(2.0))) - (2.0 - 2.0 * (7.0f64 / 3.0).sqrt())).abs() < 1e-15);
        assert_eq!(with(Some(Stability::Errors(0.0))), 2.0);
    }
}
