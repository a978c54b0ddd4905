//! How far the deploy branch was verified, remembered by the host: no step is judged twice, however long the branch.
//!
//! It holds what was verified by name and hash only; a config is read from git where its row has to be made anew. `--full`
//! forgets it.

use super::in_force::InForce;
use super::pins::Host;
use super::refusal::GateError;
use crate::repository::evidence::ledger_branch;
use crate::repository::git::Repo;
use assay_ledger::storage::disk::{RealDisk, replace};
use assay_ledger::{Hash, PublicKey};
use assay_shared::RESULTS;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Every version that was ever deployed: strategy, version, SHA-256 of its config.
pub type Ever = BTreeSet<(String, u64, Hash)>;

/// The branch up to a commit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Walked {
    genesis: Hash,
    head: String,
    #[serde(default)]
    live: Vec<Kept>,
    #[serde(default)]
    ever: Vec<(String, u64, Hash)>,
    #[serde(default)]
    logs: Tips,
}

/// Where the logs' branches stood.
pub type Tips = BTreeMap<String, String>;

/// Where they stand; the host's own, which it moves itself, aside.
///
/// # Errors
/// A repository that cannot be read.
pub fn tips(repo: &Repo, host: &Host) -> Result<Tips, GateError> {
    let own = ledger_branch(&host.origin());
    let tip = |branch: String| repo.tip(&format!("refs/heads/{branch}")).map(|tip| (branch, tip));
    Ok(repo.branches("ledger/")?.into_iter().filter(|branch| *branch != own).filter_map(tip).collect())
}

/// A config in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    strategy: String,
    version: u64,
    retired: bool,
    author: String,
    sha256: Hash,
    commit: String,
    policy_sha256: Hash,
    author_key: String,
    approvers: Vec<(String, String)>,
    row: Option<Hash>,
}

/// The keys of the people, each read once: what they are is checked, which takes a while, and they are few.
#[derive(Default)]
struct Keys(BTreeMap<String, PublicKey>);

impl Keys {
    fn read(&mut self, text: &str) -> Option<PublicKey> {
        if let Some(key) = self.0.get(text) {
            return Some(*key);
        }
        let key: PublicKey = text.parse().ok()?;
        self.0.insert(text.into(), key);
        Some(key)
    }
}

impl Kept {
    fn of(c: &InForce) -> Kept {
        Kept {
            strategy: c.strategy.clone(),
            version: c.version,
            retired: c.retired,
            author: c.author.clone(),
            sha256: c.sha256,
            commit: c.commit.clone(),
            policy_sha256: c.policy_sha256,
            author_key: c.author_key.to_openssh(),
            approvers: c.approvers.iter().cloned().zip(c.approver_keys.iter().map(PublicKey::to_openssh)).collect(),
            row: c.row,
        }
    }

    fn in_force(self, keys: &mut Keys) -> Option<InForce> {
        let mut of = |(person, key): (String, String)| Some((person, keys.read(&key)?));
        let people = self.approvers.into_iter().map(&mut of).collect::<Option<Vec<_>>>()?;
        let (approvers, approver_keys) = people.into_iter().unzip();
        Some(InForce {
            strategy: self.strategy,
            version: self.version,
            retired: self.retired,
            author: self.author,
            sha256: self.sha256,
            commit: self.commit,
            policy_sha256: self.policy_sha256,
            author_key: keys.read(&self.author_key)?,
            approvers,
            approver_keys,
            row: self.row,
        })
    }
}

/// What a host remembers of the branch.
pub(super) struct Known {
    /// Its head then.
    pub(super) head: String,
    /// The configs in force.
    pub(super) live: Vec<InForce>,
    /// Every one that ever was.
    pub(super) ever: Ever,
    /// Where the logs' branches stood.
    pub(super) logs: Tips,
}

fn path(host: &Host) -> PathBuf {
    // Another version of this program may check more.
    let key = [b"assay/walked/v2\0", &RESULTS.to_be_bytes()[..], env!("CARGO_PKG_VERSION").as_bytes()].concat();
    host.dir().join("walked").join(format!("{}.json", Hash::of(&key).short()))
}

/// What a host remembers; nothing where it forgot, or where everything is to be replayed: then the branch is walked from
/// its root. The head is named by its hash, and so is everything that was in force there.
pub(super) fn remembered(host: &Host) -> Option<Known> {
    let text = std::fs::read_to_string(path(host)).ok().filter(|_| !host.full)?;
    let (sum, text) = text.split_once('\n')?;
    let walked: Walked = serde_json::from_str(text).ok().filter(|_| Hash::of(text.as_bytes()).to_string() == sum)?;
    if walked.genesis != host.settings.genesis_policy_sha256 {
        return None;
    }
    let mut keys = Keys::default();
    let live = walked.live.into_iter().map(|kept| kept.in_force(&mut keys)).collect::<Option<Vec<_>>>()?;
    Some(Known { head: walked.head, live, ever: walked.ever.into_iter().collect(), logs: walked.logs })
}

impl Host {
    /// Remembers that the branch was verified up to `head`, and the logs up to where they stood before.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn remember_walk(&self, head: &str, live: &[InForce], ever: &Ever, logs: &Tips) -> Result<(), GateError> {
        let walked = Walked {
            genesis: self.settings.genesis_policy_sha256,
            head: head.into(),
            live: live.iter().map(Kept::of).collect(),
            ever: ever.iter().cloned().collect(),
            logs: logs.clone(),
        };
        let text = serde_json::to_string(&walked).map_err(|e| GateError::Host { what: e.to_string() })?;
        // What was torn or altered is told from what was written, and forgotten.
        let (path, text) = (path(self), format!("{}\n{text}", Hash::of(text.as_bytes())));
        if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
            return Ok(());
        }
        let dir = path.parent().unwrap_or(self.dir());
        std::fs::create_dir_all(dir).map_err(|e| GateError::Host { what: format!("{}: {e}", dir.display()) })?;
        Ok(replace(&RealDisk, &path, text.as_bytes())?)
    }
}
