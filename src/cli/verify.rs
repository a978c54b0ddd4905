//! `assay verify`

use super::Context;
use super::error::CliError;
use super::lab::{Lab, audit_log};
use super::output::{grouped, print, print_json, say};
use assay_ledger::{Finding, LedgerError, Log, Reason};
use assay_research::data::snapshot;
use assay_shared::event::Event;
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
    /// Also compare the index with the journal, and every snapshot's values with their hash
    #[arg(long)]
    deep: bool,
}

/// Findings that keep a log from being opened are findings too.
pub fn findings(dir: &Path) -> Result<(u64, Vec<Finding>), CliError> {
    match Log::open(dir) {
        Ok(log) => Ok((log.len(), audit_log(&log)?)),
        Err(e) if e.could_not_check() => Err(e.into()),
        Err(e) => {
            let (seq, reason) = match &e {
                LedgerError::JournalDamaged { .. } => (0, Reason::JournalDamaged),
                LedgerError::CheckpointMismatch { size, what } if what.contains("shorter") => {
                    (*size, Reason::ShorterThanCheckpoint)
                }
                LedgerError::CheckpointMismatch { size, .. } => (*size, Reason::RootMismatch),
                LedgerError::BadEntry { seq, what } if what.contains("follow") => (*seq, Reason::ChainBreak),
                LedgerError::BadEntry { seq, .. } => (*seq, Reason::BadEncoding),
                _ => (0, Reason::BadCheckpoint),
            };
            Ok((0, vec![Finding { seq, reason, detail: e.to_string() }]))
        }
    }
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
    let lab = if args.ledger.is_some() { None } else { Some(cx.lab()?) };
    let dir = args.ledger.clone().or(lab.as_ref().map(Lab::ledger_dir)).unwrap_or_default();
    let (entries, mut found) = findings(&dir)?;
    if let Some(lab) = lab.filter(|_| args.deep && found.is_empty()) {
        deep(&lab, &mut found)?;
    }
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
        if !args.deep {
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
