//! Questions to the mirror. Answers are for looking; nothing decides from them.

use super::{Mirror, MirrorError};
use assay_ledger::format::hash::hex;
use assay_shared::event::study::{Ended, FoldFact, TrialFact};
use assay_shared::search::front::Judged;
use assay_shared::strategy::Params;
use assay_shared::study::Study;
use rusqlite::{OptionalExtension, Row, params};
use serde::Serialize;
use std::collections::BTreeMap;

/// A study.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct StudyRow {
    pub study_id: String,
    pub name: String,
    pub strategy: String,
    pub strategy_hash: String,
    pub data_hash: String,
    pub rulebook_hash: String,
    pub generated: bool,
    pub trials: u32,
    pub completed: u32,
    pub closed: bool,
    pub best: Option<u32>,
    pub best_score: Option<f64>,
    /// Statistics by name; empty while the study is open.
    pub statistics: BTreeMap<String, f64>,
    /// The study's canonical text, of whatever version.
    pub text: String,
}

impl StudyRow {
    /// Further objectives, and what is required of a trial, as the study says them.
    pub fn expressions(&self) -> (Vec<String>, Vec<String>) {
        let study = Study::recorded(&self.text).ok();
        let of = |s: Study| {
            let (also, require) = (s.objective.also, s.guardrails.require);
            (also.into_iter().map(String::from).collect(), require.into_iter().map(String::from).collect())
        };
        study.map(of).unwrap_or_default()
    }
}

impl TrialRow {
    /// Whether it has a score and keeps every constraint.
    pub fn is_feasible(&self) -> bool {
        self.score.is_some() && self.violation.is_some_and(|v| v <= 0.0)
    }

    /// As the ledger says it: the trial of an entry.
    pub fn of(seq: u64, t: &TrialFact) -> TrialRow {
        let (state, reason) = match &t.ended {
            Ended::Completed { .. } => ("COMPLETE", None),
            Ended::Pruned { reason } => ("PRUNED", Some(reason.clone())),
            Ended::Failed { reason } => ("FAIL", Some(reason.clone())),
        };
        let mut out = TrialRow {
            study_id: hex(&t.study_id),
            number: t.number,
            seq,
            state: state.into(),
            score: None,
            also: Vec::new(),
            violation: None,
            constraints: Vec::new(),
            reason,
            params: t.params.clone(),
            folds: t.folds.clone(),
            identity: hex(&t.identity),
            stream_hash: None,
            metrics: BTreeMap::new(),
        };
        if let Ended::Completed { score, also, constraints, metrics, stream_hash } = &t.ended {
            (out.score, out.also, out.violation) = (Some(*score), also.clone(), Some(t.violation()));
            (out.constraints, out.metrics) = (constraints.clone(), metrics.clone());
            out.stream_hash = Some(hex(stream_hash));
        }
        out
    }

    /// As fronts of several objectives see it.
    pub fn judged(&self) -> Judged {
        let objectives = self.score.iter().chain(self.also.iter().filter(|_| self.score.is_some())).copied().collect();
        Judged { objectives, violation: self.violation.unwrap_or_default() }
    }
}

/// The feasible trials that no other one beats in every objective, in their order.
pub fn front(trials: &[TrialRow]) -> Vec<TrialRow> {
    let judged: Vec<Judged> = trials.iter().map(TrialRow::judged).collect();
    let stands =
        |j: &Judged| !j.objectives.is_empty() && j.violation <= 0.0 && !judged.iter().any(|other| other.beats(j));
    trials.iter().zip(&judged).filter(|(_, j)| stands(j)).map(|(t, _)| t.clone()).collect()
}

/// A trial.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct TrialRow {
    pub study_id: String,
    pub number: u32,
    pub seq: u64,
    pub state: String,
    pub score: Option<f64>,
    /// Values of further objectives, in the order of the study's.
    pub also: Vec<f64>,
    pub violation: Option<f64>,
    /// Each holds at zero or less: `min_trades`, `max_liquidations`, `max_undecided_bars`, then what is required.
    pub constraints: Vec<f64>,
    pub reason: Option<String>,
    pub params: Params,
    pub folds: Vec<FoldFact>,
    pub identity: String,
    pub stream_hash: Option<String>,
    pub metrics: BTreeMap<String, f64>,
}

