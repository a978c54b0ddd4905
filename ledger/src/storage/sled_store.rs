//! The index on sled. The only file that knows sled.
//!
//! sled 0.34.7 neither syncs on `flush` nor always opens a damaged folder without panicking, so
//! it is never the proof of durability: the journal is. It is opened under `catch_unwind`, and
//! set aside and rebuilt when it does not open or disagrees.
//!
//! A record holds consecutive entries as an entry bundle, and its key is the first one's number.
//! Nine records make a tree of their own, named by its first entry: so few updates of one page are
//! written once, while sled rewrites a page that gets more. What does not fill a record yet stands
//! under the key `tail` of the default tree. Together that takes 1.03 bytes on disk for a byte of
//! event, where single entries as values took two and a half.

mod copy;
mod shards;

use crate::error::LedgerError;
use crate::storage::store::{Store, Stores};
use crate::tree::tile::{push_entry, split_any};
use bytes::Bytes;
use std::cell::Cell;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{Duration, Instant};

const CACHE_BYTES: u64 = 4 << 20;
/// A record that would grow past this is followed by a new one.
const RECORD_BYTES: usize = 62 << 10;
/// Records of a tree: at the tenth update sled would write the whole page again.
const RECORDS_PER_TREE: usize = 9;
const TAIL: &[u8] = b"tail";
/// System errors that a damaged folder gives.
const DAMAGE: [ErrorKind; 4] =
    [ErrorKind::NotFound, ErrorKind::UnexpectedEof, ErrorKind::InvalidData, ErrorKind::InvalidInput];
/// How long a lock that its owner gave up may linger.
const LINGER: Duration = Duration::from_secs(5);

/// The index folder of a log.
#[derive(Debug)]
pub struct SledStores {
    path: PathBuf,
}

impl SledStores {
    /// The index in the folder of a log.
    pub fn of(dir: &Path) -> SledStores {
        SledStores { path: dir.join("index.sled") }
    }

    /// Removes what was set aside before: one copy is kept, for who wants to look what happened.
    fn forget_aside(&self) -> Result<(), LedgerError> {
        let dir = self.path.parent().unwrap_or(Path::new("."));
        for item in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            if item.file_name().to_string_lossy().starts_with("index.sled.damaged-") {
                std::fs::remove_dir_all(item.path()).map_err(LedgerError::io("remove", &item.path()))?;
            }
        }
        Ok(())
    }
}

impl Stores for SledStores {
    fn open(&self) -> Result<Box<dyn Store>, LedgerError> {
        Ok(Box::new(shards::Shards::open(&self.path)?))
    }

    fn look(&self) -> Result<Box<dyn Store>, LedgerError> {
        Ok(Box::new(copy::Copied::of(&self.path)?))
    }

    fn set_aside(&self) -> Result<(), LedgerError> {
        if !self.path.exists() {
            return Ok(());
        }
        self.forget_aside()?;
        std::fs::rename(&self.path, self.path.with_extension("sled.damaged-1"))
            .map_err(LedgerError::io("set aside", &self.path))
    }

    fn discard(&self) -> Result<(), LedgerError> {
        self.forget_aside()?;
        match std::fs::remove_dir_all(&self.path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(LedgerError::io("remove", &self.path)(e)),
            _ => Ok(()),
        }
    }
}

/// The parts of an open sled folder.
struct Parts {
    db: sled::Db,
    /// First entries of the trees.
    groups: Vec<u64>,
    /// The last tree, and how many records it holds.
    last: Option<(sled::Tree, usize)>,
    /// Number of the first entry after the full records, and the entries from there on.
    first: u64,
    tail: Vec<u8>,
}

/// Entries in a sled folder.
pub struct SledStore {
    parts: Parts,
    path: PathBuf,
    len: u64,
    /// The record that is being filled: the number of its first entry, and its bytes.
    first: u64,
    record: Vec<u8>,
    waiting: bool,
    /// The record that was read last.
    read: (u64, Vec<Bytes>),
}

impl std::fmt::Debug for SledStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SledStore({}, {} entries)", self.path.display(), self.len)
    }
}

