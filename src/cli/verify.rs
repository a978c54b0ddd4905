//! `assay verify`

use super::Context;
use super::error::CliError;
use super::lab::Lab;
use super::output::{grouped, print, print_json, say};
use assay_ledger::log::{Home, read_verifier};
use assay_ledger::scrub::{self, Verdict};
use assay_ledger::{Finding, Reason};
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
    /// Also compare the index with the journal, and every snapshot's values with their hash
    #[arg(long)]
    deep: bool,
}

/// Verifies the log in a folder: its bytes, chain, signatures, keys, tree and checkpoint.
pub fn findings(dir: &Path) -> Result<(u64, Vec<Finding>), CliError> {
    let mut roster = Roster::new();
    let home = Home::of(dir);
    let Verdict { entries, mut findings, .. } = scrub::folder(&home, &mut roster, None)?;
    let verifier = read_verifier(&*home.disk, dir)?;
    if entries > 0 && roster.log_key.is_some_and(|key| key != verifier.key.to_bytes()) {
        let detail = "the first entry names another checkpoint key".to_string();
        findings.insert(0, Finding { seq: 0, reason: Reason::BadCheckpoint, detail });
    }
    Ok((entries, findings))
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
