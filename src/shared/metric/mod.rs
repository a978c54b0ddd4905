//! Performance figures. An undefined figure is absent: never infinite, never zero.
//!
//! Definitions follow vectorbt and empyrical with one difference: drawdown starts from the
//! initial equity, so a loss on the first bar shows. `ddof = 1`, 365-day years.

mod table;

pub use table::{Direction, Metric, Unit};

use crate::account::Window;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Identifies these definitions beside the numbers.
pub const DEFINITIONS: &str = "metric/v1:ddof=1,year=365d,drawdown-from-initial";
/// Milliseconds of a year of 365 days.
pub const YEAR_MS: f64 = 365.0 * 86_400_000.0;

/// Figures; one that is undefined is not there.
pub type Metrics = BTreeMap<Metric, f64>;

/// Mean, sample deviation, skewness and (non-excess) kurtosis of a series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// Number of values.
    pub n: usize,
    /// Mean.
    pub mean: f64,
    /// Standard deviation with `ddof = 1`.
    pub std: f64,
    /// Skewness, population moments.
    pub skew: f64,
    /// Kurtosis, population moments, 3 for a normal distribution.
    pub kurtosis: f64,
}

/// Per-bar returns of an equity curve that starts at `initial`.
pub fn returns(initial: f64, equity: &[f64]) -> Vec<f64> {
    let mut last = initial;
    let mut step = |e: &f64| {
        let r = if last > 0.0 { e / last - 1.0 } else { 0.0 };
        last = *e;
        r
    };
    equity.iter().map(&mut step).collect()
}

/// The returns of a curve, with what their figures begin with.
struct Swept {
    returns: Vec<f64>,
    /// Their sum, and that of the squares of those below zero.
    sum: f64,
    down: f64,
}

impl Swept {
    /// One pass over a curve. A sum waits for its last addition: three of them, and the divisions, wait together.
    fn of(initial: f64, equity: &[f64]) -> Swept {
        let (mut last, mut out) = (initial, Swept { returns: Vec::with_capacity(equity.len()), sum: -0.0, down: -0.0 });
        out.returns.extend(equity.iter().map(|e| {
            let r = if last > 0.0 { e / last - 1.0 } else { 0.0 };
            last = *e;
            out.sum += r;
            out.down += r.min(0.0) * r.min(0.0);
            r
        }));
        out
    }
}

/// The moments of a series of at least two values that are not all the same.
pub fn moments(xs: &[f64]) -> Option<Moments> {
    moments_of(xs, xs.iter().fold(-0.0, |sum, x| sum + x))
}

/// The same of a series whose sum is known.
fn moments_of(xs: &[f64], sum: f64) -> Option<Moments> {
    let n = xs.len();
    if n < 2 {
        return None;
    }
    let mean = sum / n as f64;
    let (mut m2, mut m3, mut m4) = (0.0, 0.0, 0.0);
    for x in xs {
        let (d, d2) = (x - mean, (x - mean) * (x - mean));
        m2 += d2;
        m3 += d2 * d;
        m4 += d2 * d2;
    }
    let var = m2 / n as f64;
    if var <= 0.0 || var.sqrt() <= 1e-14 * mean.abs() {
        return None;
    }
    let std = (m2 / (n as f64 - 1.0)).sqrt();
    Some(Moments { n, mean, std, skew: m3 / n as f64 / (var * var.sqrt()), kurtosis: m4 / n as f64 / (var * var) })
}

/// Largest fall from a peak as a negative fraction; the first peak is the initial equity.
pub fn max_drawdown(initial: f64, equity: &[f64]) -> f64 {
    Drawdown::new(initial).at(equity)
}

/// The largest fall of an equity that grows longer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drawdown {
    peak: f64,
    worst: f64,
    seen: usize,
}

impl Drawdown {
    /// Before the first bar; the first peak is the initial equity, USDT.
    pub fn new(initial: f64) -> Drawdown {
        Drawdown { peak: initial, worst: 0.0, seen: 0 }
    }

