//! `assay approve`

use super::Context;
use super::output::print;
use assay_lab::LabError;
use assay_lab::review::{add_approval, approve};
use std::path::PathBuf;

/// Approve a proposed branch as a reviewer
///
/// The approval binds the strategy, the config, what it replaces and the policy; any later change
/// voids it. Without --key, a signature made by `ssh-keygen -Y sign -n approval@assay` is added.
///
/// Example: assay approve promote/trend-v1-0123456789ab --key ~/.ssh/id_ed25519
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The branch
    branch: String,
    /// Your private key
    #[arg(long, required_unless_present = "signature", conflicts_with = "signature")]
    key: Option<PathBuf>,
    /// A signature over the statement, made elsewhere
    #[arg(long)]
    signature: Option<PathBuf>,
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    let lab = cx.lab()?;
    let person = match (&args.key, &args.signature) {
        (Some(key), _) => approve(&lab, &args.branch, key)?,
        (None, Some(file)) => {
            let text = std::fs::read_to_string(file).map_err(LabError::io("read", file))?;
            add_approval(&lab, &args.branch, &text)?
        }
        (None, None) => return Err(LabError::usage("neither --key nor --signature was given", "name one")),
    };
    print(&format!("approved by {person}"));
    Ok(())
}
