//! Market data as aligned columns: one time index, and for each symbol its fields.
//!
//! Assets are columns, never rows. All values are finite except `funding`, where NaN says that
//! nothing settles at that bar's opening time.

use assay_ledger::Hash;
use sha2::{Digest, Sha256};

/// A field of a symbol's bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// First traded price.
    Open,
    /// Highest traded price.
    High,
    /// Lowest traded price.
    Low,
    /// Last traded price.
    Close,
    /// Traded amount in the base asset.
    Volume,
    /// First mark price.
    MarkOpen,
    /// Highest mark price.
    MarkHigh,
    /// Lowest mark price.
    MarkLow,
    /// Last mark price.
    MarkClose,
    /// Funding rate settled at the opening time, or NaN.
    Funding,
}

/// All fields with their names, in canonical order.
pub const FIELDS: [(Field, &str); 10] = [
    (Field::Open, "open"),
    (Field::High, "high"),
    (Field::Low, "low"),
    (Field::Close, "close"),
    (Field::Volume, "volume"),
    (Field::MarkOpen, "mark_open"),
    (Field::MarkHigh, "mark_high"),
    (Field::MarkLow, "mark_low"),
    (Field::MarkClose, "mark_close"),
    (Field::Funding, "funding"),
];

/// One symbol's columns, each as long as the index. Prices in USDT.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Columns {
    /// The columns in the order of [`FIELDS`].
    pub fields: [Vec<f64>; 10],
}

impl Columns {
    /// A field's column.
    pub fn get(&self, field: Field) -> &[f64] {
        &self.fields[field as usize]
    }

    /// A field's column, to fill it.
    pub fn get_mut(&mut self, field: Field) -> &mut Vec<f64> {
        &mut self.fields[field as usize]
    }
}

/// Several symbols over one index.
#[derive(Debug, Clone, PartialEq)]
pub struct Market {
    /// Milliseconds between bars.
    pub interval_ms: i64,
    /// Opening times in milliseconds since 1970, evenly spaced.
    pub times: Vec<i64>,
    /// Symbols in order.
    pub symbols: Vec<String>,
    /// Their columns, in the order of `symbols`.
    pub columns: Vec<Columns>,
    /// True for a generated market: it must be labelled wherever it shows.
    pub generated: bool,
}

impl Market {
    /// Number of bars.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// True without bars.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Position of a symbol.
    pub fn symbol(&self, name: &str) -> Option<usize> {
        self.symbols.iter().position(|s| s == name)
    }

    /// The bars `from..to` of all symbols.
    pub fn slice(&self, from: usize, to: usize) -> Market {
        let cut = |c: &Columns| Columns { fields: std::array::from_fn(|i| c.fields[i][from..to].to_vec()) };
        Market { times: self.times[from..to].to_vec(), columns: self.columns.iter().map(cut).collect(), ..self.head() }
    }

    /// The same market with only the given symbols, in that order; `None` if one is missing.
    pub fn select(&self, symbols: &[String]) -> Option<Market> {
        let at: Vec<usize> = symbols.iter().map(|s| self.symbol(s)).collect::<Option<_>>()?;
        let columns = at.iter().map(|i| self.columns[*i].clone()).collect();
        Some(Market { times: self.times.clone(), symbols: symbols.to_vec(), columns, ..self.head() })
    }

    fn head(&self) -> Market {
        Market {
            interval_ms: self.interval_ms,
            times: Vec::new(),
            symbols: self.symbols.clone(),
            columns: Vec::new(),
            generated: self.generated,
        }
    }

    /// SHA-256 over the canonical columns: values and index, not the file that held them. Two
    /// imports of the same values have the same hash, whatever the compression.
    pub fn data_hash(&self) -> Hash {
        let mut h = Sha256::new();
        h.update(b"assay/market/v1\0");
        h.update([u8::from(self.generated)]);
        h.update(self.interval_ms.to_be_bytes());
        h.update((self.times.len() as u64).to_be_bytes());
        h.update((self.symbols.len() as u64).to_be_bytes());
        for t in &self.times {
            h.update(t.to_be_bytes());
        }
        for (name, columns) in self.symbols.iter().zip(&self.columns) {
            h.update((name.len() as u64).to_be_bytes());
            h.update(name.as_bytes());
            for values in &columns.fields {
                let bytes: Vec<u8> = values.iter().flat_map(|v| canonical_bits(*v).to_be_bytes()).collect();
                h.update(&bytes);
            }
        }
        Hash(h.finalize().into())
    }
}

/// One NaN and one zero, so that equal values have equal bits.
pub fn canonical_bits(v: f64) -> u64 {
    if v.is_nan() { f64::NAN.to_bits() } else { (v + 0.0).to_bits() }
}

/// One bar of all symbols, as an account or a stream of indicators sees it.
pub trait Bar {
    /// Opening time, milliseconds since 1970.
    fn time(&self) -> i64;
    /// A field of a symbol.
    fn get(&self, symbol: usize, field: Field) -> f64;
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
    #[inline]
    fn get(&self, symbol: usize, field: Field) -> f64 {
        self.market.columns[symbol].fields[field as usize][self.index]
    }
}

/// A bar that stands alone, as a feed delivers it.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveBar {
    /// Opening time, milliseconds since 1970.
    pub time: i64,
    /// For each symbol its fields in the order of [`FIELDS`].
    pub values: Vec<[f64; 10]>,
}

impl Bar for LiveBar {
    fn time(&self) -> i64 {
        self.time
    }
    fn get(&self, symbol: usize, field: Field) -> f64 {
        self.values[symbol][field as usize]
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A small random walk for the crate's tests.
    pub(crate) fn walk(bars: usize, symbols: usize, seed: u64) -> Market {
        let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut rand = move || {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            (x >> 11) as f64 / (1u64 << 53) as f64
        };
        let mut columns = Vec::new();
        for s in 0..symbols {
            let mut c = Columns::default();
            let mut price = 100.0 * (s + 1) as f64;
            for t in 0..bars {
                let open = price;
                price *= 1.0 + (rand() - 0.5) * 0.04;
                let (hi, lo) = (open.max(price) * (1.0 + rand() * 0.01), open.min(price) * (1.0 - rand() * 0.01));
                let funding = if t % 8 == 0 { (rand() - 0.4) * 1e-3 } else { f64::NAN };
                let row = [open, hi, lo, price, 1000.0 * rand() + 1.0, open, hi, lo, price, funding];
                for (column, v) in c.fields.iter_mut().zip(row) {
                    column.push(v);
                }
            }
            columns.push(c);
        }
        let times = (0..bars as i64).map(|t| 1_600_000_000_000 / 3_600_000 * 3_600_000 + t * 3_600_000).collect();
        let symbols = (0..symbols).map(|s| format!("S{s}USDT")).collect();
        Market { interval_ms: 3_600_000, times, symbols, columns, generated: true }
    }

    #[test]
    fn the_hash_is_of_values_and_index() {
        let m = walk(50, 2, 1);
        assert_eq!(m.data_hash(), m.slice(0, 50).data_hash());
        assert_ne!(m.data_hash(), m.slice(0, 49).data_hash());
        let mut n = m.clone();
        n.columns[1].get_mut(Field::Close)[7] += 1e-9;
        assert_ne!(m.data_hash(), n.data_hash());
        n = m.clone();
        n.generated = false;
        assert_ne!(m.data_hash(), n.data_hash());
    }
}
