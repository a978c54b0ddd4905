//! A disk in memory that behaves as badly as a real one may: it fails at a chosen operation,
//! before or after it took effect, and at a crash it loses what was not synced, in pieces.
//!
//! It is deterministic: the same seed gives the same losses. Tests of the write path run on it.

use crate::disk::{Disk, DiskFile, Guard, Open};
use crate::error::LedgerError;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Pieces in which unsynced bytes reach the disk.
const SECTOR: usize = 512;
/// Stands for a folder among the files.
const DIR: usize = usize::MAX;

/// What happens at a chosen operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails and did nothing.
    Before,
    /// It fails although it took effect.
    After,
    /// It did part of its work, and the machine stops: every later operation fails.
    Crash,
}

#[derive(Debug, Clone)]
enum Change {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

#[derive(Debug, Clone, Default)]
struct Inode {
    durable: Vec<u8>,
    now: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Naming {
    Link(PathBuf, usize),
    Rename(PathBuf, PathBuf),
}

impl Naming {
    /// Whether syncing `dir` makes it durable.
    fn is_in(&self, dir: &Path) -> bool {
        match self {
            Naming::Link(path, _) => path.parent() == Some(dir),
            Naming::Rename(from, to) => from.parent() == Some(dir) || to.parent() == Some(dir),
        }
    }

    fn dir(&self) -> PathBuf {
        let (Naming::Link(path, _) | Naming::Rename(_, path)) = self;
        path.parent().unwrap_or(Path::new("/")).into()
    }
}

#[derive(Debug, Clone, Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    pending_names: Vec<Naming>,
    operations: u64,
    plan: Option<(u64, Fault)>,
    crashed: bool,
}

/// A disk in memory; clones share it.
#[derive(Debug, Clone, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    inode: usize,
}

fn broken() -> io::Error {
    io::Error::other("injected failure")
}

/// A counter-based random number (splitmix64).
fn mix(seed: u64, n: u64) -> u64 {
    let mut x = seed.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(at, data) => {
            let end = *at as usize + data.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*at as usize..end].copy_from_slice(data);
        }
        Change::SetLen(len) => bytes.resize(*len as usize, 0),
    }
}

impl State {
    /// Counts a changing operation and runs it as planned.
    fn step<T>(&mut self, work: impl FnOnce(&mut State, bool) -> io::Result<T>) -> io::Result<T> {
        self.step_or(work, |_| ())
    }

    /// [`State::step`], with what a planned failure leaves behind.
    fn step_or<T>(
        &mut self,
        work: impl FnOnce(&mut State, bool) -> io::Result<T>,
        failed: impl FnOnce(&mut State),
    ) -> io::Result<T> {
        if self.crashed {
            return Err(broken());
        }
        let fault = self.plan.filter(|(at, _)| *at == self.operations).map(|p| p.1);
        self.operations += 1;
        match fault {
            None => work(self, false),
            Some(Fault::Before) => {
                failed(self);
                Err(broken())
            }
            Some(Fault::After) => work(self, false).and(Err(broken())),
            Some(Fault::Crash) => {
                let _ = work(self, true);
                self.crashed = true;
                Err(broken())
            }
        }
    }

    fn link(&mut self, path: &Path, inode: usize) {
        self.names.insert(path.into(), inode);
        self.pending_names.push(Naming::Link(path.into(), inode));
    }

    fn change(&mut self, inode: usize, change: Change) {
        let node = &mut self.inodes[inode];
        apply(&mut node.now, &change);
        node.pending.push(change);
    }
}

impl SimDisk {
    /// An empty disk.
    pub fn new() -> SimDisk {
        SimDisk::default()
    }

    /// A disk of its own with the same content, and nothing pending.
    pub fn fork(&self) -> SimDisk {
        let s = self.state();
        let whole = |n: &Inode| Inode { durable: n.now.clone(), now: n.now.clone(), pending: Vec::new() };
        let state = State {
            inodes: s.inodes.iter().map(whole).collect(),
            names: s.names.clone(),
            durable_names: s.names.clone(),
            ..State::default()
        };
        SimDisk { state: Arc::new(Mutex::new(state)) }
    }

    /// A disk of its own with the same content, and the same pending.
    pub fn duplicate(&self) -> SimDisk {
        SimDisk { state: Arc::new(Mutex::new(self.state().clone())) }
    }

