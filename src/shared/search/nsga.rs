//! NSGA-II: a genetic search for the Pareto front of several objectives.
//!
//! Every so many trials that were told are a generation, whoever they were asked of. The best of parents and children
//! together, front by front and the widest apart first, are the next parents.
//!
//! Source: Deb, Pratap, Agarwal and Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II" (2002),
//! with its simulated binary crossover and polynomial mutation.

use super::front::{Judged, crowding, fronts};
use super::rng::Rng;
use super::unit::{self, Space};
use crate::strategy::Params;

/// Share of children of two parents; the others are one parent's, but for mutations.
const CROSSING: f64 = 0.9;
/// How near to their parents children lie.
const NEAR: f64 = 20.0;

#[derive(Debug, Clone)]
struct Member {
    point: Vec<f64>,
    judged: Judged,
    front: usize,
    apart: f64,
}

/// The parents that a trial descends from.
#[derive(Debug, Clone)]
pub struct Nsga {
    population: usize,
    generation: Vec<Member>,
    parents: Vec<Member>,
}

impl Nsga {
    /// Before the first trial.
    pub fn new(population: u32) -> Nsga {
        Nsga { population: population as usize, generation: Vec::new(), parents: Vec::new() }
    }

    /// Takes the next trial that was told, at its places.
    pub fn learn(&mut self, point: Vec<f64>, judged: Judged) {
        self.generation.push(Member { point, judged, front: 0, apart: 0.0 });
        if self.generation.len() >= self.population {
            self.parents.append(&mut self.generation);
            self.parents = best(std::mem::take(&mut self.parents), self.population);
        }
    }

    /// A child; nothing before the first generation is whole.
    pub fn draw(&self, space: &Space, rng: &mut Rng) -> Option<Params> {
        if self.parents.is_empty() {
            return None;
        }
        let (mother, father) = (self.pick(rng), self.pick(rng));
        let crosses = rng.uniform() < CROSSING;
        let rate = 1.0 / space.len().max(1) as f64;
        let child = |(d, (name, range)): (usize, (&String, _))| {
            let (low, high) = unit::bounds(range);
            let (a, b) = (mother.point[d], father.point[d]);
            let is_choice = range.choices().is_some();
            let swaps = crosses && rng.uniform() < 0.5;
            let mut at = match (swaps, is_choice) {
                (false, _) => a,
                (true, true) => b,
                (true, false) => crossed(a, b, rng.uniform(), rng.uniform() < 0.5),
            };
            if rng.uniform() < rate {
                let u = rng.uniform();
                at = if is_choice { low + (high - low) * u } else { at + (high - low) * mutated(u) };
            }
            (name.clone(), unit::value_at(range, at.clamp(low, high)))
        };
        Some(space.iter().enumerate().map(child).collect())
    }

    /// The better of two parents.
    fn pick(&self, rng: &mut Rng) -> &Member {
        let (a, b) = (&self.parents[rng.below(self.parents.len())], &self.parents[rng.below(self.parents.len())]);
        let worse = a.front.cmp(&b.front).then(b.apart.total_cmp(&a.apart));
        if worse.is_gt() { b } else { a }
    }
}

/// Simulated binary crossover of one parameter: a child near one of its parents, the farther the farther they are apart.
fn crossed(a: f64, b: f64, u: f64, other: bool) -> f64 {
    let spread = match u <= 0.5 {
        true => libm::pow(2.0 * u, 1.0 / (NEAR + 1.0)),
        false => libm::pow(1.0 / (2.0 * (1.0 - u)), 1.0 / (NEAR + 1.0)),
    };
    let way = if other { -spread } else { spread };
    0.5 * ((1.0 + way) * a + (1.0 - way) * b)
}

/// Polynomial mutation, as a share of the interval.
fn mutated(u: f64) -> f64 {
    match u < 0.5 {
        true => libm::pow(2.0 * u, 1.0 / (NEAR + 1.0)) - 1.0,
        false => 1.0 - libm::pow(2.0 * (1.0 - u), 1.0 / (NEAR + 1.0)),
    }
}

