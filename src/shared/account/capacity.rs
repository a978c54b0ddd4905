//! How much of an order a market takes, and what becomes of the rest.

use super::Account;
use super::costs::Depth;
use super::record::{Outcome, Rule};
use super::resting::Resting;
use crate::market::{Bar, Field};
use crate::order::{Action, Kind};

/// A rest for the next open: a limit order stays one, with its price and its end; the others go at the market.
fn carried(rest: Resting) -> Resting {
    let (kind, bars) = match rest.kind {
        Kind::Limit { .. } => (rest.kind, rest.bars),
        _ => (Kind::Market, u32::MAX),
    };
    Resting { kind, bars, is_fraction: false, later: true, rest: true, fresh: false, group: 0, ..rest }
}

impl Account<'_> {
    /// Notes what the bar that closes says of every symbol.
    pub(super) fn look_at_depth<B: Bar>(&mut self, bar: &B) {
        if !self.costs.looks_at_bars() {
            return;
        }
        for symbol in 0..self.depth.len() {
            self.look_at_depth_of(bar, symbol);
        }
    }

    /// The same of one symbol.
    pub(super) fn look_at_depth_of<B: Bar>(&mut self, bar: &B, symbol: usize) {
        let close = bar.get(symbol, Field::Close);
        if !close.is_nan() {
            let range = (bar.get(symbol, Field::High) - bar.get(symbol, Field::Low)) / close;
            self.depth[symbol] = Depth { volume: bar.get(symbol, Field::Volume), range };
        }
    }

    /// The most that one order may be, base asset; infinite without a limit or a volume.
    pub(super) fn volume_cap(&self, symbol: usize) -> f64 {
        let cap = self.costs.volume_share * self.depth[symbol].volume;
        if cap.is_nan() { f64::INFINITY } else { cap }
    }

    /// So much of a quantity as one order may be, in whole steps where it is less.
    pub(super) fn capped(&self, symbol: usize, qty: f64) -> f64 {
        let cap = self.volume_cap(symbol);
        if qty <= cap { qty } else { self.floor_to_step(symbol, cap) }
    }

    /// What was above the share of the volume: carried over to the next open, a limit order at its price; or refused.
    pub(super) fn rest_of<B: Bar>(&mut self, bar: &B, symbol: usize, rest: Resting, rule: Rule) {
        self.recorder.order(bar.time(), symbol, rest.side, rest.qty, rule, Outcome::AboveVolume);
        // Nor is it entered while the whole position is being closed.
        if !self.costs.carry || self.pending[symbol].exit.is_some() {
            self.counts.rejected += 1;
            return;
        }
        self.put(bar.time(), symbol, carried(rest));
    }

    /// What could not be taken from a position is always carried over.
    pub(super) fn carry_exit<B: Bar>(&mut self, bar: &B, symbol: usize, rest: f64, (o, rule): (&Resting, Rule)) {
        if rest > 0.0 && self.positions[symbol].is_some() {
            self.recorder.order(bar.time(), symbol, o.side, rest, rule, Outcome::AboveVolume);
            self.put(bar.time(), symbol, carried(Resting { qty: rest, ..*o }));
        }
    }

    /// What is left of entries and adds is not entered any more when the whole position is to be closed.
    pub(super) fn forget_rests(&mut self, ms: i64, symbol: usize) {
        self.remove(ms, symbol, Outcome::Cancelled, |o| o.rest && o.action != Action::Reduce);
    }
}
