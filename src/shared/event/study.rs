//! Studies and trials as they are worked with, whatever version recorded them.

use super::codec::Real;
use super::environment::Environment;
use super::kinds::{BlockV2, Digest, Fold, FoldV2, MetricCode, ParamV2, ParamValue};
use super::{Event, SeedGrade};
use crate::metric::Metric;
use crate::strategy::{Params, Value};
use std::collections::BTreeMap;

/// A study's opening.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct StudyFact {
    pub study_id: [u8; 16],
    pub name: String,
    pub strategy: String,
    pub strategy_hash: Digest,
    pub data_hash: Digest,
    pub rulebook_hash: Digest,
    /// The study's canonical text, of whatever version.
    pub text: String,
    pub environment: Environment,
    pub generated: bool,
    pub seed: SeedGrade,
}

/// A fold of a trial: its objective, absent when undefined, and its trades.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[allow(missing_docs)]
pub struct FoldFact {
    pub in_sample: Option<f64>,
    pub out_of_sample: Option<f64>,
    pub is_trades: u32,
    pub oos_trades: u32,
}

/// How a trial ended.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Ended {
    Completed {
        score: f64,
        /// Each holds at zero or less.
        constraints: Vec<f64>,
        metrics: BTreeMap<String, f64>,
        stream_hash: Digest,
    },
    Pruned {
        reason: String,
    },
    Failed {
        reason: String,
    },
}

/// A block of returns. Version 1 recorded only the first two powers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlockFact {
    /// Sum of the returns, and of their squares.
    pub sums: (f64, f64),
}

/// A trial's end.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct TrialFact {
    pub study_id: [u8; 16],
    pub number: u32,
    pub params: Params,
    pub identity: Digest,
    pub folds: Vec<FoldFact>,
    pub blocks: Vec<BlockFact>,
    pub ended: Ended,
}

impl TrialFact {
    /// Sum of its constraint violations: zero when it is feasible, or has none.
    pub fn violation(&self) -> f64 {
        match &self.ended {
            Ended::Completed { constraints, .. } => constraints.iter().map(|c| c.max(0.0)).sum(),
            _ => 0.0,
        }
    }
}

impl Event {
    /// The opening of a study, if it is one.
    pub fn study(&self) -> Option<StudyFact> {
        match self.clone() {
            Event::StudyOpened(e) => Some(StudyFact {
                study_id: e.study_id,
                name: e.name,
                strategy: e.strategy,
                strategy_hash: e.strategy_hash,
                data_hash: e.data_hash,
                rulebook_hash: e.rulebook_hash,
                text: e.settings,
                environment: e.environment.into(),
                generated: e.generated,
                seed: SeedGrade::Named,
            }),
            Event::StudyOpenedV2(e) => Some(StudyFact {
                study_id: e.study_id,
                name: e.name,
                strategy: e.strategy,
                strategy_hash: e.strategy_hash,
                data_hash: e.data_hash,
                rulebook_hash: e.rulebook_hash,
                text: e.text,
                environment: e.environment.into(),
                generated: e.generated,
                seed: e.seed,
            }),
            _ => None,
        }
    }

    /// The end of a trial, if it is one.
    pub fn trial(&self) -> Option<TrialFact> {
        let (study_id, number) = self.trial_key()?;
        let (params, identity, folds, blocks, ended) = match self {
            Event::TrialCompleted(t) => {
                let metrics = t.metrics.iter().map(|(k, v)| (k.clone(), v.0)).collect();
                let blocks = t.blocks.iter().map(|(s, q)| BlockFact { sums: (s.0, q.0) }).collect();
                let constraints = t.constraints.iter().map(|c| c.0).collect();
                let ended = Ended::Completed { score: t.score.0, constraints, metrics, stream_hash: t.stream_hash };
                (params_v1(&t.params), t.identity, folds_v1(&t.folds), blocks, ended)
            }
            Event::TrialPruned(t) => {
                let ended = Ended::Pruned { reason: t.reason.clone() };
                (params_v1(&t.params), t.identity, folds_v1(&t.folds), Vec::new(), ended)
            }
            Event::TrialFailed(t) => {
                let ended = Ended::Failed { reason: t.reason.clone() };
                (params_v1(&t.params), t.identity, Vec::new(), Vec::new(), ended)
            }
            Event::TrialCompletedV2(t) => {
                let constraints = t.constraints.iter().map(|c| c.0).collect();
                let score = t.scores.first().map_or(f64::NEG_INFINITY, |s| s.0);
                let metrics = metrics_v2(&t.metrics);
                let ended = Ended::Completed { score, constraints, metrics, stream_hash: t.stream_hash };
                (params_v2(&t.params), t.identity, folds_v2(&t.folds), blocks_v2(&t.blocks), ended)
            }
            Event::TrialPrunedV2(t) => {
                let ended = Ended::Pruned { reason: t.reason.clone() };
                (params_v2(&t.params), t.identity, folds_v2(&t.folds), blocks_v2(&t.blocks), ended)
            }
            Event::TrialFailedV2(t) => {
                let ended = Ended::Failed { reason: t.reason.clone() };
                (params_v2(&t.params), t.identity, folds_v2(&t.folds), Vec::new(), ended)
            }
            _ => return None,
        };
        Some(TrialFact { study_id, number, params, identity, folds, blocks, ended })
    }
}

