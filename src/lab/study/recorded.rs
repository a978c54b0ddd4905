//! What a ledger says of a study: its trials, how much of its end, and how much was tried beside it.

use crate::error::LabError;
use assay_ledger::Log;
use assay_shared::event::Event;
use assay_shared::recount::{Case, Counts, Finished, Lineage, Scope, Tally};

/// A study as recorded.
#[derive(Debug)]
pub struct Record {
    /// Its trials, in the order of the log.
    pub finished: Vec<Finished>,
    /// Whether its closing statistics are recorded.
    pub closed: bool,
    /// What was ever tried on prices that overlap with its own, in this log.
    pub lineage: Lineage,
    /// The studies of its log, as they count for others.
    pub counts: Counts,
    /// What it looks at; none of data that are not registered.
    pub scope: Option<Scope>,
    /// The study with all its events.
    pub case: Case,
}

/// Reads a study's record from a log.
///
/// # Errors
/// An entry that cannot be read, or a log without the study.
pub fn recorded(log: &Log, id: [u8; 16]) -> Result<Record, LabError> {
    let (tally, case) = recorded_as(log, id, |_| true)?;
    let scope = tally.scope(&id);
    let lineage = scope.as_ref().map(|scope| tally.lineage(scope)).unwrap_or_default();
    let (finished, closed) = (case.finished.clone(), case.closed.is_some());
    Ok(Record { finished, closed, lineage, counts: tally.counts(), scope, case })
}

/// A study and what stands beside it, as a log would have them if some events were others, or were left out where the
/// change says so.
pub(crate) fn recorded_as(
    log: &Log,
    id: [u8; 16],
    mut change: impl FnMut(&mut Event) -> bool,
) -> Result<(Tally, Case), LabError> {
    let (mut tally, mut case) = (Tally::default(), None::<Case>);
    log.scan(0, |entry| {
        let (seq, mut event) = (entry.seq, Event::of(&entry)?);
        if !change(&mut event) {
            return Ok(());
        }
        if case.is_none() && event.study().is_some_and(|s| s.study_id == id) {
            let opened = Case::open(seq, &event, &tally).map_err(|e| LabError::Verification(e.to_string()))?;
            case = Some(opened.at(&entry));
        }
        if let Some(case) = &mut case {
            case.comes_at(&entry);
            case.push(seq, &event, &tally);
        }
        tally.push(seq, &event);
        Ok::<(), LabError>(())
    })?;
    let case = case.ok_or_else(|| LabError::Verification("the ledger lacks the study".into()))?;
    Ok((tally, case))
}
