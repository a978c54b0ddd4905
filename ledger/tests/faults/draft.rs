//! The events that the exerciser appends.

use assay_ledger::{Draft, EventId};

/// The event at a position: the same whoever appends it.
pub fn draft(n: u64) -> Draft {
    let id = EventId::derived(&[b"exercise", &n.to_be_bytes()]);
    Draft { id, kind: "Exercise".into(), version: 1, payload: vec![n as u8; 30 + (n * 97 % 4800) as usize] }
}
