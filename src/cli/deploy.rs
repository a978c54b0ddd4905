//! `assay deploy`

use super::Context;
use super::output::print;
use assay_lab::LabError;
use assay_lab::deploy::merge_and_push;

/// Merge an approved branch and push it with its ledger; the hook decides
///
/// The same as merging the pull request and `git push deploy.git main ledger/…`. When the push is
/// refused, the lab's main branch stays where it was.
///
/// Example: assay deploy promote/trend-v1-0123456789ab
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The branch
    branch: String,
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    print(&merge_and_push(&cx.lab()?, &args.branch)?);
    Ok(())
}
