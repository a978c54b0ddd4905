//! The recorded facts, in the past tense: one frozen struct for each kind and version.
//!
//! # Adding a kind, or a version of one
//!
//! 1. A struct in [`kinds`]. It is never changed again: its bytes are in signed logs. A new version
//!    of a kind is a struct of its own, named with its number, beside the old one, which stays
//!    readable.
//! 2. A line in the table below: `KeyAddedV2 = "KeyAdded" 2`.
//! 3. A sample in the test, which gives it golden bytes (`ASSAY_BLESS=1 cargo test`).
//! 4. Who may record it, in [`roster`]; if it changes who may record what, also `ledger/FORMAT.md`.
//! 5. What it means: the mirror and the gate match on [`Event`], so the compiler names the places.
//!
//! A release that does not know a kind or version verifies it as opaque bytes, and stops there when
//! it has to understand it: nothing is promoted past it.

pub mod change;
pub mod codec;
pub mod declared;
pub mod environment;
pub mod extension;
pub mod kinds;
pub mod later;
pub mod people;
pub mod roster;
pub mod rules;
pub mod snapshot;
pub mod standing;
pub mod study;
pub mod vault;

use assay_ledger::{Draft, Entry, EventId};
pub use declared::*;
pub use environment::Environment;
pub use extension::*;
pub use kinds::*;
pub use people::*;
pub use vault::*;

/// Why a payload is no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// A kind or version of a later release: the chain verifies, replay stops here.
    #[error("unsupported event {kind} version {version}; a newer assay wrote it")]
    Unsupported {
        /// Kind as recorded.
        kind: String,
        /// Version as recorded.
        version: u16,
    },
    /// The bytes are not the canonical encoding of that kind.
    #[error("malformed {kind}: {what}")]
    Malformed {
        /// Kind.
        kind: String,
        /// What is wrong.
        what: String,
    },
}

macro_rules! events {
    ($($variant:ident = $kind:literal $version:literal),* $(,)?) => {
        /// A recorded fact.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(missing_docs)]
        pub enum Event { $($variant($variant)),* }

        $(impl From<$variant> for Event {
            fn from(e: $variant) -> Event { Event::$variant(e) }
        })*

        impl Event {
            /// Every kind that this release knows, as recorded; one of several versions stands there more than once.
            pub const KINDS: &[&str] = &[$($kind),*];

            /// Kind as recorded.
            pub fn kind(&self) -> &'static str {
                match self { $(Event::$variant(_) => $kind),* }
            }

            /// Schema version as recorded.
            pub fn version(&self) -> u16 {
                match self { $(Event::$variant(_) => $version),* }
            }

            /// The payload's bytes.
            ///
            /// # Errors
            /// A number that is not finite.
            pub fn encode(&self) -> Result<Vec<u8>, EventError> {
                match self { $(Event::$variant(e) => codec::encode(e).map_err(|what| malformed($kind, what))),* }
            }

            /// Reads a payload. Only the canonical encoding is accepted.
            ///
            /// # Errors
            /// [`EventError`].
            pub fn decode(kind: &str, version: u16, payload: &[u8]) -> Result<Event, EventError> {
                match (kind, version) {
                    $(($kind, $version) => {
                        codec::decode(payload).map(Event::$variant).map_err(|what| malformed(kind, what))
                    })*
                    _ => Err(EventError::Unsupported { kind: kind.into(), version }),
                }
            }

            /// The kind as JSON, for people and jq.
            pub fn to_json(&self) -> serde_json::Value {
                match self { $(Event::$variant(e) => serde_json::to_value(e).unwrap_or_default()),* }
            }
        }
    };
}

