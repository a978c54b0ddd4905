//! Taking the lock to write: a torn tail is cut, what a killed writer left is made durable, the
//! index is brought up from the journal, or set aside and rebuilt. Nothing that was acknowledged
//! is ever dropped, and the journal is never repaired without being told to.

use crate::audit::{Finding, Reason};
use crate::error::LedgerError;
use crate::log::held::Held;
use crate::log::{Log, PATIENCE};
use crate::storage::journal::{Derived, Ending, Journal};
use crate::storage::store::Store;
use bytes::Bytes;
use std::time::Duration;

/// Entries read from the journal at a time.
const CHUNK: u64 = 1024;

impl Log {
    /// Takes the writer's lock and keeps it until [`Log::release`]: for many commits in a row.
    ///
    /// # Errors
    /// [`LedgerError::Locked`], or a log that must not be written.
    pub fn hold(&mut self) -> Result<(), LedgerError> {
        self.hold_for(PATIENCE)
    }

    /// [`Log::hold`] with a patience of your own.
    ///
    /// # Errors
    /// As [`Log::hold`].
    pub fn hold_for(&mut self, patience: Duration) -> Result<(), LedgerError> {
        if self.held.is_some() {
            return Ok(());
        }
        let lock = self.disk.lock(&self.dir, patience, &*self.on_wait.0)?;
        self.check_poison()?;
        self.refresh()?;
        self.check_checkpoint()?;
        if let Err(e) = self.recover() {
            self.poisoned = true;
            return Err(e);
        }
        self.journal.begin_writing()?;
        self.held = Some(Held::new(lock));
        // The index takes no entry that nobody vouched for: then it is looked at before the first write.
        if self.vouched == self.len() { self.look_at_index() } else { Ok(()) }
    }

    /// Compares the index with the journal once, before anything is written.
    pub(crate) fn look_at_index(&mut self) -> Result<(), LedgerError> {
        if !self.index_seen {
            self.bring_up_index()?;
            self.index_seen = true;
        }
        Ok(())
    }

    /// Cuts a torn tail, and makes durable what was written but not acknowledged.
    fn recover(&mut self) -> Result<(), LedgerError> {
        if let Ending::Torn(bytes) = self.ending {
            // Torn bytes were never acknowledged: an acknowledgement follows the sync of them all.
            self.journal.cut_torn_tail()?;
            self.notices.push(format!("discarded a torn tail of {bytes} bytes that was never acknowledged"));
            self.ending = Ending::Clean;
        }
        self.journal.rewrite_unmarked()
    }

    /// Whether the writer's lock is held.
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Lets the next writer in.
    pub fn release(&mut self) {
        self.journal.close();
        self.held = None;
    }

    /// Opens the index, or sets it aside when it does not open or disagrees, and brings it up to
    /// the journal. An index that cannot be written is said, and costs nothing else.
    ///
    /// # Errors
    /// [`LedgerError::IndexAhead`]: the journal lost what was acknowledged.
    pub(crate) fn bring_up_index(&mut self) -> Result<(), LedgerError> {
        self.lag = 0;
        let brought = self.open_index().and_then(|mut store| {
            self.catch_up(store.as_mut())?;
            Ok(store)
        });
        match (brought, &mut self.held) {
            (Ok(store), Some(held)) => held.with_index(store),
            (Err(e @ LedgerError::IndexAhead { .. }), _) => {
                self.held = None;
                return Err(e);
            }
            (Err(e), _) => self.index_failed(&e),
            (Ok(_), None) => {}
        }
        Ok(())
    }

    /// The index lags from here; it is brought up from the journal at the next opportunity.
    pub(crate) fn index_failed(&mut self, e: &LedgerError) {
        self.notices.push(format!("{e}; it is brought up from the journal later, nothing is lost"));
        self.index_seen = false;
    }

    fn open_index(&mut self) -> Result<Box<dyn Store>, LedgerError> {
        let problem = match self.stores.open() {
            Ok(mut store) => match self.index_problem(store.as_mut())? {
                None => {
                    // It is in step whenever a checkpoint is published; sled may lose what came last.
                    let (has, published) = (store.len(), self.checkpoint()?.size);
                    if has < published {
                        let words = format!("the index held {has} of {published} published entries");
                        self.notices.push(format!("{words}: brought up from the journal"));
                    }
                    return Ok(store);
                }
                Some(problem) => problem,
            },
            Err(LedgerError::Index { what, .. }) => what,
            Err(e) => return Err(e),
        };
        self.stores.set_aside()?;
        self.notices.push(format!("the index was set aside and rebuilt from the journal: {problem}"));
        self.stores.open()
    }

