//! Bracket tables of a day into the rule book: our own files, the exchange's `leverageBracket` answer, and
//! ccxt's tiers.

use super::error::DataError;
use assay_shared::rulebook::bracket::Bracket;
use assay_shared::rulebook::{BracketSet, Rulebook};
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
fn number(value: &Value) -> Option<f64> {
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

/// The day in a file's name, such as `leverage_brackets_2024-10-24.json`.
fn day(name: &str) -> Option<&str> {
    let starts = (0..name.len().saturating_sub(9)).filter(|at| name.is_char_boundary(*at));
    let mut found = starts.filter_map(|at| name.get(at..at + 10));
    found.find(|text| text.as_bytes()[4] == b'-' && assay_shared::time::parse(text).is_some())
}

/// Reads bracket files; each holds from the day in its name on, or from `seen` where the name has none.
///
/// # Errors
/// Malformed files, and tables that contradict themselves.
pub fn read<'a>(
    files: impl Iterator<Item = &'a Path>,
    symbols: &[String],
    seen: Option<&str>,
) -> Result<Vec<BracketSet>, DataError> {
    let mut out: BTreeMap<String, Tables> = BTreeMap::new();
    for path in files {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let undated = || {
            DataError::bad(
                path,
                None,
                "its name has no day such as 2024-10-24; say when it was seen: --brackets-seen DATE",
            )
        };
        let date = day(&name).or(seen).ok_or_else(undated)?.to_string();
        let text = std::fs::read_to_string(path).map_err(DataError::io("read", path))?;
        let mut tables = tables(path, &text)?;
        tables.retain(|s, _| symbols.contains(s));
        let day = out.entry(date.clone()).or_default();
        for (symbol, table) in tables {
            if day.get(&symbol).is_some_and(|other| *other != table) {
                let what = format!("{symbol} has another table of {date} in another file");
                return Err(DataError::bad(path, None, what));
            }
            day.insert(symbol, table);
        }
    }
    Ok(out.into_iter().map(|(effective, symbols)| BracketSet { effective, symbols }).collect())
}

/// A rule book with the brackets of `files` and the fees and filters of `base`.
///
/// # Errors
/// Malformed or contradictory files.
pub fn rulebook<'a>(
    base: &Rulebook,
    files: impl Iterator<Item = &'a Path>,
    symbols: &[String],
    seen: Option<&str>,
) -> Result<Rulebook, DataError> {
    let source = "dated bracket files";
    let sets = read(files, symbols, seen)?;
    let book = base.with_brackets(sets, source);
    Rulebook::parse(&book.text()).map_err(|e| DataError::bad(Path::new(source), None, e.to_string()))
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
        let sets = read(paths(), &symbols, Some("2025-01-01")).unwrap();
        let days: Vec<&str> = sets.iter().map(|s| s.effective.as_str()).collect();
        assert_eq!(days, ["2024-10-24", "2024-11-01", "2025-01-01"]);
        assert!(sets.iter().all(|s| s.symbols["AUSDT"] == sets[0].symbols["AUSDT"] && s.symbols["AUSDT"].len() == 2));
        let error = read(paths(), &symbols, None).unwrap_err().to_string();
        assert!(error.contains("binance_leverage_tiers.json: its name has no day"), "{error}");
        let text = std::fs::read_to_string(&files[0]).unwrap().replace("5000", "6000");
        let other = put("again-2024-10-24.json", &text);
        let error = read(paths().chain([other.as_path()]), &symbols, Some("2025-01-01")).unwrap_err().to_string();
        assert!(error.contains("AUSDT has another table of 2024-10-24"), "{error}");
        for junk in ["", "{", "[1]", "{\"A\": 1}", "\"x\""] {
            let path = put("junk-2024-10-24.json", junk);
            assert!(read([path.as_path()].into_iter(), &symbols, None).is_err(), "{junk}");
        }
    }
}
