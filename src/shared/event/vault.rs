//! What was seen of a trial after its study: bars that no trial saw, and bars that did not exist when it was opened.
//!
//! These structs are frozen like all others.

use super::codec::{Decode, Encode, Real};
use super::kinds::{BlockV2, Digest, EnvironmentV2, MetricCode, facts, hex};
use serde::Serialize;

facts! {
    /// A trial was run over the vault of its study, flat at its beginning, with its own cash.
    VaultOpened {
        #[serde(serialize_with = "hex")] study_id: [u8; 16],
        number: u32,
        first_ms: i64,
        last_ms: i64,
        bars: u64,
        metrics: Vec<(MetricCode, Real)>,
        blocks: Vec<BlockV2>,
        #[serde(serialize_with = "hex")] stream_hash: Digest,
    }

    /// A trial was run over bars that are younger than its study's opening, flat at their beginning, with its own cash.
    ForwardRunCompleted {
        #[serde(serialize_with = "hex")] study_id: [u8; 16],
        number: u32,
        #[serde(serialize_with = "hex")] data_hash: Digest,
        #[serde(serialize_with = "hex")] rulebook_hash: Digest,
        environment: EnvironmentV2,
        first_ms: i64,
        last_ms: i64,
        bars: u64,
        metrics: Vec<(MetricCode, Real)>,
        blocks: Vec<BlockV2>,
        #[serde(serialize_with = "hex")] stream_hash: Digest,
    }
}
