//! Full segments: known by the catalog, opened when something of them is asked for, a few at a time.
//!
//! Lookups that are missing or do not fit are made again from the segment, and the segment itself must
//! have the root that the catalog says.

use crate::error::LedgerError;
use crate::format::entry::{Entry, EventId};
use crate::format::frame::{self, Frame};
use crate::format::hash::Hash;
use crate::storage::catalog::Sealed;
use crate::storage::disk::{Disk, DiskFile, Open};
use crate::storage::kinds::Kinds;
use crate::storage::lookups::{Contents, Lookups, encode};
use crate::storage::segment::{MARKER, check_newer, damaged, path};
use crate::storage::window::Window;
use crate::tree::merkle::{Nodes as _, Tree};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Segments that stay open: two files each.
const OPEN: usize = 8;

/// What is read of some frames: their bytes, where those begin in the segment, and the leaves that the
/// entries must have.
#[derive(Debug)]
pub struct Piece {
    /// The segment.
    pub path: PathBuf,
    /// The frames.
    pub bytes: Vec<u8>,
    /// Offset of the first one.
    pub base: u64,
    /// A leaf for each.
    pub leaves: Vec<Hash>,
}

/// A full segment, opened.
#[derive(Debug)]
struct Opened {
    index: u64,
    file: Box<dyn DiskFile>,
    lookups: Lookups,
}

/// The full segments of a journal.
#[derive(Debug)]
pub struct Full {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    per_segment: u64,
    /// What is known of each, in order.
    pub all: Vec<Sealed>,
    open: Mutex<Vec<Arc<Opened>>>,
    /// Whether missing lookups may be written: by whoever holds the lock.
    pub may_write: bool,
}

/// What a segment's own frames say.
#[derive(Debug)]
pub struct Scanned {
    /// The tree over its entries.
    pub tree: Tree,
    /// Offset of each frame.
    pub offsets: Vec<u64>,
    /// Kind of each entry.
    pub kinds: Kinds,
    /// Id of each entry, with its place.
    pub ids: Vec<(EventId, u32)>,
    /// Where its last frame ends.
    pub end: u64,
}

impl Full {
    /// None yet.
    pub fn new(disk: Arc<dyn Disk>, dir: PathBuf, per_segment: u64) -> Full {
        Full { disk, dir, per_segment, all: Vec::new(), open: Mutex::new(Vec::new()), may_write: false }
    }

