//! All points of a space, in an order that spreads over it: a grid that is cut short has still seen every corner.

use super::domain::Domain;
use super::unit::{self, Space};
use crate::strategy::Params;
use crate::strategy::space::Range;

/// Points of a range that cannot be counted, or has very many.
const MOST: u64 = 1000;
/// How many points that break a constraint are passed over for one suggestion.
const PASSED: u64 = 100_000;

/// Where a walk over a grid stands.
#[derive(Debug, Clone)]
pub struct Grid {
    /// Points of each range.
    levels: Vec<u64>,
    size: u64,
    first: u64,
    stride: u64,
    /// The trial that comes next, and the step of the walk that it begins at.
    next: (u32, u64),
}

fn common(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common(b, a % b) }
}

/// How many points a space has, with so many for a range without steps; none when more than a study can have.
pub fn size(space: &Space, points: u32) -> Option<u64> {
    let mut each = space.values().map(|range| levels(range, points));
    each.try_fold(1u64, |size, n| size.checked_mul(n).filter(|size| *size <= 1 << 32))
}

/// Most points that are counted one by one.
const COUNTED: u64 = 100_000;

/// How many different points a sampler can ask for; none where they cannot be counted, or are very many. `points` is how
/// many a grid takes of a range that has no steps; without it such a range has no number of points.
pub fn distinct(space: &Space, points: Option<u32>, domain: &dyn Domain) -> Option<u32> {
    if points.is_none() && space.values().any(|range| unit::levels(range).is_none()) {
        return None;
    }
    let all = space.values().try_fold(1u64, |size, range| {
        let n = if points.is_some() { levels(range, points.unwrap_or(1)) } else { unit::levels(range)? };
        size.checked_mul(n).filter(|size| *size <= COUNTED)
    })?;
    let grid = Grid::new(space, points.unwrap_or(1), 0);
    // With so few levels each range has those that it has.
    let whole = grid.size == all;
    whole.then(|| (0..all).filter_map(|step| grid.found(space, step, domain)).count() as u32)
}

fn levels(range: &Range, points: u32) -> u64 {
    unit::levels(range).filter(|n| *n <= MOST).unwrap_or(u64::from(points))
}

impl Grid {
    /// At its beginning.
    pub fn new(space: &Space, points: u32, seed: u64) -> Grid {
        let size = size(space, points).unwrap_or(1 << 32).max(1);
        // Near the golden section, and without a common divisor: every point once.
        let near = (size as f64 * 0.618_033_988_749_895) as u64;
        let stride = (near.max(1)..).find(|s| common(*s, size) == 1).unwrap_or(1);
        let levels = space.values().map(|range| levels(range, points)).collect();
        Grid { levels, size, first: seed % size, stride, next: (0, 0) }
    }

    /// The point at a step of the walk, if it is one that is to be had. Of those that differ only in what does not count
    /// that is one: where each of that is at its first place.
    fn found(&self, space: &Space, step: u64, domain: &dyn Domain) -> Option<Params> {
        let mut params = self.point(space, step);
        let drawn = params.clone();
        let silent = domain.settle(&mut params);
        let first = |d: usize| {
            let (name, range) = space.iter().nth(d)?;
            Some(drawn.get(name) == Some(&nth(range, 0, self.levels[d])))
        };
        let counted = silent.into_iter().all(|d| first(d) == Some(true));
        (counted && domain.allows(&params)).then_some(params)
    }

    fn point(&self, space: &Space, step: u64) -> Params {
        let step = u128::from(step) * u128::from(self.stride) + u128::from(self.first);
        let mut at = (step % u128::from(self.size)) as u64;
        let value = |((name, range), n): ((&String, &Range), &u64)| {
            let k = at % n;
            at /= n;
            (name.clone(), nth(range, k, *n))
        };
        space.iter().zip(&self.levels).map(value).collect()
    }

    /// The point of a trial: that many points of the walk that are allowed come before it. A walk that has seen all
    /// begins again.
    pub fn ask(&mut self, space: &Space, number: u32, domain: &dyn Domain) -> Params {
        if number < self.next.0 {
            self.next = (0, 0);
        }
        loop {
            let from = self.next.1;
            let found = (from..from + PASSED).find_map(|step| Some((step, self.found(space, step, domain)?)));
            let (step, params) = found.unwrap_or_else(|| {
                let mut params = self.point(space, from);
                domain.settle(&mut params);
                (from, params)
            });
            let trial = self.next.0;
            self.next = (trial + 1, step + 1);
            if trial == number {
                return params;
            }
        }
    }
}

/// The value at a place among so many.
fn nth(range: &Range, k: u64, n: u64) -> crate::strategy::Value {
    if unit::levels(range) == Some(n) {
        let (low, high) = unit::bounds(range);
        return match range {
            // Those of a logarithmic range lie at unequal distances.
            Range::Int { low, log: true, .. } => crate::strategy::Value::Int(low + k as i64),
            Range::Choice { .. } | Range::Text { .. } | Range::Bool { .. } => unit::value_at(range, k as f64),
            _ => unit::value_at(range, low + (high - low) * (k as f64 + 0.5) / n as f64),
        };
    }
    unit::value_of_share(range, if n > 1 { k as f64 / (n - 1) as f64 } else { 0.5 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Every point that is allowed comes once, before any comes again; a restart goes on where it was.
    #[test]
    fn every_point_once() {
        let space = Space::from([
            ("a".into(), Range::Int { low: 2, high: 14, step: 4, log: false, default: 2 }),
            ("b".into(), Range::Int { low: 1, high: 5, step: 1, log: true, default: 1 }),
            ("c".into(), Range::Float { low: 0.5, high: 2.5, step: None, log: false, default: 1.0 }),
            ("d".into(), Range::Bool { default: true }),
        ]);
        assert_eq!(size(&space, 3), Some(4 * 5 * 3 * 2));
        let allowed = |p: &Params| p["a"].number() > p["b"].number();
        let mut grid = Grid::new(&space, 3, 77);
        let mut seen = BTreeSet::new();
        let all = 6 * (1 + 5 + 5 + 5);
        for number in 0..all {
            let p = grid.ask(&space, number, &allowed);
            assert!(allowed(&p) && p.iter().all(|(k, v)| space[k].contains(v)), "{p:?}");
            assert!(seen.insert(format!("{p:?}")), "{p:?} comes twice");
            assert_eq!(Grid::new(&space, 3, 77).ask(&space, number, &allowed), p);
        }
        assert!(!seen.insert(format!("{:?}", grid.ask(&space, all, &allowed))), "all were seen");
        assert_eq!(distinct(&space, Some(3), &allowed), Some(all));
        assert_eq!(distinct(&space, None, &allowed), None, "a range without steps");
        assert_eq!(distinct(&Space::new(), None, &|_: &Params| true), Some(1), "nothing varies");
        assert_eq!(distinct(&Space::new(), Some(5), &|_: &Params| false), Some(0));
        assert!(seen.iter().any(|p| p.contains("Float(2.5)")) && seen.iter().any(|p| p.contains("Float(0.5)")));
        // A constraint that nothing keeps ends, too.
        let _ = grid.ask(&space, all + 1, &|_: &Params| false);
        let wide = Space::from_iter(
            (0..9).map(|i| (format!("p{i}"), Range::Int { low: 0, high: 999, step: 1, log: false, default: 0 })),
        );
        assert_eq!(size(&wide, 5), None);
        assert_eq!(distinct(&wide, Some(5), &|_: &Params| true), None);
    }
}
