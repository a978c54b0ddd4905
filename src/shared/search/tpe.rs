//! The tree-structured Parzen estimator, multivariate: candidates from the good trials' mixture,
//! the one kept that is likeliest there and least likely among the rest.
//!
//! Pending trials stand with the rest, so a batch spreads out. The rest is capped: recency
//! weights have discounted the oldest anyway, and cost would grow with every trial.

use super::parzen::Parzen;
use super::rng::Rng;
use super::{Observation, Request, from_unit};
use crate::strategy::Params;
use std::cmp::Ordering;

/// Most good trials.
const MAX_GOOD: usize = 25;
/// Most other trials that are modelled.
const MAX_REST: usize = 1000;

/// Feasible before infeasible, better before worse, earlier before later.
fn rank(a: &(usize, &Observation), b: &(usize, &Observation)) -> Ordering {
    let group = |o: &Observation| match (o.score, o.violation > 0.0) {
        (Some(_), false) => 0,
        (Some(_), true) => 1,
        (None, _) => 2,
    };
    let by_score = |a: &Observation, b: &Observation| match (a.score, b.score) {
        (Some(x), Some(y)) if group(a) == 0 => y.total_cmp(&x),
        _ => a.violation.total_cmp(&b.violation),
    };
    group(a.1).cmp(&group(b.1)).then_with(|| by_score(a.1, b.1)).then(a.0.cmp(&b.0))
}

/// Suggests values from at least one finished trial.
pub fn suggest(request: &Request<'_>, candidates: u32, rng: &mut Rng) -> Params {
    let mut ranked: Vec<(usize, &Observation)> = request.history.iter().enumerate().collect();
    ranked.sort_by(rank);
    let scored = ranked.iter().filter(|(_, o)| o.score.is_some()).count();
    let good = (ranked.len().div_ceil(10)).min(MAX_GOOD).min(scored);
    if good == 0 {
        return super::random(request.space, rng);
    }
    let by_age = |part: &[(usize, &Observation)]| {
        let mut at: Vec<usize> = part.iter().map(|(i, _)| *i).collect();
        at.sort_unstable();
        at
    };
    let best: Vec<&Params> = by_age(&ranked[..good]).into_iter().map(|i| &request.history[i].params).collect();
    let rest = by_age(&ranked[good..]);
    let kept = &rest[rest.len().saturating_sub(MAX_REST)..];
    let others: Vec<&Params> = kept.iter().map(|i| &request.history[*i].params).chain(request.pending).collect();
    let (good, rest) = (Parzen::new(request.space, &best), Parzen::new(request.space, &others));
    let mut winner = (f64::NEG_INFINITY, good.draw(rng));
    for _ in 0..candidates {
        let point = good.draw(rng);
        let gain = good.log_density(&point) - rest.log_density(&point);
        if gain > winner.0 {
            winner = (gain, point);
        }
    }
    request.space.iter().zip(winner.1).map(|((name, range), x)| (name.clone(), from_unit(range, x))).collect()
}
