//! CMA-ES: the evolution strategy with an adapted covariance matrix, over the numeric parameters of a space; choices
//! are drawn evenly.
//!
//! Every so many trials that were told are a generation, whoever they were asked of: a batch that is larger or smaller
//! than a generation changes nothing but how old the distribution is that a trial was drawn from.
//!
//! Source: Hansen, "The CMA Evolution Strategy: A Tutorial" (arXiv 1604.00772), the standard settings.

use super::history::{History, Rank};
use super::rng::Rng;
use super::symmetric::eigen;
use super::unit::{self, Space};
use crate::statistic::normal::ppf;
use crate::strategy::Params;

/// The first step, as a share of each interval.
const SIGMA: f64 = 1.0 / 6.0;
/// How often a point outside the intervals is drawn again before it is moved to their ends.
const INSIDE: u32 = 20;

/// The distribution that a trial is drawn from.
#[derive(Debug, Clone)]
pub struct Cma {
    /// The numeric parameters, by their places in the space, with their intervals.
    axes: Vec<(usize, f64, f64)>,
    /// Trials of a generation.
    population: usize,
    /// Trials that it has learnt from.
    told: usize,
    mean: Vec<f64>,
    sigma: f64,
    covariance: Vec<Vec<f64>>,
    /// Columns are the axes of the covariance, with their lengths.
    vectors: Vec<Vec<f64>>,
    lengths: Vec<f64>,
    path_sigma: Vec<f64>,
    path_c: Vec<f64>,
}

impl Cma {
    /// Before the first trial.
    pub fn new(space: &Space) -> Cma {
        let bounds = |(d, range)| {
            let (low, high) = unit::bounds(range);
            (d, low, high - low)
        };
        let numeric = space.values().enumerate().filter(|(_, range)| range.choices().is_none());
        let axes: Vec<_> = numeric.map(bounds).collect();
        let n = axes.len();
        let identity: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect();
        Cma {
            axes,
            population: 4 + (3.0 * libm::log(n.max(1) as f64)) as usize,
            told: 0,
            mean: vec![0.5; n],
            sigma: SIGMA,
            covariance: identity.clone(),
            vectors: identity,
            lengths: vec![1.0; n],
            path_sigma: vec![0.0; n],
            path_c: vec![0.0; n],
        }
    }

    /// Learns from the generations that a history has and it has not seen.
    pub fn learn(&mut self, history: &History) {
        while self.told + self.population <= history.len() {
            let mut of: Vec<usize> = (self.told..self.told + self.population).collect();
            self.told += self.population;
            let scored = |i: &usize| history.ranks[*i] != Rank::NONE;
            // A generation without scores says nothing.
            if self.axes.is_empty() || !of.iter().any(scored) {
                continue;
            }
            of.sort_by(|a, b| history.ranks[*a].cmp(&history.ranks[*b]).then(a.cmp(b)));
            // Where a parameter did not count it says nothing: it stands where the mean does.
            let share = |i: usize, ((d, low, width), mean): ((usize, f64, f64), f64)| {
                let place = history.places[d][i];
                if width > 0.0 && !place.is_nan() {
                    (place - low) / width
                } else if width > 0.0 {
                    mean
                } else {
                    0.5
                }
            };
            let axes = || self.axes.iter().copied().zip(self.mean.iter().copied());
            let points: Vec<Vec<f64>> = of.iter().map(|i| axes().map(|axis| share(*i, axis)).collect()).collect();
            self.generation(&points);
        }
    }

