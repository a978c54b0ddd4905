//! What a writer holds: the lock and the index.

use crate::entry::Entry;
use crate::error::LedgerError;
use crate::lock::Lock;
use crate::store::Store;

/// The lock, and the index behind it. Large groups are integrated by a worker while the caller
/// goes on: their acknowledgement came from the journal.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) store: Option<Box<dyn Store>>,
    pub(crate) worker: Option<Worker>,
    pub(crate) _lock: Lock,
}

type Worker = std::thread::JoinHandle<(Box<dyn Store>, Result<(), LedgerError>)>;
/// Groups from this size on are integrated by a worker.
const WORKER_GROUP: usize = 64;

impl Held {
    /// Waits for the worker.
    fn settle(&mut self) -> Result<(), LedgerError> {
        let Some(worker) = self.worker.take() else { return Ok(()) };
        let gone = || LedgerError::Index { path: "index.sled".into(), what: "its worker panicked".into() };
        let (store, result) = worker.join().map_err(|_| gone())?;
        self.store = Some(store);
        result
    }

    /// Integrates entries. A failure loses nothing: the index is brought up from the journal at
    /// the next open.
    pub(crate) fn integrate(&mut self, entries: Vec<Entry>) -> Result<(), LedgerError> {
        self.settle()?;
        let Some(mut store) = self.store.take() else { return Ok(()) };
        if entries.len() < WORKER_GROUP {
            let result = store.append(&entries);
            self.store = Some(store);
            return result;
        }
        self.worker = Some(std::thread::spawn(move || {
            let result = store.append(&entries);
            (store, result)
        }));
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // The lock may go only after the index is closed.
        let _ = self.settle();
        self.store = None;
    }
}
