//! What verification finds: stable reason codes, each with a position and words.

use serde::Serialize;

/// Why an entry was refused. The names are stable: tools may match on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The bytes are no entry.
    BadEncoding,
    /// The entry belongs to another log.
    WrongOrigin,
    /// The sequence number is not the next one.
    WrongSequence,
    /// The link does not fit the entry before.
    ChainBreak,
    /// The signature does not verify.
    BadSignature,
    /// Nobody vouched for the author's key.
    UnknownKey,
    /// The author's key was revoked before this position.
    RevokedKey,
    /// The author may not record this kind.
    RoleNotAllowed,
    /// The time is before the entry before.
    TimeRegressed,
    /// The event id stands twice.
    DuplicateId,
    /// The payload is malformed or of an unsupported version.
    BadPayload,
    /// The log is shorter than a checkpoint of it.
    ShorterThanCheckpoint,
    /// The root over the entries is not the checkpoint's.
    RootMismatch,
    /// The checkpoint does not verify.
    BadCheckpoint,
    /// The journal is damaged.
    JournalDamaged,
    /// The index differs from the journal.
    IndexDiffers,
    /// An exported tile or bundle is missing, malformed or does not fit.
    BadTile,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = serde_variant(*self);
        f.write_str(&text)
    }
}

fn serde_variant(reason: Reason) -> String {
    let mut out = String::new();
    for c in format!("{reason:?}").chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.extend(c.to_lowercase());
    }
    out
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Sequence number; for the whole log, its length.
    pub seq: u64,
    /// Stable code.
    pub reason: Reason,
    /// In words.
    pub detail: String,
}
