//! The lab's SQLite mirror: rebuilt, and copied for other tools.

use crate::error::LabError;
use crate::folder::Lab;
use crate::place::{beside, free};
use assay_research::mirror::Mirror;
use assay_research::mirror::look::{Position, is_mirror};
use std::path::Path;

/// Builds the mirror anew from the first entry.
///
/// # Errors
/// A ledger that cannot be read or lacks what the mirror has seen; a folder that cannot be written.
pub fn rebuild(lab: &Lab) -> Result<Mirror, LabError> {
    let (seen, log) = (Position::of(&lab.mirror_path()), lab.log()?);
    // It may be the only place that remembers what the ledger lost.
    seen.map_or(Ok(()), |seen| seen.refuse_rollback(&log))?;
    Ok(Mirror::rebuild(&lab.mirror_path(), &log)?)
}

/// Writes a compact copy. A file that is no copy of a mirror, or is the mirror of a lab, is not
/// written over, unless it is forced.
///
/// # Errors
/// [`LabError::Occupied`], or a place that cannot be written.
pub fn copy(lab: &Lab, out: &Path, force: bool) -> Result<(), LabError> {
    if out.to_str().is_none() {
        return Err(LabError::usage("SQLite takes only names in UTF-8", "choose another name"));
    }
    let of_a_lab = out.parent().is_some_and(|dir| dir.join("assay.toml").exists());
    free(out, force, "is no copy of a mirror", |out| is_mirror(out) && !of_a_lab)?;
    if out.symlink_metadata().is_err() {
        // Without a database there, what stands beside its name belongs to something else.
        ["-wal", "-shm"].iter().try_for_each(|s| free(&beside(out, s), force, "is not of a mirror", |_| false))?;
    }
    Ok(lab.mirror()?.copy_to(out)?)
}
