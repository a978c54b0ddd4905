//! An earlier version proposed again: a forward promotion with approvals of its own.

use crate::error::LabError;
use crate::folder::Lab;
use crate::proposal::{Behind, Proposed, finish, in_force, up_to_date};
use assay_ledger::Hash;
use assay_production::gate::version_of;
use assay_shared::event::{Event, RollbackProposed};
use assay_shared::format::config::LiveConfig;

/// What a proposal goes back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// An earlier version.
    Version(u64),
    /// Nothing: the strategy is retired. The config has the content of the version in force, and says so.
    Nothing,
}

/// Proposes an earlier version again, or that nothing of a strategy is live. What it restores keeps its own format.
///
/// # Errors
/// A strategy that is not live, a version that never was or is not earlier.
pub fn propose(lab: &Lab, strategy: &str, to: To, reason: &str) -> Result<Proposed, LabError> {
    let repo = up_to_date(lab)?;
    let none = || LabError::usage(format!("'{strategy}' is not live"), "see `assay active`");
    let (current, bytes) = in_force(&repo, strategy)?.ok_or_else(none)?;
    let retired = to == To::Nothing;
    let to = match to {
        To::Nothing if current.promotion.retired => return Err(none()),
        To::Nothing => current.promotion.version,
        To::Version(to) if to >= current.promotion.version => {
            return Err(LabError::usage(
                format!(
                    "version {to} is not earlier than {}, the one in force as this lab knows it",
                    current.promotion.version
                ),
                "`assay sync` fetches what others deployed; `assay active --history` lists all",
            ));
        }
        To::Version(to) => to,
    };
    let missing = || LabError::usage(format!("'{strategy}' never had a version {to}"), "see `assay active --history`");
    let main = repo.tip("refs/heads/main").ok_or_else(missing)?;
    let old = version_of(&repo, &main, strategy, to)?.ok_or_else(missing)?;
    if let Some(other) = old.ledger.as_ref().map(|l| &l.origin).filter(|origin| **origin != lab.config.origin) {
        let message = format!("the evidence of '{strategy}' is in the log {other}, which another lab keeps");
        return Err(LabError::usage(message, "propose it there"));
    }
    if reason.chars().any(char::is_control) {
        return Err(LabError::usage("the reason holds a control character", "write it in one line"));
    }
    let writer = lab.writer()?;
    let behind = Behind::of(old.ledger.as_ref().ok_or_else(missing)?);
    let mut config = LiveConfig { ledger: None, ..old };
    config.promotion.version = current.promotion.version + 1;
    config.promotion.replaces_sha256 = Hash::of(&bytes);
    config.promotion.author = lab.config.person.clone();
    config.promotion.restores_version = Some(to);
    config.promotion.retired = retired;
    let proposal = |config: &LiveConfig| -> Event {
        let p = &config.promotion;
        RollbackProposed {
            strategy: p.strategy.clone(),
            version: p.version,
            core_sha256: config.core_sha256().0,
            replaces_sha256: p.replaces_sha256.0,
            restores_version: to,
            reason: reason.into(),
        }
        .into()
    };
    finish(lab, &repo, writer, config, proposal, behind)
}
