//! A run of a trial over bars that its study did not search on.

use crate::event::later::LaterFact;
use crate::event::snapshot::SnapshotFact;

/// A later run in a log.
#[derive(Debug, Clone, PartialEq)]
pub struct LaterRun {
    /// Where it stands.
    pub seq: u64,
    /// The run.
    pub fact: LaterFact,
    /// The registration of its data; none of data that are not registered.
    pub data: Option<SnapshotFact>,
}

/// As little of it as counts for others: its trial, and the openings of its first and last bar.
pub(super) type Run = (u32, i64, i64);
