//! Version 2 of a rule book: what is assumed in it, and liquidation fees of single symbols. A draft.

use super::v1;
use crate::format::tree::{Item, Table, row, some};
use crate::rulebook::{Rulebook, SymbolRules};

fn symbol(s: &SymbolRules) -> Table {
    let own = [row("step", s.step), row("tick", s.tick), row("min_notional", s.min_notional)];
    own.into_iter().chain(some("liquidation_fee", s.liquidation_fee)).collect()
}

/// The table of the text.
pub(super) fn table(book: &Rulebook) -> Table {
    let mut out = vec![row("format", 2_u32), row("name", &book.name), row("source", &book.source)];
    if !book.assumptions.is_empty() {
        out.push(row("assumptions", &book.assumptions[..]));
    }
    let mut rest = v1::table(book).into_iter().filter(|(key, _)| key == "rules" || key == "brackets");
    if let Some((key, Item::Tables(mut rules))) = rest.next() {
        for (table, r) in rules.iter_mut().zip(&book.rules) {
            let symbols: Table = r.symbols.iter().map(|(name, s)| row(name, symbol(s))).collect();
            table.retain(|(key, _)| key != "symbols");
            table.push(row("symbols", symbols));
        }
        out.push((key, Item::Tables(rules)));
    }
    out.extend(rest);
    out
}
