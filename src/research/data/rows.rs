//! Rows of files, whatever their format: candles and funding settlements, each with its place.

use super::cells::{Named, Places, number_cell, price_cell, time_cell};
use super::error::DataError;
use std::path::Path;

/// A candle. Time in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kline {
    /// Opening time.
    pub ms: i64,
    /// Open, high, low, close.
    pub prices: [f64; 4],
    /// Volume; 0 where the file leaves it blank, NaN where it has no such column.
    pub volume: f64,
    /// Closing time, where the file has one.
    pub close_ms: Option<i64>,
    /// Line in its file, or row.
    pub line: u32,
    /// Number of its file among those of a series.
    pub file: u32,
}

/// A funding settlement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settlement {
    /// When, to the second: the exchange writes some milliseconds more.
    pub ms: i64,
    /// Hours since the one before, as the file says; none where it does not.
    pub interval_hours: Option<f64>,
    /// Rate as a fraction.
    pub rate: f64,
    /// Mark price at that moment, where the file says it.
    pub mark: Option<f64>,
    /// Line in its file, or row.
    pub line: u64,
}

/// One row as text cells: line, and the cell at a place.
pub(super) trait Cells {
    /// Line in its file, or row.
    fn line(&self) -> u64;
    /// The cell at a place; empty where there is none.
    fn cell(&self, at: usize) -> &str;
}

impl Cells for csv::StringRecord {
    fn line(&self) -> u64 {
        self.position().map_or(0, csv::Position::line)
    }
    fn cell(&self, at: usize) -> &str {
        self.get(at).unwrap_or_default()
    }
}

/// The mark between cells: the one that the first line has most of.
fn delimiter(bytes: &[u8]) -> u8 {
    let first = bytes.split(|b| *b == b'\n').find(|l| !l.is_empty()).unwrap_or_default();
    let count = |d: &u8| first.iter().filter(|b| *b == d).count();
    [b'|', b'\t', b';', b','].into_iter().max_by_key(count).unwrap_or(b',')
}

/// Gives each row of a CSV file to `take`, with the places of its columns.
fn each_row(
    path: &Path,
    bytes: &[u8],
    funding: bool,
    named: &Named,
    mut take: impl FnMut(&Places, &csv::StringRecord) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .delimiter(delimiter(bytes))
        .from_reader(bytes);
    let (mut record, mut places, mut rows, mut cells) = (csv::StringRecord::new(), None, 0u64, 0);
    loop {
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {}
            Err(e) => return Err(DataError::bad(path, e.position().map(csv::Position::line), e.to_string())),
        }
        cells = cells.max(if rows == 0 { record.len() } else { 0 });
        if record.len() < cells {
            let what = format!("{} cells where the first row has {cells}: was it cut off?", record.len());
            return Err(DataError::bad(path, record.position().map(csv::Position::line), what));
        }
        let head = record.get(0).unwrap_or_default().chars().any(char::is_alphabetic) && places.is_none();
        if head && super::cells::time(record.get(0).unwrap_or_default()).is_none() {
            places = Some(Places::of(record.iter(), named));
            continue;
        }
        rows += 1;
        take(places.get_or_insert_with(|| Places::usual(funding)), &record)?;
    }
    if rows > 0 {
        return Ok(());
    }
    let begin: String = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).escape_debug().take(60).collect();
    Err(DataError::bad(path, None, format!("no rows; it begins with '{begin}'")))
}

