//! The rule book: maintenance brackets, fees, funding, steps, each with effective dates.
//!
//! A rule book is TOML with a hash. A run whose window it does not cover is refused. It is made for some symbols
//! from all that was ever seen of the rules ([`sightings`]).

pub mod book;
pub mod bracket;
pub mod liquidation;
pub mod sightings;
#[cfg(test)]
pub(crate) mod tests;

use crate::time;
use bracket::{Bracket, Brackets};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The whole book, in the shape of its TOML file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rulebook {
    /// Format of its text: what was read in an old one keeps its hash.
    pub format: u32,
    /// Name for people.
    pub name: String,
    /// Where the figures come from.
    pub source: String,
    /// What in it is assumed, since nobody saw it, in words.
    #[serde(default)]
    pub assumptions: Vec<String>,
    /// Fee and filter rules, each from a date on.
    pub rules: Vec<Rules>,
    /// Bracket tables, each from a date on; none when nothing is known of any symbol.
    #[serde(default)]
    pub brackets: Vec<BracketSet>,
}

/// Fees and filters from a date on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// First day, `YYYY-MM-DD`, UTC.
    pub effective: String,
    /// Fraction of notional for orders that take liquidity.
    pub taker_fee: f64,
    /// Fraction of notional for orders that make liquidity.
    pub maker_fee: f64,
    /// Fraction of the liquidated notional.
    pub liquidation_fee: f64,
    /// Hours between funding settlements when a symbol has no rule of its own.
    pub funding_interval_hours: u32,
    /// Per symbol: quantity step, minimum notional.
    pub symbols: BTreeMap<String, SymbolRules>,
}

/// A symbol's order filters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SymbolRules {
    /// Quantities are multiples of this, in the base asset.
    pub step: f64,
    /// Prices are multiples of this, in USDT.
    pub tick: f64,
    /// Smallest order, in USDT.
    pub min_notional: f64,
    /// Fraction of the liquidated notional, where the symbol has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liquidation_fee: Option<f64>,
}

/// Bracket tables of several symbols from a date on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BracketSet {
    /// First day, `YYYY-MM-DD`, UTC.
    pub effective: String,
    /// Per symbol its brackets, lowest notional first.
    pub symbols: BTreeMap<String, Vec<Bracket>>,
}

/// What is wrong with a rule book, or what it does not cover.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RulebookError {
    /// The text is not a rule book.
    #[error("the rule book is malformed: {0}")]
    Malformed(String),
    /// Figures that contradict each other.
    #[error("the rule book's {symbol} brackets of {effective} are inconsistent: {what}")]
    Inconsistent {
        /// Symbol.
        symbol: String,
        /// Date of the table.
        effective: String,
        /// The contradiction.
        what: String,
    },
    /// Two things that were seen on one day differ.
    #[error("two different {what} of {symbol} were seen on {day}")]
    Contradiction {
        /// Symbol.
        symbol: String,
        /// The day.
        day: String,
        /// What differs.
        what: &'static str,
    },
    /// Fees and filters begin later.
    #[error("the rule book knows no fees at {at}: they begin on {first}")]
    NoFees {
        /// Time asked for.
        at: String,
        /// First date that is covered.
        first: String,
    },
    /// Nothing is known of a symbol's order filters.
    #[error("the rule book knows no step, tick and minimum notional of {symbol}")]
    NoFilters {
        /// Symbol.
        symbol: String,
    },
    /// No table of a symbol's brackets, or none yet.
    #[error("the rule book has no bracket table of {symbol}{}", first.as_ref().map(|f| format!(" at {at}: the first one is of {f}")).unwrap_or_default())]
    NoBrackets {
        /// Symbol.
        symbol: String,
        /// Time asked for.
        at: String,
        /// First date that is covered, if any.
        first: Option<String>,
    },
}

/// What holds for one symbol at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct InForce {
    /// Bracket table.
    pub brackets: Brackets,
    /// Order filters.
    pub filters: SymbolRules,
    /// Taker fee as a fraction.
    pub taker_fee: f64,
    /// Maker fee as a fraction.
    pub maker_fee: f64,
    /// Liquidation fee as a fraction.
    pub liquidation_fee: f64,
    /// Funding interval in hours.
    pub funding_interval_hours: u32,
}

impl InForce {
    /// What stands for the rules of a symbol that cannot be traded yet: nothing is allowed.
    pub(crate) fn unknown() -> InForce {
        InForce {
            brackets: Brackets::nothing(),
            filters: SymbolRules { step: f64::MAX, tick: f64::MAX, min_notional: f64::MAX, liquidation_fee: None },
            taker_fee: 1.0,
            maker_fee: 1.0,
            liquidation_fee: 1.0,
            funding_interval_hours: 8,
        }
    }
}

