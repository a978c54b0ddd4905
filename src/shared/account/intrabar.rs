//! Step 3 of a bar: what happens inside it, adverse first.

use super::Account;
use super::MarginMode;
use super::position::Position;
use super::record::Rule;
use crate::market::{Bar, Field};

impl Account<'_> {
    /// Liquidation, stop loss, trailing stop, take profit; survivors note how far prices went.
    pub(super) fn inside<B: Bar>(&mut self, bar: &B) {
        if self.terms.mode == MarginMode::Cross {
            self.cross_inside(bar);
        }
        for symbol in 0..self.positions.len() {
            if !self.book_of[symbol].is_empty() {
                self.path(bar, symbol);
                continue;
            }
            let Some(p) = &self.positions[symbol] else { continue };
            let (side, qty) = (p.side, p.qty);
            let (low, high) = (bar.get(symbol, Field::Low), bar.get(symbol, Field::High));
            let (against, with) = if side > 0.0 { (low, high) } else { (high, low) };
            let mark = bar.get(symbol, if side > 0.0 { Field::MarkLow } else { Field::MarkHigh });
            let open = bar.get(symbol, Field::Open);
            let stop = self.touched_stop(bar, symbol, p, against, open);
            // Of the two what lies nearer to the open is reached first.
            let in_front = stop.is_some_and(|(level, _)| side * level > side * p.liquidation);
            let liquidated = side * mark <= side * p.liquidation && !in_front;
            let Some(p) = &mut self.positions[symbol] else { continue };
            // Whatever happens, the path began at the open.
            p.saw(open);
            if side * open > side * p.take {
                // It was entered beyond its target.
                self.exit(bar.time(), symbol, open, Rule::TakeProfit);
            } else if liquidated {
                self.liquidate_isolated(bar.time(), symbol);
                // What is left of it goes on.
                if self.positions[symbol].is_some() {
                    self.path(bar, symbol);
                }
            } else if let Some((level, rule)) = stop {
                self.exit(bar.time(), symbol, self.worse(bar, symbol, level, -side, qty), rule);
            } else if side * with > side * p.take {
                p.saw(against);
                let price = p.take;
                self.exit(bar.time(), symbol, price, Rule::TakeProfit);
            } else {
                p.saw(against);
                p.saw(with);
                p.follow(with);
            }
        }
    }

    /// Where the stop stands that follows the best price: at a distance, or where its steps have brought it.
    pub(super) fn trail<B: Bar>(&self, bar: &B, symbol: usize, p: &Position) -> f64 {
        let simple = p.best * (1.0 - p.side * p.trail);
        let nearer = if p.side > 0.0 { simple.max(p.followed) } else { simple.min(p.followed) };
        self.level(bar, symbol, nearer)
    }

    /// The stop that is reached first on the way against the position, from where the price is: a stop that lies
    /// beyond that is reached there.
    pub(super) fn touched_stop<B: Bar>(
        &self,
        bar: &B,
        symbol: usize,
        p: &Position,
        against: f64,
        here: f64,
    ) -> Option<(f64, Rule)> {
        let trail = self.trail(bar, symbol, p);
        let stop = (p.side * against <= p.side * p.stop).then_some((p.stop, Rule::StopLoss));
        let trail = (p.side * against <= p.side * trail).then_some((trail, Rule::TrailingStop));
        let first = match (stop, trail) {
            (Some(s), Some(t)) => Some(if p.side * t.0 > p.side * s.0 { t } else { s }),
            (s, t) => s.or(t),
        };
        first.map(|(level, rule)| (if p.side * level > p.side * here { here } else { level }, rule))
    }
}
