//! What whoever decides sees of an account at a close.

use super::Account;
use super::held::{Held, Last};
use crate::market::{Bar, Field};
use crate::order::Orders;
use crate::rulebook::RulebookError;

/// The account at a close.
#[derive(Debug)]
pub struct View<'a, 'r, B> {
    pub(super) account: &'a Account<'r>,
    pub(super) bar: &'a B,
}

impl<B: Bar> View<'_, '_, B> {
    /// The bar that closes.
    pub fn bar(&self) -> &B {
        self.bar
    }

    /// Its number: bars of the account before it.
    pub fn number(&self) -> usize {
        self.account.bar
    }

    /// Wallet plus unrealised profit at the mark close, USDT.
    pub fn equity(&self) -> f64 {
        self.account.equity.last().copied().unwrap_or_default()
    }

    /// Positions that stand.
    pub fn open(&self) -> usize {
        self.account.open
    }

    /// Equity below its highest close so far, as a fraction of that; zero or more.
    pub fn drawdown(&self) -> f64 {
        1.0 - self.equity() / self.account.peak
    }

    /// The position of a symbol.
    pub fn position(&self, symbol: usize) -> Option<Held> {
        let p = self.account.positions[symbol].as_ref()?;
        let gained = |price: f64| p.side * (price / p.entry - 1.0);
        Some(Held {
            side: p.side,
            qty: p.qty,
            entry: p.entry,
            first_entry: p.first_entry,
            last_entry: p.last_entry,
            bars: (self.account.bar + 1 - p.entry_bar) as u32,
            minutes: (self.bar.end() - p.entry_ms) as f64 / 60_000.0,
            profit: gained(self.bar.get(symbol, Field::Close)),
            best: p.best_profit,
            worst: p.worst_profit,
            adds: p.adds,
            tag: p.tag,
            stop: p.stop,
            take: p.take,
        })
    }

    /// The last position of a symbol that was closed.
    pub fn last(&self, symbol: usize) -> Option<Last> {
        self.account.last[symbol]
    }

    /// Bars that have closed since the last position of a symbol did.
    pub fn bars_since_last(&self, symbol: usize) -> Option<usize> {
        self.last(symbol).map(|last| self.account.bar + 1 - last.bar)
    }

    /// Orders of a symbol that stand in the book.
    pub fn standing(&self, symbol: usize) -> usize {
        self.account.book_of[symbol].len()
    }
}

impl<'r> Account<'r> {
    /// Takes one closed bar, and asks what is to be done at its close by whoever sees how the account stands there.
    ///
    /// # Errors
    /// A rule book that does not cover this bar.
    pub fn step_with<B: Bar>(
        &mut self,
        bar: &B,
        mut decide: impl FnMut(&View<'_, 'r, B>, &mut Orders),
    ) -> Result<(), RulebookError> {
        if self.pass(bar)? && !self.stopped_by_losses(bar) {
            self.time_exits(bar.end());
            let mut orders = std::mem::take(&mut self.orders);
            orders.clear();
            decide(&View { account: self, bar }, &mut orders);
            self.take_up(bar, &orders);
            self.orders = orders;
        }
        self.bar += 1;
        Ok(())
    }
}
