//! Where a log lies: the disk behind a trait, the journal of segments and what is derived from it, the
//! index on sled, and the lock.

pub mod catalog;
pub mod disk;
pub mod full;
pub mod ids;
pub mod journal;
mod journal_find;
mod journal_write;
pub mod kinds;
pub mod lock;
pub mod lookups;
mod rolled;
pub mod segment;
pub mod sled_store;
pub mod store;
pub mod sums;
pub mod tail_file;
pub mod window;
