//! Taking the lock to write: what the journal holds is integrated, a torn tail is cut, the index is
//! opened, or set aside and rebuilt. Nothing that was acknowledged is ever dropped.

use crate::entry::Entry;
use crate::error::LedgerError;
use crate::held::Held;
use crate::journal::Tail;
use crate::lock::Lock;
use crate::log::{Log, PATIENCE};
use crate::sled_store::SledStore;
use crate::store::Store;
use std::path::PathBuf;
use std::time::Duration;

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
        let lock = Lock::take(&self.dir, patience, &self.on_wait)?;
        if self.poisoned {
            return Err(LedgerError::BadDraft { what: "an earlier write failed; run the command again".into() });
        }
        self.refresh()?;
        self.check_checkpoint()?;
        self.journal.sync_last()?;
        if let Tail::Torn(bytes) = self.tail {
            // Torn bytes were never acknowledged: an acknowledgement follows the sync of them all.
            self.journal.cut_torn_tail()?;
            self.notices.push(format!("discarded a torn tail of {bytes} bytes that was never acknowledged"));
            self.tail = Tail::Clean;
        }
        let mut store = self.open_index()?;
        self.reconcile(store.as_mut())?;
        self.held = Some(Held { store: Some(store), worker: None, _lock: lock });
        Ok(())
    }

    /// Lets the next writer in.
    pub fn release(&mut self) {
        self.held = None;
    }

    fn index_path(&self) -> PathBuf {
        self.dir.join("index.sled")
    }

    /// Opens sled; a folder that does not open is set aside and built again from the journal.
    fn open_index(&mut self) -> Result<Box<dyn Store>, LedgerError> {
        let path = self.index_path();
        let problem = match SledStore::open(&path) {
            Ok(store) => match self.index_problem(&store)? {
                None => return Ok(Box::new(store)),
                Some(problem) => problem,
            },
            Err(e) => e.to_string(),
        };
        let aside = (1..).map(|n| self.dir.join(format!("index.sled.damaged-{n}"))).find(|p| !p.exists());
        if let Some(aside) = aside.filter(|_| path.exists()) {
            std::fs::rename(&path, &aside).map_err(LedgerError::io("set aside", &path))?;
        }
        self.notices.push(format!("the index was set aside and rebuilt from the journal: {problem}"));
        Ok(Box::new(SledStore::open(&path)?))
    }

    /// Why an index that opened cannot be used: its last common entry differs.
    fn index_problem(&self, store: &dyn Store) -> Result<Option<String>, LedgerError> {
        let common = store.len()?.min(self.len());
        if common == 0 {
            return Ok(None);
        }
        let same = store.get(common - 1)?.as_deref() == Some(&self.entry_bytes(common - 1)?[..]);
        Ok((!same).then(|| format!("entry {} differs from the journal's", common - 1)))
    }

    /// Brings journal and index to the same length. Nothing acknowledged is dropped: entries that
    /// only the index has are appended to the journal again.
    fn reconcile(&mut self, store: &mut dyn Store) -> Result<(), LedgerError> {
        let mut ahead: Vec<Entry> = Vec::new();
        for seq in self.len()..store.len()? {
            let bytes = store.get(seq)?.ok_or(LedgerError::BadEntry { seq, what: "missing in the index".into() })?;
            let entry = Entry::decode(bytes)?;
            let prev = ahead.last().map_or(self.head, Entry::content_hash);
            if entry.seq != seq || entry.prev != prev || entry.origin() != self.origin() {
                let what = "the index holds an entry that does not follow the journal".to_string();
                return Err(LedgerError::BadEntry { seq, what });
            }
            ahead.push(entry);
        }
        if !ahead.is_empty() {
            self.notices.push(format!("{} entries were restored to the journal from the index", ahead.len()));
            self.journal_and_integrate(&ahead)?;
        }
        let mut lag = Vec::new();
        for seq in store.len()?..self.len() {
            lag.push(self.entry(seq)?);
            if lag.len() == 1024 {
                store.append(&lag)?;
                lag.clear();
            }
        }
        if lag.is_empty() { Ok(()) } else { store.append(&lag) }
    }

    /// Compares the index with the journal, entry by entry. Takes the lock.
    ///
    /// # Errors
    /// When the lock cannot be had.
    pub fn compare_index(&mut self) -> Result<Vec<crate::audit::Finding>, LedgerError> {
        let _lock = Lock::take(&self.dir, PATIENCE, &self.on_wait)?;
        let mut out = Vec::new();
        let mut find = |seq, detail: String| {
            out.push(crate::audit::Finding { seq, reason: crate::audit::Reason::IndexDiffers, detail });
        };
        match SledStore::open(&self.index_path()) {
            Err(e) => find(0, e.to_string()),
            Ok(store) => {
                if store.len()? > self.len() {
                    find(self.len(), format!("the index holds {} entries, the journal {}", store.len()?, self.len()));
                }
                for seq in 0..self.len().min(store.len()?) {
                    if store.get(seq)?.as_deref() != Some(&self.entry_bytes(seq)?[..]) {
                        find(seq, "the index holds other bytes than the journal".into());
                    }
                }
            }
        }
        Ok(out)
    }
}
