//! Studies over a generated market: pools, resuming, identities, leverage in force, what is recorded.

use super::{Evaluator, Inputs, StudyError, TrialOutcome, run};
use crate::data::generate;
use crate::thread_pool;
use assay_ledger::Hash;
use assay_shared::event::study::Ended;
use assay_shared::event::{Environment, Event, StudyClosed};
use assay_shared::market::Market;
use assay_shared::recount::{Finished, Lineage, best, close};
use assay_shared::rulebook::{BracketSet, Rulebook};
use assay_shared::search::Sampler;
use assay_shared::strategy::space::defaults;
use assay_shared::strategy::{Params, Strategy, Value};
use assay_shared::study::Study;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(super) const STRATEGY: &str = r#"
name = "swing"
description = "two averages"
interval = "1h"
symbols = ["BTCUSDT", "ETHUSDT"]
constraints = ["fast < slow"]
[parameters]
fast = { type = "int", low = 3, high = 20, default = 8 }
slow = { type = "int", low = 10, high = 90, step = 5, default = 40 }
stop = { type = "float", low = 0.004, high = 0.2, log = true, default = 0.05 }
[signals]
long_entry = "crosses_above(EMA(close, fast), EMA(close, slow))"
long_exit = "crosses_below(EMA(close, fast), EMA(close, slow))"
[stops]
stop_loss = "stop"
[sizing]
margin_fraction = 0.2
leverage = 3
[risk]
margin_mode = "isolated"
max_concurrent_positions = 2
"#;

pub(super) const STUDY: &str = r#"
name = "s"
trials = 30
seed = 11
batch = 4
[sampler]
name = "tpe"
startup_trials = 8
[splits]
mode = "tile"
in_sample_days = 20
out_of_sample_days = 10
warmup_bars = 100
[objective]
figure = "sharpe"
degradation_weight = 0.5
[guardrails]
min_trades = 5
max_liquidations = 1
prune_below_median = true
drawdown = [{ leverage = 1.0, max_drawdown = 0.4 }, { leverage = 3.0, max_drawdown = 0.3 }]
[assumptions]
initial_cash_usdt = 10000.0
slippage_bps = 1.0
"#;

/// Everything that a study needs.
pub(super) struct Stage {
    pub(super) strategy: Strategy,
    pub(super) study: Study,
    pub(super) market: Market,
    pub(super) book: Rulebook,
    pub(super) environment: Environment,
}

pub(super) fn stage(strategy: &str, study: &str) -> Stage {
    let strategy = Strategy::parse(strategy).unwrap_or_else(|d| panic!("{}", d[0]));
    let mut book = Rulebook::parse(include_str!("../../../configs/rulebook.toml")).unwrap();
    book.rules[0].effective = "2020-01-01".into();
    let first = book.brackets[0].clone();
    book.brackets.insert(0, BracketSet { effective: "2020-01-01".into(), ..first });
    let text = || "t".to_string();
    let environment = Environment {
        engine_version: text(),
        source_commit: text(),
        lock_hash: text(),
        rustc: text(),
        target: text(),
        talib_version: text(),
        results: Some(2),
    };
    let market = generate::market(&strategy.file.symbols, 24 * 90, 5);
    Stage { market, strategy, study: Study::parse(study).unwrap(), book, environment }
}

impl Stage {
    pub(super) fn evaluator(&self) -> Result<Evaluator<'_>, StudyError> {
        Evaluator::new(Inputs {
            strategy: &self.strategy,
            market: &self.market,
            data_hash: Hash([7; 32]),
            book: &self.book,
            study: &self.study,
            environment: &self.environment,
        })
    }

    fn params(&self) -> Params {
        defaults(&self.strategy.file.parameters)
    }

    pub(super) fn trials(&self, threads: usize, from: &[Event]) -> Vec<Event> {
        let (evaluator, pool) = (self.evaluator().unwrap(), thread_pool(threads).unwrap());
        let mut finished: Vec<Finished> = from.iter().filter_map(Finished::of).collect();
        let mut out = from.to_vec();
        let tell = |events: Vec<Event>| {
            out.extend(events);
            Ok::<(), ()>(())
        };
        run(&pool, &evaluator, [1; 16], &mut finished, tell, |_| (), || false).unwrap();
        out
    }
}

#[test]
fn pools_and_kills_change_nothing() {
    let s = stage(STRATEGY, STUDY);
    let whole = s.trials(1, &[]);
    assert_eq!(whole.len(), 30);
    assert_eq!(s.trials(3, &[]), whole);
    for cut in [0, 1, 3, 4, 9, 17, 29, 30] {
        assert_eq!(s.trials(2, &whole[..cut]), whole, "resumed after {cut}");
    }
    let kinds: BTreeSet<&str> = whole.iter().map(Event::kind).collect();
    assert!(kinds.contains("TrialCompleted") && kinds.len() >= 2, "{kinds:?}");
    let mut other = stage(STRATEGY, STUDY);
    other.study.seed = 12;
    assert_ne!(other.trials(1, &[]), whole, "the seed decides");
}

