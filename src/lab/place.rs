//! Places outside the lab that somebody names: read with a limit, written over only where what
//! stands there is ours.

use crate::error::LabError;
use assay_ledger::storage::disk::{Disk as _, Open, RealDisk, replace};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Reads a text that is not longer than it may be; a device or a pipe may never end.
///
/// # Errors
/// A file that cannot be read, is no UTF-8 or too long.
pub fn read_text(path: &Path, limit: usize) -> Result<String, LabError> {
    String::from_utf8(read_bytes(path, limit)?).map_err(|_| wrong(path, "is not UTF-8"))
}

fn wrong(path: &Path, what: &str) -> LabError {
    LabError::usage(format!("{} {what}", path.display()), "name the file that is meant")
}

/// Reads bytes that are not more than they may be.
///
/// # Errors
/// A file that cannot be read or is too long.
pub fn read_bytes(path: &Path, limit: usize) -> Result<Vec<u8>, LabError> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(LabError::io("read", path))?;
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(LabError::io("read", path))?;
    if bytes.len() > limit {
        return Err(wrong(path, &format!("is over {limit} bytes")));
    }
    Ok(bytes)
}

/// Reads a text of the lab itself, which waits for nobody: a pipe in its place is an error.
///
/// # Errors
/// The system's.
pub(crate) fn lab_text(path: &Path) -> std::io::Result<String> {
    let bytes = RealDisk.open(path, Open::Read)?.read_from(0)?;
    String::from_utf8(bytes).map_err(|_| std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not UTF-8"))
}

/// Makes a folder that its owner alone may look into, and takes others' rights away from one that is
/// there.
///
/// # Errors
/// A place that cannot be written.
pub(crate) fn private_dir(path: &Path) -> Result<(), LabError> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir_all(path).map_err(LabError::io("create", path))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).map_err(LabError::io("close", path))
}

/// Refuses a place where something stands that is not ours, unless it is forced. A link is never ours.
///
/// # Errors
/// [`LabError::Occupied`].
pub(crate) fn free(path: &Path, force: bool, why: &'static str, ours: impl Fn(&Path) -> bool) -> Result<(), LabError> {
    match path.symlink_metadata() {
        Ok(meta) if !force && (!meta.is_file() || !ours(path)) => Err(LabError::Occupied { path: path.into(), why }),
        _ => Ok(()),
    }
}

/// The same place with something behind its name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Writes files into a folder that somebody named, all or none of them over what is not ours.
///
/// # Errors
/// [`LabError::Occupied`], or a folder that cannot be written.
pub fn write_all(
    files: &[(PathBuf, Vec<u8>)],
    force: bool,
    why: &'static str,
    ours: impl Fn(&Path) -> bool,
) -> Result<(), LabError> {
    files.iter().try_for_each(|(path, _)| free(path, force, why, &ours))?;
    for (path, bytes) in files {
        let dir = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(dir).map_err(LabError::io("create", dir))?;
        replace(&RealDisk, path, bytes)?;
    }
    Ok(())
}
