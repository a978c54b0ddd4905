//! `assay rollback`

use super::Context;
use super::error::CliError;
use super::lab::Lab;
use super::output::say;
use super::promote::{Evidence, Proposed, announce, finish, in_force, now, rollback_event};
use assay_ledger::Hash;
use assay_production::promotion::Repo;
use assay_shared::promotion::LiveConfig;

/// Propose an earlier version again: a forward promotion with approvals of its own
///
/// Example: assay rollback trend --to 1 --reason "v2 loses in quiet markets"
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Strategy
    strategy: String,
    /// Version to restore
    #[arg(long)]
    to: u64,
    /// Why
    #[arg(long)]
    reason: String,
}

pub fn run(cx: &Context, args: Args) -> Result<(), CliError> {
    let proposed = propose(&cx.lab()?, &args.strategy, args.to, &args.reason)?;
    say(&format!("rollback to version {}", args.to));
    announce(cx, &proposed);
    Ok(())
}

/// The config of an earlier version, from the history of the lab's main branch.
fn version(repo: &Repo, strategy: &str, wanted: u64) -> Result<Option<LiveConfig>, CliError> {
    let mut commit = repo.tip("refs/heads/main");
    while let Some(at) = commit {
        if let Some(bytes) = repo.file(&at, &LiveConfig::path(strategy))?
            && let Ok(config) = LiveConfig::parse(&bytes)
            && config.promotion.version == wanted
        {
            return Ok(Some(config));
        }
        commit = repo.parent(&at)?;
    }
    Ok(None)
}

/// Proposes an earlier version again.
pub fn propose(lab: &Lab, strategy: &str, to: u64, reason: &str) -> Result<Proposed, CliError> {
    let repo = Repo::open(&lab.repo_path())?;
    let none = || CliError::usage(format!("'{strategy}' is not live"), "see `assay active`");
    let (current, bytes) = in_force(&repo, strategy)?.ok_or_else(none)?;
    if to >= current.promotion.version {
        return Err(CliError::usage(
            format!("version {to} is not earlier than {}", current.promotion.version),
            "see `assay active --history`",
        ));
    }
    let missing = || CliError::usage(format!("'{strategy}' never had a version {to}"), "see `assay active --history`");
    let old = version(&repo, strategy, to)?.ok_or_else(missing)?;
    let writer = lab.writer()?;
    let reference = old.ledger.as_ref().ok_or_else(missing)?;
    let evidence = Evidence::of(reference);
    let mut config = LiveConfig { ledger: None, ..old.clone() };
    config.promotion.version = current.promotion.version + 1;
    config.promotion.replaces_sha256 = Hash::of(&bytes);
    config.promotion.author = lab.config.person.clone();
    config.promotion.promotion_timestamp = now(&writer);
    config.promotion.restores_version = Some(to);
    let event = rollback_event(&config, to, reason);
    finish(lab, &repo, writer, config, event, evidence)
}
