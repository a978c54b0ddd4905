//! An equity by days, months and years of UTC, its falls, and the figures of its daily returns.
//!
//! Definitions are QuantStats' with 365 days a year, so that its users find their numbers again; a test holds values that
//! QuantStats 0.0.86 gave. Where nothing can be said a figure is absent.

use assay_shared::metric::{growth_of_a_year, moments};
use assay_shared::time::{DAY_MS, civil};
use serde::Serialize;
use std::collections::BTreeMap;

pub(super) const YEAR: f64 = 365.0;

/// Returns of days.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Days {
    /// The days' first moments, milliseconds since 1970.
    pub days_ms: Vec<i64>,
    /// Their returns, as fractions; the first counts from the equity before it.
    pub returns: Vec<f64>,
    /// Whether the first and the last day have only a part of their bars.
    pub cut: (bool, bool),
}

/// A fall from a peak until it was made good, or until the end.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Fall {
    /// First day below the peak, milliseconds since 1970.
    pub from_ms: i64,
    /// The lowest day.
    pub lowest_ms: i64,
    /// Last day below the peak.
    pub to_ms: i64,
    /// Whether it was made good.
    pub recovered: bool,
    /// How deep, as a fraction, below zero.
    pub depth: f64,
}

/// How a figure is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    /// A fraction, shown as percent.
    Percent,
    /// A plain number.
    Number,
    /// A whole number.
    Whole,
}

/// A figure of days.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figure {
    /// Its name.
    pub name: &'static str,
    /// Its value, if it is defined.
    pub value: Option<f64>,
    /// How it is shown.
    pub shown: Shown,
}

pub(super) fn compound<'a>(returns: impl Iterator<Item = &'a f64>) -> f64 {
    returns.fold(1.0, |value, r| value * (1.0 + r)) - 1.0
}

pub(super) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0_u32), |(s, n), v| (s + v, n + 1));
    (n > 0).then(|| sum / f64::from(n))
}

/// Linear between the two nearest, as numpy and pandas do by default.
pub(super) fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let at = q * (sorted.len().checked_sub(1)? as f64);
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    Some(low + (high - low) * at.fract())
}

impl Days {
    /// The days of an equity at the closes of bars that open at these times, and of what it was before.
    pub fn of(times_ms: &[i64], equity: &[f64], before: f64) -> Days {
        let mut out = Days::default();
        let length = times_ms.windows(2).next().map_or(DAY_MS, |w| w[1] - w[0]);
        let begins = |ms: &i64| ms.rem_euclid(DAY_MS) == 0;
        let ends = times_ms.get(equity.len().wrapping_sub(1)).map(|ms| ms + length);
        out.cut =
            (times_ms.first().is_some_and(|ms| !begins(ms)), length < DAY_MS && ends.is_some_and(|ms| !begins(&ms)));
        let mut last = before;
        for (i, (ms, value)) in times_ms.iter().zip(equity).enumerate() {
            let day = ms.div_euclid(DAY_MS);
            if times_ms.get(i + 1).filter(|_| i + 1 < equity.len()).is_none_or(|next| next.div_euclid(DAY_MS) != day) {
                out.days_ms.push(day * DAY_MS);
                out.returns.push(if last > 0.0 { value / last - 1.0 } else { 0.0 });
                last = *value;
            }
        }
        out
    }

    /// The days that have all their bars, with their returns.
    pub(super) fn whole(&self) -> impl Iterator<Item = (i64, f64)> {
        let n = self.returns.len();
        let all = self.days_ms.iter().copied().zip(self.returns.iter().copied()).enumerate();
        all.filter(move |(i, _)| !(*i == 0 && self.cut.0 || i + 1 == n && self.cut.1)).map(|(_, day)| day)
    }

    /// Returns of the calendar's months, by year and month.
    pub fn months(&self) -> BTreeMap<(i64, i64), f64> {
        let mut out: BTreeMap<(i64, i64), f64> = BTreeMap::new();
        for (ms, r) in self.days_ms.iter().zip(&self.returns) {
            let (year, month, _) = civil(*ms);
            let value = out.entry((year, month)).or_default();
            *value = (1.0 + *value) * (1.0 + r) - 1.0;
        }
        out
    }

    /// Returns of the calendar's years.
    pub fn years(&self) -> BTreeMap<i64, f64> {
        let mut out: BTreeMap<i64, f64> = BTreeMap::new();
        for (ms, r) in self.days_ms.iter().zip(&self.returns) {
            let value = out.entry(civil(*ms).0).or_default();
            *value = (1.0 + *value) * (1.0 + r) - 1.0;
        }
        out
    }

    /// How far below the highest value so far each day ends, zero or less.
    pub fn drawdowns(&self) -> Vec<f64> {
        let (mut value, mut peak) = (1.0_f64, 1.0_f64);
        let below = |r: &f64| {
            value *= 1.0 + r;
            peak = peak.max(value);
            value / peak - 1.0
        };
        self.returns.iter().map(below).collect()
    }

