//! `assay verify`

use super::Context;
use super::error::CliError;
use super::lab::Lab;
use super::ledger::verifier;
use super::output::{grouped, print, print_json, say};
use assay_ledger::disk::RealDisk;
use assay_ledger::export::Export;
use assay_ledger::log::{Home, read_verifier};
use assay_ledger::scrub::{self, Verdict};
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
    let verdict = folder(dir, None)?;
    Ok((verdict.entries, verdict.findings))
}

fn folder(dir: &Path, verified: Option<&Checkpoint>) -> Result<Verdict, CliError> {
    let mut roster = Roster::new();
    let home = Home::of(dir);
    let mut verdict = scrub::folder(&home, &mut roster, verified)?;
    verdict.findings.extend(roster.foreign_log_key(&read_verifier(&*home.disk, dir)?));
    verdict.findings.sort_by_key(|f| f.seq);
    Ok(verdict)
}

fn exported(dir: &Path, vkey: Option<&str>) -> Result<Verdict, CliError> {
    let export = Export::open(&RealDisk, dir, vkey.map(verifier).transpose()?)?;
    let mut roster = Roster::new();
    let mut findings = export.verify(&mut roster)?;
    findings.extend(roster.foreign_log_key(&export.verifier));
    findings.sort_by_key(|f| f.seq);
    if vkey.is_none() {
        say("the key was the folder's own: compare it with one that you have from elsewhere");
    }
    let (entries, checkpoint) = (export.checkpoint.size, Some(export.checkpoint));
    Ok(Verdict { entries, findings, checkpoint, torn: 0 })
}

/// The lab's own ledger. A clean verdict is remembered for `--new`.
fn own(lab: &Lab, args: &Args) -> Result<Verdict, CliError> {
    let dir = lab.ledger_dir();
    let memory = lab.dir.join("verified.checkpoint");
    let verified = match std::fs::read(&memory) {
        Ok(note) if args.new => Some(Checkpoint::open(&note, &read_verifier(&RealDisk, &dir)?)?),
        _ => None,
    };
    let mut verdict = folder(&dir, verified.as_ref())?;
    if args.deep && verdict.findings.is_empty() {
        deep(lab, &mut verdict.findings)?;
    }
    if verdict.findings.is_empty() {
        let note = std::fs::read(dir.join("checkpoint")).map_err(CliError::io("read", &dir.join("checkpoint")))?;
        let seen = Checkpoint::open(&note, &read_verifier(&RealDisk, &dir)?)?;
        if Some(&seen) == verdict.checkpoint.as_ref() {
            assay_ledger::disk::replace(&RealDisk, &memory, &note)?;
        }
    }
    Ok(verdict)
}

fn deep(lab: &Lab, out: &mut Vec<Finding>) -> Result<(), CliError> {
    let mut log = lab.log()?;
    out.extend(log.compare_index()?);
    log.scan(0, |entry| {
        if entry.kind == "SnapshotRegistered"
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
        (None, Some(dir)) => folder(dir, None)?,
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
        Some(f) => {
            Err(CliError::Verification(format!("{} findings; the first at entry {}: {}", found.len(), f.seq, f.reason)))
        }
    }
}
