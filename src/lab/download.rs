//! Files of the exchange's public archive, downloaded.

use crate::error::LabError;
use crate::session::{Progress, Session};
use crate::vendor;
use assay_research::data::error::check_symbols;
use assay_research::data::fetch::{self, Fetched};
use assay_shared::time::{interval_ms, interval_text};
use std::path::Path;

/// What to download.
#[derive(Debug, Clone)]
pub struct Download<'a> {
    /// Symbols.
    pub symbols: &'a [String],
    /// Bar interval.
    pub interval: &'a str,
    /// First and last month, `YYYY-MM`.
    pub months: (&'a str, &'a str),
    /// The archive, or a mirror of it.
    pub source: fetch::Source,
    /// Files at a time.
    pub connections: usize,
    /// Whether checksums of files that are there are asked for again.
    pub refresh: bool,
}

/// Downloads monthly files into a folder, and daily ones of months that have none yet, with checksums; goes on
/// where it was stopped.
///
/// # Errors
/// Months that are none, a symbol that the archive has nothing of, a download that fails, or
/// [`LabError::Stopped`].
pub fn download(what: &Download<'_>, out: &Path, session: &Session) -> Result<Fetched, LabError> {
    let (from, to) = what.months;
    let month = |text: &str| fetch::months(text, text).is_some();
    if let Some(odd) = [from, to].into_iter().find(|text| !month(text)) {
        return Err(LabError::usage(format!("'{odd}' is not a month"), "write it as 2024-01"));
    }
    let none = || LabError::usage(format!("{from} is after {to}"), "--to is the last month, --from the first");
    let months = fetch::months(from, to).ok_or_else(none)?;
    let mut symbols = what.symbols.to_vec();
    symbols.sort();
    symbols.dedup();
    check_symbols(&symbols)?;
    for address in [&what.source.base, &what.source.listing] {
        if !address.starts_with("http://") && !address.starts_with("https://") {
            return Err(LabError::usage(format!("'{address}' is no address"), "write it as https://host/path"));
        }
    }
    if interval_ms(what.interval).is_none_or(|ms| interval_text(ms) != what.interval) {
        return Err(LabError::usage(format!("'{}' is not an interval", what.interval), "write it as 1m, 1h, 4h or 1d"));
    }
    let series = fetch::Series::of(&symbols, what.interval);
    let say = |done: usize, total: usize, name: &str| {
        let (done, total) = (done as u64, total as u64);
        session.progress(&Progress::Files { what: "downloading", done, total, name });
    };
    let stopped = || session.stop.requested();
    let done = fetch::fetch(&what.source, &series, &months, out, (what.connections, what.refresh), &say, &stopped);
    session.progress(&Progress::Ended);
    let done = done?;
    vendor::remember(&what.source.base, out, &done.asked, session)?;
    if stopped() {
        let words = format!("{} of {} files are there; run the command again to go on", done.there, done.total);
        return Err(LabError::Stopped(words));
    }
    let all = |s: &fetch::Series| {
        done.absent.iter().any(|a| a.series == s.to_string() && a.from == months[0] && a.to == months[months.len() - 1])
    };
    if let Some(none) = series.iter().find(|s| s.kind == "klines" && all(s)) {
        let (symbol, interval) = (&none.symbol, what.interval);
        let message = format!("{} has no {interval} candles of {symbol} from {from} to {to}", what.source.base);
        return Err(LabError::usage(message, "look whether the symbol, the interval and the months are right"));
    }
    Ok(done)
}