    /// Its falls, deepest first.
    pub fn falls(&self) -> Vec<Fall> {
        let mut out: Vec<Fall> = Vec::new();
        let mut open = false;
        for (ms, depth) in self.days_ms.iter().zip(self.drawdowns()) {
            match (open, depth < 0.0, out.last_mut()) {
                (false, true, _) => {
                    out.push(Fall { from_ms: *ms, lowest_ms: *ms, to_ms: *ms, recovered: false, depth });
                }
                (true, true, Some(fall)) => {
                    fall.to_ms = *ms;
                    if depth < fall.depth {
                        (fall.lowest_ms, fall.depth) = (*ms, depth);
                    }
                }
                (true, false, Some(fall)) => fall.recovered = true,
                _ => {}
            }
            open = depth < 0.0;
        }
        out.sort_by(|a, b| a.depth.total_cmp(&b.depth));
        out
    }

    /// Of each stretch of so many days the year's Sharpe ratio and volatility, by the stretch's last day.
    pub fn rolling(&self, length: usize) -> (Vec<i64>, Vec<f64>, Vec<f64>) {
        let mut out = (Vec::new(), Vec::new(), Vec::new());
        for (stretch, ms) in self.returns.windows(length).zip(self.days_ms.iter().skip(length - 1)) {
            let m = moments(stretch);
            out.0.push(*ms);
            out.1.push(m.map_or(f64::NAN, |m| m.mean / m.std * YEAR.sqrt()));
            out.2.push(m.map_or(f64::NAN, |m| m.std * YEAR.sqrt()));
        }
        out
    }

    /// Slope and correlation of these returns on others of the same days.
    pub fn beside(&self, other: &Days) -> Option<(f64, f64)> {
        let n = self.returns.len().min(other.returns.len());
        let (a, b) = (&self.returns[..n], &other.returns[..n]);
        let (of_a, of_b) = (moments(a)?, moments(b)?);
        let both = a.iter().zip(b).map(|(x, y)| (x - of_a.mean) * (y - of_b.mean)).sum::<f64>() / (n as f64 - 1.0);
        Some((both / (of_b.std * of_b.std), (both / (of_a.std * of_b.std)).clamp(-1.0, 1.0)))
    }

