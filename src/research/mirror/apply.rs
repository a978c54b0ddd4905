//! One entry into rows.

use super::MirrorError;
use assay_ledger::Entry;
use assay_ledger::format::hash::hex;
use assay_shared::event::codec::Real;
use assay_shared::event::{Event, Fold, ParamValue, StudyOpened, TrialCompleted};
use assay_shared::strategy::space::Range;
use assay_shared::time::format_us;
use rusqlite::{OptionalExtension, Transaction, params};
use serde::Deserialize;
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
    match event {
        Event::StudyOpened(e) => study(tx, seq, e),
        Event::TrialCompleted(e) => completed(tx, entry, e),
        Event::TrialPruned(e) => {
            let t = Trial::new(&e.study_id, e.number, "PRUNED", &e.params, &e.identity);
            Trial { folds: &e.folds, reason: Some(&e.reason), ..t }.insert(tx, entry, None, None, None).map(|_| ())
        }
        Event::TrialFailed(e) => {
            let t = Trial::new(&e.study_id, e.number, "FAIL", &e.params, &e.identity);
            Trial { reason: Some(&e.reason), ..t }.insert(tx, entry, None, None, None).map(|_| ())
        }
        Event::StudyClosed(e) => {
            let statistics: BTreeMap<&str, f64> = e.statistics.iter().map(|(k, v)| (k.as_str(), v.0)).collect();
            let row = params![hex(&e.study_id), seq, e.best, json!(statistics).to_string()];
            tx.execute(
                "UPDATE assay_studies SET closed_seq = ?2, best = ?3, statistics = ?4 WHERE study_id = ?1",
                row,
            )?;
            let id: Option<i64> = tx
                .query_row("SELECT optuna_id FROM assay_studies WHERE study_id = ?1", [hex(&e.study_id)], |r| r.get(0))
                .optional()?;
            if let Some(id) = id {
                for (k, v) in &e.statistics {
                    attribute(tx, "study_user", id, &format!("assay:{k}"), &json!(v.0))?;
                }
            }
            Ok(())
        }
        Event::SnapshotRegistered(e) => {
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
                e.findings
            ];
            tx.execute("INSERT OR IGNORE INTO assay_snapshots VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)", row)
                .map(|_| ())
        }
        _ => Ok(()),
    }
}

/// The space inside a study's recorded settings.
#[derive(Deserialize)]
struct Recorded {
    space: BTreeMap<String, Range>,
}

fn study(tx: &Transaction<'_>, seq: i64, e: &StudyOpened) -> rusqlite::Result<()> {
    let optuna: i64 = tx.query_row("SELECT coalesce(max(study_id), 0) + 1 FROM studies", [], |r| r.get(0))?;
    tx.execute("INSERT INTO studies VALUES (?1, ?2)", params![optuna, e.name])?;
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
        e.settings,
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
    let sql = format!("INSERT INTO {table}_attributes({owner}, \"key\", value_json) VALUES (?1, ?2, ?3)");
    tx.prepare_cached(&sql)?.execute(params![id, key, value.to_string()]).map(|_| ())
}

struct Trial<'a> {
    study: String,
    number: u32,
    state: &'static str,
    params: &'a [(String, ParamValue)],
    folds: &'a [Fold],
    identity: &'a [u8; 32],
    reason: Option<&'a str>,
}

