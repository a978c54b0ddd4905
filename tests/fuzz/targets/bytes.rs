//! Bytes of a log by anybody: refused or read, never a panic; what is read is written back as it was.

#![no_main]

use assay_ledger::keys::note::Note;
use assay_ledger::keys::sshsig;
use assay_ledger::tree::proof::Proof;
use assay_ledger::{Entry, PublicKey};
use assay_shared::event::Event;

const KINDS: [&str; 8] = [
    "LabCreated", "KeyAdded", "KeyRotated", "StudyOpened", "TrialCompleted", "TrialPruned", "StudyClosed",
    "PromotionProposed",
];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(entry) = Entry::decode(data.to_vec()) {
        let _ = Event::of(&entry);
    }
    if let Ok(proof) = Proof::parse(data) {
        assert_eq!(proof.to_bytes(), data);
    }
    let _ = Note::parse(data);
    let _ = sshsig::verify(data, "fuzz", b"message");
    let _ = std::str::from_utf8(data).map(|t| t.parse::<PublicKey>());
    if let Some((which, payload)) = data.split_first() {
        let (kind, version) = (KINDS[usize::from(*which) % KINDS.len()], 1 + u16::from(*which >> 7));
        if let Ok(event) = Event::decode(kind, version, payload) {
            assert_eq!(event.encode().unwrap(), payload, "only the canonical encoding is read");
        }
    }
});
