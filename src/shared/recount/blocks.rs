//! Out-of-sample returns in consecutive blocks: what every statistic of a trial is computed from.

use crate::event::BlockV2;
use crate::event::codec::Real;
use crate::event::study::BlockFact;
use crate::statistic::Observed;

/// Equal blocks of a trial's out-of-sample returns.
pub const BLOCKS: usize = 16;

/// Cuts returns into [`BLOCKS`] equal blocks, and one more for what does not fill them at the end. None when there
/// are fewer returns than blocks.
pub fn of(returns: &[f64]) -> Option<Vec<BlockV2>> {
    let len = returns.len() / BLOCKS;
    if len == 0 {
        return None;
    }
    let mut last = 0.0;
    let (equal, rest) = returns.split_at(len * BLOCKS);
    let rest = Some(rest).filter(|rest| !rest.is_empty());
    Some(equal.chunks_exact(len).chain(rest).map(|block| one(block, &mut last)).collect())
}

fn one(block: &[f64], last: &mut f64) -> BlockV2 {
    let (mut powers, mut lagged, mut active) = ([0.0; 4], 0.0, 0);
    for r in block {
        let square = r * r;
        for (sum, term) in powers.iter_mut().zip([*r, square, square * r, square * square]) {
            *sum += term;
        }
        lagged += r * *last;
        active += u32::from(*r != 0.0);
        *last = *r;
    }
    BlockV2 { bars: block.len() as u32, active, powers: powers.map(Real), lagged: Real(lagged) }
}

/// Returns in all blocks; zero where a version does not say.
pub fn bars(blocks: &[BlockFact]) -> u64 {
    blocks.iter().map(|b| u64::from(b.bars)).sum()
}

/// Sharpe ratio per return, skewness and kurtosis over all blocks; none when undefined, or when the blocks hold no
/// higher powers.
pub fn observed(blocks: &[BlockFact]) -> Option<Observed> {
    let n = bars(blocks) as f64;
    let mut sums = [0.0; 4];
    for b in blocks {
        let higher = b.higher?;
        for (sum, term) in sums.iter_mut().zip([b.sums.0, b.sums.1, higher.0, higher.1]) {
            *sum += term;
        }
    }
    let [s1, s2, s3, s4] = sums;
    let mean = s1 / n;
    let m2 = s2 - n * mean * mean;
    let m3 = s3 - 3.0 * mean * s2 + 2.0 * n * mean * mean * mean;
    let m4 = s4 - 4.0 * mean * s3 + 6.0 * mean * mean * s2 - 3.0 * n * mean * mean * mean * mean;
    let var = m2 / n;
    if n < 2.0 || var.is_nan() || var <= 0.0 || var.sqrt() <= 1e-6 * mean.abs() {
        return None;
    }
    let o = Observed {
        sharpe: mean / (m2 / (n - 1.0)).sqrt(),
        n,
        skew: m3 / n / (var * var.sqrt()),
        kurtosis: m4 / n / (var * var),
    };
    [o.sharpe, o.skew, o.kurtosis].iter().all(|v| v.is_finite()).then_some(o)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::moments;

    #[test]
    fn sums_of_powers_and_lags() {
        let returns: Vec<f64> = (0..40).map(|i| f64::from(i % 5) - 1.0).collect();
        let blocks = of(&returns).unwrap();
        assert_eq!((blocks.len(), blocks[0].bars, blocks[16].bars), (17, 2, 8), "the rest has a block of its own");
        let first: Vec<f64> = blocks[1].powers.iter().map(|p| p.0).collect();
        assert_eq!((first, blocks[1].lagged.0, blocks[1].active), (vec![3.0, 5.0, 9.0, 17.0], 2.0, 2));
        assert_eq!((blocks[0].lagged.0, blocks[0].active), (0.0, 1));
        assert_eq!(of(&returns[..15]), None);
        assert_eq!(of(&returns[..32]).unwrap().len(), 16);
    }

    /// Sums over blocks give the moments of the returns themselves, wherever they are cut.
    #[test]
    fn moments_from_sums() {
        let mut x = 7u64;
        let mut next = || {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((x >> 33) as f64 / (1u64 << 31) as f64 - 0.49) * 0.02
        };
        for n in [16, 17, 100, 8760] {
            let returns: Vec<f64> = (0..n).map(|i| if i % 3 == 0 { 0.0 } else { next() }).collect();
            let (m, facts) = (moments(&returns).unwrap(), crate::event::study::blocks_v2(&of(&returns).unwrap()));
            let o = observed(&facts).unwrap();
            for (a, b) in [(o.sharpe, m.mean / m.std), (o.skew, m.skew), (o.kurtosis, m.kurtosis), (o.n, n as f64)] {
                assert!((a - b).abs() < 1e-9 * b.abs().max(1.0), "{n}: {a} {b}");
            }
        }
        let flat = crate::event::study::blocks_v2(&of(&[0.01; 32]).unwrap());
        assert_eq!(observed(&flat), None);
        assert_eq!(observed(&[BlockFact { bars: 9, sums: (0.1, 0.2), higher: None }]), None);
    }
}
