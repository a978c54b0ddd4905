//! `assay approve`

use super::Context;
use super::error::CliError;
use super::lab::{Lab, ask_passphrase};
use super::output::print;
use super::promote::policy;
use super::review::read;
use assay_ledger::{Signer, keys::sshsig};
use assay_production::promotion::Repo;
use assay_shared::promotion::APPROVAL_NAMESPACE;
use std::path::{Path, PathBuf};

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

pub fn run(cx: &Context, args: Args) -> Result<(), CliError> {
    let lab = cx.lab()?;
    let person = match (&args.key, &args.signature) {
        (Some(key), _) => approve(&lab, &args.branch, key)?,
        (None, Some(file)) => {
            let text = std::fs::read_to_string(file).map_err(CliError::io("read", file))?;
            add(&lab, &args.branch, &text)?
        }
        (None, None) => return Err(CliError::usage("neither --key nor --signature was given", "name one")),
    };
    print(&format!("approved by {person}"));
    Ok(())
}

/// Signs the statement of a branch with a key file and commits the signature.
pub fn approve(lab: &Lab, branch: &str, key: &Path) -> Result<String, CliError> {
    let repo = Repo::open(&lab.repo_path())?;
    let statement = read(&repo, branch)?.statement;
    let signer = Signer::read(key, &ask_passphrase)?;
    add(lab, branch, &sshsig::sign(&signer, APPROVAL_NAMESPACE, statement.as_bytes())?)
}

/// Checks a signature over the statement and commits it to the branch.
fn add(lab: &Lab, branch: &str, signature: &str) -> Result<String, CliError> {
    let repo = Repo::open(&lab.repo_path())?;
    let proposal = read(&repo, branch)?;
    let key = sshsig::verify(signature.as_bytes(), APPROVAL_NAMESPACE, proposal.statement.as_bytes())?;
    let (policy, _) = policy(&repo)?;
    let stranger = || CliError::Refused(format!("the key {} belongs to no reviewer of the policy", key.id()));
    let person = policy.person(&key, "reviewer").ok_or_else(stranger)?;
    if person.name == proposal.config.promotion.author {
        return Err(CliError::Refused("an author cannot approve their own proposal".into()));
    }
    let path = format!("{}/approvals/{}.sig", proposal.dir, person.name);
    let files = [(path, signature.as_bytes().to_vec())].into_iter().collect();
    repo.commit(branch, &files, &person.name, &format!("approve {branch}"))?;
    Ok(person.name.clone())
}
