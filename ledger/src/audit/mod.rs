//! Full verification: every entry's encoding, order, link, author and signature, and the tree.
//!
//! The auditor collects every finding, each with a sequence number and a stable reason code, and
//! never stops at the first.

pub mod export;
pub mod scrub;
pub mod seen;
pub mod witness;

pub use crate::finding::{Finding, Reason};

use crate::audit::seen::Seen;
use crate::error::LedgerError;
use crate::format::entry::{Entry, Hashed};
use crate::format::hash::Hash;
use crate::keys::note::Verifier;
use crate::keys::public::PublicKey;
use crate::keys::signatures::{Authors, Unverified, bad_signatures};
use crate::tree::checkpoint::Checkpoint;
use crate::tree::frontier::Frontier;
use bytes::Bytes;
use rayon::prelude::*;

/// Entries verified at a time: bounds memory, and is enough to keep all cores busy;
pub const CHUNK: usize = 16384;
/// and bytes after which they are no more.
pub const CHUNK_BYTES: usize = 8 << 20;
/// Entries of a chunk that are decoded and noted at a time: what is noted may be larger than the entry.
const NOTED: usize = 1024;

/// Whether entries that were gathered are enough to be verified.
pub fn is_chunk(entries: &[Bytes]) -> bool {
    entries.len() >= CHUNK || entries.iter().map(Bytes::len).sum::<usize>() >= CHUNK_BYTES
}

/// Says which key may sign an entry, position by position. It sees the entries in order, so it
/// can follow the events that add and revoke keys.
pub trait Authority: Send {
    /// What is read of an entry before its turn comes.
    type Note: Send;

    /// Reads an entry for [`Authority::admit`]; on any thread, in any order.
    fn note(entry: &Entry) -> Self::Note;

    /// The key that must have signed `entry`, or why nobody may.
    ///
    /// # Errors
    /// A reason and words.
    fn admit(&mut self, entry: &Entry, note: Self::Note) -> Result<PublicKey, (Reason, String)>;

    /// The raw key that may sign the log's checkpoints, if the entries so far name one.
    fn log_key(&self) -> Option<[u8; 32]> {
        None
    }
}

/// What is wrong when a log's checkpoints are signed by another key than its entries name (K-12).
pub fn foreign_log_key(authority: &impl Authority, verifier: &Verifier) -> Option<Finding> {
    authority.log_key().filter(|key| *key != verifier.key.to_bytes()).map(|_| Finding {
        seq: 0,
        reason: Reason::BadCheckpoint,
        detail: "the first entry names another checkpoint key".into(),
    })
}

/// An entry with what was noted of it, or its leaf and why it cannot be read.
type Decoded<A> = Result<(Hashed, <A as Authority>::Note), (Hash, LedgerError)>;

/// Verifies a log from its first entry, or on from a verified state.
#[derive(Debug)]
pub struct Auditor<'a, A: Authority> {
    origin: &'a str,
    authority: &'a mut A,
    next: u64,
    /// Unknown after damage.
    prev: Option<Hash>,
    time_us: u64,
    ids: Seen,
    authors: Authors,
    pending: Vec<Unverified>,
    edge: Frontier,
    whole: bool,
    expected: Vec<Checkpoint>,
    leaves: Option<Leaves<'a>>,
    /// Everything found.
    pub findings: Vec<Finding>,
}

/// Who is given the leaves.
struct Leaves<'a>(Box<dyn FnMut(Hash) + Send + 'a>);

impl std::fmt::Debug for Leaves<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Leaves")
    }
}

