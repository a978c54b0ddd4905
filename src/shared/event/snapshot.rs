//! What any version of a snapshot's registration says.

use crate::event::Event;

/// A snapshot as it was registered.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct SnapshotFact {
    pub data_hash: [u8; 32],
    /// The rule book that it is bound to; version 1 names none.
    pub rulebook_hash: Option<[u8; 32]>,
    pub symbols: Vec<String>,
    pub interval_ms: i64,
    pub first_ms: i64,
    pub last_ms: i64,
    pub bars: u64,
    pub generated: bool,
    pub source: String,
    pub treatments: Vec<String>,
    /// What its rule book assumes; version 1 says nothing.
    pub assumptions: Vec<String>,
    pub findings: u32,
    /// Raw files, and those of them that were compared with the vendor's checksum; version 1 says nothing.
    pub files: Option<(u32, u32)>,
}

impl Event {
    /// The registration of a snapshot, of whichever version.
    pub fn snapshot(&self) -> Option<SnapshotFact> {
        macro_rules! fact {
            ($e:expr, $book:expr, $assumptions:expr, $files:expr) => {
                Some(SnapshotFact {
                    data_hash: $e.data_hash,
                    rulebook_hash: $book,
                    symbols: $e.symbols.clone(),
                    interval_ms: $e.interval_ms,
                    first_ms: $e.first_ms,
                    last_ms: $e.last_ms,
                    bars: $e.bars,
                    generated: $e.generated,
                    source: $e.source.clone(),
                    treatments: $e.treatments.clone(),
                    assumptions: $assumptions,
                    findings: $e.findings,
                    files: $files,
                })
            };
        }
        match self {
            Event::SnapshotRegistered(e) => fact!(e, None, Vec::new(), None),
            Event::SnapshotRegisteredV2(e) => {
                fact!(e, Some(e.rulebook_hash), e.assumptions.clone(), Some((e.files, e.vendor_checked)))
            }
            _ => None,
        }
    }
}