fn number(key: &[u8]) -> Option<u64> {
    key.try_into().ok().map(u64::from_be_bytes)
}

fn count(bundle: &[u8]) -> Option<u64> {
    split_any(bundle).ok().map(|e| e.len() as u64)
}

fn parts(path: &Path) -> sled::Result<Parts> {
    let db = sled::Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(None).open()?;
    let foreign = || sled::Error::Unsupported("it holds what no index holds".into());
    let mut groups: Vec<u64> = db.tree_names().iter().filter_map(|name| number(name)).collect();
    groups.sort_unstable();
    let (mut last, mut first) = (None, 0);
    if let Some(group) = groups.last() {
        let tree = db.open_tree(group.to_be_bytes())?;
        if let Some((key, record)) = tree.last()? {
            first = number(&key).zip(count(&record)).map(|(n, c)| n + c).ok_or_else(foreign)?;
        } else {
            first = *group;
        }
        let records = tree.len();
        last = Some((tree, records));
    }
    // A tail that begins before the last record's end became that record.
    let tail = db.get(TAIL)?.unwrap_or_default();
    let (head, tail) = tail.split_at_checked(8).unwrap_or_default();
    let tail = if number(head) == Some(first) { tail.to_vec() } else { Vec::new() };
    count(&tail).ok_or_else(foreign)?;
    Ok(Parts { db, groups, last, first, tail })
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs work that may panic, without the panic's words on this thread. The hook is set once and
/// passes on every other panic, so no thread can silence another.
fn quietly<T>(work: impl FnOnce() -> T) -> std::thread::Result<T> {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                usual(info);
            }
        }));
    });
    QUIET.set(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    QUIET.set(false);
    done
}

/// What stands in a folder and is neither a file nor a folder: sled would wait for a pipe's other end.
fn no_file(dir: &Path) -> Option<PathBuf> {
    let odd = |item: &std::fs::DirEntry| item.file_type().is_ok_and(|t| !t.is_file() && !t.is_dir());
    std::fs::read_dir(dir).ok()?.flatten().find(odd).map(|item| item.file_name().into())
}

/// Opens sled; a panic inside it becomes an error. Who closed it before, here or in another
/// process, may hold its lock for a moment longer: threads of sled outlive its handle.
fn open(path: &Path) -> Result<Parts, LedgerError> {
    let fail = |what: String| LedgerError::Index { path: path.to_path_buf(), what };
    if let Some(odd) = no_file(path) {
        return Err(fail(format!("{} in it is no file", odd.display())));
    }
    let start = Instant::now();
    loop {
        match quietly(|| parts(path)).map_err(|_| fail("sled panicked while opening it".into()))? {
            Ok(parts) => return Ok(parts),
            Err(e) if e.to_string().contains("could not acquire lock") && start.elapsed() < LINGER => {
                std::thread::sleep(Duration::from_millis(2));
            }
            // What the system refuses today says nothing about what stands there.
            Err(sled::Error::Io(e)) if !DAMAGE.contains(&e.kind()) => return Err(LedgerError::io("open", path)(e)),
            Err(e) => return Err(fail(e.to_string())),
        }
    }
}

impl SledStore {
    /// Opens or creates the folder.
    ///
    /// # Errors
    /// [`LedgerError::Index`].
    pub fn open(path: &Path) -> Result<SledStore, LedgerError> {
        let mut parts = open(path)?;
        let (first, record) = (parts.first, std::mem::take(&mut parts.tail));
        let len = first + split_any(&record)?.len() as u64;
        let (path, read) = (path.to_path_buf(), (0, Vec::new()));
        Ok(SledStore { parts, path, len, first, record, waiting: false, read })
    }

    fn fail(&self, what: impl Into<String>) -> LedgerError {
        LedgerError::Index { path: self.path.clone(), what: what.into() }
    }

    fn guard<T>(&mut self, work: impl FnOnce(&mut Parts) -> sled::Result<T>) -> Result<T, LedgerError> {
        let fail = |what: String| LedgerError::Index { path: self.path.clone(), what };
        let parts = &mut self.parts;
        let done = quietly(|| work(parts));
        done.map_err(|_| fail("sled panicked".into()))?.map_err(|e| fail(e.to_string()))
    }

