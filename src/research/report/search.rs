//! What a search says of its own parameters: where values lie in their ranges, which of them decide, and how flat it is
//! around the best.

use crate::mirror::query::TrialRow;
use assay_shared::strategy::Value;
use assay_shared::strategy::space::Range;
use std::collections::BTreeMap;

/// Parts that the values of a parameter fall into.
const PARTS: usize = 8;
/// Trials that are called neighbours.
const NEAR: usize = 10;

/// Where a value lies in its range, from 0 to 1; of a choice its place among them.
pub(super) fn place(range: &Range, value: &Value) -> f64 {
    let share = |low: f64, high: f64, log: bool| match (log, high > low) {
        (_, false) => 0.5,
        (true, _) if low > 0.0 => libm::log(value.number() / low) / libm::log(high / low),
        _ => (value.number() - low) / (high - low),
    };
    match range {
        Range::Int { low, high, log, .. } => share(*low as f64, *high as f64, *log),
        Range::Float { low, high, log, .. } => share(*low, *high, *log),
        range => {
            let choices = range.choices().unwrap_or_default();
            let at = choices.iter().position(|c| c == value || c.number() == value.number()).unwrap_or(0);
            (at as f64 + 0.5) / choices.len().max(1) as f64
        }
    }
}

/// What the ends of a range are called.
pub(super) fn ends(range: &Range) -> (String, String) {
    let short = |v: f64| if v.fract() == 0.0 { format!("{v:.0}") } else { format!("{v}") };
    match range {
        Range::Int { low, high, .. } => (low.to_string(), high.to_string()),
        Range::Float { low, high, .. } => (short(*low), short(*high)),
        range => {
            let choices = range.choices().unwrap_or_default();
            let name = |v: Option<&Value>| v.map_or(String::new(), ToString::to_string);
            (name(choices.first()), name(choices.last()))
        }
    }
}

/// A scored trial: its score, and where each of its parameters lies.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placed {
    pub number: u32,
    pub score: f64,
    pub at: Vec<f64>,
}

/// The trials with a score, in the order of their numbers.
pub(super) fn placed(trials: &[TrialRow], space: &BTreeMap<String, Range>) -> Vec<Placed> {
    let at = |t: &TrialRow| -> Option<Vec<f64>> {
        space.iter().map(|(name, range)| t.params.get(name).map(|v| place(range, v).clamp(0.0, 1.0))).collect()
    };
    let one = |t: &TrialRow| Some(Placed { number: t.number, score: t.score?, at: at(t)? });
    trials.iter().filter_map(one).collect()
}

fn mean(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let n = values.clone().count().max(1) as f64;
    values.sum::<f64>() / n
}

/// How much of the spread of the scores the parameter at `d` explains alone: the variance of the means of eight parts of
/// its range beside that of all (eta squared), from 0 to 1. With few trials in a part chance explains some of it too.
pub(super) fn explained(trials: &[Placed], d: usize) -> f64 {
    let all = mean(trials.iter().map(|t| t.score));
    let total: f64 = trials.iter().map(|t| (t.score - all) * (t.score - all)).sum();
    if total.is_nan() || total <= 0.0 {
        return 0.0;
    }
    let part = |t: &Placed| ((t.at[d] * PARTS as f64) as usize).min(PARTS - 1);
    let between = (0..PARTS).map(|p| {
        let inside = trials.iter().filter(move |t| part(t) == p).map(|t| t.score);
        let n = inside.clone().count() as f64;
        let off = mean(inside) - all;
        if n > 0.0 { n * off * off } else { 0.0 }
    });
    between.sum::<f64>() / total
}

/// The median score of the trials that lie nearest to the best, and how many they are; none with too few trials.
pub(super) fn plateau(trials: &[Placed], best: u32) -> Option<(f64, usize)> {
    let at = &trials.iter().find(|t| t.number == best)?.at;
    let far = |t: &Placed| t.at.iter().zip(at).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
    let mut others: Vec<(f64, f64)> = trials.iter().filter(|t| t.number != best).map(|t| (far(t), t.score)).collect();
    if others.len() < NEAR {
        return None;
    }
    others.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut scores: Vec<f64> = others[..NEAR].iter().map(|o| o.1).collect();
    scores.sort_by(f64::total_cmp);
    Some(((scores[NEAR / 2 - 1] + scores[NEAR / 2]) / 2.0, NEAR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_ends() {
        let int = Range::Int { low: 10, high: 20, step: 5, log: false, default: 10 };
        let float = Range::Float { low: 0.1, high: 10.0, step: None, log: true, default: 1.0 };
        let kind = Range::Text { choices: vec!["a".into(), "b".into()], default: "a".into() };
        assert_eq!((place(&int, &Value::Int(15)), place(&float, &Value::Float(1.0))), (0.5, 0.5));
        assert_eq!((place(&kind, &Value::Text("b".into())), ends(&kind)), (0.75, ("a".into(), "b".into())));
        assert_eq!((ends(&int), ends(&float)), (("10".into(), "20".into()), ("0.1".into(), "10".into())));
        let one = Range::Int { low: 3, high: 3, step: 1, log: false, default: 3 };
        assert_eq!(place(&one, &Value::Int(3)), 0.5);
    }

    /// The parameter that decides explains nearly all, the other one hardly anything; the neighbours of the best are those
    /// near it.
    #[test]
    fn what_decides() {
        let trials: Vec<Placed> = (0..200u32)
            .map(|n| {
                let (a, b) = (f64::from(n % 20) / 20.0, f64::from(n / 20) / 10.0);
                Placed { number: n, score: a * a, at: vec![a, b] }
            })
            .collect();
        assert!(explained(&trials, 0) > 0.95 && explained(&trials, 1) < 0.02);
        let (median, n) = plateau(&trials, 19).unwrap();
        assert!(n == 10 && median > 0.5, "{median}");
        assert!(plateau(&trials[..8], 3).is_none() && plateau(&trials, 999).is_none());
        let flat: Vec<Placed> = trials.iter().map(|t| Placed { score: 1.0, ..t.clone() }).collect();
        assert_eq!(explained(&flat, 0), 0.0);
    }
}
