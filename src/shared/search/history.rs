//! What a sampler remembers of the trials that it was told: a function of them alone, kept so that an answer does not
//! grow dearer with their number.

use super::front::Judged;
use super::unit::{self, Space};
use crate::strategy::Params;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;

/// Most good trials that are kept apart.
pub const GOOD: usize = 25;

/// A finished trial as a sampler sees it.
#[derive(Clone, PartialEq, Default)]
pub struct Observation {
    /// Its values.
    pub params: Params,
    /// Its score; absent for pruned and failed trials.
    pub score: Option<f64>,
    /// Sum of its constraint violations; zero when feasible.
    pub violation: f64,
    /// Its further objectives, of a search that has several.
    pub also: Vec<f64>,
}

impl Observation {
    /// As fronts of several objectives see it.
    pub fn judged(&self) -> Judged {
        let objectives = self.score.iter().chain(self.also.iter().filter(|_| self.score.is_some())).copied().collect();
        Judged { objectives, violation: self.violation }
    }
}

impl fmt::Debug for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Observation");
        out.field("params", &self.params).field("score", &self.score).field("violation", &self.violation);
        if !self.also.is_empty() {
            out.field("also", &self.also);
        }
        out.finish()
    }
}

/// How good a trial is: feasible before infeasible before those without a score, better before worse.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rank {
    group: u8,
    badness: f64,
}

impl Rank {
    /// Of a trial without a score.
    pub const NONE: Rank = Rank { group: 2, badness: 0.0 };

    fn of(o: &Observation) -> Rank {
        match o.score {
            Some(score) if o.violation <= 0.0 => Rank { group: 0, badness: -score },
            Some(_) => Rank { group: 1, badness: o.violation },
            None => Rank::NONE,
        }
    }

    /// Better before worse.
    pub fn cmp(&self, other: &Rank) -> Ordering {
        self.group.cmp(&other.group).then(self.badness.total_cmp(&other.badness))
    }
}

/// Finished trials.
#[derive(Debug, Clone)]
pub struct History {
    /// Places of their values, parameter by parameter in the order of their names; not a number where one did not count.
    pub places: Vec<Vec<f64>>,
    /// How good they are.
    pub ranks: Vec<Rank>,
    /// Those that have a score.
    pub scored: usize,
    /// The best of them, best first; of equals the earlier one.
    pub good: Vec<usize>,
    /// What was asked already, of a space whose points can be counted.
    seen: Option<BTreeSet<Vec<u64>>>,
}

/// The places of values.
pub fn places(space: &Space, params: &Params) -> Vec<f64> {
    let place = |(name, range): (&String, _)| params.get(name).map_or(f64::NAN, |v| unit::place_of(range, v));
    space.iter().map(place).collect()
}

fn key(places: &[f64]) -> Vec<u64> {
    places.iter().map(|p| if p.is_nan() { f64::NAN.to_bits() } else { p.to_bits() }).collect()
}

impl History {
    /// No trials yet.
    pub fn new(space: &Space) -> History {
        let countable = space.values().all(|range| unit::levels(range).is_some());
        History {
            places: vec![Vec::new(); space.len()],
            ranks: Vec::new(),
            scored: 0,
            good: Vec::with_capacity(GOOD + 1),
            seen: countable.then(BTreeSet::new),
        }
    }

    /// How many trials it has.
    pub fn len(&self) -> usize {
        self.ranks.len()
    }

    /// Takes the next trial with its places; a value that does not count has none.
    pub fn push(&mut self, places: &[f64], o: &Observation) {
        let (at, rank) = (self.len(), Rank::of(o));
        if let Some(seen) = &mut self.seen {
            seen.insert(key(places));
        }
        for (column, place) in self.places.iter_mut().zip(places) {
            column.push(*place);
        }
        self.ranks.push(rank);
        self.scored += usize::from(o.score.is_some());
        if o.score.is_some() {
            let before = self.good.partition_point(|g| self.ranks[*g].cmp(&rank) != Ordering::Greater);
            if before < GOOD {
                self.good.insert(before, at);
                self.good.truncate(GOOD);
            }
        }
    }

    /// Whether a point was asked before; never of a space whose points cannot be counted.
    pub fn repeats(&self, places: &[f64]) -> bool {
        self.seen.as_ref().is_some_and(|seen| seen.contains(&key(places)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::Value;
    use crate::strategy::space::Range;
    use proptest::prelude::*;

    proptest! {
        /// The best are those that a sort of all gives.
        #[test]
        fn the_best_are_kept(scores in prop::collection::vec((prop::option::of(-3i32..4), 0u8..3), 0..90)) {
            let space = Space::from([("a".into(), Range::Int { low: 0, high: 9, step: 1, log: false, default: 0 })]);
            let mut history = History::new(&space);
            for (i, (score, violation)) in scores.iter().enumerate() {
                let params = Params::from([("a".into(), Value::Int(i as i64 % 10))]);
                let violation = f64::from(violation.saturating_sub(1));
                history.push(&[i as f64 % 10.0], &Observation { params, score: score.map(f64::from), violation, ..Observation::default() });
            }
            let mut sorted: Vec<usize> = (0..scores.len()).filter(|i| scores[*i].0.is_some()).collect();
            sorted.sort_by(|a, b| history.ranks[*a].cmp(&history.ranks[*b]).then(a.cmp(b)));
            sorted.truncate(GOOD);
            prop_assert_eq!(&history.good, &sorted);
            prop_assert_eq!(history.scored, scores.iter().filter(|s| s.0.is_some()).count());
            prop_assert_eq!(history.repeats(&[3.0]), scores.len() > 3);
        }
    }
}
