//! Whoever can write files can put entries into the journal, with right checksums and a right mark:
//! nothing is signed over them, read from them, or lost because of them.

use crate::audit::export::export;
use crate::audit::{Reason, scrub};
use crate::error::LedgerError;
use crate::format::entry::{Draft, Entry, Place, content};
use crate::format::frame;
use crate::format::hash::Hash;
use crate::keys::signer::Signer;
use crate::log::rebuild::{Source, rebuild};
use crate::log::{Home, Log};
use crate::storage::disk::RealDisk;
use crate::storage::journal::mark_bytes;
use crate::storage::tail_file;
use crate::testing::stage::{draft, drafts, keys, log_key, new_log, sealed, segment, signer, trust};
use crate::tree::merkle::Nodes as _;
use std::path::Path;

/// Appends an entry to the files, as whoever can write them can.
fn plant(dir: &Path, entry: &[u8], len: u64) {
    let path = segment(dir);
    let mut bytes = std::fs::read(&path).unwrap();
    frame::push(&mut bytes, 0, entry);
    std::fs::write(path, bytes).unwrap();
    std::fs::write(dir.join("journal/mark"), mark_bytes(len)).unwrap();
}

/// A log of three published entries and a fourth that is not; then a planted one, and its reason.
fn planted(make: impl Fn(&Log, Place<'_>) -> Vec<u8>) -> (tempfile::TempDir, Log) {
    let dir = tempfile::tempdir().unwrap();
    let mut log = new_log(dir.path(), 3);
    log.append(&[draft(3)], &signer()).unwrap();
    let last = log.entry(3).unwrap();
    let place = Place { origin: "test.example/log", seq: 4, prev: last.content_hash(), time_us: last.time_us };
    let entry = make(&log, place);
    drop(log);
    plant(dir.path(), &entry, 5);
    let log = Log::open(dir.path()).unwrap();
    (dir, log)
}

type Plant = fn(&Log, Place<'_>) -> Vec<u8>;

const PLANTS: [(Reason, Plant); 6] = [
    (Reason::BadSignature, |_, place| {
        let mut entry = sealed(&draft(4), &place);
        let at = entry.len() - 64;
        entry[at..].fill(0);
        entry
    }),
    // The author's own signature, over an earlier entry.
    (Reason::BadSignature, |log, place| {
        let (mut entry, old) = (sealed(&draft(4), &place), log.entry(2).unwrap());
        let at = entry.len() - 64;
        entry[at..].copy_from_slice(old.signature());
        entry
    }),
    (Reason::UnknownKey, |_, place| {
        let eve = Signer::from_seed([66; 32]);
        let bytes = content(&draft(4), &place, &eve.id());
        let hash = Hash::of(&bytes);
        crate::format::entry::seal(bytes, &hash, &eve).unwrap()
    }),
    (Reason::WrongOrigin, |_, place| sealed(&draft(4), &Place { origin: "other.example/log", ..place })),
    (Reason::TimeRegressed, |_, place| sealed(&draft(4), &Place { time_us: place.time_us - 1, ..place })),
    (Reason::BadSignature, |_, place| {
        let mut entry = sealed(&Draft { kind: "Other".into(), ..draft(4) }, &place);
        let at = entry.len() - 1;
        entry[at] ^= 1;
        entry
    }),
];

/// L-01, L-13: whatever is planted, it stops the log at its number: nothing is appended after it,
/// signed over it, read from it or exported of it; what was acknowledged before it stays; and `cut`
/// is the way out, which keeps the bytes.
#[test]
fn planted_entries_stop_the_log() {
    for (n, (reason, make)) in PLANTS.iter().enumerate() {
        let (dir, mut log) = planted(make);
        let before = log.checkpoint_note().to_vec();
        let error = log.follow(0, &mut keys(), |_| ()).unwrap_err();
        let LedgerError::Untrusted { seq: 4, reason: found, .. } = &error else { panic!("{n}: {error}") };
        assert_eq!(found, reason, "plant {n}");
        assert_eq!((log.len(), log.vouched()), (5, 4));
        assert_eq!(log.entry(3).unwrap().draft(), draft(3), "what stands before it is good");
        let unvouched = |e: LedgerError| assert!(matches!(e, LedgerError::Unvouched { seq: 4 }), "plant {n}: {e}");
        unvouched(log.entry(4).unwrap_err());
        unvouched(log.append(&[draft(9)], &signer()).unwrap_err());
        unvouched(log.publish(&log_key()).unwrap_err());
        unvouched(log.bundle(0..5).unwrap_err());
        unvouched(log.scan(0, |_| Ok::<_, LedgerError>(())).unwrap_err());
        assert_eq!(export(&log, &dir.path().join("out")).unwrap().size, 3, "only what was published before");
        assert_eq!(std::fs::read(dir.path().join("checkpoint")).unwrap(), before);
        let said = scrub::folder(&Home::of(dir.path()), &mut keys(), &[], 0).unwrap().findings;
        assert_eq!((said[0].seq, said[0].reason), (4, *reason), "`verify` says the same");

        let mut log = Log::open(dir.path()).unwrap();
        let (entries, kept) = log.cut_untrusted(&mut keys()).unwrap();
        assert!(entries == 4 && std::fs::read(&kept).unwrap().len() > 100, "{}", kept.display());
        let mut log = Log::open(dir.path()).unwrap();
        trust(&mut log);
        log.append(&[draft(9)], &signer()).unwrap();
        log.publish(&log_key()).unwrap();
        assert!(log.cut_untrusted(&mut keys()).unwrap_err().to_string().contains("nothing to cut"));
        let found = scrub::folder(&Home::of(dir.path()), &mut keys(), &[], 0).unwrap();
        assert_eq!((found.entries, found.findings), (5, vec![]));
        assert_eq!(Log::open(dir.path()).unwrap().compare_index().unwrap(), []);
    }
}

/// An id that stands in a full segment is not taken a second time in a later one.
#[test]
fn a_repeated_id_of_an_earlier_segment() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home { per_segment: 256, ..Home::of(dir.path()) };
    let mut log = Log::create_at(&home, "test.example/log", &log_key()).unwrap();
    log.append(&drafts(0..300), &signer()).unwrap();
    log.publish(&log_key()).unwrap();
    let last = log.entry(299).unwrap();
    let place = Place { origin: "test.example/log", seq: 300, prev: last.content_hash(), time_us: last.time_us };
    let entry = sealed(&draft(7), &place);
    drop(log);
    let path = dir.path().join("journal/00000000000000000256.seg");
    let mut bytes = std::fs::read(&path).unwrap();
    frame::push(&mut bytes, 0, &entry);
    std::fs::write(path, bytes).unwrap();
    let error = Log::open_at(&home).unwrap().follow(0, &mut keys(), |_| ()).unwrap_err();
    assert!(matches!(error, LedgerError::Untrusted { seq: 300, reason: Reason::DuplicateId, .. }), "{error}");
}

/// A cut takes whole segments that follow, and what was planted under a checkpoint is no matter for it.
#[test]
fn a_cut_over_segments() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home { per_segment: 256, ..Home::of(dir.path()) };
    let mut log = Log::create_at(&home, "test.example/log", &log_key()).unwrap();
    log.append(&drafts(0..200), &signer()).unwrap();
    log.publish(&log_key()).unwrap();
    let eve = Signer::from_seed([66; 32]);
    log.append(&drafts(200..700), &eve).unwrap();
    drop(log);
    let mut log = Log::open_at(&home).unwrap();
    assert_eq!(log.cut_untrusted(&mut keys()).unwrap().0, 200);
    let mut log = Log::open_at(&home).unwrap();
    log.append(&drafts(200..600), &signer()).unwrap();
    log.publish(&log_key()).unwrap();
    let found = scrub::folder(&home, &mut keys(), &[], 0).unwrap();
    assert_eq!((found.entries, found.findings), (600, vec![]));

    // Under a checkpoint a cut would take back what was promised.
    let mut log = Log::open_at(&home).unwrap();
    let error = log.cut_untrusted(&mut crate::audit::FixedKeys(vec![eve.public()])).unwrap_err();
    assert!(error.to_string().contains("under the checkpoint of size 600"), "{error}");
    assert_eq!(log.tree().root().unwrap(), log.checkpoint().unwrap().root);
}

