//! When an account takes no entries: after a position has closed, and after losses.

use super::Account;
use super::record::{Outcome, Rule};
use crate::market::Bar;
use crate::time::DAY_MS;

impl Account<'_> {
    /// Whether a symbol has closed a position too recently to enter at the next open, or would have to close one for
    /// it.
    pub(super) fn cools_down(&self, symbol: usize) -> bool {
        let since = |last: super::held::Last| self.bar + 1 - last.bar;
        self.terms.cooldown_bars > 0
            && (self.positions[symbol].is_some()
                || self.last[symbol].is_some_and(|last| since(last) < self.terms.cooldown_bars as usize))
    }

    /// Whether a symbol takes no entry in this bar, because it has closed a position too recently.
    pub(super) fn cools_now(&self, symbol: usize) -> bool {
        let cools = |last: super::held::Last| self.bar < last.bar + self.terms.cooldown_bars as usize;
        self.terms.cooldown_bars > 0 && self.last[symbol].is_some_and(cools)
    }

    /// Looks at the losses at a close. Gives whether trading has stopped: then what is open is closed at the next
    /// open, and orders are taken back.
    pub(super) fn stopped_by_losses<B: Bar>(&mut self, bar: &B) -> bool {
        let limits = self.terms.limits;
        if limits == super::terms::LossLimits::default() {
            return false;
        }
        let (equity, day) = (self.equity.last().copied().unwrap_or_default(), bar.time().div_euclid(DAY_MS));
        if day != self.halt.day {
            let before = self.equity.len().checked_sub(2).map(|at| self.equity[at]);
            self.halt.before = before.unwrap_or(self.recorder.first_cash());
            if self.halt.by_losses {
                self.losses_in_row = 0;
            }
            (self.halt.day, self.halt.today, self.halt.by_losses) = (day, false, false);
        }
        let below = |from: f64, limit: Option<f64>| limit.is_some_and(|limit| equity <= from * (1.0 - limit));
        self.halt.today |= below(self.halt.before, limits.daily);
        self.halt.by_losses |= limits.consecutive.is_some_and(|n| self.losses_in_row >= n);
        self.halt.today |= self.halt.by_losses;
        self.halt.ever |= below(self.recorder.first_cash(), limits.total);
        let stopped = self.halt.today || self.halt.ever;
        if stopped {
            for symbol in 0..self.positions.len() {
                self.remove(bar.end(), symbol, Outcome::Cancelled, |_| true);
                let exit = self.positions[symbol].is_some().then_some((Rule::LossLimit, 0));
                self.any_pending |= exit.is_some();
                self.pending[symbol] = super::resting::Pending { exit, entry: None };
            }
        }
        stopped
    }
}
