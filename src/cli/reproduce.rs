//! `assay reproduce`

use super::Context;
use super::output::{print, print_json, say};
use super::study::threads;
use assay_lab::LabError;
use assay_lab::reproduce::{How, reproduce};
use assay_lab::study::jobs;
use serde_json::json;
use std::path::PathBuf;

/// Run a proposal's trial and its study again, as somebody else, and sign that it is the same
///
/// The data are found by their hash among this lab's snapshots: import the same files, and they have the same hash.
/// The promoted trial runs on both engines, and every trial of the study is compared with what was recorded, to the
/// last bit; the first difference is named. What is signed goes to the branch, beside the approvals.
///
/// Example: assay reproduce promote/trend-v1-0123456789ab --key ~/.ssh/id_ed25519
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The branch
    branch: String,
    /// Your private key
    #[arg(long)]
    key: PathBuf,
    /// Run so many trials again, the promoted one and others drawn at random, instead of the whole study
    #[arg(long, value_name = "TRIALS")]
    sample: Option<u32>,
    /// Threads [default: cores − 1, at most 6, at least 1]
    #[arg(long, value_parser = threads())]
    jobs: Option<usize>,
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    let lab = cx.lab()?;
    let how = How { branch: &args.branch, key: &args.key, sample: args.sample, threads: jobs(args.jobs) };
    let done = reproduce(&lab, &how)?;
    let s = &done.statement;
    if cx.json {
        print_json(&json!({
            "person": done.person, "strategy": s.strategy, "version": s.version, "config_sha256": s.config,
            "ran": s.ran, "trials": s.trials, "stream_hash": s.stream, "data": s.origin.name(),
        }));
        return Ok(());
    }
    print(&format!(
        "reproduced by {}: trial {} on both engines, {} of {} trials",
        done.person, s.trial, s.ran, s.trials
    ));
    let data = match s.origin.name() {
        "vendor" => "data of its own, from files that the vendor's checksums confirm",
        "import" => "data of its own, from files that nothing confirms",
        _ => "the proposer's own copy of the data: it cannot show that they are the exchange's",
    };
    say(&format!("with {data}"));
    Ok(())
}
