//! What a disk in memory holds: what is durable, what is only written, and what a power loss leaves.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Pieces in which unsynced bytes reach the disk.
pub(crate) const SECTOR: usize = 512;
/// Stands for a folder among the files.
pub(crate) const DIR: usize = usize::MAX;

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
pub(crate) enum Change {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Inode {
    pub(crate) durable: Vec<u8>,
    pub(crate) now: Vec<u8>,
    pub(crate) pending: Vec<Change>,
}

#[derive(Debug, Clone)]
pub(crate) enum Naming {
    Link(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl Naming {
    /// Whether syncing `dir` makes it durable.
    pub(crate) fn is_in(&self, dir: &Path) -> bool {
        match self {
            Naming::Link(path, _) | Naming::Remove(path) => path.parent() == Some(dir),
            Naming::Rename(from, to) => from.parent() == Some(dir) || to.parent() == Some(dir),
        }
    }

    fn dir(&self) -> PathBuf {
        let (Naming::Link(path, _) | Naming::Rename(_, path) | Naming::Remove(path)) = self;
        path.parent().unwrap_or(Path::new("/")).into()
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(crate) inodes: Vec<Inode>,
    pub(crate) names: BTreeMap<PathBuf, usize>,
    pub(crate) durable_names: BTreeMap<PathBuf, usize>,
    pub(crate) pending_names: Vec<Naming>,
    pub(crate) operations: u64,
    pub(crate) plan: Option<(u64, Fault)>,
    pub(crate) crashed: bool,
}

pub(crate) fn broken() -> io::Error {
    io::Error::other("injected failure")
}

/// A counter-based random number (splitmix64).
pub(crate) fn mix(seed: u64, n: u64) -> u64 {
    let mut x = seed.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

pub(crate) fn apply(bytes: &mut Vec<u8>, change: &Change) {
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
    pub(crate) fn step<T>(&mut self, work: impl FnOnce(&mut State, bool) -> io::Result<T>) -> io::Result<T> {
        self.step_or(work, |_| ())
    }

    /// [`State::step`], with what a planned failure leaves behind.
    pub(crate) fn step_or<T>(
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

    /// Keeps what was synced, and by chance pieces of what was not.
    pub(crate) fn power_loss(&mut self, seed: u64) {
        let mut n = 0;
        let mut chance = |of: u64| {
            n += 1;
            mix(seed, n) % of
        };
        for node in &mut self.inodes {
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
        let pending = std::mem::take(&mut self.pending_names);
        let mut left: BTreeMap<PathBuf, u64> = BTreeMap::new();
        pending.iter().for_each(|naming| *left.entry(naming.dir()).or_default() += 1);
        left.values_mut().for_each(|count| *count = chance(*count + 1));
        let mut names = self.durable_names.clone();
        for naming in pending {
            let left = left.entry(naming.dir()).or_default();
            if *left > 0 {
                *left -= 1;
                name(&mut names, naming);
            }
        }
        let lost: Vec<&PathBuf> =
            self.names.iter().filter(|(p, n)| **n == DIR && !names.contains_key(*p)).map(|f| f.0).collect();
        names.retain(|path, _| !lost.iter().any(|dir| path.starts_with(dir)));
        self.names = names.clone();
        self.durable_names = names;
        self.crashed = false;
        self.plan = None;
    }

    pub(crate) fn link(&mut self, path: &Path, inode: usize) {
        self.names.insert(path.into(), inode);
        self.pending_names.push(Naming::Link(path.into(), inode));
    }

    pub(crate) fn change(&mut self, inode: usize, change: Change) {
        let node = &mut self.inodes[inode];
        apply(&mut node.now, &change);
        node.pending.push(change);
    }
}

/// Carries a naming out.
pub(crate) fn name(names: &mut BTreeMap<PathBuf, usize>, naming: Naming) {
    match naming {
        Naming::Link(path, inode) => {
            names.insert(path, inode);
        }
        Naming::Remove(path) => {
            names.remove(&path);
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
