//! Out-of-sample returns in consecutive blocks: what every statistic of a trial is computed from.

use assay_shared::event::BlockV2;
use assay_shared::event::codec::Real;

/// Blocks of a trial's out-of-sample returns.
pub const BLOCKS: usize = 16;

/// Cuts returns into [`BLOCKS`] equal blocks; what does not fill them at the end is left out. None
/// when there are fewer returns than blocks.
pub fn of(returns: &[f64]) -> Option<Vec<BlockV2>> {
    let len = returns.len() / BLOCKS;
    if len == 0 {
        return None;
    }
    let mut last = 0.0;
    Some(returns.chunks_exact(len).take(BLOCKS).map(|block| one(block, &mut last)).collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_powers_and_lags() {
        let returns: Vec<f64> = (0..40).map(|i| f64::from(i % 5) - 1.0).collect();
        let blocks = of(&returns).unwrap();
        assert_eq!((blocks.len(), blocks[0].bars), (16, 2));
        let first: Vec<f64> = blocks[1].powers.iter().map(|p| p.0).collect();
        assert_eq!((first, blocks[1].lagged.0, blocks[1].active), (vec![3.0, 5.0, 9.0, 17.0], 2.0, 2));
        assert_eq!((blocks[0].lagged.0, blocks[0].active), (0.0, 1));
        assert_eq!(of(&returns[..15]), None);
    }
}
