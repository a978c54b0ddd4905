//! `assay study`

use super::Context;
use super::error::CliError;
use super::lab::{Lab, Writer, environment};
use super::opened::{Opened, open, reopen};
use super::output::{Progress, print, print_json, say, stopped, table};
use super::{strategy, trials};
use assay_ledger::Hash;
use assay_research::study::evaluate::Evaluator;
use assay_research::study::run::{self as study, Finished};
use assay_research::study::settings::Settings;
use assay_shared::event::{Event, WalkForwardCompleted};
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
    ///
    /// Example: assay study resume trend-walkforward
    Resume {
        /// Name or id [default: the newest]
        study: Option<String>,
        /// Threads
        #[arg(long)]
        jobs: Option<usize>,
    },
    /// List studies, or show one with its best trials
    ///
    /// Example: assay study show trend-walkforward
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

/// How much of a study's end is recorded. A kill can fall between the two.
#[derive(Default)]
struct Ended {
    closed: bool,
    walked: bool,
}

/// Trials of a study as recorded, and the number of trials ever recorded on the same data.
fn recorded(writer: &Writer, id: [u8; 16], data: Hash) -> Result<(Vec<Finished>, Ended, u64), CliError> {
    let (mut finished, mut ended, mut lineage) = (Vec::new(), Ended::default(), 0);
    let mut same_data = std::collections::BTreeSet::new();
    writer.log.scan(0, |entry| {
        match Event::of(&entry)? {
            Event::StudyOpened(e) if e.data_hash == data.0 => {
                same_data.insert(e.study_id);
            }
            Event::StudyClosed(e) if e.study_id == id => ended.closed = true,
            Event::WalkForwardCompleted(e) if e.study_id == id => ended.walked = true,
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
    Ok((finished, ended, lineage))
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
    let (mut finished, ended, lineage) = recorded(&writer, opened.id, opened.data_hash)?;
    if ended.closed {
        if !ended.walked {
            record_walk_forward(&mut writer, opened, &evaluator, &finished)?;
            writer.publish()?;
        }
        say(&format!("the study '{}' is complete: {} trials", opened.settings.name, finished.len()));
        return Ok(());
    }
    let before = finished.len() as u64;
    let pool = rayon_pool(jobs(wanted))?;
    let progress = Progress::new("trials", u64::from(opened.settings.trials));
    let mut kept: Vec<Event> = Vec::new();
    let mut last = Instant::now();
    let total = opened.settings.trials;
    let ran = study::run(
        &pool,
        &evaluator,
        opened.id,
        &mut finished,
        |events| {
            kept.extend(events);
            // Groups make each sync count for many trials; a kill loses at most this group, and its
            // trials come out the same when they are run again.
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
    );
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
    writer.record_one(study::close(evaluator, opened.id, finished, lineage))?;
    record_walk_forward(writer, opened, evaluator, finished)?;
    writer.publish()?;
    Ok(())
}

/// Records the stitched walk-forward of the best trial, if there is one.
fn record_walk_forward(
    writer: &mut Writer,
    opened: &Opened,
    evaluator: &Evaluator<'_>,
    finished: &[Finished],
) -> Result<(), CliError> {
    let best = study::best(finished).map(|(number, _)| number);
    if let Some(f) = best.and_then(|n| finished.iter().find(|f| f.number == n)) {
        writer.record_one(walk_forward(opened, evaluator, f)?)?;
    }
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
