//! Figures of a window of values. Each is computed from the window alone, in the order of time, so that it is the same
//! for whole columns and bar by bar, and from wherever the data begin.

/// A figure of the values of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Figure {
    Sum,
    Mean,
    /// Sample variance: divided by `n − 1`.
    Var,
    Std,
    /// How many sample deviations the last value is above the mean.
    Zscore,
    /// Sample skewness, as pandas computes it.
    Skew,
    /// Sample excess kurtosis, as pandas computes it.
    Kurtosis,
    /// Least squares on time: the slope a bar, and the value of the line at the window's first bar.
    Slope,
    Intercept,
    /// The share of the other values that are below the last one; half of those that equal it.
    Rank,
    /// The quantile at so many millionths, by linear interpolation.
    Quantile(u32),
    /// The middle value.
    Median,
}

/// A figure of the pairs of two windows, the second on the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Paired {
    /// Least squares of `y` on `x`.
    Slope,
    Intercept,
    Corr,
}

/// Number, first value, and the mean of what the values are above it: of equal values exactly zero.
fn above_first(values: impl Iterator<Item = f64> + Clone) -> (f64, f64, f64) {
    let first = values.clone().next().unwrap_or(f64::NAN);
    let (n, sum) = values.fold((0.0, 0.0), |(n, sum), v| (n + 1.0, sum + (v - first)));
    (n, first, sum / n)
}

/// Number, mean, and sums of the second to fourth powers of what is left: of equal values exactly zero.
fn moments(values: impl Iterator<Item = f64> + Clone) -> (f64, f64, [f64; 3]) {
    let (n, first, mean) = above_first(values.clone());
    let sums = values.fold([0.0; 3], |[a, b, c], v| {
        let d = (v - first) - mean;
        [a + d * d, b + d * d * d, c + d * d * d * d]
    });
    (n, first + mean, sums)
}

impl Figure {
    /// A number of its own.
    pub(super) fn key(self) -> u64 {
        let kind = match self {
            Figure::Sum => 0,
            Figure::Mean => 1,
            Figure::Var => 2,
            Figure::Std => 3,
            Figure::Zscore => 4,
            Figure::Skew => 5,
            Figure::Kurtosis => 6,
            Figure::Slope => 7,
            Figure::Intercept => 8,
            Figure::Rank => 9,
            Figure::Median => 10,
            Figure::Quantile(millionths) => 11 + u64::from(millionths),
        };
        100 + kind
    }

    /// Of a quantile, which one.
    pub(super) fn quantile(self) -> Option<f64> {
        match self {
            Figure::Quantile(millionths) => Some(f64::from(millionths) / 1e6),
            Figure::Median => Some(0.5),
            _ => None,
        }
    }

    /// The fewest values that it needs.
    pub fn least(self) -> usize {
        match self {
            Figure::Var | Figure::Std | Figure::Zscore | Figure::Slope | Figure::Intercept | Figure::Rank => 2,
            Figure::Skew => 3,
            Figure::Kurtosis => 4,
            _ => 1,
        }
    }

    /// The figure of known values; not a number where it is undefined.
    pub fn of(self, values: impl DoubleEndedIterator<Item = f64> + ExactSizeIterator + Clone) -> f64 {
        let last = values.clone().next_back().unwrap_or(f64::NAN);
        match self {
            Figure::Sum => values.sum(),
            Figure::Mean => {
                let (_, first, mean) = above_first(values);
                first + mean
            }
            Figure::Slope | Figure::Intercept => {
                let time = (0..values.len()).map(|k| k as f64);
                let paired = if self == Figure::Slope { Paired::Slope } else { Paired::Intercept };
                paired.of(values, time)
            }
            Figure::Rank => {
                let others = values.len() as f64 - 1.0;
                let below =
                    values.rev().skip(1).map(|v| if v < last { 1.0 } else { f64::from(u8::from(v == last)) / 2.0 });
                below.sum::<f64>() / others
            }
            Figure::Quantile(_) | Figure::Median => {
                let mut sorted: Vec<f64> = values.collect();
                sorted.sort_by(f64::total_cmp);
                quantile(&sorted, self.quantile().unwrap_or(0.5))
            }
            Figure::Var | Figure::Std | Figure::Zscore | Figure::Skew | Figure::Kurtosis => {
                let (n, mean, [two, three, four]) = moments(values);
                let variance = two / (n - 1.0);
                match self {
                    Figure::Var => variance,
                    Figure::Std => variance.sqrt(),
                    Figure::Zscore => (last - mean) / variance.sqrt(),
                    Figure::Skew => {
                        let biased = (three / n) / (two / n * (two / n).sqrt());
                        (n * (n - 1.0)).sqrt() / (n - 2.0) * biased
                    }
                    _ => {
                        let up = n * (n + 1.0) * (n - 1.0) * four;
                        let away = 3.0 * (n - 1.0) * (n - 1.0) / ((n - 2.0) * (n - 3.0));
                        up / ((n - 2.0) * (n - 3.0) * two * two) - away
                    }
                }
            }
        }
    }
}