    /// One generation, best first.
    fn generation(&mut self, points: &[Vec<f64>]) {
        let n = self.axes.len();
        let (dim, mu) = (n as f64, self.population / 2);
        let raw: Vec<f64> =
            (0..mu).map(|i| libm::log((self.population as f64 + 1.0) / 2.0) - libm::log(i as f64 + 1.0)).collect();
        let total: f64 = raw.iter().sum();
        let weights: Vec<f64> = raw.iter().map(|w| w / total).collect();
        let mu_eff = 1.0 / weights.iter().map(|w| w * w).sum::<f64>();
        let c_sigma = (mu_eff + 2.0) / (dim + mu_eff + 5.0);
        let d_sigma = 1.0 + 2.0 * (((mu_eff - 1.0) / (dim + 1.0)).sqrt() - 1.0).max(0.0) + c_sigma;
        let c_c = (4.0 + mu_eff / dim) / (dim + 4.0 + 2.0 * mu_eff / dim);
        let c_1 = 2.0 / ((dim + 1.3) * (dim + 1.3) + mu_eff);
        let c_mu = (1.0 - c_1).min(2.0 * (mu_eff - 2.0 + 1.0 / mu_eff) / ((dim + 2.0) * (dim + 2.0) + mu_eff));
        let expected = dim.sqrt() * (1.0 - 1.0 / (4.0 * dim) + 1.0 / (21.0 * dim * dim));

        let old = self.mean.clone();
        let steps: Vec<Vec<f64>> =
            points[..mu].iter().map(|p| p.iter().zip(&old).map(|(x, m)| (x - m) / self.sigma).collect()).collect();
        let step: Vec<f64> = (0..n).map(|d| weights.iter().zip(&steps).map(|(w, s)| w * s[d]).sum()).collect();
        for (m, s) in self.mean.iter_mut().zip(&step) {
            *m += self.sigma * s;
        }
        // C^(-1/2) times the step.
        let along: Vec<f64> =
            (0..n).map(|k| (0..n).map(|d| self.vectors[d][k] * step[d]).sum::<f64>() / self.lengths[k]).collect();
        let white = |d: usize| (0..n).map(|k| self.vectors[d][k] * along[k]).sum::<f64>();
        let keep = (c_sigma * (2.0 - c_sigma) * mu_eff).sqrt();
        for d in 0..n {
            self.path_sigma[d] = (1.0 - c_sigma) * self.path_sigma[d] + keep * white(d);
        }
        let length = self.path_sigma.iter().map(|p| p * p).sum::<f64>().sqrt();
        let generations = (self.told / self.population) as i32;
        let settled = (1.0 - libm::pow(1.0 - c_sigma, 2.0 * f64::from(generations))).sqrt();
        let slow = length / settled < (1.4 + 2.0 / (dim + 1.0)) * expected;
        let keep = if slow { (c_c * (2.0 - c_c) * mu_eff).sqrt() } else { 0.0 };
        for (path, s) in self.path_c.iter_mut().zip(&step) {
            *path = (1.0 - c_c) * *path + keep * s;
        }
        let lost = if slow { 0.0 } else { c_1 * c_c * (2.0 - c_c) };
        for i in 0..n {
            for j in 0..n {
                let rank_mu: f64 = weights.iter().zip(&steps).map(|(w, s)| w * s[i] * s[j]).sum();
                self.covariance[i][j] = (1.0 - c_1 - c_mu + lost) * self.covariance[i][j]
                    + c_1 * self.path_c[i] * self.path_c[j]
                    + c_mu * rank_mu;
            }
        }
        self.sigma = (self.sigma * libm::exp((c_sigma / d_sigma) * (length / expected - 1.0))).clamp(1e-12, 1.0);
        let (values, vectors) = eigen(&self.covariance);
        self.lengths = values.iter().map(|v| v.max(1e-20).sqrt()).collect();
        self.vectors = vectors;
    }

    /// A point.
    pub fn draw(&self, space: &Space, rng: &mut Rng) -> Params {
        let mut shares = self.mean.clone();
        for _ in 0..INSIDE {
            let normal: Vec<f64> =
                self.lengths.iter().map(|l| l * ppf(rng.uniform().clamp(1e-300, 1.0 - 1e-16))).collect();
            for (d, share) in shares.iter_mut().enumerate() {
                let along: f64 = self.vectors[d].iter().zip(&normal).map(|(v, z)| v * z).sum();
                *share = self.mean[d] + self.sigma * along;
            }
            if shares.iter().all(|s| (0.0..=1.0).contains(s)) {
                break;
            }
        }
        let mut shares = self.axes.iter().map(|a| a.0).zip(shares).peekable();
        let mut share = |d: usize| shares.next_if(|(at, _)| *at == d).map(|(_, s)| s.clamp(0.0, 1.0));
        let value = |(d, (name, range)): (usize, (&String, _))| {
            let share = share(d).unwrap_or_else(|| rng.uniform());
            (name.clone(), unit::value_of_share(range, share))
        };
        space.iter().enumerate().map(value).collect()
    }
}
