//! Verification of a ledger: its bytes, chain, signatures, keys, tree and checkpoint.

use crate::erased::erasures;
use crate::error::LabError;
use crate::folder::Lab;
use crate::history;
use crate::session::{Notice, Session};
use assay_ledger::audit::export::Export;
use assay_ledger::audit::scrub::{self, Scrubbed};
use assay_ledger::keys::note::Verifier;
use assay_ledger::log::{Home, read_verifier};
use assay_ledger::storage::disk::{RealDisk, replace};
use assay_ledger::{Checkpoint, Finding, Hash, Reason};
use assay_research::data::snapshot;
use assay_research::mirror::Mirror;
use assay_shared::event::Event;
use assay_shared::event::roster::Roster;
use std::path::Path;

/// How much of the lab's own ledger is verified.
#[derive(Debug, Clone, Copy, Default)]
pub struct Depth {
    /// Also the index against the journal, and every snapshot's values against their hash.
    pub deep: bool,
    /// Only the signatures of what came since the last clean verification; the rest is hashed.
    pub new: bool,
}

/// Reads a log's verifier key.
///
/// # Errors
/// A text that is none.
pub fn verifier(text: &str) -> Result<Verifier, LabError> {
    text.parse().map_err(|e| LabError::usage(format!("{e}"), "give the line of log.vkey"))
}

/// Verifies the log in a folder.
///
/// # Errors
/// A folder that cannot be read.
pub fn folder(dir: &Path) -> Result<Scrubbed, LabError> {
    against(dir, &[], 0)
}

/// `expected` are checkpoints that the log must agree with; below `verified` signatures are known.
fn against(dir: &Path, expected: &[Checkpoint], verified: u64) -> Result<Scrubbed, LabError> {
    Ok(scrub::folder(&Home::of(dir), &mut Roster::new(), expected, verified)?)
}

/// Verifies an exported folder: needs no lab.
///
/// # Errors
/// A folder or a key that cannot be read.
pub fn exported(dir: &Path, vkey: Option<&str>, session: &Session) -> Result<Scrubbed, LabError> {
    let export = match Export::open(&RealDisk, dir, vkey.map(verifier).transpose()?) {
        // Without a checkpoint nobody knows how many entries there should be.
        Err(e) if !e.could_not_check() => {
            let findings = vec![Finding { seq: 0, reason: Reason::BadCheckpoint, detail: e.to_string() }];
            return Ok(Scrubbed { entries: 0, findings, checkpoint: None, torn: 0 });
        }
        other => other?,
    };
    let findings = export.verify(&mut Roster::new())?;
    if vkey.is_none() {
        session.notice(&Notice::OwnKey);
    }
    let (entries, checkpoint) = (export.checkpoint.size, Some(export.checkpoint));
    Ok(Scrubbed { entries, findings, checkpoint, torn: 0 })
}

/// Verifies the lab's own ledger. A clean verdict is remembered, where that can be written: what was
/// verified once must still be there, and [`Depth::new`] goes on from it.
///
/// # Errors
/// A folder that cannot be read, or a memory that is spoiled.
pub fn own(lab: &Lab, depth: Depth) -> Result<Scrubbed, LabError> {
    let (mut scrubbed, verifier, size) = look(lab, depth)?;
    if depth.deep && scrubbed.findings.is_empty() {
        deep(lab, &mut scrubbed.findings)?;
    }
    if scrubbed.findings.is_empty() {
        remember(lab, &verifier, &scrubbed, size)?;
    }
    Ok(scrubbed)
}

/// Verifies the lab's own ledger against whatever was seen of it anywhere. Writes nothing. Gives the log's
/// key and the size that was verified before, too.
fn look(lab: &Lab, depth: Depth) -> Result<(Scrubbed, Verifier, u64), LabError> {
    let dir = lab.ledger_dir();
    let verifier = read_verifier(&RealDisk, &dir)?;
    // Whatever was seen of this log anywhere must still be there.
    let (seen, spoiled) = match history::sightings(lab, &verifier) {
        Ok(seen) => (seen, None),
        Err(e) => (Vec::new(), Some(e)),
    };
    let seen: Vec<Checkpoint> = seen.into_iter().map(|s| s.checkpoint).collect();
    // Only what was verified here needs no second look at its signatures.
    let size = history::verified(lab, &verifier).ok().flatten().map_or(0, |c| c.size);
    let scrubbed = against(&dir, &seen, if depth.new { size } else { 0 })?;
    // What is wrong in the ledger is said first; without the memory a clean verdict could be a rollback.
    if let Some(e) = spoiled.filter(|_| scrubbed.findings.is_empty()) {
        return Err(e);
    }
    Ok((scrubbed, verifier, size))
}

/// The log of a deploy host, against what is remembered of it outside.
///
/// # Errors
/// A folder that cannot be read, or a memory that is spoiled.
pub fn host(dir: &Path, session: &Session) -> Result<Scrubbed, LabError> {
    let seen = history::remembered(session, &read_verifier(&RealDisk, dir)?)?;
    against(dir, &seen.into_iter().map(|s| s.checkpoint).collect::<Vec<_>>(), 0)
}

/// The lab's own ledger as [`own`] verifies it, with nothing written.
///
/// # Errors
/// As there.
pub fn audited(lab: &Lab) -> Result<Scrubbed, LabError> {
    Ok(look(lab, Depth::default())?.0)
}

fn remember(lab: &Lab, verifier: &Verifier, scrubbed: &Scrubbed, size: u64) -> Result<(), LabError> {
    let path = lab.ledger_dir().join("checkpoint");
    let note = std::fs::read(&path).map_err(LabError::io("read", &path))?;
    let seen = Checkpoint::open(&note, verifier)?;
    let stands = std::fs::read(lab.verified_path()).is_ok_and(|memory| memory == note);
    if Some(&seen) == scrubbed.checkpoint.as_ref() && seen.size >= size && !stands {
        // Two verifications at once may disturb each other here, and a folder may be read-only; the
        // next one writes it again.
        let _ = replace(&RealDisk, &lab.verified_path(), &note);
    }
    Ok(())
}

fn deep(lab: &Lab, out: &mut Vec<Finding>) -> Result<(), LabError> {
    let mut log = lab.log()?;
    out.extend(log.compare_index()?);
    if lab.mirror_path().exists() && !Mirror::shows(&lab.mirror_path(), &log)? {
        let detail = "the mirror shows other rows than the log; `assay mirror rebuild` makes it anew".into();
        out.push(Finding { seq: log.len(), reason: Reason::IndexDiffers, detail });
    }
    let erased = erasures(&log)?;
    for seq in log.newest_of("SnapshotRegistered", 0..log.len(), usize::MAX)?.into_iter().rev() {
        let Some(e) = Event::of(&log.entry(seq)?)?.snapshot() else { continue };
        match (snapshot::read(&lab.snapshot_dir(), &Hash(e.data_hash), None), erased.get(&e.data_hash)) {
            (Ok(_), _) => {}
            (Err(_), Some(by)) => {
                let words = format!("the data of entry {seq} were erased, as entry {by} says");
                lab.session.notice(&Notice::Ledger(words));
            }
            (Err(e), None) => out.push(Finding { seq, reason: Reason::BadPayload, detail: e.to_string() }),
        }
    }
    Ok(())
}
