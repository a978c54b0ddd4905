//! Reading snapshots: what is read is compared with the hashes of what was written.

use super::contents::Contents;
use super::draft::ROWS;
use super::files::{SETTLEMENTS, contents_path, detail_path, path, settlements_path};
use crate::data::error::DataError;
use assay_ledger::Hash;
use assay_shared::market::{Columns, FIELDS, Field, Market, SeriesSum, Settlement, column_hash, settlements_hash};
use polars::prelude::{DataFrame, ParallelStrategy, ParquetReader, PolarsError, SerReader};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::Path;

/// Reads a snapshot, of some symbols or all of them, and checks that its values are the ones its name
/// promises.
///
/// # Errors
/// A missing, damaged or changed snapshot; a symbol that it does not have.
pub fn read(dir: &Path, hash: &Hash, symbols: Option<&[String]>) -> Result<Market, DataError> {
    let fail = |what: String| DataError::Snapshot { hash: hash.short(), what };
    if !contents_path(dir, hash).exists() {
        let market = read_first(dir, hash)?;
        let chosen = symbols.map_or(Some(market.clone()), |symbols| market.select(symbols));
        return chosen.ok_or_else(|| fail("it has not all of the symbols".into()));
    }
    let contents = Contents::read(&contents_path(dir, hash), hash)?;
    let names: Vec<String> = contents.series.iter().map(|s| s.name.clone()).collect();
    let wanted: Vec<&SeriesSum> = match symbols {
        None => contents.series.iter().collect(),
        Some(symbols) => {
            let find = |name: &String| contents.series.iter().find(|s| s.name == *name);
            let all = symbols.iter().map(find).collect::<Option<_>>();
            let what = || {
                format!(
                    "snapshot {} has {}, not all of {}; name another one with --data",
                    hash.short(),
                    names.join(", "),
                    symbols.join(", ")
                )
            };
            all.ok_or_else(|| DataError::Asked { what: what() })?
        }
    };
    let fail: Fail<'_> = &fail;
    let settled = settlements(&settlements_path(dir, hash)).map_err(|e| with(fail, e))?;
    let bars = Bars { path: &path(dir, hash), contents: &contents, fail };
    let market = bars.read(&wanted, settled)?;
    let Some(finer) = &contents.detail else { return Ok(market) };
    let there: Vec<&SeriesSum> = finer.series.iter().filter(|s| market.symbol(&s.name).is_some()).collect();
    if there.is_empty() {
        return Ok(market);
    }
    let bars = Bars { path: &detail_path(dir, hash), contents: &finer.contents(contents.generated), fail };
    let finer = bars.read(&there, BTreeMap::new())?;
    market.with_detail(finer).map_err(|e| fail(e.to_string()))
}

type Fail<'a> = &'a (dyn Fn(String) -> DataError + Sync);

/// A file of bars, and what is in it.
struct Bars<'a> {
    path: &'a Path,
    contents: &'a Contents,
    fail: Fail<'a>,
}

impl Bars<'_> {
    /// Reads some series, and compares them with their hashes.
    fn read(&self, wanted: &[&SeriesSum], mut settled: BTreeMap<String, Vec<Settlement>>) -> Result<Market, DataError> {
        let (contents, fail, step) = (self.contents, self.fail, self.contents.interval_ms);
        let end = |s: &SeriesSum| s.first_ms + s.bars as i64 * step;
        let first = wanted.iter().map(|s| s.first_ms).min().unwrap_or_default();
        let last = wanted.iter().map(|s| end(s)).max().unwrap_or(first);
        let bars = ((last - first) / step) as usize;
        let rows = |from: i64, s: &SeriesSum| {
            let begin = ((s.first_ms - from) / step) as usize;
            begin..begin + s.bars as usize
        };
        let part = |s: &&SeriesSum| (rows(contents.span().0, s), rows(first, s).start, bars);
        let mut parts: Vec<Vec<Part>> = wanted.iter().map(|s| Part::all(s, part(s))).collect();
        let total = contents.bars() as usize;
        fill(self.path, total, parts.iter_mut().flatten().collect()).map_err(|e| with(fail, e))?;
        let mut columns = Vec::new();
        for (series, parts) in wanted.iter().zip(parts) {
            let own = rows(first, series);
            let one = |(part, (name, sum)): (Part, &(&'static str, Hash))| {
                let mut values = part.values;
                values.resize(own.end, f64::NAN);
                if column_hash(&values[own.clone()]) != *sum {
                    return Err(fail(format!("{}.{name} has other values: the file was changed", series.name)));
                }
                values.resize(bars, f64::NAN);
                Ok(values)
            };
            let read: Vec<Vec<f64>> = parts.into_par_iter().zip(&series.fields).map(one).collect::<Result<_, _>>()?;
            let settlements = settled.remove(&series.name).unwrap_or_default();
            if settlements_hash(&settlements) != series.settlements {
                return Err(fail(format!("{} has other settlements: the file was changed", series.name)));
            }
            let mut out = Columns { settlements, ..Columns::default() };
            for ((name, _), values) in series.fields.iter().zip(read) {
                if let Some((field, _)) = FIELDS.iter().find(|(_, known)| known == name) {
                    *out.get_mut(*field) = values;
                }
            }
            columns.push(out);
        }
        let times = (0..bars as i64).map(|t| first + t * step).collect();
        let symbols = wanted.iter().map(|s| s.name.clone()).collect();
        Ok(Market::new(step, times, symbols, columns, contents.generated))
    }
}

/// What went wrong: the system's answer as it is, another one as a word about the snapshot.
fn with(fail: &dyn Fn(String) -> DataError, e: Trouble) -> DataError {
    match e {
        Trouble::Data(e) => e,
        Trouble::Is(what) => fail(what),
        Trouble::Polars(e) => fail(e.to_string()),
    }
}

