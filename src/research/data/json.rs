//! Rows in JSON: answers of the exchange's REST interface, and freqtrade's JSON folders.

use super::cells::Places;
use super::error::DataError;
use super::rows::{Cells, Kline, Settlement, candle, check_symbol, settlement};
use serde_json::Value;
use std::path::Path;

/// A row as text, and its number from 1.
struct Row {
    number: u64,
    cells: Vec<String>,
}

impl Cells for Row {
    fn line(&self) -> u64 {
        self.number
    }
    fn cell(&self, at: usize) -> &str {
        self.cells.get(at).map(String::as_str).unwrap_or_default()
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Rows and the places of their columns: a list of lists in the usual order, or a list of objects.
fn rows(path: &Path, bytes: &[u8], symbol: &str, funding: bool) -> Result<(Places, Vec<Row>), DataError> {
    let bad = |line, what: &str| DataError::bad(path, line, what);
    let value: Value =
        serde_json::from_slice(bytes).map_err(|e| DataError::bad(path, Some(e.line() as u64), e.to_string()))?;
    let list = value.as_array().or_else(|| value.get("data")?.as_array());
    let list = list.filter(|l| !l.is_empty()).ok_or_else(|| bad(None, "it holds no list of rows"))?;
    let names: Vec<&str> = list[0].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    // freqtrade keeps rates where candles have their open.
    let wide = list[0].as_array().is_some_and(|first| first.len() > 3);
    let places = match names.is_empty() {
        true => Places::usual(funding && !wide),
        false => Places::of(names.iter().copied(), &super::cells::Named::default()),
    };
    let row = |(n, value): (usize, &Value)| {
        let cells = match value {
            Value::Array(cells) => cells.iter().map(text).collect(),
            Value::Object(cells) => names.iter().map(|name| cells.get(*name).map(text).unwrap_or_default()).collect(),
            _ => return Err(bad(Some(n as u64 + 1), "it is no row")),
        };
        let row = Row { number: n as u64 + 1, cells };
        check_symbol(path, &places, &row, symbol).map(|()| row)
    };
    let rows = list.iter().enumerate().map(row).collect::<Result<_, _>>()?;
    Ok((places, rows))
}

/// Candles of a JSON file, in its order.
///
/// # Errors
/// The first row that is no candle, with its number.
pub fn klines(path: &Path, bytes: &[u8], symbol: &str) -> Result<Vec<Kline>, DataError> {
    let (places, rows) = rows(path, bytes, symbol, false)?;
    rows.iter().map(|row| candle(path, &places, row)).collect()
}

/// Funding settlements of a JSON file, in its order.
///
/// # Errors
/// The first row that is no settlement, with its number.
pub fn settlements(path: &Path, bytes: &[u8], symbol: &str) -> Result<Vec<Settlement>, DataError> {
    let (places, rows) = rows(path, bytes, symbol, true)?;
    rows.iter().map(|row| settlement(path, &places, row)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    #[test]
    fn answers_and_folders() {
        let p = Path::new("x.json");
        let rest = br#"[[1746057600000,"1","3","0.5","2","9.5",1746061199999,"0",0,"0","0","0"]]"#;
        let k = klines(p, rest, "BTCUSDT").unwrap()[0];
        assert_eq!(
            (k.ms, k.prices, k.volume, k.close_ms),
            (1_746_057_600_000, [1.0, 3.0, 0.5, 2.0], 9.5, Some(1_746_061_199_999))
        );
        let freqtrade = b"[[1746057600000,1.0,3.0,0.5,2.0,9.5]]";
        assert_eq!(klines(p, freqtrade, "BTCUSDT").unwrap()[0].prices, k.prices);
        let funding =
            br#"[{"symbol":"BTCUSDT","fundingTime":1746057600007,"fundingRate":"0.00003519","markPrice":""}]"#;
        assert_eq!(settlements(p, funding, "BTCUSDT").unwrap()[0].rate, 3.519e-5);
        assert_eq!(settlements(p, b"[[1746057600000,0.0001,0,0,0,0]]", "BTCUSDT").unwrap()[0].rate, 0.0001);
        let other = br#"[{"symbol":"ETHUSDT","fundingTime":1746057600007,"fundingRate":"0.00003519"}]"#;
        assert!(settlements(p, other, "BTCUSDT").unwrap_err().to_string().contains("it is of ETHUSDT"));
        for bad in [&b"[]"[..], b"{}", b"[1]", b"[[]]", br#"[{"a":1}]"#, b"\xff"] {
            assert!(klines(p, bad, "BTCUSDT").is_err() && settlements(p, bad, "BTCUSDT").is_err());
        }
    }

    proptest! {
        #[test]
        fn any_text(text in "[\\[\\]{}\",:0-9a-z.-]{0,80}", bytes in any::<Vec<u8>>()) {
            let p = Path::new("x");
            let _ = (klines(p, text.as_bytes(), "BTCUSDT"), settlements(p, text.as_bytes(), "BTCUSDT"), klines(p, &bytes, "BTCUSDT"));
        }
    }
}
