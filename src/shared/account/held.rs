//! A position as whoever decides sees it.

use super::record::Rule;
use crate::order::Tag;

/// A position as it stands at a close. Fractions are of the average entry, by traded prices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Held {
    /// +1 long, −1 short.
    pub side: f64,
    /// Base asset.
    pub qty: f64,
    /// Average entry, USDT.
    pub entry: f64,
    /// Price of the first fill, USDT.
    pub first_entry: f64,
    /// Price of the last fill that opened or added, USDT.
    pub last_entry: f64,
    /// Bars in which it has stood, this one included.
    pub bars: u32,
    /// Minutes from its first fill to this close.
    pub minutes: f64,
    /// Profit at this close.
    pub profit: f64,
    /// Best and worst profit so far.
    pub best: f64,
    /// See `best`; zero or less.
    pub worst: f64,
    /// Fills that added to it.
    pub adds: u32,
    /// Name of the order that opened it.
    pub tag: Tag,
    /// Where its stop stands, NaN for none.
    pub stop: f64,
    /// Where its target stands, NaN for none.
    pub take: f64,
}

/// The last position of a symbol that was closed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Last {
    /// +1 long, −1 short.
    pub side: f64,
    /// Number of the first bar that it did not stand through.
    pub bar: usize,
    /// Profit as a fraction of the average entry, fees and funding apart.
    pub profit: f64,
    /// Profit net of fees and funding, USDT.
    pub pnl_usdt: f64,
    /// Why it was closed.
    pub rule: Rule,
    /// Name of the order that opened it.
    pub tag: Tag,
}