    /// Growth a year, the year's Sharpe ratio (0 of days that are all the same) and the deepest fall: those that are drawn again
    /// many times.
    pub fn three(&self) -> (f64, f64, f64) {
        let n = self.returns.len() as f64;
        let cagr = growth_of_a_year(1.0 + compound(self.returns.iter()), n / YEAR);
        let sharpe = moments(&self.returns).map_or(0.0, |m| m.mean / m.std * YEAR.sqrt());
        (cagr, sharpe, self.drawdowns().into_iter().fold(0.0, f64::min))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 400 days that any language can make.
    fn days(scale: impl Fn(usize, f64) -> f64) -> Days {
        let mut x = 1_u64;
        let mut out = Days::default();
        for i in 0..400_usize {
            x = (x * 1_103_515_245 + 12_345) % 2_147_483_648;
            let r = if i % 17 == 0 { 0.0 } else { (x as f64 / 2_147_483_648.0 - 0.49) * 0.04 };
            out.returns.push(scale(i, r));
            out.days_ms.push((19_358 + i as i64) * DAY_MS);
        }
        out
    }

    /// Values that QuantStats 0.0.86 with pandas 3.1 gave for the same returns (`periods=365`).
    #[test]
    fn figures_are_those_of_quantstats() {
        let found: BTreeMap<&str, f64> =
            days(|_, r| r).figures().iter().filter_map(|f| Some((f.name, f.value?))).collect();
        for (name, value) in [
            ("total return", -0.09853579889593111),
            ("growth a year (CAGR)", -0.09031613378165537),
            ("volatility a year", 0.20996640673095074),
            ("Sharpe ratio (year)", -0.34608442543344764),
            ("Sortino ratio (year)", -0.4901827223906891),
            ("maximum drawdown", -0.2576737765094822),
            ("Calmar ratio", -0.35050572473886105),
            ("omega, profit factor of days", 0.9577142430445589),
            ("tail ratio", 1.0438072202482571),
            ("skewness", 0.08939015217828464),
            ("kurtosis, excess", -1.076861955477942),
            ("ulcer index", 0.12932605545613307),
            ("recovery factor", 0.3090500198135143),
            ("payoff ratio of days", 0.9993539927421483),
            ("days won", 0.48936170212765956),
            ("Kelly fraction", -0.021606685031318434),
            ("gain to pain", -0.04228575695544125),
            ("best day", 0.019992988323420287),
            ("worst day", -0.019202214489132167),
            ("best month", 0.11333244452852953),
            ("worst month", -0.09004500173554741),
            ("months won", 0.5),
            ("longest drawdown, days", 241.0),
            ("gain to pain of months", -0.21731187641790287),
            ("average drawdown", -0.05745987743133727),
            ("average drawdown, days", 37.9),
            ("ulcer performance index", -0.761917608546826),
            ("common sense ratio", 0.9996690418245046),
            ("CPC index", 0.46836590876446577),
            ("best year", -0.032652158157705724),
            ("expected return of a day", -0.00025930374370719544),
            ("expected return of a month", -0.007382255407077376),
            ("expected return of a year", -0.05054531382268235),
            ("average month of those won", 0.040882427176575975),
            ("average month of those lost", -0.05250187577424676),
            ("most days won in a row", 6.0),
            ("most days lost in a row", 7.0),
            ("quarters won", 0.4),
            ("years won", 0.0),
        ] {
            assert!((found[name] - value).abs() < 1e-9, "{name}: {} is not {value}", found[name]);
        }
    }

    #[test]
    fn tables_are_those_of_quantstats() {
        let d = days(|_, r| r);
        let months = d.months();
        for (month, value) in
            [((2023, 1), 0.032816), ((2023, 3), -0.090045), ((2023, 12), 0.018303), ((2024, 2), 0.024441)]
        {
            assert!((months[&month] - value).abs() < 5e-7, "{month:?}");
        }
        let years: Vec<(i64, i64)> = d.years().iter().map(|(y, r)| (*y, (r * 1e6).round() as i64)).collect();
        assert_eq!(years, [(2023, -68_107), (2024, -32_652)]);
        let falls: Vec<(String, String, String, i64)> = d.falls()[..3]
            .iter()
            .map(|f| {
                let date = assay_shared::time::format_date;
                (date(f.from_ms), date(f.lowest_ms), date(f.to_ms), (f.depth * 1e8).round() as i64)
            })
            .collect();
        let row = |a: &str, b: &str, c: &str, d| (a.to_string(), b.to_string(), c.to_string(), d);
        assert_eq!(falls[0], row("2023-06-09", "2023-11-19", "2024-02-04", -25_767_378));
        assert_eq!(falls[1], row("2023-02-24", "2023-03-29", "2023-04-28", -10_371_039));
        let other = days(|i, r| if i % 3 == 0 { -r } else { 0.5 * r + 0.001 });
        let (beta, correlation) = d.beside(&other).unwrap();
        assert!((beta - 0.019431).abs() < 5e-7 && (correlation - 0.013685183648786115).abs() < 1e-12);
    }

    /// The vector of ten returns on which vectorbt, empyrical and QuantStats agree.
    #[test]
    fn ten_days_on_which_all_agree() {
        let returns = vec![-0.02, 0.01, 0.03, -0.015, 0.004, -0.01, 0.02, 0.0, -0.005, 0.012];
        let d = Days { days_ms: (0..10).map(|i| i * DAY_MS).collect(), returns, cut: (false, false) };
        let found: BTreeMap<&str, f64> = d.figures().iter().filter_map(|f| Some((f.name, f.value?))).collect();
        for (name, value) in [
            ("growth a year (CAGR)", 1.477225626117595),
            ("volatility a year", 0.3015655447457116),
            ("Sharpe ratio (year)", 3.14691123218411),
            ("Sortino ratio (year)", 5.735735930695089),
            ("Calmar ratio", 70.51398255403909),
            ("omega, profit factor of days", 1.52),
            ("tail ratio", 1.4366197183098584),
            ("value at risk of a day, 95 %, historical", -0.01775),
            ("expected shortfall of a day, 95 %, historical", -0.02),
        ] {
            assert!((found[name] / value - 1.0).abs() < 1e-9, "{name}: {} is not {value}", found[name]);
        }
    }

    /// Days compound to the whole, whatever the bars and wherever they begin; nothing, one day and ruin are no panic.
    #[test]
    fn days_compound_to_the_whole() {
        for (first, step, n) in
            [(0_i64, 3_600_000_i64, 1000_usize), (7 * 3_600_000, 900_000, 333), (DAY_MS / 2, DAY_MS, 40)]
        {
            let times: Vec<i64> = (0..n as i64).map(|i| first + i * step).collect();
            let equity: Vec<f64> = (0..n).map(|i| 1000.0 + ((i * 37) % 101) as f64).collect();
            let d = Days::of(&times, &equity, 900.0);
            let whole = equity[n - 1] / 900.0;
            assert!((compound(d.returns.iter()) + 1.0 - whole).abs() < 1e-9);
            assert!((d.months().values().fold(1.0, |v, r| v * (1.0 + r)) - whole).abs() < 1e-9);
            assert!((d.years().values().fold(1.0, |v, r| v * (1.0 + r)) - whole).abs() < 1e-9);
            assert!(d.days_ms.windows(2).all(|w| w[0] < w[1]));
            let (begins, ends) = (first % DAY_MS != 0, step < DAY_MS && (first + n as i64 * step) % DAY_MS != 0);
            assert_eq!(d.cut, (begins, ends));
            assert_eq!(d.whole().count(), d.returns.len() - usize::from(begins) - usize::from(ends));
        }
        for equity in [vec![], vec![10.0], vec![0.0, 0.0], vec![5.0, 5.0, 5.0]] {
            let times: Vec<i64> = (0..equity.len() as i64).map(|i| i * DAY_MS).collect();
            let d = Days::of(&times, &equity, 10.0);
            assert!(d.figures().iter().all(|f| f.value.is_none_or(f64::is_finite)));
            assert!(d.falls().iter().all(|f| f.depth < 0.0) && d.rolling(90).0.is_empty());
        }
    }
}