/// A healthy journal is never replaced: neither from an index nor from a shorter copy of itself.
#[test]
fn a_whole_journal_is_not_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    let log = new_log(dir.path(), 30);
    export(&log, &dir.path().join("out")).unwrap();
    drop(log);
    let home = Home::of(dir.path());
    let out = crate::audit::export::Export::open(&*home.disk, &dir.path().join("out"), None).unwrap();
    for source in [Source::Index, Source::Export(&out)] {
        let error = rebuild(&home, &source, &mut keys()).unwrap_err().to_string();
        assert!(error.contains("the journal is whole"), "{error}");
    }
    assert!(!dir.path().join("journal.damaged-1").exists());
    assert_eq!(Entry::decode(Log::open(dir.path()).unwrap().entry_bytes(29).unwrap()).unwrap().draft(), draft(29));
}

/// An entry that somebody changed, with a right checksum: what follows it says which one it was, and both sources bring
/// it back.
#[test]
fn a_changed_entry_is_brought_back() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, out) = (dir.path().join("l"), dir.path().join("out"));
    export(&new_log(&ledger, 320), &out).unwrap();
    let home = Home::of(&ledger);
    let exported = crate::audit::export::Export::open(&RealDisk, &out, None).unwrap();
    let whole = std::fs::read(segment(&ledger)).unwrap();
    let entry = || Log::open(&ledger).unwrap().entry_bytes(100).unwrap().to_vec();
    let (old, mut forged) = (entry(), entry());
    let at = forged.len() - 70;
    forged[at] ^= 1;
    let place = whole.windows(old.len()).position(|w| w == old).unwrap() - frame::HEAD;
    let group = u32::from_be_bytes(whole[place + 4..place + 8].try_into().unwrap());
    let mut wrong = Vec::new();
    frame::push(&mut wrong, group, &forged);
    for source in [Source::Index, Source::Export(&exported)] {
        let mut bytes = whole.clone();
        bytes[place..place + wrong.len()].copy_from_slice(&wrong);
        std::fs::write(segment(&ledger), bytes).unwrap();
        let done = rebuild(&home, &source, &mut keys()).unwrap();
        assert_eq!((done.entries, done.restored, entry()), (320, 1, old.clone()));
    }
}

