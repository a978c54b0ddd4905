//! Where bars come from: one closed bar at a time, in order.

use assay_shared::market::{LiveBar, Market, MarketBar};

/// A source of closed bars.
pub trait Feed {
    /// The next closed bar, or none at the end.
    fn next_bar(&mut self) -> Option<LiveBar>;
}

/// Recorded bars, handed out one by one as if they came from the exchange.
#[derive(Debug)]
pub struct Recorded<'a> {
    market: &'a Market,
    at: usize,
}

impl<'a> Recorded<'a> {
    /// A feed over a market, from its first bar.
    pub fn new(market: &'a Market) -> Recorded<'a> {
        Recorded { market, at: 0 }
    }
}

impl Feed for Recorded<'_> {
    fn next_bar(&mut self) -> Option<LiveBar> {
        if self.at >= self.market.len() {
            return None;
        }
        let bar = MarketBar { market: self.market, index: self.at };
        self.at += 1;
        Some(LiveBar::of(&bar, self.market.symbols.len()))
    }
}
