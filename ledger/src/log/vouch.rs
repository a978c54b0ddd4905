//! The log's key signs what is derived of its segments whenever it publishes. Unsigned, it is not gone by:
//! the segments are read.

use crate::error::LedgerError;
use crate::keys::note::{self, Note, Verifier};
use crate::keys::signer::Signer;
use crate::log::Log;
use crate::storage::disk::{self, Disk, Open};
use crate::storage::sums::Sums;
use std::path::Path;

fn title(origin: &str) -> String {
    // No origin holds a space: this can never be read as a checkpoint.
    format!("assay/derived/v1 {origin}")
}

/// What the log's key vouched for of the files beside the segments; nothing when nothing verifies.
pub(super) fn read(disk: &dyn Disk, dir: &Path, verifier: &Verifier) -> Sums {
    let sums = || {
        let note = Note::parse(&disk::read(disk, &dir.join("derived")).ok()?).ok()?;
        note.verify(std::slice::from_ref(verifier)).ok()?;
        Sums::parse(note.text.strip_prefix(&title(&verifier.name))?.strip_prefix('\n')?)
    };
    sums().unwrap_or_default()
}

impl Log {
    /// Signs what is derived, where it is not as it was signed last. All of it is under the checkpoint.
    pub(super) fn vouch(&mut self, signer: &Signer) -> Result<(), LedgerError> {
        let now = self.journal.sums();
        if now == self.journal.sums {
            return Ok(());
        }
        let note = note::sign(&format!("{}\n{}", title(self.origin()), now.text()), self.origin(), signer)?;
        let (path, temp) = (self.dir.join("derived"), self.dir.join("derived.tmp"));
        // Not synced, and no harm when it fails: what it does not fit is made again.
        let write = || {
            self.disk.open(&temp, Open::Replace)?.write_at(0, note.as_bytes())?;
            self.disk.rename(&temp, &path)
        };
        if write().is_ok() {
            self.journal.sums = now;
            self.journal.ids.tidy();
        }
        Ok(())
    }
}
