//! A log as a folder of C2SP tiles: written incrementally, read back, verified without the log.
//!
//! `checkpoint` is written last, by rename: whoever reads a checkpoint finds everything under it.

use crate::audit::{Auditor, Authority, Finding, Reason, foreign_log_key, is_chunk};
use crate::error::LedgerError;
use crate::keys::note::Verifier;
use crate::log::{Log, PATIENCE};
use crate::storage::disk::{self, Disk, Open};
use crate::tree::checkpoint::Checkpoint;
use crate::tree::merkle::Nodes as _;
use crate::tree::tile::{self, TileTree, WIDTH};
use crate::tree::tile_check::TileCheck;
use bytes::Bytes;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// After so many bad bundles the rest is not read: a checkpoint may claim any size.
const MAX_BAD_BUNDLES: u64 = 1000;

/// What an export wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// Size that was there before.
    pub from: u64,
    /// Size now.
    pub size: u64,
    /// Tiles and bundles written.
    pub files: u64,
}

/// Writes what the log has published since the folder's checkpoint.
///
/// # Errors
/// [`LedgerError::Unverified`] when the folder holds another log, or another history of this one.
pub fn export(log: &Log, dir: &Path) -> Result<Exported, LedgerError> {
    let (new, disk) = (log.checkpoint()?, log.disk());
    disk.create_dir(dir).map_err(LedgerError::io("create", dir))?;
    let _lock = disk.lock_folder(dir, PATIENCE)?;
    let path = dir.join("checkpoint");
    let old = match disk.open(&path, Open::Read).and_then(|f| f.read_from(0)) {
        Ok(note) => Some(Checkpoint::open(&note, log.verifier())?),
        Err(e) if e.kind() == ErrorKind::NotFound => None,
        Err(e) => return Err(LedgerError::io("read", &path)(e)),
    };
    let from = old.as_ref().map_or(0, |c| c.size);
    if let Some(old) = old.filter(|old| log.tree().root_at(old.size).ok() != Some(old.root)) {
        let why = format!("{} holds another history of this log, of {} entries", dir.display(), old.size);
        return Err(LedgerError::Unverified { what: "the exported log", why });
    }
    if from > new.size {
        // Somebody exported more since this log was opened: a folder never goes back.
        return Ok(Exported { from, size: from, files: 0 });
    }
    // First, so that a folder says whose it is though it is only half written.
    disk::replace(disk, &dir.join("log.vkey"), format!("{}\n", log.verifier()).as_bytes())?;
    let mut dirs = BTreeSet::new();
    let mut files = 0;
    let put = |path: String, bytes: Vec<u8>| {
        let path = dir.join(path);
        let parent = path.parent().unwrap_or(dir).to_path_buf();
        if dirs.insert(parent.clone()) {
            disk.create_dir(&parent).map_err(LedgerError::io("create", &parent))?;
        }
        let file = disk.open(&path, Open::Replace).map_err(LedgerError::io("create", &path))?;
        file.write_at(0, &bytes).and_then(|()| file.sync()).map_err(LedgerError::io("write", &path))?;
        files += 1;
        Ok(())
    };
    tile::files_since(log.tree(), from, new.size, |range| log.bundle(range), put)?;
    for made in dirs {
        disk.sync_dir(&made).map_err(LedgerError::io("sync", &made))?;
    }
    disk::replace(disk, &dir.join("checkpoint"), log.checkpoint_note())?;
    Ok(Exported { from, size: new.size, files })
}

/// What the system answers where no file stands: that is wrong with the export, not with the reading.
const NO_FILE: [ErrorKind; 3] = [ErrorKind::NotFound, ErrorKind::IsADirectory, ErrorKind::NotADirectory];

/// A folder without key or checkpoint is no export.
fn no_export(e: LedgerError, dir: &Path) -> LedgerError {
    match e {
        LedgerError::Io { path, source, .. } if source.kind() == ErrorKind::IsADirectory => {
            LedgerError::Malformed { what: "tiled log", why: format!("{} is no file", path.display()) }
        }
        LedgerError::Missing { .. } => LedgerError::NoExport { path: dir.into() },
        LedgerError::Io { source, .. } if source.kind() == ErrorKind::NotFound => {
            LedgerError::NoExport { path: dir.into() }
        }
        other => other,
    }
}

/// An exported log.
#[derive(Debug)]
pub struct Export<'a> {
    disk: &'a dyn Disk,
    dir: PathBuf,
    /// The key that its checkpoint verified against.
    pub verifier: Verifier,
    /// Its checkpoint.
    pub checkpoint: Checkpoint,
    /// The checkpoint as the signed note it is.
    pub note: Vec<u8>,
}

