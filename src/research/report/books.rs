//! The books of a run: where its money came from and went, by kind of cash flow, symbol, side and rule. Each adds
//! up to the same.

use assay_shared::account::Run;
use assay_shared::account::record::{CashKind, Record, Trade};
use serde::Serialize;
use std::collections::BTreeMap;

/// Sums over some trades, USDT.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Sum {
    /// Trades.
    pub trades: u32,
    /// Those with a profit.
    pub won: u32,
    /// Profit net of fees and funding.
    pub pnl_usdt: f64,
    /// Fees.
    pub fees_usdt: f64,
    /// Funding received less paid.
    pub funding_usdt: f64,
}

impl Sum {
    pub(super) fn add(&mut self, t: &Trade) {
        self.trades += 1;
        self.won += u32::from(t.pnl_usdt > 0.0);
        self.pnl_usdt += t.pnl_usdt;
        self.fees_usdt += t.fees_usdt;
        self.funding_usdt += t.funding_usdt;
    }
}

/// The sums of a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Books {
    /// Cash flows by kind, USDT: together they are the balance at the end.
    pub cash_usdt: BTreeMap<String, f64>,
    /// The balance at the end, USDT.
    pub balance_usdt: f64,
    /// By index of the symbol.
    pub by_symbol: BTreeMap<usize, Sum>,
    /// `long` and `short`.
    pub by_side: BTreeMap<&'static str, Sum>,
    /// By the rule that closed the trade.
    pub by_rule: BTreeMap<String, Sum>,
    /// By the name of the order that opened it, where orders have names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub by_tag: BTreeMap<String, Sum>,
    /// By the name of the order that closed it, where it has one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub by_exit: BTreeMap<String, Sum>,
}

/// The name of a value that is recorded by name.
pub(super) fn name<T: Serialize>(value: T) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_string)).unwrap_or_default()
}

impl Books {
    /// The books of a run whose records were kept.
    pub fn of(run: &Run) -> Books {
        let mut out = Books::default();
        for record in &run.records {
            if let Record::Cash { kind, amount, balance, .. } = record {
                *out.cash_usdt.entry(name::<CashKind>(*kind)).or_default() += amount;
                out.balance_usdt = *balance;
            }
        }
        for t in &run.trades {
            out.by_symbol.entry(t.symbol).or_default().add(t);
            out.by_side.entry(t.side).or_default().add(t);
            out.by_rule.entry(name(t.rule)).or_default().add(t);
        }
        out
    }
}
