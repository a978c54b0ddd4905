//! Version 1 of a rule book, as release 0.1.0 wrote it. Frozen.

use crate::format::FormatError;
use crate::format::tree::{Table, row};
use crate::rulebook::bracket::Bracket;
use crate::rulebook::{BracketSet, Rulebook, Rules, SymbolRules};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RulebookV1 {
    name: String,
    source: String,
    rules: Vec<RulesV1>,
    brackets: Vec<BracketsV1>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesV1 {
    effective: String,
    taker_fee: f64,
    maker_fee: f64,
    liquidation_fee: f64,
    funding_interval_hours: u32,
    symbols: BTreeMap<String, SymbolV1>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SymbolV1 {
    step: f64,
    tick: f64,
    min_notional: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BracketsV1 {
    effective: String,
    symbols: BTreeMap<String, Vec<BracketV1>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BracketV1 {
    floor: f64,
    cap: f64,
    max_leverage: f64,
    mmr: f64,
    cum: f64,
}

/// Reads the text.
pub(super) fn read(text: &str) -> Result<Rulebook, FormatError> {
    let b: RulebookV1 = toml::from_str(text).map_err(|e| FormatError::toml(&e))?;
    let symbol =
        |s: SymbolV1| SymbolRules { step: s.step, tick: s.tick, min_notional: s.min_notional, liquidation_fee: None };
    let rules = |r: RulesV1| Rules {
        effective: r.effective,
        taker_fee: r.taker_fee,
        maker_fee: r.maker_fee,
        liquidation_fee: r.liquidation_fee,
        funding_interval_hours: r.funding_interval_hours,
        symbols: r.symbols.into_iter().map(|(k, s)| (k, symbol(s))).collect(),
    };
    let bracket =
        |b: BracketV1| Bracket { floor: b.floor, cap: b.cap, max_leverage: b.max_leverage, mmr: b.mmr, cum: b.cum };
    let set = |s: BracketsV1| BracketSet {
        effective: s.effective,
        symbols: s.symbols.into_iter().map(|(k, t)| (k, t.into_iter().map(bracket).collect())).collect(),
    };
    Ok(Rulebook {
        format: 1,
        name: b.name,
        source: b.source,
        assumptions: Vec::new(),
        rules: b.rules.into_iter().map(rules).collect(),
        brackets: b.brackets.into_iter().map(set).collect(),
    })
}

/// The table of the text.
pub(super) fn table(book: &Rulebook) -> Table {
    let symbol = |s: &SymbolRules| -> Table {
        vec![row("step", s.step), row("tick", s.tick), row("min_notional", s.min_notional)]
    };
    let rules = |r: &Rules| -> Table {
        let symbols: Table = r.symbols.iter().map(|(k, s)| row(k, symbol(s))).collect();
        vec![
            row("effective", &r.effective),
            row("taker_fee", r.taker_fee),
            row("maker_fee", r.maker_fee),
            row("liquidation_fee", r.liquidation_fee),
            row("funding_interval_hours", r.funding_interval_hours),
            row("symbols", symbols),
        ]
    };
    let bracket = |b: &Bracket| -> Table {
        vec![
            row("floor", b.floor),
            row("cap", b.cap),
            row("max_leverage", b.max_leverage),
            row("mmr", b.mmr),
            row("cum", b.cum),
        ]
    };
    let set = |s: &BracketSet| -> Table {
        let symbols: Table = s.symbols.iter().map(|(k, t)| row(k, t.iter().map(bracket).collect::<Vec<_>>())).collect();
        vec![row("effective", &s.effective), row("symbols", symbols)]
    };
    vec![
        row("name", &book.name),
        row("source", &book.source),
        row("rules", book.rules.iter().map(rules).collect::<Vec<_>>()),
        row("brackets", book.brackets.iter().map(set).collect::<Vec<_>>()),
    ]
}