impl<'a, A: Authority> Auditor<'a, A> {
    /// Begins at the first entry of the log `origin`.
    pub fn new(origin: &'a str, authority: &'a mut A) -> Auditor<'a, A> {
        Auditor {
            origin,
            authority,
            next: 0,
            prev: Some(Hash::ZERO),
            time_us: 0,
            ids: Seen::default(),
            authors: Authors::default(),
            pending: Vec::new(),
            edge: Frontier::new(),
            whole: true,
            expected: Vec::new(),
            leaves: None,
            findings: Vec::new(),
        }
    }

    /// Gives every leaf to `each`, in order.
    pub fn leaves_to(mut self, each: impl FnMut(Hash) + Send + 'a) -> Self {
        self.leaves = Some(Leaves(Box::new(each)));
        self
    }

    /// A checkpoint that the log must agree with; to be said before its entries are pushed.
    pub fn expect(&mut self, checkpoint: Checkpoint) {
        self.edge.watch(checkpoint.size);
        self.expected.push(checkpoint);
    }

    /// The root over the first `size` entries, if a checkpoint of that size was expected or it is the last.
    pub fn root_at(&self, size: u64) -> Option<Hash> {
        self.edge.root_at(size)
    }

    /// Notes damage before the entry `next`, with which to go on. Nothing can be said about the
    /// tree from here on.
    pub fn damage(&mut self, reason: Reason, detail: String, next: u64) {
        self.find(self.next, reason, detail);
        self.whole = false;
        self.next = self.next.max(next);
        self.prev = None;
    }

    /// Number of entries seen.
    pub fn len(&self) -> u64 {
        self.next
    }

    /// Whether no entry was damaged or missing: then the leaves are the log's.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// True before the first entry.
    pub fn is_empty(&self) -> bool {
        self.next == 0
    }

    fn find(&mut self, seq: u64, reason: Reason, detail: impl Into<String>) {
        self.findings.push(Finding { seq, reason, detail: detail.into() });
    }

    /// Verifies the next entries in full.
    pub fn push(&mut self, entries: Vec<Bytes>) {
        self.advance(entries, true);
    }

    /// Takes entries whose signatures were verified before: chain and tree only. The caller must
    /// [expect](Auditor::expect) the checkpoint that was verified then.
    pub fn push_verified(&mut self, entries: Vec<Bytes>) {
        self.advance(entries, false);
    }

    /// Signatures are verified beside the decoding of the next entries.
    fn advance(&mut self, entries: Vec<Bytes>, signatures: bool) {
        let mut entries = entries.into_iter().peekable();
        while entries.peek().is_some() {
            let chunk: Vec<Bytes> = entries.by_ref().take(CHUNK).collect();
            let pending = std::mem::take(&mut self.pending);
            let (bad, ()) = rayon::join(|| bad_signatures(&pending), || self.take_in(chunk, signatures));
            self.report(bad);
        }
    }

    fn report(&mut self, bad: Vec<u64>) {
        for seq in bad {
            self.find(seq, Reason::BadSignature, "the signature is not the author's over this content");
        }
    }

    fn take_in(&mut self, chunk: Vec<Bytes>, signatures: bool) {
        let mut chunk = chunk.into_iter().peekable();
        while chunk.peek().is_some() {
            let block: Vec<Bytes> = chunk.by_ref().take(NOTED).collect();
            self.take_block(block, signatures);
        }
    }

    fn take_block(&mut self, block: Vec<Bytes>, signatures: bool) {
        let hash = |bytes: Bytes| -> Decoded<A> {
            let leaf = crate::tree::merkle::leaf_hash(&bytes);
            let entry = Entry::decode(bytes).map_err(|e| (leaf, e))?;
            let note = A::note(&entry);
            Ok((Hashed { content: entry.content_hash(), leaf, entry }, note))
        };
        let decoded: Vec<Decoded<A>> = block.into_par_iter().map(hash).collect();
        for result in decoded {
            match result {
                Ok((hashed, note)) => {
                    if let Some(key) = self.check_order(&hashed, note).filter(|_| signatures) {
                        let (seq, key) = (self.next - 1, self.authors.key(&key));
                        let signature = hashed.entry.signature().try_into().ok();
                        self.pending.push(Unverified { seq, content: hashed.content, signature, key });
                    }
                }
                Err((leaf, e)) => {
                    self.find(self.next, Reason::BadEncoding, e.to_string());
                    self.push_leaf(leaf);
                    self.prev = None;
                }
            }
        }
    }

    /// Checks everything but the signature, and gives the key that must have signed.
    fn check_order(&mut self, hashed: &Hashed, note: A::Note) -> Option<PublicKey> {
        let seq = self.next;
        let entry = &hashed.entry;
        if entry.origin() != self.origin {
            self.find(seq, Reason::WrongOrigin, format!("it belongs to the log '{}'", entry.origin()));
        }
        if entry.seq != seq {
            self.find(seq, Reason::WrongSequence, format!("it says {}", entry.seq));
        }
        if self.prev.is_some_and(|prev| entry.prev != prev) {
            self.find(seq, Reason::ChainBreak, "its link does not fit the entry before");
        }
        if entry.time_us < self.time_us {
            self.find(seq, Reason::TimeRegressed, "its time is before the entry before");
        }
        self.ids.push(entry.id, seq);
        self.prev = Some(hashed.content);
        self.time_us = self.time_us.max(entry.time_us);
        self.push_leaf(hashed.leaf);
        match self.authority.admit(entry, note) {
            Ok(key) => Some(key),
            Err((reason, words)) => {
                self.find(seq, reason, words);
                None
            }
        }
    }

    fn push_leaf(&mut self, leaf: Hash) {
        self.edge.push(leaf);
        if let Some(Leaves(each)) = &mut self.leaves {
            each(leaf);
        }
        self.next += 1;
    }

    /// Ends the verification: the last signatures, repeated ids, and the checkpoints that were
    /// expected. Only then [`Auditor::findings`] are complete.
    ///
    /// # Errors
    /// [`LedgerError::Io`] when the ids of a long log, kept in a temporary file, cannot be read back.
    pub fn finish(&mut self) -> Result<(), LedgerError> {
        let pending = std::mem::take(&mut self.pending);
        let (bad, repeated) = rayon::join(|| bad_signatures(&pending), || self.ids.repeated());
        self.report(bad);
        for (id, seq) in repeated.map_err(LedgerError::io("read back", &std::env::temp_dir()))? {
            self.find(seq, Reason::DuplicateId, format!("the event id {id} stands before it already"));
        }
        let mut longest = self.expected.iter().map(|c| c.size).max();
        for checkpoint in std::mem::take(&mut self.expected) {
            let size = checkpoint.size;
            if size > self.next {
                // Of several that it does not reach the longest says it.
                if longest.take_if(|longest| *longest == size).is_none() {
                    continue;
                }
                let words = format!("log shorter than checkpoint {size}: it has {} entries", self.next);
                self.find(self.next, Reason::ShorterThanCheckpoint, words);
            // After damage a root over what is left would say nothing, and was found already.
            } else if self.whole && self.root_at(size) != Some(checkpoint.root) {
                self.find(size, Reason::RootMismatch, format!("the root over {size} entries is not the checkpoint's"));
            }
        }
        Ok(())
    }

    /// The first finding as an error, or nothing; after [`Auditor::finish`].
    ///
    /// # Errors
    /// [`LedgerError::Refused`].
    pub fn verdict(&self) -> Result<(), LedgerError> {
        match self.findings.iter().min_by_key(|f| f.seq) {
            None => Ok(()),
            Some(f) => Err(LedgerError::Refused { seq: f.seq, reason: format!("{}: {}", f.reason, f.detail) }),
        }
    }
}

/// An authority that knows a fixed set of keys, each allowed everything.
#[derive(Debug, Clone, Default)]
pub struct FixedKeys(pub Vec<PublicKey>);

impl Authority for FixedKeys {
    type Note = ();

    fn note(_: &Entry) {}

    fn admit(&mut self, entry: &Entry, (): ()) -> Result<PublicKey, (Reason, String)> {
        let found = self.0.iter().find(|k| k.id() == entry.author);
        found.copied().ok_or_else(|| (Reason::UnknownKey, format!("nobody vouched for {}", entry.author)))
    }
}
