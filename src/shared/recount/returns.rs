//! Figures against the sums over returns that were recorded beside them.

use super::blocks;
use crate::event::study::BlockFact;
use crate::metric::{self, Metric, YEAR_MS};
use std::collections::BTreeMap;

/// How far a figure may lie from the same figure by another way.
const NEAR: f64 = 1e-6;

/// What is wrong with figures over so many bars beside their returns in blocks; nothing where they agree.
pub(super) fn disagree(
    metrics: &BTreeMap<String, f64>,
    found: &[BlockFact],
    bars: u64,
    interval_ms: i64,
) -> Option<String> {
    let equal = found.windows(2).take(blocks::BLOCKS - 1).all(|w| w[0].bars == w[1].bars);
    if blocks::bars(found) != bars || !equal || found.len() < blocks::BLOCKS {
        return Some(format!("it has returns of {} bars in blocks, and there are {bars}", blocks::bars(found)));
    }
    let per_year = YEAR_MS / interval_ms as f64;
    let recorded = |metric: Metric| metrics.get(metric.name()).copied();
    let o = blocks::observed(found);
    let sums = |f: fn(&BlockFact) -> f64| found.iter().map(f).sum::<f64>();
    let higher = |b: &BlockFact| b.higher.unwrap_or_default();
    let (s1, s2) = (sums(|b| b.sums.0), sums(|b| b.sums.1));
    let (s3, s4): (f64, f64) = found.iter().map(higher).fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
    let std = ((s2 - s1 * s1 / bars as f64) / (bars as f64 - 1.0)).sqrt();
    let total = recorded(Metric::TotalReturn);
    let cagr = total.map(|r| metric::growth_of_a_year(1.0 + r, bars as f64 / per_year));
    let calmar = cagr.zip(recorded(Metric::MaxDrawdown)).filter(|(_, d)| *d < 0.0).map(|(c, d)| c / -d);
    let computed = [
        (Metric::SharpePerBar, o.map(|o| o.sharpe)),
        (Metric::Skew, o.map(|o| o.skew)),
        (Metric::Kurtosis, o.map(|o| o.kurtosis)),
        (Metric::Sharpe, o.map(|o| o.sharpe * per_year.sqrt())),
        (Metric::Volatility, o.map(|_| std * per_year.sqrt())),
        (Metric::Cagr, cagr),
        (Metric::Calmar, calmar),
    ];
    for (metric, computed) in computed {
        let (said, name) = (recorded(metric), metric.name());
        let near = match (said, computed) {
            (Some(a), Some(b)) => (a - b).abs() <= NEAR * b.abs().max(1e-3),
            (None, _) => o.is_none() || !matches!(metric, Metric::SharpePerBar | Metric::Sharpe),
            (Some(_), None) => false,
        };
        if !near {
            let show = |v: Option<f64>| v.map_or("nothing".into(), |v| v.to_string());
            return Some(format!("{name} {} is recorded, and its returns give {}", show(said), show(computed)));
        }
    }
    // The logarithm of the growth, by its series up to the fourth power.
    let series = s1 - s2 / 2.0 + s3 / 3.0 - s4 / 4.0;
    let growth = metric::log_growth(total.unwrap_or(0.0).max(-1.0));
    let far = s4 < 0.1 && (growth - series).abs() > s4 + NEAR;
    let total = total.unwrap_or(0.0);
    far.then(|| format!("total_return {total} is recorded, and its returns do not give it"))
}