impl<'a> Export<'a> {
    /// Opens an export. Without a verifier key of the caller's own, the one in the folder is used:
    /// that proves that the folder agrees with itself, not whose it is.
    ///
    /// # Errors
    /// A missing, malformed or unverified checkpoint.
    pub fn open(disk: &'a dyn Disk, dir: &Path, verifier: Option<Verifier>) -> Result<Export<'a>, LedgerError> {
        let verifier = match verifier {
            Some(verifier) => verifier,
            None => crate::log::read_verifier(disk, dir).map_err(|e| no_export(e, dir))?,
        };
        let note = disk::read(disk, &dir.join("checkpoint")).map_err(|e| no_export(e, dir))?;
        let checkpoint = Checkpoint::open(&note, &verifier)?;
        Ok(Export { disk, dir: dir.into(), verifier, checkpoint, note })
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, LedgerError> {
        let path = self.dir.join(path);
        match self.disk.open(&path, Open::Read).and_then(|f| f.read_from(0)) {
            Err(e) if NO_FILE.contains(&e.kind()) => {
                let what = if e.kind() == ErrorKind::NotFound { "missing" } else { "no file" };
                Err(LedgerError::Malformed { what: "tiled log", why: format!("{} is {what}", path.display()) })
            }
            other => other.map_err(LedgerError::io("read", &path)),
        }
    }

    /// The entries of a bundle, from its number.
    ///
    /// # Errors
    /// A missing or malformed bundle.
    pub fn bundle(&self, n: u64) -> Result<Vec<Bytes>, LedgerError> {
        let width = self.checkpoint.size.saturating_sub(n * WIDTH).min(WIDTH);
        let path = tile::entries_path(n, width);
        let bytes = Bytes::from(self.file(&path)?);
        let malformed = |e| LedgerError::Malformed { what: "tiled log", why: format!("{path}: {e}") };
        Ok(tile::split_bundle(&bytes, width).map_err(malformed)?.into_iter().map(|e| bytes.slice_ref(e)).collect())
    }

    /// Number of bundles.
    pub fn bundles(&self) -> u64 {
        self.checkpoint.size.div_ceil(WIDTH)
    }

    /// The tree as its hash tiles say.
    pub fn tree(&self) -> TileTree<impl Fn(&str) -> Result<Vec<u8>, LedgerError>> {
        TileTree { size: self.checkpoint.size, read: |path: &str| self.file(path) }
    }

    /// Verifies everything in the folder: entries, chain, signatures, tree, checkpoint, hash tiles.
    ///
    /// # Errors
    /// Files that cannot be read; what is wrong in them are findings.
    pub fn verify(&self, authority: &mut impl Authority) -> Result<Vec<Finding>, LedgerError> {
        let mut tiles = TileCheck::new(|path: &str| self.file(path));
        let mut auditor = Auditor::new(&self.verifier.name, authority).leaves_to(|leaf| tiles.push(leaf));
        auditor.expect(self.checkpoint.clone());
        let (mut chunk, mut bad) = (Vec::new(), 0);
        for n in 0..self.bundles() {
            match self.bundle(n) {
                Ok(entries) => chunk.extend(entries),
                Err(e @ LedgerError::Io { .. }) => return Err(e),
                Err(e) => {
                    bad += 1;
                    if bad > MAX_BAD_BUNDLES {
                        let detail = format!("more than {MAX_BAD_BUNDLES} bundles are bad; the rest was not read");
                        auditor.damage(Reason::BadTile, detail, 0);
                        break;
                    }
                    auditor.push(std::mem::take(&mut chunk));
                    let next = ((n + 1) * WIDTH).min(self.checkpoint.size);
                    auditor.damage(Reason::BadTile, e.to_string(), next);
                }
            }
            if is_chunk(&chunk) {
                auditor.push(std::mem::take(&mut chunk));
            }
        }
        auditor.push(chunk);
        auditor.finish()?;
        let mut findings = std::mem::take(&mut auditor.findings);
        let whole = auditor.is_whole() && auditor.len() == self.checkpoint.size;
        drop(auditor);
        if whole {
            let wrong = tiles.finish()?;
            findings.extend(wrong.into_iter().map(|(seq, detail)| Finding { seq, reason: Reason::BadTile, detail }));
        }
        findings.extend(foreign_log_key(authority, &self.verifier));
        findings.sort_by_key(|f| f.seq);
        Ok(findings)
    }
}