impl Rulebook {
    pub(crate) fn check(&self) -> Result<(), RulebookError> {
        let dates: Vec<&str> = self.rules.iter().map(|r| r.effective.as_str()).collect();
        ascending(&dates)?;
        let dates: Vec<&str> = self.brackets.iter().map(|b| b.effective.as_str()).collect();
        if self.format == 1 || !dates.is_empty() {
            ascending(&dates)?;
        }
        for rules in &self.rules {
            let rates = [rules.taker_fee, rules.maker_fee, rules.liquidation_fee];
            let filters = rules.symbols.values().flat_map(|s| [s.step, s.tick, s.min_notional]);
            let own = rules.symbols.values().filter_map(|s| s.liquidation_fee);
            let own: Vec<f64> = own.collect();
            if own.iter().any(|r| *r < 0.0)
                || own.into_iter().chain(rates).any(|r| !(-0.01..0.1).contains(&r))
                || rules.funding_interval_hours == 0
            {
                return Err(RulebookError::Malformed(format!("rules of {}: a fee is out of range", rules.effective)));
            }
            // A maker may be paid, out of what the taker pays; nobody is paid to trade.
            if rules.taker_fee < 0.0 || rules.liquidation_fee < 0.0 || rules.maker_fee < -rules.taker_fee {
                let what = "a fee is negative, and no more than the taker's can be paid to a maker";
                return Err(RulebookError::Malformed(format!("rules of {}: {what}", rules.effective)));
            }
            if filters.into_iter().any(|v| !v.is_finite() || v <= 0.0) {
                return Err(RulebookError::Malformed(format!("rules of {}: steps must be positive", rules.effective)));
            }
        }
        for set in &self.brackets {
            for (symbol, table) in &set.symbols {
                Brackets::new(table.clone()).map_err(|problem| RulebookError::Inconsistent {
                    symbol: symbol.clone(),
                    effective: set.effective.clone(),
                    what: problem.to_string(),
                })?;
            }
        }
        Ok(())
    }

    /// What holds for a symbol at a time (milliseconds since 1970).
    ///
    /// # Errors
    /// What of it is not known: fees at that time, the symbol's filters, its brackets.
    pub fn in_force(&self, symbol: &str, ms: i64) -> Result<InForce, RulebookError> {
        let start = |date: &str| time::parse(date).unwrap_or(i64::MAX);
        let at = || time::format_ms(ms);
        let no_fees = || RulebookError::NoFees {
            at: at(),
            first: self.rules.first().map(|r| r.effective.clone()).unwrap_or_default(),
        };
        let rules = self.rules.iter().rev().find(|r| start(&r.effective) <= ms).ok_or_else(no_fees)?;
        let filters = rules.symbols.get(symbol).or_else(|| rules.symbols.get("*"));
        let filters = filters.ok_or_else(|| RulebookError::NoFilters { symbol: symbol.into() })?;
        let mut sets = self.brackets.iter().filter(|b| b.symbols.contains_key(symbol));
        let set = sets.clone().rev().find(|b| start(&b.effective) <= ms);
        let no_brackets = || RulebookError::NoBrackets {
            symbol: symbol.into(),
            at: at(),
            first: sets.next().map(|b| b.effective.clone()),
        };
        let table = set.and_then(|s| s.symbols.get(symbol)).ok_or_else(no_brackets)?;
        let brackets = Brackets::new(table.clone()).map_err(|problem| RulebookError::Malformed(problem.to_string()))?;
        Ok(InForce {
            brackets,
            filters: *filters,
            taker_fee: rules.taker_fee,
            maker_fee: rules.maker_fee,
            liquidation_fee: filters.liquidation_fee.unwrap_or(rules.liquidation_fee),
            funding_interval_hours: rules.funding_interval_hours,
        })
    }

    /// When the next of its tables begins after a time (milliseconds since 1970): until then what is in force
    /// stays in force.
    pub fn next_change(&self, ms: i64) -> i64 {
        let starts = self.rules.iter().map(|r| &r.effective).chain(self.brackets.iter().map(|b| &b.effective));
        starts.filter_map(|d| time::parse(d)).filter(|s| *s > ms).min().unwrap_or(i64::MAX)
    }
}

fn ascending(dates: &[&str]) -> Result<(), RulebookError> {
    let parsed: Option<Vec<i64>> = dates.iter().map(|d| time::parse(d)).collect();
    match parsed {
        Some(p) if !p.is_empty() && p.windows(2).all(|w| w[0] < w[1]) => Ok(()),
        _ => Err(RulebookError::Malformed(format!("effective dates must be given and ascend: {dates:?}"))),
    }
}
