//! Samplers: pure functions of (space, seed, trial number, finished trials, pending trials).
//!
//! No hidden state: resuming is replaying what is recorded. Suggested values are facts; they are
//! recorded and never computed again.

pub mod parzen;
pub mod rng;
pub mod tpe;

mod sampler;

pub use sampler::Sampler;

use crate::strategy::space::Range;
use crate::strategy::{Params, Value};
use rng::Rng;
use std::collections::BTreeMap;

/// Version of the samplers: a change of their results is a new version.
pub const VERSION: u32 = 1;
/// How often a suggestion is drawn again when it breaks a constraint.
const ATTEMPTS: u64 = 64;

/// Parameters by name.
pub type Space = BTreeMap<String, Range>;

/// A finished trial as a sampler sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// Its values.
    pub params: Params,
    /// Its score; absent for pruned and failed trials.
    pub score: Option<f64>,
    /// Sum of its constraint violations; zero when feasible.
    pub violation: f64,
}

/// What a suggestion is made from.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The space.
    pub space: &'a Space,
    /// The study's seed.
    pub seed: u64,
    /// The trial's number.
    pub number: u32,
    /// Finished trials in order.
    pub history: &'a [Observation],
    /// Trials of the same batch that were asked before.
    pub pending: &'a [Params],
}

/// Suggests values. Draws again while `allowed` says no; after some attempts the last draw is
/// given all the same, and its trial is recorded as infeasible.
pub fn suggest(sampler: &Sampler, request: &Request<'_>, allowed: &dyn Fn(&Params) -> bool) -> Params {
    let mut params = Params::new();
    for attempt in 0..ATTEMPTS {
        let mut rng = Rng::new(request.seed, u64::from(request.number), attempt);
        params = match sampler {
            Sampler::Tpe { startup_trials, candidates } if request.number >= *startup_trials => {
                tpe::suggest(request, *candidates, &mut rng)
            }
            _ => random(request.space, &mut rng),
        };
        if allowed(&params) {
            break;
        }
    }
    params
}

/// Independent uniform draws.
pub fn random(space: &Space, rng: &mut Rng) -> Params {
    space.iter().map(|(name, range)| (name.clone(), uniform(range, rng))).collect()
}

fn uniform(range: &Range, rng: &mut Rng) -> Value {
    match range {
        Range::Choice { .. } | Range::Text { .. } | Range::Bool { .. } => {
            let mut choices = range.choices().unwrap_or_default();
            choices.swap_remove(rng.below(choices.len()))
        }
        Range::Int { .. } | Range::Float { .. } => {
            let (low, high) = bounds(range);
            from_unit(range, low + (high - low) * rng.uniform())
        }
    }
}

/// The interval in which a numeric range is modelled: logarithms for log ranges, half a step
/// wider for whole numbers and stepped ranges, so that every value has the same share.
pub fn bounds(range: &Range) -> (f64, f64) {
    match range {
        Range::Int { low, high, log: true, .. } => (libm::log(*low as f64 - 0.5), libm::log(*high as f64 + 0.5)),
        Range::Int { low, high, step, .. } => {
            let last = low + (high - low) / step * step;
            (*low as f64 - *step as f64 / 2.0, last as f64 + *step as f64 / 2.0)
        }
        Range::Float { low, high, log: true, .. } => (libm::log(*low), libm::log(*high)),
        Range::Float { low, high, step: Some(s), .. } => {
            let last = low + ((high - low) / s + 1e-9).floor() * s;
            (low - s / 2.0, last + s / 2.0)
        }
        Range::Float { low, high, .. } => (*low, *high),
        Range::Choice { .. } | Range::Text { .. } | Range::Bool { .. } => {
            (0.0, range.choices().map_or(0, |c| c.len()) as f64)
        }
    }
}

/// The value at a place of the modelled interval.
pub fn from_unit(range: &Range, x: f64) -> Value {
    match range {
        Range::Int { low, high, log: true, .. } => Value::Int((libm::exp(x).round() as i64).clamp(*low, *high)),
        Range::Int { low, high, step, .. } => {
            let last = (high - low) / step;
            let k = (((x - *low as f64) / *step as f64).round() as i64).clamp(0, last);
            Value::Int(low + k * step)
        }
        Range::Float { low, high, log: true, .. } => Value::Float(libm::exp(x).clamp(*low, *high)),
        Range::Float { low, high, step: Some(s), .. } => {
            let last = ((high - low) / s + 1e-9).floor();
            Value::Float((low + ((x - low) / s).round().clamp(0.0, last) * s).min(*high))
        }
        Range::Float { low, high, .. } => Value::Float(x.clamp(*low, *high)),
        Range::Choice { .. } | Range::Text { .. } | Range::Bool { .. } => {
            let mut choices = range.choices().unwrap_or_default();
            choices.swap_remove((x as usize).min(choices.len() - 1))
        }
    }
}

