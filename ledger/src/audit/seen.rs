//! The event ids of a log, to find every one that stands twice: exactly, and in bounded memory.
//!
//! Ids are gathered in runs. A full run is sorted and put into a file without a name in the
//! system's folder for temporary files; at the end all runs are merged. Where no such file can be
//! written, the run stays in memory.

use crate::format::entry::EventId;
use rayon::prelude::*;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, Write as _};

/// Ids of a run: 24 bytes each.
const RUN: usize = 1 << 19;
const RECORD: usize = 24;

/// An id, and the sequence number of its entry.
type Record = (EventId, u64);

#[derive(Debug)]
enum Run {
    File(BufReader<File>),
    Memory(std::vec::IntoIter<Record>),
}

impl Run {
    fn next(&mut self) -> io::Result<Option<Record>> {
        let file = match self {
            Run::Memory(rest) => return Ok(rest.next()),
            Run::File(file) => file,
        };
        let (mut id, mut seq) = ([0; 16], [0; 8]);
        match file.read_exact(&mut id) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        file.read_exact(&mut seq)?;
        Ok(Some((EventId(id), u64::from_be_bytes(seq))))
    }
}

/// The ids seen so far.
#[derive(Debug)]
pub struct Seen {
    now: Vec<Record>,
    full: usize,
    runs: Vec<Run>,
}

impl Default for Seen {
    fn default() -> Seen {
        Seen::in_runs_of(RUN)
    }
}

impl Seen {
    /// Nothing seen yet; ids go to a file when there are `full` of them.
    pub fn in_runs_of(full: usize) -> Seen {
        Seen { now: Vec::new(), full, runs: Vec::new() }
    }

    /// Takes the id of an entry.
    pub fn push(&mut self, id: EventId, seq: u64) {
        if self.now.len() == self.full {
            self.now.par_sort_unstable();
            match spill(&self.now) {
                Ok(file) => {
                    self.runs.push(Run::File(file));
                    self.now.clear();
                }
                Err(_) => self.runs.push(Run::Memory(std::mem::take(&mut self.now).into_iter())),
            }
        }
        self.now.push((id, seq));
    }

    /// Every entry whose id stands before it already, and forgets them all.
    ///
    /// # Errors
    /// The system's, when a temporary file cannot be read back.
    pub fn repeated(&mut self) -> io::Result<Vec<Record>> {
        let mut runs = std::mem::take(&mut self.runs);
        self.now.par_sort_unstable();
        runs.push(Run::Memory(std::mem::take(&mut self.now).into_iter()));
        let mut heads = BinaryHeap::with_capacity(runs.len());
        for (n, run) in runs.iter_mut().enumerate() {
            heads.extend(run.next()?.map(|record| Reverse((record, n))));
        }
        let (mut last, mut out) = (None, Vec::new());
        while let Some(Reverse((record, n))) = heads.pop() {
            if last == Some(record.0) {
                out.push(record);
            }
            last = Some(record.0);
            heads.extend(runs[n].next()?.map(|record| Reverse((record, n))));
        }
        Ok(out)
    }
}

/// Writes a sorted run into a file that goes when it is closed.
fn spill(run: &[Record]) -> io::Result<BufReader<File>> {
    let mut out = BufWriter::new(tempfile::tempfile()?);
    for (id, seq) in run {
        let mut record = [0; RECORD];
        record[..16].copy_from_slice(&id.0);
        record[16..].copy_from_slice(&seq.to_be_bytes());
        out.write_all(&record)?;
    }
    let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    Ok(BufReader::new(file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    proptest! {
        /// Runs of any size find what a set finds.
        #[test]
        fn as_a_set_would(ids in proptest::collection::vec(0u8..40, 0..120), full in 1usize..50) {
            let (mut seen, mut set, mut expected) = (Seen::in_runs_of(full), HashSet::new(), Vec::new());
            for (seq, id) in ids.iter().enumerate() {
                let id = EventId([*id; 16]);
                seen.push(id, seq as u64);
                if !set.insert(id) {
                    expected.push((id, seq as u64));
                }
            }
            expected.sort_unstable();
            prop_assert_eq!(seen.repeated().unwrap(), expected);
            prop_assert_eq!(seen.repeated().unwrap(), vec![]);
        }
    }
}
