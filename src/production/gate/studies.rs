//! What a log's events say of its studies, gathered as they come.

use assay_ledger::{Authority, Entry, PublicKey, Reason};
use assay_shared::event::roster::Roster;
use assay_shared::event::{Event, EventError};
use assay_shared::recount::{Case, Finding, Tally};
use assay_shared::study::Study;
use std::collections::BTreeMap;

/// A study, as far as it decides whether it is worth computing again.
#[derive(Debug, Clone, Default)]
pub(super) struct Course {
    /// Where it was opened.
    pub first: u64,
    /// Where the last event stands that changes what it computes to.
    pub last: u64,
    /// Whether it is closed.
    pub closed: bool,
    /// Whether one of its trials was run on both engines, as everything is that will be proposed.
    pub parity: bool,
}

/// Gathers while a log is read.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// What was tried.
    pub tally: Tally,
    /// Studies by id.
    pub courses: BTreeMap<[u8; 16], Course>,
    /// Where snapshots and rule books are registered, and what else belongs to no study.
    pub registered: Vec<u64>,
    /// Where strategies are registered first, by hash: there may be as many as studies.
    pub strategies: BTreeMap<[u8; 32], u64>,
    /// The first event that is malformed, or not named after what it records.
    pub odd: Option<(u64, String)>,
    /// Those that are wanted whole.
    pub cases: BTreeMap<[u8; 16], Option<Result<Case, Finding>>>,
}

impl Gathering {
    /// Gathers these studies whole.
    pub(super) fn of(wanted: impl IntoIterator<Item = [u8; 16]>) -> Gathering {
        Gathering { cases: wanted.into_iter().map(|id| (id, None)).collect(), ..Gathering::default() }
    }

    /// Takes the next entry.
    pub(super) fn push(&mut self, entry: &Entry) {
        if !Tally::reads(entry.kind()) || self.odd.is_some() {
            return;
        }
        match Event::of(entry) {
            Ok(event) => self.take(entry, &event, is_named(entry, &event)),
            // One of a version that is unknown here counts for nothing in another's log.
            Err(EventError::Unsupported { .. }) => {}
            Err(e) => self.odd = Some((entry.seq, e.to_string())),
        }
    }

    /// Takes the event of the next entry.
    fn take(&mut self, entry: &Entry, event: &Event, named: bool) {
        if self.odd.is_some() {
            return;
        }
        let seq = entry.seq;
        if !named {
            let what = format!("a {} whose id is not that of what it records", event.kind());
            return self.odd = Some((seq, what));
        }
        if let Some(what) = uncountable(event) {
            return self.odd = Some((seq, what));
        }
        if let Some(id) = study_of(event) {
            if let Some(case) = self.cases.get_mut(&id) {
                if case.is_none() && event.opens_study().is_some() {
                    *case = Some(Case::open(seq, event, &self.tally).map(|case| case.at(entry)));
                }
                if let Some(Ok(case)) = case {
                    case.comes_at(entry);
                    case.push(seq, event, &self.tally);
                }
            }
            let course = self.courses.entry(id).or_insert_with(|| Course { first: seq, ..Course::default() });
            match event {
                Event::ParityVerified(_) => course.parity = true,
                _ => course.last = seq,
            }
            course.closed = (course.closed || event.closing().is_some()) && !matches!(event, Event::StudyExtended(_));
        }
        match event {
            Event::StrategyRegistered(e) => {
                self.strategies.entry(e.hash).or_insert(seq);
            }
            event if study_of(event).is_none() && Tally::reads(entry.kind()) => self.registered.push(seq),
            _ => {}
        }
        self.tally.push(seq, event);
    }
}

/// Most trials that a study asks for, and that are declared at once: as the program that records them allows.
const MOST: (u32, u64) = (1_000_000, 1_000_000_000);

/// Why it cannot be told how many trials an event stands for: they would count as none, or drown every other number.
fn uncountable(event: &Event) -> Option<String> {
    match event {
        Event::TrialsDeclared(e) if e.trials > MOST.1 => {
            Some(format!("{} trials are declared, over {}", e.trials, MOST.1))
        }
        Event::StudyExtended(e) if e.trials > MOST.0 => {
            Some(format!("a study goes on by {} trials, over {}", e.trials, MOST.0))
        }
        event if event.opens_study().is_some() => match event.study().map(|s| Study::recorded(&s.text)) {
            Some(Ok(study)) if study.trials <= MOST.0 => None,
            Some(Ok(study)) => Some(format!("a study asks for {} trials, over {}", study.trials, MOST.0)),
            Some(Err(e)) => Some(format!("a study whose text cannot be read: {e}")),
            None => None,
        },
        _ => None,
    }
}

/// Follows a log: who may sign, and what it says of its studies.
#[derive(Debug, Default)]
pub(super) struct Follower {
    /// Its keys.
    pub roster: Roster,
    /// Its studies.
    pub gathering: Gathering,
}

/// An event, and whether its entry has the id of what it records.
#[derive(Debug)]
pub(super) struct Noted {
    event: Result<Event, EventError>,
    named: bool,
}

impl Authority for Follower {
    type Note = Noted;

    fn note(entry: &Entry) -> Noted {
        let event = Event::of(entry);
        let named = event.as_ref().map_or(true, |event| is_named(entry, event));
        Noted { event, named }
    }

    fn admit(&mut self, entry: &Entry, note: Noted) -> Result<PublicKey, (Reason, String)> {
        let Follower { roster, gathering } = self;
        roster.admit_with(entry, note.event, |event| gathering.take(entry, event, note.named))
    }

    fn log_key(&self) -> Option<[u8; 32]> {
        self.roster.log_key
    }
}

/// The study that an event belongs to.
fn study_of(event: &Event) -> Option<[u8; 16]> {
    match event {
        Event::ParityVerified(e) => Some(e.study_id),
        Event::StudyClosed(e) => Some(e.study_id),
        Event::StudyClosedV2(e) => Some(e.study_id),
        Event::StudyExtended(e) => Some(e.study_id),
        Event::StudySeeded(e) => Some(e.study_id),
        Event::PrunedTrialFinished(e) => Some(e.study_id),
        Event::WalkForwardCompleted(e) => Some(e.study_id),
        Event::VaultOpened(e) => Some(e.study_id),
        Event::ForwardRunCompleted(e) => Some(e.study_id),
        event => event.opens_study().or_else(|| event.trial_key().map(|(id, _)| id)),
    }
}

/// Studies, trials and closings have ids of what they are, so that none can stand twice: an entry with another id
/// would be a second one.
fn is_named(entry: &Entry, event: &Event) -> bool {
    let keyed = event.opens_study().is_some()
        || event.trial_key().is_some()
        || event.later().is_some()
        || event.closing().is_some()
        || matches!(event, Event::StudyExtended(_) | Event::PrunedTrialFinished(_) | Event::StudySeeded(_));
    !keyed || event.id(entry.payload()) == entry.id
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_shared::event::TrialsDeclared;

    /// A number that no search could have would drown all others for good: whoever keeps the log is told before it stands.
    #[test]
    fn what_cannot_be_counted() {
        let declared = |trials| {
            let source = "a grid".to_string();
            let symbols = vec!["BTCUSDT".to_string()];
            let e = TrialsDeclared { symbols, first_ms: 0, last_ms: 1, trials, source, file_sha256: [0; 32] };
            uncountable(&Event::from(e))
        };
        assert_eq!(declared(1_000_000_000), None);
        assert!(declared(u64::MAX).unwrap().contains("over 1000000000"));
    }
}
