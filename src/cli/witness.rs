//! `assay witness`

use super::Context;
use super::error::CliError;
use super::lab::ask_passphrase;
use super::ledger::verifier;
use super::output::{print_bytes, print_json, say};
use assay_ledger::Signer;
use assay_ledger::audit::export::Export;
use assay_ledger::audit::witness::{WitnessError, memory};
use assay_ledger::keys::cosign::Witness;
use assay_ledger::log::system_clock;
use assay_ledger::storage::disk::RealDisk;
use assay_ledger::tree::merkle::Nodes as _;
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

fn refusal(e: WitnessError) -> CliError {
    match e {
        WitnessError::Ledger(e) => e.into(),
        other => CliError::Verification(other.to_string()),
    }
}

pub fn run(cx: &Context, args: Args) -> Result<(), CliError> {
    let log = verifier(&args.vkey)?;
    let signer = Signer::read(&args.key, &ask_passphrase)?;
    let witness = Witness::new(&args.name, signer.public())?;
    let export = Export::open(&RealDisk, &args.export, Some(log.clone()))?;
    let proof = |old, new| {
        let tree = export.tree();
        // The tiles must be those of the checkpoint before they may prove anything about it.
        if tree.root_at(new)? == export.checkpoint.root {
            return tree.consistency(old, new);
        }
        let why = "its hash tiles have another root than its checkpoint".to_string();
        Err(assay_ledger::LedgerError::Unverified { what: "the export", why })
    };
    let by = (args.name.as_str(), &signer, system_clock() / 1_000_000);
    let cosigned = memory(&RealDisk, &args.memory).observe(&export.note, &log, args.old, proof, by).map_err(refusal)?;
    say(&format!("{} at size {} cosigned by {witness}", export.checkpoint.origin, export.checkpoint.size));
    if cx.json {
        print_json(&json!({"origin": export.checkpoint.origin, "size": export.checkpoint.size,
            "witness": witness.to_string(), "checkpoint": String::from_utf8_lossy(&cosigned)}));
        return Ok(());
    }
    print_bytes(&cosigned)
}
