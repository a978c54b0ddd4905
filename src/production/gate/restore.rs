//! A rollback: it may bring back what was deployed before, and nothing else.

use super::refusal::{Code, GateError, refuse};
use crate::repository::git::Repo;
use assay_ledger::Hash;
use assay_shared::format::config::LiveConfig;

/// The config of an earlier version of a strategy, from the line of the deploy branch that ends at `commit`.
///
/// # Errors
/// A repository that cannot be read.
pub fn version(repo: &Repo, commit: &str, strategy: &str, wanted: u64) -> Result<Option<LiveConfig>, GateError> {
    let path = LiveConfig::path(strategy);
    let mut at = Some(commit.to_string());
    while let Some(commit) = at {
        if let Some(bytes) = repo.file(&commit, &path)?
            && let Ok(config) = LiveConfig::parse(&bytes)
            && config.promotion.version == wanted
        {
            return Ok(Some(config));
        }
        at = repo.parent(&commit)?;
    }
    Ok(None)
}

/// The step of the line that ends at `commit` which brought a version in: the commit before, and the one itself.
///
/// # Errors
/// A repository that cannot be read.
pub fn step(repo: &Repo, commit: &str, strategy: &str, wanted: u64) -> Result<Option<(String, String)>, GateError> {
    let path = LiveConfig::path(strategy);
    let version = |commit: &str| -> Result<Option<u64>, GateError> {
        let bytes = repo.file(commit, &path)?;
        Ok(bytes.and_then(|b| LiveConfig::parse(&b).ok()).map(|c| c.promotion.version))
    };
    let mut at = commit.to_string();
    let mut here = version(&at)?;
    while let Some(parent) = repo.parent(&at)? {
        let before = version(&parent)?;
        if here == Some(wanted) && before != here {
            return Ok(Some((parent, at)));
        }
        (at, here) = (parent, before);
    }
    Ok(None)
}

/// What a rollback has in common with the version that it restores: everything but who proposes it, when, and in
/// place of what.
fn content(config: &LiveConfig) -> LiveConfig {
    let mut c = config.clone();
    let p = &mut c.promotion;
    (p.version, p.replaces_sha256, p.restores_version, p.retired) = (0, Hash::ZERO, None, false);
    (p.author, p.promotion_timestamp) = (String::new(), String::new());
    if let Some(l) = &mut c.ledger {
        (l.size, l.root, l.proposal) = (0, Hash::ZERO, l.study);
        l.counted.clear();
    }
    c
}

/// That a config is the version that it says it restores.
///
/// # Errors
/// [`Code::NotRestored`].
pub(super) fn verify(repo: &Repo, old: &str, config: &LiveConfig, wanted: u64) -> Result<(), GateError> {
    let (path, name) = (LiveConfig::path(&config.promotion.strategy), &config.promotion.strategy);
    if config.promotion.retired && config.promotion.version != wanted + 1 {
        return refuse(Code::NotRestored, path, "what retires a strategy has the content of the version in force");
    }
    let Some(before) = version(repo, old, name, wanted)? else {
        return refuse(Code::NotRestored, path, format!("'{name}' never had the version {wanted} that it restores"));
    };
    if content(&before) != content(config) {
        let what = format!("it says that it restores version {wanted}, and differs from it in more than who and when");
        return refuse(Code::NotRestored, path, what);
    }
    Ok(())
}
