//! Rows of the exchange's files: with or without header, milliseconds or microseconds, blanks in
//! columns that are not needed.

use super::error::DataError;
use std::path::Path;

/// A candle. Time in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kline {
    /// Opening time.
    pub ms: i64,
    /// Open, high, low, close.
    pub prices: [f64; 4],
    /// Volume; 0 where the file leaves it blank.
    pub volume: f64,
    /// Line in its file.
    pub line: u64,
}

/// A funding settlement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settlement {
    /// When, to the second: the exchange writes some milliseconds more.
    pub ms: i64,
    /// Hours since the one before, as the exchange says.
    pub interval_hours: f64,
    /// Rate as a fraction.
    pub rate: f64,
    /// Line in its file.
    pub line: u64,
}

/// Microseconds begin where milliseconds would be in the year 5138.
fn to_ms(t: i64) -> i64 {
    if t.abs() > 100_000_000_000_000 { t / 1000 } else { t }
}

struct Table {
    rows: Vec<(u64, csv::StringRecord)>,
    header: Option<csv::StringRecord>,
}

fn table(path: &Path, bytes: &[u8]) -> Result<Table, DataError> {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(bytes);
    let mut rows = Vec::new();
    let mut header = None;
    for record in reader.records() {
        let record = record.map_err(|e| DataError::bad(path, e.position().map(csv::Position::line), e.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let first = record.get(0).unwrap_or_default();
        if rows.is_empty() && header.is_none() && first.parse::<f64>().is_err() {
            header = Some(record);
        } else {
            rows.push((line, record));
        }
    }
    if rows.is_empty() { Err(DataError::bad(path, None, "no rows")) } else { Ok(Table { rows, header }) }
}

impl Table {
    /// Position of a column: by name under a header, else its usual place.
    fn column(&self, path: &Path, name: &str, usual: usize) -> Result<usize, DataError> {
        match &self.header {
            None => Ok(usual),
            Some(h) => {
                let found = h.iter().position(|c| c.trim().trim_start_matches('\u{feff}').eq_ignore_ascii_case(name));
                found.ok_or_else(|| DataError::bad(path, Some(1), format!("the header has no column '{name}'")))
            }
        }
    }
}

fn number(path: &Path, line: u64, row: &csv::StringRecord, at: usize, name: &str) -> Result<f64, DataError> {
    let text = row.get(at).unwrap_or_default();
    let value = text.parse::<f64>().ok().filter(|v| v.is_finite());
    value.ok_or_else(|| DataError::bad(path, Some(line), format!("{name} is '{text}', not a finite number")))
}

fn time(path: &Path, line: u64, row: &csv::StringRecord, at: usize) -> Result<i64, DataError> {
    let text = row.get(at).unwrap_or_default();
    let ms = text.parse::<i64>().ok().map(to_ms).filter(|ms| (0..32_503_680_000_000).contains(ms));
    ms.ok_or_else(|| DataError::bad(path, Some(line), format!("'{text}' is not a time in milli- or microseconds")))
}

/// Candles of a file, in its order.
///
/// # Errors
/// The first row that is not a candle, with its line.
pub fn klines(path: &Path, bytes: &[u8]) -> Result<Vec<Kline>, DataError> {
    let table = table(path, bytes)?;
    let at = |name, usual| table.column(path, name, usual);
    let t = at("open_time", 0)?;
    let prices = [at("open", 1)?, at("high", 2)?, at("low", 3)?, at("close", 4)?];
    let v = at("volume", 5)?;
    let mut out = Vec::with_capacity(table.rows.len());
    for (line, row) in &table.rows {
        let mut p = [0.0; 4];
        for (place, (column, name)) in p.iter_mut().zip(prices.iter().zip(["open", "high", "low", "close"])) {
            *place = number(path, *line, row, *column, name)?;
        }
        let blank = row.get(v).unwrap_or_default().is_empty();
        let volume = if blank { 0.0 } else { number(path, *line, row, v, "volume")? };
        out.push(Kline { ms: time(path, *line, row, t)?, prices: p, volume, line: *line });
    }
    Ok(out)
}

/// Funding settlements of a file, in its order.
///
/// # Errors
/// The first row that is no settlement, with its line.
pub fn settlements(path: &Path, bytes: &[u8]) -> Result<Vec<Settlement>, DataError> {
    let table = table(path, bytes)?;
    let t = table.column(path, "calc_time", 0)?;
    let h = table.column(path, "funding_interval_hours", 1)?;
    let r = table.column(path, "last_funding_rate", 2)?;
    let mut out = Vec::with_capacity(table.rows.len());
    for (line, row) in &table.rows {
        let ms = time(path, *line, row, t)?;
        out.push(Settlement {
            ms: (ms + 500) / 1000 * 1000,
            interval_hours: number(path, *line, row, h, "funding_interval_hours")?,
            rate: number(path, *line, row, r, "last_funding_rate")?,
            line: *line,
        });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_units_blanks_and_places() {
        let p = Path::new("x.csv");
        let with = b"open_time,open,high,low,close,volume,close_time\n1580515200000,1,3,0.5,2,,\n";
        assert_eq!(klines(p, with).unwrap()[0].prices, [1.0, 3.0, 0.5, 2.0]);
        let micro = b"1735689600000000,1,3,0.5,2,9.5,1735693199999999,1,2,3,4,0\n";
        assert_eq!(
            klines(p, micro).unwrap()[0],
            Kline { ms: 1_735_689_600_000, prices: [1.0, 3.0, 0.5, 2.0], volume: 9.5, line: 1 }
        );
        let e = klines(p, b"1580515200000,1,3,0.5,2,1\n1580518800000,1,x,0.5,2,1\n").unwrap_err().to_string();
        assert_eq!(e, "x.csv:2: high is 'x', not a finite number");
        assert!(klines(p, b"1580515200000,1,NaN,0.5,2,1\n").is_err() && klines(p, b"").is_err());
        let f =
            settlements(p, b"calc_time,funding_interval_hours,last_funding_rate\n1580515200007,8,0.0001\n").unwrap();
        assert_eq!((f[0].ms, f[0].rate), (1_580_515_200_000, 0.0001));
    }
}
