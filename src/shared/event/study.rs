//! Studies and trials as they are worked with, whatever version recorded them.

use super::codec::Real;
use super::environment::Environment;
use super::kinds::{BlockV2, Digest, Fold, FoldV2, MetricCode, ParamV2, ParamValue};
use super::{Event, SeedGrade, StudyClosed, StudyClosedV2};
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
        /// Values of further objectives.
        also: Vec<f64>,
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

/// A block of returns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlockFact {
    /// Returns in it; version 1 does not say, and has zero.
    pub bars: u32,
    /// Sum of the returns, and of their squares.
    pub sums: (f64, f64),
    /// Sums of their third and fourth powers; version 1 has none.
    pub higher: Option<(f64, f64)>,
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
    /// The study that is opened, if one is.
    pub fn opens_study(&self) -> Option<[u8; 16]> {
        match self {
            Event::StudyOpened(e) => Some(e.study_id),
            Event::StudyOpenedV2(e) => Some(e.study_id),
            _ => None,
        }
    }

    /// The opening of a study, if it is one.
    pub fn study(&self) -> Option<StudyFact> {
        self.opens_study()?;
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

    /// The close of a study, if it is one, with how often it was closed before.
    pub fn closing(&self) -> Option<(u32, StudyClosed)> {
        match self {
            Event::StudyClosed(e) => Some((0, e.clone())),
            Event::StudyClosedV2(StudyClosedV2 { study_id, round, trials, best, statistics }) => {
                let statistics = statistics.clone();
                Some((*round, StudyClosed { study_id: *study_id, trials: *trials, best: *best, statistics }))
            }
            _ => None,
        }
    }

    /// A figure of a completed trial, as [`Event::trial`] has it.
    pub fn figure(&self, metric: Metric) -> Option<f64> {
        match self {
            Event::TrialCompleted(t) => t.metrics.iter().rfind(|(name, _)| name == metric.name()).map(|(_, v)| v.0),
            Event::TrialCompletedV2(t) => t.metrics.iter().rfind(|(code, _)| code.0 == metric.code()).map(|(_, v)| v.0),
            _ => None,
        }
    }

    /// The end of a trial, if it is one.
    pub fn trial(&self) -> Option<TrialFact> {
        let (study_id, number) = self.trial_key()?;
        let (params, identity, folds, blocks, ended) = match self {
            Event::TrialCompleted(t) => {
                let metrics = t.metrics.iter().map(|(k, v)| (k.clone(), v.0)).collect();
                let blocks =
                    t.blocks.iter().map(|(s, q)| BlockFact { bars: 0, sums: (s.0, q.0), higher: None }).collect();
                let constraints = t.constraints.iter().map(|c| c.0).collect();
                let also = Vec::new();
                let ended =
                    Ended::Completed { score: t.score.0, also, constraints, metrics, stream_hash: t.stream_hash };
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
                let also = t.scores.iter().skip(1).map(|s| s.0).collect();
                let ended = Ended::Completed { score, also, constraints, metrics, stream_hash: t.stream_hash };
                (params_of(&t.params), t.identity, folds_v2(&t.folds), blocks_v2(&t.blocks), ended)
            }
            Event::TrialPrunedV2(t) => {
                let ended = Ended::Pruned { reason: t.reason.clone() };
                (params_of(&t.params), t.identity, folds_v2(&t.folds), blocks_v2(&t.blocks), ended)
            }
            Event::TrialFailedV2(t) => {
                let ended = Ended::Failed { reason: t.reason.clone() };
                (params_of(&t.params), t.identity, folds_v2(&t.folds), Vec::new(), ended)
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

/// Parameters as version 2 records them.
pub fn params_of(params: &[(String, ParamV2)]) -> Params {
    let value = |v: &ParamV2| match v {
        ParamV2::Int(i) => Value::Int(*i),
        ParamV2::Float(f) => Value::Float(f.0),
        ParamV2::Truth(b) => Value::Truth(*b),
        ParamV2::Text(text) => Value::Text(text.clone()),
    };
    params.iter().map(|(k, v)| (k.clone(), value(v))).collect()
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

/// Folds as version 2 records them.
pub(crate) fn folds_v2(folds: &[FoldV2]) -> Vec<FoldFact> {
    let first = |values: &[Option<Real>]| values.first().copied().flatten().map(|r| r.0);
    let fold = |f: &FoldV2| FoldFact {
        in_sample: first(&f.in_sample),
        out_of_sample: first(&f.out_of_sample),
        is_trades: f.is_trades,
        oos_trades: f.oos_trades,
    };
    folds.iter().map(fold).collect()
}

/// Blocks as version 2 records them.
pub(crate) fn blocks_v2(blocks: &[BlockV2]) -> Vec<BlockFact> {
    let block = |b: &BlockV2| {
        let [first, second, third, fourth] = b.powers.map(|p| p.0);
        BlockFact { bars: b.bars, sums: (first, second), higher: Some((third, fourth)) }
    };
    blocks.iter().map(block).collect()
}

/// The id of a study: of everything that its trials depend on, and of its own text.
pub fn study_id(text: &str, strategy: &Digest, data: &Digest, book: &Digest, environment: &Environment) -> [u8; 16] {
    assay_ledger::EventId::derived(&[text.as_bytes(), strategy, data, book, &environment.hashed()]).0
}

pub(super) fn metrics_v2(metrics: &[(MetricCode, Real)]) -> BTreeMap<String, f64> {
    let name =
        |code: MetricCode| Metric::of_code(code.0).map_or_else(|| format!("metric-{}", code.0), |m| m.name().into());
    metrics.iter().map(|(code, v)| (name(*code), v.0)).collect()
}

/// Parameters as a new event records them.
pub fn recorded_params(params: &Params) -> Vec<(String, ParamV2)> {
    let value = |v: &Value| match v {
        Value::Int(i) => ParamV2::Int(*i),
        Value::Float(f) => ParamV2::Float(Real(*f)),
        Value::Truth(b) => ParamV2::Truth(*b),
        Value::Text(text) => ParamV2::Text(text.clone()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{TrialCompleted, TrialFailed, TrialPruned};

    fn fold() -> Fold {
        Fold { in_sample: Some(Real(1.0)), out_of_sample: None, is_trades: 4, oos_trades: 2 }
    }

    /// A trial of version 1 and its like of version 2 are one fact.
    #[test]
    fn both_versions_of_a_trial_are_one_fact() {
        let params = vec![("a".into(), ParamValue::Int(3)), ("b".into(), ParamValue::Float(Real(0.5)))];
        let (study_id, number, identity, stream_hash) = ([1; 16], 7, [2; 32], [3; 32]);
        let one = Event::from(TrialCompleted {
            study_id,
            number,
            params: params.clone(),
            identity,
            score: Real(2.0),
            constraints: vec![Real(-1.0), Real(0.25)],
            folds: vec![fold()],
            metrics: vec![("sharpe".into(), Real(1.5))],
            blocks: vec![(Real(0.1), Real(0.01))],
            stream_hash,
        });
        let fact = one.trial().unwrap();
        let two = crate::event::TrialCompletedV2 {
            study_id,
            number,
            params: recorded_params(&fact.params),
            identity,
            scores: vec![Real(2.0)],
            constraints: vec![Real(-1.0), Real(0.25)],
            folds: recorded_folds(&fact.folds),
            metrics: vec![(MetricCode(Metric::Sharpe.code()), Real(1.5))],
            blocks: vec![BlockV2 {
                bars: 2,
                active: 1,
                powers: [Real(0.1), Real(0.01), Real(0.0), Real(0.0)],
                lagged: Real(0.0),
            }],
            stream_hash,
        };
        let two = Event::from(two).trial().unwrap();
        assert_eq!((two.blocks[0].bars, two.blocks[0].sums), (2, fact.blocks[0].sums), "and more than version 1");
        assert_eq!(TrialFact { blocks: fact.blocks.clone(), ..two }, fact);
        assert_eq!((fact.violation(), fact.params["b"].clone()), (0.25, Value::Float(0.5)));
        assert_eq!(recorded_folds_v1(&fact.folds), [fold()]);
        let pruned =
            TrialPruned { study_id, number, params: params.clone(), identity, folds: vec![fold()], reason: "r".into() };
        let failed = TrialFailed { study_id, number, params, identity, reason: "r".into() };
        for (event, folds) in [(Event::from(pruned), 1), (Event::from(failed), 0)] {
            let fact = event.trial().unwrap();
            assert_eq!((fact.folds.len(), fact.violation(), event.trial_key()), (folds, 0.0, Some((study_id, number))));
        }
    }

    /// Values of every type are read, and unknown figures keep their number.
    #[test]
    fn what_later_releases_record() {
        let params = vec![
            ("t".into(), ParamV2::Text("x".into())),
            ("b".into(), ParamV2::Truth(true)),
            ("n".into(), ParamV2::Int(1)),
        ];
        assert_eq!(params_of(&params)["t"], Value::Text("x".into()));
        assert_eq!(params_of(&params).len(), 3);
        assert_eq!(metrics_v2(&[(MetricCode(4321), Real(1.0))])["metric-4321"], 1.0);
        let two = FoldV2 {
            in_sample: vec![Some(Real(1.0)), Some(Real(9.0))],
            out_of_sample: vec![],
            is_trades: 0,
            oos_trades: 0,
        };
        let fold = &folds_v2(&[two])[0];
        assert_eq!((fold.in_sample, fold.out_of_sample), (Some(1.0), None), "the first objective leads");
    }
}
