//! A trial into Optuna's rows and ours.

use super::{attribute, ignored};
use assay_ledger::Entry;
use assay_ledger::format::hash::hex;
use assay_shared::event::study::{Ended, TrialFact};
use assay_shared::format::strategy;
use assay_shared::metric::Metric;
use assay_shared::strategy::Value;
use assay_shared::strategy::space::Range;
use assay_shared::time::format_us;
use rusqlite::{OptionalExtension, Transaction, params};
use serde_json::json;
use std::collections::BTreeMap;

/// Figures that are shown beside a trial in Optuna's own tools.
const SHOWN: [Metric; 4] = [Metric::Cagr, Metric::Sharpe, Metric::MaxDrawdown, Metric::Trades];

fn state(t: &TrialFact) -> &'static str {
    match t.ended {
        Ended::Completed { .. } => "COMPLETE",
        Ended::Pruned { .. } => "PRUNED",
        Ended::Failed { .. } => "FAIL",
    }
}

/// The space that a study's strategy gives.
fn space(tx: &Transaction<'_>, strategy_hash: &str) -> rusqlite::Result<BTreeMap<String, Range>> {
    let text: Option<String> = tx
        .prepare_cached("SELECT canonical FROM assay_strategies WHERE hash = ?1")?
        .query_row([strategy_hash], |r| r.get(0))
        .optional()?;
    Ok(text.and_then(|t| strategy::read(&t).ok()).map(|(_, file)| file.parameters).unwrap_or_default())
}

/// Turns a trial into rows.
pub(super) fn rows(tx: &Transaction<'_>, entry: &Entry, t: &TrialFact) -> rusqlite::Result<()> {
    let (seq, study) = (entry.seq as i64, hex(&t.study_id));
    let found: Option<(i64, String)> = tx
        .prepare_cached("SELECT optuna_id, strategy_hash FROM assay_studies WHERE study_id = ?1")?
        .query_row([&study], |r| Ok((r.get(0)?, r.get(1)?)))
        .optional()?;
    let Some((optuna, strategy_hash)) = found else { return ignored(tx, seq, "its study was never opened") };
    let told: bool = tx
        .prepare_cached("SELECT count(*) > 0 FROM assay_trials WHERE study_id = ?1 AND number = ?2")?
        .query_row(params![study, t.number], |r| r.get(0))?;
    if told {
        return ignored(tx, seq, "the trial was recorded before");
    }
    let id: i64 =
        tx.prepare_cached("SELECT coalesce(max(trial_id), 0) + 1 FROM trials")?.query_row([], |r| r.get(0))?;
    let time = format_us(entry.time_us);
    let sql = "INSERT INTO trials VALUES (?1, ?2, ?3, ?4, ?5, ?5)";
    tx.prepare_cached(sql)?.execute(params![id, t.number, optuna, state(t), time])?;
    parameters(tx, id, t, &space(tx, &strategy_hash)?)?;
    folds(tx, id, t)?;
    own(tx, id, entry, t)?;
    attribute(tx, "trial_user", id, "assay:seq", &json!(entry.seq))?;
    attribute(tx, "trial_user", id, "assay:event_hash", &json!(entry.leaf_hash()))?;
    attribute(tx, "trial_user", id, "assay:identity", &json!(hex(&t.identity)))?;
    match &t.ended {
        Ended::Completed { score, constraints, metrics, .. } => completed(tx, id, *score, constraints, metrics),
        Ended::Pruned { reason } | Ended::Failed { reason } => {
            attribute(tx, "trial_user", id, "assay:reason", &json!(reason))
        }
    }
}

fn parameters(tx: &Transaction<'_>, id: i64, t: &TrialFact, space: &BTreeMap<String, Range>) -> rusqlite::Result<()> {
    let sql = "INSERT INTO trial_params(trial_id, param_name, param_value, distribution_json) VALUES (?1,?2,?3,?4)";
    let mut insert = tx.prepare_cached(sql)?;
    for (name, value) in &t.params {
        let (internal, distribution) = distribution(space.get(name), value);
        insert.execute(params![id, name, internal, distribution])?;
    }
    Ok(())
}

