//! Funding, each settlement at its own moment, on the mark price.

use super::Account;
use super::MarginMode;
use super::position::Position;
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
        self.settle(bar, |_| f64::INFINITY, |s, _| s.ms == bar.time());
    }

    /// What settles inside the bar and is owed by a position that stands after the open: it may be closed in
    /// this bar before that moment, and pays nevertheless.
    pub(super) fn owed_inside<B: Bar>(&mut self, bar: &B) {
        self.settle(bar, |_| f64::INFINITY, |s, amount| s.ms > bar.time() && amount < 0.0);
    }

    /// The same of what has just been filled inside the bar: it may have been before that moment.
    pub(super) fn owed_by_fill<B: Bar>(&mut self, bar: &B, symbol: usize, qty: f64) {
        if self.within {
            self.settle_one(bar, symbol, &|_| qty, &|s, amount| s.ms > bar.time() && amount < 0.0);
        }
    }

    /// What settles inside the bar in favour of what has stood the whole bar.
    pub(super) fn gained_inside<B: Bar>(&mut self, bar: &B) {
        self.settle(bar, |p| p.stood, |s, amount| s.ms > bar.time() && amount >= 0.0);
    }

    fn settle<B: Bar>(&mut self, bar: &B, most: impl Fn(&Position) -> f64, which: impl Fn(&Settlement, f64) -> bool) {
        for symbol in 0..self.positions.len() {
            self.settle_one(bar, symbol, &most, &which);
        }
    }

    /// Settles a symbol's position, or so much of it as there is at most.
    fn settle_one<B: Bar>(
        &mut self,
        bar: &B,
        symbol: usize,
        most: &dyn Fn(&Position) -> f64,
        which: &dyn Fn(&Settlement, f64) -> bool,
    ) {
        if self.positions[symbol].is_some() {
            self.settle_all((bar, symbol, bar.settlements(symbol)), most, which);
        }
    }

    /// The same of settlements of a bar that were found already.
    pub(super) fn settle_all<B: Bar>(
        &mut self,
        (bar, symbol, settlements): (&B, usize, &[Settlement]),
        most: &dyn Fn(&Position) -> f64,
        which: &dyn Fn(&Settlement, f64) -> bool,
    ) {
        for s in settlements {
            let Some(p) = &mut self.positions[symbol] else { return };
            let qty = p.qty.min(most(p));
            let amount = -p.side * qty * mark_at(bar, symbol, s) * s.rate;
            if qty <= 0.0 || !which(s, amount) {
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