/// The quantile of values in their order of size.
pub(super) fn quantile(sorted: &[f64], at: f64) -> f64 {
    let place = at * (sorted.len() - 1) as f64;
    let (low, part) = (place.floor() as usize, place - place.floor());
    if part == 0.0 {
        return sorted[low];
    }
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + (sorted[high] - sorted[low]) * part
}

impl Paired {
    /// The figure of known pairs.
    pub fn of(self, y: impl Iterator<Item = f64> + Clone, x: impl Iterator<Item = f64> + Clone) -> f64 {
        let ((n, mean_y, [yy, ..]), (_, mean_x, [xx, ..])) = (moments(y.clone()), moments(x.clone()));
        let ((_, first_y, above_y), (_, first_x, above_x)) = (above_first(y.clone()), above_first(x.clone()));
        let xy: f64 = y.zip(x).map(|(y, x)| ((y - first_y) - above_y) * ((x - first_x) - above_x)).sum();
        match self {
            _ if n < 2.0 => f64::NAN,
            Paired::Slope => xy / xx,
            Paired::Intercept => mean_y - xy / xx * mean_x,
            Paired::Corr => xy / (xx * yy).sqrt(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of equal values, whatever they are, nothing is left: no noise of rounding.
    #[test]
    fn of_equal_values() {
        for v in [0.0001, 0.1982, 1.0 / 3.0, 9394.21] {
            for n in [3, 10, 24, 50] {
                let all = vec![v; n];
                let of = |figure: Figure| figure.of(all.iter().copied());
                assert_eq!((of(Figure::Mean), of(Figure::Std), of(Figure::Median)), (v, 0.0, v));
                assert!(of(Figure::Zscore).is_nan() && of(Figure::Skew).is_nan() && of(Figure::Kurtosis).is_nan());
                let time = (0..n).map(|k| k as f64);
                assert!(Paired::Slope.of(time.clone(), all.iter().copied()).is_nan());
                assert!(Paired::Corr.of(all.iter().copied(), time).is_nan());
                assert_eq!(of(Figure::Slope), 0.0);
            }
        }
        let odd = [434.78, -1000.0, f64::INFINITY];
        assert_eq!(Figure::Median.of(odd.iter().copied()), 434.78);
        assert_eq!(Figure::Quantile(1_000_000).of(odd.iter().copied()), f64::INFINITY);
    }

    /// Against pandas 2 and numpy 2 on `[3, 1, 4, 1, 5, 9, 2, 6]`.
    #[test]
    fn as_pandas_and_numpy_have_them() {
        let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
        let close = |figure: Figure, wanted: f64| {
            let is = figure.of(values.iter().copied());
            assert!((is - wanted).abs() < 1e-12, "{figure:?}: {is} {wanted}");
        };
        close(Figure::Sum, 31.0);
        close(Figure::Mean, 3.875);
        close(Figure::Var, 7.553_571_428_571_429);
        close(Figure::Std, 2.748_376_143_938_713);
        close(Figure::Zscore, 0.773_183_832_455_571_7);
        close(Figure::Skew, 0.833_503_138_533_666_1);
        close(Figure::Kurtosis, 0.276_605_804_536_995);
        close(Figure::Slope, 0.535_714_285_714_285_7);
        close(Figure::Intercept, 2.0);
        close(Figure::Rank, 6.0 / 7.0);
        close(Figure::Quantile(250_000), 1.75);
        close(Figure::Median, 3.5);
        let x = [2.0, 7.0, 1.0, 8.0, 2.0, 8.0, 1.0, 8.0];
        let pair = |paired: Paired| paired.of(values.iter().copied(), x.iter().copied());
        assert!((pair(Paired::Corr) - 0.209_655_319_073_012_13).abs() < 1e-12, "{}", pair(Paired::Corr));
        assert!(
            (pair(Paired::Slope) - 0.170_579_03).abs() < 1e-8 && (pair(Paired::Intercept) - 3.086_071_99).abs() < 1e-8
        );
    }
}
