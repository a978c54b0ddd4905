//! The index as a row of sled folders: each takes a bounded share of the log, so that opening the last
//! one, which is all that a writer does, costs the same however long the log is.

use super::SledStore;
use crate::error::LedgerError;
use crate::storage::store::Store;
use bytes::Bytes;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Bytes of a folder after which the next one begins.
///
/// sled keeps values in memory whatever its cache is told, so this also bounds what a writer takes.
const SHARD_BYTES: u64 = if cfg!(test) { 1 << 20 } else { 4 << 20 };

/// The folders of an index.
#[derive(Debug)]
pub(super) struct Shards {
    path: PathBuf,
    /// The number of each folder's first entry, in order.
    firsts: Vec<u64>,
    /// The folder that grows; its entries count from its own first one.
    last: SledStore,
    /// Bytes in it, about.
    bytes: u64,
    /// An earlier folder that was read last, and its first entry.
    reader: Option<(u64, SledStore)>,
}

fn folder(path: &Path, first: u64) -> PathBuf {
    path.join(format!("{first:020}"))
}

fn size(shard: &Path) -> u64 {
    shard.join("db").metadata().map_or(0, |m| m.len())
}

impl Shards {
    /// Opens the row, or begins one.
    pub(super) fn open(path: &Path) -> Result<Shards, LedgerError> {
        adopt(path)?;
        std::fs::create_dir_all(path).map_err(LedgerError::io("create", path))?;
        let names = std::fs::read_dir(path).map_err(LedgerError::io("list", path))?;
        let number = |name: std::ffi::OsString| name.to_str().filter(|n| n.len() == 20)?.parse().ok();
        let mut firsts: Vec<u64> = names.flatten().filter_map(|item| number(item.file_name())).collect();
        firsts.sort_unstable();
        let mut first = firsts.pop().unwrap_or(0);
        let mut last = SledStore::open(&folder(path, first))?;
        // A folder that begins past the end of the one before it was made when that lost its end.
        while let Some(before) = firsts.last().copied() {
            let earlier = SledStore::open(&folder(path, before))?;
            if before + earlier.len() == first {
                break;
            }
            drop(last);
            let lost = folder(path, first);
            std::fs::remove_dir_all(&lost).map_err(LedgerError::io("remove", &lost))?;
            (first, last) = (before, earlier);
            firsts.pop();
        }
        firsts.push(first);
        if let Some(begin @ 1..) = firsts.first() {
            let what = format!("its first folder begins at entry {begin}");
            return Err(LedgerError::Index { path: path.into(), what });
        }
        let bytes = size(&folder(path, first));
        Ok(Shards { path: path.into(), firsts, last, bytes, reader: None })
    }

    fn first(&self) -> u64 {
        self.firsts.last().copied().unwrap_or(0)
    }

    /// Begins the next folder, when this one holds anything: an empty one would be itself the next.
    fn roll(&mut self) -> Result<(), LedgerError> {
        if self.last.len() == 0 {
            return Ok(());
        }
        self.last.flush()?;
        let first = self.len();
        self.last = SledStore::open(&folder(&self.path, first))?;
        self.firsts.push(first);
        self.bytes = 0;
        Ok(())
    }
}

/// An index of an earlier release is one folder: it becomes the first of the row.
fn adopt(path: &Path) -> Result<(), LedgerError> {
    if !path.join("conf").exists() {
        return Ok(());
    }
    let moved = path.with_extension("sled.moving");
    let step = |result: std::io::Result<()>| match result {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(LedgerError::io("move", path)(e)),
        _ => Ok(()),
    };
    step(std::fs::rename(path, &moved))?;
    step(std::fs::create_dir(path))?;
    step(std::fs::rename(&moved, folder(path, 0)))
}

impl Store for Shards {
    fn len(&self) -> u64 {
        self.first() + self.last.len()
    }

    fn append(&mut self, entries: &[Bytes]) -> Result<(), LedgerError> {
        if self.bytes > SHARD_BYTES {
            self.roll()?;
        }
        self.bytes += entries.iter().map(|e| e.len() as u64).sum::<u64>();
        self.last.append(entries)
    }

    fn flush(&mut self) -> Result<(), LedgerError> {
        self.last.flush()
    }

    fn get(&mut self, seq: u64) -> Result<Option<Bytes>, LedgerError> {
        let first = self.first();
        if let Some(inside) = seq.checked_sub(first) {
            return self.last.get(inside);
        }
        let before = self.firsts.partition_point(|f| *f <= seq);
        let first = before.checked_sub(1).and_then(|n| self.firsts.get(n)).copied().unwrap_or(0);
        if self.reader.as_ref().is_none_or(|r| r.0 != first) {
            self.reader = Some((first, SledStore::open(&folder(&self.path, first))?));
        }
        let found = self.reader.as_mut().map_or(Ok(None), |(first, store)| store.get(seq - *first))?;
        let missing =
            || LedgerError::Index { path: folder(&self.path, first), what: format!("entry {seq} is missing") };
        found.map(Some).ok_or_else(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(n: u64) -> Bytes {
        Bytes::from(vec![n as u8; 10_000 + n as usize])
    }

    fn check(store: &mut Shards, len: u64) {
        assert_eq!(store.len(), len);
        for n in (0..len).rev() {
            assert_eq!(store.get(n).unwrap(), Some(entry(n)), "entry {n} of {len}");
        }
        assert_eq!(store.get(len).unwrap(), None);
    }

    /// Entries come back from every folder, also opened anew; a folder that lost its end takes those
    /// after it with it, and the row goes on from there.
    #[test]
    fn a_row_of_folders() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index.sled");
        let mut len = 0;
        for _ in 0..4 {
            let mut store = Shards::open(&path).unwrap();
            check(&mut store, len);
            for _ in 0..5 {
                store.append(&(len..len + 20).map(entry).collect::<Vec<_>>()).unwrap();
                len += 20;
            }
            store.flush().unwrap();
            check(&mut store, len);
        }
        let shards = Shards::open(&path).unwrap().firsts;
        assert!(shards.len() >= 4, "{shards:?}");
        // The one before the last is gone on with when it is shorter than its successor says.
        let (lost, kept) = (shards[shards.len() - 1], shards[shards.len() - 2]);
        std::fs::rename(folder(&path, lost), folder(&path, lost + 5)).unwrap();
        let mut store = Shards::open(&path).unwrap();
        assert_eq!((store.len(), store.first()), (lost, kept));
        store.append(&(lost..len).map(entry).collect::<Vec<_>>()).unwrap();
        store.flush().unwrap();
        drop(store);
        check(&mut Shards::open(&path).unwrap(), len);
        std::fs::remove_dir_all(folder(&path, 0)).unwrap();
        for first in &shards[1..shards.len() - 2] {
            std::fs::remove_dir_all(folder(&path, *first)).unwrap();
        }
        assert!(Shards::open(&path).is_err(), "a row without its beginning");
    }

    /// The one folder of an earlier release becomes the first.
    #[test]
    fn one_folder_is_adopted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index.sled");
        let mut old = SledStore::open(&path).unwrap();
        old.append(&(0..100).map(entry).collect::<Vec<_>>()).unwrap();
        old.flush().unwrap();
        drop(old);
        let mut store = Shards::open(&path).unwrap();
        check(&mut store, 100);
        store.append(&(100..130).map(entry).collect::<Vec<_>>()).unwrap();
        store.flush().unwrap();
        drop(store);
        check(&mut Shards::open(&path).unwrap(), 130);
    }
}
