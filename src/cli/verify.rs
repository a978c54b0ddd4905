//! `assay verify`

use super::Context;
use super::error::CliError;
use super::lab::Lab;
use super::ledger::verifier;
use super::output::{counted, grouped, print, print_json, say};
use assay_ledger::audit::export::Export;
use assay_ledger::audit::scrub::{self, Verdict};
use assay_ledger::log::{Home, read_verifier};
use assay_ledger::storage::disk::RealDisk;
use assay_ledger::{Checkpoint, Finding, Reason};
use assay_research::data::snapshot;
use assay_shared::event::Event;
use assay_shared::event::roster::Roster;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Verify the ledger: every entry, signature, key, the tree and the checkpoint
///
/// All findings are listed with their sequence numbers and stable reason codes.
///
/// Example: assay verify --deep
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A ledger's folder instead of the lab's
    #[arg(long)]
    ledger: Option<PathBuf>,
    /// An exported folder instead: needs no lab
    #[arg(long, conflicts_with_all = ["ledger", "deep", "new"])]
    export: Option<PathBuf>,
    /// The log's verifier key, for an exported folder [default: the folder's own, which proves less]
    #[arg(long, requires = "export")]
    vkey: Option<String>,
    /// Also compare the index with the journal, and every snapshot's values with their hash
    #[arg(long, conflicts_with = "ledger")]
    deep: bool,
    /// Verify the signatures only of what came since the last clean verification; all the rest is
    /// hashed, and must have the root that was verified then
    #[arg(long, conflicts_with = "ledger")]
    new: bool,
}

/// Verifies the log in a folder: its bytes, chain, signatures, keys, tree and checkpoint.
pub fn findings(dir: &Path) -> Result<(u64, Vec<Finding>), CliError> {
    let verdict = folder(dir, &[], 0)?;
    Ok((verdict.entries, verdict.findings))
}

/// `expected` are checkpoints that the log must agree with; below `verified` signatures are known.
fn folder(dir: &Path, expected: &[Checkpoint], verified: u64) -> Result<Verdict, CliError> {
    Ok(scrub::folder(&Home::of(dir), &mut Roster::new(), expected, verified)?)
}

fn exported(dir: &Path, vkey: Option<&str>) -> Result<Verdict, CliError> {
    let export = match Export::open(&RealDisk, dir, vkey.map(verifier).transpose()?) {
        // Without a checkpoint nobody knows how many entries there should be.
        Err(e) if !e.could_not_check() => {
            let (seq, reason, detail) = (0, Reason::BadCheckpoint, e.to_string());
            return Ok(Verdict {
                entries: 0,
                findings: vec![Finding { seq, reason, detail }],
                checkpoint: None,
                torn: 0,
            });
        }
        other => other?,
    };
    let mut roster = Roster::new();
    let findings = export.verify(&mut roster)?;
    if vkey.is_none() {
        say("the key was the folder's own: compare it with one that you have from elsewhere");
    }
    let (entries, checkpoint) = (export.checkpoint.size, Some(export.checkpoint));
    Ok(Verdict { entries, findings, checkpoint, torn: 0 })
}

/// The lab's own ledger. A clean verdict is remembered: what was verified once must still be there,
/// and `--new` goes on from it.
fn own(lab: &Lab, args: &Args) -> Result<Verdict, CliError> {
    let dir = lab.ledger_dir();
    let (memory, verifier) = (lab.verified_path(), read_verifier(&RealDisk, &dir)?);
    let (remembered, spoiled) = match lab.verified(&verifier) {
        Ok(remembered) => (remembered, None),
        Err(e) => (None, Some(e)),
    };
    let size = remembered.as_ref().map_or(0, |c| c.size);
    let mut verdict = folder(&dir, remembered.as_slice(), if args.new { size } else { 0 })?;
    // What is wrong in the ledger is said first; without the memory a clean verdict could be a rollback.
    if let Some(e) = spoiled.filter(|_| verdict.findings.is_empty()) {
        return Err(e);
    }
    if args.deep && verdict.findings.is_empty() {
        deep(lab, &mut verdict.findings)?;
    }
    if verdict.findings.is_empty() {
        let note = std::fs::read(dir.join("checkpoint")).map_err(CliError::io("read", &dir.join("checkpoint")))?;
        let seen = Checkpoint::open(&note, &verifier)?;
        if Some(&seen) == verdict.checkpoint.as_ref() && seen.size >= size {
            // Two verifications at once may disturb each other here; the next one writes it again.
            let _ = assay_ledger::storage::disk::replace(&RealDisk, &memory, &note);
        }
    }
    Ok(verdict)
}

fn deep(lab: &Lab, out: &mut Vec<Finding>) -> Result<(), CliError> {
    let mut log = lab.log()?;
    out.extend(log.compare_index()?);
    log.scan(0, |entry| {
        if entry.kind() == "SnapshotRegistered"
            && let Event::SnapshotRegistered(e) = Event::of(&entry)?
            && let Err(problem) = snapshot::read(&lab.snapshot_dir(), &assay_ledger::Hash(e.data_hash))
        {
            out.push(Finding { seq: entry.seq, reason: Reason::BadPayload, detail: problem.to_string() });
        }
        Ok::<(), CliError>(())
    })
}

pub fn run(cx: &Context, args: Args) -> Result<(), CliError> {
    let start = Instant::now();
    let verdict = match (&args.export, &args.ledger) {
        (Some(dir), _) => exported(dir, args.vkey.as_deref())?,
        (None, Some(dir)) => folder(dir, &[], 0)?,
        (None, None) => own(&cx.lab()?, &args)?,
    };
    let (entries, found) = (verdict.entries, verdict.findings);
    let seconds = start.elapsed().as_secs_f64();
    if cx.json {
        print_json(&json!({"entries": entries, "findings": found, "seconds": seconds, "deep": args.deep}));
    } else {
        for f in &found {
            print(&format!("entry {}: {}: {}", f.seq, f.reason, f.detail));
        }
        if found.is_empty() {
            print(&format!(
                "{} entries verified, {:.0} per second",
                grouped(entries),
                entries as f64 / seconds.max(1e-9)
            ));
        }
        if verdict.torn > 0 {
            say(&format!("a torn tail of {} bytes, promised to nobody: the next writer cuts it off", verdict.torn));
        }
        if !args.deep && args.export.is_none() {
            say("chain, signatures, keys, tree and checkpoint; --deep also reads snapshots and the index");
        }
    }
    match found.first() {
        None => Ok(()),
        Some(f) => Err(CliError::Verification(format!(
            "{}; the first at entry {}: {}",
            counted(found.len(), "finding"),
            f.seq,
            f.reason
        ))),
    }
}
