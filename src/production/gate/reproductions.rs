//! Who ran a promoted trial and its study again, and got the same.

use super::refusal::{Code, GateError, refuse};
use crate::repository::git::Repo;
use assay_ledger::Hash;
use assay_ledger::keys::sshsig;
use assay_shared::format::config::{LiveConfig, REPRODUCTION_NAMESPACE, REPRODUCTIONS, evidence_dir};
use assay_shared::format::reproduction::{Origin, Reproduction};
use assay_shared::policy::{Policy, Role};
use std::collections::BTreeMap;

/// Trials of a study that must have been run again, beside the promoted one; all of a smaller one.
const LEAST: u32 = 32;

/// How many trials of so many must have been run again for a reproduction to count.
pub fn least(trials: u32) -> u32 {
    LEAST.min(trials)
}

/// The people besides the author whose reproductions of a config count, each with where the data came from.
///
/// # Errors
/// A repository that cannot be read.
pub fn found(
    repo: &Repo,
    commit: &str,
    config: &LiveConfig,
    sha256: &Hash,
    trials: u32,
    policy: &Policy,
) -> Result<BTreeMap<String, Origin>, GateError> {
    let p = &config.promotion;
    let dir = format!("{}/{REPRODUCTIONS}", evidence_dir(&p.strategy, p.version));
    let mut out = BTreeMap::new();
    for path in repo.under(commit, &dir)?.into_keys().filter(|f| f.ends_with(".txt")) {
        let (Some(text), Some(signature)) =
            (repo.file(commit, &path)?, repo.file(commit, &format!("{}.sig", path.trim_end_matches(".txt")))?)
        else {
            continue;
        };
        let Ok(key) = sshsig::verify(&signature, REPRODUCTION_NAMESPACE, &text) else { continue };
        let person = policy.person(&key, Role::Reviewer).or_else(|| policy.person(&key, Role::Researcher));
        let Some(person) = person.filter(|person| person.name != p.author) else { continue };
        let Ok(r) = Reproduction::parse(&text) else { continue };
        let same = r.strategy == p.strategy
            && r.version == p.version
            && r.config == *sha256
            && r.data == p.data_hash
            && r.study == p.study_id
            && r.trial == p.trial_id
            && r.stream == p.stream_hash
            && Some(r.results) == config.environment.results
            && r.trials == trials;
        if same && (least(trials)..=trials).contains(&r.ran) {
            out.insert(person.name.clone(), r.origin);
        }
    }
    Ok(out)
}

/// That as many people reproduced a config as the policy asks for.
pub(super) fn verify(
    repo: &Repo,
    commit: &str,
    config: &LiveConfig,
    sha256: &Hash,
    trials: u32,
    policy: &Policy,
) -> Result<(), GateError> {
    let (t, path) = (&policy.thresholds, LiveConfig::path(&config.promotion.strategy));
    if t.reproductions == 0 && t.reproductions_from_vendor == 0 {
        return Ok(());
    }
    let found = found(repo, commit, config, sha256, trials, policy)?;
    let vendor = found.values().filter(|origin| **origin == Origin::Vendor).count();
    for (have, need, what) in [
        (found.len(), t.reproductions, "reproductions by others"),
        (vendor, t.reproductions_from_vendor, "reproductions by others from the vendor's files"),
    ] {
        if have < need as usize {
            let what = format!("{have} of {need} {what} count: somebody else runs `assay reproduce`");
            return refuse(Code::Reproductions, path, what);
        }
    }
    Ok(())
}
