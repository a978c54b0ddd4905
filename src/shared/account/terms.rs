//! What is in force for a run, whoever asked for it.

use serde::{Deserialize, Serialize};

/// How margin is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MarginMode {
    /// Each position has a wallet of its own.
    Isolated,
    /// All positions share the account's wallet.
    Cross,
}

/// The terms of a run. Whoever judges one reads them here, not what a strategy asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// Symbols, in the order of all that is said symbol by symbol.
    pub symbols: Vec<String>,
    /// Notional / initial margin, symbol by symbol, caps applied.
    pub leverage: Vec<f64>,
    /// Which stops an entry must have to be taken, symbol by symbol: stop loss, take profit, trailing stop.
    pub stops: Vec<[bool; 3]>,
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
    /// The highest leverage of any symbol: the one that a run is judged by.
    pub fn highest_leverage(&self) -> f64 {
        self.leverage.iter().copied().fold(1.0, f64::max)
    }
}
