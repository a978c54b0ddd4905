//! Funding, each settlement at its own moment, on the mark price.

use super::Account;
use super::MarginMode;
use super::record::CashKind;
use crate::market::{Bar, Field, Settlement};

/// The mark price at a settlement: what the source says, or else the bar's first one, which is exact for what
/// settles at its opening and the last one that is known before what settles inside it.
fn mark_at<B: Bar>(bar: &B, symbol: usize, s: &Settlement) -> f64 {
    if s.mark.is_nan() { bar.get(symbol, Field::MarkOpen) } else { s.mark }
}

impl Account<'_> {
    /// What settles at the opening moment, to positions held through the previous close.
    pub(super) fn settle_at_open<B: Bar>(&mut self, bar: &B) {
        self.settle(bar, |s, _| s.ms == bar.time());
    }

    /// What settles inside the bar and is owed by a position that stands after the open: it may be closed in
    /// this bar before that moment, and pays nevertheless.
    pub(super) fn owed_inside<B: Bar>(&mut self, bar: &B) {
        self.settle(bar, |s, amount| s.ms > bar.time() && amount < 0.0);
    }

    /// What settles inside the bar in favour of a position, if it has stood the whole bar.
    pub(super) fn gained_inside<B: Bar>(&mut self, bar: &B) {
        self.settle(bar, |s, amount| s.ms > bar.time() && amount >= 0.0);
    }

    fn settle<B: Bar>(&mut self, bar: &B, which: impl Fn(&Settlement, f64) -> bool) {
        for symbol in 0..self.positions.len() {
            for s in bar.settlements(symbol) {
                let Some(p) = &mut self.positions[symbol] else { break };
                let amount = -p.side * p.qty * mark_at(bar, symbol, s) * s.rate;
                if !which(s, amount) {
                    continue;
                }
                p.funding += amount;
                if self.terms.mode == MarginMode::Isolated {
                    p.wallet += amount;
                }
                self.counts.funding_usdt += amount;
                self.cash(s.ms, symbol, CashKind::Funding, amount);
                self.solve_liquidation(symbol);
            }
        }
    }
}
