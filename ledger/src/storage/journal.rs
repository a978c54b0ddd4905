//! The journal: plain append-only segment files, synced group by group.
//!
//! An acknowledgement comes from here, after the sync that ends a group. A segment holds 65,536
//! entries, a subtree of its own. How many entries were acknowledged stands in the file `mark`, so that
//! a torn tail, which nobody was promised, can be told from damage.
//!
//! Everything else beside the segments is derived from them: a catalog of the full ones, their lookups,
//! runs of ids, the lookups of the last one. What is read by them is compared with the tree.

use crate::error::LedgerError;
use crate::format::entry::{Entry, EventId, is_newer};
use crate::format::frame::{self, Frame};
use crate::format::hash::Hash;
use crate::storage::catalog;
use crate::storage::disk::{Disk, DiskFile, Open};
use crate::storage::full::{Full, Piece};
use crate::storage::ids::Ids;
use crate::storage::rolled::Rolled;
use crate::storage::segment::{self, Edge, MARKER, Tail, damaged};
use crate::storage::sums::Sums;
use crate::storage::window::Window;
use crate::tree::merkle::{Nodes, node_hash};
use bytes::Bytes;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Entries of a full segment.
pub const SEGMENT_ENTRIES: u64 = 65_536;
/// Frames are read this many at a time.
const READ_AHEAD: u64 = 1024;

/// What reading found at the end of the last segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The last frame is whole.
    Clean,
    /// The last frame is torn: this many bytes after the last whole one.
    Torn(u64),
}

/// What an opening does with what is derived from the segments.
#[derive(Debug, Clone, Copy)]
pub enum Derived<'a> {
    /// It goes by it, as far as the log's key vouched for it.
    Used(&'a Sums),
    /// It goes by the segments alone.
    Passed,
    /// It goes by the segments, and writes it anew: under the lock.
    MadeAnew,
}

/// The segments of one log, and what they are looked up by.
#[derive(Debug)]
pub struct Journal {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    pub(crate) per_segment: u64,
    pub(crate) full: Full,
    pub(crate) ids: Ids,
    /// The segment whose derived files are being written.
    pub(crate) rolled: Option<Rolled>,
    /// Ids of segments that no run covers, once they were asked for.
    pub(crate) loose: Mutex<(Range<u64>, HashMap<EventId, u64>)>,
    /// The one before, for its memory.
    pub(crate) spare: Option<Tail>,
    pub(crate) tail: Tail,
    pub(crate) edge: Edge,
    /// What the log's key vouched for of the derived files.
    pub(crate) sums: Sums,
    pub(crate) mark: Option<Box<dyn DiskFile>>,
    /// Entries of the group that is being written.
    pub(crate) unsynced: u32,
    /// Length of the tail that was synced last.
    pub(crate) synced: u64,
}

pub(crate) fn mark_path(dir: &Path) -> PathBuf {
    dir.join("mark")
}

pub(crate) fn mark_bytes(count: u64) -> [u8; 12] {
    let mut out = [0; 12];
    out[..8].copy_from_slice(&count.to_be_bytes());
    let crc = crc32fast::hash(&out[..8]);
    out[8..].copy_from_slice(&crc.to_be_bytes());
    out
}

/// How many entries were acknowledged; a missing or torn mark promises nothing.
///
/// # Errors
/// [`LedgerError::Io`] for one that is there and cannot be read.
pub(crate) fn read_mark(disk: &dyn Disk, dir: &Path) -> Result<u64, LedgerError> {
    let path = mark_path(dir);
    let bytes = match disk.open(&path, Open::Read).and_then(|f| f.read_at(0, 12)) {
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::UnexpectedEof) => return Ok(0),
        other => other.map_err(LedgerError::io("read", &path))?,
    };
    let count = bytes.get(..8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_be_bytes);
    Ok(if bytes == mark_bytes(count) { count } else { 0 })
}

