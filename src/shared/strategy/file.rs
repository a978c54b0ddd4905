//! The strategy file: TOML, checked, with a canonical form that is hashed.

use super::diagnostic::Diagnostic;
use super::program::Program;
use super::space::{Params, Range, Value, defaults};
use assay_ledger::Hash;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use toml::Spanned;

/// The largest strategy file.
pub const MAX_TEXT: usize = 32_768;

/// An expression's text; a bare number is allowed too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
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

/// How margin is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MarginMode {
    /// Each position has a wallet of its own.
    Isolated,
    /// All positions share the account's wallet.
    Cross,
}

/// Entries and exits. At least one entry must be given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct SignalTexts {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_entry: Option<Spanned<Text>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_exit: Option<Spanned<Text>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short_entry: Option<Spanned<Text>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short_exit: Option<Spanned<Text>>,
}

/// Stops as fractions of the entry price, evaluated on the bar of the signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct StopTexts {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_loss: Option<Spanned<Text>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub take_profit: Option<Spanned<Text>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trailing_stop: Option<Spanned<Text>>,
}

/// How large a position is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sizing {
    /// Initial margin of a position as a fraction of equity.
    pub margin_fraction: Spanned<Text>,
    /// Leverage: notional / initial margin.
    pub leverage: Spanned<Text>,
}

/// Caps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Risk {
    /// Isolated or cross.
    pub margin_mode: MarginMode,
    /// Most positions open at once.
    pub max_concurrent_positions: u32,
    /// Largest notional of one position, USDT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_position_size_usdt: Option<f64>,
    /// Highest leverage by symbol.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub leverage_caps: BTreeMap<String, f64>,
}

/// A strategy as its file says it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StrategyFile {
    /// Name: lower-case letters, digits and `-`; also the file name of its promoted config.
    pub name: String,
    /// What it does, for people.
    pub description: String,
    /// Bar interval, such as `1h`.
    pub interval: String,
    /// Symbols, in the order in which entries are filled.
    pub symbols: Vec<String>,
    /// Relations between parameters that must hold, such as `fast < slow`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
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

/// A strategy that was read, checked and parsed.
#[derive(Debug, Clone)]
pub struct Strategy {
    /// The file.
    pub file: StrategyFile,
    /// Its expressions.
    pub program: Program,
    /// Bar interval, milliseconds.
    pub interval_ms: i64,
}

impl Strategy {
    /// Reads a strategy file and checks everything that can be checked without data, with every
    /// problem at its place.
    ///
    /// # Errors
    /// All problems found, in the order of the text.
    pub fn parse(text: &str) -> Result<Strategy, Vec<Diagnostic>> {
        if text.len() > MAX_TEXT {
            return Err(vec![Diagnostic::new(format!("the file is over {MAX_TEXT} bytes"), 0..1)]);
        }
        let file: StrategyFile = toml::from_str(text)
            .map_err(|e| vec![Diagnostic::new(e.message().to_string(), e.span().unwrap_or(0..1))])?;
        let mut problems = check_file(&file, text);
        let interval_ms = crate::time::interval_ms(&file.interval).unwrap_or_default();
        match Program::parse(&file, text) {
            Err(found) => problems.extend(found),
            Ok(program) if problems.is_empty() => {
                let strategy = Strategy { file, program, interval_ms };
                return match super::bind::Bound::new(&strategy, &defaults(&strategy.file.parameters)) {
                    Ok(_) => Ok(strategy),
                    Err(d) => Err(vec![d]),
                };
            }
            Ok(_) => {}
        }
        problems.sort_by_key(|d| d.span.start);
        Err(problems)
    }

    /// The canonical text: what the file says, without comments and layout.
    pub fn canonical(&self) -> String {
        toml::to_string(&self.file).unwrap_or_default()
    }

    /// SHA-256 of the canonical text.
    pub fn hash(&self) -> Hash {
        Hash::of_parts(&[b"assay/strategy/v1\0", self.canonical().as_bytes()])
    }

    /// Checks given values against the space and fills in defaults.
    ///
    /// # Errors
    /// An unknown name or a value out of range, in words.
    pub fn params(&self, given: &BTreeMap<String, String>) -> Result<Params, String> {
        let mut out = defaults(&self.file.parameters);
        for (name, text) in given {
            let known = || self.file.parameters.keys().cloned().collect::<Vec<_>>().join(", ");
            let range = self
                .file
                .parameters
                .get(name)
                .ok_or_else(|| format!("there is no parameter '{name}' (there are: {})", known()))?;
            let value = range.value_of(text).filter(|v| range.contains(*v));
            let value = value.ok_or_else(|| format!("'{text}' is not in the range of '{name}'"))?;
            out.insert(name.clone(), value);
        }
        Ok(out)
    }

    /// Whether values are complete, in range and keep all constraints.
    ///
    /// # Errors
    /// What does not fit, in words.
    pub fn check_params(&self, params: &Params) -> Result<(), String> {
        for (name, range) in &self.file.parameters {
            let value: &Value = params.get(name).ok_or_else(|| format!("the parameter '{name}' has no value"))?;
            if !range.contains(*value) {
                return Err(format!("{name} = {value} is out of its range"));
            }
        }
        match params.keys().find(|k| !self.file.parameters.contains_key(*k)) {
            Some(extra) => Err(format!("there is no parameter '{extra}'")),
            None => Ok(()),
        }
    }
}

fn find(text: &str, what: &str) -> std::ops::Range<usize> {
    text.find(what).map_or(0..1, |at| at..at + what.len())
}

fn check_file(file: &StrategyFile, text: &str) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    let mut problem = |message: String, at: &str| out.push(Diagnostic::new(message, find(text, at)));
    let name_ok = |n: &str| {
        !n.is_empty() && n.len() <= 48 && n.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if !name_ok(&file.name) {
        problem("a name has 1 to 48 lower-case letters, digits and '-'".into(), "name");
    }
    if crate::time::interval_ms(&file.interval).is_none() {
        problem(format!("'{}' is not an interval such as 1m, 1h, 4h or 1d", file.interval), "interval");
    }
    if file.symbols.is_empty() || file.symbols.iter().enumerate().any(|(i, s)| file.symbols[..i].contains(s)) {
        problem("symbols must be given, each once".into(), "symbols");
    }
    if let Some(bad) =
        file.symbols.iter().find(|s| s.is_empty() || !s.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()))
    {
        problem(format!("'{bad}' is not a symbol such as BTCUSDT"), bad);
    }
    for (name, range) in &file.parameters {
        if let Err(what) = range.check() {
            problem(format!("the range of '{name}' is impossible: {what}"), name);
        }
    }
    let caps = &file.risk;
    if caps.max_concurrent_positions == 0 {
        problem("max_concurrent_positions must be at least 1".into(), "max_concurrent_positions");
    }
    if caps.max_position_size_usdt.is_some_and(|v| !v.is_finite() || v <= 0.0) {
        problem("max_position_size_usdt must be positive".into(), "max_position_size_usdt");
    }
    if let Some((s, _)) =
        caps.leverage_caps.iter().find(|(s, v)| !(1.0..=150.0).contains(*v) || !file.symbols.contains(s))
    {
        problem(
            format!("the leverage cap of '{s}' is out of 1 to 150, or it is not one of the symbols"),
            "leverage_caps",
        );
    }
    if file.signals.long_entry.is_none() && file.signals.short_entry.is_none() {
        problem("give at least one of long_entry and short_entry".into(), "[signals]");
    }
    out
}
