//! `assay bench`

mod data;
mod figure;
mod gate;
mod growth;
mod kernel;
mod language;
mod ledger;
mod mirror;
mod simulate;
mod suggest;

use super::Context;
use super::output::{print, print_json, say, table};
use assay_lab::create::{NewLab, create};
use assay_lab::data::{Origin, register};
use assay_lab::rules;
use assay_lab::study::{Seed, open, parse_strategy, parse_study, run as work};
use assay_lab::{Lab, LabError, Session, environment};
use assay_research::data::{Draft, generate};
use assay_research::mirror::Mirror;
use assay_shared::rulebook::Rulebook;
use assay_shared::rulebook::book::{Between, Wanted};
use assay_shared::time::parse;
use figure::Figure;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

const STRATEGY: &str = include_str!("../../../configs/strategies/trend.toml");
const STUDY: &str = include_str!("../../../configs/studies/walkforward.toml");

/// What to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Everything.
    All,
    /// The ledger: appends, verification, proofs, reopening, disk and memory.
    Ledger,
    /// The simulation: whole trials by stage, a run alone, a sweep of one symbol.
    #[value(alias = "simulation")]
    Simulate,
    /// The strategy language: the largest files, and what states cost.
    Language,
    /// A whole study with ledger and mirror on.
    Study,
    /// Suggestions of each sampler that learns, after up to 20,000 trials.
    Suggest,
    /// The mirror: trials from the ledger into SQLite.
    Mirror,
    /// Importing files of one-minute bars of five symbols, and opening them.
    Data,
    /// The gate: pushes, a study computed again, reconciling, replaying every log.
    Gate,
    /// A kernel of --kernel, --times over: its instructions are counted from outside.
    #[value(hide = true)]
    Kernel,
    /// What one process sees that opens the ledger in --dir.
    #[value(hide = true)]
    Probe,
    /// What one process takes that verifies the ledger in --dir.
    #[value(hide = true)]
    Verify,
    /// The gate in --dir, where the environment is set up.
    #[value(hide = true)]
    Inside,
    /// What one process takes that replays all logs of the gate in --dir.
    #[value(hide = true)]
    Replay,
}

/// Measure this machine: appends, verification, simulation, whole studies
///
/// Each figure stands beside the physical limit measured in the same run where there is one, and
/// beside its goal. Run one part alone for its peak memory.
///
/// Example: assay bench ledger --events 1000000 --gate
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to measure
    #[arg(value_enum, default_value = "all")]
    part: Part,
    /// Folder for the measured ledgers [default: the system's temporary folder]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Trials of the measured study
    #[arg(long, default_value_t = 96)]
    trials: u32,
    /// Strategies that are live at the measured gate
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    strategies: u32,
    /// Trials of the study that the measured gate computes again, and of the measured mirror
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(32..=100_000))]
    checked: u32,
    /// Events of the measured ledger, and of the log at the measured gate
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(5_000..))]
    events: u64,
    /// One-minute bars of each of the five imported symbols
    #[arg(long, default_value_t = 60_000, value_parser = clap::value_parser!(u32).range(1_000..=5_000_000))]
    bars: u32,
    #[arg(long, hide = true, default_value = "")]
    kernel: String,
    #[arg(long, hide = true, default_value_t = 1)]
    times: u32,
    /// Exit with 1 when a figure misses its goal
    #[arg(long)]
    gate: bool,
}

impl Args {
    fn size(&self) -> gate::Size {
        gate::Size { strategies: self.strategies, events: self.events, trials: self.checked }
    }
}

fn machine() -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo")
        .lines()
        .find_map(|l| l.strip_prefix("model name"))
        .and_then(|l| l.split(':').nth(1))
        .unwrap_or("unknown")
        .trim()
        .to_string();
    let memory =
        read("/proc/meminfo").lines().find_map(|l| l.strip_prefix("MemTotal:")).unwrap_or_default().trim().to_string();
    let host = read("/proc/sys/kernel/hostname").trim().to_string();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    json!({"host": host, "cpu": cpu, "cores": cores, "memory": memory})
}

/// Removes what benches left that were stopped on the way: their folders hold gigabytes.
fn forget_stopped(base: &Path) {
    for item in std::fs::read_dir(base).into_iter().flatten().flatten() {
        let name = item.file_name();
        let process = name.to_str().and_then(|n| n.strip_prefix("assay-bench-")?.parse::<u32>().ok());
        if process.is_some_and(|p| !Path::new("/proc").join(p.to_string()).exists()) {
            let _ = std::fs::remove_dir_all(item.path());
        }
    }
}

fn per_second(n: u64, start: Instant) -> f64 {
    n as f64 / start.elapsed().as_secs_f64().max(1e-9)
}

/// The built-in rule book with its brackets held to be in force for the generated market, and BTC's
/// for the symbols it lacks.
fn bench_book() -> Result<Rulebook, LabError> {
    let symbols = parse_strategy(STRATEGY, "trend")?.file.symbols;
    let from_ms = parse("2020-01-01").unwrap_or_default();
    let wanted =
        Wanted { symbols: &symbols, from_ms, between: Between::Harsher, assume_brackets_from: Some("2020-01-01") };
    rules::book(&rules::shipped()?, rules::SOURCE, &wanted)
}

