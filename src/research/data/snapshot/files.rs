//! The files of a snapshot, named by the hash of its values.

use crate::data::error::DataError;
use assay_ledger::Hash;
use std::path::{Path, PathBuf};

/// Columns of the file of settlements.
pub(super) const SETTLEMENTS: [&str; 4] = ["symbol", "time", "rate", "mark"];

/// Path of a snapshot's bars in its folder.
pub fn path(dir: &Path, hash: &Hash) -> PathBuf {
    dir.join(format!("{hash}.parquet"))
}

/// Path of its finer bars, if it has some.
pub fn detail_path(dir: &Path, hash: &Hash) -> PathBuf {
    dir.join(format!("{hash}.detail.parquet"))
}

/// Path of its funding settlements.
pub fn settlements_path(dir: &Path, hash: &Hash) -> PathBuf {
    dir.join(format!("{hash}.funding.parquet"))
}

/// Path of what is in both, by hashes.
pub fn contents_path(dir: &Path, hash: &Hash) -> PathBuf {
    dir.join(format!("{hash}.json"))
}

/// Path of what its import found, as JSON.
pub fn quality_path(dir: &Path, hash: &Hash) -> PathBuf {
    dir.join(format!("{hash}.quality.json"))
}

/// Removes a snapshot with all that is named by its hash, what was left half-written too; one that is gone already
/// is fine. Gives the number of files.
///
/// # Errors
/// When it cannot be removed.
pub fn remove(dir: &Path, hash: &Hash) -> Result<usize, DataError> {
    let (begin, mut gone) = (format!("{hash}."), 0);
    let entries = match std::fs::read_dir(dir) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        other => other.map_err(DataError::io("list", dir))?,
    };
    for entry in entries.flatten().filter(|e| e.file_name().to_string_lossy().starts_with(&begin)) {
        let path = entry.path();
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(DataError::io("remove", &path)(e)),
            _ => gone += 1,
        }
    }
    Ok(gone)
}