    /// Why an index that opened cannot be used: its last common entry differs.
    fn index_problem(&self, store: &mut dyn Store) -> Result<Option<String>, LedgerError> {
        let Some(last) = store.len().min(self.len()).checked_sub(1) else { return Ok(None) };
        match store.get(last) {
            Ok(bytes) if bytes.as_deref() == Some(&self.stored(last)?[..]) => Ok(None),
            Ok(_) => Ok(Some(format!("entry {last} differs from the journal's"))),
            Err(e) => Ok(Some(e.to_string())),
        }
    }

    fn catch_up(&self, store: &mut dyn Store) -> Result<(), LedgerError> {
        if store.len() > self.len() {
            return Err(LedgerError::IndexAhead { path: self.dir.clone(), journal: self.len(), index: store.len() });
        }
        let mut chunk = Vec::new();
        let mut from = store.len();
        while from < self.vouched {
            let to = (from + CHUNK).min(self.vouched);
            self.journal.read(from..to, |_, bytes| {
                chunk.push(Bytes::copy_from_slice(bytes));
                Ok::<_, LedgerError>(())
            })?;
            store.append(&chunk)?;
            chunk.clear();
            from = to;
        }
        store.flush()
    }

    /// Brings an open index up to the last entry, opening it when it was not needed so far.
    pub(crate) fn flush_index(&mut self) -> Result<(), LedgerError> {
        let Some(held) = &mut self.held else { return Ok(()) };
        match held.has_index() {
            true => match held.flush() {
                Ok(()) => self.lag = 0,
                Err(e) => self.index_failed(&e),
            },
            false => self.bring_up_index()?,
        }
        Ok(())
    }

    /// Compares the index with the journal, entry by entry. Takes the lock.
    ///
    /// # Errors
    /// When the lock cannot be had.
    pub fn compare_index(&mut self) -> Result<Vec<Finding>, LedgerError> {
        let _lock = self.disk.lock_to_read(&self.dir, PATIENCE, &*self.on_wait.0)?;
        self.refresh()?;
        let mut found = Differences::default();
        let mut find = |seq, detail: String| found.add(seq, detail);
        match self.stores.look() {
            Err(e) => find(0, e.to_string()),
            Ok(mut store) => {
                // One that lags is no finding: the next writer brings it up.
                if store.len() > self.len() {
                    find(self.len(), format!("the index holds {} entries, the journal {}", store.len(), self.len()));
                }
                for seq in 0..self.len().min(store.len()) {
                    match store.get(seq) {
                        Ok(bytes) if bytes.as_deref() == Some(&self.stored(seq)?[..]) => {}
                        Ok(_) => find(seq, "the index holds other bytes than the journal".into()),
                        Err(e) => find(seq, words(&e, seq)),
                    }
                }
            }
        }
        Ok(found.0)
    }

    /// Throws the index away and makes it again from the journal. Takes the lock.
    ///
    /// # Errors
    /// A journal that is damaged or disagrees with its checkpoint: then nothing is thrown away.
    pub fn renew_index(&mut self) -> Result<u64, LedgerError> {
        let _lock = self.disk.lock(&self.dir, PATIENCE, &*self.on_wait.0)?;
        self.refresh()?;
        self.check_checkpoint()?;
        self.journal.read(0..self.vouched, |_, _| Ok::<_, LedgerError>(()))?;
        // A longer index is the only place that knows of what the journal lost.
        if let Ok(index) = self.stores.open().map(|store| store.len())
            && index > self.len()
        {
            return Err(LedgerError::IndexAhead { path: self.dir.clone(), journal: self.len(), index });
        }
        self.journal.forget_derived()?;
        let per = self.journal.per_segment;
        let (disk, dir) = (self.disk.clone(), self.dir.join("journal"));
        (self.journal, self.ending) = Journal::open_by(disk, &dir, per, Derived::MadeAnew)?;
        self.check_checkpoint()?;
        self.journal.close();
        self.stores.discard()?;
        let mut store = self.stores.open()?;
        self.catch_up(store.as_mut())?;
        Ok(self.vouched)
    }
}

/// An error without the number of the entry at hand, so that the next one's reads the same.
fn words(e: &LedgerError, seq: u64) -> String {
    e.to_string().replace(&format!("entry {seq} "), "it ")
}

/// What differs, one finding for consecutive entries of which the same is to be said.
#[derive(Default)]
struct Differences(Vec<Finding>, Option<(u64, String)>);

impl Differences {
    fn add(&mut self, seq: u64, detail: String) {
        let goes_on = self.1.as_ref().is_some_and(|(next, said)| *next == seq && *said == detail);
        self.1 = Some((seq + 1, detail.clone()));
        match self.0.last_mut().filter(|_| goes_on) {
            Some(last) => last.detail = format!("{detail}; the same of all up to entry {seq}"),
            None => self.0.push(Finding { seq, reason: Reason::IndexDiffers, detail }),
        }
    }
}
