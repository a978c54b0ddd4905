//! An index in memory that can fail at any step, before or after the step took effect.

use super::disk_state::Fault;
use crate::error::LedgerError;
use crate::storage::store::{Store, Stores};
use bytes::Bytes;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
struct Memory {
    entries: Vec<Bytes>,
    steps: u64,
    plan: Option<(u64, Fault)>,
    unreadable: bool,
}

/// An index in memory that survives its openings, for tests. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemStores(Arc<Mutex<Memory>>);

impl MemStores {
    /// An empty one.
    pub fn new() -> MemStores {
        MemStores::default()
    }

    fn state(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plans a failure of the append with this number, from 0.
    pub fn plan(&self, at: u64, fault: Fault) {
        self.state().plan = Some((at, fault));
    }

    /// Makes it fail to open until it is set aside.
    pub fn damage(&self) {
        self.state().unreadable = true;
    }

    /// Forgets all entries from `len` on, as an index that lags.
    pub fn cut(&self, len: usize) {
        self.state().entries.truncate(len);
    }
}

impl Stores for MemStores {
    fn open(&self) -> Result<Box<dyn Store>, LedgerError> {
        match self.state().unreadable {
            true => Err(broken("it does not open")),
            false => Ok(Box::new(self.clone())),
        }
    }

    fn look(&self) -> Result<Box<dyn Store>, LedgerError> {
        self.open()
    }

    fn set_aside(&self) -> Result<(), LedgerError> {
        let mut s = self.state();
        s.entries.clear();
        s.unreadable = false;
        Ok(())
    }

    fn discard(&self) -> Result<(), LedgerError> {
        self.set_aside()
    }
}

fn broken(what: &str) -> LedgerError {
    LedgerError::Index { path: PathBuf::from("memory"), what: what.into() }
}

impl Store for MemStores {
    fn len(&self) -> u64 {
        self.state().entries.len() as u64
    }

    fn append(&mut self, entries: &[Bytes]) -> Result<(), LedgerError> {
        let mut s = self.state();
        let fault = s.plan.filter(|(at, _)| *at == s.steps).map(|p| p.1);
        s.steps += 1;
        if fault != Some(Fault::Before) {
            s.entries.extend_from_slice(entries);
        }
        if fault.is_some() { Err(broken("injected failure")) } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), LedgerError> {
        Ok(())
    }

    fn get(&mut self, seq: u64) -> Result<Option<Bytes>, LedgerError> {
        Ok(self.state().entries.get(seq as usize).cloned())
    }
}
