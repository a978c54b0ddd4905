//! A trial into Optuna's rows and ours.

use assay_ledger::Entry;
use assay_ledger::format::hash::hex;
use assay_shared::event::later::LaterFact;
use assay_shared::event::study::{Ended, TrialFact};
use assay_shared::format::strategy;
use assay_shared::metric::Metric;
use assay_shared::strategy::Value;
use assay_shared::strategy::space::Range;
use assay_shared::time::{format_ms, format_us};
use rusqlite::{OptionalExtension, Transaction, params};
use serde_json::json;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

/// Figures that are shown beside a trial in Optuna's own tools.
const SHOWN: [Metric; 4] = [Metric::Cagr, Metric::Sharpe, Metric::MaxDrawdown, Metric::Trades];

fn state(t: &TrialFact) -> &'static str {
    match t.ended {
        Ended::Completed { .. } => "COMPLETE",
        Ended::Pruned { .. } => "PRUNED",
        Ended::Failed { .. } => "FAIL",
    }
}

/// A study as its trials' rows need it.
struct Known {
    optuna: i64,
    space: BTreeMap<String, Shown>,
}

/// A parameter's range, and the distribution that Optuna's tables hold of it.
struct Shown {
    range: Range,
    json: String,
}

/// The studies that a transaction has met, and the last number of a trial in Optuna's tables.
#[derive(Default)]
pub(super) struct Studies {
    known: BTreeMap<[u8; 16], Known>,
    last: Option<i64>,
}

impl Studies {
    /// Turns a trial into rows, or says why it counts for nothing.
    pub(super) fn trial(
        &mut self,
        tx: &Transaction<'_>,
        entry: &Entry,
        leaf: &str,
        t: &TrialFact,
    ) -> rusqlite::Result<Option<&'static str>> {
        let seq = entry.seq as i64;
        let last = match self.last {
            Some(last) => last,
            None => tx.query_row("SELECT coalesce(max(trial_id), 0) FROM trials", [], |r| r.get(0))?,
        };
        let known = match self.known.entry(t.study_id) {
            Slot::Occupied(known) => known.into_mut(),
            Slot::Vacant(slot) => match known(tx, &hex(&t.study_id))? {
                Some(known) => slot.insert(known),
                None => return Ok(Some("its study was never opened")),
            },
        };
        let id = last + 1;
        if !own(tx, id, seq, t)? {
            return Ok(Some("the trial was recorded before"));
        }
        self.last = Some(id);
        let time = format_us(entry.time_us);
        let sql = "INSERT INTO trials VALUES (?1, ?2, ?3, ?4, ?5, ?5)";
        tx.prepare_cached(sql)?.execute(params![id, t.number, known.optuna, state(t), time])?;
        parameters(tx, id, t, &known.space)?;
        folds(tx, id, t)?;
        let mut told = Told::new(tx, id)?;
        told.text("assay:seq", &seq.to_string())?;
        told.text("assay:event_hash", &format!("\"{leaf}\""))?;
        told.text("assay:identity", &format!("\"{}\"", hex(&t.identity)))?;
        match &t.ended {
            Ended::Completed { score, also, constraints, metrics, .. } => {
                completed(tx, id, *score, also, constraints)?;
                told.metrics(metrics)
            }
            Ended::Pruned { reason } | Ended::Failed { reason } => {
                told.text("assay:reason", &json!(reason).to_string())
            }
        }?;
        Ok(None)
    }
}

/// A study as it stands in the mirror. One whose strategy is not there yet has no space.
fn known(tx: &Transaction<'_>, study: &str) -> rusqlite::Result<Option<Known>> {
    let sql = "SELECT optuna_id, canonical FROM assay_studies LEFT JOIN assay_strategies ON hash = strategy_hash \
               WHERE study_id = ?1";
    let row = |r: &rusqlite::Row<'_>| Ok((r.get(0)?, r.get::<_, Option<String>>(1)?));
    let found = tx.prepare_cached(sql)?.query_row([study], row).optional()?;
    Ok(found.map(|(optuna, text)| {
        let file = text.and_then(|t| strategy::read(&t).ok()).map(|(_, file)| file.parameters).unwrap_or_default();
        let shown = |range: Range| Shown { json: range_json(&range), range };
        Known { optuna, space: file.into_iter().map(|(name, range)| (name, shown(range))).collect() }
    }))
}

/// Optuna's user attributes of a trial.
struct Told<'t> {
    insert: rusqlite::CachedStatement<'t>,
    id: i64,
}

