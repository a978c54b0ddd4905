//! A copy of an index, to read: sled writes whenever it opens.

use super::shards::Shards;
use crate::error::LedgerError;
use crate::storage::store::Store;
use bytes::Bytes;
use std::path::Path;
use tempfile::TempDir;

/// An index opened in a copy that goes with it.
#[derive(Debug)]
pub(super) struct Copied {
    store: Shards,
    _dir: TempDir,
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for item in std::fs::read_dir(from)? {
        let item = item?;
        let target = to.join(item.file_name());
        if item.file_type()?.is_dir() {
            copy(&item.path(), &target)?;
        } else if !item.file_type()?.is_file() {
            return Err(std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                format!("{:?} is no file", item.file_name()),
            ));
        } else {
            // Bytes alone: the copy's rights are ours, whatever the original's are.
            std::io::copy(&mut std::fs::File::open(item.path())?, &mut std::fs::File::create(target)?)?;
        }
    }
    Ok(())
}

impl Copied {
    pub(super) fn of(path: &Path) -> Result<Copied, LedgerError> {
        let dir = tempfile::tempdir().map_err(LedgerError::io("create a folder for", path))?;
        let place = dir.path().join("index.sled");
        if path.exists() {
            copy(path, &place).map_err(LedgerError::io("copy", path))?;
        }
        Ok(Copied { store: Shards::open(&place)?, _dir: dir })
    }
}

impl Store for Copied {
    fn len(&self) -> u64 {
        self.store.len()
    }

    fn append(&mut self, _: &[Bytes]) -> Result<(), LedgerError> {
        Err(LedgerError::Index { path: self._dir.path().into(), what: "a copy is only read".into() })
    }

    fn flush(&mut self) -> Result<(), LedgerError> {
        Ok(())
    }

    fn get(&mut self, seq: u64) -> Result<Option<Bytes>, LedgerError> {
        self.store.get(seq)
    }
}
