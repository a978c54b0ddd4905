//! The indexed store on sled. The only file that knows sled.
//!
//! sled 0.34.7 neither syncs on `flush` nor always opens a damaged folder without panicking, so
//! it is never the proof of durability: the journal is. It is opened under `catch_unwind`, and
//! set aside and rebuilt when it does not open or disagrees.

use crate::entry::{Entry, EventId};
use crate::error::LedgerError;
use crate::store::Store;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

const CACHE_BYTES: u64 = 48 << 20;

/// Entries in a sled folder: `e` + number → bytes, `i` + id → number.
pub struct SledStore {
    db: sled::Db,
    path: PathBuf,
    len: u64,
}

impl std::fmt::Debug for SledStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SledStore({}, {} entries)", self.path.display(), self.len)
    }
}

fn entry_key(seq: u64) -> [u8; 9] {
    let mut key = [b'e'; 9];
    key[1..].copy_from_slice(&seq.to_be_bytes());
    key
}

fn id_key(id: &EventId) -> [u8; 17] {
    let mut key = [b'i'; 17];
    key[1..].copy_from_slice(&id.0);
    key
}

impl SledStore {
    /// Opens or creates the folder. A panic inside sled becomes an error.
    ///
    /// # Errors
    /// [`LedgerError::Index`].
    pub fn open(path: &Path) -> Result<SledStore, LedgerError> {
        let fail = |what: String| LedgerError::Index { path: path.to_path_buf(), what };
        let config = sled::Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(None);
        let quiet = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| ()));
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let db = config.open()?;
            let last = db.scan_prefix(b"e").next_back().transpose()?;
            Ok::<_, sled::Error>((db, last))
        }));
        std::panic::set_hook(quiet);
        let (db, last) =
            opened.map_err(|_| fail("sled panicked while opening it".into()))?.map_err(|e| fail(e.to_string()))?;
        let len = match last {
            None => 0,
            Some((key, _)) => {
                let seq = key
                    .get(1..)
                    .and_then(|k| <[u8; 8]>::try_from(k).ok())
                    .ok_or_else(|| fail("a foreign key".into()))?;
                u64::from_be_bytes(seq) + 1
            }
        };
        Ok(SledStore { db, path: path.to_path_buf(), len })
    }

    fn guard<T>(&self, work: impl FnOnce() -> sled::Result<T>) -> Result<T, LedgerError> {
        let fail = |what: String| LedgerError::Index { path: self.path.clone(), what };
        catch_unwind(AssertUnwindSafe(work)).map_err(|_| fail("sled panicked".into()))?.map_err(|e| fail(e.to_string()))
    }
}

impl Store for SledStore {
    fn len(&self) -> Result<u64, LedgerError> {
        Ok(self.len)
    }

    fn append(&mut self, entries: &[Entry]) -> Result<(), LedgerError> {
        let mut batch = sled::Batch::default();
        for entry in entries {
            batch.insert(&entry_key(entry.seq), entry.bytes());
            batch.insert(&id_key(&entry.id), &entry.seq.to_be_bytes());
        }
        self.guard(|| self.db.apply_batch(batch))?;
        self.len += entries.len() as u64;
        Ok(())
    }

    fn get(&self, seq: u64) -> Result<Option<Vec<u8>>, LedgerError> {
        self.guard(|| Ok(self.db.get(entry_key(seq))?.map(|v| v.to_vec())))
    }

    fn find(&self, id: &EventId) -> Result<Option<u64>, LedgerError> {
        let found = self.guard(|| self.db.get(id_key(id)))?;
        Ok(found.and_then(|v| v.as_ref().try_into().ok()).map(u64::from_be_bytes))
    }
}
