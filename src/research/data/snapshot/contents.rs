//! What a snapshot holds, by hashes, as JSON beside its Parquet file: so that a part of it can be read and
//! still be checked against the data hash.

use crate::data::error::DataError;
use assay_ledger::Hash;
use assay_shared::market::{FIELDS, STORED, SeriesSum, detailed_hash, market_hash};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A snapshot's series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// True for a generated market.
    pub generated: bool,
    /// Milliseconds between bars.
    pub interval_ms: i64,
    /// One for each symbol, in order of their names.
    pub series: Vec<SeriesSum>,
    /// Finer bars beside them.
    pub detail: Option<Finer>,
}

/// Finer bars of some of a snapshot's symbols.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finer {
    /// Milliseconds between them.
    pub interval_ms: i64,
    /// One for each symbol that has some, in order of their names; without settlements.
    pub series: Vec<SeriesSum>,
}

/// A series in the file.
#[derive(Serialize, Deserialize)]
struct Written {
    symbol: String,
    first_ms: i64,
    bars: u64,
    fields: Vec<(String, String)>,
    /// Settlements, and those whose mark is known.
    settled: (u64, u64),
    settlements: String,
}

#[derive(Serialize, Deserialize)]
struct File {
    format: u32,
    generated: bool,
    interval_ms: i64,
    series: Vec<Written>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detail: Option<WrittenFiner>,
}

#[derive(Serialize, Deserialize)]
struct WrittenFiner {
    interval_ms: i64,
    series: Vec<Written>,
}

/// Opening times of the first and after the last of some series' bars.
fn span(series: &[SeriesSum], interval_ms: i64) -> (i64, i64) {
    let end = |s: &SeriesSum| s.first_ms + s.bars as i64 * interval_ms;
    let from = series.iter().map(|s| s.first_ms).min().unwrap_or_default();
    (from, series.iter().map(end).max().unwrap_or(from))
}

impl Finer {
    /// As what a snapshot of them alone would hold.
    pub fn contents(&self, generated: bool) -> Contents {
        Contents { generated, interval_ms: self.interval_ms, series: self.series.clone(), detail: None }
    }
}

impl Contents {
    /// The data hash.
    pub fn data_hash(&self) -> Hash {
        let bars = market_hash(self.generated, self.interval_ms, &self.series);
        match &self.detail {
            Some(finer) => detailed_hash(&bars, &market_hash(self.generated, finer.interval_ms, &finer.series)),
            None => bars,
        }
    }

    /// Opening times of the first and after the last bar of all symbols, milliseconds since 1970.
    pub fn span(&self) -> (i64, i64) {
        span(&self.series, self.interval_ms)
    }

    /// Number of bars from the first to the last.
    pub fn bars(&self) -> u64 {
        let (from, to) = self.span();
        ((to - from) / self.interval_ms.max(1)) as u64
    }

    /// What every symbol has, in canonical order.
    pub fn fields(&self) -> Vec<&'static str> {
        let all: Vec<Vec<&str>> = self.series.iter().map(SeriesSum::names).collect();
        let first = self.series.first().map(SeriesSum::names).unwrap_or_default();
        first.into_iter().filter(|name| all.iter().all(|names| names.contains(name))).collect()
    }

    /// As it stands in the file.
    pub fn text(&self) -> String {
        let all = |series: &[SeriesSum]| series.iter().map(written).collect();
        let finer = |f: &Finer| WrittenFiner { interval_ms: f.interval_ms, series: all(&f.series) };
        let file = File {
            format: if self.detail.is_some() { 3 } else { 2 },
            generated: self.generated,
            interval_ms: self.interval_ms,
            series: all(&self.series),
            detail: self.detail.as_ref().map(finer),
        };
        serde_json::to_string_pretty(&file).unwrap_or_default() + "\n"
    }

    /// Reads what stands in a file, if the hash of it is that of the data.
    ///
    /// # Errors
    /// A file that cannot be read, or is of other data.
    pub fn read(path: &Path, hash: &Hash) -> Result<Contents, DataError> {
        let fail = |what: String| DataError::Snapshot { hash: hash.short(), what };
        if path.metadata().is_ok_and(|meta| !meta.is_file()) {
            return Err(fail(format!("{} is no file", path.display())));
        }
        let bytes = std::fs::read(path).map_err(DataError::io("read", path))?;
        let file: File = serde_json::from_slice(&bytes).map_err(|e| fail(format!("{}: {e}", path.display())))?;
        let all = |series: Vec<Written>| series.into_iter().map(known).collect::<Option<Vec<_>>>();
        let none = || fail(format!("{} names fields or hashes that are none", path.display()));
        let (newest, format) = (3, if file.detail.is_some() { 3 } else { 2 });
        let finer = |f: WrittenFiner| Some(Finer { interval_ms: f.interval_ms, series: all(f.series)? });
        let detail = file.detail.map(|f| finer(f).ok_or_else(none)).transpose()?;
        let series = all(file.series).ok_or_else(none)?;
        let out = Contents { generated: file.generated, interval_ms: file.interval_ms, series, detail };
        let uneven = |f: &Finer| f.interval_ms <= 0 || out.interval_ms % f.interval_ms != 0;
        if file.format != format || out.interval_ms <= 0 || out.detail.as_ref().is_some_and(uneven) {
            let newer = if file.format > newest { "a newer" } else { "another" };
            return Err(fail(format!("{} is of {newer} format", path.display())));
        }
        let found = out.data_hash();
        if found == *hash { Ok(out) } else { Err(fail(format!("{} is of snapshot {}", path.display(), found.short()))) }
    }
}

fn written(s: &SeriesSum) -> Written {
    Written {
        symbol: s.name.clone(),
        first_ms: s.first_ms,
        bars: s.bars,
        fields: s.fields.iter().map(|(name, hash)| ((*name).to_string(), hash.to_string())).collect(),
        settled: s.settled,
        settlements: s.settlements.to_string(),
    }
}

fn known(w: Written) -> Option<SeriesSum> {
    let field = |(name, hash): &(String, String)| {
        let name = FIELDS.iter().take(STORED).find(|(_, known)| known == name)?.1;
        Some((name, hash.parse().ok()?))
    };
    Some(SeriesSum {
        fields: w.fields.iter().map(field).collect::<Option<_>>()?,
        settled: w.settled,
        settlements: w.settlements.parse().ok()?,
        name: w.symbol,
        first_ms: w.first_ms,
        bars: w.bars,
    })
}
