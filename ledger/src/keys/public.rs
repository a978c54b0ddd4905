//! OpenSSH ed25519 public keys: their forms, their ids, and strict verification.
//!
//! A key's id is its OpenSSH fingerprint, so `ssh-keygen -lf` shows the same.

use crate::error::LedgerError;
use crate::format::hash::Hash;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A key's id: SHA-256 of its OpenSSH public key blob, shown as `SHA256:…` in base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub Hash);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SHA256:{}", STANDARD_NO_PAD.encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// An ed25519 public key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey {
    key: VerifyingKey,
    id: KeyId,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id())
    }
}

impl PublicKey {
    /// From 32 raw bytes; points that are weak or not on the curve are refused.
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<PublicKey> {
        VerifyingKey::from_bytes(bytes).ok().filter(|k| !k.is_weak()).map(PublicKey::of)
    }

    pub(super) fn of(key: VerifyingKey) -> PublicKey {
        PublicKey { key, id: KeyId(Hash::of(&wire(&key))) }
    }

    /// The 32 raw bytes.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    /// The key's id.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The OpenSSH wire blob: `string "ssh-ed25519" || string key`.
    pub fn wire(&self) -> Vec<u8> {
        wire(&self.key)
    }

    /// The one-line form of `authorized_keys`, without a comment.
    pub fn to_openssh(&self) -> String {
        format!("ssh-ed25519 {}", base64::engine::general_purpose::STANDARD.encode(self.wire()))
    }

    /// Verifies a signature, refusing weak keys and small-order points.
    ///
    /// # Errors
    /// [`LedgerError::Unverified`].
    pub fn verify_strict(&self, message: &[u8], signature: &[u8]) -> Result<(), LedgerError> {
        let fail = || LedgerError::Unverified { what: "the signature", why: format!("not by key {}", self.id()) };
        let signature = Signature::from_slice(signature).map_err(|_| fail())?;
        self.key.verify_strict(message, &signature).map_err(|_| fail())
    }

    pub(crate) fn inner(&self) -> &VerifyingKey {
        &self.key
    }
}

fn wire(key: &VerifyingKey) -> Vec<u8> {
    let mut out = vec![0, 0, 0, 11];
    out.extend_from_slice(b"ssh-ed25519\0\0\0 ");
    out.extend_from_slice(key.as_bytes());
    out
}

impl FromStr for PublicKey {
    type Err = LedgerError;
    fn from_str(text: &str) -> Result<PublicKey, LedgerError> {
        let bad = |why: String| LedgerError::Malformed { what: "public key", why };
        let kind = text.split_whitespace().next().unwrap_or_default();
        if kind.starts_with("ssh-") && kind != "ssh-ed25519" || kind.starts_with("ecdsa-") {
            return Err(bad(format!("it is {kind}, not ssh-ed25519")));
        }
        let key = ssh_key::PublicKey::from_openssh(text.trim()).map_err(|e| bad(e.to_string()))?;
        let ed = key.key_data().ed25519().ok_or_else(|| bad(format!("it is {}, not ssh-ed25519", key.algorithm())))?;
        PublicKey::from_bytes(&ed.0).ok_or_else(|| bad("it is a weak key".into()))
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.to_openssh())
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<PublicKey, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_the_openssh_fingerprint() {
        let public =
            PublicKey::from_bytes(&ed25519_dalek::SigningKey::from_bytes(&[5; 32]).verifying_key().to_bytes()).unwrap();
        let ssh = ssh_key::PublicKey::from_openssh(&public.to_openssh()).unwrap();
        assert_eq!(ssh.fingerprint(ssh_key::HashAlg::Sha256).to_string(), public.id().to_string());
        assert_eq!(public.to_openssh().parse::<PublicKey>().unwrap(), public);
    }
}