/// The place of a value in the modelled interval.
pub fn to_unit(range: &Range, value: &Value) -> f64 {
    match range {
        Range::Int { log: true, .. } | Range::Float { log: true, .. } => libm::log(value.number()),
        Range::Choice { choices, .. } => choices.iter().position(|c| *c == value.number()).unwrap_or(0) as f64,
        _ => range.number(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn branin_space() -> Space {
        let f = |low: f64, high: f64| Range::Float { low, high, step: None, log: false, default: low };
        Space::from([("x".into(), f(-5.0, 10.0)), ("y".into(), f(0.0, 15.0))])
    }

    fn branin(p: &Params) -> f64 {
        let (x, y) = (p["x"].number(), p["y"].number());
        let pi = std::f64::consts::PI;
        let a = y - 5.1 / (4.0 * pi * pi) * x * x + 5.0 / pi * x - 6.0;
        a * a + 10.0 * (1.0 - 1.0 / (8.0 * pi)) * libm::cos(x) + 10.0
    }

    fn best_of(sampler: &Sampler, seed: u64, trials: u32, batch: u32) -> f64 {
        let space = branin_space();
        let mut history: Vec<Observation> = Vec::new();
        for start in (0..trials).step_by(batch as usize) {
            let mut pending = Vec::new();
            for number in start..start + batch {
                let r = Request { space: &space, seed, number, history: &history, pending: &pending };
                pending.push(suggest(sampler, &r, &|_| true));
            }
            history.extend(pending.into_iter().map(|params| Observation {
                score: Some(-branin(&params)),
                params,
                violation: 0.0,
            }));
        }
        -history.iter().filter_map(|o| o.score).fold(f64::MIN, f64::max)
    }

    /// Optuna's multivariate TPE reaches 0.401 in the median of 20 seeds after 200 trials, random
    /// search 0.513 (the minimum is 0.3979).
    #[test]
    fn tpe_is_as_good_as_optuna_on_branin() {
        let tpe = Sampler::Tpe { startup_trials: 10, candidates: 24 };
        let median = |s: &Sampler| {
            let mut v: Vec<f64> = (0..11).map(|seed| best_of(s, seed, 200, 8)).collect();
            v.sort_by(f64::total_cmp);
            v[5]
        };
        let (ours, chance) = (median(&tpe), median(&Sampler::Random {}));
        assert!(ours < 0.42, "TPE {ours}");
        assert!(chance > ours, "random {chance}");
    }

    #[test]
    fn suggestions_are_pure_in_range_and_keep_constraints() {
        let space = Space::from([
            ("a".into(), Range::Int { low: 2, high: 30, step: 4, log: false, default: 2 }),
            ("b".into(), Range::Int { low: 1, high: 500, step: 1, log: true, default: 1 }),
            ("c".into(), Range::Float { low: 0.1, high: 0.9, step: Some(0.2), log: false, default: 0.1 }),
            ("d".into(), Range::Choice { choices: vec![1.0, 3.0, 9.0], default: 1.0 }),
            ("e".into(), Range::Float { low: 1e-4, high: 1.0, step: None, log: true, default: 0.1 }),
        ]);
        let tpe = Sampler::Tpe { startup_trials: 5, candidates: 24 };
        let mut history = Vec::new();
        for number in 0..120 {
            let r = Request { space: &space, seed: 9, number, history: &history, pending: &[] };
            let allowed = |p: &Params| p["a"].number() < p["b"].number();
            let params = suggest(&tpe, &r, &allowed);
            assert_eq!(params, suggest(&tpe, &r, &allowed));
            assert!(params.iter().all(|(k, v)| space[k].contains(v)), "{params:?}");
            assert!(allowed(&params));
            let score = (number % 7 != 0).then(|| -(params["e"].number() - 0.3).abs() - params["d"].number());
            history.push(Observation { params, score, violation: 0.0 });
        }
        let last: Vec<f64> = history[90..].iter().map(|o| o.params["d"].number()).collect();
        assert!(last.iter().filter(|d| **d == 1.0).count() > 20, "the best choice is found: {last:?}");
    }
}