#[test]
fn a_stop_ends_between_trials_and_a_failed_tell_at_once() {
    let s = stage(STRATEGY, STUDY);
    let (evaluator, pool) = (s.evaluator().unwrap(), thread_pool(1).unwrap());
    let told = AtomicUsize::new(0);
    let mut finished = Vec::new();
    let tell = |events: Vec<Event>| {
        told.fetch_add(events.len(), Ordering::SeqCst);
        Ok::<(), ()>(())
    };
    let so_far = || told.load(Ordering::SeqCst);
    run(&pool, &evaluator, [1; 16], &mut finished, tell, |_| (), || so_far() >= 8).unwrap();
    assert_eq!((so_far(), finished.len()), (8, 8));
    // A stop inside a batch leaves the batch untold: nobody waits for the trials that are left of it.
    let asked = AtomicUsize::new(0);
    let inside = || asked.fetch_add(1, Ordering::SeqCst) >= 2;
    run(&pool, &evaluator, [1; 16], &mut finished, tell, |_| (), inside).unwrap();
    assert_eq!((so_far(), finished.len()), (8, 8));
    let broken = run(&pool, &evaluator, [1; 16], &mut finished, |_| Err("full"), |_| (), || false);
    assert_eq!(broken, Err("full"));
    // The last step reports all that is done.
    let seen = std::cell::Cell::new((0, 0));
    let progress = |p: &super::StudyProgress| seen.set((p.done, p.total));
    run(&pool, &evaluator, [1; 16], &mut finished, |_| Ok::<(), ()>(()), progress, || false).unwrap();
    assert_eq!(seen.get(), (30, 30));
}

/// What is recorded of a trial: finite blocks whose sums are those of the returns, folds of trials
/// that were pruned or failed, and no values of other types.
#[test]
fn what_is_recorded() {
    let s = stage(STRATEGY, STUDY);
    let events = s.trials(2, &[]);
    let folds = s.evaluator().unwrap().folds().len();
    let (mut completed, mut pruned) = (0, 0);
    for event in &events {
        event.encode().unwrap();
        let fact = event.trial().unwrap();
        assert_eq!(fact.params.len(), 3);
        match (event, &fact.ended) {
            (Event::TrialCompletedV2(t), Ended::Completed { metrics, constraints, .. }) => {
                completed += 1;
                assert_eq!((t.folds.len(), t.blocks.len().min(16), constraints.len()), (folds, 16, 3));
                let bars: u32 = t.blocks.iter().map(|b| b.bars).sum();
                let mean = t.blocks.iter().map(|b| b.powers[0].0).sum::<f64>() / f64::from(bars);
                let square = t.blocks.iter().map(|b| b.powers[1].0).sum::<f64>() / f64::from(bars);
                let sharpe = mean / (square - mean * mean).sqrt();
                assert!((sharpe - metrics["sharpe_per_bar"]).abs() < 1e-3, "{sharpe} {}", metrics["sharpe_per_bar"]);
                assert!(t.blocks.iter().all(|b| b.active <= b.bars && b.powers[3].0 >= 0.0));
                assert!(event.encode().unwrap().len() < 1400, "an event stays small");
            }
            (Event::TrialPrunedV2(t), Ended::Pruned { reason }) => {
                pruned += 1;
                assert!(t.folds.len() < folds && t.blocks.len() >= 16 && reason.contains("below the median"));
            }
            (Event::TrialFailedV2(_), Ended::Failed { reason }) => assert!(!reason.is_empty()),
            other => panic!("{other:?}"),
        }
    }
    assert!(completed >= 8 && pruned >= 1, "{completed} completed, {pruned} pruned");
    let finished: Vec<Finished> = events.iter().filter_map(Finished::of).collect();
    let (number, score) = best(&finished).unwrap();
    assert!(finished.iter().filter(|f| f.seen.violation <= 0.0).all(|f| f.seen.score.is_none_or(|s| s <= score)));
    let bars = s.evaluator().unwrap().out_of_sample().len();
    let mut lineage = Lineage::default();
    (lineage.trials, lineage.studies) = (42, 1);
    finished.iter().filter_map(|f| f.sharpe).for_each(|sharpe| lineage.sharpes.push(sharpe));
    let end = close([1; 16], &finished, bars, &lineage);
    assert_eq!((end.best, end.trials), (Some(number), 30));
    let named = |end: &StudyClosed, name: &str| end.statistics.iter().find(|s| s.0 == name).map(|s| s.1.0);
    assert_eq!(named(&end, "trials_lineage"), Some(42.0));
    assert!((0.0..=1.0).contains(&named(&end, "dsr").unwrap()));
    assert_eq!(named(&end, "pbo"), None, "not while pruned trials are unfinished");
    let whole: Vec<Finished> = finished.iter().filter(|f| !f.pruned).cloned().collect();
    assert!((0.0..=1.0).contains(&named(&close([1; 16], &whole, bars, &lineage), "pbo").unwrap()));
    let none = close([1; 16], &[], bars, &Lineage::default());
    assert_eq!((none.best, none.statistics.len()), (None, 2), "nothing is claimed of no trials");
}

