//! An open log: *appended* (numbered, hashed, signed, journalled, synced: acknowledged),
//! *integrated* (the tree, and the index behind it), *published* (a signed checkpoint).
//!
//! Opening runs the same steps: what the journal holds is integrated, and nothing that was
//! acknowledged is ever dropped. Memory, descriptors and the time to open do not grow with the log: the
//! last segment's lookups are in memory, the others are read where they are needed.

pub(crate) mod append;
mod files;
mod heads;
mod held;
pub mod rebuild;
mod recovery;
pub mod standing;
mod trust;
mod vouch;

pub use files::read_verifier;

use crate::error::LedgerError;
use crate::format::entry::{Entry, EventId};
use crate::format::hash::Hash;
use crate::keys::note::Verifier;
use crate::keys::signer::Signer;
use crate::log::files::{checkpoint_path, has_segments, read_note, vkey_path, write_first};
use crate::log::held::Held;
use crate::storage::disk::{self, Disk, RealDisk};
use crate::storage::journal::{Derived, Ending, Journal, SEGMENT_ENTRIES};
use crate::storage::sled_store::SledStores;
use crate::storage::store::Stores;
use crate::tree::checkpoint::Checkpoint;
use crate::tree::merkle::Nodes;
use bytes::Bytes;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a command waits for another writer before it gives up.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What an append answers for each draft, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Sequence number.
    pub seq: u64,
    /// Leaf hash of the stored entry.
    pub leaf: Hash,
    /// True when the very same event was there already.
    pub existed: bool,
}

/// Where a log lives: its folder, the disk under it, its index, the size of its segments.
#[derive(Debug, Clone)]
pub struct Home {
    /// The folder.
    pub dir: PathBuf,
    /// The disk.
    pub disk: Arc<dyn Disk>,
    /// The index.
    pub stores: Arc<dyn Stores>,
    /// Entries of a segment, a power of two, at least 256.
    pub per_segment: u64,
}

impl Home {
    /// A folder of the system, with its index on sled.
    pub fn of(dir: &Path) -> Home {
        let stores = Arc::new(SledStores::of(dir));
        Home { dir: dir.into(), disk: Arc::new(RealDisk), stores, per_segment: SEGMENT_ENTRIES }
    }
}

/// An open log. Reading needs no lock; writing takes it for one commit, or for as long as it is
/// held with [`Log::hold`].
#[derive(Debug)]
pub struct Log {
    pub(crate) dir: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) stores: Arc<dyn Stores>,
    pub(crate) verifier: Verifier,
    /// The checkpoint, read before the journal, so that the entries reach it.
    pub(crate) note: Vec<u8>,
    pub(crate) journal: Journal,
    /// Entries that are vouched for.
    pub(crate) vouched: u64,
    pub(crate) ending: Ending,
    pub(crate) held: Option<Held>,
    pub(crate) poisoned: bool,
    /// Whether this process has compared the index with the journal.
    pub(crate) index_seen: bool,
    /// The time of the next append, when it was asked for.
    pub(crate) fixed_time: Option<u64>,
    /// Whether it was said that the clock is behind.
    pub(crate) skew_said: bool,
    /// Bytes appended since the index was in step.
    pub(crate) lag: usize,
    /// The clock, in microseconds since 1970.
    pub clock: fn() -> u64,
    /// What recovery did, in words, for the user.
    pub notices: Vec<String>,
    /// Told once when another process holds the ledger.
    pub on_wait: OnWait,
}

/// Who is told, once, that another process holds the ledger, and which.
#[derive(Clone)]
pub struct OnWait(pub Arc<dyn Fn(&str) + Send + Sync>);

impl Default for OnWait {
    fn default() -> OnWait {
        OnWait(Arc::new(|_| ()))
    }
}

impl std::fmt::Debug for OnWait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnWait")
    }
}

/// Seconds since 1970 by the system's clock.
pub fn system_seconds() -> u64 {
    system_clock() / 1_000_000
}

/// Microseconds since 1970 by the system's clock.
pub fn system_clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as u64)
}

/// Whether a log may be called so: 1 to 255 printable ASCII characters, no space and no `+`.
///
/// # Errors
/// [`LedgerError::Malformed`].
pub fn check_origin(origin: &str) -> Result<(), LedgerError> {
    if (1..=255).contains(&origin.len()) && origin.bytes().all(|b| b.is_ascii_graphic() && b != b'+') {
        return Ok(());
    }
    let why = format!("'{origin}' is not 1 to 255 printable ASCII characters without spaces and '+'");
    Err(LedgerError::Malformed { what: "origin", why })
}

