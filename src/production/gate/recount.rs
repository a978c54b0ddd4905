//! A study computed again from its log, and what was ever tried beside it in all logs that count.

use super::refusal::{Code, GateError, refuse};
use super::replay::{Logs, VerifiedLog};
use assay_ledger::Entry;
use assay_shared::RESULTS;
use assay_shared::event::study::StudyFact;
use assay_shared::event::{Event, EventError};
use assay_shared::format::config::{LedgerRef, LiveConfig};
use assay_shared::policy::Policy;
use assay_shared::recount::{Case, Finding, Lineage, Scope, Tally, Wrong};

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
pub(super) fn study(logs: &Logs, log: &VerifiedLog, fact: &StudyFact, r: &LedgerRef) -> Result<Judged, GateError> {
    let place = |seq: u64| format!("{} entry {seq}", log.origin);
    let (tally, case) = gather(log, r.size, Some(fact.study_id))?;
    let Some(case) = case else {
        return refuse(Code::EventMissing, place(r.study.seq), "the study is not in its log");
    };
    let case = case.or_else(|f| refuse(code(f.wrong), place(f.seq), f.what))?;
    if let Some(f) = case.check().into_iter().chain(suggested(&case)).min_by_key(|f| f.seq) {
        return refuse(code(f.wrong), place(f.seq), f.what);
    }
    let trial = case.trials.iter().any(|(seq, _)| *seq == r.trial.seq);
    let closed = case.closed.as_ref().is_some_and(|(seq, _, _)| *seq == r.closed.seq);
    if case.seq != r.study.seq || !trial || !closed {
        return refuse(Code::WrongEvent, place(r.study.seq), "the config names other events than those of its study");
    }
    let Some(scope) = tally.scope(&fact.study_id) else {
        return refuse(Code::StudyOpening, place(r.study.seq), "its data are not registered");
    };
    let mut lineage = tally.lineage(&scope);
    for other in &r.counted {
        let Some(log) = logs.get(&other.origin).filter(|known| known.origin != log.origin) else {
            return refuse(Code::NotCounted, &other.origin, "a log that was counted is not in the repository");
        };
        if log.root_at(other.size) != Some(other.root) {
            return refuse(Code::NotCounted, &other.origin, "what was counted is not of this log");
        }
        lineage.add(&self::lineage(log, other.size, &scope)?);
    }
    Ok(Judged { case, lineage })
}

/// A study as it stands in the first entries of a log, computed again.
///
/// # Errors
/// A log without it, or the first finding.
pub fn case(log: &VerifiedLog, size: u64, study_id: [u8; 16]) -> Result<Case, GateError> {
    let place = |seq: u64| format!("{} entry {seq}", log.origin);
    let Some(case) = gather(log, size, Some(study_id))?.1 else {
        return refuse(Code::EventMissing, log.origin.clone(), "the study is not in its log");
    };
    let case = case.or_else(|f| refuse(code(f.wrong), place(f.seq), f.what))?;
    match case.check().into_iter().chain(suggested(&case)).min_by_key(|f| f.seq) {
        None => Ok(case),
        Some(f) => refuse(code(f.wrong), place(f.seq), f.what),
    }
}

/// What a log has, in its first entries, that overlaps with a scope.
///
/// # Errors
/// An entry that is malformed.
pub fn lineage(log: &VerifiedLog, size: u64, scope: &Scope) -> Result<Lineage, GateError> {
    Ok(gather(log, size, None)?.0.lineage(scope))
}

/// What only a new proposal must keep, since later it may not: that its study has results of this version, and that
/// it counted every log, each up to a place that is not too old.
pub(super) fn current(logs: &Logs, config: &LiveConfig, proposed_us: u64, policy: &Policy) -> Result<(), GateError> {
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

type Gathered = (Tally, Option<Result<Case, Finding>>);

/// Reads the first entries of a log, with one study's events.
fn gather(log: &VerifiedLog, size: u64, wanted: Option<[u8; 16]>) -> Result<Gathered, GateError> {
    let (mut tally, mut case) = (Tally::default(), None::<Result<Case, Finding>>);
    for seq in 0..size {
        let entry = log.entry(seq)?;
        let Some(event) = event(&entry, &log.origin)? else { continue };
        named(&entry, &event, &log.origin)?;
        if case.is_none() && event.study().is_some_and(|s| Some(s.study_id) == wanted) {
            case = Some(Case::open(seq, &event, &tally));
        }
        if let Some(Ok(case)) = &mut case {
            case.push(seq, &event, &tally);
        }
        tally.push(seq, &event);
    }
    Ok((tally, case))
}

/// Studies, trials and closings have ids of what they are, so that none can stand twice: an entry with another id
/// would be a second one.
fn named(entry: &Entry, event: &Event, origin: &str) -> Result<(), GateError> {
    let keyed = event.study().is_some()
        || event.trial_key().is_some()
        || matches!(event, Event::StudyClosed(_) | Event::PrunedTrialFinished(_));
    if keyed && event.draft().map(|draft| draft.id != entry.id).unwrap_or(true) {
        let what = format!("a {} whose id is not that of what it records", event.kind());
        return refuse(Code::MalformedEvent, format!("{origin} entry {}", entry.seq), what);
    }
    Ok(())
}

/// The event of an entry; one of a kind that is unknown here counts for nothing in another's log.
fn event(entry: &Entry, origin: &str) -> Result<Option<Event>, GateError> {
    match Event::of(entry) {
        Ok(event) => Ok(Some(event)),
        Err(EventError::Unsupported { .. }) => Ok(None),
        Err(e) => refuse(Code::MalformedEvent, format!("{origin} entry {}", entry.seq), e.to_string()),
    }
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
    }
}
