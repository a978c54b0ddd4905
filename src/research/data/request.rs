//! What an import is asked for.

use super::cells::Named;
use super::error::DataError;
use super::treat::Treatments;
use std::collections::BTreeSet;

/// What to import.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Symbols in order; empty for all that have candles.
    pub symbols: Vec<String>,
    /// Bar interval, such as `1h`.
    pub interval: String,
    /// First time, milliseconds since 1970, if cut.
    pub from_ms: Option<i64>,
    /// Time before which it ends, if cut.
    pub to_ms: Option<i64>,
    /// How findings are treated.
    pub treatments: Treatments,
    /// Columns under other names than the usual ones.
    pub columns: Named,
    /// Interval of finer bars that are kept beside these, such as `5m`.
    pub detail: Option<String>,
    /// These are such finer bars: what is missing of them is unknown, and no finding.
    pub is_finer: bool,
    /// Fields beside the traded prices; all that there are when nothing is said.
    pub fields: Option<BTreeSet<&'static str>>,
}

/// What an import can be told to take beside the traded prices: other sources may not have it.
pub const EXTRAS: [(&str, &str); 4] = [
    ("volume", "traded amounts"),
    ("mark", "mark prices"),
    ("funding", "funding settlements"),
    ("funding_mark", "mark prices at the settlements"),
];

/// Reads a list of fields; the traded prices may be named and are always taken.
///
/// # Errors
/// A name that is none.
pub fn fields(names: &[String]) -> Result<BTreeSet<&'static str>, DataError> {
    let mut out = BTreeSet::new();
    for name in names.iter().filter(|n| !["open", "high", "low", "close"].contains(&n.as_str())) {
        let known = EXTRAS.iter().find(|(known, _)| known == name);
        let what = || {
            format!("there is no field '{name}'; there are open, high, low, close, volume, mark, funding, funding_mark")
        };
        out.insert(known.ok_or_else(|| DataError::Asked { what: what() })?.0);
    }
    if out.contains("funding_mark") {
        out.insert("funding");
    }
    Ok(out)
}

impl Request {
    pub(super) fn holds(&self, ms: i64) -> bool {
        self.from_ms.is_none_or(|f| ms >= f) && self.to_ms.is_none_or(|t| ms < t)
    }

    pub(super) fn wants(&self, symbol: &str) -> bool {
        self.symbols.is_empty() || self.symbols.iter().any(|s| s == symbol)
    }

    pub(super) fn takes(&self, field: &str) -> bool {
        self.fields.as_ref().is_none_or(|fields| fields.contains(field))
    }

    /// Times cut where another treatment begins to hold, or none any more.
    pub(super) fn parts<'t>(&self, code: &str, symbol: &str, times: &'t [i64]) -> Vec<&'t [i64]> {
        let of = |ms: &i64| self.treatments.place(code, symbol, *ms);
        times.chunk_by(|a, b| of(a) == of(b)).collect()
    }

    pub(super) fn way(&self, code: &str, symbol: &str, ms: i64) -> Option<&'static str> {
        self.treatments.of(code, symbol, ms).map(|t| t.way)
    }
}
