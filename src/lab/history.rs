//! What was verified here once must still be there: an older copy of a ledger is not gone on with
//! (L-27).

use crate::error::LabError;
use crate::folder::Lab;
use assay_ledger::keys::note::Verifier;
use assay_ledger::tree::merkle::Nodes as _;
use assay_ledger::{Checkpoint, Log};

/// The checkpoint that was verified last.
///
/// # Errors
/// One that is there and cannot be read, or is not of this log: then a rollback could not be told.
pub fn verified(lab: &Lab, verifier: &Verifier) -> Result<Option<Checkpoint>, LabError> {
    let path = lab.verified_path();
    let note = match std::fs::read(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(LabError::io("read", &path))?,
    };
    let could_not = |e| LabError::CouldNot {
        message: format!("{} is spoiled: {e}", path.display()),
        hint: Some("verify the ledger against an export or a witness, then remove the file".into()),
    };
    Checkpoint::open(&note, verifier).map(Some).map_err(could_not)
}

/// Refuses a ledger that lacks what was seen: two histories would begin.
///
/// # Errors
/// [`LabError::Rollback`].
pub(crate) fn refuse_rollback(lab: &Lab, log: &Log, seen: Option<Checkpoint>) -> Result<(), LabError> {
    let Some(seen) = seen else { return Ok(()) };
    let message = if seen.size > log.len() {
        format!("rollback: the ledger has {} entries, {} were verified here once", log.len(), seen.size)
    } else if log.tree().root_at(seen.size)? != seen.root {
        format!("its first {} entries are not the ones that were verified here", seen.size)
    } else {
        return Ok(());
    };
    let hint = format!(
        "bring the newer copy back, or rebuild it from an export; only if nobody ever saw its entries may {} go",
        lab.verified_path().display()
    );
    Err(LabError::Rollback { message, hint })
}
