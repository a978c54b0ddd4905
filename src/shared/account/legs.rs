//! Orders that must fill together: whoever cannot trade one of them trades none.

use super::record::Outcome;
use super::{Account, MarginMode};
use crate::market::{Bar, Field};
use crate::order::Action;
use std::collections::BTreeSet;

impl Account<'_> {
    /// A number for orders that belong together.
    pub(super) fn next_group(&mut self) -> u32 {
        self.groups += 1;
        self.groups
    }

    /// Refuses groups of which one order could not be filled as a whole at this open.
    pub(super) fn check_groups<B: Bar>(&mut self, bar: &B) {
        let groups: BTreeSet<u32> = self.book_of.iter().flatten().map(|o| o.group).filter(|g| *g != 0).collect();
        for group in groups.into_iter().filter(|g| !self.fits(bar, *g)).collect::<Vec<_>>() {
            for symbol in 0..self.book_of.len() {
                let refused = self.book_of[symbol].iter().filter(|o| o.group == group).count();
                self.counts.rejected += refused as u32;
                self.remove(bar.time(), symbol, Outcome::LegRefused, |o| o.group == group);
            }
        }
    }

    fn fits<B: Bar>(&self, bar: &B, group: u32) -> bool {
        let (mut need, mut free, mut open) = (0.0, self.free_margin(bar), self.open as i64);
        let stands = self.book_of.iter().flatten().filter(|o| o.group == group);
        // One may be gone already, with the position that it belonged to.
        if stands.clone().any(|o| stands.clone().count() < o.legs as usize) {
            return false;
        }
        for (symbol, orders) in self.book_of.iter().enumerate() {
            for o in orders.iter().filter(|o| o.group == group) {
                let (price, held) = (bar.get(symbol, Field::Open), self.positions[symbol].as_ref());
                let qty = if o.is_fraction { held.map_or(0.0, |p| o.qty * p.qty) } else { o.qty };
                if price.is_nan() || self.capped(symbol, qty) < qty {
                    return false;
                }
                let price = self.worse(bar, symbol, price, o.side, qty);
                let notional = qty * price;
                if o.action == Action::Reduce {
                    let Some(p) = held else { return false };
                    let isolated = self.terms.mode == MarginMode::Isolated;
                    // In cross the profit at the opening mark counts as free already.
                    let (margin, from) = if isolated {
                        (p.wallet, p.entry)
                    } else {
                        (p.initial_margin, bar.get(symbol, Field::MarkOpen))
                    };
                    free += margin * qty / p.qty + p.side * qty * (price - from) - self.fee(symbol, notional, false);
                    open -= i64::from(qty >= p.qty);
                    continue;
                }
                let entered =
                    o.action == Action::Enter && (self.cools_now(symbol) || self.pending[symbol].entry.is_some());
                if entered {
                    return false;
                }
                let (rules, standing) = (&self.rules[symbol], held.filter(|p| p.side == o.side));
                let most = rules.brackets.max_notional(o.leverage).min(self.terms.max_size_usdt);
                if notional < rules.filters.min_notional || notional + standing.map_or(0.0, |p| p.qty * price) > most {
                    return false;
                }
                need += notional / o.leverage + self.fee(symbol, notional, false);
                open += i64::from(o.action == Action::Enter);
            }
        }
        need <= free && open <= self.terms.max_positions as i64
    }
}
