//! What a ledger says of a study: its trials, how much of its end, and how much was tried beside it.

use crate::error::LabError;
use assay_ledger::Hash;
use assay_ledger::Log;
use assay_research::study::Finished;
use assay_shared::event::Event;
use std::collections::BTreeSet;

/// A study as recorded.
#[derive(Debug, Default)]
pub struct Record {
    /// Its trials, in the order of the log.
    pub finished: Vec<Finished>,
    /// Whether its closing statistics are recorded.
    pub closed: bool,
    /// Whether the walk-forward of its best trial is. A kill can fall between the two.
    pub walked: bool,
    /// Trials ever recorded on the same data, this study's included.
    pub lineage: u64,
}

/// Reads a study's record from a log.
///
/// # Errors
/// An entry that cannot be read.
pub fn recorded(log: &Log, id: [u8; 16], data: Hash) -> Result<Record, LabError> {
    let mut out = Record::default();
    let mut same_data = BTreeSet::new();
    log.scan(0, |entry| {
        match Event::of(&entry)? {
            event @ (Event::StudyOpened(_) | Event::StudyOpenedV2(_)) => {
                let opened = event.study().filter(|e| e.data_hash == data.0);
                same_data.extend(opened.map(|e| e.study_id));
            }
            Event::StudyClosed(e) if e.study_id == id => out.closed = true,
            Event::WalkForwardCompleted(e) if e.study_id == id => out.walked = true,
            event => {
                let of = event.trial_key().map(|t| t.0);
                out.lineage += u64::from(of.is_some_and(|s| same_data.contains(&s)));
                if of == Some(id) {
                    out.finished.extend(Finished::of(&event));
                }
            }
        }
        Ok::<(), LabError>(())
    })?;
    Ok(out)
}
