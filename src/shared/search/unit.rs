//! Parameters as places in intervals: what every model works on.

use crate::strategy::Value;
use crate::strategy::space::Range;
use std::collections::BTreeMap;

/// Parameters by name.
pub type Space = BTreeMap<String, Range>;

/// The interval in which a numeric range is modelled: logarithms for log ranges, half a step
/// wider for whole numbers and stepped ranges, so that every value has the same share. Of choices: their numbers.
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
pub fn value_at(range: &Range, x: f64) -> Value {
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

/// The value at a share of the interval, from 0 to 1.
pub fn value_of_share(range: &Range, share: f64) -> Value {
    let (low, high) = bounds(range);
    value_at(range, low + (high - low) * share)
}

/// The place of a value in the modelled interval.
pub fn place_of(range: &Range, value: &Value) -> f64 {
    match range {
        Range::Int { log: true, .. } | Range::Float { log: true, .. } => libm::log(value.number()),
        Range::Choice { choices, .. } => choices.iter().position(|c| *c == value.number()).unwrap_or(0) as f64,
        _ => range.number(value),
    }
}

/// How many values a range has; none where they cannot be counted.
pub fn levels(range: &Range) -> Option<u64> {
    match range {
        Range::Int { low, high, step, .. } => Some(((high - low) / step) as u64 + 1),
        Range::Float { low, high, step: Some(s), .. } => Some(((high - low) / s + 1e-9).floor() as u64 + 1),
        Range::Float { low, high, .. } => (low == high).then_some(1),
        Range::Choice { .. } | Range::Text { .. } | Range::Bool { .. } => range.choices().map(|c| c.len() as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ranges() -> impl Strategy<Value = Range> {
        prop_oneof![
            (-50i64..50, 0i64..90, 1i64..7).prop_map(|(low, wide, step)| Range::Int {
                low,
                high: low + wide,
                step,
                log: false,
                default: low
            }),
            (1i64..50, 0i64..900).prop_map(|(low, wide)| Range::Int {
                low,
                high: low + wide,
                step: 1,
                log: true,
                default: low
            }),
            (0.001f64..5.0, 0.0f64..50.0, any::<bool>()).prop_map(|(low, wide, log)| Range::Float {
                low,
                high: low + wide,
                step: None,
                log,
                default: low
            }),
            (0.1f64..5.0, 0.0f64..9.0, 0.05f64..2.0).prop_map(|(low, wide, step)| Range::Float {
                low,
                high: low + wide,
                step: Some(step),
                log: false,
                default: low
            }),
            Just(Range::Choice { choices: vec![1.0, 3.0, 9.0], default: 1.0 }),
            Just(Range::Bool { default: true }),
        ]
    }

    proptest! {
        /// Every share gives a value of the range, and its place leads back to it.
        #[test]
        fn there_and_back(range in ranges(), share in 0.0f64..1.0) {
            let value = value_of_share(&range, share);
            prop_assert!(range.contains(&value), "{range:?} {value}");
            let again = value_at(&range, place_of(&range, &value));
            prop_assert!(again == value || (again.number() - value.number()).abs() <= 1e-12 * value.number().abs());
        }
    }

    #[test]
    fn values_are_counted() {
        let int = Range::Int { low: 2, high: 31, step: 4, log: false, default: 2 };
        assert_eq!((levels(&int), bounds(&int)), (Some(8), (0.0, 32.0)));
        let float = Range::Float { low: 0.1, high: 0.9, step: Some(0.2), log: false, default: 0.1 };
        assert_eq!(levels(&float), Some(5));
        assert_eq!(levels(&Range::Float { low: 0.0, high: 1.0, step: None, log: false, default: 0.0 }), None);
        assert_eq!(levels(&Range::Bool { default: true }), Some(2));
    }
}