/// What a study is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Title {
    /// Its id, in hexadecimal digits.
    pub study_id: String,
    /// Its name.
    pub name: String,
}

/// A data snapshot.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct SnapshotRow {
    pub data_hash: String,
    pub symbols: String,
    pub interval_ms: i64,
    pub first_ms: i64,
    pub last_ms: i64,
    pub bars: u64,
    pub generated: bool,
    pub source: String,
    pub treatments: String,
    pub findings: u32,
    /// The rule book that it is bound to; the first version of the event names none.
    pub rulebook_hash: Option<String>,
    /// What that assumes.
    pub assumptions: String,
    /// Raw files, and those that were compared with the vendor's checksum.
    pub files: Option<u32>,
    pub vendor_checked: Option<u32>,
}

/// Orders of a trial listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Feasible before infeasible, best score first.
    Best,
    /// By number.
    Number,
}

/// Statistics as they are shown: on data that were made up no probability that a result is real.
fn shown(mut statistics: BTreeMap<String, f64>, generated: bool) -> BTreeMap<String, f64> {
    if generated {
        for probability in ["dsr", "psr", "pbo", "min_track_record_bars"] {
            statistics.remove(probability);
        }
    }
    statistics
}

/// What a column of JSON holds; nothing when somebody spoiled it.
fn json_of<T: serde::de::DeserializeOwned + Default>(text: Option<String>) -> T {
    text.and_then(|t| serde_json::from_str(&t).ok()).unwrap_or_default()
}

impl Mirror {
    /// What all studies are called, newest first: to find one in a mirror of any size.
    ///
    /// # Errors
    /// When SQLite cannot read them.
    pub fn titles(&self) -> Result<Vec<Title>, MirrorError> {
        let row = |r: &Row<'_>| Ok(Title { study_id: r.get(0)?, name: r.get(1)? });
        let sql = "SELECT study_id, name FROM assay_studies ORDER BY seq DESC";
        let work = || self.conn.prepare(sql)?.query_map([], row)?.collect::<rusqlite::Result<Vec<_>>>();
        work().map_err(self.fail())
    }

    /// All studies, newest first.
    ///
    /// # Errors
    /// When SQLite cannot read them.
    pub fn studies(&self) -> Result<Vec<StudyRow>, MirrorError> {
        self.studies_where("?1 IS NULL", None)
    }

    /// A study by its whole id.
    ///
    /// # Errors
    /// When SQLite cannot read it.
    pub fn study(&self, study_id: &str) -> Result<Option<StudyRow>, MirrorError> {
        Ok(self.studies_where("s.study_id = ?1", Some(study_id))?.into_iter().next())
    }