    /// The largest fall up to the end of an equity that begins with what was seen before.
    pub fn at(&mut self, equity: &[f64]) -> f64 {
        // Of all falls from one peak the deepest is that to its lowest point: nothing is divided for the others.
        let mut low = f64::INFINITY;
        for e in &equity[self.seen..] {
            if *e > self.peak {
                self.worst = self.worst.min(low / self.peak - 1.0);
                (self.peak, low) = (*e, *e);
            }
            low = low.min(*e);
        }
        self.worst = self.worst.min(low / self.peak - 1.0);
        self.seen = equity.len();
        self.worst.max(-1.0)
    }
}

/// What grows to `times` itself over so many years, as growth a year; −1 when nothing is left.
pub fn growth_of_a_year(times: f64, years: f64) -> f64 {
    if times > 0.0 { libm::pow(times, 1.0 / years) - 1.0 } else { -1.0 }
}

/// The logarithm of one and a return.
pub fn log_growth(r: f64) -> f64 {
    libm::log1p(r)
}

/// All figures of a run, or of a stretch of one, over bars of `interval_ms`.
pub fn of(run: &Window<'_>, interval_ms: i64) -> Metrics {
    some(run, interval_ms, &|_| true)
}

/// Those figures of a run that are wanted, or of a stretch of one.
pub fn some(run: &Window<'_>, interval_ms: i64, wants: &dyn Fn(Metric) -> bool) -> Metrics {
    let mut out = Metrics::new();
    let any = |of: &[Metric]| of.iter().any(|m| wants(*m));
    let mut put = |metric: Metric, value: f64| {
        if value.is_finite() && wants(metric) {
            out.insert(metric, value);
        }
    };
    let bars = run.equity.len();
    if bars == 0 {
        return out;
    }
    if any(&[Metric::Volatility, Metric::Sharpe, Metric::SharpePerBar, Metric::Skew, Metric::Kurtosis, Metric::Sortino])
    {
        returns_figures(&Swept::of(run.initial_usdt, run.equity), interval_ms, &mut put);
    }
    let last = run.equity[bars - 1];
    let total = last / run.initial_usdt - 1.0;
    let fell = any(&[Metric::MaxDrawdown, Metric::Calmar]);
    let drawdown = if fell { max_drawdown(run.initial_usdt, run.equity) } else { f64::NAN };
    let years = bars as f64 * interval_ms as f64 / YEAR_MS;
    let cagr = growth_of_a_year(last / run.initial_usdt, years);
    put(Metric::TotalReturn, total);
    put(Metric::FinalEquityUsdt, last);
    put(Metric::MaxDrawdown, drawdown);
    put(Metric::Cagr, cagr);
    if drawdown < 0.0 {
        put(Metric::Calmar, cagr / -drawdown);
    }
    put(Metric::Exposure, f64::from(run.counts.exposed_bars) / bars as f64);
    put(Metric::FeesUsdt, run.counts.fees_usdt);
    put(Metric::FundingUsdt, run.counts.funding_usdt);
    put(Metric::Liquidations, f64::from(run.counts.liquidations));
    put(Metric::RejectedOrders, f64::from(run.counts.rejected));
    put(Metric::InsuranceUsdt, run.counts.insurance_usdt);
    put(Metric::UndecidedBars, f64::from(run.counts.undecided_bars));
    if any(&[
        Metric::Trades,
        Metric::WinRate,
        Metric::ExpectancyUsdt,
        Metric::ProfitFactor,
        Metric::Sqn,
        Metric::WorstMae,
        Metric::BestMfe,
        Metric::BarsPerTrade,
    ]) {
        trade_figures(run, &mut put);
    }
    out
}

fn returns_figures(swept: &Swept, interval_ms: i64, put: &mut impl FnMut(Metric, f64)) {
    let per_year = YEAR_MS / interval_ms as f64;
    let Some(m) = moments_of(&swept.returns, swept.sum) else { return };
    put(Metric::Volatility, m.std * per_year.sqrt());
    put(Metric::Sharpe, m.mean / m.std * per_year.sqrt());
    put(Metric::SharpePerBar, m.mean / m.std);
    put(Metric::Skew, m.skew);
    put(Metric::Kurtosis, m.kurtosis);
    let downside = (swept.down / m.n as f64).sqrt();
    if downside > 0.0 {
        put(Metric::Sortino, m.mean * per_year / (downside * per_year.sqrt()));
    }
}

