//! What a ledger says of a study: its trials, how much of its end, and how much was tried beside it.

use crate::error::LabError;
use assay_ledger::Hash;
use assay_ledger::Log;
use assay_research::study::Finished;
use assay_shared::event::Event;
use std::collections::{BTreeMap, BTreeSet};

/// A study as recorded.
#[derive(Debug, Default)]
pub struct Record {
    /// Its trials, in the order of the log.
    pub finished: Vec<Finished>,
    /// Whether its closing statistics are recorded.
    pub closed: bool,
    /// Whether the walk-forward of its best trial is. A kill can fall between the two.
    pub walked: bool,
    /// Trials ever recorded on data that share a symbol at a time with these, this study's included.
    pub lineage: u64,
}

/// What a snapshot covers.
#[derive(Debug, Default)]
struct Cover {
    symbols: BTreeSet<String>,
    /// First and last opening time, milliseconds since 1970.
    span: (i64, i64),
}

impl Cover {
    /// Whether both have a symbol in common at a time.
    fn meets(&self, other: &Cover) -> bool {
        let (from, to) = (self.span.0.max(other.span.0), self.span.1.min(other.span.1));
        from <= to && !self.symbols.is_disjoint(&other.symbols)
    }
}

/// Reads a study's record from a log.
///
/// # Errors
/// An entry that cannot be read.
pub fn recorded(log: &Log, id: [u8; 16], data: Hash) -> Result<Record, LabError> {
    let mut out = Record::default();
    // The same prices come under many hashes: with other fields, other symbols, finer bars, a day more.
    let (mut covers, mut studies, mut tried) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::<_, u64>::new());
    log.scan(0, |entry| {
        match Event::of(&entry)? {
            event @ (Event::StudyOpened(_) | Event::StudyOpenedV2(_)) => {
                studies.extend(event.study().map(|e| (e.study_id, e.data_hash)));
            }
            Event::StudyClosed(e) if e.study_id == id => out.closed = true,
            Event::WalkForwardCompleted(e) if e.study_id == id => out.walked = true,
            event => {
                if let Some(f) = event.snapshot() {
                    let symbols = f.symbols.into_iter().collect();
                    covers.insert(f.data_hash, Cover { symbols, span: (f.first_ms, f.last_ms) });
                } else if let Some((of, _)) = event.trial_key() {
                    *tried.entry(of).or_default() += 1;
                    if of == id {
                        out.finished.extend(Finished::of(&event));
                    }
                }
            }
        }
        Ok::<(), LabError>(())
    })?;
    let own = covers.get(&data.0);
    let counts =
        |other: &[u8; 32]| *other == data.0 || own.zip(covers.get(other)).is_some_and(|(own, other)| own.meets(other));
    let all = tried.iter().filter(|(study, _)| studies.get(*study).is_some_and(counts));
    out.lineage = all.map(|(_, trials)| trials).sum();
    Ok(out)
}
