//! Step 3 of a bar: what happens inside it, adverse first.

use super::Account;
use super::MarginMode;
use super::position::Position;
use super::record::{CashKind, Outcome, Rule};
use super::resting::Resting;
use crate::market::{Bar, Field};
use crate::order::{Action, Kind};

/// Where all prices stand at a moment that nobody saw.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Moment {
    /// Each symbol at its own worst.
    Worst,
    /// Every symbol at its low.
    Lows,
    /// Every symbol at its high.
    Highs,
}

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
            let stop = self.touched_stop(bar, symbol, p, against);
            // Of the two what lies nearer to the open is reached first.
            let in_front = stop.is_some_and(|(level, _)| side * level > side * p.liquidation);
            let liquidated = side * mark <= side * p.liquidation && !in_front;
            let Some(p) = &mut self.positions[symbol] else { continue };
            // Whatever happens, the path began at the open.
            p.saw(bar.get(symbol, Field::Open));
            if liquidated {
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

    /// Whether a cross account survives a bar whatever the path: each symbol's way to its own worst.
    pub(super) fn survives<B: Bar>(&self, bar: &B) -> bool {
        self.way(bar, Moment::Worst).is_ok()
    }

    /// A cross account inside a bar of which only the extremes are known. It is safe when it survives each
    /// symbol's way to its own worst, and dead when it does not survive the way of all to their lows, or of all to
    /// their highs. Between the two nobody knows: it lives, and the bar is counted.
    fn cross_inside<B: Bar>(&mut self, bar: &B) {
        if self.open == 0 && !self.stands() || self.survives(bar) {
            return;
        }
        let died = |m: Moment| self.way(bar, m).err().map(|happened| (m, happened));
        let Some((moment, happened)) = [Moment::Lows, Moment::Highs].into_iter().find_map(died) else {
            self.counts.undecided_bars += 1;
            return;
        };
        for Event { symbol, price, what, .. } in happened {
            match what {
                What::Close(rule) => self.exit(bar.time(), symbol, price, rule),
                What::Fill(order) => {
                    if let Some(at) = self.book_of[symbol].iter().position(|o| *o == *order) {
                        self.take_out(symbol, at);
                        self.execute(bar, symbol, &order, order.price());
                    }
                }
            }
        }
        for symbol in 0..self.positions.len() {
            if let Some(side) = self.positions[symbol].as_ref().map(|p| p.side) {
                self.liquidate_cross(bar, symbol, extreme(bar, symbol, side, moment, true));
            }
            self.remove(bar.time(), symbol, Outcome::Cancelled, |_| true);
        }
        self.insure(bar.time());
    }

    /// Goes the way from the opens to a moment, all prices in step, does what stops, targets and standing orders do
    /// on it, and judges the account before each of those and at the end. The slack is concave on the way between
    /// two of them, so it is least at one of these. Fails where the account dies, with what happened before.
    fn way<B: Bar>(&self, bar: &B, moment: Moment) -> Result<(), Vec<Event>> {
        let mut events = self.events(bar, moment);
        events.sort_by(|a, b| a.at.total_cmp(&b.at).then(a.symbol.cmp(&b.symbol)));
        let (mut changed, mut gained): (Vec<Changed>, f64) = (Vec::new(), 0.0);
        let mark = |symbol: usize, side: f64, at: f64| {
            let (from, to) = (bar.get(symbol, Field::MarkOpen), extreme(bar, symbol, side, moment, true));
            from + at * (to - from)
        };
        let alive = |at: f64, gained: f64, changed: &[Changed]| {
            let same = |symbol: usize| !changed.iter().any(|c| c.symbol == symbol);
            let own = self.cross_slack(|symbol, p| same(symbol).then(|| mark(symbol, p.side, at)));
            let slack = |sum: f64, c: &Changed| {
                let price = mark(c.symbol, c.side, at);
                sum + c.side * c.qty * (price - c.entry) - self.rules[c.symbol].brackets.maintenance(c.qty * price)
            };
            gained + changed.iter().filter(|c| c.qty > 0.0).fold(own, slack) > 0.0
        };
        for at in 0..events.len() {
            if !alive(events[at].at, gained, &changed) {
                events.truncate(at);
                return Err(events);
            }
            gained += self.happens(bar, &mut events[at], &mut changed);
        }
        if alive(1.0, gained, &changed) { Ok(()) } else { Err(events) }
    }

    /// What stops, targets and orders do on a way from the opens to a moment, in no order.
    fn events<B: Bar>(&self, bar: &B, moment: Moment) -> Vec<Event> {
        let mut out = Vec::new();
        for symbol in 0..self.positions.len() {
            let (held, open) = (self.positions[symbol].as_ref(), bar.get(symbol, Field::Open));
            let at =
                |price: f64, end: f64| if end == open { 0.0 } else { ((price - open) / (end - open)).clamp(0.0, 1.0) };
            let mut closes = None;
            if let Some(p) = held {
                let end = extreme(bar, symbol, p.side, moment, false);
                let target = || (p.side * end > p.side * p.take).then_some((p.take, Rule::TakeProfit));
                closes = self.touched_stop(bar, symbol, p, end).or_else(target).map(|(price, rule)| Event {
                    at: at(price, end),
                    price,
                    symbol,
                    what: What::Close(rule),
                });
            }
            let last = closes.as_ref().map_or(1.0, |c: &Event| c.at);
            for o in self.book_of[symbol].iter().filter(|o| !o.waits && o.kind != Kind::Market) {
                let end = extreme(bar, symbol, held.map_or(-o.direction(), |p| p.side), moment, false);
                if o.reached(end) && at(o.price(), end) <= last {
                    out.push(Event {
                        at: at(o.price(), end),
                        price: o.price(),
                        symbol,
                        what: What::Fill(Box::new(*o)),
                    });
                }
            }
            out.extend(closes);
        }
        out
    }

    /// Takes an event into what has changed. Gives what the wallet gains by it.
    fn happens<B: Bar>(&self, bar: &B, event: &mut Event, changed: &mut Vec<Changed>) -> f64 {
        let symbol = event.symbol;
        let known = changed.iter().position(|c| c.symbol == symbol).unwrap_or_else(|| {
            let p = self.positions[symbol].as_ref();
            changed.push(p.map_or(Changed { symbol, side: 0.0, qty: 0.0, entry: 0.0 }, |p| Changed {
                symbol,
                side: p.side,
                qty: p.qty,
                entry: p.entry,
            }));
            changed.len() - 1
        });
        let c = &mut changed[known];
        let (closing, maker) = match &event.what {
            What::Close(rule) => (c.qty, *rule == Rule::TakeProfit),
            What::Fill(o) => {
                let qty = if o.is_fraction { o.qty * c.qty } else { o.qty };
                let maker = matches!(o.kind, Kind::Limit { .. });
                if c.qty == 0.0 || c.side == o.side {
                    if o.action == Action::Reduce || c.qty == 0.0 && o.action != Action::Enter {
                        return 0.0;
                    }
                    let price = if maker { event.price } else { self.worse(bar, symbol, event.price, o.side, qty) };
                    c.entry = (c.qty * c.entry + qty * price) / (c.qty + qty);
                    (c.side, c.qty) = (o.side, c.qty + qty);
                    return -self.fee(symbol, qty * price, maker);
                }
                if o.action == Action::Enter {
                    return self.turns(bar, o, event.price, c);
                }
                (qty.min(c.qty), maker)
            }
        };
        let price = if maker { event.price } else { self.worse(bar, symbol, event.price, -c.side, closing) };
        c.qty -= closing;
        if let What::Close(_) = event.what {
            event.price = price;
        }
        c.side * closing * (price - c.entry) - self.fee(symbol, closing * price, maker)
    }

    /// An entry of the other side closes what stands, as taker, and opens its own. Gives what the wallet gains by it.
    fn turns<B: Bar>(&self, bar: &B, o: &Resting, price: f64, c: &mut Changed) -> f64 {
        let maker = matches!(o.kind, Kind::Limit { .. });
        let price = if maker { price } else { self.worse(bar, c.symbol, price, o.side, o.qty) };
        let closed = c.side * c.qty * (price - c.entry) - self.fee(c.symbol, c.qty * price, false);
        (c.side, c.qty, c.entry) = (o.side, o.qty, price);
        closed - self.fee(c.symbol, o.qty * price, maker)
    }

    /// Judges the whole cross account at the opening marks, which all stand at one moment.
    pub(super) fn cross_at_open<B: Bar>(&mut self, bar: &B) {
        if self.open == 0 || self.cross_slack(|s, _| Some(bar.get(s, Field::MarkOpen))) > 0.0 {
            return;
        }
        for symbol in 0..self.positions.len() {
            if self.positions[symbol].is_some() {
                self.liquidate_cross(bar, symbol, bar.get(symbol, Field::MarkOpen));
            }
        }
        self.insure(bar.time());
    }

    /// A wallet below zero is made good by the insurance fund.
    fn insure(&mut self, ms: i64) {
        if self.wallet < 0.0 {
            self.counts.insurance_usdt -= self.wallet;
            self.cash(ms, 0, CashKind::Insurance, -self.wallet);
        }
    }

    /// Where the stop stands that follows the best price: at a distance, or where its steps have brought it.
    pub(super) fn trail<B: Bar>(&self, bar: &B, symbol: usize, p: &Position) -> f64 {
        let simple = p.best * (1.0 - p.side * p.trail);
        let nearer = if p.side > 0.0 { simple.max(p.followed) } else { simple.min(p.followed) };
        self.level(bar, symbol, nearer)
    }

    /// The stop that is reached first on the way against the position.
    pub(super) fn touched_stop<B: Bar>(
        &self,
        bar: &B,
        symbol: usize,
        p: &Position,
        against: f64,
    ) -> Option<(f64, Rule)> {
        let trail = self.trail(bar, symbol, p);
        let stop = (p.side * against <= p.side * p.stop).then_some((p.stop, Rule::StopLoss));
        let trail = (p.side * against <= p.side * trail).then_some((trail, Rule::TrailingStop));
        match (stop, trail) {
            (Some(s), Some(t)) => Some(if p.side * t.0 > p.side * s.0 { t } else { s }),
            (s, t) => s.or(t),
        }
    }
}

/// Something that happens on a way, at a part of it.
#[derive(Debug, Clone, PartialEq)]
struct Event {
    at: f64,
    /// Of a close, when it has happened, with slippage.
    price: f64,
    symbol: usize,
    what: What,
}

#[derive(Debug, Clone, PartialEq)]
enum What {
    Close(Rule),
    Fill(Box<Resting>),
}

/// A position that is another one than at the open.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Changed {
    symbol: usize,
    side: f64,
    qty: f64,
    entry: f64,
}

/// The mark price, or the traded one, of a symbol at a moment.
fn extreme<B: Bar>(bar: &B, symbol: usize, side: f64, moment: Moment, mark: bool) -> f64 {
    let low = match moment {
        Moment::Worst => side > 0.0,
        Moment::Lows => true,
        Moment::Highs => false,
    };
    bar.get(
        symbol,
        match (low, mark) {
            (true, true) => Field::MarkLow,
            (false, true) => Field::MarkHigh,
            (true, false) => Field::Low,
            (false, false) => Field::High,
        },
    )
}
