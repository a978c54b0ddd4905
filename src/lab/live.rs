//! What is live, and what was live when.

use crate::error::LabError;
use crate::table::asked;
use assay_ledger::Hash;
use assay_production::deploy::Row;
use assay_production::gate::Host;
use std::collections::{BTreeMap, BTreeSet};

/// Which rows are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Those in force.
    Now,
    /// Those in force at a time, microseconds since 1970. A version is live from its deployment
    /// (included) until the next one (excluded).
    At(i64),
    /// Every version that ever was live, oldest first.
    Ever,
}

/// Rows of a gate's live table. Writes nothing.
///
/// # Errors
/// A table that cannot be reached or belongs to another deployment.
pub fn rows(host: &Host, when: When) -> Result<Vec<Row>, LabError> {
    let mut live = asked(host)?;
    Ok(match when {
        When::Now => live.rows()?,
        When::Ever => live.history()?,
        When::At(us) => as_of(&live.history()?, us),
    })
}

/// What is odd about a row beside what the gate's own log says was deployed; nothing where that cannot be read. Whoever
/// may write to the table can write anything there.
pub fn doubts(host: &Host, rows: &[Row]) -> Vec<Option<&'static str>> {
    let Ok(deployed) = crate::host::deployed(host) else { return vec![None; rows.len()] };
    let known: BTreeSet<(String, i64, String)> =
        deployed.into_iter().map(|e| (e.strategy, e.version as i64, Hash(e.config_sha256).to_string())).collect();
    let doubt = |row: &Row| {
        let stated = row.text("config_sha256");
        if !known.contains(&(row.strategy.clone(), row.version, stated.to_string())) {
            return Some("NEVER DEPLOYED HERE");
        }
        (Hash::of(row.text("config_toml").as_bytes()).to_string() != stated).then_some("CHANGED BY HAND")
    };
    rows.iter().map(doubt).collect()
}

pub(crate) fn as_of(history: &[Row], at_us: i64) -> Vec<Row> {
    let mut live: BTreeMap<&str, &Row> = BTreeMap::new();
    for row in history.iter().filter(|r| r.deployed_us <= at_us) {
        live.insert(&row.strategy, row);
    }
    live.into_values().filter(|row| !row.is_retired()).cloned().collect()
}
