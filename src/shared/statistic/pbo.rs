//! Probability of backtest overfitting by combinatorially symmetric cross-validation (Bailey, Borwein, López de Prado, Zhu
//! 2015).

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

#[inline]
fn sharpe(sum: f64, squares: f64, n: f64) -> f64 {
    let mean = sum / n;
    let var = (squares - n * mean * mean) / (n - 1.0);
    if var > 0.0 { mean / var.sqrt() } else { 0.0 }
}

/// Sums of returns and of their squares over some blocks, for each configuration.
#[derive(Debug, Clone, Default)]
struct Half {
    sums: Vec<f64>,
    squares: Vec<f64>,
}

impl Half {
    fn with(n: usize) -> Half {
        Half { sums: vec![0.0; n], squares: vec![0.0; n] }
    }

    /// What another half is with one block more. Blocks are added in their order, so that the sums are those of a plain loop.
    fn be(&mut self, before: &Half, block: &Half) {
        let all = self.sums.iter_mut().zip(&before.sums).zip(&block.sums);
        all.for_each(|((sum, a), b)| *sum = a + b);
        let all = self.squares.iter_mut().zip(&before.squares).zip(&block.squares);
        all.for_each(|((sum, a), b)| *sum = a + b);
    }

    fn sharpes(&self, n: f64, out: &mut [f64]) {
        for (out, (sum, squares)) in out.iter_mut().zip(self.sums.iter().zip(&self.squares)) {
            *out = sharpe(*sum, *squares, n);
        }
    }
}

/// All ways to cut blocks into halves, each way and its mirror at once; ways that begin alike share their sums.
struct Splits<'a> {
    blocks: &'a [Half],
    /// Returns in a half.
    n: f64,
    /// Sums of both sides, by how many blocks they hold.
    sides: [Vec<Half>; 2],
    /// Sharpe ratios of both sides.
    values: [Vec<f64>; 2],
    splits: u64,
    overfit: u64,
}

impl Splits<'_> {
    /// Deals the blocks from this one on, with so many on each side before.
    fn deal(&mut self, block: usize, held: [usize; 2]) {
        if block == self.blocks.len() {
            self.judge();
            return;
        }
        // The mirror of every split has the first block on the other side.
        for side in 0..if block == 0 { 1 } else { 2 } {
            let n = held[side];
            if n < self.blocks.len() / 2 {
                let (before, after) = self.sides[side].split_at_mut(n + 1);
                after[0].be(&before[n], &self.blocks[block]);
                let mut held = held;
                held[side] += 1;
                self.deal(block + 1, held);
            }
        }
    }

    /// Looks at a split, and at its mirror.
    fn judge(&mut self) {
        for (sides, out) in self.sides.iter().zip(&mut self.values) {
            if let Some(full) = sides.last() {
                full.sharpes(self.n, out);
            }
        }
        let [one, other] = &self.values;
        self.splits += 2;
        self.overfit += u64::from(is_overfit(one, other)) + u64::from(is_overfit(other, one));
    }
}

/// Whether the best in sample is at or below the median out of sample.
fn is_overfit(inside: &[f64], outside: &[f64]) -> bool {
    // The first of equal maxima, as numpy's argmax.
    let best = (1..inside.len()).fold(0, |best, i| if inside[i] > inside[best] { i } else { best });
    let of_best = outside[best];
    let (below, same) =
        outside.iter().fold((0_u32, 0_u32), |(b, s), v| (b + u32::from(*v < of_best), s + u32::from(*v == of_best)));
    let rank = f64::from(below) + (f64::from(same) + 1.0) / 2.0;
    // λ = ln(ω / (1 − ω)) ≤ 0 exactly when ω ≤ 1/2.
    rank / (outside.len() as f64 + 1.0) <= 0.5
}

