//! What is live and rests on people or keys that do not count any more: flagged until somebody decides.

use super::in_force::InForce;
use super::pins::Host;
use super::policy;
use super::refusal::GateError;
use crate::repository::git::Repo;
use assay_ledger::PublicKey;
use assay_ledger::keys::note::Verifier;
use assay_shared::policy::{Policy, Role};
use serde::Serialize;
use std::fmt;

/// A live version, and what it rests on that does not count any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dependent {
    /// The strategy.
    pub strategy: String,
    /// Its version.
    pub version: u64,
    /// In words.
    pub what: String,
}

impl fmt::Display for Dependent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} v{} was {}", self.strategy, self.version, self.what)
    }
}

/// Whether a key counts for a role now, else why not.
fn fallen(
    policy: &Policy,
    revoked: &[(String, PublicKey)],
    key: &PublicKey,
    person: &str,
    role: Role,
) -> Option<String> {
    if let Some((origin, _)) = revoked.iter().find(|(_, k)| k == key) {
        return Some(format!("by {person} with the key {}, which the log {origin} has revoked", key.id()));
    }
    match policy.person(key, role) {
        Some(p) if p.name == person => None,
        _ => Some(format!(
            "by {person} with the key {}, who is no {} of the policy with it any more",
            key.id(),
            role.name()
        )),
    }
}

/// The keys that the logs of a policy have revoked, as far as a host has seen them.
///
/// # Errors
/// A repository or pins that cannot be read.
pub fn revoked(repo: &Repo, head: &str, host: &Host) -> Result<Vec<(String, PublicKey)>, GateError> {
    let (_, policy) = policy::at(repo, head)?;
    let mut out = Vec::new();
    for origin in policy.origins.iter().filter_map(|o| o.vkey.parse::<Verifier>().ok()).map(|v| v.name) {
        let keys = host.pin(&origin)?.map(|pin| pin.revoked).unwrap_or_default();
        out.extend(keys.into_iter().map(|key| (origin.clone(), key)));
    }
    Ok(out)
}

/// The versions in force that rest on what does not count any more.
///
/// # Errors
/// A repository or pins that cannot be read.
pub fn dependents(
    repo: &Repo,
    head: &str,
    live: &[InForce],
    revoked: &[(String, PublicKey)],
) -> Result<Vec<Dependent>, GateError> {
    let (_, policy) = policy::at(repo, head)?;
    let mut out = Vec::new();
    for c in live.iter().filter(|c| !c.retired) {
        let author = fallen(&policy, revoked, &c.author_key, &c.author, Role::Researcher);
        let approvals = c.approvers.iter().zip(&c.approver_keys);
        let approvals = approvals.filter_map(|(name, key)| fallen(&policy, revoked, key, name, Role::Reviewer));
        let words =
            author.map(|w| format!("proposed {w}")).into_iter().chain(approvals.map(|w| format!("approved {w}")));
        out.extend(words.map(|what| Dependent { strategy: c.strategy.clone(), version: c.version, what }));
    }
    Ok(out)
}
