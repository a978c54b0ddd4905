//! A study computed again from its log, and what was ever tried beside it in all logs that count.

use super::checked::Checked;
use super::log::{Logs, VerifiedLog};
use super::refusal::{Code, GateError, refuse};
use super::studies::{Course, Gathering};
use assay_shared::RESULTS;
use assay_shared::event::Event;
use assay_shared::event::study::StudyFact;
use assay_shared::format::config::{LedgerRef, LiveConfig};
use assay_shared::policy::Policy;
use assay_shared::recount::{Case, Counts, Finding, LaterRun, Lineage, Looked, Scope, Wrong};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A study of so many trials has all cores for itself; of smaller ones so many are computed again together.
const LARGE: usize = 1_000;
const MANY: usize = 64;

/// A study that was computed again without a finding.
#[derive(Debug)]
pub(super) struct Judged {
    /// The study.
    pub case: Case,
    /// What was tried on prices that overlap, in all logs that count.
    pub lineage: Lineage,
}

/// Computes a study again as it stands in the first `r.size` entries of its log, and counts what the config says it
/// counted.
pub(super) fn study(
    logs: &Logs<'_>,
    log: &VerifiedLog<'_>,
    fact: &StudyFact,
    r: &LedgerRef,
) -> Result<Judged, GateError> {
    let case = case(log, r.size, fact.study_id)?;
    let trial = case.trials.iter().any(|(seq, _)| *seq == r.trial.seq);
    let closed = case.closed.as_ref().is_some_and(|(seq, _, _)| *seq == r.closed.seq);
    if case.seq != r.study.seq || !trial || !closed {
        return named_others(log, r);
    }
    let lineage = counted(logs, log, fact, r)?;
    Ok(Judged { case, lineage })
}

fn named_others<T>(log: &VerifiedLog<'_>, r: &LedgerRef) -> Result<T, GateError> {
    let place = format!("{} entry {}", log.origin, r.study.seq);
    refuse(Code::WrongEvent, place, "the config names other events than those of its study")
}

/// The same of a study that this host computed again when its log was pushed, and that is as it was then.
pub(super) fn before<'l>(
    logs: &Logs<'_>,
    log: &'l VerifiedLog<'_>,
    fact: &StudyFact,
    r: &LedgerRef,
) -> Result<Option<(&'l Checked, Lineage)>, GateError> {
    let Some(checked) = log.checked(&fact.study_id, r.size) else { return Ok(None) };
    if checked.seq != r.study.seq || checked.closed != r.closed.seq {
        return named_others(log, r);
    }
    Ok(Some((checked, counted(logs, log, fact, r)?)))
}

/// What was tried beside a study, as far as the config says it counted.
fn counted(logs: &Logs<'_>, log: &VerifiedLog<'_>, fact: &StudyFact, r: &LedgerRef) -> Result<Lineage, GateError> {
    let counts = counts(log, r.size)?;
    let Some(scope) = counts.scope(&fact.study_id) else {
        let place = format!("{} entry {}", log.origin, r.study.seq);
        return refuse(Code::StudyOpening, place, "its data are not registered");
    };
    let mut lineage = counts.lineage(scope);
    for other in &r.counted {
        let Some(log) = logs.get(&other.origin).filter(|known| known.origin != log.origin) else {
            return refuse(Code::NotCounted, &other.origin, "a log that was counted is not in the repository");
        };
        if log.root_at(other.size) != Some(other.root) {
            return refuse(Code::NotCounted, &other.origin, "what was counted is not of this log");
        }
        lineage.add(&self::lineage(log, other.size, scope)?);
    }
    Ok(lineage)
}

/// Reads the first entries of a log, with some of its studies whole.
fn gather(
    log: &VerifiedLog<'_>,
    size: u64,
    wanted: impl IntoIterator<Item = [u8; 16]>,
) -> Result<Gathering, GateError> {
    let mut out = Gathering::of(wanted);
    for seq in 0..size {
        out.push(&log.entry(seq)?);
    }
    match &out.odd {
        Some((seq, what)) => refuse(Code::MalformedEvent, format!("{} entry {seq}", log.origin), what.clone()),
        None => Ok(out),
    }
}

/// The studies of the first entries of a log: as they are known, or read again.
fn counts(log: &VerifiedLog<'_>, size: u64) -> Result<Counts, GateError> {
    if let Some((seq, what)) = log.odd.as_ref().filter(|(seq, _)| *seq < size) {
        return refuse(Code::MalformedEvent, format!("{} entry {seq}", log.origin), what.clone());
    }
    match log.counts.at(size) {
        Some(counts) => Ok(counts),
        None => Ok(gather(log, size, [])?.tally.counts()),
    }
}

