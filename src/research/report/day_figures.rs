//! Figures of days, as QuantStats defines them with 365 days a year.

use super::days::Shown::{self, Number, Percent, Whole};
use super::days::{Days, Fall, Figure, YEAR, compound, mean, quantile};
use assay_shared::metric::{growth_of_a_year, moments};
use assay_shared::time::{DAY_MS, civil};
use std::collections::BTreeMap;

/// A figure; what is no number is absent.
fn figure(name: &'static str, value: Option<f64>, shown: Shown) -> Figure {
    Figure { name, value: value.filter(|v| v.is_finite()), shown }
}

fn over(a: Option<f64>, b: f64) -> Option<f64> {
    a.filter(|_| b != 0.0).map(|a| a / b)
}

/// The part of those that are not zero which are above it.
fn share(of: &[f64]) -> Option<f64> {
    let known = of.iter().filter(|v| **v != 0.0);
    let (up, all) = known.fold((0_u32, 0_u32), |(up, all), v| (up + u32::from(*v > 0.0), all + 1));
    (all > 0).then(|| f64::from(up) / f64::from(all))
}

/// The mean gain over the mean loss.
fn payoff(of: &[f64]) -> Option<f64> {
    let won = mean(of.iter().copied().filter(|v| *v > 0.0));
    won.zip(mean(of.iter().copied().filter(|v| *v < 0.0))).map(|(won, lost)| won / -lost)
}

/// The mean of the lowest part of a sorted list, of the last of which only as much as is left of the part counts (Acerbi
/// and Tasche 2002): many equal days do not dilute it.
fn worst_part(sorted: &[f64], part: f64) -> Option<f64> {
    let most = part * sorted.len() as f64;
    let (sum, left) = sorted.iter().fold((0.0, most), |(sum, left), v| (sum + v * left.clamp(0.0, 1.0), left - 1.0));
    (most > 0.0 && left < 1.0).then(|| sum / most)
}

/// The longest run of days of one kind.
fn most_in_a_row(returns: &[f64], of: impl Fn(f64) -> bool) -> Option<f64> {
    let count = |(most, run): (u32, u32), v: &f64| {
        let run = if of(*v) { run + 1 } else { 0 };
        (most.max(run), run)
    };
    (!returns.is_empty()).then(|| f64::from(returns.iter().fold((0, 0), count).0))
}

impl Days {
    /// Returns of the calendar's quarters.
    fn quarters(&self) -> Vec<f64> {
        let mut out: BTreeMap<(i64, i64), f64> = BTreeMap::new();
        for ((year, month), r) in self.months() {
            let value = out.entry((year, (month - 1) / 3)).or_default();
            *value = (1.0 + *value) * (1.0 + r) - 1.0;
        }
        out.into_values().collect()
    }

    /// Sums of the months' daily returns, all of them over those that are below zero.
    fn monthly_gain_to_pain(&self) -> Option<f64> {
        let mut sums: BTreeMap<(i64, i64), f64> = BTreeMap::new();
        for (ms, r) in self.days_ms.iter().zip(&self.returns) {
            let (year, month, _) = civil(*ms);
            *sums.entry((year, month)).or_default() += r;
        }
        let lost: f64 = sums.values().filter(|v| **v < 0.0).sum();
        (lost < 0.0).then(|| sums.values().sum::<f64>() / -lost)
    }

    /// The figures, in the order in which they are shown.
    pub fn figures(&self) -> Vec<Figure> {
        [self.growth_and_falls(), self.distribution(), self.calendar()].concat()
    }

    /// What was made of it, how unevenly, and how far it fell.
    fn growth_and_falls(&self) -> Vec<Figure> {
        let r = &self.returns;
        let n = r.len() as f64;
        let (total, sum) = (compound(r.iter()), r.iter().sum::<f64>());
        let cagr = (n > 0.0).then(|| growth_of_a_year(1.0 + total, n / YEAR));
        let m = moments(r);
        let below = self.drawdowns();
        let deepest = below.iter().copied().fold(0.0, f64::min);
        let losses = -r.iter().filter(|v| **v < 0.0).sum::<f64>();
        let downside = (r.iter().map(|v| v.min(0.0) * v.min(0.0)).sum::<f64>() / n).sqrt();
        let ulcer = (n > 1.0).then(|| (below.iter().map(|d| d * d).sum::<f64>() / (n - 1.0)).sqrt());
        let falls = self.falls();
        let length = |f: &Fall| ((f.to_ms - f.from_ms) / DAY_MS + 1) as f64;
        vec![
            figure("total return", (n > 0.0).then_some(total), Percent),
            figure("growth a year (CAGR)", cagr, Percent),
            figure("volatility a year", m.map(|m| m.std * YEAR.sqrt()), Percent),
            figure("Sharpe ratio (year)", m.map(|m| m.mean / m.std * YEAR.sqrt()), Number),
            figure("Sortino ratio (year)", over(m.map(|m| m.mean * YEAR.sqrt()), downside), Number),
            figure("Calmar ratio", over(cagr, -deepest), Number),
            figure("omega, profit factor of days", self.factor(), Number),
            figure("gain to pain", over(Some(sum), losses), Number),
            figure("gain to pain of months", self.monthly_gain_to_pain(), Number),
            figure("maximum drawdown", (n > 0.0).then_some(deepest), Percent),
            figure("longest drawdown, days", falls.iter().map(length).reduce(f64::max), Whole),
            figure("average drawdown", mean(falls.iter().map(|f| f.depth)), Percent),
            figure("average drawdown, days", mean(falls.iter().map(length)), Whole),
            figure("ulcer index", ulcer, Percent),
            figure("ulcer performance index", over(Some(total), ulcer.unwrap_or(0.0)), Number),
            figure("recovery factor", over(Some(sum.abs()), -deepest), Number),
        ]
    }

