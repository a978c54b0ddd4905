//! Bracket tables of a day into the rule book: our own files, the exchange's `leverageBracket` answer, and
//! ccxt's tiers.

use super::error::DataError;
use assay_shared::rulebook::bracket::{Bracket, Brackets};
use assay_shared::rulebook::sightings::Sightings;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Deserialize)]
struct Own {
    notional_floor: f64,
    notional_cap: f64,
    maint_margin_ratio: f64,
    maint_amount: f64,
    max_leverage: f64,
}

/// An answer of the exchange: `GET /fapi/v1/leverageBracket`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    symbol: String,
    brackets: Vec<AnswerRow>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnswerRow {
    initial_leverage: f64,
    notional_cap: f64,
    notional_floor: f64,
    maint_margin_ratio: f64,
    cum: f64,
}

/// A tier of ccxt, as `fetchLeverageTiers` gives it and freqtrade keeps it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tier {
    #[serde(alias = "notionalFloor")]
    min_notional: f64,
    #[serde(alias = "notionalCap")]
    max_notional: f64,
    maintenance_margin_rate: f64,
    max_leverage: f64,
    info: Option<Value>,
}

type Tables = BTreeMap<String, Vec<Bracket>>;

/// A number, or the text of one.
pub(super) fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

/// `BTC/USDT:USDT` as the exchange spells it.
fn symbol_of(pair: &str) -> Option<String> {
    match pair.split_once('/') {
        None => Some(pair.to_string()),
        Some((base, rest)) => match rest.split_once(':') {
            Some((quote, settle)) if quote == settle => Some(format!("{base}{quote}")),
            _ => None,
        },
    }
}

fn own(rows: Vec<Own>) -> Vec<Bracket> {
    let of = |r: Own| Bracket {
        floor: r.notional_floor,
        cap: r.notional_cap,
        max_leverage: r.max_leverage,
        mmr: r.maint_margin_ratio,
        cum: r.maint_amount,
    };
    rows.into_iter().map(of).collect()
}

fn answer(rows: Vec<AnswerRow>) -> Vec<Bracket> {
    let of = |r: AnswerRow| Bracket {
        floor: r.notional_floor,
        cap: r.notional_cap,
        max_leverage: r.initial_leverage,
        mmr: r.maint_margin_ratio,
        cum: r.cum,
    };
    let mut out: Vec<Bracket> = rows.into_iter().map(of).collect();
    out.sort_by(|a, b| a.floor.total_cmp(&b.floor));
    out
}

/// Tiers; amounts that are not told follow from the ratios: tables are continuous.
fn tiers(rows: Vec<Tier>) -> Vec<Bracket> {
    let mut out: Vec<Bracket> = Vec::new();
    for r in rows {
        let told = r.info.as_ref().and_then(|info| number(info.get("cum")?));
        let follows =
            out.last().map_or(0.0, |p: &Bracket| p.cum + r.min_notional * (r.maintenance_margin_rate - p.mmr));
        out.push(Bracket {
            floor: r.min_notional,
            cap: r.max_notional,
            max_leverage: r.max_leverage,
            mmr: r.maintenance_margin_rate,
            cum: told.unwrap_or(follows),
        });
    }
    out
}

/// The tables of a file, whichever of the formats it has.
fn tables(path: &Path, text: &str) -> Result<Tables, DataError> {
    let bad = |e: serde_json::Error| DataError::bad(path, Some(e.line() as u64), e.to_string());
    let value: Value = serde_json::from_str(text).map_err(bad)?;
    let shape = |e: serde_json::Error| DataError::bad(path, None, format!("it holds no bracket tables: {e}"));
    if value.is_array() {
        let answers: Vec<Answer> = serde_json::from_value(value).map_err(shape)?;
        return Ok(answers.into_iter().map(|a| (a.symbol, answer(a.brackets))).collect());
    }
    let rows: BTreeMap<String, Value> = serde_json::from_value(value).map_err(shape)?;
    let mut out = Tables::new();
    for (name, rows) in rows {
        let Some(symbol) = symbol_of(&name) else { continue };
        let first = rows.get(0);
        let table = if first.is_some_and(|r| r.get("maint_margin_ratio").is_some()) {
            own(serde_json::from_value(rows).map_err(shape)?)
        } else {
            tiers(serde_json::from_value(rows).map_err(shape)?)
        };
        out.insert(symbol, table);
    }
    Ok(out)
}

/// The day in a file's name, such as `leverage_brackets_2024-10-24.json`, or else the one that is said.
///
/// # Errors
/// Neither.
pub(super) fn day(path: &Path, seen: Option<&str>) -> Result<String, DataError> {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let starts = (0..name.len().saturating_sub(9)).filter(|at| name.is_char_boundary(*at));
    let mut found = starts.filter_map(|at| name.get(at..at + 10));
    let named = found.find(|text| text.as_bytes()[4] == b'-' && assay_shared::time::parse(text).is_some());
    let undated = "its name has no day such as 2024-10-24; say when it was seen: --seen DATE (--brackets-seen DATE of \
                   data import)";
    named.or(seen).map(str::to_string).ok_or_else(|| DataError::bad(path, None, undated))
}

