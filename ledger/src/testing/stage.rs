//! What the tests of this crate begin with: keys, drafts, and a log in a folder.

use crate::audit::FixedKeys;
use crate::format::entry::{Draft, EventId, Place, content, seal};
use crate::format::hash::Hash;
use crate::keys::signer::Signer;
use crate::log::Log;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Who signs entries.
pub(crate) fn signer() -> Signer {
    Signer::from_seed([1; 32])
}

/// Who signs checkpoints.
pub(crate) fn log_key() -> Signer {
    Signer::from_seed([2; 32])
}

/// Vouches for [`signer`].
pub(crate) fn keys() -> FixedKeys {
    FixedKeys(vec![signer().public()])
}

/// Verifies what stands above a log's checkpoint, as every user of one does.
pub(crate) fn trust(log: &mut Log) {
    log.follow(0, &mut keys(), |_| ()).unwrap();
}

/// A small draft of its own id.
pub(crate) fn draft(n: u64) -> Draft {
    let id = EventId::derived(&[b"test", &n.to_be_bytes()]);
    Draft { id, kind: "Test".into(), version: 1, payload: n.to_be_bytes().to_vec() }
}

pub(crate) fn drafts(range: Range<u64>) -> Vec<Draft> {
    range.map(draft).collect()
}

/// The bytes of an entry by [`signer`].
pub(crate) fn sealed(draft: &Draft, place: &Place<'_>) -> Vec<u8> {
    let bytes = content(draft, place, &signer().id());
    let hash = Hash::of(&bytes);
    seal(bytes, &hash, &signer()).unwrap()
}

/// A published log of `n` entries.
pub(crate) fn new_log(dir: &Path, n: u64) -> Log {
    let mut log = Log::create(dir, "test.example/log", &log_key()).unwrap();
    log.append(&drafts(0..n), &signer()).unwrap();
    log.publish(&log_key()).unwrap();
    log
}

/// The first segment of a log.
pub(crate) fn segment(dir: &Path) -> PathBuf {
    dir.join("journal/00000000000000000000.seg")
}
