//! `assay deploy`

use super::Context;
use super::error::CliError;
use super::init::absolute;
use super::lab::Lab;
use super::output::print;
use assay_production::promotion::Repo;
use assay_production::promotion::evidence::ledger_branch;

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

pub fn run(cx: &Context, args: Args) -> Result<(), CliError> {
    let words = merge_and_push(&cx.lab()?, &args.branch)?;
    print(&words);
    Ok(())
}

/// Merges a branch into main and pushes main and the ledger. Gives the hook's words.
pub fn merge_and_push(lab: &Lab, branch: &str) -> Result<String, CliError> {
    let repo = Repo::open(&lab.repo_path())?;
    let before = repo.tip("refs/heads/main");
    repo.merge(branch, "main", &lab.config.person)?;
    let ledger = ledger_branch(&lab.config.origin);
    let pushed =
        repo.push(absolute(&lab.deploy_path()).as_ref(), &["refs/heads/main".into(), format!("refs/heads/{ledger}")]);
    match pushed {
        Ok(words) => Ok(remote_words(&words)),
        Err(e) => {
            if let Some(before) = before {
                repo.reset("main", &before)?;
            }
            Err(e.into())
        }
    }
}

/// The hook's own words out of git's.
fn remote_words(text: &str) -> String {
    let lines = text.lines().filter_map(|l| l.strip_prefix("remote: ")).map(str::trim_end);
    lines.filter(|l| !l.is_empty()).collect::<Vec<_>>().join("\n")
}
