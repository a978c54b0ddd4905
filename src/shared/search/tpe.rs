//! The tree-structured Parzen estimator: candidates from the good trials' mixture, the one kept that is likeliest there
//! and least likely among the rest.
//!
//! Pending trials stand with the rest, so a batch spreads out. Of the rest the newest are modelled: its mixture says
//! where the search has been of late, and a suggestion costs the same however long the study is.

use super::history::History;
use super::parzen::{Axis, Parzen};
use super::rng::Rng;
use super::unit::{self, Space};

/// Share of the trials that count as good, up to the most that a history keeps.
const GOOD_SHARE: f64 = 0.12;
/// Most other trials that are modelled.
const MAX_REST: usize = 250;

/// What a suggestion is made from, whatever the drawing.
pub struct Model {
    /// Parameters that are modelled together, by their places in the space.
    groups: Vec<Vec<usize>>,
    mixtures: Vec<(Parzen, Parzen)>,
    candidates: u32,
}

impl Model {
    /// The model of a history; none when nothing in it has a score.
    pub fn new(space: &Space, history: &History, pending: &[Vec<f64>], joint: bool, candidates: u32) -> Option<Model> {
        let n = history.len();
        let mut good: Vec<usize> =
            history.good[..(GOOD_SHARE * n as f64).ceil().min(history.good.len() as f64) as usize].to_vec();
        if good.is_empty() {
            return None;
        }
        good.sort_unstable();
        let others = (0..n).rev().filter(|i| good.binary_search(i).is_err());
        let mut rest: Vec<usize> = others.take(MAX_REST).collect();
        rest.reverse();
        let axes: Vec<Axis> = space.values().map(axis).collect();
        let all: Vec<usize> = (0..axes.len()).collect();
        let groups = if joint { vec![all] } else { all.into_iter().map(|d| vec![d]).collect() };
        let mixture = |group: &Vec<usize>, of: &[usize], with: &[Vec<f64>]| {
            let axes: Vec<Axis> = group.iter().map(|d| axes[*d]).collect();
            let column = |d: &usize| -> Vec<f64> {
                of.iter().map(|i| history.places[*d][*i]).chain(with.iter().map(|p| p[*d])).collect()
            };
            let mut columns: Vec<Vec<f64>> = group.iter().map(column).collect();
            // Alone, a parameter learns from the trials in which it counted.
            if let [alone] = &mut columns[..] {
                alone.retain(|place| !place.is_nan());
            }
            Parzen::new(&axes, columns)
        };
        let mixtures = groups.iter().map(|g| (mixture(g, &good, &[]), mixture(g, &rest, pending))).collect();
        Some(Model { groups, mixtures, candidates })
    }

    /// A point: of each group the best of its candidates. `keep` says which candidates may be had, and takes the places
    /// of what does not count away; it is asked only where a candidate is a whole point.
    pub fn suggest(&self, rng: &mut Rng, keep: &dyn Fn(&mut [f64]) -> bool) -> Vec<f64> {
        let (mut point, mut room) = (vec![0.0; self.groups.iter().map(Vec::len).sum()], Vec::new());
        let whole = self.groups.len() == 1;
        for (group, (good, rest)) in self.groups.iter().zip(&self.mixtures) {
            let mut best = (f64::NEG_INFINITY, None);
            let most = self.candidates * if whole { 8 } else { 1 };
            let mut kept = 0;
            for _ in 0..most {
                let mut candidate = good.draw(rng);
                if whole && !keep(&mut candidate) {
                    continue;
                }
                kept += 1;
                let gain = good.log_density(&candidate, &mut room) - rest.log_density(&candidate, &mut room);
                if gain > best.0 || best.1.is_none() {
                    best = (gain, Some(candidate));
                }
                if kept == self.candidates {
                    break;
                }
            }
            let candidate = best.1.unwrap_or_else(|| good.draw(rng));
            group.iter().zip(candidate).for_each(|(d, x)| point[*d] = x);
        }
        point
    }
}

fn axis(range: &crate::strategy::space::Range) -> Axis {
    match range.choices() {
        Some(choices) => Axis::Choices(choices.len()),
        None => {
            let (low, high) = unit::bounds(range);
            Axis::Interval { low, high }
        }
    }
}
