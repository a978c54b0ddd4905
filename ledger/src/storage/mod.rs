//! Where a log lies: the disk behind a trait, the journal of segments with its lookups, the index on
//! sled, and the lock.

pub mod disk;
pub mod journal;
mod journal_write;
pub mod lock;
pub mod segment;
pub mod sidecar;
pub mod sled_store;
pub mod store;
pub mod window;
