//! An append-only, signed, provable event log. Bytes in, proofs out.
//!
//! This crate has never heard of a trade: a payload is opaque bytes. The format is written down
//! to the byte in `ledger/FORMAT.md`.
//!
//! | room | what it is for |
//! |---|---|
//! | [`hash`] | SHA-256 digests, domain separation |
//! | [`key`] | OpenSSH ed25519 keys, and signatures over entries |
//! | [`agent`] | signing through ssh-agent |
//! | [`sshsig`] | SSHSIG signatures over files (`ssh-keygen -Y sign`) |
//! | [`entry`] | one entry: its bytes, its chain link, its leaf |
//! | [`merkle`] | the RFC 6962 tree: roots, inclusion and consistency proofs |
//! | [`frontier`] | the tree's right edge: roots in constant memory |
//! | [`note`] | C2SP signed notes |
//! | [`checkpoint`] | C2SP tlog-checkpoints |
//! | [`cosign`] | C2SP cosignatures by witnesses |
//! | [`witness`] | an offline witness: what it remembers, what it refuses |
//! | [`proof`] | C2SP tlog-proof files |
//! | [`tile`] | C2SP tlog-tiles: paths, entry bundles, export and import |
//! | [`tile_check`] | hash tiles compared with leaves, in constant memory |
//! | [`disk`] | the file operations that durability rests on, behind a trait |
//! | [`sim`] | a disk in memory that fails, crashes and forgets on purpose |
//! | [`frame`] | the frames of a segment |
//! | [`window`] | a segment read front to back, a piece at a time |
//! | [`segment`] | the growing segment and the full ones |
//! | [`sidecar`] | what a full segment is looked up by |
//! | [`export`] | a log as a folder of tiles: written, read back, verified |
//! | [`rebuild`] | a journal made again from the index or from an export |
//! | [`journal`] | the durable segment files |
//! | [`store`] | the index: the trait, and one in memory that fails on purpose |
//! | [`sled_store`] | the index on sled |
//! | [`lock`] | one writer at a time |
//! | [`log`] | an open log: reading, and the write path (appended, integrated, published) |
//! | [`scrub`] | a log's folder verified from its raw bytes, past any damage |
//! | [`audit`] | full verification with typed findings |
//! | [`seen`] | the event ids of a log, exact, in bounded memory |
//! | [`bulk`] | many signatures by few keys, with the verdict of `verify_strict` |

pub mod agent;
mod append;
pub mod audit;
pub mod bulk;
pub mod checkpoint;
pub mod cosign;
pub mod disk;
pub mod entry;
pub mod error;
pub mod export;
#[cfg(test)]
mod fault_tests;
pub mod frame;
pub mod frontier;
#[cfg(test)]
mod fuzz_tests;
pub mod hash;
mod held;
pub mod journal;
mod journal_write;
pub mod key;
pub mod lock;
pub mod log;
#[cfg(test)]
mod log_tests;
pub mod merkle;
pub mod note;
pub mod proof;
#[cfg(test)]
mod race_tests;
pub mod rebuild;
mod recovery;
pub mod scrub;
pub mod seen;
pub mod segment;
pub mod sidecar;
mod signatures;
pub mod sim;
mod sim_state;
#[cfg(test)]
mod sim_tests;
pub mod sled_store;
pub mod sshsig;
pub mod store;
#[cfg(test)]
mod testing;
pub mod tile;
pub mod tile_check;
pub mod window;
pub mod witness;

pub use bytes::Bytes;

pub use audit::{Authority, Finding, Reason};
pub use checkpoint::Checkpoint;
pub use entry::{Draft, Entry, EventId};
pub use error::LedgerError;
pub use hash::Hash;
pub use key::{KeyId, PublicKey, Signer};
pub use log::Log;
