//! Step 2 of a bar: what happens at the open.

use super::MarginMode;
use super::record::{Outcome, Rule};
use super::{Account, Pending};
use crate::market::{Bar, Field};

impl Account<'_> {
    /// Liquidation and stops that the opening price has jumped over. Stops fill at the open, with
    /// slippage; a take profit at the open itself, which is better than its price.
    pub(super) fn gaps_at_open<B: Bar>(&mut self, bar: &B) {
        if self.terms.mode == MarginMode::Cross {
            self.cross_at_open(bar);
        }
        for symbol in 0..self.positions.len() {
            let Some(p) = &self.positions[symbol] else { continue };
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
                continue;
            };
            match rule {
                Rule::Liquidation => self.liquidate_isolated(bar.time(), symbol),
                Rule::TakeProfitGap => self.exit(bar.time(), symbol, open, rule),
                _ => self.exit(bar.time(), symbol, self.worse(bar, symbol, open, -side), rule),
            }
        }
    }

    /// Exits, then entries, decided at the previous close; symbols in their fixed order.
    pub(super) fn orders_at_open<B: Bar>(&mut self, bar: &B) {
        for symbol in 0..self.pending.len() {
            if let (Some(rule), Some(p)) = (self.pending[symbol].exit, &self.positions[symbol]) {
                let price = self.worse(bar, symbol, bar.get(symbol, Field::Open), -p.side);
                self.exit(bar.time(), symbol, price, rule);
            }
        }
        for symbol in 0..self.pending.len() {
            let pending = std::mem::take(&mut self.pending[symbol]);
            let (Pending { entry: Some(entry), .. }, None) = (pending, &self.positions[symbol]) else { continue };
            if bar.get(symbol, Field::Open).is_nan() {
                self.recorder.order(bar.time(), symbol, entry.side, entry.qty, Rule::SignalEntry, Outcome::NotTrading);
                self.counts.rejected += 1;
            } else {
                self.enter(bar, symbol, &entry);
            }
        }
        self.any_pending = false;
    }
}
