//! An offline witness: it remembers the last checkpoint it saw of each log, cosigns only what
//! continues it, and keeps both signed notes as evidence when something does not.

use crate::error::LedgerError;
use crate::format::hash::Hash;
use crate::keys::cosign::cosign;
use crate::keys::note::Verifier;
use crate::keys::signer::Signer;
use crate::log::PATIENCE;
use crate::storage::disk::{self, Disk, Open};
use crate::tree::checkpoint::Checkpoint;
use crate::tree::merkle::verify_consistency;
use std::path::{Path, PathBuf};

/// Why a checkpoint was not cosigned.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// It is older than what was seen before.
    #[error("rollback: size {new} < last seen {old}; both signed notes are in {}", evidence.display())]
    Rollback {
        /// Size seen before.
        old: u64,
        /// Size offered.
        new: u64,
        /// Both notes.
        evidence: PathBuf,
    },
    /// It does not continue what was seen before.
    #[error("fork: the checkpoint of size {new} does not continue the one of size {old}: {why}; both signed notes are in {}", evidence.display())]
    Fork {
        /// Size seen before.
        old: u64,
        /// Size offered.
        new: u64,
        /// Which check failed.
        why: String,
        /// Both notes.
        evidence: PathBuf,
    },
    /// The caller's idea of what was seen before is wrong.
    #[error("the last checkpoint seen has size {known}, not {claimed}")]
    Conflict {
        /// Size seen before.
        known: u64,
        /// What the caller said.
        claimed: u64,
    },
    /// Everything else.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// A witness: its name, key and memory.
#[derive(Debug)]
pub struct Memory<'a> {
    /// The disk under it.
    pub disk: &'a dyn Disk,
    /// Where it remembers, one file for each log.
    pub dir: PathBuf,
}

/// A file name for an origin that no other origin has.
fn file_stem(origin: &str) -> String {
    let plain: String = origin.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(80).collect();
    format!("{plain}-{}", Hash::of(origin.as_bytes()))
}

impl Memory<'_> {
    fn path(&self, origin: &str) -> PathBuf {
        self.dir.join(file_stem(origin)).with_extension("checkpoint")
    }

    /// Makes sure that something can be remembered here.
    ///
    /// # Errors
    /// A folder that cannot be made or locked.
    pub fn prepare(&self) -> Result<(), LedgerError> {
        self.disk.create_dir(&self.dir).map_err(LedgerError::io("create", &self.dir))?;
        self.disk.lock(&self.dir, PATIENCE, &|_| ()).map(drop)
    }

    /// The last checkpoint seen of a log.
    ///
    /// # Errors
    /// A memory that cannot be read or no longer verifies: then nothing is cosigned.
    pub fn last(&self, log: &Verifier) -> Result<Option<(Checkpoint, Vec<u8>)>, LedgerError> {
        let path = self.path(&log.name);
        match self.disk.open(&path, Open::Read).and_then(|f| f.read_from(0)) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(LedgerError::io("read", &path)(e)),
            Ok(note) => Ok(Some((Checkpoint::open(&note, log)?, note))),
        }
    }

    fn evidence(&self, origin: &str, what: &str, old: &[u8], new: &[u8]) -> Result<PathBuf, LedgerError> {
        let stem = file_stem(origin);
        let text = [b"seen before:\n\n", old, b"\noffered:\n\n", new].concat();
        // The same two notes are kept once, however often somebody offers them.
        let path = self.dir.join(format!("{what}-{stem}-{}.txt", Hash::of(&text).short()));
        disk::replace(self.disk, &path, &text)?;
        Ok(path)
    }

    /// Remembers a checkpoint if it continues the last one, and cosigns it. `proof` gives the
    /// consistency proof between two sizes; `claimed` is what the caller believes was seen last.
    ///
    /// What is remembered is on the disk before the cosignature is given.
    ///
    /// # Errors
    /// [`WitnessError`]; then nothing is cosigned and the memory is as before.
    pub fn observe(
        &self,
        note: &[u8],
        log: &Verifier,
        claimed: Option<u64>,
        proof: impl FnOnce(u64, u64) -> Result<Vec<Hash>, LedgerError>,
        (name, signer, time_s): (&str, &Signer, u64),
    ) -> Result<Vec<u8>, WitnessError> {
        let new = Checkpoint::open(note, log)?;
        self.disk.create_dir(&self.dir).map_err(LedgerError::io("create", &self.dir))?;
        let _lock = self.disk.lock(&self.dir, PATIENCE, &|_| ())?;
        let last = self.last(log)?;
        let known = last.as_ref().map_or(0, |l| l.0.size);
        if let Some(claimed) = claimed.filter(|c| *c != known) {
            return Err(WitnessError::Conflict { known, claimed });
        }
        if let Some((old, old_note)) = last {
            if new.size < old.size {
                let evidence = self.evidence(&log.name, "rollback", &old_note, note)?;
                return Err(WitnessError::Rollback { old: old.size, new: new.size, evidence });
            }
            // Tiles that cannot be read, or are not the checkpoint's, accuse nobody.
            let apart = old.size == 0 || old.size == new.size;
            let hashes = if apart { Vec::new() } else { proof(old.size, new.size)? };
            if let Err(e) = continues(&old, &new, &hashes) {
                let evidence = self.evidence(&log.name, "fork", &old_note, note)?;
                return Err(WitnessError::Fork { old: old.size, new: new.size, why: e.to_string(), evidence });
            }
        }
        let cosigned = cosign(note, name, signer, time_s)?;
        disk::replace(self.disk, &self.path(&log.name), note)?;
        Ok(cosigned)
    }
}

