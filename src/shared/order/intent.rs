//! Orders, sizes, levels.

/// A name that whoever asks gives to an order; it stands in the trade's record. 0 is none.
pub type Tag = u16;

/// How an order fills.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// At the next open, with slippage, as taker.
    Market,
    /// At its price or better when the price trades through it, as maker; at the next open, where that is beyond it
    /// already, as taker.
    Limit {
        /// USDT.
        price: f64,
        /// Bars that it stands for; 0 until it is cancelled.
        bars: u32,
    },
    /// As a market order as soon as the price reaches it.
    Stop {
        /// USDT.
        price: f64,
        /// Bars that it stands for; 0 until it is cancelled.
        bars: u32,
    },
}

/// How much. Equity and price are those of the close at which it is asked for; quantities are cut to whole steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Size {
    /// So much of the base asset.
    Quantity(f64),
    /// Notional, USDT.
    Notional(f64),
    /// Notional as a fraction of equity.
    Equity(f64),
    /// Initial margin as a fraction of equity: times the leverage it is notional.
    Margin(f64),
    /// What is lost when the price moves by a distance against it is a fraction of equity.
    Risk {
        /// Fraction of equity.
        fraction: f64,
        /// USDT of price.
        distance: f64,
    },
    /// Notional whose yearly volatility is a fraction of equity.
    Volatility {
        /// Yearly volatility wanted, as a fraction of equity.
        target: f64,
        /// Yearly volatility of the symbol, as a fraction.
        volatility: f64,
    },
    /// A fraction of the position that stands when it fills.
    Position(f64),
}

/// Where a stop or a target lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Level {
    /// Nowhere.
    None,
    /// At a price, USDT.
    Price(f64),
    /// So far from the average entry, as a fraction of it; it follows the average at each fill.
    Average(f64),
}

/// A step of a stop that follows: from a profit on it stands so.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The best profit that the position must have had, as a fraction of its average entry.
    pub after: f64,
    /// Where the stop stands then.
    pub follow: Follow,
}

/// How a stop follows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Follow {
    /// So far from the best price, as a fraction of it.
    Best(f64),
    /// So far from the average entry on the side of profit, as a fraction of it: 0 is break-even.
    Entry(f64),
}

/// Steps that a position can have.
pub const STEPS: usize = 8;

/// Levels of a whole position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Levels {
    /// Stop, as a market order.
    pub stop: Level,
    /// Target, as a limit order.
    pub take: Level,
    /// Stop at so far from the best price up to the bar before, as a fraction of it; NaN for none.
    pub trail: f64,
    /// Steps of a stop that follows, the last one counts that the best profit has reached.
    pub steps: [Option<Step>; STEPS],
    /// Bars after which it is closed at the next open; 0 for no end.
    pub hold: u32,
    /// Whether a stop that is looked at again may go further away. A stop that is not known leaves it where it is
    /// unless this is said.
    pub loosen: bool,
}

impl Levels {
    /// None at all.
    pub const NONE: Levels =
        Levels { stop: Level::None, take: Level::None, trail: f64::NAN, steps: [None; STEPS], hold: 0, loosen: false };
}

/// What an order does to the position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Opens one. Where one of the other side stands, that is closed first; where one of this side stands, nothing.
    Enter,
    /// Adds to the one that stands, of whichever side.
    Add,
    /// Adds to the one that an entry of the same close opens, as a limit or stop order; gone with that entry when it is
    /// not filled.
    AddWithEntry,
    /// Takes from the one that stands, never more than it has.
    Reduce,
}

/// An order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Intent {
    /// What it does.
    pub action: Action,
    /// +1 long, −1 short; of an entry only.
    pub side: f64,
    /// How it fills.
    pub kind: Kind,
    /// How much.
    pub size: Size,
    /// Notional / initial margin, capped by the symbol's; none for the symbol's.
    pub leverage: Option<f64>,
    /// Levels of the position that an entry opens.
    pub levels: Levels,
    /// Its name.
    pub tag: Tag,
}

impl Intent {
    /// A market order without levels.
    pub fn market(action: Action, side: f64, size: Size) -> Intent {
        Intent { action, side, kind: Kind::Market, size, leverage: None, levels: Levels::NONE, tag: 0 }
    }
}