fn trade_figures(run: &Window<'_>, put: &mut impl FnMut(Metric, f64)) {
    let n = run.own_trades().count();
    put(Metric::Trades, n as f64);
    if n == 0 {
        return;
    }
    let pnl: Vec<f64> = run.own_trades().map(|t| t.pnl_usdt).collect();
    let gain: f64 = pnl.iter().filter(|p| **p > 0.0).sum();
    let loss: f64 = pnl.iter().filter(|p| **p < 0.0).sum();
    put(Metric::WinRate, pnl.iter().filter(|p| **p > 0.0).count() as f64 / n as f64);
    put(Metric::ExpectancyUsdt, pnl.iter().sum::<f64>() / n as f64);
    if loss < 0.0 {
        put(Metric::ProfitFactor, gain / -loss);
    }
    if let Some(m) = moments(&pnl) {
        put(Metric::Sqn, (n as f64).sqrt() * m.mean / m.std);
    }
    put(Metric::WorstMae, run.own_trades().map(|t| t.mae).fold(0.0, f64::min));
    put(Metric::BestMfe, run.own_trades().map(|t| t.mfe).fold(0.0, f64::max));
    let bars: usize = run.own_trades().map(|t| t.bars).sum();
    put(Metric::BarsPerTrade, bars as f64 / n as f64);
}

#[cfg(test)]
mod tests {
    use super::*;

    const R: [f64; 10] = [-0.02, 0.01, 0.03, -0.015, 0.004, -0.01, 0.02, 0.0, -0.005, 0.012];

    /// The golden vector that vectorbt, empyrical and quantstats agree on (daily returns).
    #[test]
    fn golden_vector() {
        let mut equity = Vec::new();
        let mut e = 1.0;
        for r in R {
            e *= 1.0 + r;
            equity.push(e);
        }
        let mut out = Metrics::new();
        let swept = Swept::of(1.0, &equity);
        assert_eq!(swept.returns, returns(1.0, &equity));
        assert_eq!(swept.sum.to_bits(), swept.returns.iter().sum::<f64>().to_bits());
        returns_figures(&swept, 86_400_000, &mut |k, v| {
            out.insert(k, v);
        });
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9 * b.abs(), "{a} {b}");
        close(out[&Metric::Sharpe], 3.14691123218411);
        close(out[&Metric::Sortino], 5.735735930695089);
        close(out[&Metric::Volatility], 0.3015655447457116);
        close(libm::pow(e, 36.5) - 1.0, 1.477225626117595);
        // -2 % on the first bar shows: the peak is the initial equity.
        close(max_drawdown(1.0, &equity), -0.020949400000000118);
        assert_eq!(max_drawdown(1.0, &[0.9, 0.9]), -0.09999999999999998);
        // Part by part it is the same, to the last bit.
        let mut fell = Drawdown::new(1.0);
        for end in [0, 1, 1, 4, equity.len()] {
            assert_eq!(fell.at(&equity[..end]), max_drawdown(1.0, &equity[..end]));
            let plain = |(peak, worst): (f64, f64), e: &f64| (peak.max(*e), worst.min(e / peak.max(*e) - 1.0));
            assert_eq!(fell.at(&equity[..end]), equity[..end].iter().fold((1.0, 0.0), plain).1);
        }
    }

    #[test]
    fn undefined_is_absent() {
        assert_eq!(moments(&[0.0; 9]), None);
        assert_eq!(moments(&[0.1; 9]), None);
        let flat = Window {
            initial_usdt: 100.0,
            first_bar: 0,
            equity: &[100.0; 5],
            trades: &[],
            counts: crate::account::Counts::default(),
        };
        let m = of(&flat, 3_600_000);
        assert!(![Metric::Sharpe, Metric::Calmar, Metric::WinRate].iter().any(|k| m.contains_key(k)));
        assert_eq!(m[&Metric::Trades], 0.0);
    }
}
