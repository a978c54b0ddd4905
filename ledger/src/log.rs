//! The write path: *appended* (numbered, hashed, signed, journalled, synced: acknowledged),
//! *integrated* (tree and one atomic batch of the index), *published* (a signed checkpoint).
//!
//! Opening runs the same steps: what the journal holds is integrated, and nothing that was
//! acknowledged is ever dropped. Memory: about 112 bytes an entry (tree, places, ids).

use crate::checkpoint::Checkpoint;
use crate::entry::{self, Draft, Entry, EventId, Place};
use crate::error::LedgerError;
use crate::hash::Hash;
use crate::held::Held;
use crate::journal::{Journal, Tail, replace_file};
use crate::key::Signer;
use crate::merkle::Tree;
use crate::note::Verifier;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
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

/// An open log. Reading needs no lock; writing takes it for one commit, or for as long as it is
/// held with [`Log::hold`].
#[derive(Debug)]
pub struct Log {
    pub(crate) dir: PathBuf,
    verifier: Verifier,
    pub(crate) journal: Journal,
    pub(crate) tail: Tail,
    tree: Tree,
    ids: BTreeMap<EventId, u64>,
    pub(crate) head: Hash,
    time_us: u64,
    pub(crate) held: Option<Held>,
    pub(crate) poisoned: bool,
    /// The clock, in microseconds since 1970.
    pub clock: fn() -> u64,
    /// What recovery did, in words, for the user.
    pub notices: Vec<String>,
    /// Told once when another process holds the ledger.
    pub on_wait: fn(&str),
}

/// Microseconds since 1970 by the system's clock.
pub fn system_clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as u64)
}

fn vkey_path(dir: &Path) -> PathBuf {
    dir.join("log.vkey")
}

fn checkpoint_path(dir: &Path) -> PathBuf {
    dir.join("checkpoint")
}

