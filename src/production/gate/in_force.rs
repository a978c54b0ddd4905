//! A config in force and what it was verified by, without its text: git has that.

use super::refusal::{Code, GateError, refuse};
use crate::repository::git::Repo;
use assay_ledger::{Hash, PublicKey};
use assay_shared::format::config::LiveConfig;

/// A config in force, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// The strategy.
    pub strategy: String,
    /// The version.
    pub version: u64,
    /// It takes the strategy out of force.
    pub retired: bool,
    /// Who proposed it.
    pub author: String,
    /// SHA-256 of its text.
    pub sha256: Hash,
    /// The commit of the deploy branch that brought it in.
    pub commit: String,
    /// SHA-256 of the policy that judged it.
    pub policy_sha256: Hash,
    /// The key that signed it.
    pub author_key: PublicKey,
    /// People who approved.
    pub approvers: Vec<String>,
    /// Their keys, in the same order.
    pub approver_keys: Vec<PublicKey>,
    /// SHA-256 of the row of the live table that it makes, once somebody has made it.
    pub row: Option<Hash>,
}

impl InForce {
    /// Its config, and the text of it.
    ///
    /// # Errors
    /// A repository that does not hold the very text that was verified.
    pub fn config(&self, repo: &Repo) -> Result<(LiveConfig, String), GateError> {
        let path = LiveConfig::path(&self.strategy);
        let bytes = repo.file(&self.commit, &path)?.unwrap_or_default();
        if Hash::of(&bytes) != self.sha256 {
            let what = format!("the commit {} does not hold the config that was verified", self.commit);
            return refuse(Code::BadConfig, path, what);
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        match LiveConfig::parse_again(&bytes) {
            Ok(config) => Ok((config, text)),
            Err(e) => refuse(Code::BadConfig, path, e.to_string()),
        }
    }
}
