//! What a writer holds: the lock, and the index when it is open.

use crate::disk::Guard;
use crate::error::LedgerError;
use crate::store::Store;

/// The lock, and the index behind it. Full records are written by a worker while the caller goes
/// on: their acknowledgement came from the journal.
#[derive(Debug)]
pub(crate) struct Held {
    store: Option<Box<dyn Store>>,
    worker: Option<Worker>,
    waiting: Vec<Vec<u8>>,
    waiting_bytes: usize,
    _lock: Guard,
}

type Worker = std::thread::JoinHandle<(Box<dyn Store>, Result<(), LedgerError>)>;
/// Entries are handed to the worker in groups of this size.
const WORKER_BYTES: usize = 512 << 10;

impl Held {
    /// A lock, without an index yet.
    pub(crate) fn new(lock: Guard) -> Held {
        Held { store: None, worker: None, waiting: Vec::new(), waiting_bytes: 0, _lock: lock }
    }

    /// Takes an index that was brought up to the journal.
    pub(crate) fn with_index(&mut self, store: Box<dyn Store>) {
        self.store = Some(store);
    }

    /// True while the index is open and in step.
    pub(crate) fn has_index(&self) -> bool {
        self.store.is_some() || self.worker.is_some()
    }

    /// Waits for the worker. After a failure the index is closed: it lags from there.
    fn settle(&mut self) -> Result<(), LedgerError> {
        let Some(worker) = self.worker.take() else { return Ok(()) };
        let gone = || LedgerError::Index { path: "index.sled".into(), what: "its worker panicked".into() };
        let (store, result) = worker.join().map_err(|_| gone())?;
        self.store = Some(store).filter(|_| result.is_ok());
        result
    }

    /// Integrates entries that follow the index.
    pub(crate) fn integrate(&mut self, entries: Vec<Vec<u8>>) -> Result<(), LedgerError> {
        self.waiting_bytes += entries.iter().map(Vec::len).sum::<usize>();
        self.waiting.extend(entries);
        if self.waiting_bytes < WORKER_BYTES {
            return Ok(());
        }
        self.settle()?;
        let Some(mut store) = self.store.take() else { return Ok(()) };
        self.waiting_bytes = 0;
        let entries = std::mem::take(&mut self.waiting);
        self.worker = Some(std::thread::spawn(move || {
            let result = store.append(&entries);
            (store, result)
        }));
        Ok(())
    }

    /// Brings the index up to the last entry.
    pub(crate) fn flush(&mut self) -> Result<(), LedgerError> {
        self.settle()?;
        let Some(mut store) = self.store.take() else { return Ok(()) };
        store.append(&std::mem::take(&mut self.waiting))?;
        self.waiting_bytes = 0;
        store.flush()?;
        self.store = Some(store);
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // The lock may go only after the index is closed. What waits is brought up later.
        let _ = self.settle();
        self.store = None;
    }
}