/// Reads bracket files, of some symbols or all of them; each was seen on the day in its name, or on `seen`
/// where the name has none.
///
/// # Errors
/// Malformed files, tables that contradict themselves, and two different ones of one day.
pub fn sightings<'a>(
    files: impl Iterator<Item = &'a Path>,
    symbols: Option<&[String]>,
    seen: Option<&str>,
) -> Result<Sightings, DataError> {
    let mut out = Sightings::default();
    for path in files {
        let bad = |what: String| DataError::bad(path, None, what);
        let day = day(path, seen)?;
        let text = std::fs::read_to_string(path).map_err(DataError::io("read", path))?;
        let mut found = Sightings::default();
        for (symbol, mut table) in tables(path, &text)? {
            // The exchange has answered with brackets that hold nothing (BEAMXUSDT in November 2025).
            table.retain(|b| b.cap > b.floor);
            if symbols.is_some_and(|wanted| !wanted.contains(&symbol)) {
                continue;
            }
            Brackets::new(table.clone()).map_err(|e| bad(format!("the table of {symbol}: {e}")))?;
            found.brackets.entry(symbol).or_default().insert(day.clone(), table);
        }
        out.add(&found).map_err(|e| bad(e.to_string()))?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same table in the three formats.
    #[test]
    fn three_formats() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let files = [
            put(
                "leverage_brackets_2024-10-24.json",
                r#"{"AUSDT": [{"notional_floor": 0, "notional_cap": 5000, "maint_margin_ratio": 0.01, "maint_amount": 0, "max_leverage": 50},
                    {"notional_floor": 5000, "notional_cap": 20000, "maint_margin_ratio": 0.02, "maint_amount": 50, "max_leverage": 25}]}"#,
            ),
            put(
                "answer-2024-11-01.json",
                r#"[{"symbol": "AUSDT", "brackets": [
                    {"bracket": 2, "initialLeverage": 25, "notionalCap": 20000, "notionalFloor": 5000, "maintMarginRatio": 0.02, "cum": 50.0},
                    {"bracket": 1, "initialLeverage": 50, "notionalCap": 5000, "notionalFloor": 0, "maintMarginRatio": 0.01, "cum": 0.0}]}]"#,
            ),
            put(
                "binance_leverage_tiers.json",
                r#"{"A/USDT:USDT": [{"tier": 1, "minNotional": 0, "maxNotional": 5000, "maintenanceMarginRate": 0.01, "maxLeverage": 50},
                    {"tier": 2, "minNotional": 5000, "maxNotional": 20000, "maintenanceMarginRate": 0.02, "maxLeverage": 25, "info": {"cum": "50"}}],
                    "A/USD:A": []}"#,
            ),
        ];
        let symbols = ["AUSDT".to_string()];
        let paths = || files.iter().map(std::path::PathBuf::as_path);
        let seen = sightings(paths(), Some(&symbols), Some("2025-01-01")).unwrap();
        let tables = &seen.brackets["AUSDT"];
        assert_eq!(tables.keys().collect::<Vec<_>>(), ["2024-10-24", "2024-11-01", "2025-01-01"]);
        assert!(tables.values().all(|t| *t == tables["2024-10-24"] && t.len() == 2));
        let error = sightings(paths(), None, None).unwrap_err().to_string();
        assert!(error.contains("binance_leverage_tiers.json: its name has no day"), "{error}");
        let text = std::fs::read_to_string(&files[0]).unwrap().replace("5000", "4000").replace(": 50}", ": 40}");
        let text = text.replace("\"maint_amount\": 50", "\"maint_amount\": 40");
        let other = put("again-2024-10-24.json", &text);
        let error = sightings(paths().chain([other.as_path()]), None, Some("2025-01-01")).unwrap_err().to_string();
        assert!(error.contains("two different bracket tables of AUSDT were seen on 2024-10-24"), "{error}");
        let hollow = text.replace("{\"notional_floor\": 4000,", "{\"notional_floor\": 4000, \"notional_cap\": 4000, \"maint_margin_ratio\": 0.015, \"maint_amount\": 20, \"max_leverage\": 30}, {\"notional_floor\": 4000,");
        let hollow = put("hollow-2024-10-25.json", &hollow);
        let read = sightings([hollow.as_path()].into_iter(), None, None).unwrap();
        assert_eq!(read.brackets["AUSDT"]["2024-10-25"].len(), 2, "a bracket that holds nothing is none");
        let broken = put("broken-2024-10-25.json", &text.replace("40,", "41,"));
        let error = sightings([broken.as_path()].into_iter(), None, None).unwrap_err().to_string();
        assert!(error.contains("the table of AUSDT: the amount at 4000 is 41"), "{error}");
        for junk in ["", "{", "[1]", "{\"A\": 1}", "\"x\""] {
            let path = put("junk-2024-10-24.json", junk);
            assert!(sightings([path.as_path()].into_iter(), Some(&symbols), None).is_err(), "{junk}");
        }
    }
}