impl Log {
    /// Creates an empty log and publishes its first checkpoint, of size zero.
    ///
    /// # Errors
    /// [`LedgerError::Exists`] when something is there already.
    pub fn create(dir: &Path, origin: &str, log_signer: &Signer) -> Result<Log, LedgerError> {
        Log::create_at(&Home::of(dir), origin, log_signer)
    }

    /// [`Log::create`] on a disk of your own. The verifier key is written last: without it there
    /// is no log, so a crash on the way leaves nothing that looks like one.
    ///
    /// # Errors
    /// As there.
    pub fn create_at(home: &Home, origin: &str, log_signer: &Signer) -> Result<Log, LedgerError> {
        let (dir, disk) = (&home.dir, &*home.disk);
        check_origin(origin)?;
        let verifier = Verifier::new(origin, log_signer.public())?;
        if has_segments(disk, dir) || disk.open(&vkey_path(dir), disk::Open::Read).is_ok() {
            return Err(LedgerError::Exists { path: dir.into() });
        }
        disk.create_dir(dir).map_err(LedgerError::io("create", dir))?;
        Journal::create(disk, &dir.join("journal"))?;
        write_first(disk, dir, origin, log_signer)?;
        disk::replace(disk, &vkey_path(dir), format!("{verifier}\n").as_bytes())?;
        Log::open_at(home)
    }

    /// Opens a log for reading; writing takes the lock when it comes to that.
    ///
    /// # Errors
    /// A missing or damaged log. A missing piece never makes a new, empty log.
    pub fn open(dir: &Path) -> Result<Log, LedgerError> {
        Log::open_at(&Home::of(dir))
    }

    /// [`Log::open`] on a disk of your own.
    ///
    /// # Errors
    /// As there.
    pub fn open_at(home: &Home) -> Result<Log, LedgerError> {
        let verifier = read_verifier(&*home.disk, &home.dir)?;
        let note = read_note(&*home.disk, &home.dir)?;
        let sums = vouch::read(&*home.disk, &home.dir, &verifier);
        let (journal, ending) =
            Journal::open_by(home.disk.clone(), &home.dir.join("journal"), home.per_segment, Derived::Used(&sums))?;
        let mut log = Log {
            dir: home.dir.clone(),
            disk: home.disk.clone(),
            stores: home.stores.clone(),
            verifier,
            note,
            journal,
            vouched: 0,
            ending,
            held: None,
            poisoned: false,
            index_seen: false,
            fixed_time: None,
            skew_said: false,
            lag: 0,
            clock: system_clock,
            notices: Vec::new(),
            on_wait: OnWait::default(),
        };
        if let Err(e) = log.check_checkpoint() {
            // What is derived from the segments may be spoiled: they themselves decide.
            let (journal, ending) =
                Journal::open_by(home.disk.clone(), &home.dir.join("journal"), home.per_segment, Derived::Passed)?;
            (log.journal, log.ending) = (journal, ending);
            log.check_checkpoint().map_err(|_| e)?;
        }
        Ok(log)
    }

    /// Reads what others have appended and published since.
    ///
    /// # Errors
    /// A damaged journal.
    pub fn refresh(&mut self) -> Result<(), LedgerError> {
        self.note = disk::read(&*self.disk, &checkpoint_path(&self.dir))?;
        self.journal.sums = vouch::read(&*self.disk, &self.dir, &self.verifier);
        self.ending = self.journal.read_on()?;
        Ok(())
    }

    /// Compares the published checkpoint with the journal, and vouches for what stands under it.
    pub(crate) fn check_checkpoint(&mut self) -> Result<(), LedgerError> {
        let checkpoint = self.checkpoint()?;
        let fail = |what: String| Err(LedgerError::CheckpointMismatch { size: checkpoint.size, what });
        if checkpoint.size > self.len() {
            let (size, here) = (checkpoint.size, self.len());
            return fail(format!("log shorter than checkpoint {size}: the journal holds {here} entries"));
        }
        if self.journal.root_at(checkpoint.size)? != checkpoint.root {
            return fail("the journal's entries have another root".into());
        }
        self.vouched = self.vouched.max(checkpoint.size);
        Ok(())
    }

