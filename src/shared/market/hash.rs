//! The data hash: over values and index, not over the file that held them.
//!
//! Whoever imports the same values has the same hash, whatever the order of symbols and files, the
//! compression, or the bars outside the window. Layout, all numbers big-endian:
//!
//! - a column: `assay/column/v2\0`, then each value's IEEE 754 bits, one zero and one NaN;
//! - a series, from the symbol's first bar to its last: `assay/series/v2\0`, length and bytes of its name
//!   (u64), opening time of the first bar (i64), number of bars (u64), number of fields (u64), for each in
//!   canonical order (open, high, low, close, volume, mark_open, mark_high, mark_low, mark_close) length and
//!   bytes of its name and the column's hash; number of its settlements (u64), number of those whose mark is
//!   known (u64), their hash;
//! - settlements from the first bar's opening until the last one's end: `assay/settlements/v2\0`, for each its
//!   time (i64, milliseconds, rounded to the second: the exchange writes some more), rate and mark (bits; NaN for
//!   a mark that is not known);
//! - the market: `assay/market/v2\0`, 1 for a generated one (u8), milliseconds between bars (i64), number of
//!   symbols (u64), the series' hashes in order of the names;
//! - one that has finer bars beside it: `assay/market/v3\0`, the hash of the bars and the hash of the finer ones,
//!   both as that of a market; the finer ones have no volume and no settlements. All finer bars of a bar of which one is
//!   missing, or says other prices than the bar, are NaN in every column; a symbol's series of them begins and ends with
//!   a known one.

use super::columns::{FIELDS, STORED, Settlement};
use super::table::Market;
use assay_ledger::Hash;
use sha2::{Digest, Sha256};

/// Values that are turned into bytes at a time.
const PIECE: usize = 8192;

/// One NaN and one zero, so that equal values have equal bits.
pub fn canonical_bits(v: f64) -> u64 {
    if v.is_nan() { f64::NAN.to_bits() } else { (v + 0.0).to_bits() }
}

fn values(h: &mut Sha256, values: &[f64]) {
    let mut bytes = Vec::with_capacity(8 * PIECE.min(values.len()));
    for piece in values.chunks(PIECE) {
        bytes.clear();
        bytes.extend(piece.iter().flat_map(|v| canonical_bits(*v).to_be_bytes()));
        h.update(&bytes);
    }
}

/// Hash of a column.
pub fn column_hash(column: &[f64]) -> Hash {
    let mut h = Sha256::new_with_prefix(b"assay/column/v2\0");
    values(&mut h, column);
    Hash(h.finalize().into())
}

/// Hash of settlements.
pub fn settlements_hash(settlements: &[Settlement]) -> Hash {
    let mut h = Sha256::new_with_prefix(b"assay/settlements/v2\0");
    for s in settlements {
        h.update(s.ms.to_be_bytes());
        values(&mut h, &[s.rate, s.mark]);
    }
    Hash(h.finalize().into())
}

/// Number of settlements, and of those whose mark is known.
pub fn settlements_count(settlements: &[Settlement]) -> (u64, u64) {
    (settlements.len() as u64, settlements.iter().filter(|s| !s.mark.is_nan()).count() as u64)
}

/// A symbol's series of bars, by hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesSum {
    /// Its symbol.
    pub name: String,
    /// Opening time of its first bar, milliseconds since 1970.
    pub first_ms: i64,
    /// Number of its bars.
    pub bars: u64,
    /// Name and hash of each field that its source has, in canonical order.
    pub fields: Vec<(&'static str, Hash)>,
    /// Number of its settlements, and of those whose mark is known.
    pub settled: (u64, u64),
    /// Hash of its settlements.
    pub settlements: Hash,
}

impl SeriesSum {
    /// Names of everything that its source has: fields of bars, `funding`, `funding_mark`.
    pub fn names(&self) -> Vec<&'static str> {
        let more = [("funding", self.settled.0), ("funding_mark", self.settled.1)];
        let more = more.into_iter().filter(|(_, count)| *count > 0).map(|(name, _)| name);
        self.fields.iter().map(|(name, _)| *name).chain(more).collect()
    }

    /// One hash over it.
    pub fn hash(&self) -> Hash {
        let mut h = Sha256::new_with_prefix(b"assay/series/v2\0");
        let text = |h: &mut Sha256, text: &str| {
            h.update((text.len() as u64).to_be_bytes());
            h.update(text.as_bytes());
        };
        text(&mut h, &self.name);
        h.update(self.first_ms.to_be_bytes());
        h.update(self.bars.to_be_bytes());
        h.update((self.fields.len() as u64).to_be_bytes());
        for (name, hash) in &self.fields {
            text(&mut h, name);
            h.update(hash.0);
        }
        h.update(self.settled.0.to_be_bytes());
        h.update(self.settled.1.to_be_bytes());
        h.update(self.settlements.0);
        Hash(h.finalize().into())
    }
}

/// Hash of a market from its series.
pub fn market_hash(generated: bool, interval_ms: i64, series: &[SeriesSum]) -> Hash {
    let mut series: Vec<&SeriesSum> = series.iter().collect();
    series.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let mut h = Sha256::new_with_prefix(b"assay/market/v2\0");
    h.update([u8::from(generated)]);
    h.update(interval_ms.to_be_bytes());
    h.update((series.len() as u64).to_be_bytes());
    for one in series {
        h.update(one.hash().0);
    }
    Hash(h.finalize().into())
}

/// Hash of a market with finer bars beside it, from the hashes of both.
pub fn detailed_hash(bars: &Hash, finer: &Hash) -> Hash {
    let mut h = Sha256::new_with_prefix(b"assay/market/v3\0");
    h.update(bars.0);
    h.update(finer.0);
    Hash(h.finalize().into())
}

impl Market {
    /// The series of a symbol, by hashes.
    fn sum(&self, symbol: usize, settled: bool) -> SeriesSum {
        let c = &self.columns[symbol];
        let settlements: &[Settlement] = if settled { &c.settlements } else { &[] };
        let there = FIELDS.iter().zip(&c.fields).take(STORED).filter(|(_, column)| !column.is_empty());
        SeriesSum {
            name: self.symbols[symbol].clone(),
            first_ms: self.times.get(c.span.start).copied().unwrap_or_default(),
            bars: c.span.len() as u64,
            fields: there.map(|((_, name), column)| (*name, column_hash(&column[c.span.clone()]))).collect(),
            settled: settlements_count(settlements),
            settlements: settlements_hash(settlements),
        }
    }

    /// SHA-256 over what it says: see the module.
    pub fn data_hash(&self) -> Hash {
        let all: Vec<SeriesSum> = (0..self.symbols.len()).map(|s| self.sum(s, true)).collect();
        let bars = market_hash(self.generated, self.interval_ms, &all);
        let Some(finer) = self.detail.as_ref().map(|d| &d.market) else { return bars };
        let there = (0..finer.symbols.len()).filter(|s| !finer.columns[*s].span.is_empty());
        let all: Vec<SeriesSum> = there.map(|s| finer.sum(s, false)).collect();
        detailed_hash(&bars, &market_hash(finer.generated, finer.interval_ms, &all))
    }

    /// The hash as version 0.1.0 took it: whole columns in the order of the symbols, funding one of them.
    pub fn data_hash_v1(&self) -> Hash {
        let mut h = Sha256::new_with_prefix(b"assay/market/v1\0");
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
            columns.fields.iter().for_each(|column| values(&mut h, column));
        }
        Hash(h.finalize().into())
    }
}
