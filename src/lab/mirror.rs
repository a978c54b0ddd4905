//! The lab's SQLite mirror: rebuilt, and copied for other tools.

use crate::error::LabError;
use crate::folder::Lab;
use assay_research::mirror::Mirror;
use assay_research::mirror::look::is_mirror;
use std::path::Path;

/// Builds the mirror anew from the first entry.
///
/// # Errors
/// A ledger that cannot be read, or a folder that cannot be written.
pub fn rebuild(lab: &Lab) -> Result<Mirror, LabError> {
    Ok(Mirror::rebuild(&lab.mirror_path(), &lab.log()?)?)
}

/// Writes a compact copy. A file that is no copy of a mirror is not written over, unless it is
/// forced.
///
/// # Errors
/// [`LabError::Occupied`], or a place that cannot be written.
pub fn copy(lab: &Lab, out: &Path, force: bool) -> Result<(), LabError> {
    if !force && out.symlink_metadata().is_ok() && !is_mirror(out) {
        return Err(LabError::Occupied { path: out.into(), why: "is no copy of a mirror" });
    }
    Ok(lab.mirror()?.copy_to(out)?)
}