/// A damaged index: one line says so, a rebuild throws it away, and at most one copy is kept.
#[test]
fn a_damaged_index_is_renewed() {
    let dir = tempfile::tempdir().unwrap();
    drop(new_log(dir.path(), 3000));
    let db = dir.path().join("index.sled/00000000000000000000/db");
    for round in 0..3 {
        let mut bytes = std::fs::read(&db).unwrap();
        let at = (50_000..bytes.len() - 4).find(|at| &bytes[*at..at + 4] == b"Test").unwrap();
        bytes[at] ^= 1;
        std::fs::write(&db, bytes).unwrap();
        let found = Log::open(dir.path()).unwrap().compare_index().unwrap();
        // Some damage makes sled forget what follows: then it lags, and is brought up.
        assert!(found.len() == 1 || round > 0 && found.is_empty(), "{found:?}");
        assert!(found.iter().all(|f| f.detail.len() < 300), "{found:?}");
        let mut log = Log::open(dir.path()).unwrap();
        if round == 1 {
            log.stores.set_aside().unwrap();
            log.stores.open().unwrap();
            log.stores.set_aside().unwrap();
        }
        assert_eq!(log.renew_index().unwrap(), 3000);
        assert_eq!(Log::open(dir.path()).unwrap().compare_index().unwrap(), []);
        let names = std::fs::read_dir(dir.path()).unwrap().flatten().map(|n| n.file_name().into_string().unwrap());
        assert_eq!(names.filter(|n| n.contains("damaged")).count(), 0, "nothing is multiplied");
    }
}

