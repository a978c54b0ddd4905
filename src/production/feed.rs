//! Where bars come from: one closed bar at a time, in order.

use assay_shared::market::{FIELDS, LiveBar, Market};

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
        let time = *self.market.times.get(self.at)?;
        let row = |s: usize| FIELDS.map(|(field, _)| self.market.columns[s].get(field)[self.at]);
        let values = (0..self.market.symbols.len()).map(row).collect();
        self.at += 1;
        Some(LiveBar { time, values })
    }
}
