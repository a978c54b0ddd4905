//! Event ids to positions: sorted runs, each over whole segments, merged as they grow like the digits of
//! a binary counter. So there are never more runs than the number of segments has bits, an id is found
//! with a few reads whatever the log's length, and nothing is kept in memory for it but, for whoever
//! writes, filters up to a budget.
//!
//! Runs are derived from the segments. Segments that no run covers are searched one by one.

mod run;
mod write;

use crate::error::LedgerError;
use crate::format::entry::EventId;
use crate::format::hash::Hash;
use crate::storage::disk::{Disk, Open};
pub use run::Probe;
use run::{Records, Run, file_name};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use write::Writer;

/// Bytes of filters that are kept in memory.
const FILTER_BUDGET: usize = 32 << 20;
/// Runs of more segments are not merged: places in a run are 32 bits.
const MAX_SEGMENTS: u64 = 1 << 15;

/// The runs of a journal. Clones share them.
#[derive(Debug, Clone)]
pub struct Ids {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    per_segment: u64,
    /// In order, without gaps from the first entry on.
    runs: Vec<Arc<Run>>,
    spoiled: Arc<AtomicBool>,
}

impl Ids {
    /// Opens the runs of a folder that cover its first segments, up to `segments` of them, among those that
    /// the log's key vouched for.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, per_segment: u64, segments: u64, vouched: &[(u64, u64, Hash)]) -> Ids {
        let mut ids = Ids { disk, dir: dir.into(), per_segment, runs: Vec::new(), spoiled: Arc::default() };
        for (first, count, hash) in vouched {
            let (at, fits) = (ids.covered(), *count <= segments.saturating_sub(ids.covered()));
            if *first == at * per_segment && fits {
                let file = ids.disk.open(&ids.dir.join(file_name(*first, *count)), Open::Read).ok();
                let run = file.and_then(|f| Run::open(f, *first, *count, per_segment));
                ids.runs.extend(run.filter(|run| run.hash == *hash).map(Arc::new));
            }
        }
        ids
    }

    /// The runs, for the log's key to sign: none, once one was found not to be as it was written. Then all are
    /// made again by whoever writes next.
    pub fn sums(&self) -> Vec<(u64, u64, Hash)> {
        let all = if self.spoiled.load(Ordering::Relaxed) { &[] } else { &self.runs[..] };
        all.iter().map(|run| (run.first, run.segments, run.hash)).collect()
    }

    /// What is not as it was written is remembered.
    fn noted<T>(&self, read: Result<T, LedgerError>) -> Result<T, LedgerError> {
        if read.is_err() {
            self.spoiled.store(true, Ordering::Relaxed);
        }
        read
    }

    /// Removes the files that are none of the runs, once those are vouched for: what was merged into them, and
    /// what a writer began that died.
    pub fn tidy(&self) {
        for name in self.disk.list(&self.dir).unwrap_or_default() {
            let mine = |(first, segments)| self.runs.iter().any(|r| (r.first, r.segments) == (first, segments));
            if name.contains(".ids") && !run::parse_name(&name).is_some_and(mine) {
                let _ = self.disk.remove(&self.dir.join(&name));
            }
        }
    }

    /// Segments that are covered.
    pub fn covered(&self) -> u64 {
        self.runs.iter().map(|r| r.segments).sum()
    }

    /// Files that are open for it.
    pub fn files(&self) -> usize {
        self.runs.len()
    }

    /// Keeps the filters of the runs in memory, as far as the budget goes, the small ones first.
    pub fn load_filters(&mut self) {
        let mut left = FILTER_BUDGET;
        for run in self.runs.iter().rev() {
            match left.checked_sub(run.filter_len()) {
                Some(rest) if run.load_filter() => left = rest,
                _ => return,
            }
        }
    }

    /// The first position of an id.
    ///
    /// # Errors
    /// [`LedgerError::Index`] for a run that is damaged.
    pub fn find(&self, id: &EventId) -> Result<Option<u64>, LedgerError> {
        // Once one was found not to be as it was written, nothing is asked of any: each answer would have to be
        // looked for in the segments again.
        if self.spoiled.load(Ordering::Relaxed) {
            return Err(LedgerError::Index { path: "the ids".into(), what: "they are to be made again".into() });
        }
        let probe = Probe::of(id);
        for run in &self.runs {
            if let Some(place) = self.noted(run.find(id, &probe))? {
                return Ok(Some(run.first + place));
            }
        }
        Ok(None)
    }

    /// Of the numbered ids, leaves those that may be in some run; the others are in none.
    pub fn possible(&self, probes: &[Probe]) -> Vec<usize> {
        let mut out = Vec::new();
        for run in &self.runs {
            run.possible(probes, &mut out);
        }
        out.sort_unstable();
        out.dedup();
        out
    }

    /// Adds the ids of the next segment, each with its place in it, and merges what is to be merged.
    ///
    /// # Errors
    /// The system's; then fewer segments are covered.
    pub fn add(&mut self, mut ids: Vec<(EventId, u32)>) -> io::Result<()> {
        ids.sort_unstable();
        let first = self.covered() * self.per_segment;
        let mut writer = Writer::create(&*self.disk, &self.dir, first, 1, ids.len() as u64)?;
        for (id, place) in &ids {
            writer.push(id, *place)?;
        }
        self.runs.push(Arc::new(self.finish(writer)?));
        while let [.., a, b] = &self.runs[..] {
            if a.segments != b.segments || a.segments + b.segments > MAX_SEGMENTS {
                break;
            }
            let merged = self.merge(a, b)?;
            // Their files stay until the longer one is vouched for: until then they are what is gone by.
            self.runs.truncate(self.runs.len() - 2);
            self.runs.push(Arc::new(merged));
        }
        // Only now, so that no filter is in memory beside those that were merged into it.
        if let Some(run) = self.runs.last().filter(|run| run.filter_len() <= FILTER_BUDGET / 2) {
            run.load_filter();
        }
        Ok(())
    }

    fn finish(&self, writer: Writer) -> io::Result<Run> {
        let (first, segments) = (writer.first, writer.segments);
        let path = writer.finish(&*self.disk, &self.dir)?;
        let run = Run::open(self.disk.open(&path, Open::Read)?, first, segments, self.per_segment);
        let mut run = run.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        run.mine = true;
        Ok(run)
    }

    fn merge(&self, a: &Run, b: &Run) -> io::Result<Run> {
        let (segments, count) = (a.segments + b.segments, a.count + b.count);
        let writer = Writer::create(&*self.disk, &self.dir, a.first, segments, count)?;
        let temp = writer.temp.clone();
        self.merge_into(writer, a, b).inspect_err(|_| drop(self.disk.remove(&temp)))
    }

    fn merge_into(&self, mut writer: Writer, a: &Run, b: &Run) -> io::Result<Run> {
        let (mut left, mut right) = (a.records(), b.records());
        let next = |from: &mut Records<'_>| self.noted(from.next()).map_err(io::Error::other);
        let (mut next_left, mut next_right) = (next(&mut left)?, next(&mut right)?);
        let shift = (b.first - a.first) as u32;
        loop {
            let left_first = match (&next_left, &next_right) {
                (Some(l), Some(r)) => l.0 <= r.0,
                (Some(_), None) => true,
                (None, _) => false,
            };
            if left_first && let Some((id, place)) = next_left {
                writer.push(&id, place)?;
                next_left = next(&mut left)?;
            } else if let Some((id, place)) = next_right {
                writer.push(&id, place + shift)?;
                next_right = next(&mut right)?;
            } else {
                return self.finish(writer);
            }
        }
    }

    /// Forgets the runs that cover anything from the `segments`th segment on, and removes their files.
    pub fn cut(&mut self, segments: u64) {
        while self.covered() > segments {
            if let Some(run) = self.runs.pop() {
                let _ = self.disk.remove(&self.dir.join(file_name(run.first, run.segments)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::disk::RealDisk;

    const PER: u64 = 1024;

    fn id(n: u64) -> EventId {
        // Some stand in one corner, most are hashes.
        if n.is_multiple_of(5) { EventId((n as u128).to_be_bytes()) } else { EventId::derived(&[&n.to_be_bytes()]) }
    }

    fn open(dir: &Path, segments: u64) -> Ids {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        // As if the log's key had signed what is there.
        let names = disk.list(dir).unwrap();
        let mut runs: Vec<(u64, u64)> = names.iter().filter_map(|n| run::parse_name(n)).collect();
        runs.sort_by_key(|(first, count)| (*first, std::cmp::Reverse(*count)));
        let sum = |(first, count): (u64, u64)| {
            let file = disk.open(&dir.join(file_name(first, count)), Open::Read).unwrap();
            Some((first, count, Run::open(file, first, count, PER)?.hash))
        };
        let runs: Vec<_> = runs.into_iter().filter_map(sum).collect();
        Ids::open(disk, dir, PER, segments, &runs)
    }

    /// Every id is found at its place and no other one, through all merges, with filters and without,
    /// and opened anew; there are few runs.
    #[test]
    fn all_are_found_in_few_runs() {
        let dir = tempfile::tempdir().unwrap();
        let mut ids = open(dir.path(), 0);
        for segment in 0..13u64 {
            ids.add((0..PER).map(|n| (id(segment * PER + n), n as u32)).collect()).unwrap();
            assert_eq!((ids.covered(), ids.files()), (segment + 1, (segment + 1).count_ones() as usize));
        }
        ids.tidy();
        let mut anew = open(dir.path(), 13);
        assert_eq!((anew.covered(), anew.files()), (13, 3));
        for filters in [false, true] {
            if filters {
                anew.load_filters();
            }
            for n in (0..13 * PER).step_by(3) {
                assert_eq!(anew.find(&id(n)).unwrap(), Some(n), "{n}");
                assert_eq!(anew.find(&EventId::derived(&[b"none", &n.to_be_bytes()])).unwrap(), None);
                assert_eq!(ids.find(&id(n)).unwrap(), Some(n));
            }
            for none in [[0xff; 16], [0x55; 16]] {
                assert_eq!(anew.find(&EventId(none)).unwrap(), None);
            }
            let mine: Vec<Probe> = (0..3000).map(|n| Probe::of(&id(n * 4))).collect();
            assert_eq!(anew.possible(&mine), (0..3000).collect::<Vec<_>>());
            let others: Vec<Probe> =
                (0..9000u32).map(|n| Probe::of(&EventId::derived(&[b"x", &n.to_be_bytes()]))).collect();
            let kept = anew.possible(&others).len();
            assert!(if filters { kept < 300 } else { kept == 9000 }, "{kept} of 9000 pass the filters");
        }
        assert_eq!(open(dir.path(), 9).covered(), 8, "what covers more than there is, is not used");
        anew.cut(9);
        assert_eq!((anew.covered(), open(dir.path(), 13).covered()), (8, 8));
        let names = RealDisk.list(dir.path()).unwrap();
        assert_eq!(names.len(), 1, "{names:?}");
    }

    /// Whatever is changed in a run after it was signed: an error or no run, never another answer, neither
    /// about an id that is there nor about one that is not; and what covers less is gone on with.
    #[test]
    fn damage_never_gives_another_answer() {
        let dir = tempfile::tempdir().unwrap();
        let mut ids = open(dir.path(), 0);
        ids.add((0..PER).map(|n| (id(n), n as u32)).collect()).unwrap();
        let (signed, path) = (ids.sums(), dir.path().join(file_name(0, 1)));
        let good = std::fs::read(&path).unwrap();
        let again = || Ids::open(Arc::new(RealDisk), dir.path(), PER, 1, &signed);
        let mut refused = [0; 3];
        for at in (0..good.len()).step_by(37) {
            let mut bad = good.clone();
            bad[at] ^= 16;
            std::fs::write(&path, bad).unwrap();
            let mut ids = again();
            refused[0] += usize::from(ids.covered() == 0);
            let there = ids.covered() == 1;
            for filters in [false, true].into_iter().filter(|_| there) {
                if filters {
                    ids.load_filters();
                }
                for n in (0..PER).step_by(11) {
                    let (there, none) = (id(n), EventId::derived(&[b"none", &n.to_be_bytes()]));
                    for (asked, right) in [(there, Some(n)), (none, None)] {
                        match ids.find(&asked) {
                            Ok(found) => assert_eq!(found, right, "byte {at}"),
                            Err(_) => refused[1] += 1,
                        }
                    }
                }
            }
            let merged = ids.add((0..PER).map(|n| (id(PER + n), n as u32)).collect());
            refused[2] += usize::from(merged.is_err());
            assert_eq!(merged.is_err() && ids.covered() > 0, ids.sums().is_empty(), "what is spoiled is not signed");
            for name in RealDisk.list(dir.path()).unwrap().iter().filter(|n| **n != file_name(0, 1)) {
                std::fs::remove_file(dir.path().join(name)).unwrap();
            }
        }
        assert!(refused[0] > 0 && refused[1] > 100 && refused[2] > 100, "{refused:?}");
        std::fs::write(&path, &good[..good.len() - 1]).unwrap();
        assert_eq!(again().covered(), 0);
        std::fs::write(&path, &good).unwrap();
        assert_eq!((again().covered(), again().find(&id(7)).unwrap()), (1, Some(7)));
    }

    /// Ids that crowd one bucket are searched, and what was changed among them is found.
    #[test]
    fn crowded_buckets() {
        let dir = tempfile::tempdir().unwrap();
        let per = 8192;
        let crowd = |n: u64| EventId((n as u128 * 7).to_be_bytes());
        let mut ids = Ids::open(Arc::new(RealDisk), dir.path(), per, 0, &[]);
        ids.add((0..per).map(|n| (crowd(n), n as u32)).collect()).unwrap();
        let signed = ids.sums();
        let again = || Ids::open(Arc::new(RealDisk), dir.path(), per, 1, &signed);
        assert!((0..per).step_by(501).all(|n| again().find(&crowd(n)).unwrap() == Some(n)));
        assert_eq!(again().find(&EventId(8u128.to_be_bytes())).unwrap(), None);
        let path = dir.path().join(file_name(0, 1));
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(again().find(&crowd(3)).is_err() && again().find(&EventId(8u128.to_be_bytes())).is_err());
    }
}
