//! Parzen estimators: a mixture with one kernel for each trial and one wide prior kernel. The
//! kernel of a trial is the product over its parameters, so relations between parameters are kept.
//!
//! Source: Bergstra et al. 2011, with Optuna's neighbour-distance bandwidth, "magic clip" and
//! recency weights (optuna/samplers/_tpe/parzen_estimator.py).

use super::rng::Rng;
use super::{Space, bounds, to_unit};
use crate::statistic::normal::{cdf, ppf};
use crate::strategy::Params;
use crate::strategy::space::Range;

/// Weight of the prior kernel.
const PRIOR_WEIGHT: f64 = 1.0;
/// Trials after which older ones lose weight.
const FULL_WEIGHT: usize = 25;

/// One parameter of the mixture.
enum Dimension {
    /// Truncated normals on an interval.
    Numeric { low: f64, high: f64, mus: Vec<f64>, sigmas: Vec<f64>, mass: Vec<f64> },
    /// For each kernel a distribution over the choices.
    Choice { probabilities: Vec<Vec<f64>> },
}

/// A mixture over a whole space.
pub struct Parzen {
    weights: Vec<f64>,
    dimensions: Vec<Dimension>,
}

/// Full weight for the newest trials, falling evenly to the oldest.
fn recency(n: usize) -> Vec<f64> {
    if n < FULL_WEIGHT {
        return vec![1.0; n];
    }
    let ramp = n - FULL_WEIGHT;
    let low = 1.0 / n as f64;
    let step = if ramp > 1 { (1.0 - low) / (ramp - 1) as f64 } else { 0.0 };
    (0..ramp).map(|i| low + step * i as f64).chain(std::iter::repeat_n(1.0, FULL_WEIGHT)).collect()
}

impl Parzen {
    /// A mixture of trials, oldest first.
    pub fn new(space: &Space, trials: &[&Params]) -> Parzen {
        let mut weights = recency(trials.len());
        weights.push(PRIOR_WEIGHT);
        let total: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|w| *w /= total);
        let dimensions = space
            .iter()
            .map(|(name, range)| Dimension::new(range, trials.iter().filter_map(|t| t.get(name))))
            .collect();
        Parzen { weights, dimensions }
    }

    /// Draws a point: a kernel by its weight, then each parameter from it.
    pub fn draw(&self, rng: &mut Rng) -> Vec<f64> {
        let kernel = rng.weighted(&self.weights);
        self.dimensions.iter().map(|d| d.draw(kernel, rng)).collect()
    }

    /// Logarithm of the density at a point.
    pub fn log_density(&self, point: &[f64]) -> f64 {
        let mut logs = Vec::with_capacity(self.weights.len());
        for (kernel, weight) in self.weights.iter().enumerate() {
            let product: f64 = self.dimensions.iter().zip(point).map(|(d, x)| d.log_density(kernel, *x)).sum();
            logs.push(libm::log(*weight) + product);
        }
        let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if top == f64::NEG_INFINITY {
            top
        } else {
            top + libm::log(logs.iter().map(|l| libm::exp(l - top)).sum::<f64>())
        }
    }
}

impl Dimension {
    fn new<'v>(range: &Range, values: impl Iterator<Item = &'v crate::strategy::Value>) -> Dimension {
        let places: Vec<f64> = values.map(|v| to_unit(range, v)).collect();
        match range.choices() {
            Some(choices) => Dimension::choices(&places, choices.len()),
            None => {
                let (low, high) = bounds(range);
                Dimension::numeric(places, low, high)
            }
        }
    }

    fn choices(places: &[f64], n: usize) -> Dimension {
        let kernels = places.len() + 1;
        let floor = PRIOR_WEIGHT / kernels as f64;
        let kernel = |at: Option<usize>| {
            let raw: Vec<f64> = (0..n).map(|c| floor + f64::from(u8::from(at == Some(c)))).collect();
            let total: f64 = raw.iter().sum();
            raw.into_iter().map(|p| p / total).collect()
        };
        let probabilities = places.iter().map(|p| kernel(Some(*p as usize))).chain([kernel(None)]).collect();
        Dimension::Choice { probabilities }
    }

    fn numeric(mut mus: Vec<f64>, low: f64, high: f64) -> Dimension {
        let (n, width) = (mus.len(), (high - low).max(f64::MIN_POSITIVE));
        mus.push((low + high) / 2.0);
        let mut order: Vec<usize> = (0..mus.len()).collect();
        order.sort_by(|a, b| mus[*a].total_cmp(&mus[*b]));
        let mut sigmas = vec![width; mus.len()];
        for (rank, k) in order.iter().enumerate() {
            let left = if rank == 0 { mus[*k] - low } else { mus[*k] - mus[order[rank - 1]] };
            let right = if rank + 1 == order.len() { high - mus[*k] } else { mus[order[rank + 1]] - mus[*k] };
            sigmas[*k] = left.max(right);
        }
        let least = width / (1.0 + n as f64).min(100.0);
        sigmas.iter_mut().for_each(|s| *s = s.clamp(least, width));
        sigmas[n] = width;
        let mass = mus
            .iter()
            .zip(&sigmas)
            .map(|(m, s)| (cdf((high - m) / s) - cdf((low - m) / s)).max(f64::MIN_POSITIVE))
            .collect();
        Dimension::Numeric { low, high, mus, sigmas, mass }
    }

    fn draw(&self, kernel: usize, rng: &mut Rng) -> f64 {
        match self {
            Dimension::Choice { probabilities } => rng.weighted(&probabilities[kernel]) as f64,
            Dimension::Numeric { low, high, mus, sigmas, mass } => {
                let (m, s) = (mus[kernel], sigmas[kernel]);
                let p = cdf((low - m) / s) + rng.uniform() * mass[kernel];
                (m + s * ppf(p.clamp(1e-300, 1.0 - 1e-16))).clamp(*low, *high)
            }
        }
    }

    fn log_density(&self, kernel: usize, x: f64) -> f64 {
        match self {
            Dimension::Choice { probabilities } => {
                libm::log(probabilities[kernel][(x as usize).min(probabilities[kernel].len() - 1)])
            }
            Dimension::Numeric { mus, sigmas, mass, .. } => {
                let z = (x - mus[kernel]) / sigmas[kernel];
                // The constant 1/√(2π) cancels between the two mixtures.
                -0.5 * z * z - libm::log(sigmas[kernel] * mass[kernel])
            }
        }
    }
}
