//! `assay verify-consistency`

use super::Context;
use super::output::{grouped, print, print_json};
use assay_lab::LabError;
use assay_lab::proof::verify_consistency;
use serde_json::json;
use std::path::PathBuf;

/// Verify offline that one checkpoint of a log continues another
///
/// NEW is an exported folder, or what `assay prove --since` printed. That it continues OLD shows that
/// nothing below OLD was changed, taken out or put in.
///
/// Example: assay verify-consistency 2026-01.checkpoint /srv/audit/lab --vkey "$(cat log.vkey)"
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The older signed checkpoint, or an exported folder
    old: PathBuf,
    /// An exported folder, a proof file, or a checkpoint of the same size
    new: PathBuf,
    /// The log's verifier key
    #[arg(long)]
    vkey: String,
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    let (old, new) = verify_consistency(&args.old, &args.new, &args.vkey)?;
    if cx.json {
        print_json(&json!({"origin": new.origin, "old": old.size, "new": new.size, "verified": true}));
        return Ok(());
    }
    print(&format!("{}: {} entries continue {}", new.origin, grouped(new.size), grouped(old.size)));
    Ok(())
}
