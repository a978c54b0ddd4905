//! `log.vkey` and `checkpoint` made again when they are lost, so that nothing need be believed.

use crate::error::LedgerError;
use crate::keys::note::Verifier;
use crate::keys::signer::Signer;
use crate::log::files::{checkpoint_path, read_note, read_verifier, vkey_path, write_first};
use crate::log::{Home, Log};
use crate::storage::disk;
use std::path::PathBuf;

impl Log {
    /// Makes the files again that say whose a journal is and how far it was published, where they are
    /// lost: the verifier key of `log_signer` under the name `origin`, and a checkpoint over nothing, so
    /// that every entry is verified before the next one is signed. Gives what was made.
    ///
    /// # Errors
    /// [`LedgerError::Missing`] where there is no journal; a disk that fails.
    pub fn renew_heads(home: &Home, origin: &str, log_signer: &Signer) -> Result<Vec<PathBuf>, LedgerError> {
        let (dir, disk, mut made) = (&home.dir, &*home.disk, Vec::new());
        if matches!(read_verifier(disk, dir), Err(LedgerError::Lost { .. })) {
            let verifier = Verifier::new(origin, log_signer.public())?;
            disk::replace(disk, &vkey_path(dir), format!("{verifier}\n").as_bytes())?;
            made.push(vkey_path(dir));
        }
        let verifier = read_verifier(disk, dir)?;
        if matches!(read_note(disk, dir), Err(LedgerError::Lost { .. })) && verifier.key == log_signer.public() {
            write_first(disk, dir, &verifier.name, log_signer)?;
            made.push(checkpoint_path(dir));
        }
        Ok(made)
    }
}
