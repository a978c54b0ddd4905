//! Parquet snapshots, named by the hash of their values: a file of bars, one of funding settlements, and one
//! that says by hashes what is in both.

mod contents;
mod draft;
mod files;
mod read;
#[cfg(test)]
mod tests;

pub use contents::{Contents, Finer};
pub use draft::{Draft, Own};
pub use files::{contents_path, detail_path, path, quality_path, remove, settlements_path};
pub use read::read;

use crate::data::error::DataError;
use assay_ledger::Hash;
use assay_shared::market::Market;
use std::path::Path;

/// Writes a market. Gives the data hash and the file's SHA-256.
///
/// # Errors
/// When the files cannot be written.
pub fn write(dir: &Path, market: &Market) -> Result<(Hash, Hash), DataError> {
    Draft::of(Some(dir), market)?.write()
}
