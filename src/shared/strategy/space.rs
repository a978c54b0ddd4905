//! Parameters: their search space and their values.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A parameter's range. `low` and `high` are both reachable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub enum Range {
    /// Whole numbers.
    Int {
        /// Smallest value.
        low: i64,
        /// Largest value.
        high: i64,
        /// Distance between values.
        #[serde(default = "one")]
        step: i64,
        /// Searched by ratio instead of difference.
        #[serde(default)]
        log: bool,
        /// Value when none is given.
        default: i64,
    },
    /// Real numbers.
    Float {
        /// Smallest value.
        low: f64,
        /// Largest value.
        high: f64,
        /// Distance between values, if they are stepped.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<f64>,
        /// Searched by ratio instead of difference.
        #[serde(default)]
        log: bool,
        /// Value when none is given.
        default: f64,
    },
    /// True or false.
    Bool {
        /// Value when none is given.
        default: bool,
    },
    /// One of a list of texts.
    Text {
        /// The texts, each once.
        choices: Vec<String>,
        /// Value when none is given.
        default: String,
    },
    /// One of a list of numbers.
    Choice {
        /// The choices, each once.
        choices: Vec<f64>,
        /// Value when none is given.
        default: f64,
    },
}

/// How a range is searched, in words.
fn ratio(log: bool) -> &'static str {
    if log { " by ratio" } else { "" }
}

fn one() -> i64 {
    1
}

/// What is impossible about a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Impossible(&'static str);

/// A parameter's value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Of an int range.
    Int(i64),
    /// Of a float range or a choice of numbers.
    Float(f64),
    /// Of a bool range.
    Truth(bool),
    /// Of a choice of texts.
    Text(String),
}

/// Values by parameter name.
pub type Params = BTreeMap<String, Value>;

impl Value {
    /// The number; 1 for true, and none for a text.
    pub fn number(&self) -> f64 {
        match self {
            Value::Int(i) => *i as f64,
            Value::Float(f) => *f,
            Value::Truth(b) => f64::from(u8::from(*b)),
            Value::Text(_) => f64::NAN,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Int(i) => write!(f, "{i}"),
            Value::Float(v) => write!(f, "{v}"),
            Value::Truth(b) => write!(f, "{b}"),
            Value::Text(text) => write!(f, "{text}"),
        }
    }
}

