//! How findings are treated. A finding stops an import unless a treatment is named for it: everywhere, for
//! a symbol, or for a stretch of time. Each is recorded with the snapshot as it was written.

use super::error::DataError;
use assay_shared::time::{DAY_MS, parse};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Findings that can be treated, the ways to treat them, and what each does.
pub const WAYS: [(&str, &str, &str); 22] = [
    ("disordered", "sort", "put the rows in order of time"),
    ("off-grid", "drop", "leave the rows out"),
    ("off-grid", "snap", "give them the bar's time in which they begin, where that bar is missing"),
    ("impossible-bar", "drop", "leave the bars out, which leaves a gap: name a treatment of gaps too"),
    ("spike", "drop", "leave the bars out, which leaves a gap: name a treatment of gaps too"),
    ("spike", "keep", "believe bars that are far from those before and after them"),
    ("contradiction", "first", "of rows that contradict each other keep the first"),
    ("contradiction", "last", "of rows that contradict each other keep the last"),
    ("wrong-close", "keep", "believe the opening times"),
    ("gap", "longest", "keep the symbol's longest stretch without such a gap"),
    ("gap", "hold", "fill the missing bars with the last close and no volume"),
    ("ends-early", "delisted", "the symbol ended for good: what is open is settled at its last mark price"),
    ("ended", "cut", "end the data at the last bar with trading"),
    ("ended", "keep", "keep the bars without trading"),
    ("no-mark", "last-price", "use the traded price where there is no mark price"),
    ("no-funding", "zero", "assume that nothing was settled"),
    ("funding-gap", "zero", "assume that nothing was settled in the gap"),
    ("odd-funding", "keep", "believe a rate of over ten percent"),
    ("duplicate-funding", "first", "of two rates at one time keep the first"),
    ("duplicate-funding", "last", "of two rates at one time keep the last"),
    ("detail-differs", "drop", "leave the finer bars out of bars that say other prices, however many they are"),
    ("all-zero-volume", "traded", "take the prices for traded ones, though nothing was traded"),
];

/// One treatment.
#[derive(Debug, Clone)]
pub struct Treatment {
    code: String,
    /// What is done.
    pub way: &'static str,
    symbol: Option<String>,
    /// Times from and before which it holds.
    range: Option<(i64, i64)>,
    text: String,
    /// It treated something.
    used: Arc<AtomicBool>,
}

impl PartialEq for Treatment {
    fn eq(&self, other: &Treatment) -> bool {
        self.text == other.text
    }
}

impl Eq for Treatment {}

impl fmt::Display for Treatment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Treatment {
    /// Reads `CODE=WAY`, `CODE=WAY@SYMBOL` or `CODE=WAY@SYMBOL:FROM..TO`; a date alone as TO ends with that
    /// day.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Treatment, DataError> {
        Treatment::read(text).map_err(|what| DataError::Asked { what })
    }

    fn read(text: &str) -> Result<Treatment, String> {
        let (what, place) = text.split_once('@').map_or((text, None), |(what, place)| (what, Some(place)));
        let (code, way) = what.split_once('=').ok_or_else(|| format!("'{text}' is not written like gap=hold"))?;
        let ways: Vec<&(&str, &str, &str)> = WAYS.iter().filter(|(known, ..)| *known == code).collect();
        if ways.is_empty() {
            let mut codes: Vec<&str> = WAYS.iter().map(|(code, ..)| *code).collect();
            codes.dedup();
            return Err(format!("no finding '{code}' can be treated; there are {}", codes.join(", ")));
        }
        let known = ways.iter().map(|(_, way, _)| *way).collect::<Vec<_>>();
        let way = ways.iter().find(|(_, known, _)| *known == way).map(|(_, way, _)| *way);
        let way = way.ok_or_else(|| format!("'{code}' is treated by {}", known.join(" or ")))?;
        let (symbol, range) = match place.map(|p| p.split_once(':').map_or((p, None), |(s, r)| (s, Some(r)))) {
            None => (None, None),
            Some((symbol, range)) => (Some(symbol.to_uppercase()), range.map(stretch).transpose()?),
        };
        if symbol.as_deref() == Some("") {
            return Err(format!("'{text}' names no symbol after the @"));
        }
        Ok(Treatment { code: code.into(), way, symbol, range, text: text.into(), used: Arc::default() })
    }
}

fn stretch(text: &str) -> Result<(i64, i64), String> {
    let wrong = || format!("'{text}' is no stretch of time: write it like 2024-01-01..2024-01-03");
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let begin = if from.is_empty() { i64::MIN } else { parse(from).ok_or_else(wrong)? };
    let end = match to {
        "" => i64::MAX,
        to => parse(to).ok_or_else(wrong)? + if to.len() <= 10 { DAY_MS } else { 0 },
    };
    if begin < end { Ok((begin, end)) } else { Err(wrong()) }
}