impl Journal {
    /// Makes an empty journal in a new folder.
    ///
    /// # Errors
    /// [`LedgerError::Io`].
    pub fn create(disk: &dyn Disk, dir: &Path) -> Result<(), LedgerError> {
        disk.create_dir(dir).map_err(LedgerError::io("create", dir))?;
        let mark = mark_path(dir);
        let written =
            disk.open(&mark, Open::Replace).and_then(|f| f.write_at(0, &mark_bytes(0)).and_then(|()| f.sync()));
        written.map_err(LedgerError::io("write", &mark))?;
        disk.sync_dir(dir).map_err(LedgerError::io("sync", dir))?;
        dir.parent().map_or(Ok(()), |parent| disk.sync_dir(parent).map_err(LedgerError::io("sync", parent)))
    }

    /// Opens the segments of a folder. A group of segments of `per_segment` entries each (a power
    /// of two, at least 256) makes a subtree.
    ///
    /// # Errors
    /// [`LedgerError::JournalDamaged`], [`LedgerError::BadEntry`], [`LedgerError::Io`].
    pub fn open_by(
        disk: Arc<dyn Disk>,
        dir: &Path,
        per_segment: u64,
        derived: Derived<'_>,
    ) -> Result<(Journal, Ending), LedgerError> {
        assert!(per_segment.is_power_of_two() && per_segment >= 256, "segments are whole tiles");
        let names = disk.list(dir).map_err(LedgerError::io("list", dir))?;
        let firsts: Vec<u64> = names.iter().filter_map(|n| n.strip_suffix(".seg")?.parse().ok()).collect();
        for (i, first) in firsts.iter().enumerate() {
            if *first != i as u64 * per_segment {
                return Err(damaged(&segment::path(dir, *first), 0, "a segment before it is missing"));
            }
        }
        let mut journal = Journal::fresh(disk, dir, per_segment);
        if let Derived::Used(sums) = derived {
            let promised = read_mark(&*journal.disk, dir)?;
            journal.sums = sums.clone();
            journal.full.all = catalog::read_vouched(&*journal.disk, dir, sums.catalog);
            // Only a successor shows that all of a segment was synced.
            journal.full.all.truncate(firsts.len().saturating_sub(1));
            journal.restore(promised);
        }
        journal.full.may_write = matches!(derived, Derived::MadeAnew);
        journal.ids = Ids::open(journal.disk.clone(), dir, per_segment, journal.full.count(), &journal.sums.runs);
        let ending = journal.read_on()?;
        Ok((journal, ending))
    }

    /// Goes to where the catalog ends, and on to what is written down of the segment there.
    fn restore(&mut self, promised: u64) {
        let first = self.full.count() * self.per_segment;
        if let Some((tail, edge)) = Tail::restored(&*self.disk, &self.dir, first, promised, self.sums.tail) {
            (self.tail, self.edge) = (tail, edge);
            return;
        }
        // The last entry of the last full segment says where the log stood then.
        match first.checked_sub(1).map(|last| self.get_full(last)) {
            None => {}
            Some(Ok(bytes)) => match Entry::decode(bytes) {
                Ok(entry) => {
                    self.edge = Edge { len: first, head: entry.content_hash(), time_us: entry.time_us };
                    self.tail = Tail::new(&self.dir, first);
                }
                Err(_) => self.full.all.clear(),
            },
            // Then the segments are read one by one, and say what is wrong.
            Some(Err(_)) => self.full.all.clear(),
        }
    }

    fn get_full(&self, seq: u64) -> Result<Bytes, LedgerError> {
        let (index, place) = (seq / self.per_segment, seq % self.per_segment);
        let piece = self.full.piece(index, &(place..place + 1))?;
        Ok(Bytes::from(piece.bytes).slice(frame::HEAD..))
    }

