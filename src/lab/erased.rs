//! What was destroyed on purpose: the events that say so.

use crate::error::LabError;
use assay_ledger::Log;
use assay_shared::event::Event;
use std::collections::BTreeMap;

/// What was destroyed on purpose, by its hash, and the entry that says so first.
///
/// # Errors
/// A ledger that cannot be read.
pub fn erasures(log: &Log) -> Result<BTreeMap<[u8; 32], u64>, LabError> {
    let mut out = BTreeMap::new();
    for seq in log.newest_of("PayloadErased", 0..log.len(), usize::MAX)? {
        if let Event::PayloadErased(e) = Event::of(&log.entry(seq)?)? {
            out.insert(e.digest, seq);
        }
    }
    Ok(out)
}