    /// Their number.
    pub fn count(&self) -> u64 {
        self.all.len() as u64
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Opened>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes all that are open.
    pub fn close(&self) {
        self.cache().clear();
    }

    fn segment(&self, index: u64) -> Result<(&Sealed, PathBuf), LedgerError> {
        let path = path(&self.dir, index * self.per_segment);
        let sealed = self.all.get(index as usize).ok_or_else(|| damaged(&path, 0, "no such segment"))?;
        Ok((sealed, path))
    }

    /// Reads a segment front to back.
    ///
    /// # Errors
    /// [`LedgerError::JournalDamaged`] when it is not whole.
    pub fn scan(&self, index: u64) -> Result<Scanned, LedgerError> {
        let (sealed, path) = self.segment(index)?;
        let first = index * self.per_segment;
        let file = self.disk.open(&path, Open::Read).map_err(LedgerError::io("open", &path))?;
        let fail = || LedgerError::io("read", &path);
        let mut window = Window::of(&*file, first..first + self.per_segment).map_err(fail())?;
        check_newer(&path, &window.bytes(0).map_err(fail())?)?;
        let mut at = MARKER.len() as u64;
        let (mut leaves, mut out) = (Vec::new(), Scanned::at(at));
        while (leaves.len() as u64) < self.per_segment {
            let Frame::Whole { entry: bytes, .. } = window.next(at).map_err(fail())? else {
                return Err(damaged(&path, at, format!("entry {} is damaged", first + leaves.len() as u64)));
            };
            out.offsets.push(at);
            at += (frame::HEAD + bytes.len()) as u64;
            let entry = Entry::decode(bytes)?;
            out.kinds.push(entry.kind());
            out.ids.push((entry.id, leaves.len() as u32));
            leaves.push(entry.leaf_hash());
        }
        (out.tree, out.end) = (Tree::from_leaves(leaves), at);
        if out.tree.root()? != sealed.root || at != sealed.end {
            return Err(damaged(&path, 0, "its entries are not those that the log committed to"));
        }
        Ok(out)
    }

    /// Makes the lookups of a segment again, and writes them where that is allowed.
    fn renew(&self, index: u64) -> Result<Lookups, LedgerError> {
        let (sealed, path) = self.segment(index)?;
        let s = self.scan(index)?;
        let first = index * self.per_segment;
        let contents = Contents { first, tree: &s.tree, offsets: &s.offsets, kinds: &s.kinds, end: s.end };
        let bytes = encode(&contents);
        if self.may_write {
            let _ = write_lookups(&*self.disk, &path, &bytes);
        }
        let lookups = Lookups::in_memory(bytes, first, self.per_segment, sealed.end, &sealed.root);
        lookups.ok_or_else(|| LedgerError::Index { path, what: "its lookups cannot be made".into() })
    }

    fn opened(&self, index: u64, anew: bool) -> Result<Arc<Opened>, LedgerError> {
        let mut cache = self.cache();
        if anew {
            cache.retain(|o| o.index != index);
        }
        if let Some(at) = cache.iter().position(|o| o.index == index) {
            let found = cache.remove(at);
            cache.push(found.clone());
            return Ok(found);
        }
        drop(cache);
        let (sealed, path) = self.segment(index)?;
        let file = self.disk.open(&path, Open::Read).map_err(LedgerError::io("open", &path))?;
        let first = index * self.per_segment;
        let known = self.disk.open(&path.with_extension("map"), Open::Read).ok().filter(|_| !anew);
        let known = known.and_then(|f| Lookups::open(f, first, self.per_segment, sealed.end, &sealed.root));
        let lookups = known.map_or_else(|| self.renew(index), Ok)?;
        let opened = Arc::new(Opened { index, file, lookups });
        let mut cache = self.cache();
        if cache.len() == OPEN {
            cache.remove(0);
        }
        cache.push(opened.clone());
        Ok(opened)
    }

    /// Asks the lookups of a segment; when they turn out to be spoiled, asks new ones.
    fn ask<T>(&self, index: u64, question: impl Fn(&Opened) -> Result<T, LedgerError>) -> Result<T, LedgerError> {
        match self.opened(index, false).and_then(|o| question(&o)) {
            Err(LedgerError::Index { .. } | LedgerError::JournalDamaged { .. }) => {
                question(&*self.opened(index, true)?)
            }
            other => other,
        }
    }

    /// A full node of a segment's own tree.
    ///
    /// # Errors
    /// A damaged segment.
    pub fn node(&self, index: u64, level: u32, inside: u64) -> Result<Hash, LedgerError> {
        self.ask(index, |o| o.lookups.node(level, inside))
    }

    /// The kinds of a segment's entries.
    ///
    /// # Errors
    /// A damaged segment.
    pub fn kinds(&self, index: u64) -> Result<Kinds, LedgerError> {
        let expected = self.segment(index)?.0.kinds_hash;
        self.ask(index, |o| o.lookups.kinds(&expected))
    }

    /// Where a frame begins.
    ///
    /// # Errors
    /// A damaged segment.
    pub fn offset(&self, index: u64, place: u64) -> Result<u64, LedgerError> {
        self.ask(index, |o| Ok(o.lookups.frame(place)?.0))
    }

    /// Some frames of a segment, each checked against its leaf.
    ///
    /// # Errors
    /// [`LedgerError::JournalDamaged`] with the first entry that is not the one the log committed to.
    pub fn piece(&self, index: u64, places: &Range<u64>) -> Result<Piece, LedgerError> {
        let path = path(&self.dir, index * self.per_segment);
        self.ask(index, |o| {
            let (base, end) = (o.lookups.frame(places.start)?.0, o.lookups.frame(places.end - 1)?.1);
            if base >= end {
                return Err(LedgerError::Index { path: path.clone(), what: "its offsets do not fit".into() });
            }
            let bytes = o.file.read_at(base, (end - base) as usize).map_err(LedgerError::io("read", &path))?;
            let leaves = o.lookups.leaves(places.clone())?;
            let piece = Piece { path: path.clone(), bytes, base, leaves };
            piece.check(index * self.per_segment + places.start).map(|()| piece)
        })
    }
}

impl Piece {
    /// Whether its frames are whole, and their entries those that the leaves say.
    ///
    /// # Errors
    /// [`LedgerError::JournalDamaged`].
    pub fn check(&self, first: u64) -> Result<(), LedgerError> {
        let mut at = 0;
        for (n, leaf) in self.leaves.iter().enumerate() {
            let bad =
                |what: &str| damaged(&self.path, self.base + at as u64, format!("entry {} {what}", first + n as u64));
            let Frame::Whole { entry, .. } = frame::next(&self.bytes[at..]) else { return Err(bad("is damaged")) };
            if crate::tree::merkle::leaf_hash(entry) != *leaf {
                return Err(bad("is not the one that the log committed to"));
            }
            at += frame::HEAD + entry.len();
        }
        if at != self.bytes.len() {
            return Err(damaged(&self.path, self.base + at as u64, "more than the entries that were asked for"));
        }
        Ok(())
    }
}

impl Scanned {
    fn at(end: u64) -> Scanned {
        Scanned { tree: Tree::new(), offsets: Vec::new(), kinds: Kinds::default(), ids: Vec::new(), end }
    }
}

/// Puts the lookups of a segment beside it.
///
/// # Errors
/// The system's.
pub fn write_lookups(disk: &dyn Disk, segment: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
    // Two threads may write the same one.
    static TURN: AtomicU64 = AtomicU64::new(0);
    let turn = TURN.fetch_add(1, Ordering::Relaxed);
    let temp = segment.with_extension(format!("map-{}-{turn}", std::process::id()));
    let file = disk.open(&temp, Open::Replace)?;
    file.write_at(0, bytes)?;
    file.sync()?;
    disk.rename(&temp, &segment.with_extension("map"))
}
