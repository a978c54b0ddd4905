//! Cells of a table: which column is which, and what a time or a number is.

use super::error::DataError;
use assay_shared::time::{format_ms, parse};
use std::path::Path;

/// What a column can be, and the names under which people have it. Compared without case, blanks, `_` and `-`.
pub const COLUMNS: [(&str, &[&str]); 10] = [
    (
        "time",
        &[
            "opentime",
            "timestamp",
            "time",
            "date",
            "datetime",
            "klineopentime",
            "starttime",
            "unix",
            "ts",
            "t",
            "calctime",
            "fundingtime",
        ],
    ),
    ("open", &["open", "openprice", "o"]),
    ("high", &["high", "highprice", "h"]),
    ("low", &["low", "lowprice", "l"]),
    ("close", &["close", "closeprice", "c"]),
    ("volume", &["volume", "vol", "basevolume", "v", "volumebase"]),
    ("rate", &["lastfundingrate", "fundingrate", "rate"]),
    ("hours", &["fundingintervalhours", "fundinginterval", "intervalhours"]),
    ("close_time", &["closetime", "klineclosetime", "endtime"]),
    ("mark", &["markprice", "mark"]),
];

/// A file's place of each column it has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    at: [Option<usize>; COLUMNS.len()],
    /// Place of the column that names the symbol.
    pub symbol: Option<usize>,
}

fn plain(name: &str) -> String {
    let name = name.trim().trim_start_matches('\u{feff}').trim_matches('"');
    name.chars().filter(|c| !matches!(c, ' ' | '_' | '-')).flat_map(char::to_lowercase).collect()
}

/// Names that a user gives columns: `open=O,time=Zeit`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named(Vec<(usize, String)>);

impl Named {
    /// Reads `what=name` pairs.
    ///
    /// # Errors
    /// What is no pair, or names a column that there is not.
    pub fn parse(text: &str) -> Result<Named, DataError> {
        let asked = |what: String| DataError::Asked { what };
        let mut out = Vec::new();
        for pair in text.split(',').filter(|p| !p.trim().is_empty()) {
            let known = || COLUMNS.map(|(what, _)| what).join(", ");
            let (what, name) =
                pair.split_once('=').ok_or_else(|| asked(format!("'{pair}' is not written like time=Date")))?;
            let at = COLUMNS.iter().position(|(known, _)| *known == what.trim());
            let at = at.ok_or_else(|| asked(format!("there is no column '{}'; there are {}", what.trim(), known())))?;
            out.push((at, plain(name)));
        }
        Ok(Named(out))
    }
}

impl Places {
    /// The places under a header.
    pub fn of<'a>(header: impl Iterator<Item = &'a str>, named: &Named) -> Places {
        let names: Vec<String> = header.map(plain).collect();
        let find = |name: &str| names.iter().position(|n| n == name);
        let at = std::array::from_fn(|i| {
            let given = named.0.iter().find(|(column, _)| *column == i);
            // A file that has no such column may have one that is known.
            given.and_then(|(_, name)| find(name)).or_else(|| COLUMNS[i].1.iter().find_map(|n| find(n)))
        });
        Places { at, symbol: find("symbol").or_else(|| find("pair")) }
    }

    /// The exchange's order, of files without a header: candles, or settlements.
    pub fn usual(funding: bool) -> Places {
        let at = if funding {
            [Some(0), None, None, None, None, None, Some(2), Some(1), None, None]
        } else {
            [Some(0), Some(1), Some(2), Some(3), Some(4), Some(5), None, None, Some(6), None]
        };
        Places { at, symbol: None }
    }

    /// Where `what` stands.
    pub fn get(&self, what: &str) -> Option<usize> {
        COLUMNS.iter().position(|(known, _)| *known == what).and_then(|i| self.at[i])
    }

    /// The places of columns that must be there.
    ///
    /// # Errors
    /// All that are missing, with names that would do.
    pub fn need<const N: usize>(&self, path: &Path, what: [&str; N]) -> Result<[usize; N], DataError> {
        let missing: Vec<&str> = what.into_iter().filter(|w| self.get(w).is_none()).collect();
        if missing.is_empty() {
            return Ok(what.map(|w| self.get(w).unwrap_or_default()));
        }
        let names = |what: &str| {
            let found = COLUMNS.iter().find(|(known, _)| *known == what);
            found.map_or(String::new(), |(_, names)| names[..names.len().min(3)].join("' or '"))
        };
        let of = |w: &&str| format!("{w} (such as '{}')", names(w));
        let missing = missing.iter().map(of).collect::<Vec<_>>().join(", ");
        let pair = what.map(|w| format!("{w}=NAME")).join(",");
        let words = format!("the header has no column for {missing}; rename them, or say `--columns {pair}`");
        Err(DataError::bad(path, Some(1), words))
    }
}

/// Milliseconds since 1970 of a time in whatever unit its size tells: seconds until the year 5138, then
/// milliseconds, microseconds and nanoseconds likewise.
pub fn unit(t: i64) -> Option<i64> {
    let ms = match t.unsigned_abs() {
        0..100_000_000_000 => t.checked_mul(1000)?,
        100_000_000_000..100_000_000_000_000 => t,
        100_000_000_000_000..100_000_000_000_000_000 => t / 1000,
        _ => t / 1_000_000,
    };
    (946_684_800_000..32_503_680_000_000).contains(&ms).then_some(ms)
}

