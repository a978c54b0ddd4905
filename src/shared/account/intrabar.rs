//! Step 3 of a bar: what happens inside it, adverse first.

use super::record::{CashKind, Rule};
use super::{Account, Position};
use crate::market::{Bar, Field};
use crate::strategy::MarginMode;

impl Account<'_> {
    /// Liquidation, stop loss, trailing stop, take profit; survivors note how far prices went.
    pub(super) fn inside<B: Bar>(&mut self, bar: &B) {
        if self.terms.mode == MarginMode::Cross {
            self.cross_liquidation(bar, |b, s, side| {
                b.get(s, if side > 0.0 { Field::MarkLow } else { Field::MarkHigh })
            });
        }
        for symbol in 0..self.positions.len() {
            let Some(p) = &mut self.positions[symbol] else { continue };
            let (low, high) = (bar.get(symbol, Field::Low), bar.get(symbol, Field::High));
            let (against, with) = if p.side > 0.0 { (low, high) } else { (high, low) };
            let mark = bar.get(symbol, if p.side > 0.0 { Field::MarkLow } else { Field::MarkHigh });
            let side = p.side;
            if side * mark <= side * p.liquidation {
                self.liquidate_isolated(bar.time(), symbol);
            } else if let Some((level, rule)) = touched_stop(p, against) {
                self.exit(bar.time(), symbol, self.worse(level, -side), rule);
            } else if side * with >= side * p.take {
                p.adverse = if side > 0.0 { p.adverse.min(against) } else { p.adverse.max(against) };
                let price = p.take;
                self.exit(bar.time(), symbol, price, Rule::TakeProfit);
            } else {
                p.adverse = if side > 0.0 { p.adverse.min(against) } else { p.adverse.max(against) };
                p.favourable = if side > 0.0 { p.favourable.max(with) } else { p.favourable.min(with) };
                p.best = if side > 0.0 { p.best.max(with) } else { p.best.min(with) };
            }
        }
    }

    /// Judges the whole cross account with each position at the price `at` gives for its side.
    pub(super) fn cross_liquidation<B: Bar>(&mut self, bar: &B, at: impl Fn(&B, usize, f64) -> f64) {
        if self.open == 0 || self.cross_slack(|s, side| at(bar, s, side)) > 0.0 {
            return;
        }
        for symbol in 0..self.positions.len() {
            if let Some(side) = self.positions[symbol].as_ref().map(|p| p.side) {
                self.liquidate_cross(bar.time(), symbol, at(bar, symbol, side));
            }
        }
        if self.wallet < 0.0 {
            self.cash(bar.time(), 0, CashKind::Insurance, -self.wallet);
        }
    }
}

/// The stop that is reached first on the way against the position.
fn touched_stop(p: &Position, against: f64) -> Option<(f64, Rule)> {
    let trail = p.best * (1.0 - p.side * p.trail);
    let stop = (p.side * against <= p.side * p.stop).then_some((p.stop, Rule::StopLoss));
    let trail = (p.side * against <= p.side * trail).then_some((trail, Rule::TrailingStop));
    match (stop, trail) {
        (Some(s), Some(t)) => Some(if p.side * t.0 > p.side * s.0 { t } else { s }),
        (s, t) => s.or(t),
    }
}
