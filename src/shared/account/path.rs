//! The way of one symbol through a bar in which orders stand: what lies nearer to the open happens first, what is
//! against a position before what is for it.
//!
//! What fills inside the bar may have filled at any moment of it: the whole extreme against it may still come, and of
//! what is for it only the close is certain. A symbol whose position was closed fills nothing more in that bar.

use super::Account;
use super::record::Rule;
use super::resting::Resting;
use crate::market::{Bar, Field};

/// What comes next on a way.
enum Next {
    Stop(f64, Rule),
    Liquidation,
    Target(f64),
    Order(usize),
}

impl Account<'_> {
    /// Goes the way of a symbol with standing orders through a bar.
    pub(super) fn path<B: Bar>(&mut self, bar: &B, symbol: usize) {
        let [open, low, high, close] = [Field::Open, Field::Low, Field::High, Field::Close].map(|f| bar.get(symbol, f));
        if open.is_nan() {
            return;
        }
        let mut inside = self.positions[symbol].is_none();
        // Where the price is.
        let mut here = open;
        if inside {
            let Some(price) = self.enter_on_the_way(bar, symbol) else { return };
            here = price;
        } else if let Some(p) = &mut self.positions[symbol] {
            p.saw(open);
        }
        loop {
            self.behind(bar, symbol, here);
            let Some(side) = self.positions[symbol].as_ref().map(|p| p.side) else { return };
            let (against, furthest) = if side > 0.0 { (low, high) } else { (high, low) };
            let with = if inside { close } else { furthest };
            let next = match self.target_behind(symbol, here) {
                Some(next) => Some(next),
                None => self.next_against(bar, symbol, against, here).or_else(|| self.next_for(symbol, with)),
            };
            let ms = bar.time();
            match next {
                Some(Next::Stop(level, rule)) => {
                    let qty = self.positions[symbol].as_ref().map_or(0.0, |p| p.qty);
                    return self.exit(ms, symbol, self.worse(bar, symbol, level, -side, qty), rule);
                }
                // What is left of it goes on.
                Some(Next::Liquidation) => self.liquidate_isolated(ms, symbol),
                Some(Next::Target(price)) => {
                    if let Some(p) = self.positions[symbol].as_mut().filter(|_| price != here) {
                        p.saw(against);
                    }
                    return self.exit(ms, symbol, price, Rule::TakeProfit);
                }
                Some(Next::Order(at)) => {
                    let before = self.positions[symbol].as_ref().map_or(0.0, |p| p.entered);
                    let order = self.take_out(symbol, at);
                    here = order.price();
                    self.execute(bar, symbol, &order, here);
                    inside |= self.positions[symbol].as_ref().is_some_and(|p| p.entered != before || p.side != side);
                }
                None => {
                    if let Some(p) = &mut self.positions[symbol] {
                        p.saw(against);
                        p.saw(with);
                        p.follow(with);
                    }
                    return;
                }
            }
        }
    }

    /// What a fill has woken and the price is beyond already fills where that is.
    fn behind<B: Bar>(&mut self, bar: &B, symbol: usize, here: f64) {
        let woken = |o: &Resting| o.fresh && o.waits == 0 && o.reached(here);
        while let Some(at) = self.book_of[symbol].iter().position(woken) {
            let order = self.take_out(symbol, at);
            self.execute(bar, symbol, &order, here);
        }
        self.book_of[symbol].iter_mut().for_each(|o| o.fresh = false);
    }

    /// A target that the price is beyond already, such as one that was placed below an entry.
    fn target_behind(&self, symbol: usize, here: f64) -> Option<Next> {
        let p = self.positions[symbol].as_ref()?;
        (p.side * here > p.side * p.take).then_some(Next::Target(here))
    }

    pub(super) fn take_out(&mut self, symbol: usize, at: usize) -> Resting {
        self.standing -= 1;
        self.book_of[symbol].remove(at)
    }

    /// Orders that may fill on a way to a price, with their places in the book.
    fn on_the_way(&self, symbol: usize, direction: f64, way: f64) -> impl Iterator<Item = (usize, &Resting)> {
        let mine = move |o: &&Resting| self.may_stand(symbol, o) && o.direction() == direction;
        let all = self.book_of[symbol].iter().enumerate();
        all.filter(move |(_, o)| mine(o) && o.reached(way))
    }

    /// Without a position: the order that is nearest to the open opens one; one that is refused is gone. Gives
    /// at which price.
    fn enter_on_the_way<B: Bar>(&mut self, bar: &B, symbol: usize) -> Option<f64> {
        let [open, low, high] = [Field::Open, Field::Low, Field::High].map(|f| bar.get(symbol, f));
        loop {
            let all = self.on_the_way(symbol, -1.0, low).chain(self.on_the_way(symbol, 1.0, high));
            let apart = |o: &Resting| (o.price() - open).abs();
            let nearest = all.min_by(|a, b| apart(a.1).total_cmp(&apart(b.1)).then(a.0.cmp(&b.0)));
            let at = nearest.map(|(at, _)| at)?;
            let order = self.take_out(symbol, at);
            self.execute(bar, symbol, &order, order.price());
            if self.positions[symbol].is_some() {
                return Some(order.price());
            }
        }
    }

    /// What is reached first on the way against a position.
    fn next_against<B: Bar>(&self, bar: &B, symbol: usize, against: f64, here: f64) -> Option<Next> {
        let p = self.positions[symbol].as_ref()?;
        let near = |price: f64| p.side * price;
        let mark = bar.get(symbol, if p.side > 0.0 { Field::MarkLow } else { Field::MarkHigh });
        let orders = self.on_the_way(symbol, -p.side, against);
        let order = orders.max_by(|a, b| near(a.1.price()).total_cmp(&near(b.1.price())).then(b.0.cmp(&a.0)));
        let stop = self.touched_stop(bar, symbol, p, against, here);
        let liquidated = near(mark) <= near(p.liquidation);
        let close = match stop {
            Some((level, rule)) if !liquidated || near(level) > near(p.liquidation) => {
                Some((level, Next::Stop(level, rule)))
            }
            _ => liquidated.then_some((p.liquidation, Next::Liquidation)),
        };
        match (order, close) {
            (Some((at, o)), Some((level, _))) if near(o.price()) >= near(level) => Some(Next::Order(at)),
            (_, Some((_, next))) => Some(next),
            (Some((at, _)), None) => Some(Next::Order(at)),
            (None, None) => None,
        }
    }

    /// What is reached first on the way for a position.
    fn next_for(&self, symbol: usize, with: f64) -> Option<Next> {
        let p = self.positions[symbol].as_ref()?;
        let far = |price: f64| p.side * price;
        let orders = self.on_the_way(symbol, p.side, with);
        let order = orders.min_by(|a, b| far(a.1.price()).total_cmp(&far(b.1.price())).then(a.0.cmp(&b.0)));
        let target = far(with) > far(p.take);
        match order {
            Some((at, o)) if !target || far(o.price()) <= far(p.take) => Some(Next::Order(at)),
            _ => target.then_some(Next::Target(p.take)),
        }
    }

    /// Whether an order of a symbol could fill inside a bar.
    pub(super) fn may_fill<B: Bar>(&self, bar: &B, symbol: usize) -> bool {
        let (low, high) = (bar.get(symbol, Field::Low), bar.get(symbol, Field::High));
        self.on_the_way(symbol, -1.0, low).chain(self.on_the_way(symbol, 1.0, high)).next().is_some()
    }
}
