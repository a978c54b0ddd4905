//! A study run to its end: trials, closing statistics, the walk-forward of the best.
//!
//! Three threads of work that never wait for each other's disk: the pool evaluates, this thread asks
//! and tells, and a thread of its own records. The ledger is written in groups, so that each sync
//! counts for many trials; a kill loses at most one group, and its trials come out the same when they
//! are run again.

use super::opened::{Opened, Seed};
use super::recorded::{Record, recorded};
use crate::environment::environment;
use crate::error::LabError;
use crate::folder::Lab;
use crate::session::Progress;
use crate::writer::Writer;
use assay_research::study::{self, Evaluator, StudyProgress};
use assay_shared::RESULTS;
use assay_shared::event::codec::Real;
use assay_shared::event::study::recorded_folds_v1;
use assay_shared::event::{Event, StudyClosed, StudyClosedV2, WalkForwardCompleted};
use assay_shared::recount::{Finished, best, close as close_study};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Events of a group at most,
const GROUP: usize = 256;
/// and how long the first of them waits for the others.
const GROUP_TIME: Duration = Duration::from_millis(500);
/// How often a checkpoint is published on the way.
const PUBLISH: Duration = Duration::from_secs(5);
/// Batches that may wait to be recorded before the study waits for the disk.
const WAITING: usize = 64;

/// How a run of a study ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It is complete now.
    Complete,
    /// It was complete before.
    Already,
    /// Its time was up, or its best trial good enough, before it was complete: so many trials are recorded.
    Paused(u32),
}

/// How far a run of a study goes; nothing of it is part of the study.
#[derive(Debug, Clone, Copy, Default)]
pub struct Budget {
    /// For how long; a batch that has begun then is not recorded.
    pub time: Option<Duration>,
    /// Until the best feasible trial has this score.
    pub target: Option<f64>,
}

/// How many threads evaluate: those wanted, else one less than there are cores, at most six.
pub fn jobs(wanted: Option<usize>) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    wanted.unwrap_or_else(|| cores.saturating_sub(1).min(6)).max(1)
}

/// Runs a study to its end with so many threads, from wherever it stands.
///
/// # Errors
/// As of [`run_within`].
pub fn run(lab: &Lab, opened: &Opened, threads: usize) -> Result<Ended, LabError> {
    run_within(lab, opened, threads, Budget::default())
}

/// Runs a study to its end, or as far as a budget goes.
///
/// # Errors
/// [`LabError::Stopped`] after a stop: what was told is recorded, and the study goes on to the same
/// trials. A build other than the one it was opened with. A ledger that cannot be written.
pub fn run_within(lab: &Lab, opened: &Opened, threads: usize, budget: Budget) -> Result<Ended, LabError> {
    same_build(opened)?;
    if opened.seed == Seed::Wanting {
        let what = format!("a witness is to give the study '{}' its seed, and has not", opened.study.name);
        return Err(LabError::usage(what, format!("ask it with `assay study resume {}`", opened.study.name)));
    }
    let evaluator = opened.evaluator()?;
    let writer = lab.writer()?;
    let record = recorded(&writer.log, opened.id)?;
    if record.closed {
        return finish(lab, opened, &evaluator, writer, &record).map(|()| Ended::Already);
    }
    let (writer, record) = trials(lab, opened, &evaluator, (threads, budget), writer, record)?;
    let total = opened.study.trials;
    if (record.finished.len() as u32) < total {
        lab.refresh_mirror()?;
        let (done, name) = (record.finished.len(), &opened.study.name);
        if !lab.session.stop.requested() {
            return Ok(Ended::Paused(done as u32));
        }
        let words = format!("{done} of {total} trials are recorded; go on with `assay study resume {name}`");
        return Err(LabError::Stopped(words));
    }
    let mut writer = writer;
    let ended = close(opened, &evaluator, &mut writer, &record)?;
    finish(lab, opened, &evaluator, writer, &record).map(|()| ended)
}

/// Refuses a study of another build.
pub(super) fn same_build(opened: &Opened) -> Result<(), LabError> {
    if opened.environment == environment() {
        return Ok(());
    }
    Err(LabError::usage(
        "a study goes on only with the build it was opened with: another one could give other trials",
        "use that build, or open a new study",
    ))
}

/// Refuses a study whose figures this build would not give.
pub(super) fn same_results(opened: &Opened) -> Result<(), LabError> {
    if opened.environment.results == Some(RESULTS) {
        return Ok(());
    }
    let what = format!("the study has results of another version than {RESULTS}, which this build computes");
    Err(LabError::usage(what, "use a build of its version"))
}

