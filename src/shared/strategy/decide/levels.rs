//! Levels of a position: read from values, measured, and looked at again at each close.

use super::Decider;
use super::values::{Values, read};
use crate::account::Held;
use crate::account::view::View;
use crate::market::{Bar, Field};
use crate::order::{Follow, Level, Levels, Orders, STEPS, Step};
use crate::strategy::plan::Id;

impl Decider {
    /// Levels as the account takes them. Fractions are of the entry, or of a close.
    pub(super) fn measured(&self, v: &Values, side: f64, close: f64) -> Levels {
        let fraction = |f: f64, way: f64| match f {
            // Zero is the entry itself, less than zero lies on its other side.
            f if f.is_nan() || f <= -1.0 || way < 0.0 && f >= 1.0 => Level::None,
            f if self.bound.manner.from_close => Level::Price(close * (1.0 + way * side * f)),
            f => Level::Average(f),
        };
        let price = |p: f64, else_: Level| if p > 0.0 { Level::Price(p) } else { else_ };
        let mut steps = [None; STEPS];
        let known = v.steps.iter().filter(|s| s.0 >= 0.0 && s.1 > 0.0 && s.1 < 1.0);
        for (step, (after, distance)) in steps.iter_mut().zip(known) {
            *step = Some(Step { after: *after, follow: Follow::Best(*distance) });
        }
        let hold = if v.max_bars >= 1.0 { v.max_bars as u32 } else { 0 };
        Levels {
            stop: price(v.stop_price, fraction(v.stop_loss, -1.0)),
            take: price(v.target_price, fraction(v.take_profit, 1.0)),
            trail: if v.trailing_stop > 0.0 && v.trailing_stop < 1.0 { v.trailing_stop } else { f64::NAN },
            steps,
            hold,
            loosen: self.bound.manner.loosen,
        }
    }

    pub(super) fn look_again<B: Bar>(&mut self, symbol: usize, p: &Held, view: &View<'_, '_, B>, orders: &mut Orders) {
        if !self.reviewed {
            return;
        }
        let places = &self.bound.outputs[symbol].rules.levels;
        let (now, then) = (read(places, &self.values), self.symbols[symbol].levels.0);
        let (plan, all) = (&self.bound.plan, self.bound.manner.every_close);
        // What does not name the account stays what it was at the entry.
        let of = |place: Option<Id>, now: f64, then: f64| match place {
            Some(id) if all || plan.waits(id) => now,
            _ => then,
        };
        let mut steps = then.steps;
        for (k, (after, distance)) in places.trailing.iter().enumerate().take(STEPS) {
            steps[k].0 = after.map_or(0.0, |id| of(Some(id), now.steps[k].0, then.steps[k].0));
            steps[k].1 = of(Some(*distance), now.steps[k].1, then.steps[k].1);
        }
        let values = Values {
            stop_loss: of(places.stop_loss, now.stop_loss, then.stop_loss),
            take_profit: of(places.take_profit, now.take_profit, then.take_profit),
            trailing_stop: of(places.trailing_stop, now.trailing_stop, then.trailing_stop),
            max_bars: then.max_bars,
            steps,
            ..now
        };
        let close = view.bar().get(symbol, Field::Close);
        orders.levels(symbol, self.measured(&values, p.side, close));
    }
}
