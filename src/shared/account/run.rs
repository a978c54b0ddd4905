//! What a run leaves behind; a stretch of it, from which figures are computed; and the sums that every run keeps.

use super::record::{Record, Trade};
use serde::{Deserialize, Serialize};
use std::ops::Sub;

/// Totals of a run.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Fees paid, USDT.
    pub fees_usdt: f64,
    /// Funding received less paid, USDT.
    pub funding_usdt: f64,
    /// Positions liquidated.
    pub liquidations: u32,
    /// Entries that were not filled.
    pub rejected: u32,
    /// Bars with a position.
    pub exposed_bars: u32,
    /// Fills of any kind.
    pub fills: u32,
    /// Bars of which nobody knows whether a cross account survived them.
    #[serde(default)]
    pub undecided_bars: u32,
    /// Made good by the insurance fund, USDT.
    #[serde(default)]
    pub insurance_usdt: f64,
}

/// What a run leaves behind.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Closed trades in order of their exit.
    pub trades: Vec<Trade>,
    /// Equity at each close, USDT. The initial equity is not part of it.
    pub equity: Vec<f64>,
    /// Initial margin in use / equity at each close; empty unless recorded.
    pub margin_usage: Vec<f64>,
    /// Orders, fills and cash in order; empty unless recorded.
    pub records: Vec<Record>,
    /// Hash of the canonical stream of orders, fills and cash.
    pub stream_hash: assay_ledger::Hash,
    /// Totals.
    pub counts: Counts,
    /// Wallet at the start, USDT.
    pub initial_usdt: f64,
    /// When the account could not trade any more, milliseconds since 1970.
    pub ruined_ms: Option<i64>,
}

/// A stretch of one run, or all of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window<'a> {
    /// Equity before its first bar, USDT.
    pub initial_usdt: f64,
    /// Equity at each of its closes, USDT.
    pub equity: &'a [f64],
    /// Number of its first bar in the run.
    pub first_bar: usize,
    /// Trades that were closed in it, whenever they were entered.
    pub trades: &'a [Trade],
    /// Totals of it.
    pub counts: Counts,
}

/// Where a run stood before a bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mark {
    /// Bars before it.
    pub bars: usize,
    /// Trades closed before it.
    pub trades: usize,
    /// Totals up to it.
    pub counts: Counts,
}

impl<'a> Window<'a> {
    /// Trades that it holds whole. One that was entered before it has earned elsewhere too, and is nobody's proof.
    pub fn own_trades(&self) -> impl Iterator<Item = &'a Trade> + Clone {
        let first = self.first_bar;
        self.trades.iter().filter(move |t| t.entry_bar >= first)
    }

    /// Where it ends.
    pub fn mark(&self) -> Mark {
        Mark { bars: self.equity.len(), trades: self.trades.len(), counts: self.counts }
    }

    /// The part of it between two marks.
    pub fn between(&self, from: &Mark, to: &Mark) -> Window<'a> {
        Window {
            initial_usdt: from.bars.checked_sub(1).map_or(self.initial_usdt, |last| self.equity[last]),
            first_bar: from.bars,
            equity: &self.equity[from.bars..to.bars],
            trades: &self.trades[from.trades..to.trades],
            counts: to.counts - from.counts,
        }
    }
}

impl Sub for Counts {
    type Output = Counts;

    fn sub(self, before: Counts) -> Counts {
        Counts {
            fees_usdt: self.fees_usdt - before.fees_usdt,
            funding_usdt: self.funding_usdt - before.funding_usdt,
            liquidations: self.liquidations - before.liquidations,
            rejected: self.rejected - before.rejected,
            exposed_bars: self.exposed_bars - before.exposed_bars,
            fills: self.fills - before.fills,
            undecided_bars: self.undecided_bars - before.undecided_bars,
            insurance_usdt: self.insurance_usdt - before.insurance_usdt,
        }
    }
}

/// Sums that do not fit: a fault of the account.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("the account's sums do not fit: {what} is {is} USDT, not {wanted}")]
pub struct Unbalanced {
    /// Which sum.
    pub what: &'static str,
    /// What it is.
    pub is: f64,
    /// What it should be.
    pub wanted: f64,
}

impl Run {
    /// All of it.
    pub fn whole(&self) -> Window<'_> {
        Window {
            initial_usdt: self.initial_usdt,
            first_bar: 0,
            equity: &self.equity,
            trades: &self.trades,
            counts: self.counts,
        }
    }

    /// Checks what must hold of every run that has ended: profits of trades, and what the insurance fund gave, are
    /// the difference of the balances; fees and funding of trades are those of the run.
    ///
    /// # Errors
    /// The first sum that does not fit.
    pub fn check_sums(&self) -> Result<(), Unbalanced> {
        let sum = |of: fn(&Trade) -> f64| self.trades.iter().fold(0.0, |sum, t| sum + of(t));
        let turned = sum(|t| t.fees_usdt + t.pnl_usdt.abs() + t.funding_usdt.abs());
        let close = 1e-9 * (self.initial_usdt.abs() + turned);
        let last = self.equity.last().copied().unwrap_or(self.initial_usdt);
        let sums = [
            ("the profit of all trades", sum(|t| t.pnl_usdt), last - self.initial_usdt - self.counts.insurance_usdt),
            ("the fees of all trades", sum(|t| t.fees_usdt), self.counts.fees_usdt),
            ("the funding of all trades", sum(|t| t.funding_usdt), self.counts.funding_usdt),
        ];
        let wrong = sums.into_iter().find(|(_, is, wanted)| (is - wanted).abs() > close);
        wrong.map_or(Ok(()), |(what, is, wanted)| Err(Unbalanced { what, is, wanted }))
    }
}