    /// Writes the full record and begins an empty one.
    fn write_record(&mut self) -> Result<(), LedgerError> {
        let (first, record) = (self.first, std::mem::take(&mut self.record));
        self.guard(|p| {
            let (tree, records) = match p.last.take() {
                Some((tree, records)) if records < RECORDS_PER_TREE => (tree, records),
                _ => {
                    p.groups.push(first);
                    (p.db.open_tree(first.to_be_bytes())?, 0)
                }
            };
            tree.insert(first.to_be_bytes(), &record[..])?;
            p.last = Some((tree, records + 1));
            Ok(())
        })?;
        self.first = self.len;
        Ok(())
    }
}

impl Store for SledStore {
    fn len(&self) -> u64 {
        self.len
    }

    fn append(&mut self, entries: &[Bytes]) -> Result<(), LedgerError> {
        for entry in entries {
            if !self.record.is_empty() && self.record.len() + entry.len() > RECORD_BYTES {
                self.write_record()?;
            }
            push_entry(&mut self.record, entry);
            self.waiting = true;
            self.len += 1;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), LedgerError> {
        if self.waiting {
            let tail = [&self.first.to_be_bytes()[..], &self.record].concat();
            self.guard(|p| p.db.insert(TAIL, tail))?;
            self.waiting = false;
        }
        Ok(())
    }

    fn get(&mut self, seq: u64) -> Result<Option<Bytes>, LedgerError> {
        if seq >= self.len {
            return Ok(None);
        }
        if seq >= self.first {
            return Ok(split_any(&self.record)?.get((seq - self.first) as usize).map(|e| Bytes::copy_from_slice(e)));
        }
        let inside = |(first, entries): &(u64, Vec<Bytes>)| {
            seq.checked_sub(*first).and_then(|i| entries.get(i as usize)).cloned()
        };
        if let Some(entry) = inside(&self.read) {
            return Ok(Some(entry));
        }
        let found = self.guard(|p| {
            let Some(group) = p.groups.partition_point(|g| *g <= seq).checked_sub(1) else { return Ok(None) };
            p.db.open_tree(p.groups[group].to_be_bytes())?.get_lt((seq + 1).to_be_bytes())
        })?;
        let (key, record) = found.ok_or_else(|| self.fail(format!("entry {seq} is missing")))?;
        let first = number(&key).ok_or_else(|| self.fail("a foreign key"))?;
        let record = Bytes::copy_from_slice(&record);
        self.read = (first, split_any(&record)?.into_iter().map(|e| record.slice_ref(e)).collect());
        Ok(inside(&self.read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entries of every size come back, from full records, from further trees and from the tail,
    /// also after it was opened anew.
    #[test]
    fn records_trees_and_tail() {
        let dir = tempfile::tempdir().unwrap();
        let entry = |n: usize| Bytes::from(vec![n as u8; n * 7919 % 60_000 + 1]);
        let entries: Vec<Bytes> = (0..60).map(entry).collect();
        let mut len = 0;
        for part in [0..1, 1..30, 30..31, 31..60] {
            let mut store = SledStore::open(dir.path()).unwrap();
            assert_eq!(store.len(), len);
            store.append(&entries[part.clone()]).unwrap();
            store.flush().unwrap();
            len = part.end as u64;
            for (n, entry) in entries[..part.end].iter().enumerate().rev() {
                assert_eq!(store.get(n as u64).unwrap().as_ref(), Some(entry), "entry {n} of {len}");
            }
            assert_eq!(store.get(len).unwrap(), None);
        }
    }

    /// sled's threads may hold its lock a moment longer than its owner: that is no damage.
    #[test]
    fn a_lock_that_lingers() {
        let dir = tempfile::tempdir().unwrap();
        let first = SledStore::open(dir.path()).unwrap();
        let owner = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(150));
            drop(first);
        });
        let second = SledStore::open(dir.path());
        owner.join().unwrap();
        assert_eq!(second.unwrap().len(), 0);
    }
}
