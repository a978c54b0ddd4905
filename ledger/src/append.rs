//! The write path: *appended*, *integrated*, *published*.

use crate::checkpoint::Checkpoint;
use crate::disk;
use crate::entry::{self, Draft, Entry, EventId, Hashed, Place};
use crate::error::LedgerError;
use crate::hash::Hash;
use crate::key::Signer;
use crate::log::{Log, Receipt, checkpoint_path};
use crate::merkle::Nodes as _;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Entries that the index may lag behind in bytes before it is opened for them.
const INDEX_LAG: usize = 4 << 20;

impl Log {
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
        self.check_poison()?;
        let mut known: BTreeMap<EventId, u64> = BTreeMap::new();
        let mut fresh: Vec<&Draft> = Vec::with_capacity(drafts.len());
        let mut seqs = Vec::with_capacity(drafts.len());
        for draft in drafts {
            entry::check_draft(draft, self.origin())?;
            let existing = self.find(&draft.id)?.map(|seq| self.entry(seq).map(|e| (seq, e.draft()))).transpose()?;
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
        self.commit(self.seal(&fresh, signer)?)?;
        let receipt = |(seq, existed)| Ok(Receipt { seq, leaf: self.journal.leaf(seq)?, existed });
        seqs.into_iter().map(receipt).collect()
    }

    /// Journals sealed entries, which acknowledges them, and hands them to the index.
    fn commit(&mut self, entries: Vec<Hashed>) -> Result<(), LedgerError> {
        if let Err(e) = self.journal.append(&entries) {
            self.poisoned = true;
            return Err(e);
        }
        let bytes: Vec<Vec<u8>> = entries.into_iter().map(|h| h.entry.into_bytes()).collect();
        self.lag += bytes.iter().map(Vec::len).sum::<usize>();
        match &mut self.held {
            Some(held) if held.has_index() => {
                if let Err(e) = held.integrate(bytes) {
                    self.index_failed(&e);
                }
            }
            _ if self.lag > INDEX_LAG => self.bring_up_index()?,
            _ => {}
        }
        Ok(())
    }

    /// Numbers and chains drafts in order, then signs them on all cores.
    fn seal(&self, drafts: &[&Draft], signer: &Signer) -> Result<Vec<Hashed>, LedgerError> {
        let edge = self.journal.edge();
        let time_us = (self.clock)().max(edge.time_us);
        let (mut prev, author) = (edge.head, signer.id());
        let mut contents = Vec::with_capacity(drafts.len());
        for (seq, draft) in (self.len()..).zip(drafts) {
            let place = Place { origin: self.origin(), seq, prev, time_us };
            let content = entry::content(draft, &place, &author);
            prev = Hash::of(&content);
            contents.push((content, prev));
        }
        let seal = |(content, hash)| {
            let entry = Entry::decode(entry::seal(content, &hash, signer))?;
            Ok(Hashed { leaf: entry.leaf_hash(), content: hash, entry })
        };
        contents.into_par_iter().map(seal).collect()
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
        self.check_poison()?;
        self.flush_index()?;
        let old = self.checkpoint()?;
        if old.size == self.len() {
            return Ok(old);
        }
        let new = Checkpoint { origin: self.origin().into(), size: self.len(), root: self.journal.root()? };
        // A crash before the rename leaves the old checkpoint, after it the new one: both are prefixes.
        disk::replace(&*self.disk, &checkpoint_path(&self.dir), new.sign(signer)?.as_bytes())?;
        Ok(new)
    }
}