#[derive(Debug)]
enum Trouble {
    Data(DataError),
    Is(String),
    Polars(PolarsError),
}

impl From<PolarsError> for Trouble {
    fn from(e: PolarsError) -> Trouble {
        Trouble::Polars(e)
    }
}

/// Opens a file of a snapshot. A pipe in its place would keep everybody waiting.
fn open(path: &Path) -> Result<File, Trouble> {
    match path.metadata() {
        Ok(meta) if !meta.is_file() => Err(Trouble::Is(format!("{} is no file", path.display()))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Err(Trouble::Data(DataError::Missing { path: path.into() }))
        }
        _ => File::open(path).map_err(DataError::io("open", path)).map_err(Trouble::Data),
    }
}

fn parquet(path: &Path) -> Result<DataFrame, Trouble> {
    let file = open(path)?;
    Ok(ParquetReader::new(file).finish()?)
}

/// A column that is being read.
struct Part {
    name: String,
    /// Its rows in the file.
    rows: Range<usize>,
    /// Unknown up to its first bar, then what was read.
    values: Vec<f64>,
}

impl Part {
    /// The columns of a symbol: its rows in the file, and where they stand among as many as asked for.
    fn all(series: &SeriesSum, (rows, at, bars): (Range<usize>, usize, usize)) -> Vec<Part> {
        let one = |(name, _): &(&'static str, Hash)| {
            let mut values = Vec::with_capacity(bars);
            values.resize(at, f64::NAN);
            Part { name: format!("{}.{name}", series.name), rows: rows.clone(), values }
        };
        series.fields.iter().map(one).collect()
    }

    /// Takes its values of some rows of the file.
    fn take(&mut self, frame: &DataFrame, rows: &Range<usize>) -> Result<(), PolarsError> {
        let (from, to) = (self.rows.start.max(rows.start), self.rows.end.min(rows.end));
        let column = frame.column(&self.name)?.f64()?;
        if from < to {
            let mine = column.slice((from - rows.start) as i64, to - from);
            mine.downcast_iter().for_each(|chunk| self.values.extend(chunk.values_iter()));
        }
        Ok(())
    }
}

/// Reads the columns, some rows of all at a time: the file's values never stand in memory beside them.
fn fill(path: &Path, total: usize, mut parts: Vec<&mut Part>) -> Result<(), Trouble> {
    let names: Vec<String> = parts.iter().map(|p| p.name.clone()).collect();
    let file = open(path)?;
    for at in (0..total).step_by(ROWS) {
        let rows = at..total.min(at + ROWS);
        let file = file.try_clone().map_err(DataError::io("read", path)).map_err(Trouble::Data)?;
        let reader = ParquetReader::new(file).with_columns(Some(names.clone()));
        let reader = reader.read_parallel(ParallelStrategy::Columns);
        let frame = reader.with_slice(Some((at, rows.len()))).finish()?;
        parts.par_iter_mut().try_for_each(|part| part.take(&frame, &rows))?;
    }
    Ok(())
}

fn settlements(path: &Path) -> Result<BTreeMap<String, Vec<Settlement>>, Trouble> {
    let frame = parquet(path)?;
    let [symbol, time, rate, mark] = SETTLEMENTS.map(|name| frame.column(name));
    let (symbol, time, rate, mark) = (symbol?.str()?, time?.i64()?, rate?.f64()?, mark?.f64()?);
    let mut out: BTreeMap<String, Vec<Settlement>> = BTreeMap::new();
    for i in 0..frame.height() {
        let (Some(symbol), Some(ms), Some(rate)) = (symbol.get(i), time.get(i), rate.get(i)) else { continue };
        let one = Settlement { ms, rate, mark: mark.get(i).unwrap_or(f64::NAN) };
        out.entry(symbol.into()).or_default().push(one);
    }
    Ok(out)
}

/// Reads a snapshot as version 0.1.0 wrote it: one file, funding rates as a column at the bars in which they
/// settled.
fn read_first(dir: &Path, hash: &Hash) -> Result<Market, DataError> {
    let fail = |what: String| DataError::Snapshot { hash: hash.short(), what };
    let frame = parquet(&path(dir, hash)).map_err(|e| with(&fail, e))?;
    let market = from_frame(&frame).map_err(|e| fail(e.to_string()))?;
    let found = market.data_hash_v1();
    if found == *hash {
        Ok(market)
    } else {
        Err(fail(format!("its values have the hash {}: the file was changed", found.short())))
    }
}

fn from_frame(frame: &DataFrame) -> Result<Market, PolarsError> {
    let times: Vec<i64> = frame.column("time")?.i64()?.into_no_null_iter().collect();
    let generated = frame.column("generated")?.bool()?.get(0).unwrap_or(false);
    let names = frame.get_column_names();
    let symbols: Vec<String> = names.iter().filter_map(|n| n.strip_suffix(".open").map(str::to_string)).collect();
    let mut columns = Vec::new();
    for symbol in &symbols {
        let mut c = Columns::default();
        for (field, name) in FIELDS {
            *c.get_mut(field) = frame.column(&format!("{symbol}.{name}"))?.f64()?.into_no_null_iter().collect();
        }
        let settled = times.iter().zip(c.get(Field::Funding)).filter(|(_, rate)| !rate.is_nan());
        c.settlements = settled.map(|(ms, rate)| Settlement { ms: *ms, rate: *rate, mark: f64::NAN }).collect();
        columns.push(c);
    }
    let interval_ms = times.get(1).zip(times.first()).map_or(3_600_000, |(b, a)| b - a);
    Ok(Market::new(interval_ms, times, symbols, columns, generated))
}