    /// Makes a folder, without syncing the one that it is named in.
    ///
    /// # Errors
    /// As planned.
    pub fn mkdir(&self, path: &Path) -> io::Result<()> {
        self.state().step(|s, _| {
            s.link(path, DIR);
            Ok(())
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of changing operations so far.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Plans a fault at the operation with this number.
    pub fn plan(&self, at: u64, fault: Fault) {
        self.state().plan = Some((at, fault));
    }

    /// Everything that happened since is forgotten but for what was synced, and by chance pieces
    /// of what was not: sectors of writes in any order, the names of each folder in the order they
    /// were made. What stands in a lost folder is lost with it.
    pub fn power_loss(&self, seed: u64) {
        let mut s = self.state();
        let mut n = 0;
        let mut chance = |of: u64| {
            n += 1;
            mix(seed, n) % of
        };
        for node in &mut s.inodes {
            let mut bytes = node.durable.clone();
            for change in std::mem::take(&mut node.pending) {
                match &change {
                    Change::SetLen(_) if chance(2) == 0 => apply(&mut bytes, &change),
                    Change::SetLen(_) => {}
                    Change::Write(at, data) => {
                        let luck = chance(4);
                        for (i, sector) in data.chunks(SECTOR).enumerate() {
                            if luck == 0 || (luck < 3 && chance(2) == 0) {
                                apply(&mut bytes, &Change::Write(at + (i * SECTOR) as u64, sector.to_vec()));
                            }
                        }
                    }
                }
            }
            node.now = bytes.clone();
            node.durable = bytes;
        }
        let pending = std::mem::take(&mut s.pending_names);
        let mut left: BTreeMap<PathBuf, u64> = BTreeMap::new();
        pending.iter().for_each(|naming| *left.entry(naming.dir()).or_default() += 1);
        left.values_mut().for_each(|count| *count = chance(*count + 1));
        let mut names = s.durable_names.clone();
        for naming in pending {
            let left = left.entry(naming.dir()).or_default();
            if *left > 0 {
                *left -= 1;
                name(&mut names, naming);
            }
        }
        let lost: Vec<&PathBuf> =
            s.names.iter().filter(|(p, n)| **n == DIR && !names.contains_key(*p)).map(|f| f.0).collect();
        names.retain(|path, _| !lost.iter().any(|dir| path.starts_with(dir)));
        s.names = names.clone();
        s.durable_names = names;
        s.crashed = false;
        s.plan = None;
    }

    /// The process died, the machine did not: what was written stays, synced or not.
    pub fn process_loss(&self) {
        let mut s = self.state();
        s.crashed = false;
        s.plan = None;
    }

    /// Changes a file's bytes behind everybody's back, on the disk itself.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn tamper(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let mut s = self.state();
        let inode = *s.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        let node = &mut s.inodes[inode];
        change(&mut node.now);
        node.durable = node.now.clone();
        node.pending.clear();
        Ok(())
    }
}

fn name(names: &mut BTreeMap<PathBuf, usize>, naming: Naming) {
    match naming {
        Naming::Link(path, inode) => {
            names.insert(path, inode);
        }
        Naming::Rename(from, to) => {
            // With a folder goes what stands in it.
            let moved: Vec<PathBuf> = names.keys().filter(|p| p.starts_with(&from)).cloned().collect();
            for path in moved {
                if let (Some(inode), Ok(rest)) = (names.remove(&path), path.strip_prefix(&from)) {
                    let new = if rest.as_os_str().is_empty() { to.clone() } else { to.join(rest) };
                    names.insert(new, inode);
                }
            }
        }
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn DiskFile>> {
        let mut s = self.state();
        let found = s.names.get(path).copied();
        let inode = match (found, how) {
            (Some(DIR), _) => return Err(io::ErrorKind::IsADirectory.into()),
            (Some(_), Open::New) => return Err(io::ErrorKind::AlreadyExists.into()),
            (None, Open::Read | Open::Write) => return Err(io::ErrorKind::NotFound.into()),
            (Some(inode), Open::Replace) => s.step(|s, _| {
                s.change(inode, Change::SetLen(0));
                Ok(inode)
            })?,
            (Some(inode), _) => inode,
            (None, _) => s.step(|s, _| {
                s.inodes.push(Inode::default());
                let inode = s.inodes.len() - 1;
                s.link(path, inode);
                Ok(inode)
            })?,
        };
        Ok(Box::new(SimFile { disk: self.clone(), inode }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let s = self.state();
        let inside = s.names.keys().filter(|p| p.parent() == Some(dir));
        Ok(inside.filter_map(|p| Some(p.file_name()?.to_string_lossy().into_owned())).collect())
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let mut above: Vec<&Path> = dir.ancestors().filter(|d| d.parent().is_some()).collect();
        above.retain(|d| !self.state().names.contains_key(*d));
        for made in above.iter().rev() {
            self.mkdir(made)?;
            self.sync_dir(made.parent().unwrap_or(made))?;
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.state().step(|s, _| {
            let naming = Naming::Rename(from.into(), to.into());
            name(&mut s.names, naming.clone());
            s.pending_names.push(naming);
            Ok(())
        })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.state().step(|s, partly| {
            let pending = if partly { Vec::new() } else { std::mem::take(&mut s.pending_names) };
            for naming in pending {
                if naming.is_in(dir) {
                    name(&mut s.durable_names, naming);
                } else {
                    s.pending_names.push(naming);
                }
            }
            Ok(())
        })
    }

    fn lock(&self, _: &Path, _: Duration, _: &dyn Fn(&str)) -> Result<Guard, LedgerError> {
        Ok(Box::new(()))
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let s = self.disk.state();
        let bytes = s.inodes[self.inode].now.get(offset as usize..).and_then(|b| b.get(..len));
        bytes.map(<[u8]>::to_vec).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.state().step(|s, partly| {
            let some = if partly { &bytes[..bytes.len() / 2] } else { bytes };
            s.change(self.inode, Change::Write(offset, some.to_vec()));
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        // A failed sync marks the pages clean: syncing again would find nothing to write.
        let forget = |s: &mut State| s.inodes[self.inode].pending.clear();
        let sync = |s: &mut State, partly: bool| {
            let node = &mut s.inodes[self.inode];
            for change in if partly { Vec::new() } else { std::mem::take(&mut node.pending) } {
                apply(&mut node.durable, &change);
            }
            Ok(())
        };
        self.disk.state().step_or(sync, forget)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.state().step(|s, _| {
            s.change(self.inode, Change::SetLen(len));
            Ok(())
        })
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().inodes[self.inode].now.len() as u64)
    }
}
