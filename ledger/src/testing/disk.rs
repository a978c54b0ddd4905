//! A disk in memory that behaves as badly as a real one may: it fails at a chosen operation,
//! before or after it took effect, and at a crash it loses what was not synced, in pieces.
//!
//! It is deterministic: the same seed gives the same losses. Tests of the write path run on it.

use crate::error::LedgerError;
use crate::storage::disk::{Disk, DiskFile, Guard, Open};
pub use crate::testing::disk_state::Fault;
use crate::testing::disk_state::{Change, DIR, Inode, Naming, State, apply, name};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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
        self.state().power_loss(seed);
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
        if s.names.get(dir).is_none_or(|n| *n != DIR) {
            return Err(io::ErrorKind::NotFound.into());
        }
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

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.state().step(|s, _| {
            if s.names.get(path).is_none_or(|n| *n == DIR) {
                return Err(io::ErrorKind::NotFound.into());
            }
            let naming = Naming::Remove(path.into());
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

    fn lock_to_read(&self, _: &Path, _: Duration, _: &dyn Fn(&str)) -> Result<Guard, LedgerError> {
        Ok(Box::new(()))
    }

    fn lock_folder(&self, _: &Path, _: Duration) -> Result<Guard, LedgerError> {
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
