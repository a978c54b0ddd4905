//! What a writer holds: the lock, and the index when it is open.

use crate::error::LedgerError;
use crate::storage::disk::Guard;
use crate::storage::store::Store;
use bytes::Bytes;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Entries go to the index in groups of this size.
const GROUP_BYTES: usize = 512 << 10;
/// Groups that may wait for the index before the writer does.
const QUEUE: usize = 2;

type Group = Vec<Bytes>;

/// The index behind a lock.
#[derive(Debug)]
enum Index {
    Closed,
    Open(Box<dyn Store>),
    /// A thread fills it while the writer goes on: the acknowledgement came from the journal.
    Filling(SyncSender<Group>, JoinHandle<(Box<dyn Store>, Result<(), LedgerError>)>),
}

/// The lock, and the index behind it.
#[derive(Debug)]
pub(crate) struct Held {
    index: Index,
    waiting: Group,
    waiting_bytes: usize,
    _lock: Guard,
}

impl Held {
    /// A lock, without an index yet.
    pub(crate) fn new(lock: Guard) -> Held {
        Held { index: Index::Closed, waiting: Vec::new(), waiting_bytes: 0, _lock: lock }
    }

    /// Takes an index that was brought up to the journal.
    pub(crate) fn with_index(&mut self, store: Box<dyn Store>) {
        self.index = Index::Open(store);
        // It came from the journal, so it has what waited for an earlier one.
        self.waiting.clear();
        self.waiting_bytes = 0;
    }

    /// True while the index is open and in step.
    pub(crate) fn has_index(&self) -> bool {
        !matches!(self.index, Index::Closed)
    }

    /// Waits until the index holds what it was given. After a failure it is closed: it lags.
    fn settle(&mut self) -> Result<(), LedgerError> {
        match std::mem::replace(&mut self.index, Index::Closed) {
            Index::Filling(sender, thread) => {
                drop(sender);
                let gone = || LedgerError::Index { path: "index.sled".into(), what: "its thread panicked".into() };
                let (store, result) = thread.join().map_err(|_| gone())?;
                result?;
                self.index = Index::Open(store);
            }
            other => self.index = other,
        }
        Ok(())
    }

    /// Integrates entries that follow the index.
    pub(crate) fn integrate(&mut self, entries: Group) -> Result<(), LedgerError> {
        self.waiting_bytes += entries.iter().map(Bytes::len).sum::<usize>();
        self.waiting.extend(entries);
        if self.waiting_bytes < GROUP_BYTES {
            return Ok(());
        }
        if let Index::Open(_) = self.index {
            self.begin_filling();
        }
        let group = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        match &self.index {
            // The thread listens until it fails; settling says how.
            Index::Filling(sender, _) if sender.send(group).is_err() => self.settle(),
            _ => Ok(()),
        }
    }

    fn begin_filling(&mut self) {
        let Index::Open(mut store) = std::mem::replace(&mut self.index, Index::Closed) else { return };
        let (sender, groups) = sync_channel::<Group>(QUEUE);
        let fill = move || {
            let result = groups.into_iter().try_for_each(|group| store.append(&group));
            (store, result)
        };
        self.index = Index::Filling(sender, std::thread::spawn(fill));
    }

    /// Brings the index up to the last entry.
    pub(crate) fn flush(&mut self) -> Result<(), LedgerError> {
        self.settle()?;
        let Index::Open(mut store) = std::mem::replace(&mut self.index, Index::Closed) else { return Ok(()) };
        store.append(&std::mem::take(&mut self.waiting))?;
        self.waiting_bytes = 0;
        store.flush()?;
        self.index = Index::Open(store);
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // The lock may go only after the index is closed. What waits is brought up later.
        let _ = self.settle();
        self.index = Index::Closed;
    }
}
