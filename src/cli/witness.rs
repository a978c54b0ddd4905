//! `assay witness`

use super::Context;
use super::output::{print_bytes, print_json, say};
use assay_lab::LabError;
use assay_lab::exchange::{Witnessing, cosign};
use serde_json::json;
use std::path::PathBuf;

/// Cosign an exported ledger's checkpoint, if it continues the last one seen
///
/// A witness needs no lab: an exported folder, the log's verifier key, a key of its own, and a
/// folder in which it remembers. A rollback or a fork is refused, and both signed notes are kept
/// there as evidence. The cosigned checkpoint is printed; the log's owner puts it beside the
/// ledger with `assay ledger attach`.
///
/// Example: assay witness /srv/audit/lab --vkey "$(cat log.vkey)" --key witness --name w.example/ana --memory seen
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The exported folder
    export: PathBuf,
    /// The log's verifier key
    #[arg(long)]
    vkey: String,
    /// The witness's private key, which should serve no other purpose
    #[arg(long)]
    key: PathBuf,
    /// The witness's name, such as a domain and path
    #[arg(long)]
    name: String,
    /// Where the witness remembers
    #[arg(long)]
    memory: PathBuf,
    /// The size that the witness saw last, as you believe; refused when it is another
    #[arg(long)]
    old: Option<u64>,
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    let by = Witnessing { vkey: &args.vkey, key: &args.key, name: &args.name, memory: &args.memory, old: args.old };
    let (cosigned, checkpoint, witness) = cosign(&args.export, &by, &cx.session)?;
    say(&format!("{} at size {} cosigned by {witness}", checkpoint.origin, checkpoint.size));
    if cx.json {
        print_json(&json!({"origin": checkpoint.origin, "size": checkpoint.size,
            "witness": witness.to_string(), "checkpoint": String::from_utf8_lossy(&cosigned)}));
        return Ok(());
    }
    print_bytes(&cosigned)
}