    fn studies_where(&self, which: &str, study_id: Option<&str>) -> Result<Vec<StudyRow>, MirrorError> {
        let sql = format!(
            "SELECT s.study_id, s.name, s.strategy, s.strategy_hash, s.data_hash, s.rulebook_hash, s.generated,
            (SELECT count(*) FROM assay_trials t WHERE t.study_id = s.study_id),
            (SELECT count(*) FROM assay_trials t WHERE t.study_id = s.study_id AND t.state = 'COMPLETE'),
            s.closed_seq IS NOT NULL,
            (SELECT t.number FROM assay_trials t WHERE t.study_id = s.study_id AND t.violation <= 0 ORDER BY t.score DESC, t.number LIMIT 1),
            (SELECT max(t.score) FROM assay_trials t WHERE t.study_id = s.study_id AND t.violation <= 0),
            s.statistics, s.text
            FROM assay_studies s WHERE {which} ORDER BY s.seq DESC"
        );
        let row = |r: &Row<'_>| {
            Ok(StudyRow {
                study_id: r.get(0)?,
                name: r.get(1)?,
                strategy: r.get(2)?,
                strategy_hash: r.get(3)?,
                data_hash: r.get(4)?,
                rulebook_hash: r.get(5)?,
                generated: r.get(6)?,
                trials: r.get(7)?,
                completed: r.get(8)?,
                closed: r.get(9)?,
                best: r.get(10)?,
                best_score: r.get(11)?,
                statistics: shown(json_of(r.get(12)?), r.get(6)?),
                text: r.get(13)?,
            })
        };
        let work = || self.conn.prepare(&sql)?.query_map([study_id], row)?.collect::<rusqlite::Result<Vec<_>>>();
        work().map_err(self.fail())
    }

    /// Trials of a study.
    ///
    /// # Errors
    /// When SQLite cannot read them.
    pub fn trials(&self, study_id: &str, order: Order, limit: u32) -> Result<Vec<TrialRow>, MirrorError> {
        let by = match order {
            Order::Best => "violation IS NULL, violation > 0, score DESC, number",
            Order::Number => "number",
        };
        let sql = format!(
            "SELECT study_id, number, seq, state, score, violation, reason, params, folds, identity, stream_hash, trial_id
             FROM assay_trials WHERE study_id = ?1 ORDER BY {by} LIMIT ?2"
        );
        let work = || {
            let mut statement = self.conn.prepare(&sql)?;
            statement.query_map(params![study_id, limit], |r| self.trial_row(r))?.collect::<rusqlite::Result<Vec<_>>>()
        };
        work().map_err(self.fail())
    }

    /// One trial.
    ///
    /// # Errors
    /// When SQLite cannot read it.
    pub fn trial(&self, study_id: &str, number: u32) -> Result<Option<TrialRow>, MirrorError> {
        let sql = "SELECT study_id, number, seq, state, score, violation, reason, params, folds, identity, stream_hash, trial_id
             FROM assay_trials WHERE study_id = ?1 AND number = ?2";
        let work = || self.conn.prepare(sql)?.query_row(params![study_id, number], |r| self.trial_row(r)).optional();
        work().map_err(self.fail())
    }

    fn trial_row(&self, r: &Row<'_>) -> rusqlite::Result<TrialRow> {
        let id: i64 = r.get(11)?;
        let mut metrics =
            self.conn.prepare_cached("SELECT name, value FROM assay_metrics WHERE trial_id = ?1 ORDER BY name")?;
        let metrics = metrics.query_map([id], |m| Ok((m.get(0)?, m.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
        let sql = "SELECT value_json FROM trial_system_attributes WHERE trial_id = ?1 AND \"key\" = 'constraints'";
        let constraints: Option<String> = self.conn.prepare_cached(sql)?.query_row([id], |c| c.get(0)).optional()?;
        let sql = "SELECT value FROM trial_values WHERE trial_id = ?1 AND objective > 0 ORDER BY objective";
        let also = self.conn.prepare_cached(sql)?.query_map([id], |v| v.get(0))?.collect::<rusqlite::Result<_>>()?;
        Ok(TrialRow {
            also,
            constraints: json_of(constraints),
            study_id: r.get(0)?,
            number: r.get(1)?,
            seq: r.get::<_, i64>(2)? as u64,
            state: r.get(3)?,
            score: r.get(4)?,
            violation: r.get(5)?,
            reason: r.get(6)?,
            params: json_of(r.get(7)?),
            folds: json_of(r.get(8)?),
            identity: r.get(9)?,
            stream_hash: r.get(10)?,
            metrics,
        })
    }

    /// All snapshots, newest first.
    ///
    /// # Errors
    /// When SQLite cannot read them.
    pub fn snapshots(&self) -> Result<Vec<SnapshotRow>, MirrorError> {
        let sql = "SELECT data_hash, symbols, interval_ms, first_ms, last_ms, bars, generated, source, treatments, findings, rulebook_hash, assumptions, files, vendor_checked FROM assay_snapshots ORDER BY seq DESC";
        let row = |r: &Row<'_>| {
            Ok(SnapshotRow {
                data_hash: r.get(0)?,
                symbols: r.get(1)?,
                interval_ms: r.get(2)?,
                first_ms: r.get(3)?,
                last_ms: r.get(4)?,
                bars: r.get::<_, i64>(5)? as u64,
                generated: r.get(6)?,
                source: r.get(7)?,
                treatments: r.get(8)?,
                findings: r.get(9)?,
                rulebook_hash: r.get(10)?,
                assumptions: r.get(11)?,
                files: r.get(12)?,
                vendor_checked: r.get(13)?,
            })
        };
        let work = || self.conn.prepare(sql)?.query_map([], row)?.collect::<rusqlite::Result<Vec<_>>>();
        work().map_err(self.fail())
    }
}
