//! Orders that stand between closes: what becomes of them at the open, inside a bar, and in the end.

use super::Account;
use super::record::{Outcome, Rule};
use super::resting::{Entry, Resting};
use crate::market::{Bar, Field};
use crate::order::{Action, Kind, Size};

/// Orders of one symbol that may stand at once.
pub(super) const MOST: usize = 256;

impl Account<'_> {
    /// Whether any order stands.
    pub(super) fn stands(&self) -> bool {
        self.standing > 0
    }

    pub(super) fn put(&mut self, ms: i64, symbol: usize, order: Resting) {
        let outcome = if self.book_of[symbol].len() < MOST { Outcome::Placed } else { Outcome::Cancelled };
        if order.kind != Kind::Market {
            self.note(ms, symbol, &order, outcome);
        }
        if outcome == Outcome::Placed {
            self.book_of[symbol].push(order);
            self.standing += 1;
        } else {
            self.counts.rejected += 1;
        }
    }

    fn note(&mut self, ms: i64, symbol: usize, o: &Resting, outcome: Outcome) {
        self.recorder.book(ms, symbol, (o.side, o.qty, o.price()), o.rule(), outcome);
    }

    /// Removes orders; those that stood in the book leave a word.
    pub(super) fn remove(&mut self, ms: i64, symbol: usize, outcome: Outcome, which: impl Fn(&Resting) -> bool) {
        if self.book_of[symbol].is_empty() {
            return;
        }
        let mut orders = std::mem::take(&mut self.book_of[symbol]);
        orders.retain(|o| {
            let gone = which(o);
            if gone && o.kind != Kind::Market {
                self.note(ms, symbol, o, outcome);
            }
            self.standing -= usize::from(gone);
            !gone
        });
        self.book_of[symbol] = orders;
    }

    /// A position was opened: other entries of the symbol are taken back, and what was to come with it stands.
    pub(super) fn opened(&mut self, ms: i64, symbol: usize) {
        self.remove(ms, symbol, Outcome::Cancelled, |o| o.action == Action::Enter);
        let side = self.positions[symbol].as_ref().map_or(0.0, |p| p.side);
        self.book_of[symbol].iter_mut().filter(|o| o.side == side).for_each(|o| o.waits = false);
        self.forget_waiting(ms, symbol);
    }

    /// A position was closed: what belonged to it is taken back.
    pub(super) fn closed(&mut self, ms: i64, symbol: usize) {
        self.remove(ms, symbol, Outcome::Cancelled, |o| o.action != Action::Enter && !o.waits);
    }

    /// Orders at the open: market orders, and what the opening price lies beyond. First those that take from
    /// positions, of all symbols, then the others. Market orders fill at the opens of bars only, not of finer ones.
    pub(super) fn book_at_open<B: Bar>(&mut self, bar: &B, reduces: bool, markets: bool) {
        for symbol in 0..self.book_of.len() {
            let open = bar.get(symbol, Field::Open);
            let mut at = 0;
            while at < self.book_of[symbol].len() {
                let o = self.book_of[symbol][at];
                let mine = (o.action == Action::Reduce) == reduces && !o.waits && !o.later;
                if !mine || !(markets && o.kind == Kind::Market || o.reached(open)) {
                    at += 1;
                    continue;
                }
                self.book_of[symbol].remove(at);
                self.standing -= 1;
                if open.is_nan() {
                    self.recorder.order(bar.time(), symbol, o.side, o.qty, o.rule(), Outcome::NotTrading);
                    self.counts.rejected += 1;
                } else {
                    self.execute(bar, symbol, &o, open);
                    // What belongs to a position may be gone with it.
                    at = 0;
                }
            }
        }
    }

    /// Orders that were put down at the last close are as old as the others after the open; what waits for an entry
    /// that will not come is gone.
    pub(super) fn after_open<B: Bar>(&mut self, bar: &B) {
        for symbol in 0..self.book_of.len() {
            self.book_of[symbol].iter_mut().for_each(|o| (o.fresh, o.later) = (false, false));
            self.forget_waiting(bar.time(), symbol);
        }
    }

    fn forget_waiting(&mut self, ms: i64, symbol: usize) {
        let comes = |side: f64| self.book_of[symbol].iter().any(|o| o.action == Action::Enter && o.side == side);
        let comes = [comes(1.0), comes(-1.0)];
        self.remove(ms, symbol, Outcome::Cancelled, |o| o.waits && !comes[usize::from(o.side < 0.0)]);
    }

    /// Fills an order at a price that lies on its way: at the price of the order, or at the open when that is beyond
    /// it. A limit order that was in the book pays the maker's fee; one that takes at once pays the taker's.
    pub(super) fn execute<B: Bar>(&mut self, bar: &B, symbol: usize, o: &Resting, at: f64) {
        let held = self.positions[symbol].as_ref().map(|p| (p.side, p.qty));
        let qty = match (o.is_fraction, held) {
            (true, Some((_, qty))) => self.floor_to_step(symbol, o.qty * qty),
            (true, None) => 0.0,
            (false, _) => o.qty,
        };
        let taken = self.worse(bar, symbol, at, o.side, qty);
        let price = match o.kind {
            // Fresh in the book, and the price is there already: it takes, and never more than it says.
            Kind::Limit { price, .. } if o.fresh => {
                if o.side > 0.0 {
                    taken.min(price)
                } else {
                    taken.max(price)
                }
            }
            Kind::Limit { .. } => at,
            Kind::Market | Kind::Stop { .. } => taken,
        };
        let rule = match (o.rule(), o.fresh) {
            (Rule::LimitEntry, true) => Rule::SignalEntry,
            (Rule::LimitAdd, true) => Rule::Add,
            (Rule::LimitExit, true) => Rule::Reduce,
            (rule, _) => rule,
        };
        match (o.action, held) {
            (Action::Reduce, Some((side, all))) if side != o.side => {
                // A rest that the exchange would not take as an order goes along.
                let left = (all - qty) * price;
                let whole = qty >= all || left < self.rules[symbol].filters.min_notional;
                let wanted = if whole { all } else { qty };
                let now = wanted.min(self.capped(symbol, wanted));
                if now > 0.0 {
                    self.reduce(bar.time(), symbol, now, price, (rule, o.tag));
                }
                self.carry_exit(bar, symbol, wanted - now, o);
            }
            (Action::Add | Action::AddWithEntry, Some((side, _))) if side == o.side => {
                self.enter(bar, symbol, &Entry { qty, rule, ..o.entry(side) }, price);
            }
            (Action::Enter, Some((side, _))) if side == o.side => {}
            (Action::Enter, _) if held.is_none_or(|(_, all)| self.capped(symbol, all) == all) => {
                if held.is_some() {
                    self.exit_as(bar.time(), symbol, price, Rule::OppositeEntry, o.tag);
                }
                self.enter(bar, symbol, &Entry { qty, rule, ..o.entry(o.side) }, price);
                self.forget_waiting(bar.time(), symbol);
            }
            _ => {
                self.recorder.order(bar.time(), symbol, o.side, o.qty, rule, Outcome::Cancelled);
            }
        }
    }

    /// Orders grow older by a bar.
    pub(super) fn age<B: Bar>(&mut self, bar: &B) {
        for symbol in 0..self.book_of.len() {
            self.remove(bar.end(), symbol, Outcome::Expired, |o| o.bars <= 1);
            self.book_of[symbol].iter_mut().for_each(|o| o.later = false);
            let aging = self.book_of[symbol].iter_mut().filter(|o| o.bars != u32::MAX);
            aging.for_each(|o| o.bars -= 1);
            self.forget_waiting(bar.end(), symbol);
        }
    }

    /// The size of an order in the base asset at a close, in whole steps; NaN or nothing when it is not known.
    pub(super) fn quantity(&self, symbol: usize, size: Size, close: f64, leverage: f64) -> f64 {
        let equity = self.equity.last().copied().unwrap_or_default();
        let qty = match size {
            Size::Quantity(qty) => qty,
            Size::Notional(usdt) => usdt / close,
            Size::Equity(fraction) => equity * fraction / close,
            Size::Margin(fraction) => equity * fraction * leverage / close,
            Size::Risk { fraction, distance } => equity * fraction / distance,
            Size::Volatility { target, volatility } => equity * target / volatility / close,
            Size::Position(_) => f64::NAN,
        };
        if qty > 0.0 && qty.is_finite() { self.floor_to_step(symbol, qty) } else { 0.0 }
    }
}
