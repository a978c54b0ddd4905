//! How far a run's figures could have fallen apart by luck, and what they are when trading costs more.

use super::days::Days;
use assay_shared::metric::Metrics;
use assay_shared::search::rng::Rng;
use serde::Serialize;

/// Resampled runs.
const RUNS: u64 = 1000;
/// Fixed, so that a report says the same each time.
const SEED: u64 = 0x0ba2_d5ee;
/// Fewer days say nothing.
const LEAST: usize = 30;

/// The middle nine tenths of a figure over runs of days that were drawn again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Band {
    /// A twentieth of the runs are below this.
    pub low: f64,
    /// Half of them are.
    pub middle: f64,
    /// A twentieth are above this.
    pub high: f64,
}

/// Bands of a run's days, by a circular block bootstrap (Politis and Romano, 1992): blocks of as many days as the cube root of
/// all, so that what hangs together for some days stays together.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bands {
    /// Days in a block.
    pub block: usize,
    /// Runs that were drawn.
    pub runs: u64,
    /// Growth a year, as a fraction.
    pub cagr: Band,
    /// Sharpe ratio of a year.
    pub sharpe: Band,
    /// Maximum drawdown, zero or less.
    pub max_drawdown: Band,
    /// Share of the runs that lost money.
    pub lost: f64,
    /// Correlation of each day's return with the one before.
    pub autocorrelation: Option<f64>,
    /// Share of the days without any return.
    pub idle: f64,
}

fn band(mut values: Vec<f64>) -> Band {
    values.sort_by(f64::total_cmp);
    let at = |q: f64| values.get((q * (values.len() - 1) as f64).round() as usize).copied().unwrap_or(0.0);
    Band { low: at(0.05), middle: at(0.5), high: at(0.95) }
}

impl Bands {
    /// Of days; none of too few, or of days without any return.
    pub fn of(days: &Days) -> Option<Bands> {
        let (r, n) = (&days.returns, days.returns.len());
        if n < LEAST || r.iter().all(|v| *v == 0.0) {
            return None;
        }
        let block = (libm::cbrt(n as f64).round() as usize).max(1);
        let (mut cagr, mut sharpe, mut drawdown, mut lost) = (Vec::new(), Vec::new(), Vec::new(), 0_u32);
        for run in 0..RUNS {
            let mut rng = Rng::new(SEED, run, 0);
            let mut drawn = Vec::with_capacity(n + block);
            while drawn.len() < n {
                let from = rng.below(n);
                drawn.extend((0..block).map(|i| r[(from + i) % n]));
            }
            drawn.truncate(n);
            let drawn = Days { returns: drawn, ..Days::default() };
            let (grown, ratio, fall) = drawn.three();
            lost += u32::from(grown < 0.0);
            cagr.push(grown);
            sharpe.push(ratio);
            drawdown.push(fall);
        }
        let (before, after) = (
            Days { returns: r[..n - 1].to_vec(), ..Days::default() },
            Days { returns: r[1..].to_vec(), ..Days::default() },
        );
        Some(Bands {
            block,
            runs: RUNS,
            cagr: band(cagr),
            sharpe: band(sharpe),
            max_drawdown: band(drawdown),
            lost: f64::from(lost) / RUNS as f64,
            autocorrelation: after.beside(&before).map(|b| b.1),
            idle: r.iter().filter(|v| **v == 0.0).count() as f64 / n as f64,
        })
    }
}

/// The run with costs that are so many times what is assumed: fees, slippage and impact.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stressed {
    /// How many times.
    pub times: f64,
    /// Figures out of sample.
    pub metrics: Metrics,
}

