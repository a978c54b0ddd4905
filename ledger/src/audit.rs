//! Full verification: every entry's encoding, order, link, author and signature, and the tree.
//!
//! The auditor collects every finding, each with a sequence number and a stable reason code, and
//! never stops at the first.

use crate::bulk::{PreparedKey, verify_all};
use crate::checkpoint::Checkpoint;
use crate::entry::{Entry, EventId, signed_message};
use crate::error::LedgerError;
use crate::hash::Hash;
use crate::key::{KeyId, PublicKey};
use crate::merkle::Tree;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;

/// Entries verified at a time: bounds memory, and is enough to keep all cores busy.
pub const CHUNK: usize = 4096;

/// Why an entry was refused. The names are stable: tools may match on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The bytes are no entry.
    BadEncoding,
    /// The entry belongs to another log.
    WrongOrigin,
    /// The sequence number is not the next one.
    WrongSequence,
    /// The link does not fit the entry before.
    ChainBreak,
    /// The signature does not verify.
    BadSignature,
    /// Nobody vouched for the author's key.
    UnknownKey,
    /// The author's key was revoked before this position.
    RevokedKey,
    /// The author may not record this kind.
    RoleNotAllowed,
    /// The time is before the entry before.
    TimeRegressed,
    /// The event id stands twice.
    DuplicateId,
    /// The payload is malformed or of an unsupported version.
    BadPayload,
    /// The log is shorter than a checkpoint of it.
    ShorterThanCheckpoint,
    /// The root over the entries is not the checkpoint's.
    RootMismatch,
    /// The checkpoint does not verify.
    BadCheckpoint,
    /// The journal is damaged.
    JournalDamaged,
    /// The index differs from the journal.
    IndexDiffers,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = serde_variant(*self);
        f.write_str(&text)
    }
}

fn serde_variant(reason: Reason) -> String {
    let mut out = String::new();
    for c in format!("{reason:?}").chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.extend(c.to_lowercase());
    }
    out
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Sequence number; for the whole log, its length.
    pub seq: u64,
    /// Stable code.
    pub reason: Reason,
    /// In words.
    pub detail: String,
}

/// Says which key may sign an entry, position by position. It sees the entries in order, so it
/// can follow the events that add and revoke keys.
pub trait Authority {
    /// The key that must have signed `entry`, or why nobody may.
    ///
    /// # Errors
    /// A reason and words.
    fn admit(&mut self, entry: &Entry) -> Result<PublicKey, (Reason, String)>;
}

/// Verifies a log from its first entry, or on from a verified state.
#[derive(Debug)]
pub struct Auditor<'a, A: Authority> {
    origin: &'a str,
    authority: &'a mut A,
    next: u64,
    prev: Hash,
    time_us: u64,
    ids: BTreeMap<EventId, u64>,
    keys: BTreeMap<KeyId, Option<PreparedKey>>,
    /// The tree over the entries seen.
    pub tree: Tree,
    /// Everything found.
    pub findings: Vec<Finding>,
}

struct Checked {
    entry: Entry,
    content: Hash,
    leaf: Hash,
}

