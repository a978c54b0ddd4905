//! `assay study`

use super::Context;
use super::error::CliError;
use super::lab::{Lab, Writer, environment};
use super::output::{Progress, grouped, heading, print, print_json, say, stopped, table};
use super::{strategy, trials};
use assay_ledger::Hash;
use assay_ledger::hash::hex;
use assay_research::study::evaluate::Evaluator;
use assay_research::study::run::{self as study, Finished};
use assay_research::study::sampler;
use assay_research::study::settings::Settings;
use assay_shared::event::{Environment, Event, StrategyRegistered, StudyOpened, WalkForwardCompleted};
use assay_shared::market::Market;
use assay_shared::rulebook::Rulebook;
use assay_shared::strategy::file::Strategy;
use serde_json::json;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Run, resume and list studies
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Run a study: every trial a signed event
    ///
    /// Ctrl-C stops between batches; `study resume` goes on to the very same trials.
    ///
    /// Example: assay study run configs/strategies/trend.toml configs/studies/walkforward.toml
    Run(RunArgs),
    /// Go on with a study that was stopped or killed
    Resume {
        /// Name or id [default: the newest]
        study: Option<String>,
        /// Threads
        #[arg(long)]
        jobs: Option<usize>,
    },
    /// List studies, or show one with its best trials
    Show {
        /// Name or id
        study: Option<String>,
    },
}

/// How to run a study.
#[derive(Debug, Clone, clap::Args)]
pub struct RunArgs {
    /// Strategy file
    pub strategy: PathBuf,
    /// Study file
    pub settings: PathBuf,
    /// Data hash, or its beginning [default: the newest snapshot]
    #[arg(long)]
    pub data: Option<String>,
    /// Name instead of the file's
    #[arg(long)]
    pub name: Option<String>,
    /// Number of trials instead of the file's
    #[arg(long)]
    pub trials: Option<u32>,
    /// Seed instead of the file's
    #[arg(long)]
    pub seed: Option<u64>,
    /// Threads [default: cores − 1, at most 6, at least 1]
    #[arg(long)]
    pub jobs: Option<usize>,
}

/// A study that is ready to run: everything that its trials depend on.
pub struct Opened {
    /// Its id.
    pub id: [u8; 16],
    /// The strategy.
    pub strategy: Strategy,
    /// The settings.
    pub settings: Settings,
    /// The data, cut to the strategy's symbols.
    pub market: Market,
    /// Hash of the whole snapshot.
    pub data_hash: Hash,
    /// The rule book.
    pub book: Rulebook,
    /// The versions it was opened with.
    pub environment: Environment,
}

impl Opened {
    /// The evaluator of its trials.
    pub fn evaluator(&self) -> Result<Evaluator<'_>, CliError> {
        Evaluator::new(&self.strategy, &self.market, self.data_hash, &self.book, &self.settings, &self.environment).map_err(|e| {
            CliError::usage(e, "change the splits in the study file, or the window with `data import --from/--to`; the rule book must cover it")
        })
    }
}

pub fn run(cx: &Context, args: Args) -> Result<(), CliError> {
    let lab = cx.lab()?;
    match args {
        Args::Run(a) => {
            let text = std::fs::read_to_string(&a.settings).map_err(CliError::io("read", &a.settings))?;
            let usage = |e: String| {
                CliError::usage(format!("{}: {e}", a.settings.display()), "see configs/studies/walkforward.toml")
            };
            let mut settings = Settings::parse(&text).map_err(usage)?;
            settings.name = a.name.clone().unwrap_or(settings.name);
            settings.trials = a.trials.unwrap_or(settings.trials).max(1);
            settings.seed = a.seed.unwrap_or(settings.seed);
            let opened = open(&lab, strategy::load(&a.strategy)?, settings, a.data.as_deref())?;
            work(&lab, &opened, a.jobs)?;
            trials::leaderboard(&lab, &opened.settings.name, 8, cx.json)
        }
        Args::Resume { study, jobs } => {
            let row = lab.study(&lab.mirror()?, study.as_deref())?;
            let opened = reopen(&lab, &row.study_id)?;
            work(&lab, &opened, jobs)?;
            trials::leaderboard(&lab, &opened.settings.name, 8, cx.json)
        }
        Args::Show { study: None } => list(&lab, cx.json),
        Args::Show { study: Some(name) } => trials::leaderboard(&lab, &name, 20, cx.json),
    }
}

