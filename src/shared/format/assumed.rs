//! What a run assumes, as version 2 of studies and of live configs writes it. What was not said when there was no such
//! assumption yet is not there.

use super::tree::{self, Table, row, some};
use crate::account::{Assumptions, Impact};

/// The table.
pub(super) fn assumptions(a: &Assumptions) -> Table {
    let mut out = vec![row("initial_cash_usdt", a.initial_cash_usdt), row("slippage_bps", a.slippage_bps)];
    out.extend(costs(a));
    out
}

fn costs(a: &Assumptions) -> Table {
    let mut out: Table = some("max_volume_share", a.max_volume_share).into_iter().collect();
    out.extend(a.carry_over.then(|| row("carry_over", true)));
    out.extend(a.partial_liquidation.then(|| row("partial_liquidation", true)));
    let impact: Option<Table> = match a.impact {
        Impact::None => None,
        Impact::Range { share } => Some(vec![row("model", "range"), row("share", share)]),
        Impact::SquareRoot { factor } => Some(vec![row("model", "square-root"), row("factor", factor)]),
    };
    out.extend(impact.map(|table| row("impact", table)));
    out
}

/// What is assumed of trading costs beside the fixed slippage, as a text to be hashed; empty when nothing is.
pub fn costs_text(a: &Assumptions) -> String {
    let table = costs(a);
    if table.is_empty() { String::new() } else { tree::text(&table) }
}
