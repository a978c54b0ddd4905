//! One bar at a time.

use super::columns::{FIELDS, Field, Market, Settlement};

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
            false => columns.settled(self.time(), self.end()),
        }
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
}

impl LiveBar {
    /// A bar as a feed would deliver it.
    pub fn of(bar: &impl Bar, symbols: usize) -> LiveBar {
        LiveBar {
            time: bar.time(),
            end: bar.end(),
            values: (0..symbols).map(|s| FIELDS.map(|(field, _)| bar.get(s, field))).collect(),
            settled: (0..symbols).map(|s| bar.settlements(s).to_vec()).collect(),
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
}