fn lab_in(dir: &Path) -> Result<Lab, LabError> {
    let new = NewLab {
        witnesses: Vec::new(),
        dir: dir.into(),
        person: "bench".into(),
        origin: "assay.invalid/bench".into(),
        reviewers: Vec::new(),
        deploy: None,
        genesis: None,
        live: None,
        encrypt: false,
        follows: None,
        allow_generated: true,
    };
    Ok(create(&new, &Session::silent())?.lab)
}

fn whole_study(dir: &Path, trials: u32, out: &mut Vec<Figure>) -> Result<(), LabError> {
    let lab = lab_in(&dir.join("lab"))?;
    let strategy = parse_strategy(STRATEGY, "trend")?;
    let market = generate::market(&strategy.file.symbols, 24_000, 7);
    let origin = Origin { source: "GENERATED MARKET for measuring".into(), ..Origin::default() };
    register(&lab, &Draft::of(Some(&lab.snapshot_dir()), &market)?, &bench_book()?, origin)?;
    let mut settings = parse_study(STUDY, "configs/studies/walkforward.toml")?;
    settings.trials = trials;
    let opened = open(&lab, strategy, settings, Seed::Named, None, None, &[])?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let start = Instant::now();
    work(&lab, &opened, cores)?;
    out.push(Figure::new("whole study, ledger and mirror on", per_second(u64::from(trials), start), "trials/s"));
    let (log, start) = (lab.log()?, Instant::now());
    Mirror::rebuild(&dir.join("mirror.sqlite"), &log)?;
    out.push(Figure::new("mirror rebuilt from the ledger", per_second(log.len(), start), "events/s"));
    Ok(())
}

fn peak_memory_mb() -> f64 {
    status_mb("VmHWM:")
}

/// A line of this process's status, MB.
fn status_mb(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kb = status
        .lines()
        .find_map(|l| l.strip_prefix(name))
        .and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok());
    kb.unwrap_or_default() / 1024.0
}

fn measure(dir: &Path, args: &Args, figures: &mut Vec<Figure>) -> Result<(), LabError> {
    let wanted = |part| args.part == Part::All || args.part == part;
    if wanted(Part::Ledger) {
        say("measuring the ledger");
        ledger::measure(dir, args.events, figures)?;
    }
    if wanted(Part::Simulate) {
        say("measuring the simulation");
        simulate::measure(figures)?;
    }
    if wanted(Part::Language) {
        say("measuring the language");
        language::measure(figures)?;
    }
    if wanted(Part::Study) {
        say("measuring a whole study");
        whole_study(dir, args.trials, figures)?;
    }
    if wanted(Part::Suggest) {
        say("measuring suggestions");
        suggest::measure(figures)?;
    }
    if wanted(Part::Mirror) {
        say("measuring the mirror");
        mirror::measure(dir, args.checked.max(1_000), figures)?;
    }
    if wanted(Part::Data) {
        say("measuring market data");
        data::measure(&lab_in(&dir.join("data-lab"))?, dir, args.bars, figures)?;
    }
    if wanted(Part::Gate) {
        say("measuring the gate");
        gate::measure(&dir.join("gate"), &args.size(), figures)?;
    }
    Ok(())
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    if args.part == Part::Kernel {
        return kernel::measure(&args.kernel, args.times);
    }
    let named = args.dir.as_deref().unwrap_or(Path::new("."));
    let seen = match args.part {
        Part::Probe => Some(growth::probe(named)?),
        Part::Verify => Some(ledger::verify(named)?),
        Part::Replay => Some(gate::replay(named)?),
        Part::Inside => Some(gate::inside(named, &args.size())?),
        _ => None,
    };
    if let Some(seen) = seen {
        print_json(&seen);
        return Ok(());
    }
    let base = args.dir.clone().unwrap_or_else(std::env::temp_dir);
    let dir = base.join(format!("assay-bench-{}", std::process::id()));
    forget_stopped(&base);
    std::fs::create_dir_all(&dir).map_err(LabError::io("create", &dir))?;
    let mut figures = Vec::new();
    let measured = measure(&dir, &args, &mut figures);
    std::fs::remove_dir_all(&dir).map_err(LabError::io("remove", &dir))?;
    measured?;
    figures.push(Figure::new("peak memory of all this", peak_memory_mb(), "MB"));
    let machine = machine();
    if cx.json {
        let rows: Vec<_> = figures.iter().map(Figure::json).collect();
        print_json(&json!({"machine": machine, "environment": environment(), "figures": rows}));
    } else {
        print(&format!(
            "{} ({} cores), {}",
            machine["cpu"].as_str().unwrap_or_default(),
            machine["cores"],
            machine["host"].as_str().unwrap_or_default()
        ));
        let rows: Vec<_> = figures.iter().map(Figure::row).collect();
        print(&table(&["figure", "value", "unit", "limit", "goal"], &rows));
    }
    match figures.iter().find(|f| !f.reached()) {
        Some(missed) if args.gate => Err(LabError::Verification(format!("{} missed its goal", missed.name))),
        _ => Ok(()),
    }
}
