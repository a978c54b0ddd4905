//! Step 3 of a bar: what happens inside it, adverse first.

use super::MarginMode;
use super::record::{CashKind, Rule};
use super::{Account, Position};
use crate::market::{Bar, Field};

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
            let Some(p) = &self.positions[symbol] else { continue };
            let side = p.side;
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
            } else if let Some((level, rule)) = stop {
                self.exit(bar.time(), symbol, self.worse(bar, symbol, level, -side), rule);
            } else if side * with > side * p.take {
                p.saw(against);
                let price = p.take;
                self.exit(bar.time(), symbol, price, Rule::TakeProfit);
            } else {
                p.saw(against);
                p.saw(with);
                p.best = if side > 0.0 { p.best.max(with) } else { p.best.min(with) };
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
        if self.open == 0 || self.survives(bar) {
            return;
        }
        let died = |m: Moment| self.way(bar, m).err().map(|closed| (m, closed));
        let Some((moment, closed)) = [Moment::Lows, Moment::Highs].into_iter().find_map(died) else {
            self.counts.undecided_bars += 1;
            return;
        };
        for Close { symbol, price, rule } in closed {
            self.exit(bar.time(), symbol, price, rule);
        }
        for symbol in 0..self.positions.len() {
            if let Some(side) = self.positions[symbol].as_ref().map(|p| p.side) {
                self.liquidate_cross(bar, symbol, extreme(bar, symbol, side, moment, true));
            }
        }
        self.insure(bar.time());
    }

    /// Goes the way from the opens to a moment, all prices in step, closes what stops and targets close on it, and
    /// judges the account before each of those and at the end. The slack is concave on the way, so it is least at one
    /// of these. Fails where the account dies, with what was closed before.
    fn way<B: Bar>(&self, bar: &B, moment: Moment) -> Result<(), Vec<Close>> {
        let mut stops: Vec<(f64, f64, usize, Rule)> = Vec::new();
        for (symbol, p) in self.positions.iter().enumerate().filter_map(|(s, p)| Some((s, p.as_ref()?))) {
            let (open, end) = (bar.get(symbol, Field::Open), extreme(bar, symbol, p.side, moment, false));
            let target = || (p.side * end > p.side * p.take).then_some((p.take, Rule::TakeProfit));
            if let Some((level, rule)) = self.touched_stop(bar, symbol, p, end).or_else(target) {
                let at = if end == open { 0.0 } else { ((level - open) / (end - open)).clamp(0.0, 1.0) };
                stops.push((at, level, symbol, rule));
            }
        }
        stops.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.2.cmp(&b.2)));
        let mut closed: Vec<Close> = Vec::new();
        let mut gained = 0.0;
        let alive = |at: f64, gained: f64, closed: &[Close]| {
            let open = |symbol: usize| !closed.iter().any(|c| c.symbol == symbol);
            let mark = |symbol: usize, p: &Position| {
                let (from, to) = (bar.get(symbol, Field::MarkOpen), extreme(bar, symbol, p.side, moment, true));
                open(symbol).then_some(from + at * (to - from))
            };
            gained + self.cross_slack(mark) > 0.0
        };
        for (at, level, symbol, rule) in stops {
            if !alive(at, gained, &closed) {
                return Err(closed);
            }
            let Some(p) = &self.positions[symbol] else { continue };
            let maker = rule == Rule::TakeProfit;
            let price = if maker { level } else { self.worse(bar, symbol, level, -p.side) };
            gained += p.side * p.qty * (price - p.entry) - self.fee(symbol, p.qty * price, maker);
            closed.push(Close { symbol, price, rule });
        }
        if alive(1.0, gained, &closed) { Ok(()) } else { Err(closed) }
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

    /// Where the trailing stop stands.
    pub(super) fn trail<B: Bar>(&self, bar: &B, symbol: usize, p: &Position) -> f64 {
        self.level(bar, symbol, p.best * (1.0 - p.side * p.trail))
    }

    /// The stop that is reached first on the way against the position.
    fn touched_stop<B: Bar>(&self, bar: &B, symbol: usize, p: &Position, against: f64) -> Option<(f64, Rule)> {
        let trail = self.trail(bar, symbol, p);
        let stop = (p.side * against <= p.side * p.stop).then_some((p.stop, Rule::StopLoss));
        let trail = (p.side * against <= p.side * trail).then_some((trail, Rule::TrailingStop));
        match (stop, trail) {
            (Some(s), Some(t)) => Some(if p.side * t.0 > p.side * s.0 { t } else { s }),
            (s, t) => s.or(t),
        }
    }
}

/// A position that is closed on a way.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Close {
    symbol: usize,
    price: f64,
    rule: Rule,
}

impl Position {
    /// Takes a price into how far it went for and against the position.
    pub(super) fn saw(&mut self, price: f64) {
        let (a, f) = (self.adverse, self.favourable);
        (self.adverse, self.favourable) =
            if self.side > 0.0 { (a.min(price), f.max(price)) } else { (a.max(price), f.min(price)) };
    }
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