fn list(lab: &Lab, json: bool) -> Result<(), CliError> {
    let rows = lab.mirror()?.studies()?;
    if json {
        print_json(&rows);
        return Ok(());
    }
    let row = |s: &assay_research::mirror::query::StudyRow| {
        let state = if s.closed { "closed" } else { "open" };
        let best = s.best_score.map_or("-".into(), |b| format!("{b:.4}"));
        let kind = if s.generated { "GENERATED" } else { "real" };
        vec![
            s.study_id[..12].into(),
            s.name.clone(),
            s.strategy.clone(),
            kind.into(),
            s.trials.to_string(),
            s.completed.to_string(),
            best,
            state.into(),
        ]
    };
    print(&table(
        &["id", "name", "strategy", "data", "trials", "completed", "best", "state"],
        &rows.iter().map(row).collect::<Vec<_>>(),
    ));
    Ok(())
}

/// Opens a study: registers the strategy and records everything its trials depend on.
pub fn open(lab: &Lab, strategy: Strategy, settings: Settings, data: Option<&str>) -> Result<Opened, CliError> {
    let mirror = lab.mirror()?;
    if mirror.studies()?.iter().any(|s| s.name == settings.name) {
        let hint = format!("go on with `assay study resume {0}`, or choose another with --name", settings.name);
        return Err(CliError::usage(format!("there is a study named '{}' already", settings.name), hint));
    }
    let snapshots = mirror.snapshots()?;
    let found = snapshots.iter().find(|s| data.is_none_or(|d| s.data_hash.starts_with(d)));
    let hash = found.map(|s| s.data_hash.clone()).ok_or_else(|| {
        CliError::usage(
            "there is no such snapshot",
            "import data with `assay data import`; list it with `assay data show`",
        )
    })?;
    let (data_hash, whole) = lab.snapshot(&hash)?;
    let missing = || {
        CliError::usage(
            format!("the snapshot lacks one of {}", strategy.file.symbols.join(", ")),
            format!("it has {}", whole.symbols.join(", ")),
        )
    };
    let market = whole.select(&strategy.file.symbols).ok_or_else(missing)?;
    let book = newest_rulebook(lab)?;
    let environment = environment();
    let canonical =
        json!({"settings": settings, "space": strategy.file.parameters, "sampler_version": sampler::VERSION})
            .to_string();
    let id = study_id(&[
        canonical.as_bytes(),
        &strategy.hash().0,
        &data_hash.0,
        &book.hash().0,
        json!(environment).to_string().as_bytes(),
    ]);
    let opened = Opened { id, strategy, settings, market, data_hash, book, environment };
    opened.evaluator()?;
    let s = &opened.strategy;
    let registered = StrategyRegistered { name: s.file.name.clone(), hash: s.hash().0, canonical: s.canonical() };
    let event = StudyOpened {
        study_id: id,
        name: opened.settings.name.clone(),
        strategy: s.file.name.clone(),
        strategy_hash: s.hash().0,
        data_hash: data_hash.0,
        rulebook_hash: opened.book.hash().0,
        settings: canonical,
        environment: opened.environment.clone(),
        generated: opened.market.generated,
    };
    let mut writer = lab.writer()?;
    writer.record(&[registered.into(), event.into()])?;
    writer.publish()?;
    Ok(opened)
}

fn study_id(parts: &[&[u8]]) -> [u8; 16] {
    assay_ledger::EventId::derived(parts).0
}

fn newest_rulebook(lab: &Lab) -> Result<Rulebook, CliError> {
    let log = lab.log()?;
    let mut found = None;
    for seq in (0..log.len()).rev() {
        let entry = log.entry(seq)?;
        if entry.kind == "RulebookRegistered"
            && let Event::RulebookRegistered(e) = Event::of(&entry)?
        {
            found = Some(hex(&e.hash));
            break;
        }
    }
    let hash =
        found.ok_or_else(|| CliError::usage("no rule book is registered", "import data first: it brings one"))?;
    lab.rulebook(&hash)
}

