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
            let Some(p) = &mut self.positions[symbol] else { continue };
            let side = p.side;
            let (low, high) = (bar.get(symbol, Field::Low), bar.get(symbol, Field::High));
            let (against, with) = if side > 0.0 { (low, high) } else { (high, low) };
            let mark = bar.get(symbol, if side > 0.0 { Field::MarkLow } else { Field::MarkHigh });
            let stop = touched_stop(p, against);
            // Of the two what lies nearer to the open is reached first.
            let in_front = stop.is_some_and(|(level, _)| side * level > side * p.liquidation);
            if side * mark <= side * p.liquidation && !in_front {
                self.liquidate_isolated(bar.time(), symbol);
            } else if let Some((level, rule)) = stop {
                self.exit(bar.time(), symbol, self.worse(bar, symbol, level, -side), rule);
            } else if side * with > side * p.take {
                p.adverse = if side > 0.0 { p.adverse.min(against) } else { p.adverse.max(against) };
                let price = p.take;
                self.exit(bar.time(), symbol, price, Rule::TakeProfit);
            } else {
                p.adverse = if side > 0.0 { p.adverse.min(against) } else { p.adverse.max(against) };
                p.favourable = if side > 0.0 { p.favourable.max(with) } else { p.favourable.min(with) };
                p.best = if side > 0.0 { p.best.max(with) } else { p.best.min(with) };
            }
        }
    }

    /// A cross account inside a bar of which only the extremes are known. It is safe when it survives each
    /// symbol at its own worst, and dead when it does not survive all of them at their lows, or all at their
    /// highs. Between the two nobody knows: it lives, and the bar is counted.
    fn cross_inside<B: Bar>(&mut self, bar: &B) {
        if self.open == 0 || self.slack_at(bar, Moment::Worst) > 0.0 {
            return;
        }
        match [Moment::Lows, Moment::Highs].into_iter().find(|m| self.slack_at(bar, *m) <= 0.0) {
            None => self.counts.undecided_bars += 1,
            Some(moment) => {
                for symbol in 0..self.positions.len() {
                    let Some(p) = &self.positions[symbol] else { continue };
                    let side = p.side;
                    match closed_on_the_way(bar, symbol, p, moment) {
                        Some((level, Rule::TakeProfit)) => self.exit(bar.time(), symbol, level, Rule::TakeProfit),
                        Some((level, rule)) => {
                            self.exit(bar.time(), symbol, self.worse(bar, symbol, level, -side), rule);
                        }
                        None => self.liquidate_cross(bar, symbol, extreme(bar, symbol, side, moment, true)),
                    }
                }
                self.insure(bar.time());
            }
        }
    }

    /// The slack at a moment. A position that a stop or a target on the way there closes stands where it does.
    fn slack_at<B: Bar>(&self, bar: &B, moment: Moment) -> f64 {
        self.cross_slack(|symbol, p| {
            let mark = extreme(bar, symbol, p.side, moment, true);
            match closed_on_the_way(bar, symbol, p, moment) {
                // A mark that went less far than the trades is where it stood.
                Some((level, rule)) if (rule == Rule::TakeProfit) == (p.side * mark > p.side * level) => level,
                _ => mark,
            }
        })
    }

    /// Judges the whole cross account at the opening marks, which all stand at one moment.
    pub(super) fn cross_at_open<B: Bar>(&mut self, bar: &B) {
        if self.open == 0 || self.cross_slack(|s, _| bar.get(s, Field::MarkOpen)) > 0.0 {
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

/// The stop or the target that closes a position on the way to a moment.
fn closed_on_the_way<B: Bar>(bar: &B, symbol: usize, p: &Position, moment: Moment) -> Option<(f64, Rule)> {
    let traded = extreme(bar, symbol, p.side, moment, false);
    touched_stop(p, traded).or_else(|| (p.side * traded > p.side * p.take).then_some((p.take, Rule::TakeProfit)))
}

/// The stop that is reached first on the way against the position.
fn touched_stop(p: &Position, against: f64) -> Option<(f64, Rule)> {
    let trail = p.best * (1.0 - p.side * p.trail);
    let stop = (p.side * against <= p.side * p.stop).then_some((p.stop, Rule::StopLoss));
    let trail = (p.side * against <= p.side * trail).then_some((trail, Rule::TrailingStop));
    match (stop, trail) {
        (Some(s), Some(t)) => Some(if p.side * t.0 > p.side * s.0 { t } else { s }),
        (s, t) => s.or(t),
    }
}
