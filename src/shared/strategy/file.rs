//! The strategy file in its working form, as TOML reads it.

use super::space::Range;
use crate::account::{LossLimits, MarginMode};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;
use toml::Spanned;

/// An expression's text; a bare number is allowed too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Text, D::Error> {
        struct V;
        impl Visitor<'_> for V {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an expression in quotes, or a number")
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Text, E> {
                Ok(Text(v.trim().into()))
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Text, E> {
                Ok(Text(v.to_string()))
            }
            fn visit_f64<E: de::Error>(self, v: f64) -> Result<Text, E> {
                Ok(Text(v.to_string()))
            }
        }
        d.deserialize_any(V)
    }
}

/// Entries and exits. At least one entry must be given.
#[derive(Debug, Clone, PartialEq, Deserialize, Default)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct SignalTexts {
    #[serde(default)]
    pub long_entry: Option<Spanned<Text>>,
    #[serde(default)]
    pub long_exit: Option<Spanned<Text>>,
    #[serde(default)]
    pub short_entry: Option<Spanned<Text>>,
    #[serde(default)]
    pub short_exit: Option<Spanned<Text>>,
}

/// Stops as fractions of the entry price, evaluated on the bar of the signal.
#[derive(Debug, Clone, PartialEq, Deserialize, Default)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct StopTexts {
    #[serde(default)]
    pub stop_loss: Option<Spanned<Text>>,
    #[serde(default)]
    pub take_profit: Option<Spanned<Text>>,
    #[serde(default)]
    pub trailing_stop: Option<Spanned<Text>>,
}

/// How large a position is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sizing {
    /// Initial margin of a position as a fraction of equity.
    pub margin_fraction: Spanned<Text>,
    /// Leverage: notional / initial margin.
    pub leverage: Spanned<Text>,
}

/// Caps.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Risk {
    /// Isolated or cross.
    pub margin_mode: MarginMode,
    /// Most positions open at once.
    pub max_concurrent_positions: u32,
    /// Largest notional of one position, USDT.
    #[serde(default)]
    pub max_position_size_usdt: Option<f64>,
    /// Highest leverage by symbol.
    #[serde(default)]
    pub leverage_caps: BTreeMap<String, f64>,
    /// Bars after a position has closed in which its symbol takes no entry.
    #[serde(default)]
    pub cooldown: u32,
    /// Losses at which trading stops.
    #[serde(default)]
    pub loss_limits: LossLimits,
}

/// A strategy as its file says it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StrategyFile {
    /// Format of its text; absent in a file that a person wrote.
    #[serde(default)]
    pub format: Option<u32>,
    /// Name: lower-case letters, digits and `-`; also the file name of its promoted config.
    pub name: String,
    /// What it does, for people.
    pub description: String,
    /// Bar interval, such as `1h`.
    pub interval: String,
    /// Symbols, in the order in which entries are filled.
    pub symbols: Vec<String>,
    /// Symbols that are read and not traded: they need no rules of the exchange.
    #[serde(default)]
    pub references: Vec<String>,
    /// Relations between parameters that must hold, such as `fast < slow`.
    #[serde(default)]
    pub constraints: Vec<Spanned<Text>>,
    /// Parameters and their search space.
    #[serde(default)]
    pub parameters: BTreeMap<String, Range>,
    /// Named expressions.
    #[serde(default)]
    pub indicators: BTreeMap<String, Spanned<Text>>,
    /// Entries and exits.
    pub signals: SignalTexts,
    /// Stops.
    #[serde(default)]
    pub stops: StopTexts,
    /// Position size.
    pub sizing: Sizing,
    /// Caps.
    pub risk: Risk,
}

impl StrategyFile {
    /// The symbols of its data: those that it trades, then those that it only reads.
    pub fn all_symbols(&self) -> Vec<String> {
        self.symbols.iter().chain(&self.references).cloned().collect()
    }
}
