//! The way through a bar: by its finer bars where they show it, by its extremes where they do not.

use super::position::Position;
use super::{Account, MarginMode};
use crate::market::{Bar, Field};

impl Account<'_> {
    /// What happens inside a bar to the positions that stand after its open.
    pub(super) fn walk<B: Bar>(&mut self, bar: &B) {
        if !self.path_is_known(bar) || self.is_quiet(bar) {
            self.extremes(bar);
            return;
        }
        for number in 0..bar.parts() {
            let part = bar.part(number);
            if number > 0 {
                self.settle_at_open(&part);
                self.gaps_at_open(&part);
                if self.stands() {
                    self.book_at_open(&part, true, false);
                    self.book_at_open(&part, false, false);
                    self.after_open(&part);
                }
            }
            self.extremes(&part);
            if self.open == 0 && !self.stands() {
                return;
            }
        }
    }

    /// A bar, or a finer one, of which only the extremes are known.
    fn extremes<B: Bar>(&mut self, bar: &B) {
        self.owed_inside(bar);
        self.positions.iter_mut().flatten().for_each(|p| p.stood = p.qty);
        self.within = true;
        self.inside(bar);
        self.within = false;
        self.gained_inside(bar);
    }

    /// Whether finer bars show the path of every symbol that has a position.
    fn path_is_known<B: Bar>(&self, bar: &B) -> bool {
        let idle = |(s, p): (usize, &Option<Position>)| p.is_none() && self.book_of[s].is_empty();
        bar.parts() > 0 && self.positions.iter().enumerate().all(|of| idle(of) || bar.is_whole(of.0))
    }

    /// Whether nothing can happen inside a bar, whatever the path: its extremes reach no level, nothing settles, and
    /// a cross account survives every symbol's worst. Finer bars lie within the extremes of theirs.
    fn is_quiet<B: Bar>(&self, bar: &B) -> bool {
        let calm = |(symbol, p): (usize, &Option<Position>)| {
            if self.stands() && self.may_fill(bar, symbol) {
                return false;
            }
            let Some(p) = p else { return true };
            let (low, high) = (bar.get(symbol, Field::Low), bar.get(symbol, Field::High));
            let (against, with) = if p.side > 0.0 { (low, high) } else { (high, low) };
            let mark = bar.get(symbol, if p.side > 0.0 { Field::MarkLow } else { Field::MarkHigh });
            let out_of_reach = |level: f64, price: f64| level.is_nan() || p.side * price > p.side * level;
            p.trail.is_nan()
                && p.followed.is_nan()
                && p.levels.steps.iter().all(Option::is_none)
                && out_of_reach(p.stop, against)
                && out_of_reach(p.liquidation, mark)
                && (p.take.is_nan() || p.side * with <= p.side * p.take)
                && bar.settlements(symbol).iter().all(|s| s.ms <= bar.time())
        };
        self.positions.iter().enumerate().all(calm) && (self.terms.mode == MarginMode::Isolated || self.survives(bar))
    }
}
