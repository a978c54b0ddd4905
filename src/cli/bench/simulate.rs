//! The simulation: whole trials by stage, beside the bytes that they must move, and a sweep of one symbol.

use super::figure::Figure;
use super::{STRATEGY, bench_book, per_second};
use assay_lab::LabError;
use assay_lab::study::parse_strategy;
use assay_research::data::generate;
use assay_research::simulate::{Ground, Prepared, prepare, prepare_on, run};
use assay_shared::account::{Assumptions, MarginMode, Run};
use assay_shared::market::Market;
use assay_shared::metric;
use assay_shared::rulebook::Rulebook;
use assay_shared::search::{Sampler, Search};
use assay_shared::strategy::space::defaults;
use assay_shared::strategy::{Bound, Params, Strategy};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Bars of a trial, of five symbols: five years of hours.
const BARS: usize = 43_104;
/// Trials that a median is of.
const TRIALS: usize = 24;
/// Bars of the sweep's symbol, and sets that are tried of the 10,000.
const SWEEP: (usize, usize) = (200_000, 192);
/// Bytes that a trial reads and writes for each bar of each symbol at least: a mark, an average of each kind, equity.
const BYTES: f64 = 32.0;

fn wrong(e: impl std::fmt::Display) -> LabError {
    LabError::Verification(e.to_string())
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Points that are spread evenly and keep the strategy's constraints.
fn points(strategy: &Strategy, many: usize) -> Vec<Params> {
    let mut search = Search::new(&Sampler::Sobol {}, &strategy.file.parameters, 7, strategy);
    (0..many as u32).map(|n| search.ask(n, &[])).collect()
}

/// Bytes a second that one core copies, read and written.
fn copied() -> f64 {
    let (from, mut to) = (vec![1.0_f64; 8 << 20], vec![0.0_f64; 8 << 20]);
    let once = |to: &mut Vec<f64>| {
        let start = Instant::now();
        to.copy_from_slice(std::hint::black_box(&from));
        start.elapsed().as_secs_f64()
    };
    let times = (0..9).map(|_| once(&mut to)).collect();
    2.0 * 8.0 * from.len() as f64 / median(times)
}

/// A strategy over a market, as a study's trials find it.
struct Stage {
    strategy: Strategy,
    market: Market,
    book: Rulebook,
    assumptions: Assumptions,
    ground: Ground,
}

impl Stage {
    fn new(text: &str, bars: usize) -> Result<Stage, LabError> {
        let strategy = parse_strategy(text, "trend")?;
        let market = generate::market(&strategy.file.symbols, bars, 7);
        let assumptions = Assumptions { initial_cash_usdt: 100_000.0, slippage_bps: 2.0, ..Assumptions::default() };
        Ok(Stage { strategy, market, book: bench_book()?, assumptions, ground: Ground::new(192 << 20) })
    }

    fn bound(&self, params: &Params) -> Result<Bound, LabError> {
        self.strategy.bind(params).map_err(wrong)
    }

    fn run(&self, bound: &Bound, prepared: &Prepared<'_>) -> Result<Run, LabError> {
        let all = 0..self.market.len();
        run(bound, prepared, &self.market, &self.book, &self.assumptions, all, false).map_err(wrong)
    }

    fn bar_assets(&self) -> f64 {
        (self.market.len() * self.market.symbols.len()) as f64
    }

    /// One trial as a study has it, its columns kept for others; gives seconds of signals, account and figures.
    fn trial(&self, params: &Params) -> Result<[f64; 3], LabError> {
        let bound = self.bound(params)?;
        let start = Instant::now();
        let prepared = prepare_on(&self.ground, &bound, &self.market).map_err(wrong)?;
        let signals = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let run = self.run(&bound, &prepared)?;
        let account = start.elapsed().as_secs_f64();
        let start = Instant::now();
        std::hint::black_box(metric::of(&run.whole(), self.market.interval_ms));
        Ok([signals, account, start.elapsed().as_secs_f64()])
    }
}

/// Measures.
pub fn measure(out: &mut Vec<Figure>) -> Result<(), LabError> {
    let bandwidth = copied();
    let limit = |rate: f64, name: String| {
        Figure::new(name, rate, "bar-assets/s").of(bandwidth / BYTES, "32 bytes a bar at the memory's speed")
    };
    for mode in [MarginMode::Isolated, MarginMode::Cross] {
        let word = if mode == MarginMode::Cross { "cross" } else { "isolated" };
        let stage = Stage::new(&STRATEGY.replace("\"isolated\"", &format!("\"{word}\"")), BARS)?;
        let points = points(&stage.strategy, TRIALS);
        // As in the middle of a study: some earlier trial asked for each column.
        points.iter().try_for_each(|p| stage.trial(p).map(drop))?;
        let stages = points.iter().map(|p| stage.trial(p)).collect::<Result<Vec<_>, _>>()?;
        let whole = median(stages.iter().map(|s| s.iter().sum()).collect());
        let name = format!("whole trial, columns kept, one core, {word} margin");
        out.push(limit(stage.bar_assets() / whole, name));
        for (k, what) in ["signals", "account and stream", "figures"].into_iter().enumerate() {
            let time = median(stages.iter().map(|s| s[k]).collect());
            out.push(Figure::new(format!("  of it {what}"), time * 1e6, "us"));
        }
    }
    let stage = Stage::new(STRATEGY, BARS)?;
    let bound = stage.bound(&defaults(&stage.strategy.file.parameters))?;
    let prepared = prepare(&bound, &stage.market).map_err(wrong)?;
    let account = median((0..9).map(|_| timed(|| stage.run(&bound, &prepared).map(drop))).collect::<Result<_, _>>()?);
    out.push(limit(stage.bar_assets() / account, "the account alone, one core".into()));
    let alone = median(
        (0..5)
            .map(|_| timed(|| stage.run(&bound, &prepare(&bound, &stage.market).map_err(wrong)?).map(drop)))
            .collect::<Result<_, _>>()?,
    );
    out.push(Figure::new("a run alone, its columns included, one core", stage.bar_assets() / alone, "bar-assets/s"));
    sweep(out)
}

fn timed(work: impl FnOnce() -> Result<(), LabError>) -> Result<f64, LabError> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64())
}

