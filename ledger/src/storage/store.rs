//! The index: a second copy of the log by sequence number, which can rebuild the journal.
//!
//! It is filled after the journal's sync, in records of many entries, and brought up to the last
//! entry whenever a checkpoint is published.

use crate::error::LedgerError;
use bytes::Bytes;
use std::fmt::Debug;

/// Entries by number.
pub trait Store: Send + Debug {
    /// Number of entries; they are `0..len`.
    fn len(&self) -> u64;

    /// True without entries.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds entries that follow the last one. They may wait for [`Store::flush`].
    ///
    /// # Errors
    /// When the store cannot be written.
    fn append(&mut self, entries: &[Bytes]) -> Result<(), LedgerError>;

    /// Writes what waits.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn flush(&mut self) -> Result<(), LedgerError>;

    /// An entry's bytes.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn get(&mut self, seq: u64) -> Result<Option<Bytes>, LedgerError>;
}

/// Opens a log's index, sets a damaged one aside, throws it away.
pub trait Stores: Send + Sync + Debug {
    /// Opens it, or makes an empty one.
    ///
    /// # Errors
    /// [`LedgerError::Index`] when it is damaged; another one when it cannot be opened now.
    fn open(&self) -> Result<Box<dyn Store>, LedgerError>;

    /// Opens a copy for reading: nothing is written to the index itself. Nobody may write it meanwhile.
    ///
    /// # Errors
    /// When it does not open.
    fn look(&self) -> Result<Box<dyn Store>, LedgerError>;

    /// Keeps a damaged index under another name, in place of an earlier one, and makes room for a new
    /// one.
    ///
    /// # Errors
    /// [`LedgerError::Io`].
    fn set_aside(&self) -> Result<(), LedgerError>;

    /// Removes the index and what was set aside of it: all of it can be made again.
    ///
    /// # Errors
    /// [`LedgerError::Io`].
    fn discard(&self) -> Result<(), LedgerError>;
}
