//! `assay sync`

use super::Context;
use super::output::{print_json, say};
use assay_lab::LabError;
use assay_lab::sync::sync;

/// Bring the lab and its repositories together: deploy branch, logs, proposals, signatures
///
/// The repositories are named in assay.toml (`deploy`, and `review` where proposals are looked at
/// elsewhere); your own git carries everything. What you signed goes out, what others signed comes
/// in, and a branch that was rewritten is refused.
///
/// Example: assay sync
#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn run(cx: &Context, _args: Args) -> Result<(), LabError> {
    let done = sync(&cx.lab()?)?;
    if cx.json {
        print_json(&done);
        return Ok(());
    }
    done.fetched.iter().for_each(|b| say(&format!("fetched  {b}")));
    done.pushed.iter().for_each(|b| say(&format!("pushed   {b}")));
    if done.fetched.is_empty() && done.pushed.is_empty() && done.troubles.is_empty() {
        say("everything is where it was");
    }
    done.troubles.iter().for_each(|words| say(words));
    match done.troubles.len() {
        0 => Ok(()),
        n => Err(LabError::Refused(format!("{n} branches did not go; the others did"))),
    }
}
