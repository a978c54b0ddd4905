//! Version 1 of a strategy's text, as release 0.1.0 wrote it. Frozen.

use crate::account::{LossLimits, MarginMode};
use crate::format::FormatError;
use crate::format::tree::{Item, Table, row, some, text};
use crate::strategy::file::{Risk, SignalTexts, Sizing, StopTexts, StrategyFile, Text};
use crate::strategy::space::Range;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// A strategy of version 1.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
pub struct StrategyV1 {
    name: String,
    description: String,
    interval: String,
    symbols: Vec<String>,
    #[serde(default)]
    #[cfg_attr(test, serde(skip_serializing_if = "Vec::is_empty"))]
    constraints: Vec<String>,
    #[serde(default)]
    parameters: BTreeMap<String, RangeV1>,
    #[serde(default)]
    indicators: BTreeMap<String, String>,
    signals: BTreeMap<Signal, String>,
    #[serde(default)]
    stops: BTreeMap<Stop, String>,
    sizing: SizingV1,
    risk: RiskV1,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "snake_case")]
enum Signal {
    LongEntry,
    LongExit,
    ShortEntry,
    ShortExit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "snake_case")]
enum Stop {
    #[serde(rename = "stop_loss")]
    Loss,
    #[serde(rename = "take_profit")]
    Profit,
    #[serde(rename = "trailing_stop")]
    Trailing,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum RangeV1 {
    Int {
        low: i64,
        high: i64,
        step: i64,
        log: bool,
        default: i64,
    },
    Float {
        low: f64,
        high: f64,
        #[serde(default)]
        #[cfg_attr(test, serde(skip_serializing_if = "Option::is_none"))]
        step: Option<f64>,
        log: bool,
        default: f64,
    },
    Choice {
        choices: Vec<f64>,
        default: f64,
    },
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
struct SizingV1 {
    margin_fraction: String,
    leverage: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
struct RiskV1 {
    margin_mode: MarginV1,
    max_concurrent_positions: u32,
    #[serde(default)]
    #[cfg_attr(test, serde(skip_serializing_if = "Option::is_none"))]
    max_position_size_usdt: Option<f64>,
    #[serde(default)]
    #[cfg_attr(test, serde(skip_serializing_if = "BTreeMap::is_empty"))]
    leverage_caps: BTreeMap<String, f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "lowercase")]
enum MarginV1 {
    Isolated,
    Cross,
}

fn texts(map: &BTreeMap<String, String>) -> Table {
    map.iter().map(|(k, v)| row(k, v)).collect()
}

impl RangeV1 {
    fn table(&self) -> Table {
        match self {
            RangeV1::Int { low, high, step, log, default } => vec![
                row("type", "int"),
                row("low", *low),
                row("high", *high),
                row("step", *step),
                row("log", *log),
                row("default", *default),
            ],
            RangeV1::Float { low, high, step, log, default } => {
                let mut out = vec![row("type", "float"), row("low", *low), row("high", *high)];
                out.extend(some("step", *step));
                out.extend([row("log", *log), row("default", *default)]);
                out
            }
            RangeV1::Choice { choices, default } => {
                vec![row("type", "choice"), row("choices", &choices[..]), row("default", *default)]
            }
        }
    }

    fn range(&self) -> Range {
        match self.clone() {
            RangeV1::Int { low, high, step, log, default } => Range::Int { low, high, step, log, default },
            RangeV1::Float { low, high, step, log, default } => Range::Float { low, high, step, log, default },
            RangeV1::Choice { choices, default } => Range::Choice { choices, default },
        }
    }
}

impl StrategyV1 {
    /// Reads the text.
    ///
    /// # Errors
    /// [`FormatError::Malformed`].
    pub fn read(text: &str) -> Result<StrategyV1, FormatError> {
        toml::from_str(text).map_err(|e| FormatError::toml(&e))
    }

    /// The table, as it also stands inside a live config.
    pub fn table(&self) -> Table {
        let mut out = vec![
            row("name", &self.name),
            row("description", &self.description),
            row("interval", &self.interval),
            row("symbols", &self.symbols[..]),
        ];
        if !self.constraints.is_empty() {
            out.push(row("constraints", &self.constraints[..]));
        }
        let ranges: Table = self.parameters.iter().map(|(k, r)| row(k, r.table())).collect();
        let name = |s: &Signal| match s {
            Signal::LongEntry => "long_entry",
            Signal::LongExit => "long_exit",
            Signal::ShortEntry => "short_entry",
            Signal::ShortExit => "short_exit",
        };
        let signals: Table = self.signals.iter().map(|(s, t)| row(name(s), t)).collect();
        let name = |s: &Stop| match s {
            Stop::Loss => "stop_loss",
            Stop::Profit => "take_profit",
            Stop::Trailing => "trailing_stop",
        };
        let stops: Table = self.stops.iter().map(|(s, t)| row(name(s), t)).collect();
        let sizing: Table =
            vec![row("margin_fraction", &self.sizing.margin_fraction), row("leverage", &self.sizing.leverage)];
        out.extend([
            row("parameters", ranges),
            row("indicators", texts(&self.indicators)),
            row("signals", signals),
            row("stops", stops),
            row("sizing", sizing),
            row("risk", self.risk()),
        ]);
        out
    }

    fn risk(&self) -> Table {
        let r = &self.risk;
        let mode = match r.margin_mode {
            MarginV1::Isolated => "isolated",
            MarginV1::Cross => "cross",
        };
        let mut out = vec![row("margin_mode", mode), row("max_concurrent_positions", r.max_concurrent_positions)];
        out.extend(some("max_position_size_usdt", r.max_position_size_usdt));
        if !r.leverage_caps.is_empty() {
            let caps: Table = r.leverage_caps.iter().map(|(k, v)| (k.clone(), Item::Real(*v))).collect();
            out.push(row("leverage_caps", caps));
        }
        out
    }

    /// The canonical text.
    pub fn text(&self) -> String {
        text(&self.table())
    }

    /// The working form.
    pub fn file(&self) -> StrategyFile {
        let text = |t: &String| Spanned::new(0..0, Text(t.clone()));
        let signal = |s: Signal| self.signals.get(&s).map(text);
        let stop = |s: Stop| self.stops.get(&s).map(text);
        StrategyFile {
            format: None,
            name: self.name.clone(),
            description: self.description.clone(),
            interval: self.interval.clone(),
            symbols: self.symbols.clone(),
            references: Vec::new(),
            constraints: self.constraints.iter().map(text).collect(),
            parameters: self.parameters.iter().map(|(k, r)| (k.clone(), r.range())).collect(),
            indicators: self.indicators.iter().map(|(k, t)| (k.clone(), text(t))).collect(),
            signals: SignalTexts {
                long_entry: signal(Signal::LongEntry),
                long_exit: signal(Signal::LongExit),
                short_entry: signal(Signal::ShortEntry),
                short_exit: signal(Signal::ShortExit),
            },
            stops: StopTexts {
                stop_loss: stop(Stop::Loss),
                take_profit: stop(Stop::Profit),
                trailing_stop: stop(Stop::Trailing),
                ..StopTexts::default()
            },
            sizing: Sizing {
                margin_fraction: Some(text(&self.sizing.margin_fraction)),
                leverage: Some(text(&self.sizing.leverage)),
                ..Sizing::default()
            },
            risk: Risk {
                margin_mode: match self.risk.margin_mode {
                    MarginV1::Isolated => MarginMode::Isolated,
                    MarginV1::Cross => MarginMode::Cross,
                },
                max_concurrent_positions: self.risk.max_concurrent_positions,
                max_position_size_usdt: self.risk.max_position_size_usdt,
                leverage_caps: self.risk.leverage_caps.clone(),
                cooldown: 0,
                loss_limits: LossLimits::default(),
            },
            ..StrategyFile::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Our writer against the library that release 0.1.0 wrote with.
    #[test]
    fn written_as_release_0_1_0_wrote() {
        let plain = include_str!("golden/v1.toml");
        let frozen = StrategyV1::read(plain).unwrap();
        assert_eq!(frozen.text(), plain);
        assert_eq!(toml::to_string(&frozen).unwrap(), plain);
        let mut odd = frozen.clone();
        odd.description = "two\nlines, \"quoted\" and 'so'".into();
        odd.parameters.clear();
        odd.indicators.clear();
        odd.stops.clear();
        odd.risk.leverage_caps.insert("BTCUSDT".into(), 3.5);
        odd.risk.max_position_size_usdt = None;
        odd.constraints.clear();
        assert_eq!(toml::to_string(&odd).unwrap(), odd.text());
        assert_eq!(StrategyV1::read(&odd.text()).unwrap(), odd);
    }
}