/// What a run is worth when trading costs more.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Costs {
    /// From what is assumed on.
    pub rows: Vec<Stressed>,
    /// At about how many times the costs nothing is earned any more out of sample; none where that is beyond what was tried.
    pub gone_at: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Report;
    use crate::report::tests::report;
    use assay_shared::metric::Metric;

    fn days(returns: Vec<f64>) -> Days {
        Days { days_ms: (0..returns.len() as i64).map(|i| i * 86_400_000).collect(), returns, cut: (false, false) }
    }

    /// Where all days are alike every run is the run; what is drawn is always the same, and holds the figure itself.
    #[test]
    fn bands_hold_what_they_are_of() {
        let steady = Bands::of(&days(vec![0.001; 365])).unwrap();
        let grown = libm::pow(1.001, 365.0) - 1.0;
        assert!((steady.cagr.low - grown).abs() < 1e-9 && (steady.cagr.high - grown).abs() < 1e-9);
        assert_eq!((steady.max_drawdown.low, steady.lost, steady.idle, steady.block), (0.0, 0.0, 0.0, 7));
        let mut rng = Rng::new(5, 6, 7);
        let mixed = days((0..600).map(|i| if i % 4 == 0 { 0.0 } else { 0.04 * (rng.uniform() - 0.494) }).collect());
        let found = Bands::of(&mixed).unwrap();
        assert_eq!(Some(found), Bands::of(&mixed), "the same each time");
        let (cagr, sharpe, fall) = mixed.three();
        for (band, value) in [(found.cagr, cagr), (found.sharpe, sharpe), (found.max_drawdown, fall)] {
            assert!(band.low < band.middle && band.middle < band.high, "{band:?}");
            assert!((band.low..=band.high).contains(&value), "{band:?} {value}");
        }
        assert!((found.idle - 0.25).abs() < 0.01 && found.autocorrelation.is_some() && found.block == 8);
        // What is drawn are its own days, in blocks: none is worse than the worst in a row of as many.
        assert!(found.lost > 0.0 && found.lost < 0.5, "{}", found.lost);
        let worst = mixed.returns.iter().copied().fold(0.0, f64::min);
        assert!(found.max_drawdown.high < worst && found.max_drawdown.low > -1.0);
        assert!(Bands::of(&days(vec![0.0; 500])).is_none() && Bands::of(&days(vec![0.01; 29])).is_none());
    }

    /// What luck and dearer trading would have made of it stands in the page in words that fit, and in the JSON as numbers.
    #[test]
    fn robustness_is_shown_as_it_is() {
        let row = |times: f64, cagr: f64| {
            let metrics = [(Metric::Cagr, cagr), (Metric::MaxDrawdown, -0.25), (Metric::Trades, 12.0)].into();
            Stressed { times, metrics }
        };
        let with = |rows: Vec<Stressed>, gone_at| report("s", false, 6).with_costs(Costs { rows, gone_at });
        let all = || vec![row(1.0, 0.5), row(1.5, 0.1), row(2.0, -0.2)];
        for (gone_at, words) in [
            (None, "At the highest of these costs something is still earned."),
            (Some(1.0), "Nothing is earned at the costs that are assumed."),
            (Some(1.63), "At about 1.6 times the costs that are assumed nothing is earned any more out of sample."),
        ] {
            let r = with(all(), gone_at);
            let (page, json): (String, serde_json::Value) = (r.to_html(), serde_json::from_str(&r.to_json()).unwrap());
            assert!(page.contains(words), "{words}");
            assert!(page.contains("<td>× 1.5</td><td>undefined</td><td>10.0 %</td><td>-25.0 %</td><td>12</td>"));
            assert_eq!(json["costs"]["gone_at"].as_f64(), gone_at);
            assert_eq!(json["costs"]["rows"].as_array().unwrap().len(), 3);
            assert_eq!(json["costs"]["rows"][2]["metrics"]["cagr"].as_f64(), Some(-0.2));
        }
        let r = with(Vec::new(), None);
        assert!(!r.to_html().contains("If trading cost more"), "of what was not run nothing is said");
        let bands = r.bands.unwrap();
        assert!(r.to_html().contains(&format!("1000 runs of blocks of {} days", bands.block)));
        let own = r.sheet.tested_figures.iter().find(|f| f.name == "Sharpe ratio (year)").unwrap().value.unwrap();
        assert!(bands.sharpe.low < own && own < bands.sharpe.high);
        let short = Report { bands: None, ..r };
        assert!(!short.to_html().contains("If the days had come otherwise"));
    }
}