/// The treatments of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Treatments(pub Vec<Treatment>);

impl Treatments {
    /// Reads several.
    ///
    /// # Errors
    /// The first that is none, and two that treat the same in two ways.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Treatments, DataError> {
        let mut out: Vec<Treatment> = Vec::new();
        for text in texts {
            let new = Treatment::parse(text)?;
            let place = |t: &Treatment| (t.code.clone(), t.symbol.clone(), t.range);
            if let Some(other) = out.iter().find(|t| place(t) == place(&new) && t.way != new.way) {
                let what = format!("'{other}' and '{new}' contradict each other");
                return Err(DataError::Asked { what });
            }
            out.push(new);
        }
        Ok(Treatments(out))
    }

    /// Those that treated something, as they were written, for the record.
    pub fn names(&self) -> Vec<String> {
        let used = self.0.iter().filter(|t| t.used.load(Ordering::Relaxed));
        used.map(ToString::to_string).collect()
    }

    /// Those that treated nothing.
    pub fn idle(&self) -> Vec<String> {
        let idle = self.0.iter().filter(|t| !t.used.load(Ordering::Relaxed));
        idle.map(ToString::to_string).collect()
    }

    fn at(&self, code: &str, symbol: &str, ms: i64) -> Option<usize> {
        let fits = |t: &Treatment| {
            t.code == code
                && t.symbol.as_deref().is_none_or(|s| s == symbol)
                && t.range.is_none_or(|(from, to)| (from..to).contains(&ms))
        };
        let fitting = self.0.iter().enumerate().filter(|(_, t)| fits(t));
        fitting.max_by_key(|(_, t)| (t.range.is_some(), t.symbol.is_some())).map(|(at, _)| at)
    }

    /// Which treatment holds for a finding in a symbol at a time.
    pub(super) fn place(&self, code: &str, symbol: &str, ms: i64) -> Option<usize> {
        self.at(code, symbol, ms)
    }

    /// The treatment of a finding in a symbol at a time; the narrowest counts. It is taken to be used.
    pub(super) fn of(&self, code: &str, symbol: &str, ms: i64) -> Option<&Treatment> {
        let found = self.at(code, symbol, ms).map(|at| &self.0[at]);
        if let Some(t) = found {
            t.used.store(true, Ordering::Relaxed);
        }
        found
    }
}

/// The ways in which a finding can be treated.
pub fn ways(code: &str) -> Vec<&'static str> {
    WAYS.iter().filter(|(known, ..)| *known == code).map(|(_, way, _)| *way).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_counts() {
        let all = Treatments::parse(["gap=longest", "gap=hold@btcusdt:2024-01-01..2024-01-02"]).unwrap();
        let at = |symbol: &str, day: &str| all.of("gap", symbol, parse(day).unwrap()).unwrap().way;
        assert_eq!((at("BTCUSDT", "2024-01-02 23:00"), at("BTCUSDT", "2024-01-03")), ("hold", "longest"));
        assert_eq!(at("ETHUSDT", "2024-01-01"), "longest");
        assert_eq!(all.of("no-mark", "BTCUSDT", 0), None);
        assert_eq!(all.names(), ["gap=longest", "gap=hold@btcusdt:2024-01-01..2024-01-02"]);
        let idle = Treatments::parse(["gap=hold@A", "gap=hold@B"]).unwrap();
        assert!(idle.of("gap", "A", 0).is_some());
        assert_eq!((idle.names(), idle.idle()), (vec!["gap=hold@A".to_string()], vec!["gap=hold@B".to_string()]));
        let clash = Treatments::parse(["gap=hold", "gap=longest"]).unwrap_err().to_string();
        assert!(clash.contains("contradict each other"), "{clash}");
    }

    #[test]
    fn wrong_ones_say_what_would_do() {
        for (text, words) in [
            ("gap", "written like gap=hold"),
            ("gap=x", "treated by longest or hold"),
            ("hole=hold", "there are disordered, off-grid"),
            ("gap=hold@:2024-01-01..2024-02-01", "names no symbol"),
            ("gap=hold@A:yesterday", "no stretch of time"),
            ("gap=hold@A:2024-02-01..2024-01-01", "no stretch of time"),
        ] {
            let said = Treatment::parse(text).unwrap_err().to_string();
            assert!(said.contains(words), "{text}: {said}");
        }
    }
}
