//! The indexed store: entries by sequence number and by event id.
//!
//! It is a copy of the journal, filled in the same commit. [`MemStore`] can fail at any step,
//! before or after the step took effect.

use crate::entry::{Entry, EventId};
use crate::error::LedgerError;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Entries by number and by id.
pub trait Store: Send + std::fmt::Debug {
    /// Number of entries; they are `0..len`.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn len(&self) -> Result<u64, LedgerError>;

    /// True without entries.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn is_empty(&self) -> Result<bool, LedgerError> {
        Ok(self.len()? == 0)
    }

    /// Adds entries that follow the last one, all or none.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn append(&mut self, entries: &[Entry]) -> Result<(), LedgerError>;

    /// An entry's bytes.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn get(&self, seq: u64) -> Result<Option<Vec<u8>>, LedgerError>;

    /// The sequence number of an event id.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn find(&self, id: &EventId) -> Result<Option<u64>, LedgerError>;
}

/// At which `append` call a [`MemStore`] fails, and whether the entries were kept all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Number of the append, from 0.
    pub at: usize,
    /// True: failed but stored. False: failed and not stored.
    pub stored: bool,
}

/// A store in memory, for tests and for reading an export.
#[derive(Debug, Default)]
pub struct MemStore {
    entries: Vec<Vec<u8>>,
    ids: BTreeMap<EventId, u64>,
    appends: usize,
    /// The next planned failure.
    pub fault: Option<Fault>,
}

impl Store for MemStore {
    fn len(&self) -> Result<u64, LedgerError> {
        Ok(self.entries.len() as u64)
    }

    fn append(&mut self, entries: &[Entry]) -> Result<(), LedgerError> {
        let fault = self.fault.filter(|f| f.at == self.appends);
        self.appends += 1;
        if fault.is_none_or(|f| f.stored) {
            for entry in entries {
                assert_eq!(entry.seq, self.entries.len() as u64, "entries follow each other");
                self.ids.insert(entry.id, entry.seq);
                self.entries.push(entry.bytes().to_vec());
            }
        }
        match fault {
            Some(_) => Err(LedgerError::Index { path: PathBuf::from("memory"), what: "injected failure".into() }),
            None => Ok(()),
        }
    }

    fn get(&self, seq: u64) -> Result<Option<Vec<u8>>, LedgerError> {
        Ok(self.entries.get(seq as usize).cloned())
    }

    fn find(&self, id: &EventId) -> Result<Option<u64>, LedgerError> {
        Ok(self.ids.get(id).copied())
    }
}