fn folds(tx: &Transaction<'_>, id: i64, t: &TrialFact) -> rusqlite::Result<()> {
    let sql = "INSERT INTO trial_intermediate_values(trial_id, step, intermediate_value, intermediate_value_type) VALUES (?1,?2,?3,?4)";
    let mut steps = tx.prepare_cached(sql)?;
    for (step, fold) in t.folds.iter().enumerate() {
        let kind = if fold.out_of_sample.is_some() { "FINITE" } else { "NAN" };
        steps.execute(params![id, step as i64, fold.out_of_sample, kind])?;
    }
    Ok(())
}

fn own(tx: &Transaction<'_>, id: i64, entry: &Entry, t: &TrialFact) -> rusqlite::Result<()> {
    let (score, stream, reason) = match &t.ended {
        Ended::Completed { score, stream_hash, .. } => (Some(*score), Some(hex(stream_hash)), None),
        Ended::Pruned { reason } | Ended::Failed { reason } => (None, None, Some(reason)),
    };
    let value = |v: &Value| match v {
        Value::Int(i) => json!(i),
        Value::Float(f) => json!(f),
        Value::Truth(b) => json!(b),
        Value::Text(text) => json!(text),
    };
    let named: serde_json::Map<String, serde_json::Value> =
        t.params.iter().map(|(k, v)| (k.clone(), value(v))).collect();
    let row = params![
        hex(&t.study_id),
        t.number,
        id,
        entry.seq as i64,
        state(t),
        score,
        score.map(|_| t.violation()),
        reason,
        serde_json::Value::Object(named).to_string(),
        json!(t.folds).to_string(),
        hex(&t.identity),
        stream
    ];
    let sql = "INSERT INTO assay_trials VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)";
    tx.prepare_cached(sql)?.execute(row).map(|_| ())
}

fn completed(
    tx: &Transaction<'_>,
    id: i64,
    score: f64,
    constraints: &[f64],
    metrics: &BTreeMap<String, f64>,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO trial_values(trial_id, objective, value, value_type) VALUES (?1, 0, ?2, 'FINITE')";
    tx.prepare_cached(sql)?.execute(params![id, score])?;
    attribute(tx, "trial_system", id, "constraints", &json!(constraints))?;
    let mut insert = tx.prepare_cached("INSERT INTO assay_metrics VALUES (?1, ?2, ?3)")?;
    for (name, value) in metrics {
        insert.execute(params![id, name, value])?;
    }
    for metric in SHOWN {
        if let Some(v) = metrics.get(metric.name()) {
            attribute(tx, "trial_user", id, metric.name(), &json!(v))?;
        }
    }
    Ok(())
}

/// Optuna's internal value and distribution of a parameter.
fn distribution(range: Option<&Range>, value: &Value) -> (f64, String) {
    let of = |name: &str, attributes: serde_json::Value| json!({"name": name, "attributes": attributes}).to_string();
    let number = value.number();
    match range {
        Some(Range::Int { low, high, step, log, .. }) => {
            let high = low + (high - low) / step * step;
            (number, of("IntDistribution", json!({"log": log, "step": step, "low": low, "high": high})))
        }
        Some(Range::Float { low, high, step, log, .. }) => {
            (number, of("FloatDistribution", json!({"step": step, "low": low, "high": high, "log": log})))
        }
        Some(range) => {
            let choices = range.choices().unwrap_or_default();
            let index = choices.iter().position(|c| c == value || c.number() == number).unwrap_or(0);
            (index as f64, of("CategoricalDistribution", json!({"choices": choices})))
        }
        None if number.is_nan() => (0.0, of("CategoricalDistribution", json!({"choices": [value]}))),
        None => (number, of("FloatDistribution", json!({"step": null, "low": number, "high": number, "log": false}))),
    }
}
