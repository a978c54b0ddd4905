//! `assay verify`

use super::Context;
use super::output::{counted, grouped, print, print_json, say};
use assay_lab::LabError;
use assay_lab::verify::{Depth, exported, folder, own};
use serde_json::json;
use std::path::PathBuf;
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

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    let start = Instant::now();
    let scrubbed = match (&args.export, &args.ledger) {
        (Some(dir), _) => exported(dir, args.vkey.as_deref(), &cx.session)?,
        (None, Some(dir)) => folder(dir)?,
        (None, None) => own(&cx.lab()?, Depth { deep: args.deep, new: args.new })?,
    };
    let (entries, found) = (scrubbed.entries, scrubbed.findings);
    let seconds = start.elapsed().as_secs_f64();
    if cx.json {
        print_json(&json!({"entries": entries, "findings": found, "seconds": seconds, "deep": args.deep}));
    } else {
        for f in &found {
            print(&format!("entry {}: {}: {}", f.seq, f.reason, f.detail));
        }
        if found.is_empty() {
            let rate = entries as f64 / seconds.max(1e-9);
            print(&format!("{} entries verified, {rate:.0} per second", grouped(entries)));
        }
        if scrubbed.torn > 0 {
            say(&format!("a torn tail of {} bytes, promised to nobody: the next writer cuts it off", scrubbed.torn));
        }
        if !args.deep && args.export.is_none() {
            say("chain, signatures, keys, tree and checkpoint; --deep also reads snapshots and the index");
        }
    }
    match found.first() {
        None => Ok(()),
        Some(f) => Err(LabError::Verification(format!(
            "{}; the first at entry {}: {}",
            counted(found.len(), "finding"),
            f.seq,
            f.reason
        ))),
    }
}
