//! An append-only, signed, provable event log. Bytes in, proofs out.
//!
//! This crate has never heard of a trade: a payload is opaque bytes. The format is written down
//! to the byte in `ledger/FORMAT.md`.
//!
//! | room | what it is for |
//! |---|---|
//! | [`mod@format`] | bytes and nothing else: entries, frames, hashes |
//! | [`tree`] | the RFC 6962 tree, proofs, checkpoints, tiles |
//! | [`keys`] | ed25519 keys in OpenSSH's files or in an agent, SSHSIG, signed notes, cosignatures |
//! | [`storage`] | the disk behind a trait, the journal, the index on sled, the lock |
//! | [`finding`] | what verification finds: stable reason codes |
//! | [`log`] | an open log: reading, and the write path (appended, integrated, published); rebuilding |
//! | [`audit`] | verification with typed findings, from raw bytes too; export; an offline witness |
//! | [`testing`] | a disk and an index in memory that fail on purpose: never in the product |

pub mod audit;
pub mod error;
pub mod finding;
pub mod format;
pub mod keys;
pub mod log;
pub mod storage;
#[cfg(any(test, doc, feature = "testing"))]
pub mod testing;
pub mod tree;

pub use bytes::Bytes;

pub use audit::Authority;
pub use error::LedgerError;
pub use finding::{Finding, Reason};
pub use format::entry::{Draft, Entry, EventId};
pub use format::hash::Hash;
pub use keys::public::{KeyId, PublicKey};
pub use keys::signer::Signer;
pub use log::Log;
pub use tree::checkpoint::Checkpoint;