impl Range {
    /// How a parameter of a type is written.
    pub(super) fn shape(of: Option<&str>) -> &'static str {
        match of {
            Some("float") => {
                "{ type = \"float\", low = 0.5, high = 4.0, default = 2.0 }; step, log = true, when = \"…\" where wanted"
            }
            Some("bool") => "{ type = \"bool\", default = true }",
            Some("text") => "{ type = \"text\", choices = [\"SMA\", \"EMA\"], default = \"EMA\" }",
            Some("choice") => "{ type = \"choice\", choices = [7, 14, 28], default = 14 }",
            Some("int") => {
                "{ type = \"int\", low = 5, high = 50, default = 20 }; step, log = true, when = \"…\" where wanted"
            }
            _ => "{ type = \"int\", low = 5, high = 50, default = 20 }; or float, choice, bool, text",
        }
    }

    /// Checks the range itself.
    ///
    /// # Errors
    /// What is impossible about it.
    pub fn check(&self) -> Result<(), Impossible> {
        let ok = |good: bool, what: &'static str| if good { Ok(()) } else { Err(Impossible(what)) };
        match self {
            Range::Int { low, high, step, log, .. } => {
                ok(low <= high, "low is above high")?;
                ok(low.unsigned_abs() < 1 << 53 && high.unsigned_abs() < 1 << 53, "beyond 2^53")?;
                ok(*step >= 1, "step must be at least 1")?;
                ok(!log || *low >= 1, "a log range must begin at 1 or more")?;
                ok(!log || *step == 1, "a log range cannot have a step")?;
            }
            Range::Float { low, high, step, log, .. } => {
                ok(low.is_finite() && high.is_finite() && low <= high, "low is above high, or not finite")?;
                ok(step.is_none_or(|s| s.is_finite() && s > 0.0), "step must be positive")?;
                ok(!log || *low > 0.0, "a log range must begin above 0")?;
                ok(!log || step.is_none(), "a log range cannot have a step")?;
            }
            Range::Bool { .. } => {}
            Range::Text { choices, .. } => {
                ok(
                    !choices.is_empty() && choices.iter().all(|c| !c.is_empty()),
                    "choices must be given, and not empty",
                )?;
                ok(!choices.iter().any(|c| c.contains('\'')), "a choice holds no quotes")?;
                let distinct = choices.iter().enumerate().all(|(i, c)| !choices[..i].contains(c));
                ok(distinct, "a choice stands twice")?;
            }
            Range::Choice { choices, .. } => {
                ok(!choices.is_empty() && choices.iter().all(|c| c.is_finite()), "choices must be given, and finite")?;
                let distinct = choices.iter().enumerate().all(|(i, c)| !choices[..i].contains(c));
                ok(distinct, "a choice stands twice")?;
            }
        }
        ok(self.contains(&self.default()), "the default is not in the range")
    }

    /// The default value.
    pub fn default(&self) -> Value {
        match self {
            Range::Int { default, .. } => Value::Int(*default),
            Range::Float { default, .. } | Range::Choice { default, .. } => Value::Float(*default),
            Range::Bool { default } => Value::Truth(*default),
            Range::Text { default, .. } => Value::Text(default.clone()),
        }
    }

    /// The number that expressions see: of a text its place among the choices.
    pub fn number(&self, value: &Value) -> f64 {
        match (self, value) {
            (Range::Text { choices, .. }, Value::Text(text)) => {
                choices.iter().position(|c| c == text).map_or(f64::NAN, |place| place as f64)
            }
            (_, value) => value.number(),
        }
    }

    /// Its choices, where it is a list of them.
    pub fn choices(&self) -> Option<Vec<Value>> {
        match self {
            Range::Choice { choices, .. } => Some(choices.iter().map(|c| Value::Float(*c)).collect()),
            Range::Text { choices, .. } => Some(choices.iter().map(|c| Value::Text(c.clone())).collect()),
            Range::Bool { .. } => Some(vec![Value::Truth(false), Value::Truth(true)]),
            Range::Int { .. } | Range::Float { .. } => None,
        }
    }

    /// In words.
    pub fn words(&self) -> String {
        match self {
            Range::Int { low, high, step, log, default } => {
                let by = if *step == 1 { String::new() } else { format!(" by {step}") };
                format!("from {low} to {high}{by}{}, {default} without a search", ratio(*log))
            }
            Range::Float { low, high, step, log, default } => {
                let by = step.map_or_else(String::new, |step| format!(" by {step}"));
                format!("from {low} to {high}{by}{}, {default} without a search", ratio(*log))
            }
            Range::Bool { default } => format!("true or false, {default} without a search"),
            Range::Choice { choices, default } => format!("among {choices:?}, {default} without a search"),
            Range::Text { choices, default } => format!("among {}, {default} without a search", choices.join(", ")),
        }
    }

    /// A value that can be reached, of its text.
    pub fn read(&self, text: &str) -> Option<Value> {
        let value = match self {
            Range::Int { .. } => Value::Int(text.parse().ok()?),
            Range::Float { .. } | Range::Choice { .. } => Value::Float(text.parse().ok()?),
            Range::Bool { .. } => Value::Truth(text.parse().ok()?),
            Range::Text { .. } => Value::Text(text.into()),
        };
        Some(value).filter(|v| self.contains(v))
    }

    /// Whether a value can be reached.
    pub fn contains(&self, value: &Value) -> bool {
        match (self, value) {
            (Range::Int { low, high, step, .. }, Value::Int(v)) => (*low..=*high).contains(v) && (v - low) % step == 0,
            (Range::Float { low, high, step, .. }, Value::Int(_) | Value::Float(_)) => {
                let v = value.number();
                let on_grid = step.is_none_or(|s| {
                    let k = ((v - low) / s).round();
                    (low + k * s - v).abs() <= 1e-9 * s.max(v.abs())
                });
                (*low..=*high).contains(&v) && on_grid
            }
            (Range::Choice { choices, .. }, Value::Int(_) | Value::Float(_)) => choices.contains(&value.number()),
            (Range::Bool { .. }, Value::Truth(_)) => true,
            (Range::Text { choices, .. }, Value::Text(text)) => choices.contains(text),
            _ => false,
        }
    }
}

/// The defaults of a space.
pub fn defaults(space: &BTreeMap<String, Range>) -> Params {
    space.iter().map(|(k, r)| (k.clone(), r.default())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_ranges_are_named() {
        let int = |low, high, step, log| Range::Int { low, high, step, log, default: low };
        assert!(int(1, 9, 2, false).check().is_ok());
        assert!(int(9, 1, 1, false).check().unwrap_err().to_string().contains("above"));
        assert!(int(0, 9, 1, true).check().unwrap_err().to_string().contains("log"));
        assert!(int(1, 9, 0, false).check().is_err());
        assert!(int(1, 9, 2, false).contains(&Value::Int(7)) && !int(1, 9, 2, false).contains(&Value::Int(8)));
        let float = Range::Float { low: 0.1, high: 0.9, step: Some(0.1), log: false, default: 0.3 };
        assert!(float.check().is_ok() && float.contains(&Value::Float(0.7)) && !float.contains(&Value::Float(0.75)));
    }
}
