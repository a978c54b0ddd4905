//! Bracket snapshots: `leverage_brackets_YYYY-MM-DD.json` into the rule book.

use super::error::DataError;
use assay_shared::rulebook::bracket::Bracket;
use assay_shared::rulebook::{BracketSet, Rulebook};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Deserialize)]
struct Row {
    notional_floor: f64,
    notional_cap: f64,
    maint_margin_ratio: f64,
    maint_amount: f64,
    max_leverage: f64,
}

/// Reads dated bracket files; each holds from its date on.
///
/// # Errors
/// Malformed files, and tables that contradict themselves.
pub fn read<'a>(files: impl Iterator<Item = &'a Path>, symbols: &[String]) -> Result<Vec<BracketSet>, DataError> {
    let mut out = Vec::new();
    for path in files {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let date = name.trim_start_matches("leverage_brackets_").trim_end_matches(".json").to_string();
        if assay_shared::time::parse(&date).is_none() {
            return Err(DataError::bad(path, None, "its name has no date such as 2024-10-24"));
        }
        let text = std::fs::read_to_string(path).map_err(DataError::io("read", path))?;
        let mut tables: BTreeMap<String, Vec<Row>> =
            serde_json::from_str(&text).map_err(|e| DataError::bad(path, Some(e.line() as u64), e.to_string()))?;
        let of = |r: &Row| Bracket {
            floor: r.notional_floor,
            cap: r.notional_cap,
            max_leverage: r.max_leverage,
            mmr: r.maint_margin_ratio,
            cum: r.maint_amount,
        };
        tables.retain(|s, _| symbols.contains(s));
        let symbols = tables.iter().map(|(s, rows)| (s.clone(), rows.iter().map(of).collect())).collect();
        out.push(BracketSet { effective: date, symbols });
    }
    out.sort_by(|a, b| a.effective.cmp(&b.effective));
    Ok(out)
}

/// A rule book with the brackets of `files` and the fees and filters of `base`.
///
/// # Errors
/// Malformed or contradictory files.
pub fn rulebook<'a>(
    base: &Rulebook,
    files: impl Iterator<Item = &'a Path>,
    symbols: &[String],
    source: &str,
) -> Result<Rulebook, DataError> {
    let sets = read(files, symbols)?;
    let book = base.with_brackets(sets, source);
    Rulebook::parse(&book.text()).map_err(|e| DataError::bad(Path::new(source), None, e.to_string()))
}