fn params_v1(params: &[(String, ParamValue)]) -> Params {
    let value = |v: &ParamValue| match v {
        ParamValue::Int(i) => Value::Int(*i),
        ParamValue::Float(f) => Value::Float(f.0),
    };
    params.iter().map(|(k, v)| (k.clone(), value(v))).collect()
}

/// Values of types that strategies do not have yet are left out: such a trial matches no config.
fn params_v2(params: &[(String, ParamV2)]) -> Params {
    let value = |v: &ParamV2| match v {
        ParamV2::Int(i) => Some(Value::Int(*i)),
        ParamV2::Float(f) => Some(Value::Float(f.0)),
        ParamV2::Truth(_) | ParamV2::Text(_) => None,
    };
    params.iter().filter_map(|(k, v)| Some((k.clone(), value(v)?))).collect()
}

fn folds_v1(folds: &[Fold]) -> Vec<FoldFact> {
    let fold = |f: &Fold| FoldFact {
        in_sample: f.in_sample.map(|r| r.0),
        out_of_sample: f.out_of_sample.map(|r| r.0),
        is_trades: f.is_trades,
        oos_trades: f.oos_trades,
    };
    folds.iter().map(fold).collect()
}

fn folds_v2(folds: &[FoldV2]) -> Vec<FoldFact> {
    let first = |values: &[Option<Real>]| values.first().copied().flatten().map(|r| r.0);
    let fold = |f: &FoldV2| FoldFact {
        in_sample: first(&f.in_sample),
        out_of_sample: first(&f.out_of_sample),
        is_trades: f.is_trades,
        oos_trades: f.oos_trades,
    };
    folds.iter().map(fold).collect()
}

fn blocks_v2(blocks: &[BlockV2]) -> Vec<BlockFact> {
    blocks.iter().map(|b| BlockFact { sums: (b.powers[0].0, b.powers[1].0) }).collect()
}

fn metrics_v2(metrics: &[(MetricCode, Real)]) -> BTreeMap<String, f64> {
    let name =
        |code: MetricCode| Metric::of_code(code.0).map_or_else(|| format!("metric-{}", code.0), |m| m.name().into());
    metrics.iter().map(|(code, v)| (name(*code), v.0)).collect()
}

/// Parameters as a new event records them.
pub fn recorded_params(params: &Params) -> Vec<(String, ParamV2)> {
    let value = |v: &Value| match v {
        Value::Int(i) => ParamV2::Int(*i),
        Value::Float(f) => ParamV2::Float(Real(*f)),
    };
    params.iter().map(|(k, v)| (k.clone(), value(v))).collect()
}

/// Folds as a new event records them.
pub fn recorded_folds(folds: &[FoldFact]) -> Vec<FoldV2> {
    let fold = |f: &FoldFact| FoldV2 {
        in_sample: vec![f.in_sample.map(Real)],
        out_of_sample: vec![f.out_of_sample.map(Real)],
        is_trades: f.is_trades,
        oos_trades: f.oos_trades,
    };
    folds.iter().map(fold).collect()
}

/// Folds as the walk-forward event has them.
pub fn recorded_folds_v1(folds: &[FoldFact]) -> Vec<Fold> {
    let fold = |f: &FoldFact| Fold {
        in_sample: f.in_sample.map(Real),
        out_of_sample: f.out_of_sample.map(Real),
        is_trades: f.is_trades,
        oos_trades: f.oos_trades,
    };
    folds.iter().map(fold).collect()
}