impl<'a, A: Authority> Auditor<'a, A> {
    /// Begins at the first entry of the log `origin`.
    pub fn new(origin: &'a str, authority: &'a mut A) -> Auditor<'a, A> {
        Auditor {
            origin,
            authority,
            next: 0,
            prev: Hash::ZERO,
            time_us: 0,
            ids: BTreeMap::new(),
            keys: BTreeMap::new(),
            tree: Tree::new(),
            findings: Vec::new(),
        }
    }

    /// Number of entries seen.
    pub fn len(&self) -> u64 {
        self.next
    }

    /// True before the first entry.
    pub fn is_empty(&self) -> bool {
        self.next == 0
    }

    fn find(&mut self, seq: u64, reason: Reason, detail: impl Into<String>) {
        self.findings.push(Finding { seq, reason, detail: detail.into() });
    }

    /// Verifies the next entries in full.
    pub fn push(&mut self, chunk: &[Vec<u8>]) {
        self.advance(chunk, true);
    }

    /// Takes entries whose signatures were verified before: chain and tree only. The caller must
    /// compare [`Auditor::tree`] with the root it verified then.
    pub fn push_verified(&mut self, chunk: &[Vec<u8>]) {
        self.advance(chunk, false);
    }

    fn advance(&mut self, entries: &[Vec<u8>], signatures: bool) {
        for chunk in entries.chunks(CHUNK) {
            let decoded: Vec<Result<Checked, LedgerError>> = chunk
                .par_iter()
                .map(|bytes| {
                    let entry = Entry::decode(bytes.clone())?;
                    Ok(Checked { content: entry.content_hash(), leaf: entry.leaf_hash(), entry })
                })
                .collect();
            let mut to_verify = Vec::with_capacity(chunk.len());
            for (bytes, result) in chunk.iter().zip(decoded) {
                match result {
                    Ok(checked) => self.check_order(checked, &mut to_verify),
                    Err(e) => {
                        self.find(self.next, Reason::BadEncoding, e.to_string());
                        self.tree.push(crate::merkle::leaf_hash(bytes));
                        self.next += 1;
                    }
                }
            }
            if signatures {
                self.check_signatures(&to_verify);
            }
        }
    }

    fn check_order(&mut self, checked: Checked, to_verify: &mut Vec<(Checked, KeyId)>) {
        let seq = self.next;
        let entry = &checked.entry;
        if entry.origin() != self.origin {
            self.find(seq, Reason::WrongOrigin, format!("it belongs to the log '{}'", entry.origin()));
        }
        if entry.seq != seq {
            self.find(seq, Reason::WrongSequence, format!("it says {}", entry.seq));
        }
        if entry.prev != self.prev {
            self.find(seq, Reason::ChainBreak, "its link does not fit the entry before");
        }
        if entry.time_us < self.time_us {
            self.find(seq, Reason::TimeRegressed, "its time is before the entry before");
        }
        if let Some(first) = self.ids.insert(entry.id, seq) {
            self.find(seq, Reason::DuplicateId, format!("the event id {} stands at {first} already", entry.id));
        }
        self.prev = checked.content;
        self.time_us = self.time_us.max(entry.time_us);
        self.tree.push(checked.leaf);
        self.next += 1;
        match self.authority.admit(entry) {
            Ok(key) => {
                let id = key.id();
                self.keys.entry(id).or_insert_with(|| PreparedKey::new(&key));
                to_verify.push((checked, id));
            }
            Err((reason, words)) => self.find(seq, reason, words),
        }
    }

    fn check_signatures(&mut self, entries: &[(Checked, KeyId)]) {
        let keys = &self.keys;
        let bad: Vec<u64> = entries
            .par_chunks(64)
            .flat_map_iter(|chunk| {
                let (mut items, mut bad) = (Vec::with_capacity(chunk.len()), Vec::new());
                let mut seqs = Vec::with_capacity(chunk.len());
                for (checked, id) in chunk {
                    let signature = <[u8; 64]>::try_from(checked.entry.signature());
                    match (keys.get(id).and_then(Option::as_ref), signature) {
                        (Some(key), Ok(s)) => {
                            items.push((key, signed_message(&checked.content), s));
                            seqs.push(checked.entry.seq);
                        }
                        _ => bad.push(checked.entry.seq),
                    }
                }
                bad.extend(seqs.into_iter().zip(verify_all(&items)).filter(|(_, good)| !good).map(|(seq, _)| seq));
                bad
            })
            .collect();
        for seq in bad {
            self.find(seq, Reason::BadSignature, "the signature is not the author's over this content");
        }
    }

    /// Compares the tree with a checkpoint of the log.
    pub fn check_checkpoint(&mut self, checkpoint: &Checkpoint) {
        match self.tree.root_at(checkpoint.size) {
            None => {
                let words = format!("log shorter than checkpoint {}: it has {} entries", checkpoint.size, self.next);
                self.find(self.next, Reason::ShorterThanCheckpoint, words);
            }
            Some(root) if root != checkpoint.root => {
                let words = format!("the root over {} entries is not the checkpoint's", checkpoint.size);
                self.find(checkpoint.size, Reason::RootMismatch, words);
            }
            Some(_) => {}
        }
    }

    /// The first finding as an error, or nothing.
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
    fn admit(&mut self, entry: &Entry) -> Result<PublicKey, (Reason, String)> {
        let found = self.0.iter().find(|k| k.id() == entry.author);
        found.copied().ok_or_else(|| (Reason::UnknownKey, format!("nobody vouched for {}", entry.author)))
    }
}