impl<'t> Told<'t> {
    fn new(tx: &'t Transaction<'_>, id: i64) -> rusqlite::Result<Told<'t>> {
        let sql = "INSERT INTO trial_user_attributes(trial_id, \"key\", value_json) VALUES (?1, ?2, ?3)";
        Ok(Told { insert: tx.prepare_cached(sql)?, id })
    }

    fn text(&mut self, key: &str, json: &str) -> rusqlite::Result<()> {
        self.insert.execute(params![self.id, key, json]).map(|_| ())
    }

    /// All figures in one, from which `assay_metrics` shows them, and some beside it.
    fn metrics(&mut self, metrics: &BTreeMap<String, f64>) -> rusqlite::Result<()> {
        self.text("assay:metrics", &json!(metrics).to_string())?;
        for metric in SHOWN {
            if let Some(v) = metrics.get(metric.name()) {
                self.text(metric.name(), &json!(v).to_string())?;
            }
        }
        Ok(())
    }
}

fn parameters(tx: &Transaction<'_>, id: i64, t: &TrialFact, space: &BTreeMap<String, Shown>) -> rusqlite::Result<()> {
    let sql = "INSERT INTO trial_params(trial_id, param_name, param_value, distribution_json) VALUES (?1,?2,?3,?4)";
    let mut insert = tx.prepare_cached(sql)?;
    for (name, value) in &t.params {
        match space.get(name) {
            Some(shown) => insert.execute(params![id, name, internal(&shown.range, value), shown.json])?,
            None => {
                let (internal, json) = alone(value);
                insert.execute(params![id, name, internal, json])?
            }
        };
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

/// A trial's vault, or a forward run of it, as an attribute; false where there is no such trial, or the attribute is
/// there.
pub(super) fn later(tx: &Transaction<'_>, l: &LaterFact) -> rusqlite::Result<bool> {
    let key = match &l.forward {
        None => "assay:vault".to_string(),
        Some(e) => format!("assay:forward:{}", &hex(&e.data_hash)[..12]),
    };
    let (first, last) = (format_ms(l.first_ms), format_ms(l.last_ms));
    let json = json!({"first": first, "last": last, "bars": l.bars, "metrics": l.metrics}).to_string();
    let sql = "INSERT OR IGNORE INTO trial_user_attributes(trial_id, \"key\", value_json) \
               SELECT trial_id, ?3, ?4 FROM assay_trials WHERE study_id = ?1 AND number = ?2";
    Ok(tx.prepare_cached(sql)?.execute(params![hex(&l.study_id), l.number, key, json])? == 1)
}

/// Our own row of a trial; false where there is one.
fn own(tx: &Transaction<'_>, id: i64, seq: i64, t: &TrialFact) -> rusqlite::Result<bool> {
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
        seq,
        state(t),
        score,
        score.map(|_| t.violation()),
        reason,
        serde_json::Value::Object(named).to_string(),
        json!(t.folds).to_string(),
        hex(&t.identity),
        stream
    ];
    let sql = "INSERT OR IGNORE INTO assay_trials VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)";
    Ok(tx.prepare_cached(sql)?.execute(row)? == 1)
}

fn completed(tx: &Transaction<'_>, id: i64, score: f64, also: &[f64], constraints: &[f64]) -> rusqlite::Result<()> {
    let sql = "INSERT INTO trial_values(trial_id, objective, value, value_type) VALUES (?1, ?2, ?3, 'FINITE')";
    for (objective, value) in std::iter::once(&score).chain(also).enumerate() {
        tx.prepare_cached(sql)?.execute(params![id, objective as i64, value])?;
    }
    let sql = "INSERT INTO trial_system_attributes(trial_id, \"key\", value_json) VALUES (?1, 'constraints', ?2)";
    tx.prepare_cached(sql)?.execute(params![id, json!(constraints).to_string()]).map(|_| ())
}

fn distribution(name: &str, attributes: &serde_json::Value) -> String {
    json!({"name": name, "attributes": attributes}).to_string()
}

/// Optuna's distribution of a range.
fn range_json(range: &Range) -> String {
    match range {
        Range::Int { low, high, step, log, .. } => {
            let high = low + (high - low) / step * step;
            distribution("IntDistribution", &json!({"log": log, "step": step, "low": low, "high": high}))
        }
        Range::Float { low, high, step, log, .. } => {
            distribution("FloatDistribution", &json!({"step": step, "low": low, "high": high, "log": log}))
        }
        range => distribution("CategoricalDistribution", &json!({"choices": range.choices().unwrap_or_default()})),
    }
}

/// What Optuna's tables hold of a value: of a choice its place.
fn internal(range: &Range, value: &Value) -> f64 {
    let number = value.number();
    match range.choices() {
        Some(choices) => choices.iter().position(|c| c == value || c.number() == number).unwrap_or(0) as f64,
        None => number,
    }
}

/// Value and distribution of a parameter whose range is not known.
fn alone(value: &Value) -> (f64, String) {
    let number = value.number();
    match number.is_nan() {
        true => (0.0, distribution("CategoricalDistribution", &json!({"choices": [value]}))),
        false => {
            let attributes = json!({"step": null, "low": number, "high": number, "log": false});
            (number, distribution("FloatDistribution", &attributes))
        }
    }
}
