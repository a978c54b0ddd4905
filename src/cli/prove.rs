//! `assay prove` and `assay verify-proof`

use super::Context;
use super::error::CliError;
use super::output::{print, print_json};
use assay_ledger::note::Verifier;
use assay_ledger::proof::Proof;
use serde_json::json;
use std::path::PathBuf;

/// Prove that an entry is in the ledger: writes a `.tlog-proof` and the entry beside it
///
/// Example: assay prove 17 --out evidence
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Sequence number
    seq: u64,
    /// Folder for the two files
    #[arg(long, default_value = ".")]
    out: PathBuf,
}

/// Verify a `.tlog-proof` offline
///
/// Example: assay verify-proof 17.tlog-proof --entry 17.entry --vkey "$(cat lab/ledger/log.vkey)"
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// The proof
    proof: PathBuf,
    /// The entry's bytes
    #[arg(long)]
    entry: PathBuf,
    /// The log's verifier key
    #[arg(long)]
    vkey: String,
}

pub fn run(cx: &Context, args: Args) -> Result<(), CliError> {
    let log = cx.lab()?.log()?;
    let checkpoint = log.checkpoint()?;
    let proof = Proof::new(log.tree(), args.seq, checkpoint.size, &log.checkpoint_note()?)?;
    std::fs::create_dir_all(&args.out).map_err(CliError::io("create", &args.out))?;
    let (p, e) = (args.out.join(format!("{}.tlog-proof", args.seq)), args.out.join(format!("{}.entry", args.seq)));
    std::fs::write(&p, proof.to_bytes()).map_err(CliError::io("write", &p))?;
    std::fs::write(&e, log.entry_bytes(args.seq)?).map_err(CliError::io("write", &e))?;
    print(&format!("{}\n{}", p.display(), e.display()));
    Ok(())
}

pub fn verify(cx: &Context, args: VerifyArgs) -> Result<(), CliError> {
    let read = |path: &PathBuf| std::fs::read(path).map_err(CliError::io("read", path));
    let verifier: Verifier =
        args.vkey.parse().map_err(|e| CliError::usage(format!("{e}"), "give the line of log.vkey"))?;
    let (proof, entry) = (Proof::parse(&read(&args.proof)?)?, read(&args.entry)?);
    let checkpoint = proof.verify(&entry, &verifier)?;
    if cx.json {
        print_json(
            &json!({"origin": checkpoint.origin, "index": proof.index, "size": checkpoint.size, "verified": true}),
        );
    } else {
        print(&format!("entry {} is in {} at size {}", proof.index, checkpoint.origin, checkpoint.size));
    }
    Ok(())
}
