//! An open position, and how fills change it.

use crate::order::{Follow, Level, Levels, Tag};

/// An open position of one symbol (one-way mode).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Position {
    /// +1 long, −1 short.
    pub(super) side: f64,
    pub(super) qty: f64,
    /// Average entry.
    pub(super) entry: f64,
    pub(super) first_entry: f64,
    pub(super) last_entry: f64,
    pub(super) entry_ms: i64,
    pub(super) entry_bar: usize,
    pub(super) leverage: f64,
    /// Initial margin, USDT.
    pub(super) initial_margin: f64,
    /// Isolated wallet, USDT; unused in cross.
    pub(super) wallet: f64,
    /// Isolated liquidation price, NaN when there is none.
    pub(super) liquidation: f64,
    /// Nearer to its price than where it is liquidated: settlements may not move that beyond.
    pub(super) near: f64,
    pub(super) stop: f64,
    pub(super) take: f64,
    pub(super) trail: f64,
    /// Where the steps of a following stop have brought it, NaN when none was reached.
    pub(super) followed: f64,
    /// Best price seen, for the trailing stop.
    pub(super) best: f64,
    /// Furthest prices against and for the position.
    pub(super) adverse: f64,
    pub(super) favourable: f64,
    /// The best and the worst profit that it had, each as a fraction of the average entry of its moment.
    pub(super) best_profit: f64,
    pub(super) worst_profit: f64,
    /// The best of them at the ends of bars, which steps of a stop that follows look at.
    gained: f64,
    pub(super) fees: f64,
    pub(super) funding: f64,
    /// All that was ever entered, base asset, and quantity times price of it.
    pub(super) entered: f64,
    pub(super) entered_value: f64,
    /// So much of it has stood since the bar's open.
    pub(super) stood: f64,
    /// What was taken from it: quantity, quantity times price, profit before fees.
    pub(super) left: f64,
    pub(super) left_value: f64,
    pub(super) realised: f64,
    pub(super) adds: u32,
    pub(super) parts: u32,
    pub(super) tag: Tag,
    pub(super) levels: Levels,
}

/// A fill that opens a position or adds to one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Filled {
    pub(super) ms: i64,
    pub(super) bar: usize,
    pub(super) side: f64,
    pub(super) qty: f64,
    pub(super) price: f64,
    pub(super) margin: f64,
    pub(super) fee: f64,
    pub(super) leverage: f64,
}

impl Position {
    /// A position that a fill opens. Its levels are not set yet.
    pub(super) fn open(fill: &Filled, levels: Levels, tag: Tag, isolated: bool) -> Position {
        Position {
            side: fill.side,
            qty: fill.qty,
            entry: fill.price,
            first_entry: fill.price,
            last_entry: fill.price,
            entry_ms: fill.ms,
            entry_bar: fill.bar,
            leverage: fill.leverage,
            initial_margin: fill.margin,
            wallet: if isolated { fill.margin } else { 0.0 },
            liquidation: f64::NAN,
            near: f64::NAN,
            stop: f64::NAN,
            take: f64::NAN,
            trail: levels.trail,
            followed: f64::NAN,
            best: fill.price,
            adverse: fill.price,
            favourable: fill.price,
            best_profit: 0.0,
            worst_profit: 0.0,
            gained: 0.0,
            fees: fill.fee,
            funding: 0.0,
            entered: fill.qty,
            entered_value: fill.qty * fill.price,
            stood: 0.0,
            left: 0.0,
            left_value: 0.0,
            realised: 0.0,
            adds: 0,
            parts: 0,
            tag,
            levels,
        }
    }

    /// Adds a fill of its own side: the entry is the average.
    pub(super) fn add(&mut self, fill: &Filled, isolated: bool) {
        let qty = self.qty + fill.qty;
        self.entry = (self.qty * self.entry + fill.qty * fill.price) / qty;
        self.qty = qty;
        self.entered += fill.qty;
        self.entered_value += fill.qty * fill.price;
        self.last_entry = fill.price;
        self.initial_margin += fill.margin;
        self.wallet += if isolated { fill.margin } else { 0.0 };
        self.fees += fill.fee;
        self.adds += 1;
        self.saw(fill.price);
    }

