//! The normal distribution function from a table: a hundred thousand of them are in a few suggestions. Four digits
//! would do for a model of a model; it has nine, and is the same on every machine.

use crate::statistic::normal::cdf;
use std::f64::consts::PI;
use std::sync::LazyLock;

/// Beyond this many deviations it is zero or one.
const END: f64 = 8.0;
/// Entries for each deviation.
const STEPS: usize = 64;

/// Value and slope at each entry.
static TABLE: LazyLock<Vec<(f64, f64)>> = LazyLock::new(|| {
    let entry = |i: usize| {
        let x = i as f64 / STEPS as f64 - END;
        (cdf(x), libm::exp(-0.5 * x * x) / (2.0 * PI).sqrt() / STEPS as f64)
    };
    (0..=2 * END as usize * STEPS + 1).map(entry).collect()
});

/// Φ(x), to 1e-9.
pub fn phi(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    let at = (x.clamp(-END, END) + END) * STEPS as f64;
    let (i, t) = (at as usize, at.fract());
    let ((a, da), (b, db)) = (TABLE[i], TABLE[i + 1]);
    // The cubic through both values with both slopes.
    let d = b - a;
    a + t * (da + t * (3.0 * d - 2.0 * da - db + t * (da + db - 2.0 * d)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_digits() {
        for i in -9000..9000 {
            let x = f64::from(i) / 997.0;
            assert!((phi(x) - cdf(x)).abs() < 1e-9, "{x}: {} {}", phi(x), cdf(x));
        }
        assert!(phi(f64::NAN).is_nan() && phi(f64::INFINITY) > 1.0 - 1e-14 && phi(f64::NEG_INFINITY) < 1e-14);
    }
}
