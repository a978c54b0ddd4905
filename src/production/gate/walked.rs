//! How far the deploy branch was verified, remembered by the host: no step is judged twice, however long the branch.
//!
//! It holds what was verified by name and hash only; the configs are read from git, where the same hash is the same
//! text. `--full` forgets it.

use super::config::Deployment;
use super::pins::Host;
use super::refusal::GateError;
use crate::repository::evidence::ledger_branch;
use crate::repository::git::Repo;
use assay_ledger::storage::disk::{RealDisk, replace};
use assay_ledger::{Hash, PublicKey};
use assay_shared::RESULTS;
use assay_shared::format::config::LiveConfig;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The folder of the configs in force.
const LIVE: &str = "configs/live";

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
    sha256: Hash,
    commit: String,
    policy_sha256: Hash,
    author_key: String,
    approvers: Vec<(String, String)>,
}

/// The keys of the people, each read once: what they are is checked, which takes a while, and they are few.
type Keys = BTreeMap<String, PublicKey>;

impl Kept {
    fn of(d: &Deployment) -> Kept {
        Kept {
            strategy: d.config.promotion.strategy.clone(),
            sha256: d.sha256,
            commit: d.commit.clone(),
            policy_sha256: d.policy_sha256,
            author_key: d.author_key.to_openssh(),
            approvers: d.approvers.iter().cloned().zip(d.approver_keys.iter().map(PublicKey::to_openssh)).collect(),
        }
    }

    /// The deployment, if its text is the very one.
    fn deployment(self, bytes: Vec<u8>, keys: &Keys) -> Option<Deployment> {
        if Hash::of(&bytes) != self.sha256 {
            return None;
        }
        let of = |(person, key): (String, String)| Some((person, *keys.get(&key)?));
        let (approvers, approver_keys) =
            self.approvers.into_iter().map(of).collect::<Option<Vec<_>>>()?.into_iter().unzip();
        Some(Deployment {
            config: LiveConfig::parse_again(&bytes).ok()?,
            text: String::from_utf8(bytes).ok()?,
            sha256: self.sha256,
            commit: self.commit,
            policy_sha256: self.policy_sha256,
            author_key: *keys.get(&self.author_key)?,
            approvers,
            approver_keys,
        })
    }
}

/// What a host remembers of the branch.
pub(super) struct Known {
    /// Its head then.
    pub(super) head: String,
    /// The configs in force.
    pub(super) live: Vec<Deployment>,
    /// Every one that ever was.
    pub(super) ever: Ever,
    /// Where the logs' branches stood.
    pub(super) logs: Tips,
}

fn path(host: &Host) -> PathBuf {
    // Another version of this program may check more.
    let key = [b"assay/walked/v1\0", &RESULTS.to_be_bytes()[..], env!("CARGO_PKG_VERSION").as_bytes()].concat();
    host.dir().join("walked").join(format!("{}.toml", Hash::of(&key).short()))
}

/// The configs in force as the head holds them: their folder is read once, and all cores read them.
fn deployments(repo: &Repo, head: &str, live: Vec<Kept>) -> Option<Vec<Deployment>> {
    let there = repo.under(head, LIVE).ok()?;
    let mut keys = Keys::new();
    for text in live.iter().flat_map(|kept| kept.approvers.iter().map(|a| &a.1).chain([&kept.author_key])) {
        if !keys.contains_key(text) {
            keys.insert(text.clone(), text.parse().ok()?);
        }
    }
    let keys = &keys;
    let text = |kept: Kept| {
        let path = LiveConfig::path(&kept.strategy);
        let bytes = repo.object(there.get(&path)?, &path).ok()?;
        Some((kept, bytes))
    };
    let mut texts = live.into_iter().map(text).collect::<Option<Vec<_>>>()?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let each = texts.len().div_ceil(threads).max(1);
    let mut parts = Vec::new();
    while !texts.is_empty() {
        let rest = texts.split_off(each.min(texts.len()));
        parts.push(std::mem::replace(&mut texts, rest));
    }
    std::thread::scope(|scope| {
        let all: Vec<_> = parts.into_iter().map(|part| scope.spawn(move || read(part, keys))).collect();
        let mut out = Vec::new();
        for part in all {
            out.extend(part.join().ok()??);
        }
        Some(out)
    })
}

fn read(part: Vec<(Kept, Vec<u8>)>, keys: &Keys) -> Option<Vec<Deployment>> {
    part.into_iter().map(|(kept, bytes)| kept.deployment(bytes, keys)).collect()
}

/// What a host remembers; nothing where it forgot, where everything is to be replayed, or where git does not hold what
/// it remembers: then the branch is walked from its root.
pub(super) fn remembered(repo: &Repo, host: &Host) -> Option<Known> {
    let text = std::fs::read_to_string(path(host)).ok().filter(|_| !host.full)?;
    let walked: Walked = toml::from_str(&text).ok()?;
    if walked.genesis != host.settings.genesis_policy_sha256 {
        return None;
    }
    let live = deployments(repo, &walked.head, walked.live)?;
    Some(Known { head: walked.head, live, ever: walked.ever.into_iter().collect(), logs: walked.logs })
}

impl Host {
    /// Remembers that the branch was verified up to `head`, and the logs up to where they stood before.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn remember_walk(&self, head: &str, live: &[Deployment], ever: &Ever, logs: &Tips) -> Result<(), GateError> {
        let walked = Walked {
            genesis: self.settings.genesis_policy_sha256,
            head: head.into(),
            live: live.iter().map(Kept::of).collect(),
            ever: ever.iter().cloned().collect(),
            logs: logs.clone(),
        };
        let (path, text) = (path(self), toml::to_string(&walked).map_err(|e| GateError::Host { what: e.to_string() })?);
        if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
            return Ok(());
        }
        let dir = path.parent().unwrap_or(self.dir());
        std::fs::create_dir_all(dir).map_err(|e| GateError::Host { what: format!("{}: {e}", dir.display()) })?;
        Ok(replace(&RealDisk, &path, text.as_bytes())?)
    }
}
