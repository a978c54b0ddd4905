//! `assay retire`

use super::Context;
use super::complete;
use super::output::say;
use super::promote::announce;
use super::words;
use assay_lab::LabError;
use assay_lab::rollback::{To, propose};

/// Propose that nothing of a strategy is live any more: a promotion to nothing, with approvals of its own
///
/// Until it is deployed the strategy stays live; `assay halt` stops it at once. A later promotion or
/// rollback brings it back.
///
/// Example: assay retire trend --reason "its market is gone"
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Strategy
    #[arg(add = complete::strategies())]
    strategy: String,
    /// Why
    #[arg(long, value_parser = words::reason)]
    reason: String,
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    let proposed = propose(&cx.lab()?, &args.strategy, To::Nothing, &args.reason)?;
    say(&format!("retirement of {}", args.strategy));
    announce(cx, &proposed);
    Ok(())
}