/// The candle of a row.
pub(super) fn candle(path: &Path, places: &Places, row: &impl Cells) -> Result<Kline, DataError> {
    let [t, o, h, l, c] = places.need(path, ["time", "open", "high", "low", "close"])?;
    let line = row.line();
    let number = |at, name| price_cell(path, line, row.cell(at), name);
    let prices = [number(o, "open")?, number(h, "high")?, number(l, "low")?, number(c, "close")?];
    let text = |what: &str| places.get(what).map(|at| row.cell(at)).filter(|text| !text.is_empty());
    let none = if places.get("volume").is_some() { 0.0 } else { f64::NAN };
    let volume = text("volume").map_or(Ok(none), |text| number_cell(path, line, text, "volume"))?;
    // A blank or zero closing time says nothing.
    let closes = text("close_time").filter(|text| *text != "0");
    let close_ms = closes.map(|text| time_cell(path, line, text)).transpose()?;
    let ms = time_cell(path, line, row.cell(t))?;
    Ok(Kline { ms, prices, volume, close_ms, line: u32::try_from(line).unwrap_or(u32::MAX), file: 0 })
}

/// The settlement of a row.
pub(super) fn settlement(path: &Path, places: &Places, row: &impl Cells) -> Result<Settlement, DataError> {
    // freqtrade keeps rates as the `open` of candles.
    let rate = places.get("rate").or_else(|| places.get("open"));
    let rate = rate.map_or_else(|| places.need(path, ["rate"]).map(|[at]| at), Ok)?;
    let [t] = places.need(path, ["time"])?;
    let line = row.line();
    let text = |what: &str| places.get(what).map(|at| row.cell(at)).filter(|text| !text.is_empty());
    let (hours, mark) = (text("hours"), text("mark"));
    Ok(Settlement {
        ms: (time_cell(path, line, row.cell(t))? + 500).div_euclid(1000) * 1000,
        interval_hours: hours.map(|text| number_cell(path, line, text, "funding_interval_hours")).transpose()?,
        rate: number_cell(path, line, row.cell(rate), "the funding rate")?,
        mark: mark.map(|text| number_cell(path, line, text, "the mark price")).transpose()?.filter(|m| *m > 0.0),
        line,
    })
}

/// Refuses a row of another symbol than the file's.
pub(super) fn check_symbol(path: &Path, places: &Places, row: &impl Cells, symbol: &str) -> Result<(), DataError> {
    let said = places.symbol.map(|at| row.cell(at)).unwrap_or_default();
    if said.is_empty() || symbol.is_empty() || said.eq_ignore_ascii_case(symbol) {
        return Ok(());
    }
    let plain: String = said.chars().filter(|c| c.is_alphanumeric()).collect();
    // `BTC/USDT:USDT` and `BTCUSDT-PERP` are it; a future that expires, such as `BTCUSDT_240628`, is another.
    let rest = plain.to_uppercase().strip_prefix(symbol).map(str::to_string);
    if rest.is_some_and(|rest| ["", "PERP", "USDT", "USDC"].contains(&rest.as_str())) {
        return Ok(());
    }
    Err(DataError::bad(path, Some(row.line()), format!("it is of {said}, the file is named after {symbol}")))
}

/// Candles of a CSV file, in its order.
///
/// # Errors
/// The first row that is not a candle of `symbol`, with its line.
pub fn klines(path: &Path, bytes: &[u8], symbol: &str, named: &Named) -> Result<Vec<Kline>, DataError> {
    let mut out = Vec::new();
    each_row(path, bytes, false, named, |places, row| {
        check_symbol(path, places, row, symbol)?;
        out.push(candle(path, places, row)?);
        Ok(())
    })?;
    Ok(out)
}

