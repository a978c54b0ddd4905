//! The facts about a log itself: its founding, who counts in it, what it follows, what was erased.
//!
//! These structs are frozen like all others.

use super::codec::{Decode, Encode};
use super::kinds::{Digest, facts, hex};
use serde::Serialize;

/// What the new key of a rotation signs.
pub fn rotation_message(origin: &str, old: &Digest, new: &Digest) -> Vec<u8> {
    let len = (origin.len() as u64).to_be_bytes();
    [b"assay/key-rotation/v1\0", &len[..], origin.as_bytes(), old, new].concat()
}

/// That an admin agrees to a change of keys: SSHSIG over [`change_statement`], without its armour.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Consent {
    /// The admin's key.
    #[serde(serialize_with = "hex")]
    pub key: Digest,
    /// Over the namespace [`CONSENT_NAMESPACE`], with SHA-512.
    #[serde(serialize_with = "hex")]
    pub signature: [u8; 64],
}

/// The namespace of consents.
pub const CONSENT_NAMESPACE: &str = "key-change@assay";

/// What an admin signs to agree to a change of keys in a log: `revoke KEY`, `rotate OLD NEW` or
/// `add KEY PERSON ROLES`, keys in hex, roles with commas.
pub fn change_statement(origin: &str, change: &str) -> String {
    format!("assay/key-change/v1\n{origin}\n{change}\n")
}

facts! {
    /// The first entry of every log: who founded it, with which key, and the key of its checkpoints.
    LabCreated {
        lab: String,
        founder: String,
        #[serde(serialize_with = "hex")] key: Digest,
        #[serde(serialize_with = "hex")] log_key: Digest,
        engine_version: String,
    }

    /// A key began to count for a person.
    KeyAdded {
        person: String,
        roles: Vec<String>,
        #[serde(serialize_with = "hex")] key: Digest,
    }

    /// A key stopped counting, from this position on.
    KeyRevoked {
        #[serde(serialize_with = "hex")] key: Digest,
        reason: String,
    }

    /// A key was replaced: from this position on the new one counts for the same person and roles,
    /// and the old one no more.
    KeyRotated {
        #[serde(serialize_with = "hex")] old: Digest,
        #[serde(serialize_with = "hex")] new: Digest,
        /// By the new key over [`rotation_message`]: whoever introduces it also holds it.
        #[serde(serialize_with = "hex")] proof: [u8; 64],
    }

    /// From this position on, changes of who counts need that many admins, or all of them if they are
    /// fewer: one who adds an admin, revokes another person's key, or replaces an admin's.
    KeyThresholdSet {
        admins: u32,
    }

    /// [`KeyAdded`], with the consents of other admins.
    KeyAddedV2 {
        person: String,
        roles: Vec<String>,
        #[serde(serialize_with = "hex")] key: Digest,
        consents: Vec<Consent>,
    }

    /// [`KeyRevoked`], with the consents of other admins.
    KeyRevokedV2 {
        #[serde(serialize_with = "hex")] key: Digest,
        reason: String,
        consents: Vec<Consent>,
    }

    /// [`KeyRotated`], with the consents of other admins.
    KeyRotatedV2 {
        #[serde(serialize_with = "hex")] old: Digest,
        #[serde(serialize_with = "hex")] new: Digest,
        #[serde(serialize_with = "hex")] proof: [u8; 64],
        consents: Vec<Consent>,
    }

    /// This log goes on where another one ended, which cannot be gone on with: the last checkpoint of
    /// it that is known here.
    LogFollowed {
        origin: String,
        #[serde(serialize_with = "hex")] log_key: Digest,
        size: u64,
        #[serde(serialize_with = "hex")] root: Digest,
    }

    /// What an earlier entry records by its hash was destroyed. The entry stays, and so does every proof.
    PayloadErased {
        entry: u64,
        #[serde(serialize_with = "hex")] digest: Digest,
        reason: String,
    }
}
