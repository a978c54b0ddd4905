//! One trial: bind, simulate every fold in and out of sample, score.

use super::objective::median;
use super::settings::Settings;
use super::split::Window;
use super::statistics::Blocks;
use crate::simulate::{prepare, run};
use assay_ledger::Hash;
use assay_shared::account::Run;
use assay_shared::account::record::join_streams;
use assay_shared::event::codec::Real;
use assay_shared::event::{Environment, Fold};
use assay_shared::market::Market;
use assay_shared::metric::{self, Metrics};
use assay_shared::rulebook::Rulebook;
use assay_shared::strategy::file::Strategy;
use assay_shared::strategy::{Bound, Params};
use std::ops::Range;

/// Blocks of out-of-sample returns kept for PBO.
pub const PBO_BLOCKS: usize = 16;

/// Everything a trial depends on beside its parameters.
#[derive(Debug)]
pub struct Evaluator<'a> {
    /// The strategy.
    pub strategy: &'a Strategy,
    /// The data, with the strategy's symbols in its order.
    pub market: &'a Market,
    /// Hash of the whole snapshot the data comes from.
    pub data_hash: Hash,
    /// The rule book.
    pub book: &'a Rulebook,
    /// The study's settings.
    pub settings: &'a Settings,
    /// Versions.
    pub environment: &'a Environment,
    windows: Vec<Window>,
}

/// What became of a trial.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It has a score. Constraints hold at zero or less.
    Completed {
        /// The score.
        score: f64,
        /// Minimum trades, maximum liquidations.
        constraints: Vec<f64>,
        /// Figures of the stitched out-of-sample run.
        metrics: Metrics,
        /// Returns in blocks.
        blocks: Blocks,
    },
    /// Stopped after some folds.
    Pruned {
        /// Why.
        reason: String,
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
    /// Its identity: strategy, parameters, data, rule book and environment.
    pub identity: Hash,
    /// Objective and trades, fold by fold.
    pub folds: Vec<Fold>,
    /// What became of it.
    pub outcome: Outcome,
    /// Hash over the streams of all windows.
    pub stream_hash: Hash,
}