events! {
    LabCreated = "LabCreated" 1,
    KeyAdded = "KeyAdded" 1,
    KeyRevoked = "KeyRevoked" 1,
    KeyRotated = "KeyRotated" 1,
    KeyThresholdSet = "KeyThresholdSet" 1,
    KeyAddedV2 = "KeyAdded" 2,
    KeyRevokedV2 = "KeyRevoked" 2,
    KeyRotatedV2 = "KeyRotated" 2,
    LogFollowed = "LogFollowed" 1,
    PayloadErased = "PayloadErased" 1,
    RulebookRegistered = "RulebookRegistered" 1,
    SnapshotRegistered = "SnapshotRegistered" 1,
    SnapshotRegisteredV2 = "SnapshotRegistered" 2,
    StrategyRegistered = "StrategyRegistered" 1,
    StudyOpened = "StudyOpened" 1,
    StudyOpenedV2 = "StudyOpened" 2,
    TrialCompleted = "TrialCompleted" 1,
    TrialCompletedV2 = "TrialCompleted" 2,
    TrialPruned = "TrialPruned" 1,
    TrialPrunedV2 = "TrialPruned" 2,
    TrialFailed = "TrialFailed" 1,
    TrialFailedV2 = "TrialFailed" 2,
    PrunedTrialFinished = "PrunedTrialFinished" 1,
    StudySeeded = "StudySeeded" 1,
    StudyExtended = "StudyExtended" 1,
    StudyClosed = "StudyClosed" 1,
    StudyClosedV2 = "StudyClosed" 2,
    WalkForwardCompleted = "WalkForwardCompleted" 1,
    VaultOpened = "VaultOpened" 1,
    TrialsDeclared = "TrialsDeclared" 1,
    ForwardRunCompleted = "ForwardRunCompleted" 1,
    ParityVerified = "ParityVerified" 1,
    PromotionProposed = "PromotionProposed" 1,
    RollbackProposed = "RollbackProposed" 1,
    ApprovalRecorded = "ApprovalRecorded" 1,
    PromotionDeployed = "PromotionDeployed" 1,
    DriftDetected = "DriftDetected" 1,
    DriftHealed = "DriftHealed" 1,
    HaltSaid = "HaltSaid" 1,
}

fn malformed(kind: &str, what: String) -> EventError {
    EventError::Malformed { kind: kind.into(), what }
}

impl Event {
    /// The event of an entry.
    ///
    /// # Errors
    /// [`EventError`].
    pub fn of(entry: &Entry) -> Result<Event, EventError> {
        Event::decode(entry.kind(), entry.version, entry.payload())
    }

    /// The draft to append, under [`Event::id`].
    ///
    /// # Errors
    /// A number that is not finite.
    pub fn draft(&self) -> Result<Draft, EventError> {
        let payload = self.encode()?;
        Ok(Draft { id: self.id(&payload), kind: self.kind().into(), version: self.version(), payload })
    }

    /// The id of an event with this payload. It comes from the event's logical key: a trial of a study has one
    /// id whatever became of it, so it cannot be recorded twice; other events are themselves.
    pub fn id(&self, payload: &[u8]) -> EventId {
        if let Some((study, number)) = self.trial_key() {
            return trial_id(&study, number);
        }
        match self {
            Event::StudyOpened(s) => EventId::derived(&[b"study", &s.study_id]),
            Event::StudyOpenedV2(s) => EventId::derived(&[b"study", &s.study_id]),
            Event::StudyClosed(s) => EventId::derived(&[b"study-closed", &s.study_id]),
            Event::StudyClosedV2(s) => EventId::derived(&[b"study-closed", &s.study_id, &s.round.to_be_bytes()]),
            Event::StudyExtended(s) => EventId::derived(&[b"study-extended", &s.study_id, &s.round.to_be_bytes()]),
            Event::StudySeeded(s) => EventId::derived(&[b"study-seeded", &s.study_id]),
            Event::PrunedTrialFinished(t) => {
                EventId::derived(&[b"trial-finished", &t.study_id, &t.number.to_be_bytes()])
            }
            Event::VaultOpened(v) => EventId::derived(&[b"vault", &v.study_id, &v.number.to_be_bytes()]),
            Event::ForwardRunCompleted(f) => {
                EventId::derived(&[b"forward", &f.study_id, &f.number.to_be_bytes(), &f.data_hash])
            }
            _ => EventId::derived(&[self.kind().as_bytes(), payload]),
        }
    }
}

impl Event {
    /// Study and number, of an event that ends a trial.
    pub fn trial_key(&self) -> Option<([u8; 16], u32)> {
        match self {
            Event::TrialCompleted(t) => Some((t.study_id, t.number)),
            Event::TrialCompletedV2(t) => Some((t.study_id, t.number)),
            Event::TrialPruned(t) => Some((t.study_id, t.number)),
            Event::TrialPrunedV2(t) => Some((t.study_id, t.number)),
            Event::TrialFailed(t) => Some((t.study_id, t.number)),
            Event::TrialFailedV2(t) => Some((t.study_id, t.number)),
            _ => None,
        }
    }
}

/// The one event id of a trial.
pub fn trial_id(study: &[u8; 16], number: u32) -> EventId {
    EventId::derived(&[b"trial", study, &number.to_be_bytes()])
}

#[cfg(test)]
mod tests;