/// A time: a whole number, a number with a fraction of nothing, or a date in UTC or with its offset.
pub fn time(text: &str) -> Option<i64> {
    if let Ok(t) = text.parse::<i64>() {
        return unit(t);
    }
    if let Ok(t) = text.parse::<f64>() {
        return (t.fract() == 0.0 && t.abs() < 9e15).then(|| unit(t as i64))?;
    }
    date(text)
}

/// A date: `2024-01-31`, `2024-01-31 23:00:00`, with `T`, a fraction of a second, `Z`, `UTC` or an offset
/// such as `+02:00`.
fn date(text: &str) -> Option<i64> {
    let text = text.trim().trim_end_matches("UTC").trim_end();
    let (text, offset) = match text.get(10..).and_then(|rest| rest.rfind(['+', '-'])) {
        Some(at) => {
            let (front, zone) = text.split_at(10 + at);
            let (sign, zone) = (if zone.starts_with('-') { -1 } else { 1 }, zone[1..].replace(':', ""));
            let number = zone.parse::<i64>().ok().filter(|_| zone.len() == 4)?;
            (front, sign * (number / 100 * 60 + number % 100) * 60_000)
        }
        None => (text, 0),
    };
    let text = text.trim().trim_end_matches('Z');
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let ms: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    parse(whole).map(|t| t + ms - offset)
}

/// A time cell, or what is wrong with it.
///
/// # Errors
/// What is no time, with what would be.
pub fn time_cell(path: &Path, line: u64, text: &str) -> Result<i64, DataError> {
    let why = || {
        let example = format_ms(1_704_067_200_000);
        format!(
            "'{text}' is no time: read are {example}, 2024-01-01T00:00:00Z, and seconds, milli-, micro- or nanoseconds since 1970"
        )
    };
    time(text).ok_or_else(|| DataError::bad(path, Some(line), why()))
}

/// A number cell, or what is wrong with it.
///
/// # Errors
/// What is no finite number.
pub fn number_cell(path: &Path, line: u64, text: &str, name: &str) -> Result<f64, DataError> {
    let value = text.parse::<f64>().ok().filter(|v| v.is_finite());
    value.ok_or_else(|| DataError::bad(path, Some(line), format!("{name} is '{text}', not a finite number")))
}

/// What stands for nothing in a cell.
fn blank(text: &str) -> bool {
    ["", "nan", "na", "n/a", "null", "none", "-"].contains(&text.to_lowercase().as_str())
}

/// A price cell: not a number where it is blank, which makes its bar an impossible one.
///
/// # Errors
/// What is neither a finite number nor blank.
pub fn price_cell(path: &Path, line: u64, text: &str, name: &str) -> Result<f64, DataError> {
    if blank(text) { Ok(f64::NAN) } else { number_cell(path, line, text, name) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    const T: i64 = 1_746_057_600_000;

    #[test]
    fn times_in_all_spellings() {
        for text in [
            "1746057600",
            "1746057600000",
            "1746057600000000",
            "1746057600000000000",
            "1746057600000.0",
            "1746057600.0",
            "2025-05-01",
            "2025-05-01 00:00",
            "2025-05-01 00:00:00",
            "2025-05-01T00:00:00Z",
            "2025-05-01T00:00:00.000Z",
            "2025-05-01 00:00:00+00:00",
            "2025-05-01T02:00:00+0200",
            "2025-04-30 19:00:00-05:00",
            "2025-05-01 00:00:00 UTC",
        ] {
            assert_eq!(time(text), Some(T), "{text}");
        }
        assert_eq!(time("2025-05-01 00:00:00.25"), Some(T + 250));
        for text in [
            "",
            "x",
            "01/05/2025",
            "2025-13-01",
            "1.5",
            "0",
            "-1746057600000",
            "nan",
            "inf",
            "2025-05-01 00:00:00+2",
            "9e99",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn columns_by_name() {
        let of = |text: &str, named: &str| Places::of(text.split(','), &Named::parse(named).unwrap());
        for header in [
            "open_time,open,high,low,close,volume",
            "\u{feff}Timestamp,Open,High,Low,Close,Volume",
            "t,o,h,l,c,v",
            "Open Time,open price,High,LOW,Close,vol",
        ] {
            let places = of(header, "").need(Path::new("x"), ["time", "open", "high", "low", "close", "volume"]);
            assert_eq!(places.unwrap(), [0, 1, 2, 3, 4, 5], "{header}");
        }
        let error = of("a,open,c", "").need(Path::new("x.csv"), ["time", "open", "high"]).unwrap_err().to_string();
        assert!(
            error.contains("x.csv:1: the header has no column for time (such as 'opentime'") && error.contains("high"),
            "{error}"
        );
        assert_eq!(of("a,open,c", "time=A, high=C").need(Path::new("x"), ["time", "high"]).unwrap(), [0, 2]);
        assert!(Named::parse("zeit=A").is_err() && Named::parse("time").is_err());
    }

    proptest! {
        /// No text panics, and what is read back from its canonical spelling is the same time.
        #[test]
        fn any_text(text in any::<String>(), s in 946_684_800i64..4_000_000_000) {
            time(&text);
            prop_assert_eq!(time(&format_ms(s * 1000)), Some(s * 1000));
            prop_assert_eq!(time(&s.to_string()), Some(s * 1000));
        }
    }
}
