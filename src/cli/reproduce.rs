//! `assay reproduce`

use super::Context;
use super::complete;
use super::output::{print, print_json, say};
use super::study::threads;
use assay_lab::LabError;
use assay_lab::obtain::From;
use assay_lab::reproduce::{How, reproduce};
use assay_lab::study::jobs;
use assay_production::gate::least_reproduced;
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// Reads `90s`, `10m` or `2h`.
fn time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is no time: write it as 90s, 10m or 2h");
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    let number: u32 = number.parse().map_err(|_| wrong())?;
    Ok(Duration::from_secs(u64::from(number) * unit))
}

/// Run a proposal's trial and its study again, as somebody else, and sign that it is the same
///
/// The data are found by their hash among this lab's snapshots (the same files give the same hash), then in the store
/// that `snapshots` in assay.toml names: a folder, or a web server that serves one (`assay data share`).
/// The promoted trial runs on both engines, and every trial of the study is compared with what was recorded, to the
/// last bit; the first difference is named. What is signed goes to the branch, beside the approvals.
///
/// An auditor, who has no key of the policy, does the same with --unsigned, also of what is live: `assay reproduce trend
/// --unsigned --data DIR`.
///
/// Example: assay reproduce promote/trend-v1-0123456789ab --key ~/.ssh/id_ed25519
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The branch; with --unsigned also a strategy that is live
    #[arg(add = complete::branches())]
    branch: String,
    /// Your private key [default: that of your lab]
    #[arg(long)]
    key: Option<PathBuf>,
    /// Sign nothing and change no branch: only run it again and compare
    #[arg(long, conflicts_with = "key")]
    unsigned: bool,
    /// Run so many trials again, the promoted one and others drawn at random, instead of the whole study; the gate
    /// counts a reproduction of 32 trials or more, or of all
    #[arg(long, value_name = "TRIALS", value_parser = clap::value_parser!(u32).range(1..))]
    sample: Option<u32>,
    /// Run as many trials again as this time allows, drawn at random, the promoted one first: 90s, 10m, 2h. It counts
    /// from 32 trials on
    #[arg(long, value_name = "TIME", value_parser = time)]
    budget: Option<Duration>,
    /// Import these files as the proposer did, and run on them: what you took from the exchange yourself proves most
    /// (checksum files in a folder that somebody gave you confirm nothing)
    #[arg(long, value_name = "DIR", conflicts_with = "snapshot")]
    data: Option<PathBuf>,
    /// Run on somebody's snapshot: its file HASH.parquet, with the others of that hash beside it
    #[arg(long, value_name = "FILE")]
    snapshot: Option<PathBuf>,
    /// The rule book's file, when it is neither in this lab nor beside the snapshot
    #[arg(long, value_name = "FILE")]
    rulebook: Option<PathBuf>,
    /// Threads [default: cores − 1, at most 6, at least 1]
    #[arg(long, value_parser = threads())]
    jobs: Option<usize>,
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    let lab = cx.lab()?;
    let own = lab.dir.join(&lab.config.key);
    let how = How {
        branch: &args.branch,
        key: if args.unsigned { None } else { Some(args.key.as_ref().unwrap_or(&own)) },
        sample: args.sample,
        budget: args.budget,
        from: From {
            files: args.data.as_deref(),
            snapshot: args.snapshot.as_deref(),
            rulebook: args.rulebook.as_deref(),
        },
        threads: jobs(args.jobs),
    };
    let done = reproduce(&lab, &how)?;
    let s = &done.statement;
    let least = least_reproduced(s.trials);
    if cx.json {
        print_json(&json!({
            "person": done.person, "strategy": s.strategy, "version": s.version, "config_sha256": s.config,
            "ran": s.ran, "trials": s.trials, "stream_hash": s.stream, "data": s.origin.name(), "counts": done.person.is_some() && s.ran >= least,
        }));
        return Ok(());
    }
    let by = done.person.as_ref().map_or_else(String::new, |person| format!(" by {person}"));
    print(&format!("reproduced{by}: trial {} on both engines, {} of {} trials", s.trial, s.ran, s.trials));
    let data = match s.origin.name() {
        "vendor" => "data of its own, from files that the exchange's archive confirmed to whoever ran this",
        "import" => "data of its own, from files that nothing confirms",
        _ => {
            "the proposer's own copy of the data or of the exchange's rules: it cannot show that they are the exchange's"
        }
    };
    say(&format!("with {data}"));
    if done.person.is_none() {
        say("nothing was signed");
    } else if s.ran < least {
        say(&format!("it does NOT COUNT for the gate: at least {least} trials must be run again"));
    }
    Ok(())
}
