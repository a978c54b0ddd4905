//! What rests on a key that is feared for: everything that it signed on the deploy branch and in the logs.

use crate::clone::Clone;
use crate::error::LabError;
use assay_ledger::PublicKey;
use assay_ledger::keys::cosign::Witness;
use assay_ledger::keys::sshsig;
use assay_production::gate::{self, VerifiedLog, step};
use assay_production::repository::Repo;
use assay_shared::event::Event;
use assay_shared::format::config::{
    APPROVAL_NAMESPACE, LiveConfig, NAMESPACE, REPRODUCTION_NAMESPACE, REPRODUCTIONS, approval_statement, evidence_dir,
};
use assay_shared::policy::{self, Policy};
use serde::Serialize;
use std::collections::BTreeMap;

/// Something that a key signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signed {
    /// A strategy, a policy or a log.
    pub what: String,
    /// What the key did to it.
    pub did: String,
    /// It is in force.
    pub in_force: bool,
}

/// How many studies of a log have their seed from a witness with this key.
fn seeded(log: &VerifiedLog<'_>, key: &PublicKey) -> Result<usize, LabError> {
    let mut out = 0;
    for seq in 0..log.len() {
        let entry = log.entry(seq)?;
        if entry.kind() == "StudySeeded"
            && let Ok(Event::StudySeeded(e)) = Event::of(&entry)
        {
            out += usize::from(e.witness.parse::<Witness>().is_ok_and(|w| w.key == *key));
        }
    }
    Ok(out)
}

/// Everything that a key signed, what is in force first.
///
/// # Errors
/// A repository or a log that cannot be read.
pub fn signed_by(clone: &Clone, key: &PublicKey) -> Result<Vec<Signed>, LabError> {
    let mut out = Vec::new();
    for (strategy, version, sha256) in &clone.ever {
        let Some((old, new)) = step(&clone.repo, &clone.head, strategy, *version)? else { continue };
        let in_force = clone.live.iter().any(|d| d.sha256 == *sha256 && !d.retired);
        let did = of_version(&clone.repo, &old, &new, strategy, key)?;
        let what = format!("{strategy} v{version}");
        out.extend(did.into_iter().map(|did| Signed { what: what.clone(), did, in_force }));
    }
    out.extend(policies(clone, key)?);
    let (_, policy) = gate::policy_at(&clone.repo, &clone.head)?;
    for witness in policy.witnesses().into_iter().filter(|w| w.key == *key) {
        let what = format!("policy v{}", policy.version);
        out.push(Signed { what, did: format!("is the witness {}'s in it", witness.name), in_force: true });
    }
    for (origin, log) in gate::logs(&clone.repo, &policy)? {
        if log.roster.log_key == Some(key.to_bytes()) {
            let did = format!("signs its checkpoints, the last over {} entries", log.len());
            out.push(Signed { what: format!("log {origin}"), did, in_force: true });
        }
        let seeds = seeded(&log, key)?;
        if seeds > 0 {
            let did = format!("gave {seeds} of its studies their seeds, as a witness");
            out.push(Signed { what: format!("log {origin}"), did, in_force: false });
        }
        let mut kinds: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for seq in 0..log.len() {
            let entry = log.entry(seq)?;
            if entry.author == key.id() {
                let (count, last) = kinds.entry(entry.kind().to_string()).or_default();
                (*count, *last) = (*count + 1, seq);
            }
        }
        let row = |(kind, (count, last)): (String, (u64, u64))| Signed {
            what: format!("log {origin}"),
            did: format!("signed {count} {kind}, the last at entry {last}"),
            in_force: false,
        };
        out.extend(kinds.into_iter().map(row));
    }
    out.sort_by_key(|s| !s.in_force);
    Ok(out)
}

fn of_version(repo: &Repo, old: &str, new: &str, strategy: &str, key: &PublicKey) -> Result<Vec<String>, LabError> {
    let path = LiveConfig::path(strategy);
    let text = repo.file(new, &path)?.unwrap_or_default();
    let config = LiveConfig::parse(&text).map_err(LabError::format(new))?;
    let by = |file: &str, namespace: &str, message: &[u8]| -> Result<bool, LabError> {
        let signature = repo.file(new, file)?.unwrap_or_default();
        Ok(sshsig::verify(&signature, namespace, message).is_ok_and(|k| k == *key))
    };
    let mut out = Vec::new();
    if by(&format!("{path}.sig"), NAMESPACE, &text)? {
        out.push("proposed it".to_string());
    }
    let (policy_text, _) = gate::policy_at(repo, old)?;
    let sha256 = assay_ledger::Hash::of(&text);
    let statement = approval_statement(&config, &sha256, &Policy::hash_of(policy_text.as_bytes()));
    let dir = evidence_dir(strategy, config.promotion.version);
    for file in repo.under(new, &dir)?.into_keys().filter(|f| f.ends_with(".sig")) {
        if by(&file, APPROVAL_NAMESPACE, statement.as_bytes())? {
            out.push("approved it".into());
        }
        let text = repo.file(new, &format!("{}.txt", file.trim_end_matches(".sig")))?;
        if let (true, Some(text)) = (file.starts_with(&format!("{dir}/{REPRODUCTIONS}/")), text)
            && by(&file, REPRODUCTION_NAMESPACE, &text)?
        {
            out.push("reproduced it".into());
        }
    }
    Ok(out)
}

/// The versions of the policy that a key signed or is named by.
fn policies(clone: &Clone, key: &PublicKey) -> Result<Vec<Signed>, LabError> {
    let (mut out, mut at, mut newest) = (Vec::new(), Some(clone.head.clone()), None);
    while let Some(commit) = at {
        let parent = clone.repo.parent(&commit)?;
        let text = |commit: &str| clone.repo.file(commit, policy::PATH);
        let here = text(&commit)?;
        let before = parent.as_deref().map(text).transpose()?.flatten();
        if let Some(bytes) = here.filter(|h| before.as_ref() != Some(h)) {
            let (_, policy) = gate::policy_at(&clone.repo, &commit)?;
            let in_force = *newest.get_or_insert(policy.version) == policy.version;
            let mut did = Vec::new();
            for file in clone.repo.under(&commit, "configs/policy.sigs")?.into_keys() {
                let signature = clone.repo.file(&commit, &file)?.unwrap_or_default();
                if sshsig::verify(&signature, policy::NAMESPACE, &bytes).is_ok_and(|k| k == *key) {
                    did.push("signed it".to_string());
                }
            }
            let named = policy.people.iter().filter(|p| p.keys.contains(key));
            did.extend(named.map(|p| format!("is {}'s in it", p.name)));
            let what = format!("policy v{}", policy.version);
            out.extend(did.into_iter().map(|did| Signed { what: what.clone(), did, in_force }));
        }
        at = parent;
    }
    Ok(out)
}
