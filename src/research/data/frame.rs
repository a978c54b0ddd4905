//! Rows in Feather (Arrow IPC) and Parquet files, as freqtrade, pandas and polars write them.

use super::cells::{Named, Places, time, unit};
use super::error::DataError;
use super::rows::{Kline, Settlement};
use polars::prelude::{Column, DataFrame, DataType, IpcReader, ParquetReader, SerReader, TimeUnit};
use std::io::Cursor;
use std::path::Path;

struct Frame<'a> {
    path: &'a Path,
    frame: DataFrame,
    places: Places,
}

impl Frame<'_> {
    fn of<'a>(path: &'a Path, bytes: &[u8], named: &Named) -> Result<Frame<'a>, DataError> {
        let bad = |e: polars::prelude::PolarsError| DataError::bad(path, None, e.to_string());
        let cursor = Cursor::new(bytes);
        let frame = match bytes.starts_with(b"PAR1") {
            true => ParquetReader::new(cursor).finish().map_err(bad)?,
            false => IpcReader::new(cursor).finish().map_err(bad)?,
        };
        let names: Vec<String> = frame.get_column_names().iter().map(ToString::to_string).collect();
        let places = Places::of(names.iter().map(String::as_str), named);
        Ok(Frame { path, frame, places })
    }

    fn column(&self, at: usize) -> Result<&Column, DataError> {
        self.frame.select_at_idx(at).ok_or_else(|| DataError::bad(self.path, None, "a column is missing"))
    }

    fn bad_row(&self, n: usize, what: &str) -> DataError {
        DataError::bad(self.path, Some(n as u64 + 1), what.to_string())
    }

    fn numbers(&self, at: usize) -> Result<Vec<f64>, DataError> {
        let column = self.column(at)?;
        let cast = column.cast(&DataType::Float64).map_err(|e| DataError::bad(self.path, None, e.to_string()))?;
        let values = cast.f64().map_err(|e| DataError::bad(self.path, None, e.to_string()))?;
        let number = |(n, v): (usize, Option<f64>)| {
            let what = || format!("{} is not a finite number", column.name());
            v.filter(|v| v.is_finite()).ok_or_else(|| self.bad_row(n, &what()))
        };
        values.iter().enumerate().map(number).collect()
    }

    fn times(&self, at: usize) -> Result<Vec<i64>, DataError> {
        let column = self.column(at)?;
        let fail = |e: polars::prelude::PolarsError| DataError::bad(self.path, None, e.to_string());
        let no = |n| self.bad_row(n, "its time is none");
        if let DataType::String = column.dtype() {
            let texts = column.str().map_err(fail)?;
            return texts.iter().enumerate().map(|(n, t)| t.and_then(time).ok_or_else(|| no(n))).collect();
        }
        let whole = column.cast(&DataType::Int64).map_err(fail)?;
        let scale: fn(i64) -> Option<i64> = match column.dtype() {
            DataType::Datetime(TimeUnit::Milliseconds, _) => Some,
            DataType::Datetime(TimeUnit::Microseconds, _) => |t| Some(t.div_euclid(1000)),
            DataType::Datetime(TimeUnit::Nanoseconds, _) => |t| Some(t.div_euclid(1_000_000)),
            DataType::Date => |t| t.checked_mul(86_400_000),
            _ => unit,
        };
        let values = whole.i64().map_err(fail)?;
        values.iter().enumerate().map(|(n, t)| t.and_then(scale).ok_or_else(|| no(n))).collect()
    }
}

/// Candles of a file, in its order.
///
/// # Errors
/// A file that is not of its format, a column that is missing, the first row that is no candle.
pub fn klines(path: &Path, bytes: &[u8], named: &Named) -> Result<Vec<Kline>, DataError> {
    let frame = Frame::of(path, bytes, named)?;
    let [t, o, h, l, c] = frame.places.need(path, ["time", "open", "high", "low", "close"])?;
    let times = frame.times(t)?;
    let prices = [frame.numbers(o)?, frame.numbers(h)?, frame.numbers(l)?, frame.numbers(c)?];
    let volume = frame.places.get("volume").map(|at| frame.numbers(at)).transpose()?;
    let row = |(n, ms): (usize, &i64)| Kline {
        ms: *ms,
        prices: std::array::from_fn(|i| prices[i][n]),
        volume: volume.as_ref().map_or(f64::NAN, |v| v[n]),
        close_ms: None,
        line: n as u32 + 1,
        file: 0,
    };
    Ok(times.iter().enumerate().map(row).collect())
}

/// Funding settlements of a file, in its order.
///
/// # Errors
/// As [`klines`].
pub fn settlements(path: &Path, bytes: &[u8], named: &Named) -> Result<Vec<Settlement>, DataError> {
    let frame = Frame::of(path, bytes, named)?;
    let [t] = frame.places.need(path, ["time"])?;
    // freqtrade keeps rates as the `open` of candles.
    let rate = frame.places.get("rate").or_else(|| frame.places.get("open"));
    let rate = rate.map_or_else(|| frame.places.need(path, ["rate"]).map(|[at]| at), Ok)?;
    let (times, rates) = (frame.times(t)?, frame.numbers(rate)?);
    let numbers = |what: &str| frame.places.get(what).map(|at| frame.numbers(at)).transpose();
    let (hours, marks) = (numbers("hours")?, numbers("mark")?);
    let row = |(n, ms): (usize, &i64)| Settlement {
        ms: (*ms + 500).div_euclid(1000) * 1000,
        interval_hours: hours.as_ref().map(|h| h[n]),
        rate: rates[n],
        mark: marks.as_ref().map(|m| m[n]),
        line: n as u64 + 1,
    };
    Ok(times.iter().enumerate().map(row).collect())
}
