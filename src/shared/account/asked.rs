//! What was asked for at a close, taken up: orders, levels, target weights.

use super::Account;
use super::record::{Outcome, Rule};
use super::resting::{Entry, Resting};
use crate::market::{Bar, Field};
use crate::order::{Action, Ask, Intent, Kind, Level, Levels, Orders, Size, Tag, Target};

impl Account<'_> {
    /// Positions that have stood as long as they may.
    pub(super) fn time_exits(&mut self, ms: i64) {
        for symbol in 0..self.positions.len() {
            let Some(p) = &self.positions[symbol] else { continue };
            if p.levels.hold > 0 && self.bar + 1 - p.entry_bar >= p.levels.hold as usize {
                self.pending[symbol].exit = Some((Rule::TimeExit, 0));
                self.any_pending = true;
                self.forget_rests(ms, symbol);
            }
        }
    }

    /// Takes up what was asked for: orders and levels in their order, then target weights. What is asked of a symbol
    /// that there is not is counted as refused.
    pub(super) fn take_up<B: Bar>(&mut self, bar: &B, orders: &Orders) {
        self.entry_of.fill(None);
        for (symbol, ask) in &orders.asks {
            match ask {
                _ if *symbol >= self.positions.len() => self.counts.rejected += 1,
                Ask::Cancel => {
                    self.remove(bar.end(), *symbol, Outcome::Cancelled, |o| o.kind != Kind::Market || o.rest);
                }
                Ask::CancelEntries => {
                    let entry = |o: &Resting| o.action == Action::Enter || o.waits != 0;
                    self.remove(bar.end(), *symbol, Outcome::Cancelled, entry);
                }
                Ask::Levels(levels) => self.look_again(bar, *symbol, levels),
                Ask::Order(intent) => self.take_order(bar, *symbol, intent),
            }
        }
        for target in &orders.targets {
            self.take_target(bar, target);
        }
    }

    fn refuse<B: Bar>(&mut self, bar: &B, symbol: usize, side: f64, rule: Rule, outcome: Outcome) {
        self.recorder.order(bar.end(), symbol, side, 0.0, rule, outcome);
        self.counts.rejected += 1;
    }

    fn take_order<B: Bar>(&mut self, bar: &B, symbol: usize, intent: &Intent) {
        let held = self.positions[symbol].as_ref().map(|p| p.side);
        if intent.action == Action::Enter {
            // What comes with it, or with nothing.
            self.entry_of[symbol] = None;
        }
        let side = match (intent.action, held, self.entry_of[symbol]) {
            // An entry of the position's own side, and what belongs to a position where there is none, are nothing.
            (Action::Enter, _, _) if Some(intent.side) == held => return,
            (Action::Add | Action::Reduce, None, _) => return,
            (Action::Enter, _, _) => intent.side,
            (Action::AddWithEntry, _, Some((_, side, _))) => side,
            // Nothing that it could come with was asked for before it.
            (Action::AddWithEntry, _, None) => {
                return self.refuse(bar, symbol, intent.side, Rule::Add, Outcome::Cancelled);
            }
            (Action::Add, Some(side), _) => side,
            (Action::Reduce, Some(side), _) => -side,
        };
        let Some(order) = self.order_of(bar, symbol, side, intent) else {
            let rule = match intent.action {
                Action::Enter => Rule::SignalEntry,
                Action::Add | Action::AddWithEntry => Rule::Add,
                Action::Reduce => Rule::Reduce,
            };
            let gone = bar.get(symbol, Field::Close).is_nan();
            return self.refuse(
                bar,
                symbol,
                side,
                rule,
                if gone { Outcome::NotTrading } else { Outcome::BelowMinimum },
            );
        };
        if intent.action == Action::Enter && intent.kind == Kind::Market && self.cools_down(symbol) {
            // It still closes what stands.
            if held.is_some() {
                self.leave_whole(bar.end(), symbol, (Rule::OppositeEntry, intent.tag));
            }
            return self.refuse(bar, symbol, side, Rule::SignalEntry, Outcome::CoolingDown);
        }
        if order.action == Action::Enter {
            self.entry_of[symbol] = Some((order.number, side, order.leverage));
        }
        match (order.action, order.kind) {
            // The first one wins.
            (Action::Enter, Kind::Market) if self.pending[symbol].entry.is_some() => {
                self.recorder.order(bar.end(), symbol, side, order.qty, Rule::SignalEntry, Outcome::Cancelled);
                self.counts.rejected += 1;
            }
            (Action::Enter, Kind::Market) => {
                if held.is_some() {
                    self.leave_whole(bar.end(), symbol, (Rule::OppositeEntry, order.tag));
                }
                self.pending[symbol].entry = Some(Entry { rule: Rule::SignalEntry, ..order.entry(side) });
                self.any_pending = true;
            }
            (Action::Reduce, Kind::Market) if order.is_fraction && order.qty >= 1.0 => {
                self.leave_whole(bar.end(), symbol, (Rule::SignalExit, order.tag));
            }
            _ => self.put(bar.end(), symbol, order),
        }
    }

    /// A position is to be closed at the next open, whole.
    fn leave_whole(&mut self, ms: i64, symbol: usize, why: (Rule, Tag)) {
        self.pending[symbol].exit.get_or_insert(why);
        self.any_pending = true;
        self.forget_rests(ms, symbol);
    }

    /// An order in checked values: price on the tick, quantity in whole steps.
    fn order_of<B: Bar>(&mut self, bar: &B, symbol: usize, side: f64, intent: &Intent) -> Option<Resting> {
        let (close, cap) = (bar.get(symbol, Field::Close), self.terms.leverage[symbol]);
        let entry = self.entry_of[symbol].filter(|_| intent.action == Action::AddWithEntry);
        // What adds has the leverage of the position that it adds to.
        let leverage = match (intent.action, &self.positions[symbol], entry) {
            (Action::Add, Some(p), _) => p.leverage,
            (Action::AddWithEntry, _, Some((_, _, leverage))) => leverage,
            (Action::Reduce, _, _) => cap,
            _ => intent.leverage.unwrap_or(cap),
        };
        let priced = |price: f64| {
            let level = self.level(bar, symbol, price);
            (price > 0.0 && level > 0.0 && level.is_finite()).then_some(level)
        };
        let (kind, bars) = match intent.kind {
            Kind::Market => (Kind::Market, u32::MAX),
            Kind::Limit { price, bars } => (Kind::Limit { price: priced(price)?, bars }, bars),
            Kind::Stop { price, bars } => (Kind::Stop { price: priced(price)?, bars }, bars),
        };
        let (qty, is_fraction) = match intent.size {
            Size::Position(part) if part > 0.0 && part.is_finite() => {
                (if intent.action == Action::Reduce { part.min(1.0) } else { part }, true)
            }
            Size::Position(_) => (0.0, true),
            size => (self.quantity(symbol, size, close, leverage.min(cap)), false),
        };
        let odd = match intent.action {
            Action::Enter => is_fraction,
            Action::AddWithEntry => intent.kind == Kind::Market,
            _ => false,
        };
        if odd || side.abs() != 1.0 || close.is_nan() || leverage.is_nan() || leverage < 1.0 || qty <= 0.0 {
            return None;
        }
        Some(Resting {
            number: self.next_number(),
            action: intent.action,
            side,
            qty,
            is_fraction,
            kind,
            bars: if bars == 0 { u32::MAX } else { bars },
            fresh: true,
            later: false,
            rest: false,
            waits: entry.map_or(0, |(number, _, _)| number),
            leverage: leverage.min(cap),
            levels: intent.levels,
            tag: intent.tag,
            target: false,
            group: 0,
            legs: 0,
        })
    }

    /// Puts the levels of a position elsewhere. A stop goes no further away unless that is said.
    fn look_again<B: Bar>(&mut self, bar: &B, symbol: usize, new: &Levels) {
        let Some(p) = &self.positions[symbol] else { return };
        let at = |level: Level, way: f64| self.level(bar, symbol, p.price_of(level, way));
        let (stop, take) = (at(new.stop, -1.0), at(new.take, 1.0));
        let nearer = new.loosen || p.stop.is_nan() || p.side * stop > p.side * p.stop;
        let closer = new.loosen || p.trail.is_nan() || new.trail < p.trail;
        let Some(p) = &mut self.positions[symbol] else { return };
        let old = p.levels;
        p.levels = Levels { stop: if nearer { new.stop } else { old.stop }, ..*new };
        (p.stop, p.take) = (if nearer { stop } else { p.stop }, take);
        p.trail = if closer { new.trail } else { p.trail };
        if new.loosen {
            p.followed = f64::NAN;
        }
    }

    /// Turns target weights into orders for the next open.
    fn take_target<B: Bar>(&mut self, bar: &B, target: &Target) {
        let equity = self.equity.last().copied().unwrap_or_default();
        let group = if target.together { self.next_group() } else { 0 };
        let (mut legs, mut short) = (Vec::new(), false);
        for (at, (symbol, weight)) in target.weights.iter().copied().enumerate() {
            // Of a symbol that is named twice the last weight holds.
            let again = target.weights[at + 1..].iter().any(|(other, _)| *other == symbol);
            if symbol >= self.positions.len() || again {
                self.counts.rejected += 1;
                short |= !again;
                continue;
            }
            // What is left of an earlier target is no part of this one.
            if !weight.is_nan() {
                self.remove(bar.end(), symbol, Outcome::Cancelled, |o| o.target);
            }
            let close = bar.get(symbol, Field::Close);
            let held = self.positions[symbol].as_ref().map_or(0.0, |p| p.side * p.qty);
            let now = held * close / equity;
            let near = (weight - now).abs() <= target.band && weight * now > 0.0;
            // A weight that is not known leaves things as they are.
            if weight.is_nan() || equity <= 0.0 || near || (weight == 0.0 && held == 0.0) {
                continue;
            }
            if close.is_nan() {
                self.refuse(bar, symbol, weight.signum(), Rule::Target, Outcome::NotTrading);
                short = true;
                continue;
            }
            let wanted = weight.signum() * self.floor_to_step(symbol, equity * weight.abs() / close);
            if !wanted.is_finite() || held == 0.0 && wanted == 0.0 && target.together {
                self.refuse(bar, symbol, weight.signum(), Rule::Target, Outcome::BelowMinimum);
                short = true;
                continue;
            }
            if held != 0.0 && wanted * held <= 0.0 {
                self.forget_rests(bar.end(), symbol);
            }
            let orders = self.way_to(symbol, (held, wanted, weight), target, group);
            legs.extend(orders.into_iter().flatten().filter(|o| o.qty > 0.0).map(|o| (symbol, o)));
        }
        if target.together && short {
            // One of them cannot be traded at all.
            legs.iter().for_each(|(s, o)| self.refuse(bar, *s, o.side, Rule::Target, Outcome::LegRefused));
            return;
        }
        let all = legs.len() as u32;
        legs.into_iter().for_each(|(symbol, o)| self.put(bar.end(), symbol, Resting { legs: all, ..o }));
    }

    /// The orders that bring a position from what is held to what is wanted, base asset and signed.
    fn way_to(
        &self,
        symbol: usize,
        (held, wanted, weight): (f64, f64, f64),
        target: &Target,
        group: u32,
    ) -> [Option<Resting>; 2] {
        let order = |action: Action, side: f64, qty: f64, is_fraction: bool| {
            let (leverage, levels, tag) = (self.terms.leverage[symbol], target.levels, target.tag);
            let entry = Entry { side, qty, leverage, levels, tag, rule: Rule::Target, number: 0 };
            Resting { qty, is_fraction, fresh: true, group, ..Resting::market(action, side, &entry) }
        };
        let change = self.floor_to_step(symbol, (wanted - held).abs());
        if held == 0.0 {
            [Some(order(Action::Enter, weight.signum(), wanted.abs(), false)), None]
        } else if wanted * held <= 0.0 {
            let leave = order(Action::Reduce, -held.signum(), 1.0, true);
            let enter = order(Action::Enter, weight.signum(), wanted.abs(), false);
            [Some(leave), (wanted != 0.0).then_some(enter)]
        } else if wanted.abs() > held.abs() {
            [Some(order(Action::Add, held.signum(), change, false)), None]
        } else {
            [Some(order(Action::Reduce, -held.signum(), change, false)), None]
        }
    }
}
