//! Step 4 of a bar: mark to market, and decisions for the next open. And how a delisted symbol ends.

use super::Account;
use super::record::{Outcome, Rule};
use super::resting::{Entry, Pending};
use crate::account::Signals;
use crate::account::signals::flag;
use crate::market::{Bar, Field};

impl Account<'_> {
    /// Positions of symbols that have no bars any more: settled at the last mark price, with the taker fee. Their
    /// orders are taken back.
    pub(super) fn close_delisted<B: Bar>(&mut self, bar: &B) {
        for symbol in 0..self.positions.len() {
            let gone = bar.get(symbol, Field::Open).is_nan();
            if gone {
                self.remove(bar.time(), symbol, Outcome::Cancelled, |_| true);
            }
            if gone && self.positions[symbol].is_some() {
                self.exit(bar.time(), symbol, self.last_mark[symbol], Rule::Delisted);
            }
        }
    }

    pub(super) fn mark_to_market<B: Bar>(&mut self, bar: &B) {
        for symbol in 0..self.positions.len() {
            if self.positions[symbol].is_some() {
                self.last_mark[symbol] = bar.get(symbol, Field::MarkClose);
            }
        }
        if self.open == 0 {
            self.insure(bar.time());
        }
        let equity = self.equity_at_close(bar);
        self.equity.push(equity);
        self.peak = self.peak.max(equity);
        self.counts.exposed_bars += u32::from(self.open > 0);
        if self.open == 0 && (equity <= 0.0 || equity < self.least_margin(bar)) {
            self.ruined_ms = Some(bar.time());
        }
        if self.recorder.keeps() {
            self.margin_usage.push(if equity > 0.0 { self.margin_in_use() / equity } else { 0.0 });
        }
    }

    /// The margin of the smallest position that may be opened in any symbol, USDT: an account that has less is ruined.
    /// Of a symbol that is not listed yet nobody knows what it will ask, so nothing is enough for it.
    fn least_margin<B: Bar>(&self, bar: &B) -> f64 {
        let least = |symbol: usize| {
            let (filters, close) = (&self.rules[symbol].filters, bar.get(symbol, Field::Close));
            let unknown = filters.step == f64::MAX;
            // In whole steps, where there is a price.
            let steps = (filters.min_notional / (filters.step * close) * (1.0 - 1e-12)).ceil().max(1.0);
            let asked = if close.is_nan() { filters.min_notional } else { steps * filters.step * close };
            if unknown { 0.0 } else { asked / self.terms.leverage[symbol] }
        };
        (0..self.positions.len()).map(least).fold(f64::MAX, f64::min)
    }

    /// Turns the signals at this close into orders for the next open.
    pub(super) fn decide<B: Bar>(&mut self, bar: &B, signals: impl Fn(usize) -> Signals) {
        for symbol in 0..self.positions.len() {
            let s = signals(symbol);
            if s.flags == 0 || bar.get(symbol, Field::Close).is_nan() {
                continue;
            }
            let new = self.orders_for(bar, symbol, &s);
            if new.exit.is_some() {
                self.forget_rests(bar.end(), symbol);
            }
            let pending = &mut self.pending[symbol];
            // An exit that was not filled whole goes on.
            *pending = Pending { exit: new.exit.or(pending.exit), ..new };
            self.any_pending |= *pending != Pending::default();
        }
    }

    fn orders_for<B: Bar>(&self, bar: &B, symbol: usize, s: &Signals) -> Pending {
        let on = |bit: u8| s.flags & bit != 0;
        // Both entries at once contradict each other: neither is taken.
        let long = on(flag::LONG_ENTRY) && !on(flag::SHORT_ENTRY);
        let short = on(flag::SHORT_ENTRY) && !on(flag::LONG_ENTRY);
        let (exit, entry) = match self.positions[symbol].as_ref().map(|p| p.side > 0.0) {
            None if long => (None, 1.0),
            None if short => (None, -1.0),
            Some(true) if short => (Some(Rule::OppositeEntry), -1.0),
            Some(true) if on(flag::LONG_EXIT) => (Some(Rule::SignalExit), 0.0),
            Some(false) if long => (Some(Rule::OppositeEntry), 1.0),
            Some(false) if on(flag::SHORT_EXIT) => (Some(Rule::SignalExit), 0.0),
            _ => (None, 0.0),
        };
        let entry = if entry == 0.0 || self.cools_down(symbol) { None } else { self.size(bar, symbol, entry, s) };
        Pending { exit: exit.map(|rule| (rule, 0)), entry }
    }

    /// The quantity of an entry: equity × margin fraction × leverage / price, in whole steps. An
    /// entry whose stop is not known, or not below the price, is not taken.
    fn size<B: Bar>(&self, bar: &B, symbol: usize, side: f64, s: &Signals) -> Option<Entry> {
        let stops = [s.stop_loss, s.take_profit, s.trailing_stop];
        let limits = [1.0, 100.0, 1.0];
        let wanted = &self.terms.stops[symbol];
        let known = (0..3).all(|i| !wanted[i] || stops[i] > 0.0 && stops[i] < limits[i]);
        let equity = self.equity.last().copied().unwrap_or_default();
        if !known || equity <= 0.0 {
            return None;
        }
        let leverage = self.terms.leverage[symbol];
        let qty = equity * self.terms.margin_fraction * leverage / bar.get(symbol, Field::Close);
        let qty = self.floor_to_step(symbol, qty);
        Some(Entry { side, qty, leverage, levels: s.levels(), tag: 0, rule: Rule::SignalEntry, number: 0 })
    }
}
