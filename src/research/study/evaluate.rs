//! One trial: bind, simulate all its bars in one account, judge every fold in and out of sample, score.

use super::identity::{Inputs, of, shared};
use crate::simulate::{Ground, Prepared, SimulateError, Simulation, prepare_on, stretch};
use assay_ledger::Hash;
use assay_shared::account::{Mark, Run, Window};
use assay_shared::event::codec::Real;
use assay_shared::event::study::{FoldFact, recorded_folds, recorded_params};
use assay_shared::event::{
    BlockV2, Event, MetricCode, PrunedTrialFinished, TrialCompletedV2, TrialFailedV2, TrialPrunedV2,
};
use assay_shared::metric::{self, Drawdown, Metric, Metrics};
use assay_shared::recount::{blocks, pruning};
use assay_shared::rulebook::RulebookError;
use assay_shared::strategy::columns::columns_there;
use assay_shared::strategy::space::defaults;
use assay_shared::strategy::{Bound, Diagnostic, Params};
use assay_shared::study::FoldBars;
use assay_shared::study::objective::{Objective, named};
use assay_shared::study::split::TooShort;
use assay_shared::time::{format_ms, interval_text};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

type Marks = BTreeMap<usize, Mark>;
type Outcome = (TrialOutcome, Hash);

/// Why a study cannot be evaluated at all, or a trial not be simulated.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StudyError {
    /// The strategy has another interval than the data.
    #[error("the strategy trades bars of {strategy}, and the data are of {data}")]
    Interval {
        /// The strategy's.
        strategy: String,
        /// That of the data.
        data: String,
    },
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

/// Evaluates trials of one study.
#[derive(Debug)]
pub struct Evaluator<'a> {
    /// What every trial depends on.
    pub inputs: Inputs<'a>,
    folds: Vec<FoldBars>,
    /// What all identities begin with.
    identity: Vec<u8>,
    /// What all trials share.
    pub(super) ground: Ground,
}

/// What became of a trial.
#[derive(Debug, Clone, PartialEq)]
pub enum TrialOutcome {
    /// It has a score. Constraints hold at zero or less.
    Completed {
        /// The score.
        score: f64,
        /// Values of further objectives.
        also: Vec<f64>,
        /// Minimum trades, maximum liquidations, maximum undecided bars.
        constraints: Vec<f64>,
        /// Figures of what is out of sample.
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
    /// Hash over the stream of its run; zero for one without a score.
    pub stream_hash: Hash,
}

impl Evaluated {
    /// The event that records it.
    pub fn event(self, study_id: [u8; 16], number: u32, params: &Params) -> Event {
        let (params, identity, folds) = (recorded_params(params), self.identity.0, recorded_folds(&self.folds));
        match self.outcome {
            TrialOutcome::Completed { score, also, constraints, metrics, blocks } => TrialCompletedV2 {
                study_id,
                number,
                params,
                identity,
                scores: std::iter::once(score).chain(also).map(Real).collect(),
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
            let [strategy, data] = [inputs.strategy.interval_ms, market.interval_ms].map(interval_text);
            return Err(StudyError::Interval { strategy, data });
        }
        let folds = inputs.study.splits.folds(market.len(), market.interval_ms)?;
        let first = folds.iter().map(|f| f.in_sample.start).min().unwrap_or(0);
        // Of a symbol that is younger than the folds, rules are needed from its first bar on.
        for (symbol, c) in inputs.strategy.file.symbols.iter().zip(&market.columns) {
            if let Some(ms) = market.times.get(first.max(c.span.start)) {
                inputs.book.in_force(symbol, *ms)?;
            }
        }
        let bound = inputs.strategy.bind(&defaults(&inputs.strategy.file.parameters)).map_err(StudyError::Bind)?;
        columns_there(&bound, market).map_err(SimulateError::from)?;
        let identity = shared(&inputs, &folds);
        Ok(Evaluator { inputs, folds, identity, ground: Ground::new(room_for_columns()) })
    }

    /// The folds.
    pub fn folds(&self) -> &[FoldBars] {
        &self.folds
    }

    /// The identity of a trial: strategy, parameters, data, rule book, assumptions, windows, environment.
    pub fn identity(&self, params: &Params) -> Hash {
        of(&self.identity, params)
    }

    /// Evaluates a trial. `medians` are earlier trials' median out-of-sample objectives after each
    /// fold, for pruning. The same inputs give the same result, bit for bit.
    pub fn evaluate(&self, params: &Params, medians: &[f64]) -> Evaluated {
        let mut folds = Vec::new();
        let failed = |reason| (TrialOutcome::Failed { reason }, Hash::ZERO);
        let (outcome, stream_hash) = self.outcome(params, medians, &mut folds).unwrap_or_else(failed);
        Evaluated { identity: self.identity(params), folds, outcome, stream_hash }
    }

    /// Runs a pruned trial to its end, and gives the event that records what it would have been.
    pub fn finish(&self, study_id: [u8; 16], number: u32, params: &Params) -> Event {
        let Evaluated { identity, folds, outcome, stream_hash } = self.evaluate(params, &[]);
        let (blocks, reason) = match outcome {
            TrialOutcome::Completed { blocks, .. } => (blocks, None),
            TrialOutcome::Pruned { reason, .. } | TrialOutcome::Failed { reason } => (Vec::new(), Some(reason)),
        };
        let (identity, folds, stream_hash) = (identity.0, recorded_folds(&folds), stream_hash.0);
        PrunedTrialFinished { study_id, number, identity, folds, blocks, stream_hash, reason }.into()
    }

    fn outcome(&self, params: &Params, medians: &[f64], folds: &mut Vec<FoldFact>) -> Result<Outcome, String> {
        let words = |e: SimulateError| e.to_string();
        let bound = self.inputs.strategy.bind(params).map_err(|d| d.to_string())?;
        if let Some(constraint) = &bound.violated {
            return Err(format!("infeasible: {constraint} does not hold"));
        }
        let signals = prepare_on(&self.ground, &bound, self.inputs.market).map_err(words)?;
        let leverage = bound.terms().highest_leverage();
        let mut simulation = self.simulation(&bound, &signals, false).map_err(words)?;
        let cuts = self.cuts();
        let mut drawdown = Drawdown::new(self.inputs.study.assumptions.initial_cash_usdt);
        // Fold by fold, so that a pruned trial costs no more than it has to; the last one when the run has ended.
        let (last, others) = self.folds.split_last().ok_or("there is no fold")?;
        for fold in others {
            advance(&mut simulation, &cuts, fold.out_of_sample.end).map_err(words)?;
            let whole = simulation.account().so_far();
            self.check(leverage, &whole, simulation.account().ruined_ms(), &mut drawdown)?;
            folds.push(self.fold(fold, &whole, simulation.marks(), leverage)?);
            if let Some(reason) = self.prune(folds, medians) {
                let out_of_sample = self.out_of_sample().start..fold.out_of_sample.end;
                let window = stretch(&whole, simulation.marks(), &out_of_sample).ok_or("no such bars")?;
                let returns = metric::returns(window.initial_usdt, window.equity);
                let blocks = blocks::of(&returns).unwrap_or_default();
                return Ok((TrialOutcome::Pruned { reason, blocks }, Hash::ZERO));
            }
        }
        advance(&mut simulation, &cuts, last.out_of_sample.end).map_err(words)?;
        let (run, marks) = simulation.finish().map_err(words)?;
        let whole = run.whole();
        self.check(leverage, &whole, run.ruined_ms, &mut drawdown)?;
        folds.push(self.fold(last, &whole, &marks, leverage)?);
        Ok((self.completed(folds, &whole, &marks, leverage)?, run.stream_hash))
    }

    /// The one account of a trial: over all bars of the folds, from the first one's beginning.
    pub(super) fn simulation<'s>(
        &'s self,
        bound: &Bound,
        prepared: &'s Prepared<'s>,
        record: bool,
    ) -> Result<Simulation<'s>, SimulateError> {
        let i = &self.inputs;
        Simulation::new(bound, prepared, i.market, i.book, &i.study.assumptions, self.bars().start, record)
    }

