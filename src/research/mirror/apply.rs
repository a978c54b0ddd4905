//! One entry into rows. Whatever verifies is taken: of two facts about one thing the first stands, and
//! the other is listed in `assay_ignored`.

mod trial;

use super::error::MirrorError;
use assay_ledger::Entry;
use assay_ledger::format::hash::hex;
use assay_shared::event::snapshot::SnapshotFact;
use assay_shared::event::study::StudyFact;
use assay_shared::event::{Event, StrategyRegistered, StudyClosed};
use rusqlite::{OptionalExtension, Transaction, params};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Turns an entry into rows.
pub(super) fn entry(
    tx: &Transaction<'_>,
    entry: &Entry,
    fail: &dyn Fn(rusqlite::Error) -> MirrorError,
) -> Result<(), MirrorError> {
    let seq = entry.seq as i64;
    let mut insert = tx.prepare_cached("INSERT INTO assay_events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)").map_err(fail)?;
    let row = params![
        seq,
        entry.id.to_string(),
        entry.kind(),
        entry.version,
        entry.time_us as i64,
        entry.author.to_string(),
        entry.leaf_hash().to_string()
    ];
    insert.execute(row).map_err(fail)?;
    let event = Event::of(entry).map_err(|source| MirrorError::Event { seq: entry.seq, source })?;
    event_rows(tx, entry, &event).map_err(fail)
}

fn event_rows(tx: &Transaction<'_>, entry: &Entry, event: &Event) -> rusqlite::Result<()> {
    let seq = entry.seq as i64;
    if let Some(study) = event.study() {
        return self::study(tx, seq, &study);
    }
    if let Some(trial) = event.trial() {
        return trial::rows(tx, entry, &trial);
    }
    if let Some(fact) = event.snapshot() {
        return snapshot(tx, seq, &fact);
    }
    match event {
        Event::StrategyRegistered(e) => strategy(tx, e),
        Event::StudyClosed(e) => closed(tx, seq, e),
        _ => Ok(()),
    }
}

/// Lists an entry that says something about a thing that another entry has said before.
fn ignored(tx: &Transaction<'_>, seq: i64, why: &str) -> rusqlite::Result<()> {
    tx.execute("INSERT INTO assay_ignored VALUES (?1, ?2)", params![seq, why]).map(|_| ())
}

fn strategy(tx: &Transaction<'_>, e: &StrategyRegistered) -> rusqlite::Result<()> {
    let row = params![hex(&e.hash), e.name, e.canonical];
    tx.execute("INSERT OR IGNORE INTO assay_strategies VALUES (?1, ?2, ?3)", row).map(|_| ())
}

fn snapshot(tx: &Transaction<'_>, seq: i64, e: &SnapshotFact) -> rusqlite::Result<()> {
    let row = params![
        hex(&e.data_hash),
        seq,
        e.symbols.join(","),
        e.interval_ms,
        e.first_ms,
        e.last_ms,
        e.bars as i64,
        e.generated,
        e.source,
        e.treatments.join(","),
        e.findings,
        e.rulebook_hash.map(|hash| hex(&hash)),
        e.assumptions.join("; "),
        e.files.map(|f| f.0),
        e.files.map(|f| f.1)
    ];
    let sql = "INSERT OR REPLACE INTO assay_snapshots VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15)";
    tx.execute(sql, row).map(|_| ())
}

fn closed(tx: &Transaction<'_>, seq: i64, e: &StudyClosed) -> rusqlite::Result<()> {
    let found: Option<(i64, Option<i64>)> = tx
        .query_row("SELECT optuna_id, closed_seq FROM assay_studies WHERE study_id = ?1", [hex(&e.study_id)], |r| {
            Ok((r.get(0)?, r.get(1)?))
        })
        .optional()?;
    let Some((id, None)) = found else {
        return ignored(tx, seq, "the study is unknown, or closed already");
    };
    let statistics: BTreeMap<&str, f64> = e.statistics.iter().map(|(k, v)| (k.as_str(), v.0)).collect();
    let row = params![hex(&e.study_id), seq, e.best, json!(statistics).to_string()];
    tx.execute("UPDATE assay_studies SET closed_seq = ?2, best = ?3, statistics = ?4 WHERE study_id = ?1", row)?;
    for (k, v) in statistics {
        attribute(tx, "study_user", id, &format!("assay:{k}"), &json!(v))?;
    }
    Ok(())
}

/// A name that Optuna's tables do not have yet: names are unique there.
fn free_name(tx: &Transaction<'_>, e: &StudyFact) -> rusqlite::Result<String> {
    let taken = |name: &str| -> rusqlite::Result<bool> {
        tx.query_row("SELECT count(*) > 0 FROM studies WHERE study_name = ?1", [name], |r| r.get(0))
    };
    if !taken(&e.name)? {
        return Ok(e.name.clone());
    }
    Ok(format!("{} ({})", e.name, &hex(&e.study_id)[..12]))
}

fn study(tx: &Transaction<'_>, seq: i64, e: &StudyFact) -> rusqlite::Result<()> {
    let known: bool =
        tx.query_row("SELECT count(*) > 0 FROM assay_studies WHERE study_id = ?1", [hex(&e.study_id)], |r| r.get(0))?;
    if known {
        return ignored(tx, seq, "the study was opened before");
    }
    let optuna: i64 = tx.query_row("SELECT coalesce(max(study_id), 0) + 1 FROM studies", [], |r| r.get(0))?;
    tx.execute("INSERT INTO studies VALUES (?1, ?2)", params![optuna, free_name(tx, e)?])?;
    tx.execute("INSERT INTO study_directions(direction, study_id, objective) VALUES ('MAXIMIZE', ?1, 0)", [optuna])?;
    let row = params![
        hex(&e.study_id),
        optuna,
        seq,
        e.name,
        e.strategy,
        hex(&e.strategy_hash),
        hex(&e.data_hash),
        hex(&e.rulebook_hash),
        e.text,
        json!(e.environment).to_string(),
        e.generated
    ];
    tx.execute("INSERT INTO assay_studies VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,NULL,NULL,NULL)", row)?;
    for (key, value) in [
        ("study_id", json!(hex(&e.study_id))),
        ("strategy", json!(e.strategy)),
        ("strategy_hash", json!(hex(&e.strategy_hash))),
        ("data_hash", json!(hex(&e.data_hash))),
        ("rulebook_hash", json!(hex(&e.rulebook_hash))),
        ("engine_version", json!(e.environment.engine_version)),
        ("generated_data", json!(e.generated)),
    ] {
        attribute(tx, "study_user", optuna, &format!("assay:{key}"), &value)?;
    }
    Ok(())
}

fn attribute(tx: &Transaction<'_>, table: &str, id: i64, key: &str, value: &Value) -> rusqlite::Result<()> {
    let owner = if table.starts_with("study") { "study_id" } else { "trial_id" };
    let sql = format!("INSERT OR IGNORE INTO {table}_attributes({owner}, \"key\", value_json) VALUES (?1, ?2, ?3)");
    tx.prepare_cached(&sql)?.execute(params![id, key, value.to_string()]).map(|_| ())
}