fn continues(old: &Checkpoint, new: &Checkpoint, proof: &[Hash]) -> Result<(), LedgerError> {
    match old.size {
        0 => Ok(()),
        _ => verify_consistency((old.size, &old.root), (new.size, &new.root), proof),
    }
}

/// The witness's memory in a folder.
pub fn memory<'a>(disk: &'a dyn Disk, dir: &Path) -> Memory<'a> {
    Memory { disk, dir: dir.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::disk::RealDisk;
    use crate::tree::merkle::{Nodes as _, Tree, leaf_hash};

    fn tree(n: u8, fork: u8) -> Tree {
        Tree::from_leaves((0..n).map(|i| leaf_hash(&[i, if i >= 5 { fork } else { 0 }])))
    }

    struct Stage {
        dir: tempfile::TempDir,
        log: Signer,
        own: Signer,
    }

    impl Stage {
        fn see(&self, size: u8, fork: u8, claimed: Option<u64>) -> Result<Vec<u8>, WitnessError> {
            let tree = tree(size, fork);
            let c = Checkpoint { origin: "l.example/x".into(), size: size.into(), root: tree.root().unwrap() };
            let note = c.sign(&self.log).unwrap();
            let verifier = Verifier::new("l.example/x", self.log.public()).unwrap();
            let proof = |old, new| tree.consistency(old, new);
            memory(&RealDisk, self.dir.path()).observe(note.as_bytes(), &verifier, claimed, proof, ("w", &self.own, 9))
        }

        fn evidence(&self) -> usize {
            let names = std::fs::read_dir(self.dir.path()).unwrap();
            names.filter(|n| n.as_ref().unwrap().file_name().to_string_lossy().ends_with(".txt")).count()
        }
    }

    fn stage() -> Stage {
        Stage { dir: tempfile::tempdir().unwrap(), log: Signer::from_seed([1; 32]), own: Signer::from_seed([2; 32]) }
    }

    /// P-11, L-08: two histories of one log: refused, and both signed notes are kept.
    #[test]
    fn p11_l08_forks_are_evidence() {
        let s = stage();
        s.see(8, 0, None).unwrap();
        assert!(matches!(s.see(8, 1, None), Err(WitnessError::Fork { old: 8, new: 8, .. })), "same size, other root");
        let Err(WitnessError::Fork { evidence, .. }) = s.see(12, 1, None) else { panic!("a rewritten history") };
        let text = std::fs::read_to_string(evidence).unwrap();
        assert_eq!(text.matches("\u{2014} l.example/x ").count(), 2, "both notes are signed");
        assert_eq!(s.evidence(), 2);
        s.see(12, 0, None).unwrap();
    }

    /// P-12, L-27: an older checkpoint is refused with both sizes.
    #[test]
    fn p12_l27_rollback() {
        let s = stage();
        s.see(9, 0, None).unwrap();
        let error = s.see(7, 0, None).unwrap_err().to_string();
        assert!(error.contains("size 7 < last seen 9"), "{error}");
        s.see(9, 0, None).unwrap();
    }

    /// P-16: a wrong idea of the last size is answered with the right one; of two submissions at
    /// once the memory keeps the larger, whichever came first.
    #[test]
    fn p16_conflict_and_concurrency() {
        let s = stage();
        s.see(6, 0, Some(0)).unwrap();
        assert!(matches!(s.see(9, 0, Some(5)), Err(WitnessError::Conflict { known: 6, claimed: 5 })));
        std::thread::scope(|scope| {
            for size in [10, 14, 12, 20, 16] {
                let s = &s;
                scope.spawn(move || s.see(size, 0, None).map(|_| ()));
            }
        });
        let verifier = Verifier::new("l.example/x", s.log.public()).unwrap();
        assert_eq!(memory(&RealDisk, s.dir.path()).last(&verifier).unwrap().unwrap().0.size, 20);
    }
}