    /// The bars at which windows begin or end, in order.
    pub(super) fn cuts(&self) -> BTreeSet<usize> {
        self.folds.iter().flat_map(|f| [&f.in_sample, &f.out_of_sample]).flat_map(|w| [w.start, w.end]).collect()
    }

    /// The bars of a trial's run.
    pub fn bars(&self) -> Range<usize> {
        let first = self.folds.iter().map(|f| f.in_sample.start).min().unwrap_or(0);
        first..self.folds.last().map_or(first, |f| f.out_of_sample.end)
    }

    /// The bars out of sample, which follow each other without a hole.
    pub fn out_of_sample(&self) -> Range<usize> {
        self.folds.first().map_or(0, |f| f.out_of_sample.start)..self.bars().end
    }

    pub(super) fn fold(
        &self,
        fold: &FoldBars,
        whole: &Window<'_>,
        marks: &Marks,
        leverage: f64,
    ) -> Result<FoldFact, String> {
        let figure = &self.inputs.study.objective.figure;
        let window = |bars: &Range<usize>| stretch(whole, marks, bars).ok_or("no such bars");
        let (is, oos) = (window(&fold.in_sample)?, window(&fold.out_of_sample)?);
        let reads = figure.reads();
        let of = |w: &Window<'_>| metric::some(w, self.inputs.market.interval_ms, &|m| reads.contains(&m));
        let value = |w: &Window<'_>| figure.of(&of(w), leverage);
        Ok(FoldFact {
            in_sample: value(&is),
            out_of_sample: value(&oos),
            is_trades: is.own_trades().count() as u32,
            oos_trades: oos.own_trades().count() as u32,
        })
    }

