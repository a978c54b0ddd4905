//! What a symbol's bar says: bits and stops. The short form of orders.

use crate::order::{Level, Levels};

/// What a symbol's bar says, in bits.
pub mod flag {
    /// Enter long.
    pub const LONG_ENTRY: u8 = 1;
    /// Leave a long.
    pub const LONG_EXIT: u8 = 2;
    /// Enter short.
    pub const SHORT_ENTRY: u8 = 4;
    /// Leave a short.
    pub const SHORT_EXIT: u8 = 8;
}

/// One symbol's signals at the close of one bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Signals {
    /// Bits of [`flag`].
    pub flags: u8,
    /// Stop loss as a fraction of the entry price, NaN for none.
    pub stop_loss: f64,
    /// Take profit as a fraction of the entry price, NaN for none.
    pub take_profit: f64,
    /// Trailing stop as a fraction of the best price, NaN for none.
    pub trailing_stop: f64,
}

impl Signals {
    /// The levels of a position that it opens.
    pub(super) fn levels(&self) -> Levels {
        let level = |fraction: f64| if fraction.is_nan() { Level::None } else { Level::Average(fraction) };
        let (stop, take) = (level(self.stop_loss), level(self.take_profit));
        Levels { stop, take, trail: self.trailing_stop, ..Levels::NONE }
    }

    /// Nothing to do.
    pub const NONE: Signals = Signals { flags: 0, stop_loss: f64::NAN, take_profit: f64::NAN, trailing_stop: f64::NAN };
}