/// Records the closing statistics. Another process may have run the same study to the same trials and
/// closed it first: then its closing stands.
fn close(opened: &Opened, evaluator: &Evaluator<'_>, writer: &mut Writer, record: &Record) -> Result<Ended, LabError> {
    writer.keep()?;
    let now = recorded(&writer.log, opened.id)?;
    // Or have extended it meanwhile.
    let ours = !now.closed && now.case.study.trials == opened.study.trials;
    if ours {
        let bars = evaluator.out_of_sample().len();
        let end = close_study(opened.id, &record.finished, bars, &now.lineage);
        match now.case.rounds {
            0 => writer.record_one(end),
            round => {
                let StudyClosed { study_id, trials, best, statistics } = end;
                writer.record_one(StudyClosedV2 { study_id, round, trials, best, statistics })
            }
        }?;
    }
    writer.release();
    Ok(if ours { Ended::Complete } else { Ended::Already })
}

/// Asks, evaluates and records the trials that are still wanting.
fn trials(
    lab: &Lab,
    opened: &Opened,
    evaluator: &Evaluator<'_>,
    (threads, budget): (usize, Budget),
    mut writer: Writer,
    mut record: Record,
) -> Result<(Writer, Record), LabError> {
    let session = &lab.session;
    let no_threads = |e| LabError::could_not(format!("cannot start threads: {e}"));
    let pool = assay_research::thread_pool(threads).map_err(no_threads)?;
    let _watched = session.stop.watch();
    let (sender, groups) = sync_channel(WAITING);
    let (until, reached) = (budget.time.map(|time| Instant::now() + time), AtomicBool::new(false));
    let stop = || {
        session.stop.requested() || reached.load(Ordering::Relaxed) || until.is_some_and(|end| Instant::now() >= end)
    };
    let progress = |p: &StudyProgress| {
        let good = |(_, best): (u32, f64)| budget.target.is_some_and(|target| best >= target);
        reached.fetch_or(p.best.is_some_and(good), Ordering::Relaxed);
        session.progress(&Progress::Trials(p));
    };
    let wrote = std::thread::scope(|scope| {
        let recorder = scope.spawn(|| keep_recording(&mut writer, groups));
        let told = study::run(
            &pool,
            evaluator,
            opened.id,
            &mut record.finished,
            |events| tell(&sender, events),
            progress,
            stop,
        );
        drop(sender);
        session.progress(&Progress::Ended);
        let wrote = recorder.join().unwrap_or_else(|_| Err(LabError::could_not("the recording thread ended early")));
        // A closed channel only says that recording failed: its own error says why.
        wrote.and(told)
    });
    wrote?;
    Ok((writer, record))
}

fn tell(sender: &SyncSender<Vec<Event>>, events: Vec<Event>) -> Result<(), LabError> {
    sender.send(events).map_err(|_| LabError::could_not("the trials cannot be recorded"))
}

/// Records what comes, in groups, until nobody sends any more; then publishes.
fn keep_recording(writer: &mut Writer, groups: Receiver<Vec<Event>>) -> Result<(), LabError> {
    let (mut group, mut since, mut published) = (Vec::new(), Instant::now(), Instant::now());
    loop {
        let next = groups.recv_timeout(GROUP_TIME.saturating_sub(since.elapsed()));
        let ended = matches!(next, Err(RecvTimeoutError::Disconnected));
        if let Ok(events) = next {
            group.extend(events);
        }
        if !group.is_empty() && (ended || group.len() >= GROUP || since.elapsed() >= GROUP_TIME) {
            writer.record(&std::mem::take(&mut group))?;
        }
        if group.is_empty() && since.elapsed() >= GROUP_TIME {
            since = Instant::now();
        }
        if ended || published.elapsed() >= PUBLISH {
            writer.publish()?;
            published = Instant::now();
        }
        if ended {
            return Ok(());
        }
    }
}

/// Records the walk-forward of the best trial, if there is one and it is not recorded yet.
fn finish(
    lab: &Lab,
    opened: &Opened,
    evaluator: &Evaluator<'_>,
    mut writer: Writer,
    record: &Record,
) -> Result<(), LabError> {
    let number = best(&record.finished).map(|(number, _)| number);
    let chosen = number.and_then(|n| record.finished.iter().find(|f| f.number == n));
    if let Some(trial) = chosen.filter(|t| !record.case.walked.contains(&t.number)) {
        writer.record_one(walk_forward(opened, evaluator, trial)?)?;
    }
    writer.publish()?;
    lab.refresh_mirror()
}

/// The walk-forward event of a trial: what is out of sample of its run.
///
/// # Errors
/// A trial that cannot be simulated.
pub fn walk_forward(
    opened: &Opened,
    evaluator: &Evaluator<'_>,
    trial: &Finished,
) -> Result<WalkForwardCompleted, LabError> {
    let found = evaluator.recorded_run(&trial.seen.params)?;
    let metrics = assay_shared::metric::of(&found.tested(), opened.market.interval_ms);
    Ok(WalkForwardCompleted {
        study_id: opened.id,
        number: trial.number,
        folds: recorded_folds_v1(&trial.folds),
        metrics: metrics.into_iter().map(|(k, v)| (k.name().into(), Real(v))).collect(),
        stream_hash: found.run.stream_hash.0,
    })
}