/// Sets of one symbol over many bars, on one core and on all.
fn sweep(out: &mut Vec<Figure>) -> Result<(), LabError> {
    let symbols = "symbols = [\"BTCUSDT\", \"ETHUSDT\", \"XRPUSDT\", \"ADAUSDT\", \"LTCUSDT\"]";
    let stage = Stage::new(&STRATEGY.replace(symbols, "symbols = [\"BTCUSDT\"]"), SWEEP.0)?;
    let points = points(&stage.strategy, SWEEP.1);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (mut one, threads) = (0.0, if cores == 1 { vec![1] } else { vec![1, cores] });
    for threads in threads {
        let (next, start) = (AtomicUsize::new(0), Instant::now());
        let work = || {
            while let Some(p) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                stage.trial(p)?;
            }
            Ok::<(), LabError>(())
        };
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let ended = |t: std::thread::ScopedJoinHandle<'_, _>| {
                t.join().unwrap_or_else(|_| Err(wrong("a thread ended early")))
            };
            all.into_iter().try_for_each(ended)
        })?;
        let rate = per_second((stage.bar_assets() * points.len() as f64) as u64, start);
        let name = format!("sweep of {} sets x {} bars of one symbol, {threads} threads", points.len(), SWEEP.0);
        out.push(Figure::new(name, rate, "bar-assets/s"));
        match threads {
            1 => one = rate,
            _ => out.push(Figure::new("  beside one thread", rate / one, "times")),
        }
    }
    Ok(())
}