    /// The journal of a folder before anything of it was read.
    pub(crate) fn fresh(disk: Arc<dyn Disk>, dir: &Path, per_segment: u64) -> Journal {
        Journal {
            per_segment,
            full: Full::new(disk.clone(), dir.into(), per_segment),
            ids: Ids::open(disk.clone(), dir, per_segment, 0, &[]),
            rolled: None,
            loose: Mutex::default(),
            spare: None,
            tail: Tail::new(dir, 0),
            edge: Edge { len: 0, head: Hash::ZERO, time_us: 0 },
            sums: Sums::default(),
            mark: None,
            unsynced: 0,
            synced: 0,
            dir: dir.into(),
            disk,
        }
    }

    /// Reads what was appended since, by whomever.
    ///
    /// # Errors
    /// [`LedgerError::JournalDamaged`] for damage that is not a torn tail.
    pub fn read_on(&mut self) -> Result<Ending, LedgerError> {
        let promised = read_mark(&*self.disk, &self.dir)?;
        let ending = loop {
            match self.read_tail(promised)? {
                Ending::Clean if self.tail.count() == self.per_segment => self.roll()?,
                ending => break ending,
            }
        };
        if self.len() < promised {
            let what = format!("{promised} entries were acknowledged, {} are here", self.len());
            return Err(damaged(&self.tail.path, self.tail.end, what));
        }
        Ok(ending)
    }