    /// Gains over losses, day by day.
    fn factor(&self) -> Option<f64> {
        let gains = self.returns.iter().filter(|v| **v > 0.0).sum::<f64>();
        let losses = -self.returns.iter().filter(|v| **v < 0.0).sum::<f64>();
        over(Some(gains), losses)
    }

    /// How the days are spread.
    fn distribution(&self) -> Vec<Figure> {
        let r = &self.returns;
        let (n, m) = (r.len() as f64, moments(r));
        let mut sorted = r.clone();
        sorted.sort_by(f64::total_cmp);
        let low = quantile(&sorted, 0.05);
        let worst_part = worst_part(&sorted, 0.05);
        let tail = low.filter(|l| *l != 0.0).zip(quantile(&sorted, 0.95)).map(|(l, h)| (h / l).abs());
        // Unbiased, as pandas: of a sample, and kurtosis as the excess over a normal distribution's.
        let skew = m.filter(|_| n > 2.0).map(|m| m.skew * (n * (n - 1.0)).sqrt() / (n - 2.0));
        let kurtosis =
            m.filter(|_| n > 3.0).map(|m| (n - 1.0) / ((n - 2.0) * (n - 3.0)) * ((n + 1.0) * (m.kurtosis - 3.0) + 6.0));
        let (wins, payoff) = (share(r), payoff(r));
        let times = |a: Option<f64>, b: Option<f64>| a.zip(b).map(|(a, b)| a * b);
        vec![
            figure("value at risk of a day, 95 %, historical", low, Percent),
            figure("expected shortfall of a day, 95 %, historical", worst_part, Percent),
            figure("tail ratio", tail, Number),
            figure("common sense ratio", times(self.factor(), tail), Number),
            figure("CPC index", times(self.factor(), times(wins, payoff)), Number),
            figure("skewness", skew, Number),
            figure("kurtosis, excess", kurtosis, Number),
            figure("payoff ratio of days", payoff, Number),
            figure("Kelly fraction", payoff.zip(wins).map(|(p, w)| (p * w - (1.0 - w)) / p), Percent),
            figure("most days won in a row", most_in_a_row(r, |v| v > 0.0), Whole),
            figure("most days lost in a row", most_in_a_row(r, |v| v < 0.0), Whole),
        ]
    }

    /// Days, months, quarters and years.
    fn calendar(&self) -> Vec<Figure> {
        let (days, months, quarters) =
            (&self.returns, self.months().into_values().collect::<Vec<_>>(), self.quarters());
        let years: Vec<f64> = self.years().into_values().collect();
        let best = |v: &[f64]| v.iter().copied().reduce(f64::max);
        let worst = |v: &[f64]| v.iter().copied().reduce(f64::min);
        let expected = |r: &[f64]| (!r.is_empty()).then(|| (1.0 + compound(r.iter())).powf(1.0 / r.len() as f64) - 1.0);
        let of = |sign: f64| mean(months.iter().copied().filter(|v| v * sign > 0.0));
        vec![
            figure("best day", best(days), Percent),
            figure("worst day", worst(days), Percent),
            figure("best month", best(&months), Percent),
            figure("worst month", worst(&months), Percent),
            figure("best year", best(&years), Percent),
            figure("worst year", worst(&years), Percent),
            figure("expected return of a day", expected(days), Percent),
            figure("expected return of a month", expected(&months), Percent),
            figure("expected return of a year", expected(&years), Percent),
            figure("average month of those won", of(1.0), Percent),
            figure("average month of those lost", of(-1.0), Percent),
            figure("days won", share(days), Percent),
            figure("months won", share(&months), Percent),
            figure("quarters won", share(&quarters), Percent),
            figure("years won", share(&years), Percent),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half of the lowest, all of the lowest and a half of the next, and a tail of nothing among many quiet days.
    #[test]
    fn the_worst_part_is_no_more_than_that() {
        let ten: Vec<f64> = (0..10).map(|i| f64::from(i) - 8.0).collect();
        assert_eq!(worst_part(&ten, 0.05), Some(-8.0));
        assert_eq!(worst_part(&ten, 0.15), Some((-8.0 - 0.5 * 7.0) / 1.5));
        let mut quiet = vec![0.0; 97];
        quiet.splice(0..0, [-0.3, -0.2, -0.1]);
        assert!((worst_part(&quiet, 0.05).unwrap() + 0.6 / 5.0).abs() < 1e-15);
        assert_eq!(worst_part(&[], 0.05), None);
    }
}
