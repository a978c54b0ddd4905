//! What can be checked without the lab: that an event is in the ledger, that a checkpoint continues an
//! older one.

use crate::error::LabError;
use crate::folder::Lab;
use crate::place::read_bytes;
use crate::verify::verifier;
use assay_ledger::audit::export::Export;
use assay_ledger::format::hash::unhex;
use assay_ledger::storage::disk::RealDisk;
use assay_ledger::tree::consistency::Continuation;
use assay_ledger::tree::merkle::{Nodes as _, verify_consistency as verify};
use assay_ledger::tree::proof::Proof;
use assay_ledger::{Checkpoint, EventId, Log};
use std::path::Path;

/// Bytes of a signed note, with a proof before it.
const NOTE_LIMIT: usize = 2 << 20;

/// That the ledger's checkpoint continues the one of an older size.
///
/// # Errors
/// A size that is above the checkpoint's.
pub fn prove_since(lab: &Lab, old: u64) -> Result<Continuation, LabError> {
    let log = lab.log()?;
    let new = log.checkpoint()?;
    if old > new.size {
        let message = format!("the checkpoint has {} entries, fewer than {old}", new.size);
        return Err(LabError::usage(message, "give the size of an older checkpoint"));
    }
    let proof = if old == 0 || old == new.size { Vec::new() } else { log.tree().consistency(old, new.size)? };
    Ok(Continuation { old, proof, note: log.checkpoint_note().to_vec() })
}

/// Checks that one signed checkpoint continues another: `new` is an exported folder, the proof file of
/// [`prove_since`], or a checkpoint of the same size. Needs no lab.
///
/// # Errors
/// Files that cannot be read, checkpoints that do not verify, or two histories.
pub fn verify_consistency(old: &Path, new: &Path, vkey: &str) -> Result<(Checkpoint, Checkpoint), LabError> {
    let key = verifier(vkey)?;
    let note_of = |path: &Path| if path.is_dir() { path.join("checkpoint") } else { path.into() };
    let older = Checkpoint::open(&read_checkpoint(&note_of(old))?, &key)?;
    let continuation = if new.is_dir() {
        let export = Export::open(&RealDisk, new, Some(key.clone()))?;
        let size = export.checkpoint.size;
        let proof = if older.size == 0 || older.size >= size {
            Vec::new()
        } else {
            export.tree().consistency(older.size, size)?
        };
        Continuation { old: older.size, proof, note: export.note }
    } else {
        let bytes = read_bytes(new, NOTE_LIMIT)?;
        let plain = !bytes.starts_with(b"old ");
        if plain {
            refuse_proof(new, &bytes)?;
            Continuation { old: older.size, proof: Vec::new(), note: bytes }
        } else {
            Continuation::parse(&bytes)?
        }
    };
    let newer = Checkpoint::open(&continuation.note, &key)?;
    let refuse = |why: String| Err(LabError::Verification(why));
    if continuation.old != older.size {
        return refuse(format!("the proof is from size {}, the older checkpoint has {}", continuation.old, older.size));
    }
    if older.size > newer.size {
        return refuse(format!("{} entries come before {}: give the older one first", newer.size, older.size));
    }
    if older.size == 0 {
        return Ok((older, newer));
    }
    if continuation.proof.is_empty() && older.size < newer.size {
        let message = format!("a checkpoint alone does not show that it continues the one of size {}", older.size);
        return Err(LabError::usage(message, "give an exported folder, or what `assay prove --since` writes"));
    }
    verify((older.size, &older.root), (newer.size, &newer.root), &continuation.proof)?;
    Ok((older, newer))
}

/// The bytes of a signed checkpoint's file, which are not verified yet.
///
/// # Errors
/// A file that cannot be read, or that is a proof.
pub fn read_checkpoint(path: &Path) -> Result<Vec<u8>, LabError> {
    let bytes = read_bytes(path, NOTE_LIMIT)?;
    if bytes.starts_with(b"old ") {
        let what = format!("{} proves that one checkpoint continues another; it is no checkpoint", path.display());
        return Err(LabError::usage(what, "give the checkpoint itself; were two files swapped?"));
    }
    refuse_proof(path, &bytes)?;
    Ok(bytes)
}

/// Refuses what proves that an event is in a log, where a checkpoint is asked for.
fn refuse_proof(path: &Path, bytes: &[u8]) -> Result<(), LabError> {
    if Proof::parse(bytes).is_err() {
        return Ok(());
    }
    let what = format!("{} proves that an event is in a log; it is no checkpoint", path.display());
    Err(LabError::usage(what, "give the checkpoint itself, such as `checkpoint` in an export"))
}

/// The position of an event given by number or id.
fn position(log: &Log, event: &str) -> Result<u64, LabError> {
    if let Ok(seq) = event.parse::<u64>() {
        return Ok(seq);
    }
    let wrong =
        || LabError::usage(format!("'{event}' is no event of this ledger"), "give a number of `assay log`, or an id");
    let id: [u8; 16] = unhex(event).and_then(|b| b.try_into().ok()).ok_or_else(wrong)?;
    log.find(&EventId(id))?.ok_or_else(wrong)
}

/// A proof that an event is in the ledger, its position, and the entry's bytes.
///
/// # Errors
/// An event that is not under the published checkpoint.
pub fn prove(lab: &Lab, event: &str) -> Result<(Proof, u64, Vec<u8>), LabError> {
    let log = lab.log()?;
    let (checkpoint, seq) = (log.checkpoint()?, position(&log, event)?);
    if seq >= checkpoint.size {
        let message = format!("there is no event {seq} under the checkpoint of {} events", checkpoint.size);
        return Err(LabError::usage(message, "see `assay log`"));
    }
    let proof = Proof::new(log.tree(), seq, checkpoint.size, log.checkpoint_note())?;
    Ok((proof, seq, log.entry_bytes(seq)?.to_vec()))
}
