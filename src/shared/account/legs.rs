//! Orders that must fill together: whoever cannot trade one of them trades none.

use super::Account;
use super::record::Outcome;
use super::resting::Resting;
use crate::market::{Bar, Field};
use crate::order::Action;
use std::collections::BTreeSet;

impl<'r> Account<'r> {
    /// A number for orders that belong together.
    pub(super) fn next_group(&mut self) -> u32 {
        self.groups += 1;
        self.groups
    }

    /// Groups at the open, one after another, each on what the ones before have left: tried on a copy first, and done
    /// if every order of it fills whole.
    pub(super) fn groups_at_open<B: Bar>(&mut self, bar: &B) {
        let groups: BTreeSet<u32> = self.book_of.iter().flatten().map(|o| o.group).filter(|g| *g != 0).collect();
        for group in groups {
            if self.copy().together(bar, group) {
                self.together(bar, group);
                continue;
            }
            for symbol in 0..self.book_of.len() {
                let refused = self.book_of[symbol].iter().filter(|o| o.group == group).count();
                self.counts.rejected += refused as u32;
                self.remove(bar.time(), symbol, Outcome::LegRefused, |o| o.group == group);
            }
        }
    }

    /// Fills a group: what takes from positions, then the rest. Stops at the first order that does not fill whole.
    fn together<B: Bar>(&mut self, bar: &B, group: u32) -> bool {
        let all = self.book_of.iter().flatten().filter(|o| o.group == group);
        // One may be gone already, with the position that it belonged to.
        if all.clone().any(|o| all.clone().count() < o.legs as usize) {
            return false;
        }
        for reduces in [true, false] {
            for symbol in 0..self.book_of.len() {
                let mine = |o: &Resting| o.group == group && (o.action == Action::Reduce) == reduces;
                while let Some(at) = self.book_of[symbol].iter().position(mine) {
                    let order = self.take_out(symbol, at);
                    if !self.fills_whole(bar, symbol, &order) {
                        return false;
                    }
                }
            }
        }
        true
    }

    fn fills_whole<B: Bar>(&mut self, bar: &B, symbol: usize, o: &Resting) -> bool {
        let open = bar.get(symbol, Field::Open);
        let held = |account: &Self| account.positions[symbol].as_ref().map_or(0.0, |p| p.side * p.qty);
        let before = held(self);
        if open.is_nan() || o.action == Action::Enter && self.cools_now(symbol) {
            return false;
        }
        let change = if o.is_fraction { o.qty * before.abs() } else { o.qty };
        self.execute(bar, symbol, o, open);
        let after = held(self);
        let wanted = before + o.side * change;
        // The rest of a position that is less than an order may be goes along.
        let went_along = o.action == Action::Reduce && after == 0.0;
        let whole = self.nearest_step(symbol, wanted.abs()) == after.abs() && wanted * after >= 0.0 || went_along;
        whole && (before != 0.0 || o.action == Action::Enter)
    }
}
