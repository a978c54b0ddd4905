//! Who signed: people, not keys.

use assay_ledger::{PublicKey, keys::sshsig};
use assay_shared::policy::{Policy, Role};

/// A valid signature by somebody whom the policy names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The person.
    pub person: String,
    /// The key.
    pub key: PublicKey,
}

/// The people with a role whose signature over `message` verifies. A signature by an unknown key,
/// over other bytes or in another namespace simply does not count.
pub fn signers(
    files: &[(String, Vec<u8>)],
    namespace: &str,
    message: &[u8],
    policy: &Policy,
    role: Role,
) -> Vec<Signed> {
    let mut out: Vec<Signed> = Vec::new();
    for (_, bytes) in files {
        let Ok(key) = sshsig::verify(bytes, namespace, message) else { continue };
        if let Some(person) = policy.person(&key, role)
            && !out.iter().any(|s| s.person == person.name)
        {
            out.push(Signed { person: person.name.clone(), key });
        }
    }
    out
}
