//! Parzen estimators: a mixture with one kernel for each trial and one wide prior kernel. The
//! kernel of a trial is the product over its parameters, so relations between parameters are kept.
//!
//! Source: Bergstra et al. 2011, with Optuna's neighbour-distance bandwidth and "magic clip"
//! (optuna/samplers/_tpe/parzen_estimator.py). Every trial weighs the same, and the prior half as much: both were
//! measured to be better than Optuna's recency weights and whole prior (tests/peers/samplers.py).

use super::phi::phi;
use super::rng::Rng;
use crate::statistic::normal::ppf;

/// Weight of the prior kernel beside one of a trial.
const PRIOR_WEIGHT: f64 = 0.5;
/// A kernel whose logarithm is so far below the largest one adds nothing that a number could hold.
const NOTHING: f64 = 40.0;

/// The place of a trial among choices that did not count in it.
const NOWHERE: usize = usize::MAX;

/// A parameter as a mixture sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Axis {
    /// An interval.
    Interval {
        /// Its lower end.
        low: f64,
        /// Its upper end.
        high: f64,
    },
    /// So many choices.
    Choices(usize),
}

/// One parameter of the mixture: an entry for each kernel, the prior's last.
#[derive(Debug)]
enum Dimension {
    /// Normals, cut off at the ends of an interval.
    Numeric { low: f64, high: f64, mus: Vec<f64>, sigmas: Vec<f64>, inverse: Vec<f64>, below: Vec<f64>, mass: Vec<f64> },
    /// A distribution over the choices: one is likelier than the others; `silent` where it did not count in every trial.
    Choice { choices: usize, at: Vec<usize>, silent: bool, hit: f64, miss: f64 },
}

/// A mixture over some parameters.
#[derive(Debug)]
pub struct Parzen {
    /// Trials that have a kernel.
    trials: usize,
    /// Logarithm of each kernel's weight and of what its normals are divided by.
    base: Vec<f64>,
    dimensions: Vec<Dimension>,
}

impl Parzen {
    /// A mixture of trials: of each axis the places of their values, oldest first. Where one has none, its kernel is as wide
    /// as the prior's there.
    pub fn new(axes: &[Axis], places: Vec<Vec<f64>>) -> Parzen {
        let n = places.first().map_or(0, Vec::len);
        let total = n as f64 + PRIOR_WEIGHT;
        let mut base = vec![libm::log(1.0 / total); n];
        base.push(libm::log(PRIOR_WEIGHT / total));
        let dimensions: Vec<Dimension> =
            axes.iter().zip(places).map(|(axis, places)| Dimension::new(*axis, places)).collect();
        for d in &dimensions {
            if let Dimension::Numeric { sigmas, mass, .. } = d {
                // The constant 1/√(2π) cancels between the two mixtures.
                base.iter_mut().zip(sigmas).zip(mass).for_each(|((b, s), m)| *b -= libm::log(s * m));
            }
        }
        Parzen { trials: n, base, dimensions }
    }

    /// Draws a point: a kernel by its weight, then each parameter from it.
    pub fn draw(&self, rng: &mut Rng) -> Vec<f64> {
        let at = rng.uniform() * (self.trials as f64 + PRIOR_WEIGHT);
        let kernel = (at as usize).min(self.trials);
        self.dimensions.iter().map(|d| d.draw(kernel, rng)).collect()
    }

    /// Logarithm of the density at a point. `kernels` is room for an entry of each kernel.
    pub fn log_density(&self, point: &[f64], kernels: &mut Vec<f64>) -> f64 {
        kernels.clear();
        kernels.extend_from_slice(&self.base);
        for (d, x) in self.dimensions.iter().zip(point) {
            d.add_log_density(*x, kernels);
        }
        let top = kernels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if top == f64::NEG_INFINITY {
            return top;
        }
        let near = kernels.iter().filter(|l| top - **l < NOTHING);
        top + libm::log(near.map(|l| libm::exp(l - top)).sum::<f64>())
    }
}

impl Dimension {
    fn new(axis: Axis, places: Vec<f64>) -> Dimension {
        match axis {
            Axis::Choices(n) => Dimension::choices(&places, n),
            Axis::Interval { low, high } => Dimension::numeric(places, low, high),
        }
    }