/// Reads a study back from the ledger, with everything its trials depend on.
pub fn reopen(lab: &Lab, id: &str) -> Result<Opened, CliError> {
    let log = lab.log()?;
    let (mut opened, mut texts) = (None, Vec::new());
    log.scan(0, |entry| {
        match entry.kind.as_str() {
            "StrategyRegistered" | "StudyOpened" => match Event::of(&entry)? {
                Event::StrategyRegistered(e) => texts.push(e),
                Event::StudyOpened(e) if hex(&e.study_id) == id => opened = Some(e),
                _ => {}
            },
            _ => {}
        }
        Ok::<(), CliError>(())
    })?;
    let e = opened.ok_or_else(|| CliError::Verification(format!("the ledger has no study {id}")))?;
    let text = texts
        .into_iter()
        .find(|t| t.hash == e.strategy_hash)
        .ok_or_else(|| CliError::Verification("the ledger lacks the study's strategy".into()))?;
    let strategy = strategy::parse(&text.canonical, "recorded strategy")?;
    let recorded: serde_json::Value =
        serde_json::from_str(&e.settings).map_err(|e| CliError::Verification(e.to_string()))?;
    let settings: Settings =
        serde_json::from_value(recorded["settings"].clone()).map_err(|e| CliError::Verification(e.to_string()))?;
    let (data_hash, whole) = lab.snapshot(&hex(&e.data_hash))?;
    let market = whole
        .select(&strategy.file.symbols)
        .ok_or_else(|| CliError::Verification("the snapshot lacks a symbol".into()))?;
    let book = lab.rulebook(&hex(&e.rulebook_hash))?;
    Ok(Opened { id: e.study_id, strategy, settings, market, data_hash, book, environment: e.environment })
}

/// Trials of a study as recorded, and the number of trials ever recorded on the same data.
fn recorded(writer: &Writer, id: [u8; 16], data: Hash) -> Result<(Vec<Finished>, bool, u64), CliError> {
    let (mut finished, mut closed, mut lineage) = (Vec::new(), false, 0);
    let mut same_data = std::collections::BTreeSet::new();
    writer.log.scan(0, |entry| {
        match Event::of(&entry)? {
            Event::StudyOpened(e) if e.data_hash == data.0 => {
                same_data.insert(e.study_id);
            }
            Event::StudyClosed(e) if e.study_id == id => closed = true,
            event => {
                let of = match &event {
                    Event::TrialCompleted(t) => Some(t.study_id),
                    Event::TrialPruned(t) => Some(t.study_id),
                    Event::TrialFailed(t) => Some(t.study_id),
                    _ => None,
                };
                lineage += u64::from(of.is_some_and(|s| same_data.contains(&s)));
                if of == Some(id) {
                    finished.extend(Finished::of(&event));
                }
            }
        }
        Ok::<(), CliError>(())
    })?;
    Ok((finished, closed, lineage))
}

/// How many threads to use.
pub fn jobs(wanted: Option<usize>) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    wanted.unwrap_or_else(|| cores.saturating_sub(1).min(6)).max(1)
}

