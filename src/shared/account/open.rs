//! Step 2 of a bar: what happens at the open.

use super::Account;
use super::MarginMode;
use super::fill::Slip;
use super::record::{Outcome, Rule};
use super::resting::Resting;
use crate::market::{Bar, Field};
use crate::order::{Action, Tag};

impl Account<'_> {
    /// Liquidation and stops that the opening price has jumped over. Stops fill at the open, with
    /// slippage; a take profit at the open itself, which is better than its price.
    pub(super) fn gaps_at_open<B: Bar>(&mut self, bar: &B) {
        if self.terms.mode == MarginMode::Cross {
            self.cross_at_open(bar);
        }
        for symbol in 0..self.positions.len() {
            self.gap_at_open(bar, symbol);
        }
    }

    fn gap_at_open<B: Bar>(&mut self, bar: &B, symbol: usize) {
        // What a partial liquidation leaves is looked at again.
        while let Some(p) = &self.positions[symbol] {
            let (side, open) = (p.side, bar.get(symbol, Field::Open));
            let trail = self.trail(bar, symbol, p);
            let rule = if side * bar.get(symbol, Field::MarkOpen) <= side * p.liquidation {
                Rule::Liquidation
            } else if side * open <= side * trail && (p.stop.is_nan() || side * trail > side * p.stop) {
                // The nearer of the two was jumped over first.
                Rule::TrailingStopGap
            } else if side * open <= side * p.stop {
                Rule::StopLossGap
            } else if side * open > side * p.take {
                Rule::TakeProfitGap
            } else {
                return;
            };
            match rule {
                Rule::Liquidation => self.liquidated_at_open(bar, symbol),
                Rule::TakeProfitGap => self.exit(bar.time(), symbol, open, rule),
                _ => {
                    let qty = p.qty;
                    self.exit(bar.time(), symbol, self.worse(bar, symbol, open, -side, qty), rule);
                }
            }
        }
    }

    /// Liquidates at the opening mark, in parts as often as it takes.
    fn liquidated_at_open<B: Bar>(&mut self, bar: &B, symbol: usize) {
        let mark = bar.get(symbol, Field::MarkOpen);
        while self.positions[symbol].as_ref().is_some_and(|p| p.side * mark <= p.side * p.liquidation) {
            self.liquidate_isolated(bar.time(), symbol);
        }
    }

    /// Exits, then entries, decided at the previous close; symbols in their fixed order.
    pub(super) fn orders_at_open<B: Bar>(&mut self, bar: &B) {
        for symbol in 0..self.pending.len() {
            if let Some((rule, tag)) = self.pending[symbol].exit.take() {
                self.leave(bar, symbol, rule, tag);
            }
        }
        if self.stands() {
            self.book_at_open(bar, true, true);
        }
        self.any_pending = self.pending.iter().any(|p| p.exit.is_some());
        for symbol in 0..self.pending.len() {
            let Some(entry) = self.pending[symbol].entry.take() else { continue };
            if self.positions[symbol].is_some() {
                // What it was to take the place of could not be closed whole.
                self.recorder.order(bar.time(), symbol, entry.side, entry.qty, entry.rule, Outcome::AboveVolume);
                self.counts.rejected += 1;
                self.forget_waiting(bar.time(), symbol);
            } else if bar.get(symbol, Field::Open).is_nan() {
                self.recorder.order(bar.time(), symbol, entry.side, entry.qty, entry.rule, Outcome::NotTrading);
                self.counts.rejected += 1;
            } else {
                let left = self.enter(bar, symbol, &entry, (bar.get(symbol, Field::Open), Slip::Free));
                if left > 0.0 {
                    let action = if self.positions[symbol].is_some() { Action::Add } else { Action::Enter };
                    let rest = Resting { qty: left, ..Resting::market(action, entry.side, &entry) };
                    self.rest_of(bar, symbol, rest, entry.rule);
                }
                self.forget_waiting(bar.time(), symbol);
            }
        }
        if self.groups > 0 {
            self.groups_at_open(bar);
        }
        if self.stands() {
            self.book_at_open(bar, false, true);
            self.after_open(bar);
        }
    }

    /// Closes a position at the open, or as much of it as one order may be; the rest at the next one.
    fn leave<B: Bar>(&mut self, bar: &B, symbol: usize, rule: Rule, tag: Tag) {
        let Some((side, all)) = self.positions[symbol].as_ref().map(|p| (p.side, p.qty)) else { return };
        let qty = self.capped(symbol, all);
        let price = self.at_market(bar, symbol, -side, qty);
        if qty > 0.0 {
            self.reduce(bar.time(), symbol, qty, price, (rule, tag));
        }
        if self.positions[symbol].is_some() {
            let rest = self.nearest_step(symbol, all - qty);
            self.recorder.order(bar.time(), symbol, -side, rest, rule, Outcome::AboveVolume);
            self.pending[symbol].exit = Some((rule, tag));
        }
    }
}