    /// What ends a trial without a score: an account that is ruined, or has fallen further than it may.
    fn check(
        &self,
        leverage: f64,
        whole: &Window<'_>,
        ruined_ms: Option<i64>,
        drawdown: &mut Drawdown,
    ) -> Result<(), String> {
        if let Some(ms) = ruined_ms {
            return Err(format!("infeasible: from {} on the account is too small to trade", format_ms(ms)));
        }
        let fell = -drawdown.at(whole.equity);
        match self.inputs.study.guardrails.drawdown_limit(leverage) {
            Some(limit) if fell > limit => {
                let (fell, limit) = (fell * 100.0, limit * 100.0);
                Err(format!("drawdown proxy: {fell:.1} % at leverage {leverage} is beyond {limit:.1} %"))
            }
            _ => Ok(()),
        }
    }

    fn prune(&self, folds: &[FoldFact], medians: &[f64]) -> Option<String> {
        let rule = self.inputs.study.guardrails.stops()?;
        Some(pruning::reason(rule, folds.len(), pruning::stops(folds, self.folds.len(), medians)?))
    }

    fn completed(
        &self,
        folds: &[FoldFact],
        whole: &Window<'_>,
        marks: &Marks,
        leverage: f64,
    ) -> Result<TrialOutcome, String> {
        let counted = |f: &FoldFact| {
            (Objective::counted(f.in_sample, f.is_trades), Objective::counted(f.out_of_sample, f.oos_trades))
        };
        let pairs: Vec<_> = folds.iter().map(counted).collect();
        let undefined = || {
            let at = pairs.iter().position(|p| p.0.is_none() || p.1.is_none()).map_or(0, |p| p + 1);
            format!("the objective is undefined in fold {at}")
        };
        let score = self.inputs.study.objective.score(&pairs).ok_or_else(undefined)?;
        let window = |bars: &Range<usize>| stretch(whole, marks, bars).ok_or("no such bars");
        let oos = window(&self.out_of_sample())?;
        let trades = oos.own_trades().count();
        if trades == 0 {
            return Err("it never trades out of sample".into());
        }
        let windows = self.folds.iter().flat_map(|f| [&f.in_sample, &f.out_of_sample]);
        let liquidations = windows.map(|w| window(w).map(|w| w.counts.liquidations)).collect::<Result<Vec<_>, _>>()?;
        let g = &self.inputs.study.guardrails;
        let mut constraints = vec![
            f64::from(g.min_trades) - trades as f64,
            f64::from(liquidations.into_iter().max().unwrap_or(0)) - f64::from(g.max_liquidations),
            f64::from(whole.counts.undecided_bars) - f64::from(g.max_undecided_bars),
        ];
        let returns = metric::returns(oos.initial_usdt, oos.equity);
        let blocks = blocks::of(&returns).ok_or("the out-of-sample windows are too short")?;
        let mut metrics = metric::of(&oos, self.inputs.market.interval_ms);
        // What the constraint looks at.
        metrics.insert(Metric::UndecidedBars, f64::from(whole.counts.undecided_bars));
        let get = |name: &str| named(&metrics, leverage, name);
        constraints.extend(g.require.iter().map(|r| r.broken_by(&get)));
        let missing = || "a further objective is undefined out of sample".to_string();
        let also = self.inputs.study.objective.others(&get).ok_or_else(missing)?;
        Ok(TrialOutcome::Completed { score, also, constraints, metrics, blocks })
    }

    /// The run of a trial, with every record kept.
    ///
    /// # Errors
    /// Why it cannot be simulated.
    pub fn recorded_run(&self, params: &Params) -> Result<TrialRun, StudyError> {
        let bound = self.inputs.strategy.bind(params).map_err(StudyError::Bind)?;
        let signals = prepare_on(&self.ground, &bound, self.inputs.market)?;
        let mut simulation = self.simulation(&bound, &signals, true)?;
        simulation.advance(self.out_of_sample().start)?;
        let from = simulation.account().so_far().mark();
        simulation.advance(self.bars().end)?;
        let (run, _) = simulation.finish()?;
        Ok(TrialRun { run, from, bars: self.bars(), out_of_sample: self.out_of_sample() })
    }
}

/// A trial's run with everything that happened in it.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialRun {
    /// The run.
    pub run: Run,
    /// Where it stood when the bars out of sample began.
    from: Mark,
    /// Its bars in the market.
    pub bars: Range<usize>,
    /// Those of them that are out of sample.
    pub out_of_sample: Range<usize>,
}

impl TrialRun {
    /// What is out of sample of it.
    pub fn tested(&self) -> Window<'_> {
        let whole = self.run.whole();
        whole.between(&self.from, &whole.mark())
    }
}

/// Bytes of columns that the trials of a study share: a sixteenth of the machine's memory, and no more than it takes.
fn room_for_columns() -> usize {
    const MOST: usize = 192 << 20;
    let said = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total =
        said.lines().find_map(|l| l.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse::<usize>().ok());
    total.map_or(MOST, |kb| (kb * 1024 / 16).min(MOST))
}

pub(super) fn advance(simulation: &mut Simulation<'_>, cuts: &BTreeSet<usize>, to: usize) -> Result<(), SimulateError> {
    for cut in
        cuts.iter().filter(|cut| **cut <= to && !simulation.marks().contains_key(cut)).copied().collect::<Vec<_>>()
    {
        simulation.advance(cut)?;
    }
    Ok(())
}
