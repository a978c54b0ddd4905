//! The two small files without which a journal is no log: whose it is (`log.vkey`), and how far it was
//! published (`checkpoint`).

use crate::error::LedgerError;
use crate::keys::note::Verifier;
use crate::keys::signer::Signer;
use crate::storage::disk::{self, Disk};
use crate::tree::checkpoint::Checkpoint;
use crate::tree::merkle::empty_root;
use std::path::{Path, PathBuf};

pub(super) fn vkey_path(dir: &Path) -> PathBuf {
    dir.join("log.vkey")
}

pub(crate) fn checkpoint_path(dir: &Path) -> PathBuf {
    dir.join("checkpoint")
}

/// The verifier key of the log in a folder.
///
/// # Errors
/// [`LedgerError::Missing`] when there is no log.
pub fn read_verifier(disk: &dyn Disk, dir: &Path) -> Result<Verifier, LedgerError> {
    let path = vkey_path(dir);
    let bytes = match disk.open(&path, disk::Open::Read).and_then(|f| f.read_from(0)) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && has_segments(disk, dir) => {
            return Err(LedgerError::Lost { path });
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(LedgerError::Missing { path: dir.into() }),
        other => other.map_err(LedgerError::io("read", &path))?,
    };
    let named = |e: LedgerError| LedgerError::Head { path, why: e.to_string() };
    String::from_utf8_lossy(&bytes).parse().map_err(named)
}

pub(super) fn has_segments(disk: &dyn Disk, dir: &Path) -> bool {
    disk.list(&dir.join("journal")).is_ok_and(|names| names.iter().any(|n| n.ends_with(".seg")))
}

/// The note of the checkpoint in a log's folder, unopened.
pub(super) fn read_note(disk: &dyn Disk, dir: &Path) -> Result<Vec<u8>, LedgerError> {
    let path = checkpoint_path(dir);
    match disk.open(&path, disk::Open::Read).and_then(|f| f.read_from(0)) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(LedgerError::Lost { path }),
        other => other.map_err(LedgerError::io("read", &path)),
    }
}

/// Writes the first checkpoint of a log, over nothing.
pub(super) fn write_first(disk: &dyn Disk, dir: &Path, origin: &str, signer: &Signer) -> Result<(), LedgerError> {
    let empty = Checkpoint { origin: origin.into(), size: 0, root: empty_root() };
    disk::replace(disk, &checkpoint_path(dir), empty.sign(signer)?.as_bytes())
}
