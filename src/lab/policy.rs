//! Policies read, compared and signed: files that somebody edits, before they are pushed.

use crate::error::LabError;
use crate::place::read_text;
use assay_ledger::keys::sshsig;
use assay_ledger::{Hash, Signer};
use assay_shared::format::policy::MAX_TEXT;
use assay_shared::policy::{NAMESPACE, Policy, Role};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A policy from a file, with its hash.
#[derive(Debug, Clone)]
pub struct Found {
    /// The policy.
    pub policy: Policy,
    /// SHA-256 of its text.
    pub sha256: Hash,
    text: String,
}

/// Reads and checks a policy file.
///
/// # Errors
/// A file that cannot be read, or is no policy.
pub fn read(path: &Path) -> Result<Found, LabError> {
    let text = read_text(path, MAX_TEXT)?;
    let policy = Policy::parse(&text).map_err(LabError::format(path.display().to_string()))?;
    Ok(Found { sha256: Hash::of(text.as_bytes()), policy, text })
}

/// What changes from one policy to the next, in words; and what the gate would refuse in it.
pub fn diff(old: &Policy, new: &Policy) -> Vec<String> {
    let mut out = Vec::new();
    if new.version != old.version + 1 {
        out.push(format!("REFUSED: version {} must follow {}", new.version, old.version));
    }
    if new.single_person && !old.single_person {
        out.push("REFUSED: it becomes one of a single person".into());
    }
    let (t, u) = (&old.thresholds, &new.thresholds);
    let numbers = [
        ("approvals", t.approvals, u.approvals),
        ("signatures of a policy", t.policy, u.policy),
        ("witnesses", t.witnesses, u.witnesses),
        ("reproductions", t.reproductions, u.reproductions),
        ("reproductions from the vendor's files", t.reproductions_from_vendor, u.reproductions_from_vendor),
    ];
    for (name, before, after) in numbers.into_iter().filter(|(_, before, after)| before != after) {
        let less = if after < before { " (LESS THAN BEFORE)" } else { "" };
        out.push(format!("{name}: {before} -> {after}{less}"));
    }
    let gates = |p: &Policy| toml_lines(&serde_json::to_value(&p.gates).unwrap_or_default());
    if old.name != new.name {
        out.push(format!("name: {} -> {}", old.name, new.name));
    }
    let (before, after) = (gates(old), gates(new));
    out.extend(before.iter().filter(|l| !after.contains(*l)).map(|l| format!("- gate {l}")));
    out.extend(after.iter().filter(|l| !before.contains(*l)).map(|l| format!("+ gate {l}")));
    let lower = new.gates.looser_than(&old.gates);
    out.extend(lower.into_iter().map(|words| format!("gate {words} (LESS THAN BEFORE)")));
    let people = |p: &Policy| -> BTreeSet<String> {
        let person = |x: &assay_shared::policy::Person| {
            let roles: Vec<&str> = x.roles.iter().map(|r| r.name()).collect();
            let one =
                |key: &assay_ledger::PublicKey| format!("{} ({}) with the key {}", x.name, roles.join(", "), key.id());
            x.keys.iter().map(one).collect::<Vec<_>>()
        };
        p.people.iter().flat_map(person).collect()
    };
    let logs = |p: &Policy| -> BTreeSet<String> {
        let logs = p.origins.iter().map(|o| format!("log {}", o.vkey));
        logs.chain(p.witnesses.iter().map(|w| format!("witness {}", w.vkey))).collect()
    };
    for (before, after) in [(people(old), people(new)), (logs(old), logs(new))] {
        out.extend(before.difference(&after).map(|l| format!("- {l}")));
        out.extend(after.difference(&before).map(|l| format!("+ {l}")));
    }
    out
}

/// What may go wrong under a policy though nobody does anything wrong, in words.
pub fn risks(policy: &Policy) -> Vec<String> {
    let with = |role: Role| policy.people.iter().filter(move |p| p.has(role));
    let (roots, t, mut out) = (with(Role::Root).count(), &policy.thresholds, Vec::new());
    if let Some(one) = with(Role::Root).find(|p| p.keys.len() == 1).filter(|_| roots <= t.policy as usize) {
        out.push(format!(
            "no policy can follow this one if {} loses the key: all {roots} root people must sign; name another one, or a \
             second key of each",
            one.name
        ));
    }
    let need = t.approvals as usize + 1;
    if policy.people.len() < need {
        out.push(format!(
            "a halt cannot be ended: {need} people must be for it, and the policy has {}",
            policy.people.len()
        ));
    }
    // Nobody approves what is their own.
    for author in with(Role::Researcher) {
        let others = with(Role::Reviewer).filter(|p| p.name != author.name).count();
        if others < t.approvals as usize {
            let need = t.approvals;
            out.push(format!("{} can deploy nothing: {others} other reviewers, and {need} must approve", author.name));
        }
    }
    out
}

