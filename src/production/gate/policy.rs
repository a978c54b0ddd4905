//! Changes of the policy: the root of trust.

use super::approvals::signers;
use super::pins::Host;
use super::refusal::{Code, GateError, refuse};
use crate::repository::git::Repo;
use assay_ledger::Hash;
use assay_shared::policy::{NAMESPACE, PATH, Policy, Role};
use std::collections::BTreeSet;

/// The policy of a commit, with its text.
///
/// # Errors
/// None, or a malformed one.
pub fn at(repo: &Repo, commit: &str) -> Result<(String, Policy), GateError> {
    let Some(bytes) = repo.file(commit, PATH)? else {
        return refuse(Code::NoPolicy, PATH, "the deploy branch has no policy");
    };
    let Ok(text) = String::from_utf8(bytes) else { return refuse(Code::BadPolicy, PATH, "it is not UTF-8") };
    match Policy::parse(&text) {
        Ok(policy) => Ok((text, policy)),
        Err(e) => refuse(Code::BadPolicy, PATH, e.to_string()),
    }
}

/// SHA-256 of the first policy of the line that ends at a commit.
///
/// # Errors
/// A line that begins with no policy.
pub fn genesis_of(repo: &Repo, commit: &str) -> Result<Hash, GateError> {
    let mut at = commit.to_string();
    while let Some(parent) = repo.parent(&at)? {
        at = parent;
    }
    Ok(Policy::hash_of(self::at(repo, &at)?.0.as_bytes()))
}

/// The first push of the deploy branch: the pinned policy and nothing that is live.
pub(super) fn genesis(repo: &Repo, new: &str, host: &Host) -> Result<String, GateError> {
    let (text, policy) = at(repo, new)?;
    if Policy::hash_of(text.as_bytes()) != host.settings.genesis_policy_sha256 || policy.version != 1 {
        return refuse(Code::Genesis, PATH, "the first policy is not the one this host was set up with");
    }
    let allowed = |p: &str| {
        p == PATH || p.starts_with("configs/policy.sigs/") || p == "configs/allowed_signers" || p == "README.md"
    };
    match repo.list(new)?.keys().find(|p| !allowed(p)) {
        Some(other) => refuse(Code::Genesis, other, "the first push holds the policy only"),
        None => Ok(format!("policy v1 '{}' accepted as the root of trust", policy.name)),
    }
}

/// A change: version exactly +1, signed by the threshold of the old and of the new policy.
pub(super) fn change(repo: &Repo, old: &str, new: &str) -> Result<String, GateError> {
    let ((_, before), (text, after)) = (at(repo, old)?, at(repo, new)?);
    if after.version != before.version + 1 {
        return refuse(Code::PolicyVersion, PATH, format!("version {} must follow {}", after.version, before.version));
    }
    if after.single_person && !before.single_person {
        let what = "a policy that needs several people cannot become one of a single person";
        return refuse(Code::PolicyPeople, PATH, what);
    }
    let files: Vec<(String, Vec<u8>)> = repo
        .under(new, "configs/policy.sigs")?
        .into_keys()
        .map(|p| Ok::<_, GateError>((p.clone(), repo.file(new, &p)?.unwrap_or_default())))
        .collect::<Result<_, _>>()?;
    for (policy, which) in [(&before, "old"), (&after, "new")] {
        let found: BTreeSet<String> =
            signers(&files, NAMESPACE, text.as_bytes(), policy, Role::Root).into_iter().map(|s| s.person).collect();
        let need = policy.thresholds.policy as usize;
        if found.len() < need {
            return refuse(
                Code::PolicyThreshold,
                PATH,
                format!("{} of {need} root people of the {which} policy have signed it", found.len()),
            );
        }
    }
    Ok(format!("policy v{} accepted", after.version))
}
