//! Honest overfitting statistics: PSR, the expected maximum, DSR, minimum track record, PBO.
//!
//! Sources: Bailey and López de Prado, "The Sharpe Ratio Efficient Frontier" (2012) and "The
//! Deflated Sharpe Ratio" (2014); Bailey, Borwein, López de Prado and Zhu, "The Probability of
//! Backtest Overfitting" (2015). Sharpe ratios are per observation, kurtosis is 3 for a normal.

pub mod normal;

use normal::{cdf, ppf};

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
    variance.sqrt()
        * ((1.0 - EULER) * ppf(1.0 - 1.0 / trials) + EULER * ppf(1.0 - 1.0 / (trials * std::f64::consts::E)))
}

/// Deflated Sharpe ratio: PSR against the expected maximum of all trials that were tried.
pub fn dsr(o: &Observed, trials: f64, variance: f64) -> Option<f64> {
    psr(o, expected_max(trials, variance))
}

/// Observations needed for confidence `1 − alpha` that the Sharpe ratio is above `benchmark`.
pub fn min_track_record(o: &Observed, benchmark: f64, alpha: f64) -> Option<f64> {
    let z = ppf(1.0 - alpha) / (o.sharpe - benchmark);
    (o.sharpe > benchmark).then(|| 1.0 + o.spread() * z * z).filter(|v| v.is_finite())
}

/// Sums of one configuration's returns in consecutive blocks of equal length.
#[derive(Debug, Clone, PartialEq)]
pub struct Blocks {
    /// Sum of returns and of squared returns, block by block.
    pub sums: Vec<(f64, f64)>,
}

impl Blocks {
    /// Cuts a series into `count` equal blocks, dropping what does not fill them at the end.
    pub fn of(returns: &[f64], count: usize) -> Option<Blocks> {
        let len = returns.len() / count;
        if len == 0 {
            return None;
        }
        let sum = |b: &[f64]| b.iter().fold((0.0, 0.0), |(s, q), r| (s + r, q + r * r));
        Some(Blocks { sums: returns.chunks_exact(len).take(count).map(sum).collect() })
    }
}

fn sharpe(sums: (f64, f64), n: f64) -> f64 {
    let mean = sums.0 / n;
    let var = (sums.1 - n * mean * mean) / (n - 1.0);
    if var > 0.0 { mean / var.sqrt() } else { 0.0 }
}

/// Probability of backtest overfitting by combinatorially symmetric cross-validation: the share of
/// splits in which the best in-sample configuration is at or below the median out of sample.
/// `per_block` is the number of returns in a block. Absent for fewer than two configurations.
pub fn pbo(configurations: &[Blocks], per_block: usize) -> Option<f64> {
    let blocks = configurations.first()?.sums.len();
    if configurations.len() < 2
        || blocks < 2
        || !blocks.is_multiple_of(2)
        || configurations.iter().any(|c| c.sums.len() != blocks)
    {
        return None;
    }
    let n = (blocks / 2 * per_block) as f64;
    let (mut splits, mut overfit) = (0u64, 0u64);
    let mut values = vec![(0.0, 0.0); configurations.len()];
    for mask in 0u32..1 << blocks {
        if mask.count_ones() as usize != blocks / 2 {
            continue;
        }
        for (value, c) in values.iter_mut().zip(configurations) {
            let (mut is, mut oos) = ((0.0, 0.0), (0.0, 0.0));
            for (b, s) in c.sums.iter().enumerate() {
                let side = if mask >> b & 1 == 1 { &mut is } else { &mut oos };
                *side = (side.0 + s.0, side.1 + s.1);
            }
            *value = (sharpe(is, n), sharpe(oos, n));
        }
        // The first of equal maxima, as numpy's argmax.
        let best = values.iter().enumerate().fold(0, |best, (i, v)| if v.0 > values[best].0 { i } else { best });
        let below = values.iter().filter(|v| v.1 < values[best].1).count() as f64;
        let same = values.iter().filter(|v| v.1 == values[best].1).count() as f64;
        let rank = below + (same + 1.0) / 2.0;
        splits += 1;
        // λ = ln(ω / (1 − ω)) ≤ 0 exactly when ω ≤ 1/2.
        overfit += u64::from(rank / (values.len() as f64 + 1.0) <= 0.5);
    }
    Some(overfit as f64 / splits as f64)
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
        let o = Observed { sharpe: 2.5 / 250f64.sqrt(), n: 1250.0, skew: -3.0, kurtosis: 10.0 };
        let v = 0.5 / 250.0;
        close(expected_max(100.0, v), 0.11317200186513214);
        close(dsr(&o, 100.0, v).unwrap(), 0.9003968344493903);
        close(dsr(&o, 46.0, v).unwrap(), 0.9505017068755787);
        let normal = Observed { skew: 0.0, kurtosis: 3.0, ..o };
        close(dsr(&normal, 88.0, v).unwrap(), 0.9504908166760139);
        let monthly = Observed { sharpe: 0.036 / 0.079, n: 24.0, skew: -2.448, kurtosis: 10.164 };
        close(psr(&monthly, 0.0).unwrap(), 0.9127093395948954);
        let daily = Observed { sharpe: 2.0 / 250f64.sqrt(), n: 0.0, skew: 0.0, kurtosis: 3.0 };
        close(min_track_record(&daily, 1.0 / 250f64.sqrt(), 0.05).unwrap(), 682.796950432044);
    }

    /// The portable golden: a linear congruential matrix of 24 × 5 returns.
    #[test]
    fn pbo_golden() {
        let mut x: u64 = 42;
        let mut rows = [[0.0; 5]; 24];
        for row in &mut rows {
            for v in row.iter_mut() {
                x = (1_103_515_245 * x + 12_345) % (1 << 31);
                *v = (((x >> 16) % 2001) as f64 - 1000.0) / 1e5;
            }
        }
        assert_eq!(rows[0], [0.00072, 0.00025, 0.00262, 0.00449, 0.0085]);
        let column = |k: usize, add: f64| rows.iter().map(|r| r[k] + add).collect::<Vec<f64>>();
        let blocks = |s: usize, boost: f64| {
            (0..5).map(|k| Blocks::of(&column(k, if k == 3 { boost } else { 0.0 }), s).unwrap()).collect::<Vec<_>>()
        };
        close(pbo(&blocks(4, 0.0), 6).unwrap(), 1.0 / 3.0);
        close(pbo(&blocks(8, 0.0), 3).unwrap(), 0.6142857142857143);
        assert_eq!(pbo(&blocks(8, 0.02), 3), Some(0.0));
        assert_eq!(pbo(&blocks(8, 0.0)[..1], 3), None);
    }
}
