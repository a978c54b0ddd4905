//! The file operations that durability rests on, behind a trait.
//!
//! The journal and the checkpoint are written through it and nothing else, so the same code runs
//! on the real disk and on one in memory that loses what was not synced
//! ([`SimDisk`](crate::testing::disk::SimDisk)).

use crate::error::LedgerError;
use crate::storage::lock::{Lock, NO_LINK, NO_WAIT, plain};
use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes that are read whole at most.
const MOST: u64 = 1 << 30;

/// An open file.
pub trait DiskFile: Debug + Send + Sync {
    /// Reads exactly `len` bytes from `offset`.
    ///
    /// # Errors
    /// The system's, and the end of the file.
    fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>>;

    /// Writes all bytes at `offset`.
    ///
    /// # Errors
    /// The system's; some of the bytes may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes the file's bytes durable (`fdatasync`).
    ///
    /// # Errors
    /// The system's. After one, nobody knows what is on the disk: do not go on.
    fn sync(&self) -> io::Result<()>;

    /// Cuts or extends the file.
    ///
    /// # Errors
    /// The system's.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Bytes in the file.
    ///
    /// # Errors
    /// The system's.
    fn len(&self) -> io::Result<u64>;

    /// True without bytes.
    ///
    /// # Errors
    /// The system's.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// All bytes from `offset` on.
    ///
    /// # Errors
    /// The system's, and more than a gigabyte of them: nothing that is read whole is as long.
    fn read_from(&self, offset: u64) -> io::Result<Vec<u8>> {
        let len = self.len()?.saturating_sub(offset);
        if len > MOST {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is longer than anything that belongs here"));
        }
        self.read_at(offset, usize::try_from(len).map_err(io::Error::other)?)
    }
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// For reading.
    Read,
    /// For reading and writing.
    Write,
    /// For writing, and it must not exist yet.
    New,
    /// For writing, emptied if it exists.
    Replace,
}

/// What keeps other writers out; it goes when dropped.
pub type Guard = Box<dyn std::any::Any + Send>;

/// A file system, as far as the ledger needs one.
pub trait Disk: Debug + Send + Sync {
    /// Opens a file.
    ///
    /// # Errors
    /// The system's.
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn DiskFile>>;

    /// Names in a folder, sorted.
    ///
    /// # Errors
    /// The system's.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Makes a folder and those above it, and syncs the folders that they are named in.
    ///
    /// # Errors
    /// The system's.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Renames a file over another.
    ///
    /// # Errors
    /// The system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// The system's.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes a folder's entries durable: new names, renames.
    ///
    /// # Errors
    /// The system's.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Takes the writer's lock of a ledger's folder.
    ///
    /// # Errors
    /// [`LedgerError::Locked`].
    fn lock(&self, dir: &Path, patience: Duration, waiting: &dyn Fn(&str)) -> Result<Guard, LedgerError>;

    /// Keeps writers out of a folder while something is read there; writes nothing.
    ///
    /// # Errors
    /// [`LedgerError::Locked`].
    fn lock_to_read(&self, dir: &Path, patience: Duration, waiting: &dyn Fn(&str)) -> Result<Guard, LedgerError>;

    /// Takes the lock of a folder that is nobody's alone, leaving no file in it.
    ///
    /// # Errors
    /// [`LedgerError::Locked`].
    fn lock_folder(&self, dir: &Path, patience: Duration) -> Result<Guard, LedgerError>;
}

/// The system's own files.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl DiskFile for File {
    fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        File::set_len(self, len)
    }

    fn len(&self) -> io::Result<u64> {
        self.metadata().map(|m| m.len())
    }
}

impl Disk for RealDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        match how {
            // Without waiting: a pipe in the place of a file would keep everybody waiting.
            Open::Read => options.read(true).custom_flags(NO_WAIT),
            Open::Write => options.read(true).write(true).custom_flags(NO_WAIT),
            Open::New => options.read(true).write(true).create_new(true),
            // Never through a link: it may lead to somebody else's file.
            Open::Replace => options.read(true).write(true).create(true).truncate(true).custom_flags(NO_LINK | NO_WAIT),
        };
        Ok(Box::new(plain(options.open(path)?)?))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let names = std::fs::read_dir(dir)?.map(|item| Ok(item?.file_name().to_string_lossy().into_owned()));
        let mut names = names.collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let missing: Vec<&Path> = dir.ancestors().take_while(|d| !d.as_os_str().is_empty() && !d.is_dir()).collect();
        for made in missing.iter().rev() {
            match std::fs::create_dir(made) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists && made.is_dir() => {}
                other => other?,
            }
            self.sync_dir(parent(made))?;
        }
        // Whoever made it may have died before the sync; a folder above that cannot be synced is not ours.
        match self.sync_dir(parent(dir)) {
            Err(e) if missing.is_empty() && NOT_OURS.contains(&e.kind()) => Ok(()),
            other => other,
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn lock(&self, dir: &Path, patience: Duration, waiting: &dyn Fn(&str)) -> Result<Guard, LedgerError> {
        Ok(Box::new(Lock::take(dir, patience, waiting)?))
    }

    fn lock_to_read(&self, dir: &Path, patience: Duration, waiting: &dyn Fn(&str)) -> Result<Guard, LedgerError> {
        Ok(Box::new(Lock::share(dir, patience, waiting)?))
    }

    fn lock_folder(&self, dir: &Path, patience: Duration) -> Result<Guard, LedgerError> {
        Ok(Box::new(Lock::take_folder(dir, patience)?))
    }
}

/// Why a folder that we did not make cannot be synced: no right to, or nothing to sync.
const NOT_OURS: [io::ErrorKind; 4] = [
    io::ErrorKind::PermissionDenied,
    io::ErrorKind::InvalidInput,
    io::ErrorKind::Unsupported,
    io::ErrorKind::ReadOnlyFilesystem,
];

/// The folder that a path is named in.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Reads a whole file.
///
/// # Errors
/// [`LedgerError::Io`].
pub fn read(disk: &dyn Disk, path: &Path) -> Result<Vec<u8>, LedgerError> {
    disk.open(path, Open::Read).and_then(|f| f.read_from(0)).map_err(LedgerError::io("read", path))
}

/// Replaces a small file so that a crash leaves the old or the new one, never a half: write a
/// temporary file, sync it, rename, sync the folder.
///
/// # Errors
/// [`LedgerError::Io`].
pub fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<(), LedgerError> {
    let dir = parent(path);
    let mut temp = path.as_os_str().to_owned();
    temp.push(".tmp");
    let temp = PathBuf::from(temp);
    let file = disk.open(&temp, Open::Replace).map_err(LedgerError::io("create", &temp))?;
    file.write_at(0, bytes).map_err(LedgerError::io("write", &temp))?;
    file.sync().map_err(LedgerError::io("sync", &temp))?;
    disk.rename(&temp, path).map_err(LedgerError::io("rename", path))?;
    disk.sync_dir(dir).map_err(LedgerError::io("sync", dir))
}
