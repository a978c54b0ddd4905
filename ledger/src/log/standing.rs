//! What a log's reader knew at a checkpoint, signed by the log's key, so that it need not be read
//! together again from the first entry.
//!
//! The body is opaque here: who counts, what is taken. It is a copy of what the entries say and can be
//! thrown away; since a file of it decides who may record, nobody but the log's key can make one. An
//! older one is no harm: what came after it is read again.

use crate::error::LedgerError;
use crate::format::hash::Hash;
use crate::keys::note::{self, Note, Verifier};
use crate::keys::signer::Signer;
use crate::log::Log;
use crate::storage::disk::{self, Disk, Open};
use crate::tree::checkpoint::Checkpoint;
use crate::tree::merkle::Nodes as _;
use std::path::{Path, PathBuf};

fn title(origin: &str) -> String {
    // No origin holds a space: this can never be read as a checkpoint.
    format!("assay/standing/v1 {origin}")
}

/// The note that a standing begins with, and the body after it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let blank = bytes.windows(2).position(|w| w == b"\n\n")? + 2;
    let end = blank + bytes[blank..].iter().position(|b| *b == b'\n')? + 1;
    Some(bytes.split_at(end))
}

/// What a standing says, if the log's key signed it: the position as a checkpoint, and the body's hash.
fn read_note(signed: &[u8], verifier: &Verifier) -> Option<(Checkpoint, Hash)> {
    let note = Note::parse(signed).ok()?;
    note.verify(std::slice::from_ref(verifier)).ok()?;
    let lines: Vec<&str> = note.text.lines().collect();
    let [first, size, root, digest] = lines[..] else { return None };
    let (size, root) = (size.parse().ok()?, root.parse().ok()?);
    let at = Checkpoint { origin: verifier.name.clone(), size, root };
    (first == title(&verifier.name)).then_some((at, digest.parse().ok()?))
}

/// The position at which the log in a folder was last remembered: it reached that once, whatever its
/// journal holds today. None when there is nothing that the log's key signed.
pub fn last_seen(disk: &dyn Disk, dir: &Path, verifier: &Verifier) -> Option<Checkpoint> {
    let bytes = disk::read(disk, &dir.join("standing")).ok()?;
    Some(read_note(split(&bytes)?.0, verifier)?.0)
}

impl Log {
    fn standing_path(&self) -> PathBuf {
        self.dir.join("standing")
    }

    /// What was remembered last: the number of entries that it knew, and the body. None when there is
    /// nothing, or nothing that fits this log.
    pub fn remembered(&self) -> Option<(u64, Vec<u8>)> {
        let bytes = disk::read(&*self.disk, &self.standing_path()).ok()?;
        let (signed, body) = split(&bytes)?;
        let (at, digest) = read_note(signed, &self.verifier)?;
        let fits =
            digest == Hash::of(body) && at.size <= self.vouched && Some(at.root) == self.journal.root_at(at.size).ok();
        fits.then(|| (at.size, body.to_vec()))
    }

    /// Remembers a body as of the published checkpoint.
    ///
    /// # Errors
    /// [`LedgerError::Io`]; a key that is not the log's.
    pub fn remember(&self, body: &[u8], signer: &Signer) -> Result<(), LedgerError> {
        let c = self.checkpoint()?;
        let text = format!("{}\n{}\n{}\n{}\n", title(self.origin()), c.size, c.root, Hash::of(body));
        let note = note::sign(&text, self.origin(), signer)?;
        let (path, temp) = (self.standing_path(), self.dir.join("standing.tmp"));
        // Not synced: what a power loss leaves of it is refused, and made again.
        let write = || {
            self.disk.open(&temp, Open::Replace)?.write_at(0, &[note.as_bytes(), body].concat())?;
            self.disk.rename(&temp, &path)
        };
        write().map_err(LedgerError::io("write", &path))
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::stage::{draft, log_key, new_log, signer};

    /// A body comes back while it fits; another key's, another log's, a changed one does not.
    #[test]
    fn what_is_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = new_log(dir.path(), 5);
        assert_eq!(log.remembered(), None);
        log.remember(b"who\n\ncounts", &log_key()).unwrap();
        assert_eq!(log.remembered(), Some((5, b"who\n\ncounts".to_vec())));
        log.append(&[draft(5)], &signer()).unwrap();
        log.publish(&log_key()).unwrap();
        assert_eq!(log.remembered().map(|r| r.0), Some(5), "an older one still says what was then");
        let path = dir.path().join("standing");
        let good = std::fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(&path, bad).unwrap();
            assert_eq!(log.remembered(), None, "byte {at}");
        }
        log.remember(b"eve", &signer()).unwrap();
        assert_eq!(log.remembered(), None, "not by the log's key");
        // One of a longer history than is here.
        let other = tempfile::tempdir().unwrap();
        std::fs::write(other.path().join("x"), b"").unwrap();
        let short = new_log(&other.path().join("l"), 3);
        std::fs::write(other.path().join("l/standing"), good).unwrap();
        assert_eq!(short.remembered(), None);
    }
}