    /// After a failed write nobody knows what is on the disk: this process writes no more.
    pub(crate) fn check_poison(&self) -> Result<(), LedgerError> {
        if self.poisoned { Err(LedgerError::Poisoned { path: self.dir.clone() }) } else { Ok(()) }
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        &self.verifier.name
    }

    /// The key that signs the log's checkpoints.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The disk it lives on.
    pub fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// The log's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Number of entries.
    pub fn len(&self) -> u64 {
        self.journal.len()
    }

    /// True without entries.
    pub fn is_empty(&self) -> bool {
        self.journal.is_empty()
    }

    /// The tree over all entries.
    pub fn tree(&self) -> &impl Nodes {
        &self.journal
    }

    /// Bytes of the journal's segments.
    pub fn bytes_on_disk(&self) -> u64 {
        self.journal.bytes_on_disk()
    }

    /// The published checkpoint as of the last [`Log::refresh`], verified against the log's key.
    ///
    /// # Errors
    /// A malformed or unverified checkpoint.
    pub fn checkpoint(&self) -> Result<Checkpoint, LedgerError> {
        let named = |e: LedgerError| LedgerError::Head { path: checkpoint_path(&self.dir), why: e.to_string() };
        Checkpoint::open(&self.note, &self.verifier).map_err(named)
    }

    /// The same as the signed note it is.
    pub fn checkpoint_note(&self) -> &[u8] {
        &self.note
    }

    /// An entry's stored bytes.
    ///
    /// # Errors
    /// [`LedgerError::BadEntry`] when there is none, [`LedgerError::Unvouched`] when nobody
    /// [vouched](Log::follow) for it.
    pub fn entry_bytes(&self, seq: u64) -> Result<Bytes, LedgerError> {
        self.check_vouched((seq + 1).min(self.len()))?;
        self.stored(seq)
    }

    /// The same of any entry.
    pub(crate) fn stored(&self, seq: u64) -> Result<Bytes, LedgerError> {
        self.journal.get(seq)?.ok_or(LedgerError::BadEntry { seq, what: format!("the log has {} entries", self.len()) })
    }

    /// An entry.
    ///
    /// # Errors
    /// When there is none, or it does not decode.
    pub fn entry(&self, seq: u64) -> Result<Entry, LedgerError> {
        Entry::decode(self.entry_bytes(seq)?)
    }

    /// The position of an event id.
    ///
    /// # Errors
    /// When the lookups cannot be read.
    pub fn find(&self, id: &EventId) -> Result<Option<u64>, LedgerError> {
        self.journal.find(id)
    }

    /// The newest positions of a kind in a range, at most `limit` of them, newest first.
    ///
    /// # Errors
    /// A damaged journal.
    pub fn newest_of(&self, kind: &str, range: Range<u64>, limit: usize) -> Result<Vec<u64>, LedgerError> {
        self.journal.newest_of(kind, range.start..range.end.min(self.vouched), limit)
    }

    /// The first position whose time, in microseconds since 1970, is not before `time_us`.
    ///
    /// # Errors
    /// A damaged journal.
    pub fn since(&self, time_us: u64) -> Result<u64, LedgerError> {
        self.journal.since(time_us)
    }

    /// Calls `each` with every entry from `from` on.
    ///
    /// # Errors
    /// What reading or `each` fails with.
    pub fn scan<E: From<LedgerError>>(&self, from: u64, each: impl FnMut(Entry) -> Result<(), E>) -> Result<(), E> {
        self.read(from..self.len(), each)
    }

    /// Calls `each` with every entry of a range.
    ///
    /// # Errors
    /// What reading or `each` fails with.
    pub fn read<E: From<LedgerError>>(
        &self,
        range: Range<u64>,
        mut each: impl FnMut(Entry) -> Result<(), E>,
    ) -> Result<(), E> {
        self.check_vouched(range.end.min(self.len()))?;
        self.journal.read(range, |_, bytes| each(Entry::decode(Bytes::copy_from_slice(bytes))?))
    }

    /// Entries as an entry bundle: u16 length and entry, repeated.
    ///
    /// # Errors
    /// A damaged journal.
    pub fn bundle(&self, range: Range<u64>) -> Result<Vec<u8>, LedgerError> {
        let mut out = Vec::new();
        self.check_vouched(range.end.min(self.len()))?;
        self.journal.read(range, |_, bytes| {
            crate::tree::tile::push_entry(&mut out, bytes);
            Ok::<_, LedgerError>(())
        })?;
        Ok(out)
    }
}
