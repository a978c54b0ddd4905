//! One writer at a time: an advisory lock on a file that says who holds it.
//!
//! The lock goes with the process (`flock`), so a killed writer leaves no stale lock behind.

use crate::error::LedgerError;
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Opens a file itself, never what a link of that name leads to.
pub(crate) const NO_LINK: i32 = OFlags::NOFOLLOW.bits() as i32;
/// Opening does not wait for another end, as that of a pipe does.
pub(crate) const NO_WAIT: i32 = OFlags::NONBLOCK.bits() as i32;

/// A held lock; released when dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
    /// Whether the file says who holds it.
    named: bool,
}

impl Lock {
    /// Takes the lock in `dir`, waiting up to `patience`. `waiting` is told once who holds it.
    ///
    /// # Errors
    /// [`LedgerError::Locked`] with the holder; [`LedgerError::Io`].
    pub fn take(dir: &Path, patience: Duration, waiting: &dyn Fn(&str)) -> Result<Lock, LedgerError> {
        let path: PathBuf = dir.join("lock");
        let mut options = OpenOptions::new();
        let open =
            options.read(true).write(true).create(true).truncate(false).custom_flags(NO_LINK | NO_WAIT).open(&path);
        let mut file = open.and_then(plain).map_err(LedgerError::io("open", &path))?;
        ours(&mut file, &path)?;
        wait(&mut file, dir, patience, waiting, FlockOperation::NonBlockingLockExclusive)?;
        let words: Vec<_> = std::env::args_os().skip(1).take(2).map(|a| a.to_string_lossy().into_owned()).collect();
        let command = words.join(" ");
        let note = format!("process {} (assay {command})\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(note.as_bytes()))
            .map_err(LedgerError::io("write", &path))?;
        Ok(Lock { file, named: true })
    }

    /// Keeps writers out of `dir` while something is read there, and writes nothing. None when nobody
    /// ever wrote there.
    ///
    /// # Errors
    /// As [`Lock::take`].
    pub fn share(dir: &Path, patience: Duration, waiting: &dyn Fn(&str)) -> Result<Option<Lock>, LedgerError> {
        let path: PathBuf = dir.join("lock");
        let mut file = match OpenOptions::new().read(true).custom_flags(NO_WAIT).open(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.and_then(plain).map_err(LedgerError::io("open", &path))?,
        };
        wait(&mut file, dir, patience, waiting, FlockOperation::NonBlockingLockShared)?;
        Ok(Some(Lock { file, named: false }))
    }

    /// Takes the lock of a folder that others read too, and leaves no file in it.
    ///
    /// # Errors
    /// As [`Lock::take`]; nobody knows who the holder is.
    pub fn take_folder(dir: &Path, patience: Duration) -> Result<Lock, LedgerError> {
        let mut file = File::open(dir).map_err(LedgerError::io("open", dir))?;
        match wait(&mut file, dir, patience, &|_| (), FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Lock { file, named: false }),
            // Some network file systems lock no folder: there a file must do.
            Err(LedgerError::Io { .. }) => Lock::take(dir, patience, &|_| ()),
            Err(e) => Err(e),
        }
    }
}

/// A pipe, a folder or a device in the place of a file is said at once, before anything waits for it.
pub(crate) fn plain(file: File) -> std::io::Result<File> {
    match file.metadata()?.file_type() {
        kind if kind.is_file() => Ok(file),
        kind if kind.is_dir() => Err(std::io::ErrorKind::IsADirectory.into()),
        _ => Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is no file")),
    }
}

/// A file of that name which holds anything else than a lock is not written over.
fn ours(file: &mut File, path: &Path) -> Result<(), LedgerError> {
    let mut head = Vec::new();
    (&mut *file).take(8).read_to_end(&mut head).map_err(LedgerError::io("read", path))?;
    if head.is_empty() || head == b"process " {
        return Ok(());
    }
    let other = std::io::Error::new(std::io::ErrorKind::AlreadyExists, "it holds something else than a lock");
    Err(LedgerError::io("lock", path)(other))
}

fn wait(
    file: &mut File,
    dir: &Path,
    patience: Duration,
    waiting: &dyn Fn(&str),
    how: FlockOperation,
) -> Result<(), LedgerError> {
    let start = Instant::now();
    let mut told = false;
    loop {
        match flock(&*file, how) {
            Ok(()) => return Ok(()),
            Err(Errno::WOULDBLOCK | Errno::INTR) => {}
            Err(e) => return Err(LedgerError::io("lock", dir)(e.into())),
        }
        let mut holder = String::new();
        let _ = file.rewind().and_then(|()| file.read_to_string(&mut holder));
        let holder = if holder.trim().is_empty() { "another process".to_string() } else { holder.trim().to_string() };
        if start.elapsed() >= patience {
            return Err(LedgerError::Locked { path: dir.to_path_buf(), holder });
        }
        if !told && start.elapsed() > Duration::from_millis(500) {
            waiting(&holder);
            told = true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.named {
            let _ = self.file.set_len(0);
        }
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// L-16: a second writer is told who holds the ledger; a lock left by a dead process is free.
    #[test]
    fn l16_second_writer_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take(dir.path(), Duration::ZERO, &|_| ()).unwrap();
        let second = Lock::take(dir.path(), Duration::from_millis(20), &|_| ()).unwrap_err();
        assert!(second.to_string().contains(&format!("process {}", std::process::id())), "{second}");
        drop(first);
        std::fs::write(dir.path().join("lock"), "process 1 (assay gone)\n").unwrap();
        Lock::take(dir.path(), Duration::ZERO, &|_| ()).unwrap();
    }

    /// A folder is locked without a file in it.
    #[test]
    fn a_folder_alone() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take_folder(dir.path(), Duration::ZERO).unwrap();
        assert!(matches!(Lock::take_folder(dir.path(), Duration::ZERO), Err(LedgerError::Locked { .. })));
        drop(first);
        Lock::take_folder(dir.path(), Duration::ZERO).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
