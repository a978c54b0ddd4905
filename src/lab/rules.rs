//! What is known of the exchange's rules: what is shipped, and what a lab has seen beside it. Books are made
//! from both, for the symbols and the time of a snapshot.

use crate::error::LabError;
use crate::folder::Lab;
use crate::place::lab_text;
use assay_ledger::storage::disk::{RealDisk, replace};
use assay_research::data::{brackets, exchange};
use assay_shared::rulebook::book::Wanted;
use assay_shared::rulebook::bracket::Bracket;
use assay_shared::rulebook::sightings::Sightings;
use assay_shared::rulebook::{Rulebook, SymbolRules};
use assay_shared::time::parse;
use std::path::{Path, PathBuf};

/// Fees and filters that are shipped.
const RULEBOOK: &str = include_str!("../../configs/rulebook.toml");
/// Bracket tables of all symbols that are shipped, by the days on which they were seen.
const BRACKETS: &str = include_str!("../../configs/brackets.txt");
/// What is shipped, in words.
pub const SOURCE: &str = "shipped: VIP 0 fees and filters of September 2026, bracket tables seen from 2022-02-16 on";
/// Name of the books that are made.
const NAME: &str = "binance-usdm";

/// What is shipped.
///
/// # Errors
/// None, but for shipped texts that do not read.
pub fn shipped() -> Result<Sightings, LabError> {
    let mut out = Sightings::parse(BRACKETS)?;
    out.join(&Sightings::of(&Rulebook::parse(RULEBOOK)?));
    Ok(out)
}

fn path(lab: &Lab) -> PathBuf {
    lab.dir.join("rules.txt")
}

/// What a lab has seen itself.
///
/// # Errors
/// A file that cannot be read or understood.
pub fn own(lab: &Lab) -> Result<Sightings, LabError> {
    match lab_text(&path(lab)) {
        Ok(text) => Ok(Sightings::parse(&text)?),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Sightings::default()),
        Err(e) => Err(LabError::io("read", &path(lab))(e)),
    }
}

/// Everything that is known in a lab, or without one.
///
/// # Errors
/// As [`own`].
pub fn known(lab: Option<&Lab>) -> Result<Sightings, LabError> {
    let mut out = shipped()?;
    if let Some(lab) = lab {
        out.join(&own(lab)?);
    }
    Ok(out)
}

/// What an import of rules brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brought {
    /// Symbols whose filters were read.
    pub filters: usize,
    /// Symbols whose bracket tables were read.
    pub brackets: usize,
    /// True when all of it was known.
    pub known: bool,
}

/// Reads answers of the exchange or tier files of ccxt into a lab. `seen` is the day on which they were, where
/// a file's name has none.
///
/// # Errors
/// A file that is none of them, a day that is none, or what contradicts what was seen on that day.
pub fn import(lab: &Lab, files: &[PathBuf], seen: Option<&str>) -> Result<Brought, LabError> {
    if let Some(day) = seen.filter(|day| day.len() != 10 || parse(day).is_none()) {
        return Err(LabError::usage(format!("'{day}' is not a day"), "write it as 2024-10-24"));
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
    if let Some(day) = seen.filter(|day| parse(day).is_some_and(|ms| ms > now)) {
        return Err(LabError::usage(format!("{day} has not come yet"), "say on which day the files were seen"));
    }
    let mut read = Sightings::default();
    for file in files {
        read.add(&one(file, None, seen)?)?;
    }
    if read == Sightings::default() {
        return Err(LabError::usage("these files say nothing of any symbol", "see `assay rules import --help`"));
    }
    let before = own(lab)?;
    let mut mine = before.clone();
    mine.add(&read)?;
    if mine != before {
        replace(&RealDisk, &path(lab), mine.text().as_bytes())?;
    }
    Ok(Brought { filters: read.filters.len(), brackets: read.brackets.len(), known: mine == before })
}

/// What a file says of the rules, of some symbols or all of them, whichever of the formats it has.
///
/// # Errors
/// A file that is none of them, or that has no day.
pub(crate) fn one(file: &Path, symbols: Option<&[String]>, seen: Option<&str>) -> Result<Sightings, LabError> {
    if file.exists() && !file.is_file() {
        return Err(LabError::usage(format!("{} is no regular file", file.display()), "name a file with an answer"));
    }
    let text = std::fs::read_to_string(file).map_err(LabError::io("read", file))?;
    if text.starts_with("assay-rules ") {
        return Ok(Sightings::parse(&text)?);
    }
    let mut filters = match exchange::filters(file, &text, seen)? {
        Some(filters) => filters,
        None => return Ok(brackets::sightings([file].into_iter(), symbols, seen)?),
    };
    filters.filters.retain(|symbol, _| symbols.is_none_or(|wanted| wanted.contains(symbol)));
    Ok(filters)
}

/// A rule book of what is known.
///
/// # Errors
/// As [`Sightings::book`].
pub fn book(known: &Sightings, source: &str, wanted: &Wanted<'_>) -> Result<Rulebook, LabError> {
    let made = known.book(NAME, source, wanted)?;
    // What is recorded is what reads back.
    Ok(Rulebook::parse(&made.text())?)
}

/// What holds for a symbol on a day, and since when it was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// Filters with the day on which they were seen.
    pub filters: Option<(String, SymbolRules)>,
    /// Brackets with the days on which they and the next ones were seen.
    pub brackets: Option<(String, Option<String>, Vec<Bracket>)>,
}

/// What was seen of a symbol up to a day, or, where nothing was yet, first after it.
pub fn show(known: &Sightings, symbol: &str, day: &str) -> Shown {
    let filters = known.filters.get(symbol).and_then(|seen| {
        let found = seen.range(..=day.to_string()).next_back().or_else(|| seen.first_key_value());
        found.map(|(day, filters)| (day.clone(), *filters))
    });
    let brackets = known.brackets.get(symbol).and_then(|seen| {
        let found = seen.range(..=day.to_string()).next_back().or_else(|| seen.first_key_value())?;
        let next = seen.range(found.0.clone()..).nth(1).map(|(day, _)| day.clone());
        Some((found.0.clone(), next, found.1.clone()))
    });
    Shown { filters, brackets }
}
