//! `assay rollback`

use super::Context;
use super::complete;
use super::output::say;
use super::promote::announce;
use super::words;
use assay_lab::LabError;
use assay_lab::rollback::{To, propose};

/// Propose an earlier version again: a forward promotion with approvals of its own
///
/// Example: assay rollback trend --to 1 --reason "v2 loses in quiet markets"
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Strategy
    #[arg(add = complete::strategies())]
    strategy: String,
    /// Version to restore
    #[arg(long)]
    to: u64,
    /// Why
    #[arg(long, value_parser = words::reason)]
    reason: String,
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    let proposed = propose(&cx.lab()?, &args.strategy, To::Version(args.to), &args.reason)?;
    say(&format!("rollback to version {}", args.to));
    announce(cx, &proposed);
    Ok(())
}