    fn choices(places: &[f64], choices: usize) -> Dimension {
        let floor = PRIOR_WEIGHT / (places.len() + 1) as f64;
        let total = 1.0 + floor * choices as f64;
        let silent = places.iter().any(|p| p.is_nan());
        let at = places.iter().map(|p| if p.is_nan() { NOWHERE } else { (*p as usize).min(choices - 1) }).collect();
        Dimension::Choice { choices, at, silent, hit: (1.0 + floor) / total, miss: floor / total }
    }

    fn numeric(mut mus: Vec<f64>, low: f64, high: f64) -> Dimension {
        let (n, width) = (mus.len(), (high - low).max(f64::MIN_POSITIVE));
        let mut order: Vec<usize> = (0..n).filter(|k| !mus[*k].is_nan()).collect();
        order.sort_unstable_by(|a, b| mus[*a].total_cmp(&mus[*b]).then(a.cmp(b)));
        let mut sigmas = vec![width; n + 1];
        let least = width / (2.0 + n as f64).min(100.0);
        for (rank, k) in order.iter().enumerate() {
            let left = (rank > 0).then(|| mus[*k] - mus[order[rank - 1]]);
            let right = (rank + 1 < order.len()).then(|| mus[order[rank + 1]] - mus[*k]);
            // The ends count only for a trial without neighbours.
            let alone = (mus[*k] - low).max(high - mus[*k]);
            let far = left.into_iter().chain(right).reduce(f64::max).unwrap_or(alone);
            sigmas[*k] = far.clamp(least, width);
        }
        let middle = (low + high) / 2.0;
        mus.iter_mut().filter(|m| m.is_nan()).for_each(|m| *m = middle);
        mus.push(middle);
        let inverse: Vec<f64> = sigmas.iter().map(|s| 1.0 / s).collect();
        let below: Vec<f64> = mus.iter().zip(&inverse).map(|(m, i)| phi((low - m) * i)).collect();
        let mass = mus.iter().zip(&inverse).zip(&below).map(|((m, i), b)| (phi((high - m) * i) - b).max(1e-12));
        let mass = mass.collect();
        Dimension::Numeric { low, high, mus, sigmas, inverse, below, mass }
    }

    fn draw(&self, kernel: usize, rng: &mut Rng) -> f64 {
        match self {
            Dimension::Choice { choices, at, hit, miss, .. } => {
                let Some(likely) = at.get(kernel).filter(|at| **at != NOWHERE) else {
                    return rng.below(*choices) as f64;
                };
                let x = rng.uniform();
                if x < hit - miss {
                    return *likely as f64;
                }
                // What is left is the same for every choice.
                let rest = (x - (hit - miss)) / miss;
                (rest as usize).min(choices - 1) as f64
            }
            Dimension::Numeric { low, high, mus, sigmas, below, mass, .. } => {
                let p = below[kernel] + rng.uniform() * mass[kernel];
                (mus[kernel] + sigmas[kernel] * ppf(p.clamp(1e-300, 1.0 - 1e-16))).clamp(*low, *high)
            }
        }
    }

    fn add_log_density(&self, x: f64, kernels: &mut [f64]) {
        match self {
            // Of a point that has no place there: what was divided by for it is taken back.
            Dimension::Choice { .. } if x.is_nan() => {}
            Dimension::Numeric { sigmas, mass, .. } if x.is_nan() => {
                kernels.iter_mut().zip(sigmas).zip(mass).for_each(|((l, s), m)| *l += libm::log(s * m));
            }
            Dimension::Choice { choices, at, silent, hit, miss } => {
                let (x, hit, miss) = (x as usize, libm::log(*hit), libm::log(*miss));
                let Some((prior, trials)) = kernels.split_last_mut() else { return };
                let any = libm::log(*choices as f64);
                for (l, at) in trials.iter_mut().zip(at) {
                    *l += if *at == x { hit } else { miss };
                }
                if *silent {
                    let nowhere = trials.iter_mut().zip(at).filter(|(_, at)| **at == NOWHERE);
                    nowhere.for_each(|(l, _)| *l -= any + miss);
                }
                *prior -= any;
            }
            Dimension::Numeric { mus, inverse, .. } => {
                for ((l, m), i) in kernels.iter_mut().zip(mus).zip(inverse) {
                    let z = (x - m) * i;
                    *l -= 0.5 * z * z;
                }
            }
        }
    }
}
