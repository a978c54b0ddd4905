//! One trial: bind, simulate every fold in and out of sample, score.

use super::blocks;
use super::stitched::Stitched;
use crate::simulate::{SimulateError, prepare, run};
use assay_ledger::Hash;
use assay_shared::account::record::join_streams;
use assay_shared::account::{Run, Terms};
use assay_shared::event::codec::Real;
use assay_shared::event::study::{FoldFact, recorded_folds, recorded_params};
use assay_shared::event::{BlockV2, Environment, Event, MetricCode, TrialCompletedV2, TrialFailedV2, TrialPrunedV2};
use assay_shared::market::Market;
use assay_shared::metric::{self, Metrics};
use assay_shared::rulebook::{Rulebook, RulebookError};
use assay_shared::strategy::columns::columns_there;
use assay_shared::strategy::space::defaults;
use assay_shared::strategy::{Diagnostic, Params, Strategy, Value};
use assay_shared::study::objective::median;
use assay_shared::study::split::TooShort;
use assay_shared::study::{FoldBars, Study};
use std::ops::Range;

/// Why a study cannot be evaluated at all, or a trial not be simulated.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StudyError {
    /// The strategy has another interval than the data.
    #[error("the strategy's interval is not the data's")]
    Interval,
    /// The data does not hold one fold.
    #[error(transparent)]
    TooShort(#[from] TooShort),
    /// The rule book does not cover the folds.
    #[error(transparent)]
    Rulebook(#[from] RulebookError),
    /// Values that do not bind.
    #[error("{0}")]
    Bind(Diagnostic),
    /// A simulation that stopped.
    #[error(transparent)]
    Simulate(#[from] SimulateError),
}

/// Everything a trial depends on beside its parameters.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The strategy.
    pub strategy: &'a Strategy,
    /// The data, with the strategy's symbols in its order.
    pub market: &'a Market,
    /// Hash of the whole snapshot the data comes from.
    pub data_hash: Hash,
    /// The rule book.
    pub book: &'a Rulebook,
    /// The study.
    pub study: &'a Study,
    /// Versions.
    pub environment: &'a Environment,
}

/// Evaluates trials of one study.
#[derive(Debug)]
pub struct Evaluator<'a> {
    /// What every trial depends on.
    pub inputs: Inputs<'a>,
    folds: Vec<FoldBars>,
    /// What all identities begin with.
    identity: Vec<u8>,
}

/// What became of a trial.
#[derive(Debug, Clone, PartialEq)]
pub enum TrialOutcome {
    /// It has a score. Constraints hold at zero or less.
    Completed {
        /// The score.
        score: f64,
        /// Minimum trades, maximum liquidations.
        constraints: Vec<f64>,
        /// Figures of the stitched out-of-sample run.
        metrics: Metrics,
        /// Returns in blocks.
        blocks: Vec<BlockV2>,
    },
    /// Stopped after some folds.
    Pruned {
        /// Why.
        reason: String,
        /// Returns in blocks, as far as it went.
        blocks: Vec<BlockV2>,
    },
    /// No score.
    Failed {
        /// Why.
        reason: String,
    },
}

/// A trial's result.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluated {
    /// Its identity: see [`Evaluator::identity`].
    pub identity: Hash,
    /// Objective and trades, fold by fold.
    pub folds: Vec<FoldFact>,
    /// What became of it.
    pub outcome: TrialOutcome,
    /// Hash over the streams of all windows.
    pub stream_hash: Hash,
}

impl Evaluated {
    /// The event that records it.
    pub fn event(self, study_id: [u8; 16], number: u32, params: &Params) -> Event {
        let (params, identity, folds) = (recorded_params(params), self.identity.0, recorded_folds(&self.folds));
        match self.outcome {
            TrialOutcome::Completed { score, constraints, metrics, blocks } => TrialCompletedV2 {
                study_id,
                number,
                params,
                identity,
                scores: vec![Real(score)],
                constraints: constraints.into_iter().map(Real).collect(),
                folds,
                metrics: metrics.into_iter().map(|(m, v)| (MetricCode(m.code()), Real(v))).collect(),
                blocks,
                stream_hash: self.stream_hash.0,
            }
            .into(),
            TrialOutcome::Pruned { reason, blocks } => {
                TrialPrunedV2 { study_id, number, params, identity, folds, blocks, reason }.into()
            }
            TrialOutcome::Failed { reason } => {
                TrialFailedV2 { study_id, number, params, identity, folds, reason }.into()
            }
        }
    }
}

