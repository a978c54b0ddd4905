//! `assay prove` and `assay verify-proof`

use super::Context;
use super::output::{print, print_bytes, print_json};
use assay_lab::LabError;
use assay_lab::place::write_all;
use assay_lab::proof::{prove, prove_since};
use assay_lab::verify::verifier;
use assay_ledger::Entry;
use assay_ledger::keys::cosign::{Witness, cosigners};
use assay_ledger::log::system_seconds;
use assay_ledger::tree::proof::Proof;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Prove that an event is in the ledger: prints a `.tlog-proof` with the event inside
///
/// The proof holds everything that is needed to check it offline but the log's verifier key
/// (`log.vkey` in the ledger's folder), which the checker should have from elsewhere.
///
/// With --since it proves that the ledger's checkpoint continues an older one, for
/// `assay verify-consistency`; a witness takes the same file.
///
/// Example: assay prove 17 > 17.tlog-proof
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub struct Args {
    /// Sequence number, or event id in hex
    #[arg(group = "what")]
    event: Option<String>,
    /// The size of an older checkpoint
    #[arg(long, value_name = "SIZE", group = "what", conflicts_with = "out")]
    since: Option<u64>,
    /// Write the proof and the entry's bytes as two files into this folder instead
    #[arg(long)]
    out: Option<PathBuf>,
    /// Write over files that are no proof or entry
    #[arg(long)]
    force: bool,
}

/// Verify a `.tlog-proof` offline
///
/// Example: assay verify-proof 17.tlog-proof --vkey "$(cat lab/ledger/log.vkey)"
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// The proof
    proof: PathBuf,
    /// The entry's bytes, when the proof does not hold them
    #[arg(long)]
    entry: Option<PathBuf>,
    /// The log's verifier key
    #[arg(long)]
    vkey: String,
    /// A witness's verifier key, whose cosignature counts; repeat for several
    #[arg(long = "witness", value_name = "VKEY")]
    witnesses: Vec<String>,
    /// How many of the witnesses must have cosigned [default: all]
    #[arg(long)]
    quorum: Option<usize>,
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    let event = match (args.event, args.since) {
        (Some(event), _) => event,
        (None, since) => return print_bytes(&prove_since(&cx.lab()?, since.unwrap_or(0))?.to_bytes()),
    };
    let (proof, seq, entry) = prove(&cx.lab()?, &event)?;
    let Some(out) = args.out else {
        return print_bytes(&proof.with_entry(entry).to_bytes());
    };
    let (p, e) = (out.join(format!("{seq}.tlog-proof")), out.join(format!("{seq}.entry")));
    let ours =
        |path: &Path| std::fs::read(path).is_ok_and(|old| Proof::parse(&old).is_ok() || Entry::decode(old).is_ok());
    let files = [(p.clone(), proof.to_bytes()), (e.clone(), entry)];
    write_all(&files, args.force, "is neither a proof nor an entry", ours)?;
    print(&format!("{}\n{}", p.display(), e.display()));
    Ok(())
}

pub fn verify(cx: &Context, args: VerifyArgs) -> Result<(), LabError> {
    let read = |path: &PathBuf| std::fs::read(path).map_err(LabError::io("read", path));
    let verifier = verifier(&args.vkey)?;
    let witness = |text: &String| {
        text.parse::<Witness>()
            .map_err(|e| LabError::usage(format!("{e}"), "give the line that `assay witness` prints"))
    };
    let witnesses = args.witnesses.iter().map(witness).collect::<Result<Vec<_>, _>>()?;
    let proof = Proof::parse(&read(&args.proof)?)?;
    let entry = match (&args.entry, &proof.extra) {
        (Some(path), _) => read(path)?,
        (None, Some(entry)) => entry.clone(),
        (None, None) => return Err(LabError::usage("the proof does not hold its entry", "name its file with --entry")),
    };
    let checkpoint = proof.verify(&entry, &verifier)?;
    let quorum = args.quorum.unwrap_or(witnesses.len());
    let cosigned = cosigners(&proof.checkpoint, &witnesses, quorum, system_seconds())?;
    let entry = Entry::decode(entry)?;
    let names: Vec<&String> = cosigned.iter().map(|c| &c.name).collect();
    if cx.json {
        print_json(&json!({"origin": checkpoint.origin, "index": proof.index, "size": checkpoint.size,
            "kind": entry.kind(), "id": entry.id.to_string(), "cosigned_by": names, "verified": true}));
        return Ok(());
    }
    print(&format!("entry {} ({}) is in {} at size {}", proof.index, entry.kind(), checkpoint.origin, checkpoint.size));
    for c in &cosigned {
        print(&format!(
            "cosigned by {} at {}",
            c.name,
            assay_shared::time::format_us(c.time_s.saturating_mul(1_000_000))
        ));
    }
    Ok(())
}
