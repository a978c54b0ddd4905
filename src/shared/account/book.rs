//! Orders that stand between closes: what becomes of them at the open, inside a bar, and in the end.

use super::Account;
use super::fill::Slip;
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

    /// A number for an order.
    pub(super) fn next_number(&mut self) -> u32 {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn put(&mut self, ms: i64, symbol: usize, mut order: Resting) {
        if order.number == 0 {
            order.number = self.next_number();
        }
        let outcome = if self.book_of[symbol].len() < MOST { Outcome::Placed } else { Outcome::Cancelled };
        if order.kind != Kind::Market || outcome != Outcome::Placed {
            self.note(ms, symbol, &order, outcome);
        }
        if outcome == Outcome::Placed {
            self.book_of[symbol].push(order);
            self.standing += 1;
        } else {
            self.counts.rejected += 1;
        }
    }

    /// A word on an order: on one that stands in the book with its price.
    fn note(&mut self, ms: i64, symbol: usize, o: &Resting, outcome: Outcome) {
        match o.kind {
            Kind::Market => self.recorder.order(ms, symbol, o.side, o.qty, o.rule(), outcome),
            _ => self.recorder.book(ms, symbol, (o.side, o.qty, o.price()), o.rule(), outcome),
        }
    }

    /// Removes orders, with a word on each.
    pub(super) fn remove(&mut self, ms: i64, symbol: usize, outcome: Outcome, which: impl Fn(&Resting) -> bool) {
        if self.book_of[symbol].is_empty() {
            return;
        }
        let mut orders = std::mem::take(&mut self.book_of[symbol]);
        orders.retain(|o| {
            let gone = which(o);
            if gone {
                self.note(ms, symbol, o, outcome);
            }
            self.standing -= usize::from(gone);
            !gone
        });
        self.book_of[symbol] = orders;
    }

    /// A position was opened by the entry of a number: other entries of the symbol are taken back, and what was to
    /// come with it stands.
    pub(super) fn opened(&mut self, ms: i64, symbol: usize, entry: u32) {
        self.remove(ms, symbol, Outcome::Cancelled, |o| o.action == Action::Enter);
        let woken = self.book_of[symbol].iter_mut().filter(|o| o.waits != 0 && o.waits == entry);
        woken.for_each(|o| (o.waits, o.fresh) = (0, true));
        self.forget_waiting(ms, symbol);
    }

    /// A position was closed: what belonged to it is taken back, its own exit that was carried over too.
    pub(super) fn closed(&mut self, ms: i64, symbol: usize) {
        self.pending[symbol].exit = None;
        self.remove(ms, symbol, Outcome::Cancelled, |o| o.action != Action::Enter && o.waits == 0);
    }

    /// Orders at the open: market orders, and what the opening price lies beyond. First those that take from
    /// positions, of all symbols, then the others. Market orders fill at the opens of bars only, not of finer ones.
    pub(super) fn book_at_open<B: Bar>(&mut self, bar: &B, reduces: bool, markets: bool) {
        for symbol in 0..self.book_of.len() {
            let open = bar.get(symbol, Field::Open);
            let mut at = 0;
            while at < self.book_of[symbol].len() {
                let o = self.book_of[symbol][at];
                let mine = (o.action == Action::Reduce) == reduces && o.waits == 0 && !o.later && o.group == 0;
                let cools = o.action == Action::Enter && self.cools_now(symbol);
                if mine && cools && markets && o.kind == Kind::Market {
                    // What is to be filled at this open does not wait.
                    let gone = self.take_out(symbol, at);
                    self.note(bar.time(), symbol, &gone, Outcome::CoolingDown);
                    self.counts.rejected += 1;
                    self.forget_waiting(bar.time(), symbol);
                    at = 0;
                    continue;
                }
                if !mine || cools || !(markets && o.kind == Kind::Market || o.reached(open)) {
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
            self.book_of[symbol].iter_mut().for_each(|o| o.fresh = false);
            self.forget_waiting(bar.time(), symbol);
        }
    }

    /// Orders of a symbol that the price is not beyond, where it is now, are in the book.
    pub(super) fn in_the_book(&mut self, symbol: usize, here: f64) {
        self.book_of[symbol].iter_mut().filter(|o| !o.reached(here)).for_each(|o| o.fresh = false);
    }

    /// What waits for an entry that will not come is taken back.
    pub(super) fn forget_waiting(&mut self, ms: i64, symbol: usize) {
        if self.book_of[symbol].iter().all(|o| o.waits == 0) {
            return;
        }
        let mut comes: Vec<u32> =
            self.book_of[symbol].iter().filter(|o| o.action == Action::Enter).map(|o| o.number).collect();
        comes.extend(self.pending[symbol].entry.map(|e| e.number));
        self.remove(ms, symbol, Outcome::Cancelled, |o| o.waits != 0 && !comes.contains(&o.waits));
    }

    /// Fills an order at a price that lies on its way: at the price of the order, or where the price is already when
    /// that is beyond it. A limit order that was in the book pays the maker's fee; one that takes at once pays the
    /// taker's.
    pub(super) fn execute<B: Bar>(&mut self, bar: &B, symbol: usize, o: &Resting, at: f64) {
        let held = self.positions[symbol].as_ref().map(|p| (p.side, p.qty));
        let rule = match (o.rule(), o.fresh) {
            (Rule::LimitEntry, true) => Rule::SignalEntry,
            (Rule::LimitAdd, true) => Rule::Add,
            (Rule::LimitExit, true) => Rule::Reduce,
            (rule, _) => rule,
        };
        match (o.action, held) {
            (Action::Reduce, Some((side, all))) if side != o.side => self.take(bar, symbol, (o, rule), at, all),
            (Action::Add | Action::AddWithEntry, Some((side, _))) if side == o.side => {
                self.fill(bar, symbol, (o, rule), at, Action::Add);
            }
            // One of its own side stands already.
            (Action::Enter, Some((side, _))) if side == o.side => self.note_done(bar, symbol, o, rule),
            (Action::Enter, None) => self.fill(bar, symbol, (o, rule), at, Action::Enter),
            (Action::Enter, Some((_, all))) if self.capped(symbol, all) == all => {
                let turns = if rule == Rule::LimitEntry { Rule::LimitOpposite } else { Rule::OppositeEntry };
                let price = self.paid(bar, symbol, o, at, all);
                self.exit_as(bar.time(), symbol, price, turns, o.tag);
                if self.terms.cooldown_bars > 0 {
                    self.recorder.order(bar.time(), symbol, o.side, o.qty, rule, Outcome::CoolingDown);
                    self.forget_waiting(bar.time(), symbol);
                } else {
                    self.fill(bar, symbol, (o, rule), at, Action::Enter);
                }
            }
            _ => self.note_done(bar, symbol, o, rule),
        }
    }

    /// An order that could do nothing.
    fn note_done<B: Bar>(&mut self, bar: &B, symbol: usize, o: &Resting, rule: Rule) {
        self.recorder.order(bar.time(), symbol, o.side, o.qty, rule, Outcome::Cancelled);
        self.forget_waiting(bar.time(), symbol);
    }

    /// What an order pays for so much of it: a limit order its price or better, the others with slippage.
    fn paid<B: Bar>(&self, bar: &B, symbol: usize, o: &Resting, at: f64, qty: f64) -> f64 {
        let taken = self.worse(bar, symbol, at, o.side, qty);
        match o.kind {
            // Fresh in the book, and the price is there already: it takes, and never more than it says.
            Kind::Limit { price, .. } if o.fresh && o.side > 0.0 => taken.min(price),
            Kind::Limit { price, .. } if o.fresh => taken.max(price),
            Kind::Limit { .. } => at,
            Kind::Market | Kind::Stop { .. } => taken,
        }
    }

    /// Takes from a position.
    fn take<B: Bar>(&mut self, bar: &B, symbol: usize, (o, rule): (&Resting, Rule), at: f64, all: f64) {
        let qty = if o.is_fraction { self.floor_to_step(symbol, o.qty * all) } else { o.qty };
        // A rest that the exchange would not take as an order goes along.
        let whole = qty >= all || (all - qty) * at < self.rules[symbol].filters.min_notional;
        let wanted = if whole { all } else { qty };
        if wanted <= 0.0 {
            self.recorder.order(bar.time(), symbol, o.side, o.qty, rule, Outcome::BelowMinimum);
            self.counts.rejected += 1;
            return;
        }
        let now = wanted.min(self.capped(symbol, wanted));
        if now > 0.0 {
            let price = self.paid(bar, symbol, o, at, now);
            self.reduce(bar.time(), symbol, now, price, (rule, o.tag));
        }
        let rest = if now < wanted { self.nearest_step(symbol, wanted - now) } else { 0.0 };
        self.carry_exit(bar, symbol, rest, (o, rule));
    }

    /// Opens or adds; what is above the share of the volume is refused, or stands on.
    fn fill<B: Bar>(&mut self, bar: &B, symbol: usize, (o, rule): (&Resting, Rule), at: f64, action: Action) {
        let held = self.positions[symbol].as_ref().map_or(0.0, |p| p.qty);
        let qty = if o.is_fraction { self.floor_to_step(symbol, o.qty * held) } else { o.qty };
        let entry = Entry { rule, qty, ..o.entry(o.side) };
        let slip = match o.kind {
            Kind::Limit { price, .. } if o.fresh => Slip::UpTo(price),
            Kind::Limit { .. } => Slip::None,
            Kind::Market | Kind::Stop { .. } => Slip::Free,
        };
        let left = self.enter(bar, symbol, &entry, (at, slip));
        if left > 0.0 {
            let opened = self.positions[symbol].as_ref().is_some_and(|p| p.side == o.side);
            let action = if opened && action == Action::Enter { Action::Add } else { o.action };
            self.rest_of(bar, symbol, Resting { action, qty: left, ..*o }, rule);
        }
        self.forget_waiting(bar.time(), symbol);
    }

    /// Orders grow older by a bar; those that wait for an entry do not.
    pub(super) fn age<B: Bar>(&mut self, bar: &B) {
        for symbol in 0..self.book_of.len() {
            self.remove(bar.end(), symbol, Outcome::Expired, |o| o.bars <= 1 && o.waits == 0);
            self.book_of[symbol].iter_mut().for_each(|o| o.later = false);
            let aging = self.book_of[symbol].iter_mut().filter(|o| o.bars != u32::MAX && o.waits == 0);
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
            Size::Risk { fraction, distance } if fraction > 0.0 && distance > 0.0 => equity * fraction / distance,
            Size::Volatility { target, volatility } if target > 0.0 && volatility > 0.0 => {
                equity * target / volatility / close
            }
            // Two that are negative make no size.
            Size::Risk { .. } | Size::Volatility { .. } => f64::NAN,
            Size::Position(_) => f64::NAN,
        };
        let qty = if qty > 0.0 { self.floor_to_step(symbol, qty) } else { 0.0 };
        if qty.is_finite() { qty } else { 0.0 }
    }
}