/// Probability of backtest overfitting by combinatorially symmetric cross-validation: the share of
/// splits in which the best in-sample configuration is at or below the median out of sample.
/// `per_block` is the number of returns in a block. Absent for fewer than two configurations.
pub fn pbo(configurations: &[Blocks], per_block: usize) -> Option<f64> {
    let (all, count) = (configurations.len(), configurations.first()?.sums.len());
    let alike = configurations.iter().all(|c| c.sums.len() == count);
    if all < 2 || count < 2 || !count.is_multiple_of(2) || !alike {
        return None;
    }
    let block = |b: usize| Half {
        sums: configurations.iter().map(|c| c.sums[b].0).collect(),
        squares: configurations.iter().map(|c| c.sums[b].1).collect(),
    };
    let blocks: Vec<Half> = (0..count).map(block).collect();
    let side = || vec![Half::with(all); count / 2 + 1];
    let mut splits = Splits {
        blocks: &blocks,
        n: (count / 2 * per_block) as f64,
        sides: [side(), side()],
        values: [vec![0.0; all], vec![0.0; all]],
        splits: 0,
        overfit: 0,
    };
    splits.deal(0, [0, 0]);
    Some(splits.overfit as f64 / splits.splits as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop, prop_assert_eq, proptest};

    /// Each split by itself, as the paper says it.
    fn plain(configurations: &[Blocks], per_block: usize) -> f64 {
        let blocks = configurations[0].sums.len();
        let n = (blocks / 2 * per_block) as f64;
        let (mut splits, mut overfit) = (0u64, 0u64);
        let mut values = vec![(0.0, 0.0); configurations.len()];
        for mask in (0u32..1 << blocks).filter(|mask| mask.count_ones() as usize == blocks / 2) {
            for (value, c) in values.iter_mut().zip(configurations) {
                let (mut is, mut oos) = ((0.0, 0.0), (0.0, 0.0));
                for (b, s) in c.sums.iter().enumerate() {
                    let side = if mask >> b & 1 == 1 { &mut is } else { &mut oos };
                    *side = (side.0 + s.0, side.1 + s.1);
                }
                *value = (sharpe(is.0, is.1, n), sharpe(oos.0, oos.1, n));
            }
            let best = values.iter().enumerate().fold(0, |best, (i, v)| if v.0 > values[best].0 { i } else { best });
            let below = values.iter().filter(|v| v.1 < values[best].1).count() as f64;
            let same = values.iter().filter(|v| v.1 == values[best].1).count() as f64;
            splits += 1;
            overfit += u64::from((below + (same + 1.0) / 2.0) / (values.len() as f64 + 1.0) <= 0.5);
        }
        overfit as f64 / splits as f64
    }

    proptest! {
        /// Bit for bit, also where configurations are the same, idle, or no number.
        #[test]
        fn it_is_the_plain_loop(
            half in 1_usize..=5,
            rows in prop::collection::vec((prop::collection::vec(-0.05_f64..0.05, 40), 0_u8..6), 2..9),
        ) {
            let series = |(values, kind): &(Vec<f64>, u8)| match kind {
                0 => vec![0.0; 40],
                1 => vec![0.01; 40],
                2 => vec![f64::NAN; 40],
                _ => values.clone(),
            };
            let blocks: Vec<Blocks> = rows.iter().map(|r| Blocks::of(&series(r), 2 * half).unwrap()).collect();
            let per_block = 40 / (2 * half);
            prop_assert_eq!(pbo(&blocks, per_block).unwrap().to_bits(), plain(&blocks, per_block).to_bits());
        }
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
        let close = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-9, "{a} {b}");
        close(pbo(&blocks(4, 0.0), 6).unwrap(), 1.0 / 3.0);
        close(pbo(&blocks(8, 0.0), 3).unwrap(), 0.6142857142857143);
        assert_eq!(pbo(&blocks(8, 0.02), 3), Some(0.0));
        assert_eq!(pbo(&blocks(8, 0.0)[..1], 3), None);
    }
}
