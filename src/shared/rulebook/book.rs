//! A rule book for some symbols from what was seen of the rules: what is not known for a day is an assumption
//! that has a name.

use super::bracket::{Bracket, harsher};
use super::sightings::{ByDay, Sightings};
use super::{BracketSet, Rulebook, RulebookError, Rules, SymbolRules};
use crate::time;
use std::collections::{BTreeMap, BTreeSet};

/// Which bracket table holds between two days on which different ones were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Between {
    /// The harsher of both: nobody knows when the one took the other's place.
    #[default]
    Harsher,
    /// The one that was seen before.
    AsSeen,
}

/// What a book is wanted for.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// Symbols.
    pub symbols: &'a [String],
    /// From this time on, milliseconds since 1970.
    pub from_ms: i64,
    /// Which table holds between two sightings.
    pub between: Between,
    /// The day from which on each symbol's oldest table is held to be in force.
    pub assume_brackets_from: Option<&'a str>,
}

/// What holds from which day on, and the day from which it is only assumed.
struct Dated<T> {
    from: ByDay<T>,
    assumed: Option<(String, String)>,
}

/// Each thing from its day on; from `start` on at the latest, where the first was seen later.
fn dated<T: Clone>(seen: &ByDay<T>, start: &str) -> Option<Dated<T>> {
    let (first, value) = seen.first_key_value()?;
    let mut from: ByDay<T> = seen.clone();
    let assumed = (first.as_str() > start).then(|| {
        from.insert(start.into(), value.clone());
        (first.clone(), start.to_string())
    });
    // What ends before the start is of no use.
    if let Some(last) = from.range(..=start.to_string()).next_back().map(|(day, _)| day.clone()) {
        from.retain(|day, _| *day >= last);
    }
    Some(Dated { from, assumed })
}

fn value_at<'v, T>(from: &'v ByDay<T>, day: &str) -> Option<&'v T> {
    from.range(..=day.to_string()).next_back().map(|(_, value)| value)
}

impl Sightings {
    /// The rule book.
    ///
    /// # Errors
    /// [`RulebookError::NoFees`], when no fees were ever seen; a day to assume brackets from that is none.
    pub fn book(&self, name: &str, source: &str, wanted: &Wanted<'_>) -> Result<Rulebook, RulebookError> {
        let start = time::format_date(wanted.from_ms);
        let mut assumptions = Vec::new();
        let rules = self.rules(wanted.symbols, &start, &mut assumptions)?;
        let brackets = self.tables(wanted, &start, &mut assumptions)?;
        assumptions.sort();
        let (name, source) = (name.into(), source.into());
        let format = crate::format::rulebook::CURRENT;
        Ok(Rulebook { format, name, source, assumptions, rules, brackets })
    }

    fn rules(&self, symbols: &[String], start: &str, assumed: &mut Vec<String>) -> Result<Vec<Rules>, RulebookError> {
        let none = || RulebookError::NoFees { at: start.into(), first: "no day".into() };
        let fees = dated(&self.fees, start).ok_or_else(none)?;
        if let Some((seen, from)) = fees.assumed {
            assumed.push(format!("fees: seen on {seen}, assumed from {from} on"));
        }
        let mut filters: BTreeMap<&String, Dated<SymbolRules>> = BTreeMap::new();
        let mut late: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for symbol in symbols {
            let Some(mut own) = self.filters.get(symbol).and_then(|seen| dated(seen, start)) else { continue };
            if let Some((seen, _)) = own.assumed.take() {
                late.entry(seen).or_default().push(symbol);
            }
            filters.insert(symbol, own);
        }
        for (seen, symbols) in late {
            assumed.push(format!("filters of {}: seen on {seen}, assumed from {start} on", symbols.join(", ")));
        }
        let days: BTreeSet<&String> = fees.from.keys().chain(filters.values().flat_map(|f| f.from.keys())).collect();
        let of = |day: &&String| {
            let fees = value_at(&fees.from, day)?;
            let own =
                |(symbol, f): (&&String, &Dated<SymbolRules>)| Some(((*symbol).clone(), *value_at(&f.from, day)?));
            Some(Rules {
                effective: (*day).clone(),
                taker_fee: fees.taker,
                maker_fee: fees.maker,
                liquidation_fee: fees.liquidation,
                funding_interval_hours: fees.funding_interval_hours,
                symbols: filters.iter().filter_map(own).collect(),
            })
        };
        let mut out: Vec<Rules> = days.iter().filter_map(of).collect();
        out.dedup_by(|b, a| Rules { effective: a.effective.clone(), ..b.clone() } == *a);
        Ok(out)
    }

    fn tables(
        &self,
        wanted: &Wanted<'_>,
        start: &str,
        assumed: &mut Vec<String>,
    ) -> Result<Vec<BracketSet>, RulebookError> {
        let mut out: BTreeMap<String, BTreeMap<String, Vec<Bracket>>> = BTreeMap::new();
        let mut late: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        let mut changed = false;
        for symbol in wanted.symbols {
            let Some(seen) = self.brackets.get(symbol).filter(|seen| !seen.is_empty()) else { continue };
            let mut from = ByDay::new();
            for ((day, table), next) in seen.iter().zip(seen.values().skip(1).map(Some).chain([None])) {
                let holds = match (wanted.between, next) {
                    (Between::Harsher, Some(next)) if next != table => {
                        changed = true;
                        harsher(table, next)
                    }
                    _ => table.clone(),
                };
                from.insert(day.clone(), holds);
            }
            if let (Some(day), Some((first, table))) = (wanted.assume_brackets_from, seen.first_key_value())
                && day < first.as_str()
            {
                from.insert(day.into(), table.clone());
                late.entry(first.clone()).or_default().push(symbol);
            }
            if let Some(last) = from.range(..=start.to_string()).next_back().map(|(day, _)| day.clone()) {
                from.retain(|day, _| *day >= last);
            }
            let mut before: Option<Vec<Bracket>> = None;
            for (day, table) in from {
                if before.as_ref() != Some(&table) {
                    out.entry(day).or_default().insert(symbol.clone(), table.clone());
                }
                before = Some(table);
            }
        }
        let from = wanted.assume_brackets_from.unwrap_or_default();
        for (seen, symbols) in late {
            assumed.push(format!("brackets of {}: seen on {seen}, assumed from {from} on", symbols.join(", ")));
        }
        if changed {
            assumed.push("brackets between two sightings: the harsher of both".into());
        }
        if wanted.between == Between::AsSeen {
            assumed.push("brackets between two sightings: the one that was seen before".into());
        }
        Ok(out.into_iter().map(|(effective, symbols)| BracketSet { effective, symbols }).collect())
    }
}