/// A study as it stands in the first entries of a log, computed again.
///
/// # Errors
/// A log without it, or the first finding.
pub fn case(log: &VerifiedLog<'_>, size: u64, study_id: [u8; 16]) -> Result<Case, GateError> {
    let place = |seq: u64| format!("{} entry {seq}", log.origin);
    let Some(case) = gather(log, size, [study_id])?.cases.remove(&study_id).flatten() else {
        return refuse(Code::EventMissing, log.origin.clone(), "the study is not in its log");
    };
    let case = case.or_else(|f| refuse(code(f.wrong), place(f.seq), f.what))?;
    match found(&case) {
        None => Ok(case),
        Some(f) => refuse(code(f.wrong), place(f.seq), f.what),
    }
}

fn found(case: &Case) -> Option<Finding> {
    case.check().into_iter().chain(suggested(case)).min_by_key(|f| f.seq)
}

/// Computes those studies of a log again that somebody may propose a trial of, and that were not, so that who deploys
/// one need not wait for it. One with a finding is not among them: a proposal of it will say what is wrong.
pub(super) fn worth(log: &VerifiedLog<'_>, read: &Gathering) -> Result<Vec<Checked>, GateError> {
    if log.odd.is_some() {
        return Ok(Vec::new());
    }
    let known = |id: &[u8; 16], course: &Course| log.checked.iter().any(|c| c.is(id, course));
    let mut wanted: Vec<_> = read.courses.iter().filter(|(id, c)| c.closed && c.parity && !known(id, c)).collect();
    // In the order of the log, of which a stretch is read at a time.
    wanted.sort_by_key(|(_, course)| course.first);
    let (mut out, mut small, mut trials) = (Vec::new(), Vec::new(), 0);
    for (id, course) in wanted {
        let Some(Ok(case)) = again(log, read, id, course)? else { continue };
        if case.trials.len() >= LARGE {
            out.extend(one(&case, course.last, found));
            continue;
        }
        trials += case.trials.len();
        small.push((case, course.last));
        // No more of them are in memory than keep all cores busy.
        if trials >= LARGE || small.len() >= MANY {
            out.extend(together(&small));
            (small, trials) = (Vec::new(), 0);
        }
    }
    out.extend(together(&small));
    Ok(out)
}

/// A study, if it is of this version's results and without a finding.
fn one(case: &Case, last: u64, finding: impl Fn(&Case) -> Option<Finding>) -> Option<Checked> {
    let ours = case.fact.environment.results == Some(RESULTS) && finding(case).is_none();
    Checked::of(case, last).filter(|_| ours)
}

/// The same of small studies, each on a core of its own.
fn together(cases: &[(Case, u64)]) -> Vec<Checked> {
    let (threads, next) = (std::thread::available_parallelism().map_or(1, usize::from), AtomicUsize::new(0));
    let finding = |case: &Case| case.check().into_iter().next().or_else(|| case.suggestions(0..case.trials.len()));
    let work = || {
        let mut done = Vec::new();
        while let Some((at, (case, last))) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, cases.get(at)?)))
        {
            done.extend(one(case, *last, finding).map(|checked| (at, checked)));
        }
        done
    };
    let mut out: Vec<(usize, Checked)> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads.min(cases.len())).map(|_| scope.spawn(work)).collect();
        // What was lost is computed again when somebody proposes a trial of it.
        all.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    });
    out.sort_by_key(|(at, _)| *at);
    out.into_iter().map(|(_, checked)| checked).collect()
}

/// A study of a log that was read through: only what it stands on and its own events are read once more.
fn again(
    log: &VerifiedLog<'_>,
    read: &Gathering,
    id: &[u8; 16],
    course: &Course,
) -> Result<Option<Result<Case, Finding>>, GateError> {
    let mut gathering = Gathering::of([*id]);
    let opening = Event::of(&log.entry(course.first)?).ok().and_then(|event| event.study());
    let strategy = opening.and_then(|study| read.strategies.get(&study.strategy_hash)).copied();
    let mut before: Vec<u64> =
        read.registered.iter().copied().chain(strategy).filter(|at| *at < course.first).collect();
    before.sort_unstable();
    for seq in before.into_iter().chain(course.first..=course.last) {
        gathering.push(&log.entry(seq)?);
    }
    let mut case = gathering.cases.remove(id).flatten();
    if let Some(Ok(case)) = &mut case
        && let Some((seq, _, lineage)) = &mut case.closed
    {
        // What was tried before it was closed, by others too, which were not read.
        let counts = counts(log, *seq)?;
        *lineage = counts.scope(id).map(|scope| counts.lineage(scope)).unwrap_or_default();
    }
    Ok(case)
}