impl Log {
    /// Creates an empty log and publishes its first checkpoint, of size zero.
    ///
    /// # Errors
    /// [`LedgerError::Exists`] when something is there already.
    pub fn create(dir: &Path, origin: &str, log_signer: &Signer) -> Result<Log, LedgerError> {
        let verifier = Verifier::new(origin, log_signer.public())?;
        if origin.len() > 255 || !origin.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(LedgerError::Malformed {
                what: "origin",
                why: "it must be 1 to 255 printable ASCII characters".into(),
            });
        }
        if vkey_path(dir).exists() {
            return Err(LedgerError::Exists { path: dir.into() });
        }
        std::fs::create_dir_all(dir).map_err(LedgerError::io("create", dir))?;
        Journal::create(&dir.join("journal"))?;
        let empty = Checkpoint { origin: origin.into(), size: 0, root: crate::merkle::empty_root() };
        replace_file(&checkpoint_path(dir), empty.sign(log_signer)?.as_bytes())?;
        replace_file(&vkey_path(dir), format!("{verifier}\n").as_bytes())?;
        Log::open(dir)
    }

    /// Opens a log for reading; writing takes the lock when it comes to that.
    ///
    /// # Errors
    /// A missing or damaged log. A missing piece never makes a new, empty log.
    pub fn open(dir: &Path) -> Result<Log, LedgerError> {
        let path = vkey_path(dir);
        if !path.exists() {
            return Err(LedgerError::Missing { path: dir.into() });
        }
        let verifier: Verifier = std::fs::read_to_string(&path).map_err(LedgerError::io("read", &path))?.parse()?;
        let journal = Journal::unread(&dir.join("journal"))?;
        let mut log = Log {
            dir: dir.into(),
            verifier,
            journal,
            tail: Tail::Clean,
            tree: Tree::new(),
            ids: BTreeMap::new(),
            head: Hash::ZERO,
            time_us: 0,
            held: None,
            poisoned: false,
            clock: system_clock,
            notices: Vec::new(),
            on_wait: |_| (),
        };
        log.refresh()?;
        log.check_checkpoint()?;
        Ok(log)
    }

    /// Reads what others have appended since.
    ///
    /// # Errors
    /// A damaged journal.
    pub fn refresh(&mut self) -> Result<(), LedgerError> {
        let (tree, ids, head, time_us) = (&mut self.tree, &mut self.ids, &mut self.head, &mut self.time_us);
        self.tail = self.journal.read_on(|seq, bytes| {
            let entry = Entry::decode(bytes.to_vec())?;
            if entry.seq != seq || entry.prev != *head {
                return Err(LedgerError::BadEntry { seq, what: "it does not follow the entry before".into() });
            }
            tree.push(entry.leaf_hash());
            ids.insert(entry.id, seq);
            *head = entry.content_hash();
            *time_us = entry.time_us;
            Ok(())
        })?;
        Ok(())
    }

    pub(crate) fn check_checkpoint(&self) -> Result<(), LedgerError> {
        let checkpoint = self.checkpoint()?;
        let fail = |what: String| Err(LedgerError::CheckpointMismatch { size: checkpoint.size, what });
        match self.tree.root_at(checkpoint.size) {
            None => fail(format!(
                "log shorter than checkpoint {}: the journal holds {} entries",
                checkpoint.size,
                self.len()
            )),
            Some(root) if root != checkpoint.root => fail("the journal's entries have another root".into()),
            Some(_) => Ok(()),
        }
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        &self.verifier.name
    }

    /// The key that signs the log's checkpoints.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
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
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Bytes of the journal and, last known, of the index.
    pub fn bytes_on_disk(&self) -> u64 {
        self.journal.bytes_on_disk()
    }

    /// The last published checkpoint, verified against the log's key.
    ///
    /// # Errors
    /// A missing, malformed or unverified checkpoint.
    pub fn checkpoint(&self) -> Result<Checkpoint, LedgerError> {
        Checkpoint::open(&self.checkpoint_note()?, &self.verifier)
    }

    /// The last published checkpoint as the signed note it is.
    ///
    /// # Errors
    /// [`LedgerError::Io`].
    pub fn checkpoint_note(&self) -> Result<Vec<u8>, LedgerError> {
        let path = checkpoint_path(&self.dir);
        std::fs::read(&path).map_err(LedgerError::io("read", &path))
    }

    /// An entry's stored bytes.
    ///
    /// # Errors
    /// [`LedgerError::BadEntry`] when there is none.
    pub fn entry_bytes(&self, seq: u64) -> Result<Vec<u8>, LedgerError> {
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
    pub fn find(&self, id: &EventId) -> Option<u64> {
        self.ids.get(id).copied()
    }

    /// Calls `each` with every entry from `from` on.
    ///
    /// # Errors
    /// What reading or `each` fails with.
    pub fn scan<E: From<LedgerError>>(&self, from: u64, mut each: impl FnMut(Entry) -> Result<(), E>) -> Result<(), E> {
        for seq in from..self.len() {
            each(self.entry(seq)?)?;
        }
        Ok(())
    }

    /// Appends events. When this returns, they are durable, numbered, chained and signed.
    ///
    /// A draft whose id stands already with the same content is answered with its old position.
    ///
    /// # Errors
    /// [`LedgerError::IdConflict`] and [`LedgerError::BadDraft`] before anything is written;
    /// [`LedgerError::Io`] after which this log must not be written again by this process.
    pub fn append(&mut self, drafts: &[Draft], signer: &Signer) -> Result<Vec<Receipt>, LedgerError> {
        let transient = self.held.is_none();
        self.hold()?;
        let result = self.append_held(drafts, signer);
        if transient {
            self.release();
        }
        result
    }

    fn append_held(&mut self, drafts: &[Draft], signer: &Signer) -> Result<Vec<Receipt>, LedgerError> {
        if self.poisoned {
            return Err(LedgerError::BadDraft { what: "an earlier write failed; run the command again".into() });
        }
        let mut known: BTreeMap<EventId, u64> = BTreeMap::new();
        let mut fresh: Vec<&Draft> = Vec::with_capacity(drafts.len());
        let mut seqs = Vec::with_capacity(drafts.len());
        for draft in drafts {
            entry::check_draft(draft, self.origin())?;
            let existing = self.find(&draft.id).map(|seq| self.entry(seq).map(|e| (seq, e.draft()))).transpose()?;
            let (seq, existed) = match (existing, known.get(&draft.id)) {
                (Some((seq, old)), _) if old == *draft => (seq, true),
                (None, Some(&seq)) if *fresh[(seq - self.len()) as usize] == *draft => (seq, true),
                (None, None) => (self.len() + fresh.len() as u64, false),
                (found, inside) => {
                    let seq = found.map(|f| f.0).or(inside.copied()).unwrap_or_default();
                    return Err(LedgerError::IdConflict { id: draft.id.to_string(), seq });
                }
            };
            if !existed {
                known.insert(draft.id, seq);
                fresh.push(draft);
            }
            seqs.push((seq, existed));
        }
        let entries = self.seal(&fresh, signer)?;
        self.journal_and_integrate(&entries)?;
        if let Some(held) = &mut self.held {
            held.integrate(entries)?;
        }
        let leaf = |seq| self.tree.leaf(seq).unwrap_or_default();
        Ok(seqs.into_iter().map(|(seq, existed)| Receipt { seq, leaf: leaf(seq), existed }).collect())
    }

    /// Numbers and chains drafts in order, then signs them on all cores.
    fn seal(&self, drafts: &[&Draft], signer: &Signer) -> Result<Vec<Entry>, LedgerError> {
        let time_us = (self.clock)().max(self.time_us);
        let (mut prev, author) = (self.head, signer.id());
        let mut contents = Vec::with_capacity(drafts.len());
        for (seq, draft) in (self.len()..).zip(drafts) {
            let place = Place { origin: self.origin(), seq, prev, time_us };
            let content = entry::content(draft, &place, &author);
            prev = Hash::of(&content);
            contents.push((content, prev));
        }
        contents.into_par_iter().map(|(content, hash)| Entry::decode(entry::seal(content, &hash, signer))).collect()
    }

    pub(crate) fn journal_and_integrate(&mut self, entries: &[Entry]) -> Result<(), LedgerError> {
        let Some(last) = entries.last() else { return Ok(()) };
        let bytes: Vec<&[u8]> = entries.iter().map(Entry::bytes).collect();
        if let Err(e) = self.journal.append(&bytes) {
            self.poisoned = true;
            return Err(e);
        }
        let leaves: Vec<Hash> = entries.par_iter().map(Entry::leaf_hash).collect();
        for (entry, leaf) in entries.iter().zip(leaves) {
            self.tree.push(leaf);
            self.ids.insert(entry.id, entry.seq);
        }
        self.head = last.content_hash();
        self.time_us = last.time_us;
        Ok(())
    }

    /// Publishes a checkpoint over everything appended. Does nothing when there is nothing new.
    ///
    /// # Errors
    /// [`LedgerError::Key`] when `signer` is not this log's key.
    pub fn publish(&mut self, signer: &Signer) -> Result<Checkpoint, LedgerError> {
        if signer.public() != self.verifier.key {
            return Err(LedgerError::Key {
                path: self.dir.clone(),
                what: format!("{} is not this log's key", signer.id()),
            });
        }
        let transient = self.held.is_none();
        self.hold()?;
        let result = self.publish_held(signer);
        if transient {
            self.release();
        }
        result
    }

    fn publish_held(&mut self, signer: &Signer) -> Result<Checkpoint, LedgerError> {
        let old = self.checkpoint()?;
        if old.size == self.len() {
            return Ok(old);
        }
        let new = Checkpoint { origin: self.origin().into(), size: self.len(), root: self.tree.root() };
        // A crash before the rename leaves the old checkpoint, after it the new one: both are prefixes.
        replace_file(&checkpoint_path(&self.dir), new.sign(signer)?.as_bytes())?;
        Ok(new)
    }
}
