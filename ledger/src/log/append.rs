//! The write path: *appended*, *integrated*, *published*.

use crate::error::LedgerError;
use crate::format::entry::{self, Draft, Entry, EventId, Hashed, Place, signed_message};
use crate::format::hash::Hash;
use crate::keys::signer::Signer;
use crate::log::{Log, Receipt, checkpoint_path};
use crate::storage::disk;
use crate::storage::journal::Journal;
use crate::tree::checkpoint::{self, Checkpoint};
use crate::tree::merkle::Nodes as _;
use bytes::Bytes;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};

/// Entries that the index may lag behind in bytes before it is opened for them.
const INDEX_LAG: usize = 4 << 20;

/// A clock that is further behind the last entry's time is mentioned,
const SKEW_US: u64 = 60_000_000;
/// and one that is so far behind, a day, records nothing: one of the two times is wrong.
const FAR_US: u64 = 86_400_000_000;

/// From so many entries on a batch is sealed on all cores,
const FEW: usize = 4;
/// and from so many on it is written while it is sealed, in pieces of this size. Tests take less, so
/// that small batches go the whole way.
pub(crate) const MANY: usize = if cfg!(test) { 24 } else { 256 };
const PIECE: usize = if cfg!(test) { 5 } else { 32 };
/// Entries that are written at a time then,
const WRITE: usize = if cfg!(test) { 12 } else { 128 };
/// and bytes after which the disk begins with what was written, so that the last sync waits less.
const EARLY: u64 = if cfg!(test) { 8 << 10 } else { 256 << 10 };

/// Content bytes and their hash.
type Content = (Vec<u8>, Hash);

fn seal(contents: Vec<Content>, signer: &Signer) -> Sealed {
    let messages: Vec<[u8; 47]> = contents.iter().map(|(_, hash)| signed_message(hash)).collect();
    let signatures = signer.sign_all(&messages)?;
    let whole = |((mut bytes, content), signature): (Content, [u8; 64])| {
        bytes.extend_from_slice(&signature);
        let entry = Entry::decode(bytes)?;
        Ok(Hashed { leaf: entry.leaf_hash(), content, entry })
    };
    contents.into_iter().zip(signatures).map(whole).collect()
}

type Sealed = Result<Vec<Hashed>, LedgerError>;

/// Seals entries on all cores and gives them to `write` piece by piece, in order, while the next
/// ones are being sealed. The contents are chained while the first ones are being sealed.
///
/// The caller waits for pieces, so it must not be a thread of the pool that seals them: with one
/// thread it would wait for itself.
fn seal_in_pieces(
    mut contents: impl ExactSizeIterator<Item = Content>,
    signer: &Signer,
    mut write: impl FnMut(Vec<Hashed>) -> Result<(), LedgerError>,
) -> Result<(), LedgerError> {
    let (sender, pieces) = std::sync::mpsc::channel();
    rayon::in_place_scope(|scope| {
        for number in 0..contents.len().div_ceil(PIECE) {
            let (piece, sender): (Vec<Content>, _) = (contents.by_ref().take(PIECE).collect(), sender.clone());
            scope.spawn(move |_| {
                let sealed = seal(piece, signer);
                // Nobody listens any more after a failed write.
                sender.send((number, sealed)).unwrap_or_default();
            });
        }
        drop(sender);
        let (mut early, mut next, mut ready) = (BTreeMap::new(), 0, Vec::with_capacity(2 * WRITE));
        for (number, piece) in pieces {
            early.insert(number, piece);
            while let Some(piece) = early.remove(&next) {
                ready.extend(piece?);
                next += 1;
            }
            if ready.len() >= WRITE {
                write(std::mem::take(&mut ready))?;
            }
        }
        write(ready)
    })
}

