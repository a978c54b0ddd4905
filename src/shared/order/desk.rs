//! Where orders are put at a close.

use super::intent::{Intent, Levels, Tag};

/// What is asked for of one symbol.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ask {
    /// An order.
    Order(Intent),
    /// Other levels for the position that stands.
    Levels(Levels),
    /// No more of the orders that stand.
    Cancel,
    /// No more of the entries that stand, and of what would come with them.
    CancelEntries,
}

/// What to hold, instead of when to trade.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Symbols with the signed notional wanted, as a fraction of equity.
    pub weights: Vec<(usize, f64)>,
    /// Nothing is traded where the weight differs from the one wanted by no more than this, unless one of the two is
    /// zero or they are of different sides.
    pub band: f64,
    /// Whoever cannot trade one of them trades none.
    pub together: bool,
    /// Levels of positions that it opens.
    pub levels: Levels,
    /// Name of its orders.
    pub tag: Tag,
}

/// All that is asked for at a close, in the order in which it is put down.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Orders {
    /// Symbol by symbol.
    pub asks: Vec<(usize, Ask)>,
    /// Target weights.
    pub targets: Vec<Target>,
}

impl Orders {
    /// Puts an order down.
    pub fn order(&mut self, symbol: usize, intent: Intent) {
        self.asks.push((symbol, Ask::Order(intent)));
    }

    /// Asks for other levels.
    pub fn levels(&mut self, symbol: usize, levels: Levels) {
        self.asks.push((symbol, Ask::Levels(levels)));
    }

    /// Takes back the orders that stand.
    pub fn cancel(&mut self, symbol: usize) {
        self.asks.push((symbol, Ask::Cancel));
    }

    /// Takes back the entries that stand.
    pub fn cancel_entries(&mut self, symbol: usize) {
        self.asks.push((symbol, Ask::CancelEntries));
    }

    /// Asks for weights.
    pub fn target(&mut self, target: Target) {
        self.targets.push(target);
    }

    /// Nothing any more.
    pub fn clear(&mut self) {
        self.asks.clear();
        self.targets.clear();
    }
}
