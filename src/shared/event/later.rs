//! Later runs of a trial as they are worked with, whatever recorded them.

use super::Event;
use super::environment::Environment;
use super::kinds::{Digest, hex};
use super::study::{BlockFact, blocks_v2, metrics_v2};
use serde::Serialize;
use std::collections::BTreeMap;

/// On what else than the study's own inputs a later run was made.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Elsewhere {
    #[serde(serialize_with = "hex")]
    pub data_hash: Digest,
    #[serde(serialize_with = "hex")]
    pub rulebook_hash: Digest,
    #[serde(skip)]
    pub environment: Environment,
}

/// A later run, as it is worked with.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct LaterFact {
    pub study_id: [u8; 16],
    pub number: u32,
    /// Of a forward run its own data; none of a vault.
    pub forward: Option<Elsewhere>,
    pub first_ms: i64,
    pub last_ms: i64,
    pub bars: u64,
    pub metrics: BTreeMap<String, f64>,
    pub blocks: Vec<BlockFact>,
    pub stream_hash: Digest,
}

impl Event {
    /// The later run that this event records.
    pub fn later(&self) -> Option<LaterFact> {
        Some(match self {
            Event::VaultOpened(e) => LaterFact {
                study_id: e.study_id,
                number: e.number,
                forward: None,
                first_ms: e.first_ms,
                last_ms: e.last_ms,
                bars: e.bars,
                metrics: metrics_v2(&e.metrics),
                blocks: blocks_v2(&e.blocks),
                stream_hash: e.stream_hash,
            },
            Event::ForwardRunCompleted(e) => LaterFact {
                study_id: e.study_id,
                number: e.number,
                forward: Some(Elsewhere {
                    data_hash: e.data_hash,
                    rulebook_hash: e.rulebook_hash,
                    environment: e.environment.clone().into(),
                }),
                first_ms: e.first_ms,
                last_ms: e.last_ms,
                bars: e.bars,
                metrics: metrics_v2(&e.metrics),
                blocks: blocks_v2(&e.blocks),
                stream_hash: e.stream_hash,
            },
            _ => return None,
        })
    }
}
