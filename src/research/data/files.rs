//! A generated market as files in the exchange's own layout, to try an import with. A file beside them says
//! that they are made up, and whoever imports them has it recorded.

use super::error::{DataError, check_symbols};
use super::generate::{Spec, one};
use assay_shared::market::{Columns, FIELDS, Field, Market};
use assay_shared::time::{format_date, interval_text};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The file that says so.
pub const MARK: &str = "GENERATED";

/// Whether the files of a folder, or of one above it, were generated.
pub fn is_generated(dir: &Path) -> bool {
    dir.ancestors().any(|above| above.join(MARK).is_file())
}

/// Writes monthly files of candles, marks and funding of every symbol. Gives their number.
///
/// # Errors
/// A folder that cannot be written, or that holds other things than these.
pub fn write(dir: &Path, spec: &Spec<'_>, progress: &dyn Fn(&str)) -> Result<usize, DataError> {
    check_symbols(spec.symbols)?;
    let held = std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
    if held && !dir.join(MARK).is_file() {
        let what = format!("{} holds files that were not generated; choose another folder", dir.display());
        return Err(DataError::Asked { what });
    }
    let mark = mark(spec);
    if held && std::fs::read_to_string(dir.join(MARK)).is_ok_and(|there| there != mark) {
        let what = format!("{} holds another generated market; choose another folder", dir.display());
        return Err(DataError::Asked { what });
    }
    std::fs::create_dir_all(dir).map_err(DataError::io("create", dir))?;
    // First of all: what is cut off is still said to be made up.
    put(&dir.join(MARK), &mark)?;
    let mut files = 0;
    for (s, symbol) in spec.symbols.iter().enumerate() {
        progress(symbol);
        let (bars, finer) = columns(spec, s);
        files += put_bars(dir, spec, symbol, &bars)?;
        if let (Some(finer), Some(spec)) = (&finer, spec.finer()) {
            files += put_bars(dir, &spec, symbol, finer)?;
        }
        for (month, rows) in months(spec) {
            let folder = dir.join("data/futures/um/monthly/fundingRate").join(symbol);
            let (from, to) = (time(spec, rows.start), time(spec, rows.end));
            put(&folder.join(format!("{symbol}-fundingRate-{month}.csv")), &funding(&bars, from, to))?;
            files += 1;
        }
    }
    Ok(files)
}

/// The columns of a symbol, and the finer ones of which they are made.
fn columns(spec: &Spec<'_>, symbol: usize) -> (Columns, Option<Columns>) {
    let Some(finer) = spec.finer() else { return (one(spec, symbol), None) };
    let names = spec.symbols.get(symbol).cloned().into_iter().collect();
    let times = (0..finer.bars).map(|bar| time(&finer, bar)).collect();
    let mut finer = Market::new(finer.interval_ms, times, names, vec![one(&finer, symbol)], true);
    let bars = finer.coarser((spec.interval_ms / finer.interval_ms) as usize).columns.remove(0);
    (bars, Some(finer.columns.remove(0)))
}

/// Writes candles and marks of a symbol. Gives the number of files.
fn put_bars(dir: &Path, spec: &Spec<'_>, symbol: &str, columns: &Columns) -> Result<usize, DataError> {
    let (mut files, interval) = (0, interval_text(spec.interval_ms));
    for (month, rows) in months(spec) {
        for (kind, mark) in [("klines", false), ("markPriceKlines", true)] {
            let folder = dir.join("data/futures/um/monthly").join(kind).join(symbol).join(&interval);
            let path = folder.join(format!("{symbol}-{interval}-{month}.csv"));
            put(&path, &candles(spec, columns, rows.clone(), mark))?;
            files += 1;
        }
    }
    Ok(files)
}

fn mark(spec: &Spec<'_>) -> String {
    let Spec { symbols, interval_ms, from_ms, bars, seed, gaps, detail_ms } = spec;
    let finer = detail_ms.map_or(String::new(), |ms| format!(" made of {}", interval_text(ms)));
    let (interval, from) = (interval_text(*interval_ms) + &finer, format_date(*from_ms));
    format!(
        "The prices in this folder are made up. Studies on them say nothing about real trading.\n\
         seed {seed}, {bars} bars of {interval} from {from}, gaps {gaps}: {}\n",
        symbols.join(" ")
    )
}

fn time(spec: &Spec<'_>, bar: usize) -> i64 {
    spec.from_ms + bar as i64 * spec.interval_ms
}

/// The months of the bars, `YYYY-MM`, each with its bars.
fn months(spec: &Spec<'_>) -> Vec<(String, std::ops::Range<usize>)> {
    let mut out: Vec<(String, std::ops::Range<usize>)> = Vec::new();
    for bar in 0..spec.bars {
        let month = format_date(time(spec, bar))[..7].to_string();
        match out.last_mut() {
            Some((last, rows)) if *last == month => rows.end = bar + 1,
            _ => out.push((month, bar..bar + 1)),
        }
    }
    out
}

fn candles(spec: &Spec<'_>, c: &Columns, rows: std::ops::Range<usize>, mark: bool) -> String {
    let mut out = String::from(
        "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore\n",
    );
    let first = if mark { Field::MarkOpen } else { Field::Open } as usize;
    for bar in rows {
        let value = |field: usize| FIELDS.get(field).map_or(f64::NAN, |(f, _)| c.at(*f, bar));
        let (open, end) = (time(spec, bar), time(spec, bar + 1) - 1);
        let volume = if mark { 0.0 } else { c.at(Field::Volume, bar) };
        let [o, h, l, cl] = [0, 1, 2, 3].map(|i| value(first + i));
        let _ = writeln!(out, "{open},{o},{h},{l},{cl},{volume},{end},0,0,0,0,0");
    }
    out
}

fn funding(c: &Columns, from: i64, to: i64) -> String {
    let mut out = String::from("calc_time,funding_interval_hours,last_funding_rate\n");
    for s in c.settled(from, to) {
        let _ = writeln!(out, "{},8,{}", s.ms, s.rate);
    }
    out
}

fn put(path: &PathBuf, text: &str) -> Result<(), DataError> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(DataError::io("create", parent))?;
    }
    std::fs::write(path, text).map_err(DataError::io("write", path))
}