fn toml_lines(value: &serde_json::Value) -> BTreeSet<String> {
    let rows = value.as_object().into_iter().flatten();
    rows.map(|(name, value)| format!("{name} = {value}")).collect()
}

/// What signing a policy wrote.
#[derive(Debug, Clone)]
pub struct Signed {
    /// By whom.
    pub person: String,
    /// The signature, and the list of signers that the policy renders.
    pub files: [PathBuf; 2],
}

/// Signs a policy file as a root person of it, or of the one before: puts the signature into `policy.sigs` beside it,
/// and the list of signers that it renders.
///
/// # Errors
/// A key of no root person, or a folder that cannot be written.
pub fn sign(
    path: &Path,
    key: &Path,
    before: Option<&Policy>,
    passphrase: &dyn Fn(&Path) -> Option<String>,
) -> Result<Signed, LabError> {
    let found = read(path)?;
    let signer = Signer::read(key, passphrase)?;
    let public = signer.public();
    let root = |p: &Policy| p.person(&public, Role::Root).map(|person| person.name.clone());
    let person = root(&found.policy)
        .or_else(|| before.and_then(root))
        .ok_or_else(|| LabError::Refused(format!("the key {} belongs to no root person of the policy", public.id())))?;
    let signature = sshsig::sign(&signer, NAMESPACE, found.text.as_bytes())?;
    let dir = path.parent().unwrap_or(Path::new("."));
    let sigs = dir.join("policy.sigs");
    std::fs::create_dir_all(&sigs).map_err(LabError::io("create", &sigs))?;
    // Somebody whose key is replaced signs with both.
    let other = |file: &Path| {
        let by = std::fs::read(file).ok().and_then(|old| sshsig::verify(&old, NAMESPACE, found.text.as_bytes()).ok());
        by.is_some_and(|key| key != public)
    };
    let plain = sigs.join(format!("{person}.sig"));
    let file = if other(&plain) { sigs.join(format!("{person}-other-key.sig")) } else { plain };
    let files = [file, dir.join("allowed_signers")];
    for (file, text) in files.iter().zip([signature, found.policy.allowed_signers()]) {
        std::fs::write(file, text).map_err(LabError::io("write", file))?;
    }
    Ok(Signed { person, files })
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_shared::policy::{Gates, Person, Thresholds};

    /// Whoever is needed and cannot be done without is named before anything is lost.
    #[test]
    fn what_may_go_wrong_is_said_before() {
        let key = |n: u8| Signer::from_seed([n; 32]).public();
        let person =
            |name: &str, roles: &[Role], n: u8| Person { name: name.into(), roles: roles.to_vec(), keys: vec![key(n)] };
        let ana = person("ana", &[Role::Researcher, Role::Root], 1);
        let mut policy = Policy {
            format: 2,
            version: 1,
            name: "p".into(),
            single_person: false,
            thresholds: Thresholds {
                approvals: 1,
                policy: 2,
                witnesses: 0,
                reproductions: 1,
                reproductions_from_vendor: 0,
            },
            gates: Gates::usual("1".into(), false),
            people: vec![ana, person("ben", &[Role::Reviewer, Role::Root], 2)],
            origins: Vec::new(),
            witnesses: Vec::new(),
        };
        let said = risks(&policy).join("; ");
        assert!(said.contains("if ana loses the key"), "{said}");
        policy.people[0].keys.push(key(3));
        policy.people[1].keys.push(key(4));
        assert!(risks(&policy).is_empty(), "{:?}", risks(&policy));
        policy.people[1].keys.pop();
        policy.people.push(person("cy", &[Role::Root], 5));
        assert!(risks(&policy).is_empty(), "one of three may be lost: {:?}", risks(&policy));
        policy.thresholds.approvals = 3;
        let said = risks(&policy).join("; ");
        assert!(said.contains("ana can deploy nothing") && said.contains("a halt cannot be ended"), "{said}");
    }
}