impl<'a> Evaluator<'a> {
    /// Checks that the folds fit the data and that the rule book covers it.
    ///
    /// # Errors
    /// What does not fit, in words.
    pub fn new(
        strategy: &'a Strategy,
        market: &'a Market,
        data_hash: Hash,
        book: &'a Rulebook,
        settings: &'a Settings,
        environment: &'a Environment,
    ) -> Result<Evaluator<'a>, String> {
        if strategy.interval_ms != market.interval_ms {
            return Err("the strategy's interval is not the data's".into());
        }
        let windows = settings.splits.windows(market.len(), market.interval_ms)?;
        let first = windows.iter().map(|w| w.in_sample.start).min().unwrap_or(0);
        for symbol in &market.symbols {
            book.in_force(symbol, market.times[first]).map_err(|e| e.to_string())?;
        }
        Ok(Evaluator { strategy, market, data_hash, book, settings, environment, windows })
    }

    /// The folds.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// The identity of a trial.
    pub fn identity(&self, params: &Params) -> Hash {
        let params = serde_json::to_string(params).unwrap_or_default();
        let environment = serde_json::to_string(self.environment).unwrap_or_default();
        let settings = self.settings.to_json();
        let parts: [&[u8]; 7] = [
            b"assay/trial/v1\0",
            &self.strategy.hash().0,
            params.as_bytes(),
            &self.data_hash.0,
            &self.book.hash().0,
            environment.as_bytes(),
            settings.as_bytes(),
        ];
        let mut bytes = Vec::new();
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        Hash::of(&bytes)
    }

    /// Whether parameters keep the strategy's constraints.
    pub fn allowed(&self, params: &Params) -> bool {
        Bound::new(self.strategy, params).is_ok_and(|b| b.violated.is_none())
    }

    /// Evaluates a trial. `medians` are earlier trials' median out-of-sample objectives after each
    /// fold, for pruning. The same inputs give the same result, bit for bit.
    pub fn evaluate(&self, params: &Params, medians: &[f64]) -> Evaluated {
        let mut folds = Vec::new();
        let mut streams = Vec::new();
        let outcome =
            self.outcome(params, medians, &mut folds, &mut streams).unwrap_or_else(|reason| Outcome::Failed { reason });
        Evaluated { identity: self.identity(params), folds, outcome, stream_hash: join_streams(&streams) }
    }

    fn outcome(
        &self,
        params: &Params,
        medians: &[f64],
        folds: &mut Vec<Fold>,
        streams: &mut Vec<Hash>,
    ) -> Result<Outcome, String> {
        let bound = Bound::new(self.strategy, params).map_err(|d| d.to_string())?;
        if let Some(constraint) = &bound.violated {
            return Err(format!("infeasible: {constraint} does not hold"));
        }
        let signals = prepare(&bound, self.market).map_err(|e| e.to_string())?;
        let simulate = |window: &Range<usize>| {
            run(&bound, &signals, self.market, self.book, &self.settings.assumptions, window.clone(), false)
                .map_err(|e| e.to_string())
        };
        let mut stitched = Stitched::new(self.settings.assumptions.initial_cash_usdt);
        let figure = self.settings.objective.figure;
        for window in &self.windows {
            let (is, oos) = (simulate(&window.in_sample)?, simulate(&window.out_of_sample)?);
            self.check_drawdown(&bound, &is)?;
            self.check_drawdown(&bound, &oos)?;
            let value = |r: &Run| figure.of(&metric::of_run(r, self.market.interval_ms), bound.leverage).map(Real);
            folds.push(Fold {
                in_sample: value(&is),
                out_of_sample: value(&oos),
                is_trades: is.trades.len() as u32,
                oos_trades: oos.trades.len() as u32,
            });
            streams.extend([is.stream_hash, oos.stream_hash]);
            stitched.liquidations = stitched.liquidations.max(is.counts.liquidations).max(oos.counts.liquidations);
            stitched.push(oos);
            if let Some(reason) = self.prune(folds, medians) {
                return Ok(Outcome::Pruned { reason });
            }
        }
        self.completed(folds, stitched)
    }

    fn check_drawdown(&self, bound: &Bound, run: &Run) -> Result<(), String> {
        let fell = -metric::max_drawdown(run.initial_usdt, &run.equity);
        match self.settings.guardrails.drawdown_limit(bound.leverage) {
            Some(limit) if fell > limit => {
                let (fell, limit) = (fell * 100.0, limit * 100.0);
                Err(format!("drawdown proxy: {fell:.1} % at leverage {} is beyond {limit:.1} %", bound.leverage))
            }
            _ => Ok(()),
        }
    }

    fn prune(&self, folds: &[Fold], medians: &[f64]) -> Option<String> {
        if !self.settings.guardrails.prune_below_median || folds.len() == self.windows.len() {
            return None;
        }
        let (mean, median) = (interim(folds)?, *medians.get(folds.len() - 1)?);
        (mean < median)
            .then(|| format!("after fold {} its mean objective {mean:.4} is below the median {median:.4}", folds.len()))
    }

    fn completed(&self, folds: &[Fold], stitched: Stitched) -> Result<Outcome, String> {
        let pairs: Vec<_> = folds.iter().map(|f| (f.in_sample.map(|r| r.0), f.out_of_sample.map(|r| r.0))).collect();
        let undefined = || {
            let at = pairs.iter().position(|p| p.0.is_none() || p.1.is_none()).map_or(0, |p| p + 1);
            format!("the objective is undefined in fold {at} (no trades?)")
        };
        let score = self.settings.objective.score(&pairs).ok_or_else(undefined)?;
        let g = &self.settings.guardrails;
        let trades = stitched.run.trades.len() as f64;
        let constraints =
            vec![f64::from(g.min_trades) - trades, f64::from(stitched.liquidations) - f64::from(g.max_liquidations)];
        let returns = metric::returns(stitched.run.initial_usdt, &stitched.run.equity);
        let blocks = Blocks::of(&returns, PBO_BLOCKS).ok_or("the out-of-sample windows are too short")?;
        let metrics = metric::of_run(&stitched.run, self.market.interval_ms);
        Ok(Outcome::Completed { score, constraints, metrics, blocks })
    }

    /// The out-of-sample windows of a trial, stitched, with every record kept: for reports.
    ///
    /// # Errors
    /// Why it cannot be simulated, in words.
    pub fn stitched(&self, params: &Params) -> Result<Run, String> {
        let bound = Bound::new(self.strategy, params).map_err(|d| d.to_string())?;
        let signals = prepare(&bound, self.market).map_err(|e| e.to_string())?;
        let mut stitched = Stitched::new(self.settings.assumptions.initial_cash_usdt);
        let mut streams = Vec::new();
        for w in &self.windows {
            let window = w.out_of_sample.clone();
            let r = run(&bound, &signals, self.market, self.book, &self.settings.assumptions, window, true)
                .map_err(|e| e.to_string())?;
            streams.push(r.stream_hash);
            stitched.push(r);
        }
        stitched.run.stream_hash = join_streams(&streams);
        Ok(stitched.run)
    }
}

/// Mean out-of-sample objective of the folds so far.
pub fn interim(folds: &[Fold]) -> Option<f64> {
    let values: Vec<f64> = folds.iter().map(|f| f.out_of_sample.map(|r| r.0)).collect::<Option<_>>()?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Medians of the interim objective after each fold over completed trials; none while there are
/// fewer than eight of them.
pub fn fold_medians(completed: &[&[Fold]]) -> Vec<f64> {
    if completed.len() < 8 {
        return Vec::new();
    }
    let folds = completed.iter().map(|f| f.len()).min().unwrap_or(0);
    (1..=folds).map(|k| median(&completed.iter().filter_map(|f| interim(&f[..k])).collect::<Vec<_>>())).collect()
}

/// Out-of-sample windows joined into one run: equity compounds from window to window.
struct Stitched {
    run: Run,
    liquidations: u32,
}

impl Stitched {
    fn new(initial: f64) -> Stitched {
        let run = Run {
            trades: Vec::new(),
            equity: Vec::new(),
            margin_usage: Vec::new(),
            records: Vec::new(),
            stream_hash: Hash::ZERO,
            counts: assay_shared::account::Counts::default(),
            initial_usdt: initial,
        };
        Stitched { run, liquidations: 0 }
    }

    fn push(&mut self, window: Run) {
        let base = self.run.equity.last().copied().unwrap_or(self.run.initial_usdt) / window.initial_usdt;
        self.run.equity.extend(window.equity.iter().map(|e| e * base));
        self.run.margin_usage.extend(window.margin_usage);
        self.run.trades.extend(window.trades);
        self.run.records.extend(window.records);
        let (a, b) = (&mut self.run.counts, window.counts);
        a.fees_usdt += b.fees_usdt;
        a.funding_usdt += b.funding_usdt;
        a.liquidations += b.liquidations;
        a.rejected += b.rejected;
        a.exposed_bars += b.exposed_bars;
        a.fills += b.fills;
    }
}
