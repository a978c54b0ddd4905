//! The event ids of a log, to find every one that stands twice: exactly, and in bounded memory.
//!
//! Ids are gathered in runs. A full run is sorted and put into a file without a name in the
//! system's folder for temporary files; at the end all runs are merged, ranges of ids at a time on
//! all cores. Where no such file can be written, the run stays in memory.

use crate::format::entry::EventId;
use rayon::prelude::*;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::FileExt as _;

/// Ids of a run: 24 bytes each.
const RUN: usize = 1 << 19;
const RECORD: usize = 24;
/// Ranges of ids that are merged beside each other,
const RANGES: u64 = 16;
/// and records of a run that are read at once.
const BLOCK: usize = 2048;

/// An id, and the sequence number of its entry.
type Record = (EventId, u64);

/// Sorted records.
#[derive(Debug)]
enum Run {
    File(File, usize),
    Memory(Vec<Record>),
}

impl Run {
    fn len(&self) -> usize {
        match self {
            Run::File(_, len) => *len,
            Run::Memory(records) => records.len(),
        }
    }

    /// At most `most` records from `at` on.
    fn read(&self, at: usize, most: usize, into: &mut Vec<Record>) -> io::Result<()> {
        let most = most.min(self.len().saturating_sub(at));
        into.clear();
        match self {
            Run::Memory(records) => into.extend_from_slice(&records[at..at + most]),
            Run::File(file, _) => {
                let mut bytes = vec![0; most * RECORD];
                file.read_exact_at(&mut bytes, (at * RECORD) as u64)?;
                into.extend(bytes.as_chunks::<RECORD>().0.iter().map(|r| {
                    let (mut id, mut seq) = ([0; 16], [0; 8]);
                    id.copy_from_slice(&r[..16]);
                    seq.copy_from_slice(&r[16..]);
                    (EventId(id), u64::from_be_bytes(seq))
                }));
            }
        }
        Ok(())
    }

    /// The place of the first id that belongs to `range` or one after it.
    fn begin(&self, range: u64) -> io::Result<usize> {
        let (mut low, mut high, mut one) = (0, self.len(), Vec::with_capacity(1));
        while low < high {
            let middle = low.midpoint(high);
            self.read(middle, 1, &mut one)?;
            if one.first().is_some_and(|record| range_of(&record.0) < range) { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }
}

/// The range that an id belongs to.
fn range_of(id: &EventId) -> u64 {
    (u64::from(id.0[0]) * RANGES) >> 8
}

/// What is left of a range in a run.
struct Rest<'a> {
    run: &'a Run,
    at: usize,
    end: usize,
    block: Vec<Record>,
    taken: usize,
}

impl<'a> Rest<'a> {
    fn of(run: &'a Run, range: u64) -> io::Result<Rest<'a>> {
        Ok(Rest { run, at: run.begin(range)?, end: run.begin(range + 1)?, block: Vec::new(), taken: 0 })
    }

    fn next(&mut self) -> io::Result<Option<Record>> {
        if self.taken == self.block.len() {
            self.run.read(self.at, BLOCK.min(self.end - self.at), &mut self.block)?;
            (self.at, self.taken) = (self.at + self.block.len(), 0);
        }
        self.taken += 1;
        Ok(self.block.get(self.taken - 1).copied())
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
                    self.runs.push(Run::File(file, self.now.len()));
                    self.now.clear();
                }
                Err(_) => self.runs.push(Run::Memory(std::mem::take(&mut self.now))),
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
        runs.push(Run::Memory(std::mem::take(&mut self.now)));
        let found: io::Result<Vec<_>> = (0..RANGES).into_par_iter().map(|range| merged(&runs, range)).collect();
        Ok(found?.concat())
    }
}

/// The repeated ids of a range.
fn merged(runs: &[Run], range: u64) -> io::Result<Vec<Record>> {
    let mut rests: Vec<Rest<'_>> = runs.iter().map(|run| Rest::of(run, range)).collect::<io::Result<_>>()?;
    let mut heads = BinaryHeap::with_capacity(rests.len());
    for (n, rest) in rests.iter_mut().enumerate() {
        heads.extend(rest.next()?.map(|record| Reverse((record, n))));
    }
    let (mut last, mut out) = (None, Vec::new());
    while let Some(mut head) = heads.peek_mut() {
        let Reverse((record, n)) = *head;
        if last == Some(record.0) {
            out.push(record);
        }
        last = Some(record.0);
        match rests[n].next()? {
            Some(next) => *head = Reverse((next, n)),
            None => drop(std::collections::binary_heap::PeekMut::pop(head)),
        }
    }
    Ok(out)
}

/// Writes a sorted run into a file that goes when it is closed.
fn spill(run: &[Record]) -> io::Result<File> {
    let mut out = BufWriter::new(tempfile::tempfile()?);
    for (id, seq) in run {
        let mut record = [0; RECORD];
        record[..16].copy_from_slice(&id.0);
        record[16..].copy_from_slice(&seq.to_be_bytes());
        out.write_all(&record)?;
    }
    out.into_inner().map_err(io::IntoInnerError::into_error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    proptest! {
        /// Runs of any size find what a set finds.
        #[test]
        fn as_a_set_would(ids in proptest::collection::vec(0u8..40, 0..120), wide in 1u8..7, full in 1usize..50) {
            let (mut seen, mut set, mut expected) = (Seen::in_runs_of(full), HashSet::new(), Vec::new());
            for (seq, id) in ids.iter().enumerate() {
                let id = EventId([id.wrapping_mul(wide); 16]);
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