/// Funding settlements of a CSV file, in its order.
///
/// # Errors
/// The first row that is no settlement of `symbol`, with its line.
pub fn settlements(path: &Path, bytes: &[u8], symbol: &str, named: &Named) -> Result<Vec<Settlement>, DataError> {
    let mut out = Vec::new();
    each_row(path, bytes, true, named, |places, row| {
        check_symbol(path, places, row, symbol)?;
        out.push(settlement(path, places, row)?);
        Ok(())
    })?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    fn candles(bytes: &[u8]) -> Result<Vec<Kline>, DataError> {
        klines(Path::new("x.csv"), bytes, "BTCUSDT", &Named::default())
    }

    fn rates(bytes: &[u8]) -> Result<Vec<Settlement>, DataError> {
        settlements(Path::new("x.csv"), bytes, "BTCUSDT", &Named::default())
    }

    #[test]
    fn headers_units_blanks_and_places() {
        let with = b"open_time,open,high,low,close,volume,close_time\n1580515200000,1,3,0.5,2,,\n";
        assert_eq!(candles(with).unwrap()[0].prices, [1.0, 3.0, 0.5, 2.0]);
        let micro = b"1735689600000000,1,3,0.5,2,9.5,1735693199999999,1,2,3,4,0\n";
        let prices = [1.0, 3.0, 0.5, 2.0];
        let close_ms = Some(1_735_693_199_999);
        assert_eq!(
            candles(micro).unwrap()[0],
            Kline { ms: 1_735_689_600_000, prices, volume: 9.5, close_ms, line: 1, file: 0 }
        );
        let e = candles(b"1580515200000,1,3,0.5,2,1\n1580518800000,1,x,0.5,2,1\n").unwrap_err().to_string();
        assert_eq!(e, "x.csv:2: high is 'x', not a finite number");
        let blank = candles(b"1580515200000,1,NaN,0.5,2,1\n").unwrap();
        assert!(blank[0].prices[1].is_nan(), "its bar is an impossible one");
        assert!(candles(b"1580515200000,1,x,0.5,2,1\n").is_err() && candles(b"").is_err());
        let dates = b"Date;Open;High;Low;Close\n2025-05-01 01:00:00;1;3;0.5;2\n";
        assert_eq!((candles(dates).unwrap()[0].ms, candles(dates).unwrap()[0].line), (1_746_061_200_000, 2));
        assert_eq!(candles(b"2025-05-01 01:00:00\t1\t3\t0.5\t2\n").unwrap()[0].ms, 1_746_061_200_000, "no header");
        let named = Named::parse("time=Zeit,close=Schluss").unwrap();
        let own = b"Zeit,Open,High,Low,Schluss\n1580515200,1,3,0.5,2\n";
        assert_eq!(klines(Path::new("x"), own, "", &named).unwrap()[0].prices[3], 2.0);
    }

    #[test]
    fn settlements_of_the_archive_and_of_the_interface() {
        let f = rates(b"calc_time,funding_interval_hours,last_funding_rate\n1580515200007,8,0.0001\n").unwrap();
        assert_eq!((f[0].ms, f[0].rate, f[0].interval_hours), (1_580_515_200_000, 0.0001, Some(8.0)));
        let f = rates(b"symbol,fundingTime,fundingRate,markPrice\nBTCUSDT,1746057600007,3.519e-05,\n").unwrap();
        assert_eq!((f[0].ms, f[0].rate, f[0].interval_hours), (1_746_057_600_000, 3.519e-5, None));
        let other = rates(b"symbol,fundingTime,fundingRate\nETHUSDT,1746057600007,3.519e-05\n");
        assert_eq!(other.unwrap_err().to_string(), "x.csv:2: it is of ETHUSDT, the file is named after BTCUSDT");
        for (symbol, ours) in [("BTC/USDT:USDT", true), ("btcusdt", true), ("BTCUSDT_240628", false), ("BTCUSD", false)]
        {
            let rows = rates(format!("symbol,fundingTime,fundingRate\n{symbol},1746057600007,1e-5\n").as_bytes());
            assert_eq!(rows.is_ok(), ours, "{symbol}");
        }
    }

    proptest! {
        /// Any bytes are rows or an error, never a panic.
        #[test]
        fn any_bytes(bytes in any::<Vec<u8>>(), text in "[0-9a-z,;.\n: -]{0,200}") {
            let _ = (candles(&bytes), rates(&bytes), candles(text.as_bytes()), rates(text.as_bytes()));
        }
    }
}
