//! A ledger in other hands: exported, imported, with others' cosignatures beside its own.

use crate::error::LabError;
use crate::folder::Lab;
use crate::history;
use crate::proposal::policy;
use crate::session::{Notice, Session};
use crate::verify::verifier;
use assay_ledger::Log;
use assay_ledger::audit::export::{Export, Exported, export};
use assay_ledger::keys::cosign::cosigners;
use assay_ledger::keys::note::Note;
use assay_ledger::log::{Home, read_verifier, rebuild, system_seconds};
use assay_ledger::storage::disk::RealDisk;
use assay_production::repository::evidence::commit_cosigned;
use assay_shared::event::roster::Roster;
use std::path::Path;

/// Writes the published ledger as a folder of tiles, or adds what is new to one. A folder that holds
/// something else is not written into, unless it is forced.
///
/// # Errors
/// [`LabError::Occupied`]; an export of another log, or of another history; a disk that fails.
pub fn export_to(lab: &Lab, dir: &Path, force: bool) -> Result<Exported, LabError> {
    let mut items = match std::fs::read_dir(dir) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
        other => Some(other.map_err(LabError::io("list", dir))?),
    };
    let empty = items.as_mut().is_none_or(|items| items.next().is_none());
    let log = history::open_log(lab)?;
    // The log's key is written first: an export that was interrupted has it too.
    let ours = || {
        let mine = read_verifier(&RealDisk, dir).is_ok_and(|vkey| vkey == *log.verifier());
        mine && holds_only(dir, &["tile", "checkpoint", "log.vkey"])
    };
    // What an export leaves that was cut off at its very first file.
    let begun = || holds_only(dir, &["log.vkey"]) && !dir.join("log.vkey").exists();
    if !empty && !force && !begun() && !ours() {
        return Err(LabError::Occupied { path: dir.into(), why: "is not an export of this ledger" });
    }
    Ok(export(&log, dir)?)
}

/// Whether a folder has nothing but these files and folders, none of them a link.
fn holds_only(dir: &Path, names: &[&str]) -> bool {
    let known = |item: std::io::Result<std::fs::DirEntry>| {
        let Ok(item) = item else { return false };
        let name = item.file_name().to_string_lossy().into_owned();
        let link = item.file_type().is_ok_and(|kind| kind.is_symlink());
        !link && names.contains(&name.strip_suffix(".tmp").unwrap_or(&name))
    };
    std::fs::read_dir(dir).is_ok_and(|mut items| items.all(known))
}

/// Makes a ledger from an exported folder, verifying everything first.
///
/// # Errors
/// A folder that does not verify, or a place where a ledger stands already.
pub fn import(into: &Path, dir: &Path, vkey: Option<&str>, session: &Session) -> Result<Log, LabError> {
    let source = Export::open(&RealDisk, dir, vkey.map(verifier).transpose()?)?;
    // What an import leaves when it is cut off, and nothing else.
    let begun = |name: &str| name == "lock" || name.starts_with("journal");
    let names = std::fs::read_dir(into).into_iter().flatten().flatten().map(|item| item.file_name());
    if !into.join("log.vkey").exists() && names.into_iter().any(|n| !begun(&n.to_string_lossy())) {
        return Err(LabError::usage(
            format!("{} holds something else already", into.display()),
            "name a new or empty folder",
        ));
    }
    let log = rebuild::import(&Home::of(into), &source, &mut Roster::new())?;
    if vkey.is_none() {
        session.notice(&Notice::OwnKey);
    }
    Ok(log)
}

/// Puts a witness's cosignature beside the checkpoint's own signature.
///
/// # Errors
/// A note that is of another checkpoint.
pub fn attach(lab: &Lab, note: &[u8]) -> Result<(), LabError> {
    lab.log()?.attach(note)?;
    if Note::parse(note)?.signatures.len() < 2 {
        let what = "it is the checkpoint itself: no witness signed it";
        return Err(LabError::usage(what, "give what `assay witness cosign` printed"));
    }
    Ok(())
}

/// Puts a cosigned checkpoint beside a proposal's evidence. Gives how many of the policy's witnesses
/// stand there now, and how many are needed.
///
/// # Errors
/// A note that does not fit the proposal.
pub fn attach_to_branch(lab: &Lab, note: &[u8], branch: &str) -> Result<(usize, u32), LabError> {
    let repo = lab.signed_repo(None)?;
    let now = commit_cosigned(&repo, &lab.log()?, branch, note, &lab.config.person)?;
    let (policy, _) = policy(&repo)?;
    Ok((cosigners(&now, &policy.witnesses(), 0, system_seconds())?.len(), policy.thresholds.witnesses))
}
