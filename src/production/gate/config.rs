//! A config that would go live: its signature, version, approvals and evidence.

use super::approvals::{Signed, signers};
use super::claims;
use super::in_force::InForce;
use super::log::Logs;
use super::pins::Host;
use super::refusal::{Code, GateError, refuse};
use super::restore;
use crate::repository::git::Repo;
use assay_ledger::{Hash, keys::sshsig};
use assay_shared::format::config::{APPROVAL_NAMESPACE, LiveConfig, NAMESPACE, approval_statement, evidence_dir};
use assay_shared::policy::{Policy, Role};

/// A config that was verified just now.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// The config.
    pub config: LiveConfig,
    /// What of it stays in force, and what it was verified by.
    pub in_force: InForce,
}

/// Verifies the change of one strategy's config from `old` to `new` under the policy before it.
pub(super) fn verify(
    repo: &Repo,
    old: &str,
    new: &str,
    strategy: &str,
    (policy_text, policy): (&str, &Policy),
    logs: &Logs<'_>,
    host: &Host,
) -> Result<Deployment, GateError> {
    let path = LiveConfig::path(strategy);
    let Some(bytes) = repo.file(new, &path)? else {
        return refuse(Code::ConfigRemoved, path, "a live config cannot be removed");
    };
    let config = match LiveConfig::parse(&bytes) {
        Ok(c) => c,
        Err(e) => return refuse(Code::BadConfig, path, e.to_string()),
    };
    let sha256 = Hash::of(&bytes);
    let author = author(repo, new, &path, &bytes, &config, policy)?;
    check_version(repo, old, &path, &config)?;
    if config.promotion.strategy != strategy {
        return refuse(Code::WrongName, path, "the config is of another strategy than its file name says");
    }
    let policy_sha256 = Policy::hash_of(policy_text.as_bytes());
    let approved = approvals(repo, new, &config, &sha256, &policy_sha256, policy, &author.person)?;
    if config.promotion.retired && config.promotion.restores_version.is_none() {
        return refuse(Code::NotRestored, path, "what retires a strategy names the version in force");
    }
    if let Some(wanted) = config.promotion.restores_version {
        restore::verify(repo, old, &config, wanted)?;
    }
    claims::verify(repo, new, (&config, &sha256), &author, policy, logs, host)?;
    let p = &config.promotion;
    let in_force = InForce {
        strategy: p.strategy.clone(),
        version: p.version,
        retired: p.retired,
        author: p.author.clone(),
        sha256,
        commit: new.into(),
        policy_sha256,
        author_key: author.key,
        approver_keys: approved.iter().map(|a| a.key).collect(),
        approvers: approved.into_iter().map(|a| a.person).collect(),
        row: None,
    };
    Ok(Deployment { config, in_force })
}

pub(super) fn author(
    repo: &Repo,
    new: &str,
    path: &str,
    bytes: &[u8],
    config: &LiveConfig,
    policy: &Policy,
) -> Result<Signed, GateError> {
    let Some(signature) = repo.file(new, &format!("{path}.sig"))? else {
        return refuse(Code::Unsigned, path, "the config has no signature beside it");
    };
    let key = match sshsig::verify(&signature, NAMESPACE, bytes) {
        Ok(key) => key,
        Err(e) => return refuse(Code::BadSignature, path, e.to_string()),
    };
    let Some(person) = policy.person(&key, Role::Researcher) else {
        return refuse(
            Code::UnknownAuthor,
            path,
            format!("the key {} belongs to no researcher of the policy", key.id()),
        );
    };
    if person.name != config.promotion.author {
        return refuse(
            Code::AuthorMismatch,
            path,
            format!("it names {} but {} signed it", config.promotion.author, person.name),
        );
    }
    Ok(Signed { person: person.name.clone(), key })
}

pub(super) fn check_version(repo: &Repo, old: &str, path: &str, config: &LiveConfig) -> Result<(), GateError> {
    let p = &config.promotion;
    let before = repo.file(old, path)?;
    let (want, replaces) = match &before {
        None => (1, Hash::ZERO),
        Some(bytes) => match LiveConfig::parse(bytes) {
            Ok(c) if c.promotion.version == p.version && c.core_sha256() == config.core_sha256() => {
                return refuse(
                    Code::Version,
                    path,
                    format!("version {} is in force already: it is this one", p.version),
                );
            }
            Ok(c) => (c.promotion.version + 1, Hash::of(bytes)),
            Err(what) => return refuse(Code::BadConfig, path, format!("the config in force is malformed: {what}")),
        },
    };
    if p.version != want {
        return refuse(Code::Version, path, format!("version {} must be {want}", p.version));
    }
    if p.replaces_sha256 != replaces {
        return refuse(
            Code::Replaces,
            path,
            format!("it replaces {}, but {} is in force", p.replaces_sha256.short(), replaces.short()),
        );
    }
    Ok(())
}

/// Why signature files do not count, in words.
fn uncounted(files: &[(String, Vec<u8>)], statement: &str, policy: &Policy, author: &str) -> Vec<String> {
    let why = |bytes: &[u8]| match sshsig::verify(bytes, APPROVAL_NAMESPACE, statement.as_bytes()) {
        Err(e) => Some(e.to_string()),
        Ok(key) => match policy.person(&key, Role::Reviewer) {
            None => Some(format!("the key {} is no reviewer's", key.id())),
            Some(person) if person.name == author => Some("nobody approves what is their own".into()),
            Some(_) => None,
        },
    };
    let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_string();
    files.iter().filter_map(|(path, bytes)| Some(format!("{}: {}", name(path), why(bytes)?))).collect()
}

pub(super) fn approvals(
    repo: &Repo,
    new: &str,
    config: &LiveConfig,
    sha256: &Hash,
    policy_sha256: &Hash,
    policy: &Policy,
    author: &str,
) -> Result<Vec<Signed>, GateError> {
    let p = &config.promotion;
    let dir = format!("{}/approvals", evidence_dir(&p.strategy, p.version));
    let mut files = Vec::new();
    for path in repo.under(new, &dir)?.into_keys().filter(|f| f.ends_with(".sig")) {
        let bytes = repo.file(new, &path)?.unwrap_or_default();
        files.push((path, bytes));
    }
    let statement = approval_statement(config, sha256, policy_sha256);
    // What lies there as the statement is what people sign: it must be the one.
    let stated = repo.file(new, &format!("{}/statement", evidence_dir(&p.strategy, p.version)))?;
    if stated.is_some_and(|bytes| bytes != statement.as_bytes()) {
        return refuse(
            Code::BadStatement,
            dir,
            "the statement that lies there is not the one of this config and policy",
        );
    }
    let mut found = signers(&files, APPROVAL_NAMESPACE, statement.as_bytes(), policy, Role::Reviewer);
    found.retain(|s| s.person != author);
    let need = policy.thresholds.approvals as usize;
    if found.len() < need {
        let not = uncounted(&files, &statement, policy, author);
        let why = if not.is_empty() { String::new() } else { format!(": {}", not.join("; ")) };
        let (count, there) = (found.len(), files.len());
        let what = format!("{count} of {need} approvals by others count ({there} signature files lie there){why}");
        return refuse(Code::Approvals, LiveConfig::path(&p.strategy), what);
    }
    Ok(found)
}
