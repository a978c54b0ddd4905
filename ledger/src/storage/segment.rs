//! The last segment of a journal: the one that grows. Its lookups are kept in memory, and written down
//! as far as it was acknowledged, so that the next one who opens it need not read it whole.

use crate::error::LedgerError;
use crate::format::entry::{Entry, EventId, Hashed};
use crate::format::frame::{self, Frame};
use crate::format::hash::Hash;
use crate::storage::catalog::{Sealed, kind_bit};
use crate::storage::disk::{Disk, DiskFile, Open};
use crate::storage::kinds::Kinds;
use crate::storage::lookups::{Contents, encode};
use crate::storage::tail_file::{self, Known};
use crate::tree::merkle::{Nodes as _, Tree};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The first bytes of a segment.
pub const MARKER: &[u8; 8] = b"ASYJRNL1";

/// Refuses a file whose marker is of a later version of the same kind: it is not broken.
///
/// # Errors
/// [`LedgerError::Newer`].
pub fn check_newer(path: &Path, head: &[u8]) -> Result<(), LedgerError> {
    if head.starts_with(&MARKER[..7]) && head.get(7).is_some_and(|v| (b'2'..=b'9').contains(v)) {
        return Err(LedgerError::Newer { what: format!("the segment {}", path.display()) });
    }
    Ok(())
}

/// Path of the segment that begins at entry `first`.
pub fn path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.seg"))
}

/// So many entries are read again at an opening before they are written down.
const SAVE_EVERY: u64 = if cfg!(test) { 24 } else { 1024 };

/// Where a log stands: what the next entry must follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// Number of entries.
    pub len: u64,
    /// Content hash of the last one.
    pub head: Hash,
    /// Its time.
    pub time_us: u64,
}

/// The segment that grows.
#[derive(Debug)]
pub struct Tail {
    /// Sequence number of its first entry.
    pub first: u64,
    /// Its path.
    pub path: PathBuf,
    /// Its file, once there is one.
    pub file: Option<Box<dyn DiskFile>>,
    /// Length of its valid part.
    pub end: u64,
    /// Offset of each frame.
    pub offsets: Vec<u64>,
    /// The tree over its entries.
    pub tree: Tree,
    /// Position of each event id in it.
    pub ids: HashMap<EventId, u32>,
    /// Kind of each entry.
    pub kinds: Kinds,
    /// Entries whose lookups are written down, and the bytes that those take.
    saved: (u64, u64),
}

impl Tail {
    /// An empty one.
    pub fn new(dir: &Path, first: u64) -> Tail {
        Tail {
            first,
            path: path(dir, first),
            file: None,
            end: 0,
            offsets: Vec::new(),
            tree: Tree::new(),
            ids: HashMap::new(),
            kinds: Kinds::default(),
            saved: (0, 0),
        }
    }

    /// The segment that begins at `first` as far as its lookups are written down and `promised` entries
    /// of the log were acknowledged, and where the log stands then; nothing when they do not fit it.
    pub fn restored(
        disk: &dyn Disk,
        dir: &Path,
        first: u64,
        promised: u64,
        vouched: (u64, u64, Hash),
    ) -> Option<(Tail, Edge)> {
        let mut tail = Tail::new(dir, first);
        let known = match vouched {
            (at, bytes, hash) if at == first => {
                tail_file::read(disk, &tail.lookups_path(), first, promised.saturating_sub(first), (bytes, hash))
            }
            _ => return None,
        };
        let (last, offset) = (known.leaves.last()?, *known.offsets.last()?);
        let file = disk.open(&tail.path, Open::Read).ok()?;
        let frame = file.read_at(offset, usize::try_from(known.end.checked_sub(offset)?).ok()?).ok()?;
        let Frame::Whole { entry, .. } = frame::next(&frame) else { return None };
        let hashed = Hashed::from(Entry::decode(entry.to_vec()).ok()?);
        if hashed.leaf != *last || frame.len() != frame::HEAD + entry.len() {
            return None;
        }
        let count = known.leaves.len() as u64;
        let edge = Edge { len: first + count, head: hashed.content, time_us: hashed.entry.time_us };
        tail.ids = known.ids.iter().zip(0..).map(|(id, place)| (*id, place)).collect();
        tail.tree = Tree::from_leaves(known.leaves);
        (tail.offsets, tail.kinds, tail.end, tail.saved) = (known.offsets, known.kinds, known.end, (count, known.len));
        let fits = hashed.entry.seq + 1 == edge.len && tail.ids.len() as u64 == count;
        fits.then_some((tail, edge))
    }