impl<'a> Evaluator<'a> {
    /// Checks that the folds fit the data and that the rule book covers it.
    ///
    /// # Errors
    /// What does not fit.
    pub fn new(inputs: Inputs<'a>) -> Result<Evaluator<'a>, StudyError> {
        let market = inputs.market;
        if inputs.strategy.interval_ms != market.interval_ms {
            return Err(StudyError::Interval);
        }
        let folds = inputs.study.splits.folds(market.len(), market.interval_ms)?;
        let first = folds.iter().map(|f| f.in_sample.start).min().unwrap_or(0);
        // Of a symbol that is younger than the folds, rules are needed from its first bar on.
        for (symbol, c) in market.symbols.iter().zip(&market.columns) {
            if let Some(ms) = market.times.get(first.max(c.span.start)) {
                inputs.book.in_force(symbol, *ms)?;
            }
        }
        let bound = inputs.strategy.bind(&defaults(&inputs.strategy.file.parameters)).map_err(StudyError::Bind)?;
        columns_there(&bound, market).map_err(SimulateError::from)?;
        let identity = shared_identity(&inputs, &folds);
        Ok(Evaluator { inputs, folds, identity })
    }

    /// The folds.
    pub fn folds(&self) -> &[FoldBars] {
        &self.folds
    }

    /// The identity of a trial: strategy, parameters, data, rule book, assumptions, windows and where
    /// its indicators begin, environment. Seed, sampler, budget, objective and names are no part of
    /// it, so that the same simulation is recognised across studies.
    pub fn identity(&self, params: &Params) -> Hash {
        let mut bytes = self.identity.clone();
        for (name, value) in params {
            let (kind, bits) = match value {
                Value::Int(i) => (0, *i as u64),
                Value::Float(f) => (1, (f + 0.0).to_bits()),
            };
            part(&mut bytes, name.as_bytes());
            bytes.push(kind);
            bytes.extend_from_slice(&bits.to_be_bytes());
        }
        Hash::of(&bytes)
    }

    /// Whether parameters keep the strategy's constraints and fit its functions.
    pub fn allowed(&self, params: &Params) -> bool {
        self.inputs.strategy.allows(params)
    }

    /// Evaluates a trial. `medians` are earlier trials' median out-of-sample objectives after each
    /// fold, for pruning. The same inputs give the same result, bit for bit.
    pub fn evaluate(&self, params: &Params, medians: &[f64]) -> Evaluated {
        let mut folds = Vec::new();
        let mut streams = Vec::new();
        let outcome = self
            .outcome(params, medians, &mut folds, &mut streams)
            .unwrap_or_else(|reason| TrialOutcome::Failed { reason });
        Evaluated { identity: self.identity(params), folds, outcome, stream_hash: join_streams(&streams) }
    }

    fn outcome(
        &self,
        params: &Params,
        medians: &[f64],
        folds: &mut Vec<FoldFact>,
        streams: &mut Vec<Hash>,
    ) -> Result<TrialOutcome, String> {
        let bound = self.inputs.strategy.bind(params).map_err(|d| d.to_string())?;
        if let Some(constraint) = &bound.violated {
            return Err(format!("infeasible: {constraint} does not hold"));
        }
        let signals = prepare(&bound, self.inputs.market).map_err(|e| e.to_string())?;
        let simulate = |window: &Range<usize>| {
            run(
                &bound,
                &signals,
                self.inputs.market,
                self.inputs.book,
                &self.inputs.study.assumptions,
                window.clone(),
                false,
            )
            .map_err(|e| e.to_string())
        };
        let mut stitched = Stitched::new(self.inputs.study.assumptions.initial_cash_usdt);
        let figure = self.inputs.study.objective.figure;
        let leverage = Terms::of(&bound).highest_leverage();
        for fold in &self.folds {
            let (is, oos) = (simulate(&fold.in_sample)?, simulate(&fold.out_of_sample)?);
            self.check_drawdown(leverage, &is)?;
            self.check_drawdown(leverage, &oos)?;
            let value = |r: &Run| figure.of(&metric::of_run(r, self.inputs.market.interval_ms), leverage);
            folds.push(FoldFact {
                in_sample: value(&is),
                out_of_sample: value(&oos),
                is_trades: is.trades.len() as u32,
                oos_trades: oos.trades.len() as u32,
            });
            streams.extend([is.stream_hash, oos.stream_hash]);
            stitched.liquidations = stitched.liquidations.max(is.counts.liquidations).max(oos.counts.liquidations);
            stitched.push(oos);
            if let Some(reason) = self.prune(folds, medians) {
                let returns = metric::returns(stitched.run.initial_usdt, &stitched.run.equity);
                return Ok(TrialOutcome::Pruned { reason, blocks: blocks::of(&returns).unwrap_or_default() });
            }
        }
        self.completed(folds, stitched)
    }

    fn check_drawdown(&self, leverage: f64, run: &Run) -> Result<(), String> {
        let fell = -metric::max_drawdown(run.initial_usdt, &run.equity);
        match self.inputs.study.guardrails.drawdown_limit(leverage) {
            Some(limit) if fell > limit => {
                let (fell, limit) = (fell * 100.0, limit * 100.0);
                Err(format!("drawdown proxy: {fell:.1} % at leverage {leverage} is beyond {limit:.1} %"))
            }
            _ => Ok(()),
        }
    }

    fn prune(&self, folds: &[FoldFact], medians: &[f64]) -> Option<String> {
        if !self.inputs.study.guardrails.prune_below_median || folds.len() == self.folds.len() {
            return None;
        }
        let (mean, median) = (interim(folds)?, *medians.get(folds.len() - 1)?);
        (mean < median)
            .then(|| format!("after fold {} its mean objective {mean:.4} is below the median {median:.4}", folds.len()))
    }

    fn completed(&self, folds: &[FoldFact], stitched: Stitched) -> Result<TrialOutcome, String> {
        let pairs: Vec<_> = folds.iter().map(|f| (f.in_sample, f.out_of_sample)).collect();
        let undefined = || {
            let at = pairs.iter().position(|p| p.0.is_none() || p.1.is_none()).map_or(0, |p| p + 1);
            format!("the objective is undefined in fold {at} (no trades?)")
        };
        let score = self.inputs.study.objective.score(&pairs).ok_or_else(undefined)?;
        let g = &self.inputs.study.guardrails;
        let trades = stitched.run.trades.len() as f64;
        let constraints =
            vec![f64::from(g.min_trades) - trades, f64::from(stitched.liquidations) - f64::from(g.max_liquidations)];
        let returns = metric::returns(stitched.run.initial_usdt, &stitched.run.equity);
        let blocks = blocks::of(&returns).ok_or("the out-of-sample windows are too short")?;
        let metrics = metric::of_run(&stitched.run, self.inputs.market.interval_ms);
        Ok(TrialOutcome::Completed { score, constraints, metrics, blocks })
    }

    /// The out-of-sample windows of a trial, stitched, with every record kept: for reports.
    ///
    /// # Errors
    /// Why it cannot be simulated.
    pub fn stitched(&self, params: &Params) -> Result<Run, StudyError> {
        let bound = self.inputs.strategy.bind(params).map_err(StudyError::Bind)?;
        let signals = prepare(&bound, self.inputs.market)?;
        let mut stitched = Stitched::new(self.inputs.study.assumptions.initial_cash_usdt);
        let mut streams = Vec::new();
        for fold in &self.folds {
            let window = fold.out_of_sample.clone();
            let r = run(
                &bound,
                &signals,
                self.inputs.market,
                self.inputs.book,
                &self.inputs.study.assumptions,
                window,
                true,
            )?;
            streams.push(r.stream_hash);
            stitched.push(r);
        }
        stitched.run.stream_hash = join_streams(&streams);
        Ok(stitched.run)
    }
}

/// Mean out-of-sample objective of the folds so far.
pub fn interim(folds: &[FoldFact]) -> Option<f64> {
    let values: Vec<f64> = folds.iter().map(|f| f.out_of_sample).collect::<Option<_>>()?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Medians of the interim objective after each fold over completed trials; none while there are
/// fewer than eight of them.
pub fn fold_medians(completed: &[&[FoldFact]]) -> Vec<f64> {
    if completed.len() < 8 {
        return Vec::new();
    }
    let folds = completed.iter().map(|f| f.len()).min().unwrap_or(0);
    (1..=folds).map(|k| median(&completed.iter().filter_map(|f| interim(&f[..k])).collect::<Vec<_>>())).collect()
}

fn part(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// What all trials of a study share: everything but their parameters.
fn shared_identity(inputs: &Inputs<'_>, folds: &[FoldBars]) -> Vec<u8> {
    let assumptions = &inputs.study.assumptions;
    let mut windows = Vec::new();
    for bars in folds.iter().flat_map(|f| [&f.in_sample, &f.out_of_sample]) {
        // By time: two ways to cut the same data into the same windows are the same.
        let (first, last) = (inputs.market.times[bars.start], inputs.market.times[bars.end - 1]);
        windows.extend_from_slice(&[first.to_be_bytes(), last.to_be_bytes()].concat());
    }
    // Indicators remember everything from the first bar on.
    let anchor = inputs.market.times.first().copied().unwrap_or_default();
    let mut out = b"assay/trial/v2\0".to_vec();
    for bytes in [
        &inputs.strategy.hash().0[..],
        &inputs.data_hash.0,
        &inputs.book.hash().0,
        &assumptions.initial_cash_usdt.to_bits().to_be_bytes(),
        &assumptions.slippage_bps.to_bits().to_be_bytes(),
        &anchor.to_be_bytes(),
        &windows,
        &inputs.environment.hashed(),
    ] {
        part(&mut out, bytes);
    }
    out
}