/// The same simulation is the same trial whatever searched for it; another one is another.
#[test]
fn identities() {
    let s = stage(STRATEGY, STUDY);
    let of = |s: &Stage| s.evaluator().unwrap().identity(&s.params());
    let id = of(&s);
    let same: [fn(&mut Stage); 6] = [
        |s| s.study.seed = 99,
        |s| s.study.trials = 1000,
        |s| s.study.name = "other".into(),
        |s| s.study.sampler = Sampler::Random {},
        |s| s.study.objective.degradation_weight = 0.0,
        |s| s.study.guardrails.min_trades = 50,
    ];
    for change in same {
        let mut other = stage(STRATEGY, STUDY);
        change(&mut other);
        assert_eq!(of(&other), id);
    }
    let differs: [fn(&mut Stage); 6] = [
        |s| s.study.assumptions.slippage_bps = 2.0,
        |s| s.study.assumptions.initial_cash_usdt = 20_000.0,
        |s| s.study.splits.purge_bars = 5,
        |s| s.environment.results = Some(3),
        |s| s.book.rules[0].taker_fee = 0.0004,
        |s| s.market = s.market.slice(1, s.market.len()),
    ];
    for (n, change) in differs.into_iter().enumerate() {
        let mut other = stage(STRATEGY, STUDY);
        change(&mut other);
        assert_ne!(of(&other), id, "change {n}");
    }
    let mut params = s.params();
    params.insert("stop".into(), Value::Float(0.0500001));
    assert_ne!(s.evaluator().unwrap().identity(&params), id);
}

/// Five times leverage under a cap of one trades as one time does, and is judged alike: objective,
/// score and drawdown limit read what was in force.
#[test]
fn leverage_in_force_is_what_is_judged() {
    let figure = STUDY.replace("sharpe", "cagr-calmar-winrate").replace("prune_below_median = true", "");
    let figure = figure.replace("leverage = 3.0, max_drawdown = 0.3", "leverage = 3.0, max_drawdown = 0.0001");
    let plain = STRATEGY.replace("leverage = 3", "leverage = 1");
    let capped =
        STRATEGY.replace("leverage = 3", "leverage = 5") + "leverage_caps = { BTCUSDT = 1.0, ETHUSDT = 1.0 }\n";
    let (a, b) = (stage(&plain, &figure), stage(&capped, &figure));
    let mut params = a.params();
    params.extend([("fast".into(), Value::Int(3)), ("slow".into(), Value::Int(10))]);
    let of = |s: &Stage| s.evaluator().unwrap().evaluate(&params, &[]);
    let (a, b) = (of(&a), of(&b));
    assert_eq!((a.stream_hash, &a.folds), (b.stream_hash, &b.folds));
    assert!(matches!(a.outcome, TrialOutcome::Completed { .. }), "{:?}", a.outcome);
    assert_eq!(a.outcome, b.outcome);
}

#[test]
fn what_cannot_be_evaluated_is_said() {
    let with = |change: fn(&mut Stage)| {
        let mut s = stage(STRATEGY, STUDY);
        change(&mut s);
        s.evaluator().map(|_| ()).unwrap_err()
    };
    assert!(
        matches!(with(|s| s.strategy.interval_ms = 60_000), StudyError::Interval { strategy, .. } if strategy == "1m")
    );
    assert!(matches!(with(|s| s.market = s.market.slice(0, 500)), StudyError::TooShort(_)));
    assert!(with(|s| s.book.brackets.truncate(0)).to_string().contains("has no bracket table"));
    let s = stage(STRATEGY, STUDY);
    let mut params = s.params();
    params.insert("fast".into(), Value::Int(90));
    let e = s.evaluator().unwrap();
    let strategy = e.inputs.strategy;
    assert!(!strategy.allows(&params) && strategy.allows(&s.params()));
    let outcome = e.evaluate(&params, &[]).outcome;
    assert_eq!(outcome, TrialOutcome::Failed { reason: "infeasible: fast < slow does not hold".into() });
    params.remove("stop");
    assert!(e.recorded_run(&params).unwrap_err().to_string().contains("'stop' has no value"));
}