/// The best of all: front by front; of the last one that fits only in part, those that are the widest apart.
fn best(mut all: Vec<Member>, population: usize) -> Vec<Member> {
    let judged: Vec<Judged> = all.iter().map(|m| m.judged.clone()).collect();
    let found = fronts(&judged);
    for front in 0..=found.iter().copied().max().unwrap_or_default() {
        let of: Vec<usize> = (0..all.len()).filter(|i| found[*i] == front).collect();
        let apart = crowding(&of.iter().map(|i| &judged[*i]).collect::<Vec<_>>());
        for (i, apart) in of.into_iter().zip(apart) {
            (all[i].front, all[i].apart) = (front, apart);
        }
    }
    // A stable sort: of equals the earlier one.
    all.sort_by(|a, b| a.front.cmp(&b.front).then(b.apart.total_cmp(&a.apart)));
    all.truncate(population);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::space::Range;

    fn space() -> Space {
        Space::from([
            ("a".into(), Range::Float { low: -2.0, high: 3.0, step: None, log: false, default: 0.0 }),
            ("k".into(), Range::Text { choices: ["x", "y", "z"].map(String::from).to_vec(), default: "x".into() }),
            ("n".into(), Range::Int { low: 1, high: 9, step: 2, log: false, default: 1 }),
        ])
    }

    fn judged(objectives: &[f64]) -> Judged {
        Judged { objectives: objectives.to_vec(), violation: 0.0 }
    }

    /// No child before the first generation; then children of the best ones, in the space, and near to them.
    #[test]
    fn children_are_of_the_best() {
        let (space, mut nsga) = (space(), Nsga::new(8));
        assert!(nsga.draw(&space, &mut Rng::new(1, 0, 0)).is_none());
        for i in 0..8 {
            // Trial 5 beats all others.
            let at = [f64::from(i) / 4.0 - 1.0, f64::from(i % 3), 3.0];
            let good = if i == 5 { 9.0 } else { f64::from(i) / 10.0 };
            nsga.learn(at.to_vec(), judged(&[good, good]));
            assert_eq!(nsga.parents.len(), if i == 7 { 8 } else { 0 });
        }
        assert_eq!((nsga.parents[0].front, nsga.parents[0].point[0], nsga.parents[1].front), (0, 0.25, 1));
        let mut near = 0;
        for number in 0..200 {
            let child = nsga.draw(&space, &mut Rng::new(1, number, 0)).unwrap();
            assert!(child.iter().all(|(name, value)| space[name].contains(value)), "{child:?}");
            near += u32::from((child["a"].number() - 0.25).abs() < 0.6);
            assert_eq!(nsga.draw(&space, &mut Rng::new(1, number, 0)), Some(child), "nothing is hidden");
        }
        assert!(near > 80, "{near} of 200 are near the best one");
    }

    /// Whoever is worse in all is gone after the next generation; trials without a score are the first to go.
    #[test]
    fn the_worst_are_forgotten() {
        let mut nsga = Nsga::new(4);
        for i in 0..4 {
            nsga.learn(vec![f64::from(i); 3], judged(if i == 0 { &[] } else { &[0.1, 0.1] }));
        }
        (4..8).for_each(|i| nsga.learn(vec![f64::from(i); 3], judged(&[f64::from(i), 9.0 - f64::from(i)])));
        let kept: Vec<f64> = nsga.parents.iter().map(|m| m.point[0]).collect();
        assert!(kept.iter().all(|at| *at >= 4.0) && kept.len() == 4, "{kept:?}");
        assert!(kept.starts_with(&[4.0, 7.0]), "the ends of the front come first: {kept:?}");
    }

    /// Both draws are symmetric, and stay near.
    #[test]
    fn draws() {
        assert_eq!((crossed(1.0, 3.0, 0.5, false), crossed(1.0, 3.0, 0.5, true)), (1.0, 3.0));
        assert!((crossed(1.0, 3.0, 0.9, false) + crossed(1.0, 3.0, 0.9, true) - 4.0).abs() < 1e-12);
        assert_eq!((mutated(0.5), mutated(0.0)), (0.0, -1.0));
        assert!((mutated(0.25) + mutated(0.75)).abs() < 1e-12 && mutated(0.75) < 0.05);
    }
}
