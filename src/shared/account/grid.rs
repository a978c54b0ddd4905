//! Quantities in whole steps, prices in whole ticks, as the decimal numbers that they are.

use super::Account;
use crate::market::{Bar, Field};

/// The least that slippage leaves of a price.
const LEAST: f64 = 0.01;

/// So many steps: 29.054, not 29.054000000000002.
fn multiple(step: f64, count: f64) -> f64 {
    let per = (1.0 / step).round();
    if per >= 1.0 && (per * step - 1.0).abs() < 1e-9 { count / per } else { count * step }
}

impl Account<'_> {
    /// The largest multiple of the symbol's step that is not above `qty`.
    pub(super) fn floor_to_step(&self, symbol: usize, qty: f64) -> f64 {
        let step = self.rules[symbol].filters.step;
        multiple(step, (qty / step * (1.0 + 1e-12)).floor())
    }

    /// The multiple of the symbol's step that a quantity is, without what reckoning has left on it.
    pub(super) fn nearest_step(&self, symbol: usize, qty: f64) -> f64 {
        let step = self.rules[symbol].filters.step;
        let exact = multiple(step, (qty / step).round());
        if exact > 0.0 && exact.is_finite() { exact } else { qty }
    }

    /// The symbol's tick, if the bar opens on it. Ticks were finer or coarser in other years, and what is known
    /// of them is of one day: where prices do not lie on that tick, it was not in force.
    fn tick<B: Bar>(&self, bar: &B, symbol: usize) -> Option<f64> {
        let (tick, open) = (self.rules[symbol].filters.tick, bar.get(symbol, Field::Open));
        let count = open / tick;
        (count >= 1.0 && (count - count.round()).abs() < 1e-6).then_some(tick)
    }

    /// A price made worse by the slippage for an order of the given side (+1 buy, −1 sell) and quantity, on the tick
    /// that is not better.
    pub(super) fn worse<B: Bar>(&self, bar: &B, symbol: usize, price: f64, side: f64, qty: f64) -> f64 {
        let depth = &self.depth[symbol];
        // However large an order is, nobody is paid for taking what it sells.
        let least = price * LEAST;
        let price = (price * (1.0 + side * self.costs.slip(qty, depth.volume, depth.range))).max(least);
        self.tick(bar, symbol).map_or(price, |tick| {
            let count = price / tick;
            multiple(tick, if side > 0.0 { (count - 1e-6).ceil() } else { (count + 1e-6).floor() }).max(tick)
        })
    }

    /// The level of an order, on the nearest tick.
    pub(super) fn level<B: Bar>(&self, bar: &B, symbol: usize, price: f64) -> f64 {
        self.tick(bar, symbol).map_or(price, |tick| multiple(tick, (price / tick).round()))
    }
}
