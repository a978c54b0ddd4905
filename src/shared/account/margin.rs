//! Margin: what is free, and where liquidation lies.

use super::MarginMode;
use super::{Account, Position};
use crate::market::{Bar, Field};
use crate::rulebook::liquidation::{Exposure, price};

impl Account<'_> {
    /// Solves the liquidation price of an isolated position from its wallet and brackets.
    pub(super) fn solve_liquidation(&mut self, symbol: usize) {
        if self.terms.mode == MarginMode::Cross {
            return;
        }
        let Some(p) = &mut self.positions[symbol] else { return };
        let exposure = Exposure {
            side: p.side,
            qty: p.qty,
            entry: p.entry,
            wallet: p.wallet,
            other_maintenance: 0.0,
            other_pnl: 0.0,
        };
        // A short whose wallet is below what it was sold for is to be liquidated at any price.
        let none = if p.side < 0.0 && p.wallet + p.qty * p.entry <= 0.0 { 0.0 } else { f64::NAN };
        p.liquidation = price(&self.rules[symbol].brackets, &exposure).map_or(none, |(lp, _)| lp);
    }

    /// Unrealised profit of all positions at one mark field, USDT.
    fn unrealised<B: Bar>(&self, bar: &B, field: Field) -> f64 {
        let open = self.positions.iter().enumerate().filter_map(|(s, p)| p.as_ref().map(|p| (s, p)));
        open.fold(0.0, |sum, (s, p)| sum + p.side * p.qty * (bar.get(s, field) - p.entry))
    }

    /// Wallet plus unrealised profit at the mark close, USDT.
    pub(super) fn equity_at_close<B: Bar>(&self, bar: &B) -> f64 {
        if self.open == 0 { self.wallet } else { self.wallet + self.unrealised(bar, Field::MarkClose) }
    }

    /// Initial margin in use, USDT.
    pub(super) fn margin_in_use(&self) -> f64 {
        self.positions.iter().flatten().fold(0.0, |sum, p| sum + p.initial_margin)
    }

    /// What may back a new position at the open, USDT. In cross, profit that is not realised counts.
    pub(super) fn free_margin<B: Bar>(&self, bar: &B) -> f64 {
        match self.terms.mode {
            MarginMode::Isolated => self.wallet - self.positions.iter().flatten().fold(0.0, |sum, p| sum + p.wallet),
            MarginMode::Cross => self.wallet + self.unrealised(bar, Field::MarkOpen) - self.margin_in_use(),
        }
    }

    /// Cross: margin balance less maintenance margin with every position at its own price, USDT; one without a price
    /// is left out.
    pub(super) fn cross_slack(&self, at: impl Fn(usize, &Position) -> Option<f64>) -> f64 {
        let mut slack = self.wallet;
        for (s, p) in self.positions.iter().enumerate() {
            if let Some(p) = p
                && let Some(mark) = at(s, p)
            {
                slack += p.side * p.qty * (mark - p.entry) - self.rules[s].brackets.maintenance(p.qty * mark);
            }
        }
        slack
    }
}
