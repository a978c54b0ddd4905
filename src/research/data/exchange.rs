//! The exchange's `exchangeInfo` answer: order filters and liquidation fees of its symbols.

use super::brackets::{day, number};
use super::error::DataError;
use assay_shared::rulebook::SymbolRules;
use assay_shared::rulebook::sightings::Sightings;
use serde_json::Value;
use std::path::Path;

/// The filters of perpetuals in an answer (`GET /fapi/v1/exchangeInfo`), as seen on the day in the file's name
/// or on `seen`; nothing when the file is none.
///
/// # Errors
/// An answer without a day, or of which a symbol's filters cannot be understood.
pub fn filters(path: &Path, text: &str, seen: Option<&str>) -> Result<Option<Sightings>, DataError> {
    let Ok(value) = serde_json::from_str::<Value>(text) else { return Ok(None) };
    let Some(symbols) = value.get("symbols").and_then(Value::as_array) else { return Ok(None) };
    let day = day(path, seen)?;
    let mut out = Sightings::default();
    for s in symbols {
        let word = |key: &str| s.get(key).and_then(Value::as_str);
        let Some(symbol) = word("symbol").filter(|_| word("contractType").is_none_or(|t| t == "PERPETUAL")) else {
            continue;
        };
        let filter = |kind: &str, key: &str| {
            let all = s.get("filters")?.as_array()?;
            number(all.iter().find(|f| f.get("filterType").and_then(Value::as_str) == Some(kind))?.get(key)?)
        };
        let found = || {
            Some(SymbolRules {
                // Market orders have a step of their own; of both the coarser one is allowed by each.
                step: f64::max(filter("LOT_SIZE", "stepSize")?, filter("MARKET_LOT_SIZE", "stepSize").unwrap_or(0.0)),
                tick: filter("PRICE_FILTER", "tickSize")?,
                min_notional: filter("MIN_NOTIONAL", "notional").or_else(|| filter("MIN_NOTIONAL", "minNotional"))?,
                liquidation_fee: s.get("liquidationFee").and_then(number),
            })
        };
        let bad = || DataError::bad(path, None, format!("{symbol} lacks LOT_SIZE, PRICE_FILTER or MIN_NOTIONAL"));
        let rules = found().filter(|r| r.step > 0.0 && r.tick > 0.0 && r.min_notional > 0.0).ok_or_else(bad)?;
        out.filters.entry(symbol.into()).or_default().insert(day.clone(), rules);
    }
    Ok(Some(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"{"timezone":"UTC","symbols":[
        {"symbol":"AVAXUSDT","contractType":"PERPETUAL","liquidationFee":"0.015000","filters":[
            {"filterType":"PRICE_FILTER","tickSize":"0.0010"},{"filterType":"LOT_SIZE","stepSize":"1"},
            {"filterType":"MARKET_LOT_SIZE","stepSize":"1"},{"filterType":"MIN_NOTIONAL","notional":"5"}]},
        {"symbol":"BTCUSDT_260925","contractType":"CURRENT_QUARTER","filters":[]}]}"#;

    #[test]
    fn answers_and_what_is_none() {
        let read = |name: &str, text: &str, seen| filters(Path::new(name), text, seen);
        let found = read("exchangeInfo.json", ANSWER, Some("2026-09-01")).unwrap().unwrap();
        let rules = SymbolRules { step: 1.0, tick: 0.001, min_notional: 5.0, liquidation_fee: Some(0.015) };
        assert_eq!(found.filters["AVAXUSDT"]["2026-09-01"], rules);
        assert_eq!((found.filters.len(), found.brackets.len()), (1, 0), "what expires is no perpetual");
        assert!(
            read("exchangeInfo-2026-09-02.json", ANSWER, None).unwrap().unwrap().filters["AVAXUSDT"]
                .contains_key("2026-09-02")
        );
        assert!(read("x.json", ANSWER, None).unwrap_err().to_string().contains("--seen"));
        let broken = ANSWER.replace("tickSize", "tick");
        assert!(read("x.json", &broken, Some("2026-09-01")).unwrap_err().to_string().contains("AVAXUSDT lacks"));
        for text in ["", "[]", "{}", "{\"BTCUSDT\":[]}"] {
            assert_eq!(read("x.json", text, None).unwrap(), None);
        }
    }
}