/// Many segments above the checkpoint, with nothing derived beside them: all are followed, ids are found,
/// and a repeated one is not taken.
#[test]
fn a_long_way_above_the_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home { per_segment: 256, ..Home::of(dir.path()) };
    let mut log = Log::create_at(&home, "test.example/log", &log_key()).unwrap();
    log.append(&drafts(0..10), &signer()).unwrap();
    log.publish(&log_key()).unwrap();
    log.append(&drafts(10..1500), &signer()).unwrap();
    let last = log.entry(1499).unwrap();
    drop(log);
    for item in std::fs::read_dir(dir.path().join("journal")).unwrap().flatten() {
        let name = item.file_name().into_string().unwrap();
        if !name.ends_with(".seg") && name != "mark" {
            std::fs::remove_file(item.path()).unwrap();
        }
    }
    let mut log = Log::open_at(&home).unwrap();
    trust(&mut log);
    assert_eq!((log.vouched(), log.find(&draft(300).id).unwrap()), (1500, Some(300)));
    assert_eq!(log.find(&draft(5000).id).unwrap(), None);
    drop(log);
    let place = Place { origin: "test.example/log", seq: 1500, prev: last.content_hash(), time_us: last.time_us };
    let path = dir.path().join("journal/00000000000000001280.seg");
    let mut bytes = std::fs::read(&path).unwrap();
    frame::push(&mut bytes, 0, &sealed(&draft(300), &place));
    std::fs::write(path, bytes).unwrap();
    let error = Log::open_at(&home).unwrap().follow(0, &mut keys(), |_| ()).unwrap_err();
    assert!(matches!(error, LedgerError::Untrusted { seq: 1500, reason: Reason::DuplicateId, .. }), "{error}");
}

/// What is derived can be made to fit entries that the author signed for another history: order and link
/// are compared when they are followed, not only when frames are read.
#[test]
fn a_link_that_only_derived_files_vouch_for() {
    for (seq, prev) in [(59, Hash::of(b"another history")), (58, Hash::ZERO)] {
        let dir = tempfile::tempdir().unwrap();
        let mut log = new_log(dir.path(), 10);
        log.append(&drafts(10..60), &signer()).unwrap();
        let time_us = log.entry(59).unwrap().time_us;
        drop(log);
        let (path, lookups) = (segment(dir.path()), segment(dir.path()).with_extension("tail"));
        let written = std::fs::read(&lookups).unwrap();
        let mut known = tail_file::read(&RealDisk, &lookups, 0, 60, (written.len() as u64, Hash::of(&written)));
        assert_eq!(known.leaves.len(), 60, "they are written down");
        let place = Place { origin: "test.example/log", seq, prev, time_us };
        let entry = sealed(&draft(59), &place);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.truncate(known.offsets[59] as usize);
        frame::push(&mut bytes, 0, &entry);
        known.leaves[59] = crate::tree::merkle::leaf_hash(&entry);
        known.end = bytes.len() as u64;
        std::fs::write(&path, bytes).unwrap();
        // One more whole chunk that is read as it is.
        tail_file::append(&RealDisk, &lookups, 0, 0, &known).unwrap();
        let error = match Log::open(dir.path()) {
            Ok(mut log) => log.follow(0, &mut keys(), |_| ()).unwrap_err(),
            Err(e) => e,
        };
        // Nobody signed those lookups: the segment is read, and its frame refused.
        let told = matches!(&error, LedgerError::JournalDamaged { what, .. } if what.starts_with("entry 59: "));
        assert!(told, "{seq}: {error:?}");
    }
}
