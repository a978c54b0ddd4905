//! Bytes and nothing else: entries, the frames around them, and their hashes.

pub mod entry;
pub mod frame;
pub mod hash;