/// What was seen of a trial of a study afterwards, as its log has it now, and who looked at the same bars in all logs.
pub(super) fn seen(
    logs: &Logs<'_>,
    log: &VerifiedLog<'_>,
    study_id: [u8; 16],
    number: u32,
) -> Result<Vec<(LaterRun, Looked)>, GateError> {
    let place = |seq: u64| format!("{} entry {seq}", log.origin);
    let mut gathered = gather(log, log.len(), [study_id])?;
    let Some(Ok(case)) = gathered.cases.remove(&study_id).flatten() else {
        return refuse(Code::EventMissing, log.origin.clone(), "the study is not in its log");
    };
    if let Some(f) = case.check().into_iter().find(|f| f.wrong == Wrong::Later) {
        return refuse(code(f.wrong), place(f.seq), f.what);
    }
    let counts = logs.values().map(|log| counts(log, log.len())).collect::<Result<Vec<_>, _>>()?;
    let symbols = case.strategy.file.symbols.iter().cloned().collect();
    let looked = |run: &LaterRun| {
        let mut all = Looked::default();
        let this = (run.fact.number, run.fact.first_ms, run.fact.last_ms);
        counts.iter().for_each(|c| all.add(&c.looked(&symbols, &study_id, this)));
        all
    };
    let own = case.later.into_iter().filter(|run| run.fact.number == number);
    Ok(own.map(|run| (looked(&run), run)).map(|(looked, run)| (run, looked)).collect())
}

/// Trials of all logs that do not count beside a study, since they are said to be of other prices, and their studies.
pub(super) fn elsewhere(logs: &Logs<'_>, log: &VerifiedLog<'_>, study_id: [u8; 16]) -> Result<(u64, u64), GateError> {
    let own = counts(log, log.len())?;
    let Some(scope) = own.scope(&study_id) else { return Ok((0, 0)) };
    let mut out = (0u64, 0u64);
    for log in logs.values() {
        let (trials, studies) = counts(log, log.len())?.elsewhere(scope);
        out = (out.0.saturating_add(trials), out.1 + studies);
    }
    Ok(out)
}

/// The studies of a log, as they count for others.
///
/// # Errors
/// An entry that is malformed.
pub fn counted_of(log: &VerifiedLog<'_>) -> Result<Counts, GateError> {
    counts(log, log.len())
}

/// What a log has, in its first entries, that overlaps with a scope.
///
/// # Errors
/// An entry that is malformed.
pub fn lineage(log: &VerifiedLog<'_>, size: u64, scope: &Scope) -> Result<Lineage, GateError> {
    Ok(counts(log, size)?.lineage(scope))
}

/// What only a new proposal must keep, since later it may not: that its study has results of this version, and that
/// it counted every log, each up to a place that is not too old.
pub(super) fn current(
    logs: &Logs<'_>,
    config: &LiveConfig,
    proposed_us: u64,
    policy: &Policy,
) -> Result<(), GateError> {
    let path = LiveConfig::path(&config.promotion.strategy);
    if config.environment.results != Some(RESULTS) {
        let (of, here) = (config.environment.results.unwrap_or(1), RESULTS);
        let what =
            format!("the study has results of version {of}, and this gate computes version {here}: run it again");
        return refuse(Code::ResultsVersion, path, what);
    }
    let Some(r) = &config.ledger else { return refuse(Code::NoEvidence, path, "the config names no ledger") };
    let oldest = proposed_us.saturating_sub(u64::from(policy.gates.max_count_age_days) * 86_400_000_000);
    for log in logs.values().filter(|log| log.origin != r.origin) {
        let to = r.counted.iter().find(|c| c.origin == log.origin).map_or(0, |c| c.size);
        // The first entry that was not counted must be young.
        if to < log.len() && log.entry(to)?.time_us < oldest {
            let what = format!(
                "its entries from {to} on were not counted, and were there more than {} days before the proposal: bring \
                 its branch in, and propose again",
                policy.gates.max_count_age_days
            );
            return refuse(Code::NotCounted, &log.origin, what);
        }
    }
    Ok(())
}

/// The first trial that is not the sampler's. Each is looked at alone, so all cores look.
fn suggested(case: &Case) -> Option<Finding> {
    let (threads, trials) = (std::thread::available_parallelism().map_or(1, usize::from), case.trials.len());
    // Later trials cost more: everybody takes every so manieth piece.
    let piece = |k: usize| (k * 16)..((k + 1) * 16).min(trials);
    let pieces = trials.div_ceil(16);
    std::thread::scope(|scope| {
        let look = |first: usize| (first..pieces).step_by(threads).find_map(|k| case.suggestions(piece(k)));
        let all: Vec<_> = (0..threads).map(|first| scope.spawn(move || look(first))).collect();
        let lost =
            || Some(Finding { seq: case.seq, wrong: Wrong::Suggestion, what: "it could not be computed".into() });
        all.into_iter().filter_map(|t| t.join().unwrap_or_else(|_| lost())).min_by_key(|f| f.seq)
    })
}

fn code(wrong: Wrong) -> Code {
    match wrong {
        Wrong::Opening => Code::StudyOpening,
        Wrong::Order => Code::TrialOrder,
        Wrong::Suggestion => Code::SuggestionDiffers,
        Wrong::Figure => Code::FigureDiffers,
        Wrong::Pruning => Code::PruningDiffers,
        Wrong::Closing => Code::ClosingDiffers,
        Wrong::Later => Code::LaterDiffers,
    }
}
