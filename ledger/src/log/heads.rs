//! `log.vkey` and `checkpoint` made again when they are lost, so that nothing need be believed.

use crate::error::LedgerError;
use crate::keys::note::Verifier;
use crate::keys::signer::Signer;
use crate::log::files::{checkpoint_path, read_note, read_verifier, vkey_path, write_first};
use crate::log::{Home, Log};
use crate::storage::disk;
use crate::storage::journal::{Derived, Journal};
use crate::tree::checkpoint::Checkpoint;
use crate::tree::merkle::Nodes as _;
use std::path::PathBuf;

impl Log {
    /// Makes the files again that say whose a journal is and how far it was published, where they are
    /// lost: the verifier key of `log_signer` under the name `origin`, and the highest of the checkpoints that
    /// were `seen` and that the journal holds, else one over nothing, so that every entry above it is verified
    /// before the next one is signed. Gives what was made.
    ///
    /// # Errors
    /// [`LedgerError::Missing`] where there is no journal; [`LedgerError::Key`] where another key is named; a
    /// disk that fails.
    pub fn renew_heads(
        home: &Home,
        origin: &str,
        log_signer: &Signer,
        seen: impl FnOnce(&Verifier) -> Vec<Checkpoint>,
    ) -> Result<Vec<PathBuf>, LedgerError> {
        let (dir, disk, mut made) = (&home.dir, &*home.disk, Vec::new());
        if matches!(read_verifier(disk, dir), Err(LedgerError::Lost { .. })) {
            let verifier = Verifier::new(origin, log_signer.public())?;
            disk::replace(disk, &vkey_path(dir), format!("{verifier}\n").as_bytes())?;
            made.push(vkey_path(dir));
        }
        let verifier = read_verifier(disk, dir)?;
        if verifier.key != log_signer.public() {
            let what = format!("it names another key than {}, which is the log's", log_signer.id());
            return Err(LedgerError::Key { path: vkey_path(dir), what });
        }
        if matches!(read_note(disk, dir), Err(LedgerError::Lost { .. })) {
            let (journal, _) =
                Journal::open_by(home.disk.clone(), &dir.join("journal"), home.per_segment, Derived::Passed)?;
            let stands = |c: &Checkpoint| c.size <= journal.len() && journal.root_at(c.size).is_ok_and(|r| r == c.root);
            match seen(&verifier).into_iter().filter(stands).max_by_key(|c| c.size) {
                Some(c) => disk::replace(disk, &checkpoint_path(dir), c.sign(log_signer)?.as_bytes())?,
                None => write_first(disk, dir, &verifier.name, log_signer)?,
            }
            made.push(checkpoint_path(dir));
        }
        Ok(made)
    }
}