    fn read_tail(&mut self, promised: u64) -> Result<Ending, LedgerError> {
        let path = self.tail.path.clone();
        // Asked before reading: a segment that has a successor was complete by then.
        let next = format!("{:020}.seg", self.tail.first + self.per_segment);
        let last = !self.disk.list(&self.dir).is_ok_and(|names| names.contains(&next));
        let file = match self.disk.open(&path, Open::Read) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Ending::Clean),
            Err(e) => return Err(LedgerError::io("open", &path)(e)),
        };
        let fail = || LedgerError::io("read", &path);
        let mut window = Window::of(&*file, self.tail.first..self.tail.first + self.per_segment).map_err(fail())?;
        if self.tail.end == 0 {
            if window.end() < MARKER.len() as u64 && last {
                return Ok(Ending::Torn(window.end()));
            }
            let head = window.bytes(0).map_err(fail())?;
            segment::check_newer(&path, &head)?;
            if !head.starts_with(MARKER) {
                return Err(damaged(&path, 0, "it does not begin with the segment marker"));
            }
            self.tail.end = MARKER.len() as u64;
        }
        while self.tail.count() < self.per_segment {
            match window.next(self.tail.end).map_err(fail())? {
                Frame::Whole { entry: bytes, .. } if is_newer(&bytes) => {
                    return Err(LedgerError::Newer { what: format!("entry {}", self.edge.len) });
                }
                Frame::Whole { entry: bytes, .. } => {
                    let next = self.tail.end + (frame::HEAD + bytes.len()) as u64;
                    self.tail.push(&mut self.edge, &Entry::decode(bytes)?.into(), self.tail.end)?;
                    self.tail.end = next;
                }
                Frame::End => break,
                Frame::Bad(what) => {
                    let end = self.tail.end;
                    let mut durable = || window.was_durable(end, self.edge.len).map_err(fail());
                    if !last || self.edge.len < promised || durable()? {
                        return Err(damaged(&path, end, what));
                    }
                    return Ok(Ending::Torn(window.end().saturating_sub(end)));
                }
            }
        }
        if self.tail.end < window.end() {
            return Err(damaged(&path, self.tail.end, "bytes after its last entry"));
        }
        if !last && self.tail.count() < self.per_segment {
            return Err(damaged(&path, self.tail.end, "it ends before the next segment begins"));
        }
        Ok(Ending::Clean)
    }

    /// What is derived, for the log's key to sign.
    pub fn sums(&mut self) -> Sums {
        self.finish_rolled();
        if self.full.may_write && self.unsynced == 0 {
            self.tail.save(&*self.disk);
        }
        Sums {
            catalog: (self.full.count(), catalog::hash(&self.full.all)),
            runs: self.ids.sums(),
            tail: self.tail.sum(&*self.disk, self.sums.tail),
        }
    }

    /// Where the log stands.
    pub fn edge(&self) -> Edge {
        self.edge
    }

    /// Calls `each` with the bytes of every entry of a range, in order: each compared with its leaf.
    ///
    /// # Errors
    /// [`LedgerError::JournalDamaged`], or what `each` fails with.
    pub fn read<E: From<LedgerError>>(
        &self,
        range: Range<u64>,
        mut each: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut seq = range.start;
        while seq < range.end.min(self.len()) {
            let first = seq / self.per_segment * self.per_segment;
            let stop = range.end.min(self.len()).min(first + self.per_segment).min(seq + READ_AHEAD);
            let piece = self.piece(first, seq - first..stop - first)?;
            let mut at = 0;
            while let Frame::Whole { entry, .. } = frame::next(&piece.bytes[at..]) {
                each(seq, entry)?;
                at += frame::HEAD + entry.len();
                seq += 1;
            }
        }
        Ok(())
    }

    /// Some frames of one segment, which begins at `first`.
    pub(crate) fn piece(&self, first: u64, places: Range<u64>) -> Result<Piece, LedgerError> {
        let index = first / self.per_segment;
        let rolled = self.rolled.as_ref().and_then(|rolled| rolled.tail_at(first));
        if index < self.full.count() && rolled.is_none() {
            return self.full.piece(index, &places);
        }
        let (tail, path) = (rolled.unwrap_or(&self.tail), segment::path(&self.dir, first));
        let ends = tail.frame(places.start as usize).zip(tail.frame(places.end as usize - 1));
        let ((base, _), (_, end)) = ends.ok_or_else(|| damaged(&path, 0, "no such entry"))?;
        let file = self.disk.open(&path, Open::Read).map_err(LedgerError::io("open", &path))?;
        let bytes = file.read_at(base, (end - base) as usize).map_err(LedgerError::io("read", &path))?;
        let leaves = tail.tree.level(0)[places.start as usize..places.end as usize].to_vec();
        let piece = Piece { path, bytes, base, leaves };
        piece.check(first + places.start).map(|()| piece)
    }

    /// An entry's bytes.
    ///
    /// # Errors
    /// [`LedgerError::JournalDamaged`] and [`LedgerError::Io`].
    pub fn get(&self, seq: u64) -> Result<Option<Bytes>, LedgerError> {
        if seq >= self.len() {
            return Ok(None);
        }
        let mut out = None;
        self.read(seq..seq + 1, |_, bytes| {
            out = Some(Bytes::copy_from_slice(bytes));
            Ok::<_, LedgerError>(())
        })?;
        Ok(out)
    }

    /// Bytes of all segments.
    pub fn bytes_on_disk(&self) -> u64 {
        self.full.all.iter().map(|s| s.end).sum::<u64>() + self.tail.end
    }
}

impl Nodes for Journal {
    fn len(&self) -> u64 {
        self.edge.len
    }

    fn node(&self, level: u32, index: u64) -> Result<Hash, LedgerError> {
        let height = self.per_segment.trailing_zeros();
        if level > height {
            return Ok(node_hash(&self.node(level - 1, 2 * index)?, &self.node(level - 1, 2 * index + 1)?));
        }
        let (first, inside) = ((index << level) >> height, index & ((1 << (height - level)) - 1));
        match self.full.all.get(first as usize) {
            Some(sealed) if level == height => Ok(sealed.root),
            Some(_) if let Some(tail) = self.rolled.as_ref().and_then(|r| r.tail_at(first << height)) => {
                tail.tree.node(level, inside)
            }
            Some(_) => self.full.node(first, level, inside),
            None => self.tail.tree.node(level, inside),
        }
    }
}
