//! Samplers: pure functions of (space, seed, trial number, finished trials, pending trials).
//!
//! What a [`Search`] keeps follows from the trials that it was told, in their order: resuming is replaying what is
//! recorded. Suggested values are facts; they are recorded and never computed again.

pub mod unit;

mod cma;
pub mod domain;
#[cfg(test)]
mod forked_tests;
pub mod front;
pub mod grid;
mod history;
mod nsga;
mod parzen;
mod phi;
pub mod rng;
mod sampler;
mod symmetric;
#[cfg(test)]
mod tests;
mod tpe;

pub use history::Observation;
pub use sampler::Sampler;
pub use unit::Space;

use crate::strategy::Params;
use crate::strategy::space::Range;
use cma::Cma;
use domain::Domain;
use grid::Grid;
use history::{History, places};
use nsga::Nsga;
use rng::Rng;
use std::fmt;

/// Version of the samplers: a change of their results is a new version.
pub const VERSION: u32 = 2;
/// How often a suggestion is drawn again when it breaks a constraint, or was asked before,
const ATTEMPTS: u64 = 256;
/// and how often from what was learnt, before it is drawn evenly.
const LEARNT: u64 = 16;

/// A search through a space.
pub struct Search<'a> {
    sampler: &'a Sampler,
    space: &'a Space,
    seed: u64,
    domain: &'a dyn Domain,
    history: History,
    cma: Option<Cma>,
    grid: Option<Grid>,
    nsga: Option<Nsga>,
}

impl fmt::Debug for Search<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Search by {:?} of seed {} after {} trials", self.sampler, self.seed, self.history.len())
    }
}

impl<'a> Search<'a> {
    /// A search that was told of no trial yet, through the points of a space that its domain has.
    pub fn new(sampler: &'a Sampler, space: &'a Space, seed: u64, domain: &'a dyn Domain) -> Search<'a> {
        let grid = match sampler {
            Sampler::Grid { points } => Some(Grid::new(space, *points, seed)),
            _ => None,
        };
        let cma = matches!(sampler, Sampler::CmaEs {}).then(|| Cma::new(space));
        let nsga = match sampler {
            Sampler::Nsga { population } => Some(Nsga::new(*population)),
            _ => None,
        };
        Search { sampler, space, seed, domain, history: History::new(space), cma, grid, nsga }
    }

    /// Takes the next finished trial.
    pub fn tell(&mut self, trial: &Observation) {
        let settled = self.known(&trial.params);
        self.history.push(&settled, trial);
        if let Some(cma) = &mut self.cma {
            cma.learn(&self.history);
        }
        if let Some(nsga) = &mut self.nsga {
            nsga.learn(places(self.space, &trial.params), trial.judged());
        }
    }

    /// Asks for the values of a trial; `pending` are those that were asked for before it and are not finished. Draws
    /// again what breaks a constraint or was there before; after some attempts the last draw is given all the same,
    /// and its trial is recorded as infeasible, or again.
    pub fn ask(&mut self, number: u32, pending: &[Params]) -> Params {
        if let Some(grid) = &mut self.grid {
            return grid.ask(self.space, number, self.domain);
        }
        let waiting: Vec<Vec<f64>> = pending.iter().map(|p| self.known(p)).collect();
        let fresh = |at: &[f64]| !self.history.repeats(at) && !waiting.iter().any(|w| same(w, at));
        let model = match self.sampler {
            Sampler::Tpe { startup_trials, candidates, multivariate } if number >= *startup_trials => {
                let joint = multivariate.unwrap_or(!number.is_multiple_of(3));
                tpe::Model::new(self.space, &self.history, &waiting, joint, *candidates)
            }
            _ => None,
        };
        let (mut params, mut kept) = (Params::new(), None);
        for attempt in 0..ATTEMPTS {
            let mut rng = Rng::new(self.seed, u64::from(number), attempt);
            let learnt = attempt < LEARNT;
            params = match (&model, &self.cma, self.sampler) {
                (Some(model), ..) if learnt => self.params(&model.suggest(&mut rng, &|at| self.keep(at))),
                (_, Some(cma), _) if learnt => cma.draw(self.space, &mut rng),
                (.., Sampler::Nsga { .. }) if learnt => {
                    let child = self.nsga.as_ref().and_then(|nsga| nsga.draw(self.space, &mut rng));
                    child.unwrap_or_else(|| random(self.space, &mut rng))
                }
                (.., Sampler::Sobol {}) => sobol(self.space, self.seed, number, attempt),
                _ => random(self.space, &mut rng),
            };
            let settled = self.settled(&mut params);
            if self.domain.allows(&params) {
                if fresh(&settled) {
                    return params;
                }
                kept = kept.or(Some(params.clone()));
            }
        }
        kept.unwrap_or(params)
    }

    fn params(&self, point: &[f64]) -> Params {
        let value = |range: &Range, x: f64| if x.is_nan() { range.default() } else { unit::value_at(range, x) };
        self.space.iter().zip(point).map(|((name, range), x)| (name.clone(), value(range, *x))).collect()
    }

    /// The places of values that were asked for.
    fn known(&self, params: &Params) -> Vec<f64> {
        if self.domain.is_forked() { self.settled(&mut params.clone()) } else { places(self.space, params) }
    }

    /// Settles values, and gives their places: of those that do not count there is none.
    fn settled(&self, params: &mut Params) -> Vec<f64> {
        let silent = self.domain.settle(params);
        let mut out = places(self.space, params);
        silent.into_iter().for_each(|d| out[d] = f64::NAN);
        out
    }

    /// Whether a point may be had; what does not count of it has no place any more.
    fn keep(&self, at: &mut [f64]) -> bool {
        let mut params = self.params(at);
        self.domain.settle(&mut params).into_iter().for_each(|d| at[d] = f64::NAN);
        self.domain.allows(&params)
    }
}

/// Whether two points are one, where what does not count has no place.
fn same(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(a, b)| a == b || (a.is_nan() && b.is_nan()))
}

/// Independent uniform draws.
fn random(space: &Space, rng: &mut Rng) -> Params {
    space.iter().map(|(name, range)| (name.clone(), unit::value_of_share(range, rng.uniform()))).collect()
}

/// A point of the sequence. What breaks a constraint is drawn again from the same place of another scrambling.
fn sobol(space: &Space, seed: u64, number: u32, attempt: u64) -> Params {
    // The sequence has 2^16 points; then it begins again, scrambled anew.
    let key = Rng::new(seed, u64::from(number >> 16), attempt).bits() as u32;
    let share = |d: usize| f64::from(sobol_burley::sample(number & 0xffff, d as u32 % 256, key ^ (d as u32 >> 8)));
    let value = |(d, (name, range)): (usize, (&String, &Range))| (name.clone(), unit::value_of_share(range, share(d)));
    space.iter().enumerate().map(value).collect()
}