    /// An empty one in the memory of another one.
    pub fn reusing(mut self, dir: &Path, first: u64) -> Tail {
        self.tree.clear();
        self.offsets.clear();
        self.ids.clear();
        self.kinds.clear();
        let fresh = Tail::new(dir, first);
        Tail { tree: self.tree, offsets: self.offsets, ids: self.ids, kinds: self.kinds, ..fresh }
    }

    fn lookups_path(&self) -> PathBuf {
        self.path.with_extension("tail")
    }

    /// Writes down the lookups of what came since, when it is enough. Everything here was acknowledged.
    pub fn save(&mut self, disk: &dyn Disk) {
        let (count, at) = self.saved;
        if self.count() < count + SAVE_EVERY {
            return;
        }
        let from = count as usize;
        let mut ids: Vec<(u32, EventId)> =
            self.ids.iter().filter(|(_, p)| **p as usize >= from).map(|(id, p)| (*p, *id)).collect();
        ids.sort_unstable();
        let new = Known {
            leaves: self.tree.level(0)[from..].to_vec(),
            offsets: self.offsets[from..].to_vec(),
            ids: ids.into_iter().map(|i| i.1).collect(),
            kinds: self.kinds.since(from),
            end: self.end,
            len: 0,
        };
        // Without it the segment is read.
        if let Ok(len) = tail_file::append(disk, &self.lookups_path(), self.first, at, &new) {
            self.saved = (self.count(), len);
        }
    }

    /// What is written down of it, for the log's key to sign; `known` is what was signed last.
    pub fn sum(&self, disk: &dyn Disk, known: (u64, u64, Hash)) -> (u64, u64, Hash) {
        let bytes = self.saved.1;
        if (known.0, known.1) == (self.first, bytes) {
            return known;
        }
        let written = disk.open(&self.lookups_path(), Open::Read).and_then(|f| f.read_at(0, bytes as usize));
        written.map_or((self.first, 0, Hash::ZERO), |written| (self.first, bytes, Hash::of(&written)))
    }

    /// Number of entries.
    pub fn count(&self) -> u64 {
        self.offsets.len() as u64
    }

    /// Takes the next entry, whose frame begins at `offset`.
    ///
    /// # Errors
    /// [`LedgerError::JournalDamaged`] when it does not follow `edge`.
    pub fn push(&mut self, edge: &mut Edge, sealed: &Hashed, offset: u64) -> Result<(), LedgerError> {
        let entry = &sealed.entry;
        let bad = |what: &str| Err(damaged(&self.path, offset, format!("entry {}: {what}", edge.len)));
        if entry.seq != edge.len || entry.prev != edge.head {
            return bad("it does not follow the entry before");
        }
        if self.ids.insert(entry.id, self.offsets.len() as u32).is_some() {
            return bad("its event id stands already");
        }
        self.tree.push(sealed.leaf);
        self.offsets.push(offset);
        self.kinds.push(entry.kind());
        *edge = Edge { len: edge.len + 1, head: sealed.content, time_us: entry.time_us };
        Ok(())
    }

    /// Where the frame of an entry begins and ends; `place` counts from the segment's first.
    pub fn frame(&self, place: usize) -> Option<(u64, u64)> {
        let start = *self.offsets.get(place)?;
        Some((start, self.offsets.get(place + 1).copied().unwrap_or(self.end)))
    }

    /// What the catalog says of it when it is full.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`] for one without entries.
    pub fn sealed(&self, edge: &Edge) -> Result<Sealed, LedgerError> {
        let kinds = self.kinds.names().fold(0, |mask, kind| mask | kind_bit(kind));
        let kinds_hash = Hash::of(&self.kinds.encode());
        Ok(Sealed { root: self.tree.root()?, end: self.end, time_us: edge.time_us, kinds, kinds_hash })
    }

    /// The bytes of its lookups when it is full.
    pub fn lookups(&self) -> Vec<u8> {
        let (tree, offsets, kinds) = (&self.tree, &self.offsets[..], &self.kinds);
        encode(&Contents { first: self.first, tree, offsets, kinds, end: self.end })
    }

    /// Its ids, each with its place.
    pub fn ids(&self) -> Vec<(EventId, u32)> {
        self.ids.iter().map(|(id, place)| (*id, *place)).collect()
    }

    /// Removes the file of its lookups: it is full, or was cut.
    pub fn forget(&mut self, disk: &dyn Disk) {
        self.saved = (0, 0);
        let _ = disk.remove(&self.lookups_path());
    }
}

/// The error for damage at a place of a segment.
pub fn damaged(path: &Path, offset: u64, what: impl Into<String>) -> LedgerError {
    LedgerError::JournalDamaged { path: path.into(), offset, what: what.into() }
}