impl<'a> Trial<'a> {
    fn new(
        study: &[u8; 16],
        number: u32,
        state: &'static str,
        params: &'a [(String, ParamValue)],
        identity: &'a [u8; 32],
    ) -> Trial<'a> {
        Trial { study: hex(study), number, state, params, folds: &[], identity, reason: None }
    }

    fn insert(
        &self,
        tx: &Transaction<'_>,
        entry: &Entry,
        score: Option<f64>,
        violation: Option<f64>,
        stream: Option<&[u8; 32]>,
    ) -> rusqlite::Result<i64> {
        let (optuna, settings): (i64, String) = tx
            .prepare_cached("SELECT optuna_id, settings FROM assay_studies WHERE study_id = ?1")?
            .query_row([&self.study], |r| Ok((r.get(0)?, r.get(1)?)))?;
        let id: i64 =
            tx.prepare_cached("SELECT coalesce(max(trial_id), 0) + 1 FROM trials")?.query_row([], |r| r.get(0))?;
        let time = format_us(entry.time_us);
        tx.prepare_cached("INSERT INTO trials VALUES (?1, ?2, ?3, ?4, ?5, ?5)")?.execute(params![
            id,
            self.number,
            optuna,
            self.state,
            time
        ])?;
        let space = serde_json::from_str::<Recorded>(&settings).map(|r| r.space).unwrap_or_default();
        let mut named = serde_json::Map::new();
        let mut insert = tx.prepare_cached(
            "INSERT INTO trial_params(trial_id, param_name, param_value, distribution_json) VALUES (?1,?2,?3,?4)",
        )?;
        for (name, value) in self.params {
            let number = match value {
                ParamValue::Int(i) => *i as f64,
                ParamValue::Float(Real(f)) => *f,
            };
            named.insert(name.clone(), json!(value));
            let (internal, distribution) = distribution(space.get(name), number);
            insert.execute(params![id, name, internal, distribution])?;
        }
        let mut steps = tx.prepare_cached("INSERT INTO trial_intermediate_values(trial_id, step, intermediate_value, intermediate_value_type) VALUES (?1,?2,?3,?4)")?;
        for (step, fold) in self.folds.iter().enumerate() {
            let value = fold.out_of_sample.map(|r| r.0);
            steps.execute(params![id, step as i64, value, if value.is_some() { "FINITE" } else { "NAN" }])?;
        }
        let row = params![
            self.study,
            self.number,
            id,
            entry.seq as i64,
            self.state,
            score,
            violation,
            self.reason,
            Value::Object(named).to_string(),
            json!(self.folds).to_string(),
            hex(self.identity),
            stream.map(|s| hex(s))
        ];
        tx.prepare_cached("INSERT INTO assay_trials VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)")?.execute(row)?;
        attribute(tx, "trial_user", id, "assay:seq", &json!(entry.seq))?;
        attribute(tx, "trial_user", id, "assay:event_hash", &json!(entry.leaf_hash()))?;
        attribute(tx, "trial_user", id, "assay:identity", &json!(hex(self.identity)))?;
        if let Some(reason) = self.reason {
            attribute(tx, "trial_user", id, "assay:reason", &json!(reason))?;
        }
        Ok(id)
    }
}

fn completed(tx: &Transaction<'_>, entry: &Entry, e: &TrialCompleted) -> rusqlite::Result<()> {
    let t = Trial::new(&e.study_id, e.number, "COMPLETE", &e.params, &e.identity);
    let t = Trial { folds: &e.folds, ..t };
    let violation: f64 = e.constraints.iter().map(|c| c.0.max(0.0)).sum();
    let id = t.insert(tx, entry, Some(e.score.0), Some(violation), Some(&e.stream_hash))?;
    let sql = "INSERT INTO trial_values(trial_id, objective, value, value_type) VALUES (?1, 0, ?2, 'FINITE')";
    tx.prepare_cached(sql)?.execute(params![id, e.score.0])?;
    let constraints: Vec<f64> = e.constraints.iter().map(|c| c.0).collect();
    attribute(tx, "trial_system", id, "constraints", &json!(constraints))?;
    let mut insert = tx.prepare_cached("INSERT INTO assay_metrics VALUES (?1, ?2, ?3)")?;
    for (name, value) in &e.metrics {
        insert.execute(params![id, name, value.0])?;
    }
    for name in ["cagr", "sharpe", "max_drawdown", "trades"] {
        if let Some((_, v)) = e.metrics.iter().find(|(k, _)| k == name) {
            attribute(tx, "trial_user", id, name, &json!(v.0))?;
        }
    }
    Ok(())
}

/// Optuna's internal value and distribution of a parameter.
fn distribution(range: Option<&Range>, value: f64) -> (f64, String) {
    match range {
        Some(Range::Int { low, high, step, log, .. }) => {
            let high = low + (high - low) / step * step;
            (value, json!({"name": "IntDistribution", "attributes": {"log": log, "step": step, "low": low, "high": high}}).to_string())
        }
        Some(Range::Float { low, high, step, log, .. }) => {
            (value, json!({"name": "FloatDistribution", "attributes": {"step": step, "low": low, "high": high, "log": log}}).to_string())
        }
        Some(Range::Choice { choices, .. }) => {
            let index = choices.iter().position(|c| *c == value).unwrap_or(0);
            (index as f64, json!({"name": "CategoricalDistribution", "attributes": {"choices": choices}}).to_string())
        }
        None => (value, json!({"name": "FloatDistribution", "attributes": {"step": null, "low": value, "high": value, "log": false}}).to_string()),
    }
}
