//! The last segment of a journal: the one that grows. Its lookups are kept in memory until it is
//! full; then they go into a sidecar.

use crate::error::LedgerError;
use crate::format::entry::{EventId, Hashed};
use crate::format::hash::Hash;
use crate::storage::disk::{Disk, DiskFile, Open};
use crate::storage::sidecar::{self, Sidecar};
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

/// A full segment.
#[derive(Debug)]
pub struct Sealed {
    /// Its file.
    pub file: Box<dyn DiskFile>,
    /// Its lookups.
    pub sidecar: Sidecar,
    /// Root over its entries.
    pub root: Hash,
}

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
        }
    }

    /// Number of entries.
    pub fn count(&self) -> u64 {
        self.offsets.len() as u64
    }

    /// Takes the next entry, whose frame begins at `offset`.
    ///
    /// # Errors
    /// [`LedgerError::BadEntry`] when it does not follow `edge`.
    pub fn push(&mut self, edge: &mut Edge, sealed: &Hashed, offset: u64) -> Result<(), LedgerError> {
        let entry = &sealed.entry;
        let bad = |what: &str| Err(LedgerError::BadEntry { seq: edge.len, what: what.into() });
        if entry.seq != edge.len || entry.prev != edge.head {
            return bad("it does not follow the entry before");
        }
        if self.ids.insert(entry.id, self.offsets.len() as u32).is_some() {
            return bad("its event id stands already");
        }
        self.tree.push(sealed.leaf);
        self.offsets.push(offset);
        *edge = Edge { len: edge.len + 1, head: sealed.content, time_us: entry.time_us };
        Ok(())
    }

    /// Where the frame of an entry begins and ends; `place` counts from the segment's first.
    pub fn frame(&self, place: usize) -> Option<(u64, u64)> {
        let start = *self.offsets.get(place)?;
        Some((start, self.offsets.get(place + 1).copied().unwrap_or(self.end)))
    }

    /// Puts a full segment's lookups into a sidecar, on the disk if it may be written.
    ///
    /// # Errors
    /// [`LedgerError::Io`] when its file cannot be opened.
    pub fn seal(&mut self, disk: &dyn Disk, edge: &Edge) -> Result<Sealed, LedgerError> {
        let root = self.tree.root()?;
        let count = self.count();
        let file = disk.open(&self.path, Open::Read).map_err(LedgerError::io("open", &self.path))?;
        let contents = sidecar::Contents {
            first: self.first,
            tree: &self.tree,
            offsets: &self.offsets,
            ids: &self.ids,
            end: self.end,
            head: edge.head,
            time_us: edge.time_us,
        };
        let bytes = sidecar::encode(&contents);
        let written = self.write_sidecar(disk, &bytes).ok();
        let sidecar = written
            .and_then(|f| Sidecar::open(f, self.first, count, self.end))
            .or_else(|| Sidecar::in_memory(bytes, self.first, count));
        let lost = || LedgerError::Index { path: self.path.clone(), what: "its index cannot be built".into() };
        Ok(Sealed { file, sidecar: sidecar.ok_or_else(lost)?, root })
    }

    /// A sidecar is not synced: after a crash its checksum tells, and it is built again.
    fn write_sidecar(&self, disk: &dyn Disk, bytes: &[u8]) -> std::io::Result<Box<dyn DiskFile>> {
        let (temp, path) =
            (self.path.with_extension(format!("idx-{}", std::process::id())), self.path.with_extension("idx"));
        disk.open(&temp, Open::Replace)?.write_at(0, bytes)?;
        disk.rename(&temp, &path)?;
        disk.open(&path, Open::Read)
    }
}

/// Opens a full segment by its sidecar; nothing when that is missing or does not fit.
pub fn open_sealed(disk: &dyn Disk, dir: &Path, first: u64, count: u64) -> Option<Sealed> {
    let path = path(dir, first);
    let file = disk.open(&path, Open::Read).ok()?;
    let end = file.len().ok()?;
    let index = disk.open(&path.with_extension("idx"), Open::Read).ok()?;
    let sidecar = Sidecar::open(index, first, count, end)?;
    let root = sidecar.node(count.trailing_zeros(), 0).ok()?;
    Some(Sealed { file, sidecar, root })
}

/// The error for damage at a place of a segment.
pub fn damaged(path: &Path, offset: u64, what: impl Into<String>) -> LedgerError {
    LedgerError::JournalDamaged { path: path.into(), offset, what: what.into() }
}
