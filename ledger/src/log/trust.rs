//! Local files are not trusted: what stands above the log's own checkpoint is verified before it is
//! read, signed over, or handed on.
//!
//! A log knows how many of its entries are *vouched* for: those under its checkpoint, whose root its
//! key signed; those that were verified since; those that this process appended itself. The others
//! can be counted, and nothing else can be done with them.

use crate::audit::{Authority, Reason};
use crate::error::LedgerError;
use crate::format::entry::{Entry, Hashed};
use crate::format::hash::Hash;
use crate::keys::public::PublicKey;
use crate::keys::signatures::{Authors, Unverified, bad_signatures};
use crate::log::Log;
use bytes::Bytes;
use std::path::PathBuf;

/// Entries whose signatures are verified at a time.
const CHUNK: u64 = 4096;

/// What verification found first.
type Refusal = (u64, Reason, String);

impl Log {
    /// How many entries are vouched for.
    pub fn vouched(&self) -> u64 {
        self.vouched
    }

    /// Goes through the entries from `from` on and verifies those that nobody vouched for yet: order,
    /// origin, link, time, id, author and signature. `authority` has followed the log up to `from`;
    /// it and `each` see every entry.
    ///
    /// # Errors
    /// [`LedgerError::Untrusted`] with the first entry that does not verify; then nothing above it
    /// is vouched for, and neither `authority` nor what `each` gathered may be used any more.
    pub fn follow<A: Authority>(
        &mut self,
        from: u64,
        authority: &mut A,
        mut each: impl FnMut(&Entry),
    ) -> Result<(), LedgerError> {
        let mut from = from.min(self.vouched);
        let mut authors = Authors::default();
        let before = self.vouched.checked_sub(1).map(|last| self.entry(last)).transpose()?;
        let (mut time_us, mut prev) = before.map_or((0, Hash::ZERO), |e| (e.time_us, e.content_hash()));
        while from < self.len() {
            let to = (from + CHUNK).min(self.len());
            let mut entries = Vec::with_capacity((to - from) as usize);
            self.journal.read(from..to, |_, bytes| {
                entries.push(Entry::decode(Bytes::copy_from_slice(bytes))?);
                Ok::<_, LedgerError>(())
            })?;
            let mut pending = Vec::new();
            let mut found: Option<Refusal> = None;
            for (seq, entry) in (from..).zip(entries) {
                let new = seq >= self.vouched;
                let checked = if new { self.check(&entry, seq, &prev, time_us) } else { Ok(()) };
                match checked.and_then(|()| authority.admit(&entry, A::note(&entry))) {
                    Ok(key) if new => {
                        let waiting = unverified(&entry, &key, &mut authors);
                        (time_us, prev) = (entry.time_us, waiting.content);
                        pending.push(waiting);
                    }
                    Ok(_) => {}
                    Err((reason, detail)) => {
                        found = Some((seq, reason, detail));
                        break;
                    }
                }
                each(&entry);
            }
            if let Some(seq) = bad_signatures(&pending).into_iter().min() {
                let detail = "the signature is not the author's over this content".into();
                found = Some((seq, Reason::BadSignature, detail));
            }
            if let Some((seq, reason, detail)) = found {
                self.vouched = self.vouched.max(seq.min(self.len()));
                return Err(LedgerError::Untrusted { path: self.dir.clone(), seq, reason, detail });
            }
            self.vouched = self.vouched.max(to);
            from = to;
        }
        Ok(())
    }

    /// Sets aside what stands from the first entry on that does not verify, if that is above the
    /// checkpoint: nobody was promised it, since an acknowledged entry verifies. Its bytes are kept.
    /// Gives how many entries remain, and where the others lie.
    ///
    /// # Errors
    /// [`LedgerError::Needless`] when everything verifies, [`LedgerError::Unverified`] when the checkpoint
    /// covers what does not.
    pub fn cut_untrusted(&mut self, authority: &mut impl Authority) -> Result<(u64, PathBuf), LedgerError> {
        self.hold()?;
        let result = self.cut_held(authority);
        self.release();
        result
    }

    fn cut_held(&mut self, authority: &mut impl Authority) -> Result<(u64, PathBuf), LedgerError> {
        let refuse = |why: String| Err(LedgerError::Unverified { what: "the request to cut", why });
        let seq = match self.follow(0, authority, |_| ()) {
            Err(LedgerError::Untrusted { seq, .. }) => seq,
            Err(e) => return Err(e),
            Ok(()) => {
                return Err(LedgerError::Needless { what: "every entry verifies, so there is nothing to cut".into() });
            }
        };
        let size = self.checkpoint()?.size;
        if seq < size {
            return refuse(format!("entry {seq} stands under the checkpoint of size {size}, which was signed over it"));
        }
        let kept = self.journal.cut_from(seq)?;
        // An index that an older release filled may have them too.
        self.stores.discard()?;
        // What is open here shows the journal as it was.
        self.poisoned = true;
        Ok((seq, kept))
    }

    /// What the journal does not check when it is read by what is derived from it.
    fn check(&self, entry: &Entry, seq: u64, prev: &Hash, time_us: u64) -> Result<(), (Reason, String)> {
        if entry.seq != seq {
            return Err((Reason::WrongSequence, format!("it says {}", entry.seq)));
        }
        if entry.prev != *prev {
            return Err((Reason::ChainBreak, "its link does not fit the entry before".into()));
        }
        if entry.origin() != self.origin() {
            return Err((Reason::WrongOrigin, format!("it belongs to the log '{}'", entry.origin())));
        }
        if entry.time_us < time_us {
            return Err((Reason::TimeRegressed, "its time is before the entry before".into()));
        }
        match self.journal.find_before(&entry.id, entry.seq) {
            Ok(None) => Ok(()),
            Ok(Some(at)) => Err((Reason::DuplicateId, format!("its event id stands at {at} already"))),
            Err(e) => Err((Reason::IndexDiffers, e.to_string())),
        }
    }

    /// Nothing is done with entries that nobody vouched for.
    pub(crate) fn check_vouched(&self, upto: u64) -> Result<(), LedgerError> {
        if upto <= self.vouched {
            return Ok(());
        }
        Err(LedgerError::Unvouched { seq: self.vouched })
    }
}

fn unverified(entry: &Entry, key: &PublicKey, authors: &mut Authors) -> Unverified {
    let hashed = Hashed::from(entry.clone());
    let signature = entry.signature().try_into().ok();
    Unverified { seq: entry.seq, content: hashed.content, signature, key: authors.key(key) }
}
