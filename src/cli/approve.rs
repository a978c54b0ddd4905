//! `assay approve`

use super::complete;
use super::output::print;
use super::review::show;
use super::{Context, terminal};
use assay_lab::notify::{Kind, News, tell};
use assay_lab::review::{add_approval, approve, review};
use assay_lab::{Lab, LabError};
use std::path::PathBuf;

/// Approve a proposed branch as a reviewer
///
/// The approval binds the strategy, the config, what it replaces and the policy; any later change
/// voids it. Say with --config which one you reviewed, as `assay review` prints it; in a terminal, you are shown the
/// review and asked. With --signature, one made by `ssh-keygen -Y sign -n approval@assay` is added.
///
/// Example: assay approve promote/trend-v1-0123456789ab --key ~/.ssh/id_ed25519 --config SHA256
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The branch
    #[arg(add = complete::branches())]
    branch: String,
    /// Your private key [default: that of your lab]
    #[arg(long, conflicts_with = "signature")]
    key: Option<PathBuf>,
    /// SHA-256 of the config that you reviewed, whole
    #[arg(long, value_name = "SHA256", conflicts_with = "signature")]
    config: Option<String>,
    /// A signature over the statement, made elsewhere
    #[arg(long)]
    signature: Option<PathBuf>,
}

/// Shows the review to whoever sits at the terminal, and asks.
fn reviewed(cx: &Context, lab: &Lab, branch: &str) -> Result<String, LabError> {
    let found = review(&lab.repo()?, branch)?;
    let sha256 = found.proposal.sha256.to_string();
    let unsaid = || {
        LabError::usage(
            "it is not said which config was reviewed",
            format!("read `assay review {branch}`, and name what you read with --config SHA256"),
        )
    };
    if cx.json {
        return Err(unsaid());
    }
    let ask = || {
        show(&found, branch);
        "\ntype yes to approve this: ".to_string()
    };
    match terminal::asked(ask) {
        None => Err(unsaid()),
        Some(answer) if answer == "yes" => Ok(sha256),
        Some(_) => Err(LabError::Stopped("nothing was signed".into())),
    }
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    let lab = cx.lab()?;
    let own = lab.dir.join(&lab.config.key);
    let person = match &args.signature {
        None => {
            let reviewed = match args.config {
                Some(sha256) => sha256,
                None => reviewed(cx, &lab, &args.branch)?,
            };
            approve(&lab, &args.branch, args.key.as_ref().unwrap_or(&own), &reviewed)?
        }
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(LabError::io("read", file))?;
            add_approval(&lab, &args.branch, &text)?
        }
    };
    print(&format!("approved by {person}"));
    let words = format!("{} is approved by {person}", args.branch);
    tell(&lab.dir, &[News::now(Kind::Approval, None, words)]);
    Ok(())
}
