//! How many of many trials are different ones: trials that move together are hardly more than one.

use super::pbo::Blocks;
use serde::Serialize;

/// From this correlation of their block returns on two trials count as one.
pub const ALIKE: f64 = 0.8;

/// How many independent trials some are worth. For people to see: the gate counts every trial.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Effective {
    /// Trials whose returns are known and differ from block to block.
    pub known: u64,
    /// The mean correlation of their returns, over all pairs.
    pub correlation: f64,
    /// `correlation + (1 - correlation) * known` (Bailey and López de Prado 2014, appendix).
    pub trials: f64,
    /// Groups of trials: in order of number each goes to the first group whose first trial it correlates with by
    /// [`ALIKE`] or more, else it begins one.
    pub clusters: u64,
}

/// The trials' returns, centred and of length one, block by block.
fn directions(blocks: &[Blocks]) -> Vec<Vec<f64>> {
    let one = |b: &Blocks| {
        let mean = b.sums.iter().map(|s| s.0).sum::<f64>() / b.sums.len() as f64;
        let centred: Vec<f64> = b.sums.iter().map(|s| s.0 - mean).collect();
        let length = centred.iter().map(|v| v * v).sum::<f64>().sqrt();
        (length > 0.0).then(|| centred.iter().map(|v| v / length).collect())
    };
    blocks.iter().filter_map(one).collect()
}

/// `mean + (1 - mean) * trials`, for a mean correlation that is not below zero.
pub fn effective_trials(trials: f64, correlation: f64) -> f64 {
    let rho = correlation.max(0.0);
    rho + (1.0 - rho) * trials
}

/// What trials are worth, by the correlation of their returns in blocks; none with fewer than two that are known.
pub fn effective(blocks: &[Blocks]) -> Option<Effective> {
    let all = directions(blocks);
    let width = all.first().map_or(0, Vec::len);
    let n = all.len() as f64;
    if all.len() < 2 {
        return None;
    }
    // The sum over all pairs is the square of the sum: no pair need be looked at.
    let sum: Vec<f64> = (0..width).map(|k| all.iter().map(|v| v.get(k).copied().unwrap_or(0.0)).sum()).collect();
    let correlation = (sum.iter().map(|v| v * v).sum::<f64>() - n) / (n * (n - 1.0));
    let mut leaders: Vec<&Vec<f64>> = Vec::new();
    for own in &all {
        let with = |of: &&&Vec<f64>| of.iter().zip(own).map(|(a, b)| a * b).sum::<f64>() >= ALIKE;
        if leaders.iter().find(with).is_none() {
            leaders.push(own);
        }
    }
    Some(Effective {
        known: all.len() as u64,
        correlation,
        trials: effective_trials(n, correlation),
        clusters: leaders.len() as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn blocks(rows: &[Vec<f64>]) -> Vec<Blocks> {
        rows.iter().map(|r| Blocks { sums: r.iter().map(|v| (*v, v * v)).collect() }).collect()
    }

    /// The paper's: a thousand trials that correlate by 0.9 are worth a hundred.
    #[test]
    fn worked_numbers() {
        assert!((effective_trials(1000.0, 0.9) - 100.9).abs() < 1e-9);
        let (a, b) = (vec![1.0, -1.0, 1.0, -1.0], vec![1.0, 1.0, -1.0, -1.0]);
        let twice: Vec<f64> = a.iter().map(|v| 2.0 * v + 5.0).collect();
        let of = effective(&blocks(&[a.clone(), b.clone(), twice.clone(), vec![3.0; 4]])).unwrap();
        assert_eq!((of.known, of.clusters), (3, 2), "the same but for size and level is one; a constant is none");
        assert!((of.correlation - 1.0 / 3.0).abs() < 1e-12 && (of.trials - (1.0 / 3.0 + 2.0)).abs() < 1e-12);
        let same = effective(&blocks(&[a.clone(), twice])).unwrap();
        assert!((same.trials - 1.0).abs() < 1e-12 && same.clusters == 1);
        assert!(effective(&blocks(&[a])).is_none() && effective(&[]).is_none());
    }

    proptest! {
        /// The mean correlation is the mean over pairs, by the plain definition.
        #[test]
        fn the_mean_over_pairs(rows in prop::collection::vec(prop::collection::vec(-1.0..1.0_f64, 6), 2..12)) {
            let of = effective(&blocks(&rows)).unwrap();
            let (mut sum, mut pairs) = (0.0, 0.0);
            for i in 0..rows.len() {
                for j in 0..i {
                    let mean = |r: &[f64]| r.iter().sum::<f64>() / 6.0;
                    let (a, b) = (mean(&rows[i]), mean(&rows[j]));
                    let cov = |x: &[f64], y: &[f64], a, b| x.iter().zip(y).map(|(x, y)| (x - a) * (y - b)).sum::<f64>();
                    let own = |x: &[f64], a| cov(x, x, a, a).sqrt();
                    sum += cov(&rows[i], &rows[j], a, b) / own(&rows[i], a) / own(&rows[j], b);
                    pairs += 1.0;
                }
            }
            prop_assert!((of.correlation - sum / pairs).abs() < 1e-9);
            prop_assert!(of.clusters >= 1 && of.clusters <= of.known && of.trials <= of.known as f64 + 1e-9);
        }
    }
}
