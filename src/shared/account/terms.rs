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
    /// Bars after a position has closed in which its symbol takes no entry.
    pub cooldown_bars: u32,
    /// Losses at which trading stops.
    pub limits: LossLimits,
}

/// Losses at which an account stops: what is open is closed at the next open, and orders are taken back.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossLimits {
    /// Until the end of the UTC day: equity so far below that before the day's first bar, as a fraction of it.
    pub daily: Option<f64>,
    /// For good: equity so far below the initial one, as a fraction of it.
    pub total: Option<f64>,
    /// Until the end of the UTC day: so many positions in a row that closed with a loss.
    pub consecutive: Option<u32>,
}

impl Terms {
    /// The highest leverage of any symbol: the one that a run is judged by.
    pub fn highest_leverage(&self) -> f64 {
        self.leverage.iter().copied().fold(1.0, f64::max)
    }
}

/// What stands between an account and its next entry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Halt {
    /// The UTC day of the last bar, days since 1970.
    pub(super) day: i64,
    /// Equity before the day's first bar, USDT.
    pub(super) before: f64,
    /// Trading stopped, for the day or for good.
    pub(super) today: bool,
    pub(super) ever: bool,
    /// It was losses in a row that stopped it for the day.
    pub(super) by_losses: bool,
}

impl Halt {
    pub(super) fn new(initial_usdt: f64) -> Halt {
        Halt { day: i64::MIN, before: initial_usdt, today: false, ever: false, by_losses: false }
    }
}