/// Runs a study to its end: trials, closing statistics, and the walk-forward of the best.
pub fn work(lab: &Lab, opened: &Opened, wanted: Option<usize>) -> Result<(), CliError> {
    if opened.environment != environment() {
        say("note: this study was opened with another engine version or build; its trials go on under this one's code");
        return Err(CliError::usage(
            "a study goes on only with the build it was opened with",
            "use that build, or open a new study",
        ));
    }
    let evaluator = opened.evaluator()?;
    let mut writer = lab.writer()?;
    let (mut finished, closed, lineage) = recorded(&writer, opened.id, opened.data_hash)?;
    if closed {
        say(&format!("the study '{}' is complete: {} trials", opened.settings.name, finished.len()));
        return Ok(());
    }
    let before = finished.len() as u64;
    let pool = rayon_pool(jobs(wanted))?;
    let progress = Progress::new("trials", u64::from(opened.settings.trials));
    let mut kept: Vec<Event> = Vec::new();
    let mut last = Instant::now();
    let total = opened.settings.trials;
    let ran = pool.install(|| {
        study::run(
            &evaluator,
            opened.id,
            &mut finished,
            |events| {
                kept.extend(events);
                // Groups make each sync count for many trials; a kill loses at most this group,
                // and its trials come out the same when they are run again.
                if kept.len() >= 256 || last.elapsed() > Duration::from_millis(500) {
                    writer.record(&std::mem::take(&mut kept))?;
                    if last.elapsed() > Duration::from_secs(5) {
                        writer.publish()?;
                    }
                    last = Instant::now();
                }
                Ok::<(), CliError>(())
            },
            |p| progress.at(u64::from(p.done), &describe(p)),
            stopped,
        )
    });
    progress.done();
    writer.record(&kept)?;
    ran?;
    if (finished.len() as u32) < total {
        writer.publish()?;
        lab.mirror()?;
        return Err(CliError::Stopped(format!(
            "{} of {total} trials are recorded; go on with `assay study resume {}`",
            finished.len(),
            opened.settings.name
        )));
    }
    close(&mut writer, opened, &evaluator, &finished, lineage + finished.len() as u64 - before)?;
    lab.mirror()?;
    Ok(())
}

fn close(
    writer: &mut Writer,
    opened: &Opened,
    evaluator: &Evaluator<'_>,
    finished: &[Finished],
    lineage: u64,
) -> Result<(), CliError> {
    let closed = study::close(evaluator, opened.id, finished, lineage);
    let best = closed.best;
    writer.record_one(closed)?;
    if let Some(f) = best.and_then(|n| finished.iter().find(|f| f.number == n)) {
        writer.record_one(walk_forward(opened, evaluator, f)?)?;
    }
    writer.publish()?;
    Ok(())
}

/// The walk-forward event of a trial: its out-of-sample windows, stitched.
pub fn walk_forward(
    opened: &Opened,
    evaluator: &Evaluator<'_>,
    trial: &Finished,
) -> Result<WalkForwardCompleted, CliError> {
    let run = evaluator.stitched(&trial.seen.params).map_err(CliError::Verification)?;
    let metrics = assay_shared::metric::of_run(&run, opened.market.interval_ms);
    Ok(WalkForwardCompleted {
        study_id: opened.id,
        number: trial.number,
        folds: trial.folds.clone(),
        metrics: metrics.into_iter().map(|(k, v)| (k, assay_shared::event::codec::Real(v))).collect(),
        stream_hash: run.stream_hash.0,
    })
}

fn describe(p: &study::Progress) -> String {
    let (since, first) = p.started;
    let done = f64::from(p.done - first);
    let rate = done / since.elapsed().as_secs_f64().max(1e-9);
    let left = if rate > 0.0 { f64::from(p.total - p.done) / rate } else { 0.0 };
    let best = p.best.map_or("none yet".into(), |(n, s)| format!("{s:.4} (trial {n})"));
    format!("best {best}, {rate:.1}/s, {left:.0} s left")
}

fn rayon_pool(threads: usize) -> Result<assay_research::ThreadPool, CliError> {
    assay_research::thread_pool(threads)
        .map_err(|e| CliError::CouldNot { message: format!("cannot start threads: {e}"), hint: None })
}

/// A heading for a study about to run.
pub fn announce(opened: &Opened, threads: usize) {
    let folds = opened.evaluator().map(|e| e.windows().len()).unwrap_or_default();
    heading(&format!("study {} ({})", opened.settings.name, opened.strategy.file.description));
    let bars = grouped((opened.market.len() * opened.market.symbols.len()) as u64);
    say(&format!(
        "{} symbols, {bars} bar-assets, {folds} walk-forward folds, {} trials, {threads} threads",
        opened.market.symbols.len(),
        opened.settings.trials
    ));
    if opened.market.generated {
        say("GENERATED DATA: the figures say nothing about real trading");
    }
}
