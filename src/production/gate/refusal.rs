//! Why the gate says no, or cannot answer.

use crate::repository::git::RepoError;
use assay_ledger::LedgerError;
use serde::{Serialize, Serializer};
use std::fmt;

macro_rules! codes {
    ($($variant:ident = $name:literal,)*) => {
        /// Why something is refused. The spelling is stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub enum Code { $($variant),* }

        impl Code {
            /// All codes.
            pub const ALL: &[Code] = &[$(Code::$variant),*];

            /// Its spelling.
            pub fn name(self) -> &'static str {
                match self { $(Code::$variant => $name),* }
            }
        }
    };
}

codes! {
    Approvals = "approvals",
    AuthorMismatch = "author-mismatch",
    BadCheckpoint = "bad-checkpoint",
    BadConfig = "bad-config",
    BadEncoding = "bad-encoding",
    BadPayload = "bad-payload",
    BadPolicy = "bad-policy",
    BadProof = "bad-proof",
    BadSignature = "bad-signature",
    BadSigners = "bad-signers",
    BadStatement = "bad-statement",
    BadStrategy = "bad-strategy",
    BadTiles = "bad-tiles",
    ChainBreak = "chain-break",
    Checkpoint = "checkpoint",
    ClaimDiffers = "claim-differs",
    ClosingDiffers = "closing-differs",
    ConfigRemoved = "config-removed",
    Deletion = "deletion",
    DuplicateId = "duplicate-id",
    EventDiffers = "event-differs",
    EventMissing = "event-missing",
    EventOrder = "event-order",
    EvidenceChanged = "evidence-changed",
    FigureDiffers = "figure-differs",
    Fork = "fork",
    Future = "future",
    Gate = "gate",
    Genesis = "genesis",
    IndexDiffers = "index-differs",
    JournalDamaged = "journal-damaged",
    LaterDiffers = "later-differs",
    LogKey = "log-key",
    MalformedEvent = "malformed-event",
    MixedPush = "mixed-push",
    NoBranch = "no-branch",
    NoCheckpoint = "no-checkpoint",
    NoEvidence = "no-evidence",
    NoParity = "no-parity",
    NoPolicy = "no-policy",
    NonFastForward = "non-fast-forward",
    NotCounted = "not-counted",
    NotFirstParent = "not-first-parent",
    NotRestored = "not-restored",
    OldFormat = "old-format",
    PathNotAllowed = "path-not-allowed",
    PolicyPeople = "policy-people",
    PolicyThreshold = "policy-threshold",
    PolicyVersion = "policy-version",
    ProposalAuthor = "proposal-author",
    ProposalDiffers = "proposal-differs",
    PruningDiffers = "pruning-differs",
    Recreated = "recreated",
    ReferenceNotAllowed = "reference-not-allowed",
    Replaces = "replaces",
    Reproductions = "reproductions",
    ResultsVersion = "results-version",
    RevokedKey = "revoked-key",
    RoleNotAllowed = "role-not-allowed",
    Rollback = "rollback",
    RootMismatch = "root-mismatch",
    SeedReach = "seed-reach",
    ShorterThanCheckpoint = "shorter-than-checkpoint",
    Stale = "stale",
    StudyOpening = "study-opening",
    SuggestionDiffers = "suggestion-differs",
    TimeRegressed = "time-regressed",
    Timestamp = "timestamp",
    TooLarge = "too-large",
    TrialOrder = "trial-order",
    UnknownAuthor = "unknown-author",
    UnknownKey = "unknown-key",
    UnknownOrigin = "unknown-origin",
    Unsigned = "unsigned",
    UnsupportedEvent = "unsupported-event",
    Version = "version",
    WitnessQuorum = "witness-quorum",
    WrongBranch = "wrong-branch",
    WrongEvent = "wrong-event",
    WrongName = "wrong-name",
    WrongOrigin = "wrong-origin",
    WrongSequence = "wrong-sequence",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.name())
    }
}

/// Why a push or a state is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("[{code}] {place}: {what}")]
pub struct Refusal {
    /// The reason.
    pub code: Code,
    /// Reference, path or entry.
    pub place: String,
    /// What is wrong, in words.
    pub what: String,
}

/// Why the gate could not answer, or answers no.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// No.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The repository could not be read.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// A log could not be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The gate's own files.
    #[error("the gate's {what}")]
    Host {
        /// Which file and what is wrong.
        what: String,
    },
}

pub(crate) fn refuse<T>(code: Code, place: impl Into<String>, what: impl Into<String>) -> Result<T, GateError> {
    Err(GateError::Refused(Refusal { code, place: place.into(), what: what.into() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hosts and scripts recognise refusals by these words.
    #[test]
    fn spellings_stand() {
        let all: Vec<&str> = Code::ALL.iter().map(|c| c.name()).collect();
        assert_eq!(
            all.join(" "),
            "approvals author-mismatch bad-checkpoint bad-config bad-encoding bad-payload bad-policy bad-proof bad-signature bad-signers bad-statement bad-strategy bad-tiles chain-break checkpoint claim-differs closing-differs config-removed deletion duplicate-id event-differs event-missing event-order evidence-changed figure-differs fork future gate genesis index-differs journal-damaged later-differs log-key malformed-event mixed-push no-branch no-checkpoint no-evidence no-parity no-policy non-fast-forward not-counted not-first-parent not-restored old-format path-not-allowed policy-people policy-threshold policy-version proposal-author proposal-differs pruning-differs recreated reference-not-allowed replaces reproductions results-version revoked-key role-not-allowed rollback root-mismatch seed-reach shorter-than-checkpoint stale study-opening suggestion-differs time-regressed timestamp too-large trial-order unknown-author unknown-key unknown-origin unsigned unsupported-event version witness-quorum wrong-branch wrong-event wrong-name wrong-origin wrong-sequence"
        );
    }
}