    /// Takes a part of it away: its share of margin and wallet goes with it. Gives the profit before fees.
    pub(super) fn part(&mut self, qty: f64, price: f64, fee: f64) -> f64 {
        let (share, pnl) = (qty / self.qty, self.side * qty * (price - self.entry));
        self.qty -= qty;
        self.stood = self.stood.min(self.qty);
        self.initial_margin -= self.initial_margin * share;
        self.wallet -= self.wallet * share;
        self.left += qty;
        self.left_value += qty * price;
        self.realised += pnl;
        self.fees += fee;
        self.parts += 1;
        self.saw(price);
        pnl
    }

    /// The price at which it was entered: the average of all that ever was.
    pub(super) fn average_entry(&self) -> f64 {
        if self.adds == 0 { self.first_entry } else { self.entered_value / self.entered }
    }

    /// The price at which it was left, when the rest is left at one: the average of all parts.
    pub(super) fn average_exit(&self, price: f64) -> f64 {
        if self.left == 0.0 { price } else { (self.left_value + self.qty * price) / (self.left + self.qty) }
    }

    /// Takes a price into how far it went for and against the position.
    pub(super) fn saw(&mut self, price: f64) {
        let (a, f) = (self.adverse, self.favourable);
        (self.adverse, self.favourable) =
            if self.side > 0.0 { (a.min(price), f.max(price)) } else { (a.max(price), f.min(price)) };
        let profit = self.side * (price / self.entry - 1.0);
        (self.best_profit, self.worst_profit) = (self.best_profit.max(profit), self.worst_profit.min(profit));
    }

    /// Takes the best price of a bar that has ended into the trailing stop and its steps. A stop that follows never
    /// goes back.
    pub(super) fn follow(&mut self, with: f64) {
        self.best = if self.side > 0.0 { self.best.max(with) } else { self.best.min(with) };
        // What it had: an average that moved since makes no profit of an earlier price.
        self.gained = self.gained.max(self.side * (with / self.entry - 1.0));
        let reached = self.levels.steps.iter().flatten().rfind(|step| self.gained >= step.after);
        let level = match reached.map(|step| step.follow) {
            Some(Follow::Best(distance)) => self.best * (1.0 - self.side * distance),
            Some(Follow::Entry(offset)) => self.entry * (1.0 + self.side * offset),
            None => return,
        };
        if self.followed.is_nan() || self.side * level > self.side * self.followed {
            self.followed = level;
        }
    }

    /// The price of a level, NaN for none; `way` is +1 for one on the side of profit, −1 for one against it.
    pub(super) fn price_of(&self, level: Level, way: f64) -> f64 {
        match level {
            Level::None => f64::NAN,
            Level::Price(price) => price,
            Level::Average(fraction) => self.entry * (1.0 + way * self.side * fraction),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Step;

    fn fill(qty: f64, price: f64) -> Filled {
        Filled { side: 1.0, qty, price, ms: 0, bar: 0, margin: 1.0, fee: 0.0, leverage: 1.0 }
    }

    /// Entered at 102.23, a quarter of a percent up at best; then a rung at 99.14 brings the average to 99.76. The high
    /// from before is no profit of that average: it arms no step, and is no best profit.
    #[test]
    fn an_average_makes_no_profit_of_an_earlier_price() {
        let mut levels = Levels::NONE;
        levels.steps[0] = Some(Step { after: 0.015, follow: Follow::Best(0.006) });
        let mut p = Position::open(&fill(1.0, 102.23), levels, 0, true);
        p.saw(102.50);
        p.follow(102.50);
        p.add(&fill(4.0, 99.14), true);
        p.saw(99.40);
        p.follow(99.40);
        assert!((p.entry - 99.758).abs() < 1e-9 && p.followed.is_nan());
        assert!((p.best_profit - (102.50 / 102.23 - 1.0)).abs() < 1e-12, "{}", p.best_profit);
        // One that it really has arms it.
        p.follow(101.50);
        assert!((p.followed - 102.50 * 0.994).abs() < 1e-9, "{}", p.followed);
    }
}