/// Signs on all cores, writes, and syncs. Gives the entries' bytes and leaves.
fn journal(
    journal: &mut Journal,
    contents: impl ExactSizeIterator<Item = Content>,
    signer: &Signer,
) -> Result<(Vec<Bytes>, Vec<Hash>), LedgerError> {
    let count = contents.len();
    let (mut out, mut leaves) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let mut write = |piece: Vec<Hashed>| {
        out.extend(journal.write(&piece)?);
        leaves.extend(piece.iter().map(|hashed| hashed.leaf));
        // The last piece is followed by the sync of all.
        if out.len() < count { journal.sync_early(EARLY) } else { Ok(()) }
    };
    let pieces = count >= MANY && rayon::current_thread_index().is_none();
    match count {
        0..FEW => write(seal(contents.collect(), signer)?)?,
        _ if pieces => seal_in_pieces(contents, signer, write)?,
        _ => {
            let contents: Vec<Content> = contents.collect();
            let each = count.div_ceil(rayon::current_num_threads()).clamp(1, PIECE);
            let pieces = contents.par_chunks(each).map(|piece| seal(piece.to_vec(), signer));
            write(pieces.collect::<Result<Vec<_>, _>>()?.concat())?;
        }
    }
    journal.sync()?;
    Ok((out, leaves))
}

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
        self.check_vouched(self.len())?;
        self.look_at_index()?;
        if self.len() + drafts.len() as u64 > entry::MAX_SEQ {
            return Err(LedgerError::BadDraft { what: "the log is full: sequence numbers end at 2^63 - 1".into() });
        }
        let mut known: HashMap<EventId, u64> = HashMap::with_capacity(drafts.len());
        let mut fresh: Vec<&Draft> = Vec::with_capacity(drafts.len());
        let mut seqs = Vec::with_capacity(drafts.len());
        let ids: Vec<EventId> = drafts.iter().map(|d| d.id).collect();
        let standing = self.journal.find_all(&ids)?;
        for (draft, standing) in drafts.iter().zip(standing) {
            entry::check_draft(draft, self.origin())?;
            let existing = standing.map(|seq| self.entry(seq).map(|e| (seq, e.draft()))).transpose()?;
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
        let first = self.len();
        let leaves = self.commit(&fresh, signer)?;
        let leaf = |seq: u64| match seq.checked_sub(first).and_then(|n| leaves.get(n as usize)) {
            Some(leaf) => Ok(*leaf),
            None => self.journal.leaf(seq),
        };
        let receipt = |(seq, existed)| Ok(Receipt { seq, leaf: leaf(seq)?, existed });
        seqs.into_iter().map(receipt).collect()
    }

    /// Numbers, chains and seals drafts, journals them while the next are being sealed, and syncs
    /// them, which acknowledges them; then hands them to the index. Gives their leaves.
    fn commit(&mut self, drafts: &[&Draft], signer: &Signer) -> Result<Vec<Hash>, LedgerError> {
        let (edge, author, origin) = (self.journal.edge(), signer.id(), self.verifier.name.clone());
        let time_us = match self.fixed_time.take() {
            Some(time_us) => time_us.max(edge.time_us),
            None => self.next_time()?,
        };
        let (mut seq, mut prev) = (edge.len, edge.head);
        let chained = drafts.iter().map(|draft| {
            let place = Place { origin: &origin, seq, prev, time_us };
            let content = entry::content(draft, &place, &author);
            prev = Hash::of(&content);
            seq += 1;
            (content, prev)
        });
        let (entries, leaves) = match journal(&mut self.journal, chained, signer) {
            Ok(written) => written,
            Err(e) => {
                self.poisoned = true;
                return Err(e);
            }
        };
        self.vouched = self.len();
        self.lag += entries.iter().map(Bytes::len).sum::<usize>();
        match &mut self.held {
            Some(held) if held.has_index() => {
                if let Err(e) = held.integrate(entries) {
                    self.index_failed(&e);
                }
            }
            _ if self.lag > INDEX_LAG => self.bring_up_index()?,
            _ => {}
        }
        Ok(leaves)
    }

    /// The time of an entry that is appended now: the later of the clock and the last entry's. A clock
    /// that is behind the last entry is said, and above a limit refused.
    ///
    /// # Errors
    /// [`LedgerError::Ahead`].
    fn next_time(&mut self) -> Result<u64, LedgerError> {
        let (now, last) = ((self.clock)(), self.journal.edge().time_us);
        let ahead = last.saturating_sub(now);
        if ahead > FAR_US {
            return Err(LedgerError::Ahead { ahead_s: ahead / 1_000_000 });
        }
        if ahead > SKEW_US && !self.skew_said {
            let behind = ahead / 1_000_000;
            self.notices
                .push(format!("this machine's clock is {behind} s behind the last entry's; the order is by number"));
            self.skew_said = true;
        }
        Ok(now.max(last))
    }

    /// The time that the next append will have, in microseconds since 1970: for whoever states it in
    /// what is recorded. The log must be [held](Log::hold).
    ///
    /// # Errors
    /// [`LedgerError::Ahead`].
    pub fn fix_time(&mut self) -> Result<u64, LedgerError> {
        let time_us = self.next_time()?;
        self.fixed_time = self.held.is_some().then_some(time_us);
        Ok(time_us)
    }

    /// Publishes a checkpoint over everything appended. Does nothing when there is nothing new.
    ///
    /// # Errors
    /// [`LedgerError::Key`] when `signer` is not this log's key.
    pub fn publish(&mut self, signer: &Signer) -> Result<Checkpoint, LedgerError> {
        self.publish_after(signer, |_, _, _| Ok(()))
    }

    /// [`Log::publish`], after `first` was told of the checkpoint and its signed note, which nobody has
    /// seen yet: to remember it where a restored copy of this folder does not reach.
    ///
    /// # Errors
    /// What `first` fails with; then nothing is published.
    pub fn publish_after<E: From<LedgerError>>(
        &mut self,
        signer: &Signer,
        first: impl FnOnce(&Log, &Checkpoint, &[u8]) -> Result<(), E>,
    ) -> Result<Checkpoint, E> {
        if signer.public() != self.verifier.key {
            return Err(LedgerError::Key {
                path: self.dir.clone(),
                what: format!("{} is not this log's key", signer.id()),
            }
            .into());
        }
        let transient = self.held.is_none();
        self.hold()?;
        let result = self.publish_held(signer, first);
        if transient {
            self.release();
        }
        result
    }

    /// Puts cosignatures beside the log's own signature: `note` must be the published checkpoint,
    /// with signature lines added. Proofs made from here on carry them.
    ///
    /// # Errors
    /// [`LedgerError::Unverified`] when it is another checkpoint.
    pub fn attach(&mut self, note: &[u8]) -> Result<(), LedgerError> {
        self.hold()?;
        let result = self.attach_held(note);
        self.release();
        result
    }

    fn replace_note(&mut self, note: &[u8]) -> Result<(), LedgerError> {
        disk::replace(&*self.disk, &checkpoint_path(&self.dir), note)?;
        self.note = note.to_vec();
        Ok(())
    }

    fn attach_held(&mut self, note: &[u8]) -> Result<(), LedgerError> {
        let merged = checkpoint::merge(&self.note, note, &self.verifier)?;
        self.replace_note(&merged)
    }

    fn publish_held<E: From<LedgerError>>(
        &mut self,
        signer: &Signer,
        first: impl FnOnce(&Log, &Checkpoint, &[u8]) -> Result<(), E>,
    ) -> Result<Checkpoint, E> {
        self.check_poison()?;
        self.check_vouched(self.len())?;
        self.look_at_index()?;
        self.flush_index()?;
        let old = self.checkpoint()?;
        if old.size == self.len() {
            self.vouch(signer)?;
            return Ok(old);
        }
        let new = Checkpoint { origin: self.origin().into(), size: self.len(), root: self.journal.root()? };
        let note = new.sign(signer)?;
        first(self, &new, note.as_bytes())?;
        // A crash before the rename leaves the old checkpoint, after it the new one: both are prefixes.
        self.replace_note(note.as_bytes())?;
        self.vouch(signer)?;
        Ok(new)
    }
}
