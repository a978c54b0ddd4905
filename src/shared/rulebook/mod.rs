//! The rule book: maintenance brackets, fees, funding, steps, each with effective dates.
//!
//! A rule book is TOML with a hash. A run whose window it does not cover is refused.

pub mod bracket;
pub mod liquidation;

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
    /// Fee and filter rules, each from a date on.
    pub rules: Vec<Rules>,
    /// Bracket tables, each from a date on.
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
    /// Liquidation fee as a fraction.
    pub liquidation_fee: f64,
    /// Funding interval in hours.
    pub funding_interval_hours: u32,
    /// These rules hold before this time (milliseconds since 1970).
    pub until_ms: i64,
}

impl Rulebook {
    pub(crate) fn check(&self) -> Result<(), RulebookError> {
        let dates: Vec<&str> = self.rules.iter().map(|r| r.effective.as_str()).collect();
        ascending(&dates)?;
        let dates: Vec<&str> = self.brackets.iter().map(|b| b.effective.as_str()).collect();
        ascending(&dates)?;
        for rules in &self.rules {
            let rates = [rules.taker_fee, rules.maker_fee, rules.liquidation_fee];
            let filters = rules.symbols.values().flat_map(|s| [s.step, s.tick, s.min_notional]);
            if rates.iter().any(|r| !(-0.01..0.1).contains(r)) || rules.funding_interval_hours == 0 {
                return Err(RulebookError::Malformed(format!("rules of {}: a fee is out of range", rules.effective)));
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
        let starts = self.rules.iter().map(|r| &r.effective).chain(self.brackets.iter().map(|b| &b.effective));
        let until_ms = starts.map(|d| start(d)).filter(|s| *s > ms).min().unwrap_or(i64::MAX);
        Ok(InForce {
            brackets,
            filters: *filters,
            taker_fee: rules.taker_fee,
            liquidation_fee: rules.liquidation_fee,
            funding_interval_hours: rules.funding_interval_hours,
            until_ms,
        })
    }

    /// Replaces the bracket tables, keeping fees and filters.
    #[must_use]
    pub fn with_brackets(&self, brackets: Vec<BracketSet>, source: &str) -> Rulebook {
        Rulebook { brackets, source: source.into(), ..self.clone() }
    }
}

fn ascending(dates: &[&str]) -> Result<(), RulebookError> {
    let parsed: Option<Vec<i64>> = dates.iter().map(|d| time::parse(d)).collect();
    match parsed {
        Some(p) if !p.is_empty() && p.windows(2).all(|w| w[0] < w[1]) => Ok(()),
        _ => Err(RulebookError::Malformed(format!("effective dates must be given and ascend: {dates:?}"))),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A small book for the crate's tests: every `SnUSDT` has the BTC table of 2026-09.
    pub(crate) fn book() -> Rulebook {
        let table = liquidation::tests::btc_2026();
        let symbols = (0..8).map(|s| (format!("S{s}USDT"), table.clone())).collect();
        let filters = SymbolRules { step: 0.001, tick: 0.01, min_notional: 5.0 };
        let rules = Rules {
            effective: "2020-01-01".into(),
            taker_fee: 0.0005,
            maker_fee: 0.0002,
            liquidation_fee: 0.0125,
            funding_interval_hours: 8,
            symbols: BTreeMap::from([("*".into(), filters)]),
        };
        let brackets = vec![BracketSet { effective: "2020-01-01".into(), symbols }];
        Rulebook {
            format: crate::format::rulebook::CURRENT,
            name: "test".into(),
            source: "tests".into(),
            rules: vec![rules],
            brackets,
        }
    }

    #[test]
    fn dates_decide_and_gaps_are_refused() {
        let mut b = book();
        let mut later = b.brackets[0].clone();
        later.effective = "2021-01-01".into();
        b.brackets.push(later);
        assert_eq!(Rulebook::parse(&b.text()).unwrap(), b);
        let ms = |d| time::parse(d).unwrap();
        assert_eq!(b.in_force("S0USDT", ms("2020-06-01")).unwrap().until_ms, ms("2021-01-01"));
        let e = b.in_force("S0USDT", ms("2019-06-01")).unwrap_err().to_string();
        assert_eq!(e, "the rule book knows no fees at 2019-06-01 00:00:00: they begin on 2020-01-01");
        let e = b.in_force("NOUSDT", ms("2020-06-01")).unwrap_err().to_string();
        assert_eq!(e, "the rule book has no bracket table of NOUSDT");
        let mut late = b.clone();
        late.brackets.remove(0);
        let e = late.in_force("S0USDT", ms("2020-06-01")).unwrap_err().to_string();
        assert_eq!(
            e,
            "the rule book has no bracket table of S0USDT at 2020-06-01 00:00:00: the first one is of 2021-01-01"
        );
        late.rules[0].symbols.clear();
        let e = late.in_force("S0USDT", ms("2022-06-01")).unwrap_err().to_string();
        assert_eq!(e, "the rule book knows no step, tick and minimum notional of S0USDT");
        assert!(Rulebook::parse(&b.text().replace("step = 0.001", "step = -1.0")).is_err());
        assert!(
            Rulebook::parse(&b.text().replace("cum = 300.0", "cum = 301.0"))
                .unwrap_err()
                .to_string()
                .contains("inconsistent")
        );
    }
}
