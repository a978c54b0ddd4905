//! Comparisons of 64 values at once, as bits.

use super::op::Binary;

/// Bars of a word.
pub(super) const LANES: usize = 64;

/// The values of 64 bars.
pub(super) type Lanes = [f64; LANES];

/// Where 64 comparisons hold: none of them does of what is not known.
pub(super) fn compare(op: Binary, a: &Lanes, b: &Lanes) -> u64 {
    match op {
        Binary::Less => pack(|i| a[i] < b[i]),
        Binary::LessEqual => pack(|i| a[i] <= b[i]),
        Binary::Greater => pack(|i| a[i] > b[i]),
        Binary::GreaterEqual => pack(|i| a[i] >= b[i]),
        Binary::Equal => pack(|i| a[i] == b[i]),
        _ => pack(|i| (a[i] < b[i]) | (a[i] > b[i])),
    }
}

/// Where both of 64 pairs are known.
pub(super) fn known(a: &Lanes, b: &Lanes) -> u64 {
    pack(|i| !(a[i].is_nan() | b[i].is_nan()))
}

/// 64 truths as bits. Each loop makes them half as wide, which compilers turn into a few wide instructions; written as
/// one it takes twice as long.
#[inline(always)]
fn pack(holds: impl Fn(usize) -> bool) -> u64 {
    let (mut wide, mut narrow, mut word) = ([0_i32; LANES], [0_i16; LANES], 0);
    for (i, truth) in wide.iter_mut().enumerate() {
        *truth = -i32::from(holds(i));
    }
    for (narrow, wide) in narrow.iter_mut().zip(wide) {
        *narrow = wide as i16;
    }
    for k in 0..LANES / 8 {
        let mut bits = 0_u16;
        for i in 0..8 {
            bits |= narrow[k * 8 + i] as u16 & 1 << i;
        }
        word |= u64::from(bits) << (k * 8);
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VALUES: [f64; 7] = [f64::NAN, 0.0, -0.0, 1.0, -1.0, f64::INFINITY, 1e-300];

    proptest! {
        /// Bits are what one comparison after the other says.
        #[test]
        fn bits_are_comparisons(picks in prop::collection::vec((0usize..7, 0usize..7), LANES)) {
            let a: Lanes = std::array::from_fn(|i| VALUES[picks[i].0]);
            let b: Lanes = std::array::from_fn(|i| VALUES[picks[i].1]);
            let of = |holds: &dyn Fn(f64, f64) -> bool| {
                (0..LANES).fold(0u64, |word, i| word | u64::from(holds(a[i], b[i])) << i)
            };
            prop_assert_eq!(compare(Binary::Less, &a, &b), of(&|a, b| a < b));
            prop_assert_eq!(compare(Binary::LessEqual, &a, &b), of(&|a, b| a <= b));
            prop_assert_eq!(compare(Binary::Greater, &a, &b), of(&|a, b| a > b));
            prop_assert_eq!(compare(Binary::GreaterEqual, &a, &b), of(&|a, b| a >= b));
            prop_assert_eq!(compare(Binary::Equal, &a, &b), of(&|a, b| a == b));
            prop_assert_eq!(compare(Binary::NotEqual, &a, &b), of(&|a, b| (a < b) | (a > b)));
            prop_assert_eq!(known(&a, &b), of(&|a, b| !a.is_nan() && !b.is_nan()));
        }
    }
}
