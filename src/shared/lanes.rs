//! Loops over many values, compiled for several widths of the machine and chosen when they run.
//!
//! Every value is computed by itself, or by an operation whose order does not matter: the results are the same at every
//! width, to the last bit.

use multiversion::multiversion;

/// Values of a word of bits.
pub const WORD: usize = 64;

/// 64 truths as bits.
#[inline(always)]
pub(crate) fn pack(holds: impl Fn(usize) -> bool) -> u64 {
    let bytes: [u8; WORD] = std::array::from_fn(|i| u8::from(holds(i)));
    let (chunks, _) = bytes.as_chunks::<8>();
    // The product brings the lowest bits of eight bytes together in its highest byte.
    let together = |chunk: &[u8; 8]| u64::from_le_bytes(*chunk).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    chunks.iter().enumerate().fold(0, |word, (k, chunk)| word | together(chunk) << (8 * k))
}

/// How two columns compare, as bits of 64 bars each: what is in none of them is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compared {
    /// Where the first is less.
    pub less: Vec<u64>,
    /// Where it is more.
    pub more: Vec<u64>,
    /// Where they are equal.
    pub equal: Vec<u64>,
}

impl Compared {
    /// Compares two columns of one length. Bits after their end are not set.
    pub fn of(a: &[f64], b: &[f64]) -> Compared {
        let words = a.len().div_ceil(WORD);
        let mut out = Compared { less: vec![0; words], more: vec![0; words], equal: vec![0; words] };
        compare(a, b, &mut out);
        out
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn compare(a: &[f64], b: &[f64], out: &mut Compared) {
    let (whole, rest) = a.as_chunks::<WORD>();
    let (others, other) = b.as_chunks::<WORD>();
    for (w, (a, b)) in whole.iter().zip(others).enumerate() {
        out.less[w] = pack(|i| a[i] < b[i]);
        out.more[w] = pack(|i| a[i] > b[i]);
        out.equal[w] = pack(|i| a[i] == b[i]);
    }
    let w = whole.len();
    for (i, (a, b)) in rest.iter().zip(other).enumerate() {
        out.less[w] |= u64::from(a < b) << i;
        out.more[w] |= u64::from(a > b) << i;
        out.equal[w] |= u64::from(a == b) << i;
    }
}

/// Adds to each sum what a position of a size (negative for a short) has gained at a mark since its entry.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
pub fn add_gains(sums: &mut [f64], marks: &[f64], size: f64, entry: f64) {
    for (sum, mark) in sums.iter_mut().zip(marks) {
        *sum += size * (mark - entry);
    }
}

/// Adds the same to each.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
pub fn add(sums: &mut [f64], value: f64) {
    for sum in sums {
        *sum += value;
    }
}

/// The highest of these.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
pub fn highest(least: f64, values: &[f64]) -> f64 {
    let mut lanes = [least; 8];
    let (chunks, rest) = values.as_chunks::<8>();
    for chunk in chunks {
        for (lane, v) in lanes.iter_mut().zip(chunk) {
            *lane = if *v > *lane { *v } else { *lane };
        }
    }
    lanes.iter().chain(rest).copied().fold(least, f64::max)
}

/// The lowest of these.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
pub fn lowest(values: &[f64]) -> f64 {
    let mut lanes = [f64::MAX; 8];
    let (chunks, rest) = values.as_chunks::<8>();
    for chunk in chunks {
        for (lane, v) in lanes.iter_mut().zip(chunk) {
            *lane = if *v < *lane { *v } else { *lane };
        }
    }
    lanes.iter().chain(rest).copied().fold(f64::MAX, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn truths_become_bits() {
        let bits = [0usize, 7, 8, 31, 33, 63];
        let word = bits.iter().fold(0, |w, b| w | 1_u64 << b);
        assert_eq!(pack(|i| bits.contains(&i)), word);
        assert_eq!((pack(|_| true), pack(|_| false)), (u64::MAX, 0));
    }

    const VALUES: [f64; 9] = [f64::NAN, 0.0, -0.0, 1.0, -1.5, 2.0, 1e300, f64::INFINITY, 3.25];

    proptest! {
        /// Whatever the machine's width, what is said of many values is what is said of each.
        #[test]
        fn many_are_one_by_one(picks in prop::collection::vec((0usize..9, 0usize..9), 0..400), size in -3.0f64..3.0) {
            let (a, b): (Vec<f64>, Vec<f64>) = picks.iter().map(|(a, b)| (VALUES[*a], VALUES[*b])).unzip();
            let c = Compared::of(&a, &b);
            let bit = |words: &[u64], t: usize| words[t / WORD] >> (t % WORD) & 1 == 1;
            for t in 0..a.len() {
                let found = (bit(&c.less, t), bit(&c.more, t), bit(&c.equal, t));
                prop_assert_eq!(found, (a[t] < b[t], a[t] > b[t], a[t] == b[t]), "{} {}", a[t], b[t]);
            }
            for words in [&c.less, &c.more, &c.equal] {
                prop_assert!((a.len()..words.len() * WORD).all(|t| !bit(words, t)), "nothing after the end");
            }
            let mut sums = a.clone();
            add_gains(&mut sums, &b, size, 1.25);
            add(&mut sums, 0.75);
            for t in 0..a.len() {
                let right = a[t] + size * (b[t] - 1.25) + 0.75;
                prop_assert!(sums[t].to_bits() == right.to_bits() || sums[t].is_nan() && right.is_nan());
            }
            let known: Vec<f64> = a.iter().copied().filter(|v| !v.is_nan()).collect();
            prop_assert_eq!(highest(-9.0, &known), known.iter().copied().fold(-9.0, f64::max));
            prop_assert_eq!(lowest(&known), known.iter().copied().fold(f64::MAX, f64::min));
        }
    }
}
