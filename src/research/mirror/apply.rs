//! One entry into rows. Whatever verifies is taken: of two facts about one thing the first stands, and
//! the other is listed in `assay_ignored`.

mod trial;

use super::error::MirrorError;
use assay_ledger::Entry;
use assay_ledger::format::hash::hex;
use assay_shared::event::snapshot::SnapshotFact;
use assay_shared::event::study::StudyFact;
use assay_shared::event::{Event, StrategyRegistered, StudyClosed};
use assay_shared::study::{Formula, Study};
use rusqlite::{OptionalExtension, Transaction, params};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use trial::Studies;

/// One transaction that entries are applied in, and what it has looked up.
pub(super) struct Apply<'t> {
    tx: &'t Transaction<'t>,
    studies: Studies,
}

impl<'t> Apply<'t> {
    pub(super) fn new(tx: &'t Transaction<'t>) -> Apply<'t> {
        Apply { tx, studies: Studies::default() }
    }

    /// Turns an entry into rows, and gives its leaf hash.
    pub(super) fn entry(
        &mut self,
        entry: &Entry,
        fail: &dyn Fn(rusqlite::Error) -> MirrorError,
    ) -> Result<String, MirrorError> {
        let leaf = entry.leaf_hash().to_string();
        self.listed(entry, &leaf).map_err(fail)?;
        let event = Event::of(entry).map_err(|source| MirrorError::Event { seq: entry.seq, source })?;
        self.event_rows(entry, &leaf, &event).map_err(fail)?;
        Ok(leaf)
    }

    fn listed(&self, entry: &Entry, leaf: &str) -> rusqlite::Result<()> {
        let row = params![
            entry.seq as i64,
            entry.id.to_string(),
            entry.kind(),
            entry.version,
            entry.time_us as i64,
            entry.author.to_string(),
            leaf
        ];
        let sql = "INSERT INTO assay_events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        self.tx.prepare_cached(sql)?.execute(row).map(|_| ())
    }

    fn event_rows(&mut self, entry: &Entry, leaf: &str, event: &Event) -> rusqlite::Result<()> {
        if let Some(trial) = event.trial() {
            let why = self.studies.trial(self.tx, entry, leaf, &trial)?;
            return why.map_or(Ok(()), |why| ignored(self.tx, entry.seq as i64, why));
        }
        // What was looked up may lack it: the rows must not depend on where transactions begin.
        if matches!(event, Event::StrategyRegistered(_)) {
            self.studies = Studies::default();
        }
        other_rows(self.tx, entry.seq as i64, event)
    }
}

fn other_rows(tx: &Transaction<'_>, seq: i64, event: &Event) -> rusqlite::Result<()> {
    if let Some(study) = event.study() {
        return self::study(tx, seq, &study);
    }
    if let Some(later) = event.later() {
        return match trial::later(tx, &later)? {
            true => Ok(()),
            false => ignored(tx, seq, "its trial is not recorded, or it was recorded before"),
        };
    }
    if let Some(fact) = event.snapshot() {
        return snapshot(tx, seq, &fact);
    }
    match event {
        Event::StrategyRegistered(e) => strategy(tx, e),
        Event::StudyExtended(e) => {
            let sql = "UPDATE assay_studies SET closed_seq = NULL, best = NULL, statistics = NULL WHERE study_id = ?1";
            tx.execute(sql, [hex(&e.study_id)]).map(|_| ())
        }
        event => event.closing().map_or(Ok(()), |(_, e)| closed(tx, seq, &e)),
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
        let key = format!("assay:at_close:{k}");
        tx.execute("DELETE FROM study_user_attributes WHERE study_id = ?1 AND \"key\" = ?2", params![id, key])?;
        attribute(tx, id, &key, &json!(v))?;
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
    let also = Study::recorded(&e.text).map_or(Vec::new(), |s| s.objective.also);
    let objectives: Vec<&str> = std::iter::once("score").chain(also.iter().map(Formula::text)).collect();
    // As `Study.set_metric_names` writes it: tables and dashboards show them.
    let sql =
        "INSERT INTO study_system_attributes(study_id, \"key\", value_json) VALUES (?1, 'study:metric_names', ?2)";
    tx.execute(sql, params![optuna, json!(objectives).to_string()])?;
    for objective in 0..objectives.len() {
        let sql = "INSERT INTO study_directions(direction, study_id, objective) VALUES ('MAXIMIZE', ?1, ?2)";
        tx.execute(sql, params![optuna, objective as i64])?;
    }
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
        attribute(tx, optuna, &format!("assay:{key}"), &value)?;
    }
    Ok(())
}

fn attribute(tx: &Transaction<'_>, study: i64, key: &str, value: &Value) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO study_user_attributes(study_id, \"key\", value_json) VALUES (?1, ?2, ?3)";
    tx.prepare_cached(sql)?.execute(params![study, key, value.to_string()]).map(|_| ())
}
