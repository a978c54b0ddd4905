//! What is really in force for a bound strategy: what it asks for, within its caps.

use crate::strategy::{Bound, MarginMode};

/// The terms of a run. Whoever judges one reads them here, not what the strategy asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// Notional / initial margin, symbol by symbol.
    pub leverage: Vec<f64>,
    /// Initial margin of a position as a fraction of equity.
    pub margin_fraction: f64,
    /// Isolated or cross.
    pub mode: MarginMode,
    /// Most positions open at once.
    pub max_positions: usize,
    /// Largest notional of one position, USDT; infinite without a cap.
    pub max_size_usdt: f64,
}

impl Terms {
    /// The terms of a bound strategy.
    pub fn of(bound: &Bound) -> Terms {
        let within = |cap: &Option<f64>| cap.map_or(bound.leverage, |cap| bound.leverage.min(cap));
        Terms {
            leverage: bound.leverage_caps.iter().map(within).collect(),
            margin_fraction: bound.margin_fraction,
            mode: bound.margin_mode,
            max_positions: bound.max_positions,
            max_size_usdt: bound.max_position_size_usdt.unwrap_or(f64::INFINITY),
        }
    }

    /// The highest leverage of any symbol: the one that a run is judged by.
    pub fn highest_leverage(&self) -> f64 {
        self.leverage.iter().copied().fold(1.0, f64::max)
    }
}
