//! One bar at a time.

use super::columns::{FIELDS, Field, Settlement};
use super::table::Market;

/// One bar of all symbols, as an account or a stream of indicators sees it.
pub trait Bar {
    /// Opening time, milliseconds since 1970.
    fn time(&self) -> i64;
    /// When it ends: the next bar's opening time.
    fn end(&self) -> i64;
    /// A field of a symbol; NaN while the symbol has no bars.
    fn get(&self, symbol: usize, field: Field) -> f64;
    /// What settles from its opening time until before its end, in order of time.
    fn settlements(&self, symbol: usize) -> &[Settlement];
    /// A finer bar inside it.
    type Part<'a>: Bar
    where
        Self: 'a;
    /// Number of finer bars that show the path inside it; 0 when nobody knows it.
    fn parts(&self) -> usize;
    /// Whether they show all of a symbol's path.
    fn is_whole(&self, symbol: usize) -> bool;
    /// One of them.
    fn part(&self, number: usize) -> Self::Part<'_>;
}

/// A bar of a [`Market`].
#[derive(Debug, Clone, Copy)]
pub struct MarketBar<'a> {
    /// The market.
    pub market: &'a Market,
    /// The bar's index.
    pub index: usize,
}

impl Bar for MarketBar<'_> {
    fn time(&self) -> i64 {
        self.market.times[self.index]
    }

    fn end(&self) -> i64 {
        self.market.end_of(self.index)
    }

    #[inline]
    fn get(&self, symbol: usize, field: Field) -> f64 {
        self.market.columns[symbol].at(field, self.index)
    }

    #[inline]
    fn settlements(&self, symbol: usize) -> &[Settlement] {
        let columns = &self.market.columns[symbol];
        match columns.at(Field::Funding, self.index).is_nan() {
            true => &[],
            false => columns.settled_in(self.index, self.time(), self.end()),
        }
    }

    type Part<'p>
        = MarketBar<'p>
    where
        Self: 'p;

    fn parts(&self) -> usize {
        self.market.detail.as_ref().map_or(0, |d| d.per())
    }

    fn is_whole(&self, symbol: usize) -> bool {
        self.market.detail.as_ref().is_some_and(|d| d.is_whole(symbol, self.index))
    }

    fn part(&self, number: usize) -> MarketBar<'_> {
        let detail = self.market.detail.as_ref();
        detail.map_or(*self, |d| MarketBar { market: &d.market, index: self.index * d.per() + number })
    }
}

/// A bar that stands alone, as a feed delivers it.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveBar {
    /// Opening time, milliseconds since 1970.
    pub time: i64,
    /// When it ends, milliseconds since 1970.
    pub end: i64,
    /// For each symbol its fields in the order of [`FIELDS`].
    pub values: Vec<[f64; 10]>,
    /// For each symbol what settled in it.
    pub settled: Vec<Vec<Settlement>>,
    /// Finer bars inside it, or none.
    pub parts: Vec<LiveBar>,
    /// For each symbol whether they show all of its path.
    pub whole: Vec<bool>,
}

impl LiveBar {
    /// A bar as a feed would deliver it.
    pub fn of(bar: &impl Bar, symbols: usize) -> LiveBar {
        let whole: Vec<bool> = (0..symbols).map(|s| bar.is_whole(s)).collect();
        let parts = if whole.contains(&true) { bar.parts() } else { 0 };
        LiveBar {
            parts: (0..parts).map(|n| LiveBar::alone(&bar.part(n), symbols)).collect(),
            whole,
            ..LiveBar::alone(bar, symbols)
        }
    }

    /// A bar without finer ones.
    fn alone(bar: &impl Bar, symbols: usize) -> LiveBar {
        LiveBar {
            time: bar.time(),
            end: bar.end(),
            values: (0..symbols).map(|s| FIELDS.map(|(field, _)| bar.get(s, field))).collect(),
            settled: (0..symbols).map(|s| bar.settlements(s).to_vec()).collect(),
            parts: Vec::new(),
            whole: vec![false; symbols],
        }
    }
}

impl Bar for LiveBar {
    fn time(&self) -> i64 {
        self.time
    }

    fn end(&self) -> i64 {
        self.end
    }

    fn get(&self, symbol: usize, field: Field) -> f64 {
        self.values[symbol][field as usize]
    }

    fn settlements(&self, symbol: usize) -> &[Settlement] {
        &self.settled[symbol]
    }

    type Part<'p> = &'p LiveBar;

    fn parts(&self) -> usize {
        self.parts.len()
    }

    fn is_whole(&self, symbol: usize) -> bool {
        self.whole[symbol]
    }

    fn part(&self, number: usize) -> &LiveBar {
        &self.parts[number]
    }
}

impl Bar for &LiveBar {
    fn time(&self) -> i64 {
        self.time
    }

    fn end(&self) -> i64 {
        self.end
    }

    fn get(&self, symbol: usize, field: Field) -> f64 {
        (*self).get(symbol, field)
    }

    fn settlements(&self, symbol: usize) -> &[Settlement] {
        (*self).settlements(symbol)
    }

    type Part<'p>
        = &'p LiveBar
    where
        Self: 'p;

    fn parts(&self) -> usize {
        self.parts.len()
    }

    fn is_whole(&self, symbol: usize) -> bool {
        self.whole[symbol]
    }

    fn part(&self, number: usize) -> &LiveBar {
        &self.parts[number]
    }
}
