//! The write path under faults: what was acknowledged is always there again.

use crate::audit::{Auditor, FixedKeys, Reason};
use crate::error::LedgerError;
use crate::format::entry::Place;
use crate::format::hash::Hash;
use crate::log::{Home, Log};
use crate::testing::stage::{draft, drafts, keys, log_key, new_log, sealed, signer, trust};
use crate::tree::checkpoint::Checkpoint;
use std::path::{Path, PathBuf};

fn findings(log: &Log) -> Vec<(u64, Reason)> {
    let mut keys = FixedKeys(vec![signer().public()]);
    let mut auditor = Auditor::new(log.origin(), &mut keys);
    let bytes: Vec<crate::Bytes> = (0..log.len()).map(|s| log.entry_bytes(s).unwrap()).collect();
    auditor.expect(log.checkpoint().unwrap());
    auditor.push(bytes);
    auditor.finish().unwrap();
    auditor.findings.iter().map(|f| (f.seq, f.reason)).collect()
}

fn last_segment(dir: &Path) -> PathBuf {
    let mut all: Vec<_> = std::fs::read_dir(dir.join("journal")).unwrap().map(|d| d.unwrap().path()).collect();
    all.retain(|p| p.extension().is_some_and(|e| e == "seg"));
    all.sort();
    all.pop().unwrap()
}

#[test]
fn append_verify_publish_reopen() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = new_log(dir.path(), 300);
    let again = log.append(&drafts(290..310), &signer()).unwrap();
    assert_eq!(again.iter().filter(|r| r.existed).count(), 10);
    assert_eq!((log.len(), again[0].seq, again[19].seq), (310, 290, 309));
    log.publish(&log_key()).unwrap();
    assert!(log.publish(&signer()).is_err(), "only the log's own key publishes");
    let log = Log::open(dir.path()).unwrap();
    assert_eq!((log.len(), log.checkpoint().unwrap().size), (310, 310));
    assert_eq!(findings(&log), vec![]);
}

/// Whoever appends from a thread of the pool that signs does not wait for itself: with one thread
/// and many drafts nothing would ever sign.
#[test]
fn many_drafts_from_the_only_thread_of_a_pool() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let (sender, done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let dir = tempfile::tempdir().unwrap();
        let log = pool.install(|| new_log(dir.path(), 3 * crate::log::append::MANY as u64));
        sender.send((log.len(), findings(&log))).unwrap();
    });
    let ended = done.recv_timeout(std::time::Duration::from_secs(120));
    assert_eq!(ended.expect("it waits for itself"), (3 * crate::log::append::MANY as u64, vec![]));
}

/// L-11: the same id with other content is refused, and nothing is written.
#[test]
fn l11_id_conflict() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = new_log(dir.path(), 3);
    let mut bad = draft(1);
    bad.payload.push(0);
    let result = log.append(&[draft(7), bad], &signer());
    assert!(matches!(result, Err(LedgerError::IdConflict { seq: 1, .. })));
    assert_eq!(log.len(), 3);
}

/// L-04: a torn tail above the checkpoint is cut, and all that was acknowledged is there.
#[test]
fn l04_torn_tail() {
    let dir = tempfile::tempdir().unwrap();
    drop(new_log(dir.path(), 5));
    let segment = last_segment(dir.path());
    let (whole, mark) = (std::fs::read(&segment).unwrap(), dir.path().join("journal/mark"));
    let marked = std::fs::read(&mark).unwrap();
    for extra in [1usize, 7, 8, 12, 20, 150] {
        let mut torn = whole.clone();
        torn.extend_from_slice(&whole[8..8 + extra]);
        std::fs::write(&segment, &torn).unwrap();
        let mut log = Log::open(dir.path()).unwrap();
        let seq = log.append(&[draft(100 + extra as u64)], &signer()).unwrap()[0].seq;
        assert!(log.notices[0].contains("torn tail"), "{:?}", log.notices);
        assert_eq!(seq, 5);
        std::fs::remove_dir_all(dir.path().join("index.sled")).unwrap();
        std::fs::write(&segment, &whole).unwrap();
        std::fs::write(&mark, &marked).unwrap();
    }
}

/// L-03: a journal shorter than the checkpoint is refused, also when the mark is lost.
#[test]
fn l03_shorter_than_the_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = new_log(dir.path(), 5);
    log.publish(&log_key()).unwrap();
    drop(log);
    let segment = last_segment(dir.path());
    let whole = std::fs::read(&segment).unwrap();
    std::fs::write(&segment, &whole[..whole.len() - 3]).unwrap();
    assert!(matches!(Log::open(dir.path()), Err(LedgerError::JournalDamaged { .. })));
    std::fs::remove_file(dir.path().join("journal/mark")).unwrap();
    let error = Log::open(dir.path()).unwrap_err();
    assert!(error.to_string().contains("log shorter than checkpoint 5"), "{error}");
}

/// L-05: bytes cut below the mark are damage, not a torn tail; and an index that is ahead tells
/// when the mark is gone too.
#[test]
fn l05_cut_below_the_mark() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = new_log(dir.path(), 9);
    log.publish(&log_key()).unwrap();
    log.append(&drafts(9..12), &signer()).unwrap();
    log.hold().unwrap();
    log.flush_index().unwrap();
    drop(log);
    let segment = last_segment(dir.path());
    let whole = std::fs::read(&segment).unwrap();
    std::fs::write(&segment, &whole[..whole.len() - 5]).unwrap();
    let error = Log::open(dir.path()).unwrap_err();
    assert!(matches!(error, LedgerError::JournalDamaged { .. }), "{error}");
    std::fs::remove_file(dir.path().join("journal/mark")).unwrap();
    let mut log = Log::open(dir.path()).unwrap();
    trust(&mut log);
    let error = log.append(&[draft(50)], &signer()).unwrap_err();
    assert!(matches!(error, LedgerError::IndexAhead { journal: 11, index: 12, .. }), "{error}");
    // Only the index knows of the lost one: it is not thrown away.
    let error = Log::open(dir.path()).unwrap().renew_index().unwrap_err();
    assert!(matches!(error, LedgerError::IndexAhead { journal: 11, index: 12, .. }), "{error}");
}

/// L-25: sled gone, cut, or filled with junk: rebuilt from the journal, said so, nothing lost.
#[test]
fn l25_a_damaged_index_is_rebuilt() {
    for damage in 0..3 {
        let dir = tempfile::tempdir().unwrap();
        drop(new_log(dir.path(), 200));
        let index = dir.path().join("index.sled");
        let db = index.join("00000000000000000000/db");
        match damage {
            0 => std::fs::remove_dir_all(&index).unwrap(),
            1 => std::fs::write(&db, vec![0x5a; 4096]).unwrap(),
            _ => {
                let bytes = std::fs::read(&db).unwrap();
                std::fs::write(&db, &bytes[..bytes.len() / 3]).unwrap();
            }
        }
        let mut log = Log::open(dir.path()).unwrap();
        log.append(&[draft(999)], &signer()).unwrap();
        assert_eq!(log.len(), 201);
        assert_eq!(log.compare_index().unwrap(), vec![], "damage {damage}: {:?}", log.notices);
        assert_eq!(findings(&log), vec![]);
    }
}

/// What an auditor of the log `origin` finds in entries, in the order of their numbers.
fn audit(entries: &[Vec<u8>], origin: &str) -> Vec<(u64, Reason)> {
    let mut keys = keys();
    let mut a = Auditor::new(origin, &mut keys);
    a.push(entries.iter().cloned().map(Into::into).collect());
    a.finish().unwrap();
    let mut found: Vec<_> = a.findings.iter().map(|f| (f.seq, f.reason)).collect();
    found.sort_by_key(|f| f.0);
    found
}

fn entries_of(log: &Log) -> Vec<Vec<u8>> {
    (0..log.len()).map(|s| log.entry_bytes(s).unwrap().to_vec()).collect()
}

/// L-01, L-02: every field is covered, and each has its own reason: in each byte of each entry a
/// flipped bit is found at that entry or where the next one links to it.
#[test]
fn l01_l02_each_field_has_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let entries = entries_of(&new_log(dir.path(), 3));
    let origin = "test.example/log";
    assert_eq!(audit(&entries, origin), vec![]);
    let flipped = |n: usize, at: usize, bit: usize| {
        let mut bad = entries.clone();
        bad[n][at] ^= 1 << bit;
        audit(&bad, origin)
    };
    for (n, entry) in entries.iter().enumerate() {
        for at in 0..entry.len() {
            let found = flipped(n, at, at % 8);
            assert!(found.iter().any(|f| f.0 == n as u64), "byte {at} of entry {n}: {found:?}");
        }
    }
    // marker 4, origin 1 + 16, number 8, previous hash 32, id 16, kind 1 + 4, version 2, time 8, author 32
    let has = |at: usize, reason: Reason| {
        let found = flipped(1, at, 0);
        assert!(found.contains(&(1, reason)), "byte {at}: {found:?}");
    };
    has(0, Reason::BadEncoding);
    has(6, Reason::WrongOrigin);
    has(28, Reason::WrongSequence);
    has(40, Reason::ChainBreak);
    has(70, Reason::BadSignature); // the event id
    has(83, Reason::BadSignature); // the version
    has(110, Reason::UnknownKey);
    has(entries[1].len() - 1, Reason::BadSignature);
}

/// L-06, L-09, L-12, L-13: an entry dropped and the rest numbered and signed anew, entries swapped, an
/// entry of another log, also with its origin written over, and a stranger's.
#[test]
fn l06_l09_l12_l13_reasons() {
    let dir = tempfile::tempdir().unwrap();
    let log = new_log(dir.path(), 6);
    let (entries, origin) = (entries_of(&log), "test.example/log");
    let mut dropped = entries.clone();
    dropped.remove(3);
    assert_eq!(audit(&dropped, origin)[..2], [(3, Reason::WrongSequence), (3, Reason::ChainBreak)]);
    for seq in 3..5 {
        let e = log.entry(seq + 1).unwrap();
        dropped[seq as usize] = sealed(&e.draft(), &Place { origin, seq, prev: e.prev, time_us: e.time_us });
    }
    assert_eq!(audit(&dropped, origin), [(3, Reason::ChainBreak), (4, Reason::ChainBreak)]);
    let mut swapped = entries.clone();
    swapped.swap(1, 2);
    let found = audit(&swapped, origin);
    assert!(found.contains(&(1, Reason::WrongSequence)) && found.contains(&(1, Reason::ChainBreak)), "{found:?}");
    assert_eq!(audit(&entries, "other.example/lo"), (0..6).map(|n| (n, Reason::WrongOrigin)).collect::<Vec<_>>());
    let moved: Vec<Vec<u8>> = entries.iter().map(|e| [&e[..5], b"other.example/lo", &e[21..]].concat()).collect();
    let found = audit(&moved, "other.example/lo");
    assert!((0..6).all(|n| found.contains(&(n, Reason::BadSignature))), "the signature covers the origin: {found:?}");
    let mut stranger = FixedKeys(vec![log_key().public()]);
    let mut a = Auditor::new(origin, &mut stranger);
    a.push(entries.into_iter().map(Into::into).collect());
    a.finish().unwrap();
    assert!(a.findings.iter().all(|f| f.reason == Reason::UnknownKey) && a.findings.len() == 6);
}

/// L-23: the sequence is the order; a clock that steps back never makes time run backwards.
#[test]
fn l23_clock_steps_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = new_log(dir.path(), 0);
    log.clock = || 2_000;
    log.append(&[draft(1)], &signer()).unwrap();
    log.clock = || 1_000;
    log.append(&[draft(2)], &signer()).unwrap();
    assert_eq!(log.entry(1).unwrap().time_us, 2_000);
}

/// L-01 over a whole log: any flipped byte of the journal is either refused at open or found.
#[test]
fn l01_any_flipped_byte_of_the_journal_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = new_log(dir.path(), 3);
    log.publish(&log_key()).unwrap();
    let segment = last_segment(dir.path());
    let whole = std::fs::read(&segment).unwrap();
    for at in 0..whole.len() {
        let mut bad = whole.clone();
        bad[at] ^= 0x10;
        std::fs::write(&segment, &bad).unwrap();
        assert!(Log::open(dir.path()).is_err(), "byte {at}");
    }
}

/// L-34: junk and zeros in place of a ledger end in an error, not in a panic.
#[test]
fn l34_junk_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(new_log(dir.path(), 2));
    for junk in [vec![0u8; 1 << 20], vec![0xff; 5000], b"ASYJRNL1\xff\xff\xff\xff".to_vec()] {
        std::fs::write(last_segment(dir.path()), &junk).unwrap();
        assert!(
            Log::open(dir.path())
                .and_then(|mut l| l.append(&[draft(5)], &signer()).map(|_| l.len()))
                .is_err_and(|e| !e.to_string().is_empty())
                || junk.len() < 20
        );
    }
    std::fs::remove_file(dir.path().join("log.vkey")).unwrap();
    assert!(matches!(Log::open(dir.path()), Err(LedgerError::Lost { .. })), "no new empty ledger");
}

/// A lost verifier key or checkpoint is made again, by the log's key alone, and over nothing: what the
/// journal holds must be verified before anything is signed over it.
#[test]
fn lost_heads_are_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let root = new_log(dir.path(), 30).checkpoint().unwrap().root;
    let home = Home::of(dir.path());
    let origin = Log::open(dir.path()).unwrap().origin().to_string();
    assert_eq!(Log::renew_heads(&home, &origin, &log_key(), |_| Vec::new()).unwrap(), Vec::<PathBuf>::new());
    for lost in [&["log.vkey"][..], &["checkpoint"], &["log.vkey", "checkpoint"]] {
        for name in lost {
            std::fs::remove_file(dir.path().join(name)).unwrap();
        }
        assert!(matches!(Log::open(dir.path()), Err(LedgerError::Lost { .. })), "{lost:?}");
        let made = Log::renew_heads(&home, &origin, &log_key(), |_| Vec::new()).unwrap();
        assert_eq!(made, lost.iter().map(|name| dir.path().join(name)).collect::<Vec<_>>());
        let mut log = Log::open(dir.path()).unwrap();
        if lost.contains(&"checkpoint") {
            assert!(matches!(log.entry(29), Err(LedgerError::Unvouched { seq: 0 })));
            assert!(matches!(log.publish(&log_key()), Err(LedgerError::Unvouched { seq: 0 })));
            trust(&mut log);
        }
        assert_eq!(log.publish(&log_key()).unwrap().root, root);
        assert_eq!(findings(&log), vec![]);
    }
    std::fs::remove_file(dir.path().join("checkpoint")).unwrap();
    let other = Log::renew_heads(&home, &origin, &signer(), |_| Vec::new());
    assert!(matches!(other, Err(LedgerError::Key { .. })), "another key");
    assert!(matches!(Log::open(dir.path()), Err(LedgerError::Lost { .. })));
    // Of what was seen, what the journal holds is taken.
    let (right, wrong) = (Checkpoint { origin: origin.clone(), size: 30, root }, Hash::of(b"wrong"));
    let forged = [Checkpoint { root: wrong, ..right.clone() }, Checkpoint { size: 31, ..right.clone() }];
    let seen = |_: &_| forged.iter().chain([&right]).cloned().collect();
    Log::renew_heads(&home, &origin, &log_key(), seen).unwrap();
    assert_eq!(Log::open(dir.path()).unwrap().vouched(), 30);
}

/// L-16: two processes append in turn; each sees what the other acknowledged.
#[test]
fn l16_two_writers_take_turns() {
    let dir = tempfile::tempdir().unwrap();
    let mut a = new_log(dir.path(), 2);
    let mut b = Log::open(dir.path()).unwrap();
    for n in 0..6 {
        let (first, second) = (10 + n * 10, 15 + n * 10);
        for (log, drafts) in [(&mut a, drafts(first..first + 3)), (&mut b, drafts(second..second + 2))] {
            log.hold().unwrap();
            trust(log);
            log.append(&drafts, &signer()).unwrap();
            log.release();
        }
    }
    let mut log = Log::open(dir.path()).unwrap();
    assert!(matches!(log.entry(31), Err(LedgerError::Unvouched { seq: 2 })), "nobody vouched for it");
    assert!(matches!(log.append(&drafts(90..91), &signer()), Err(LedgerError::Unvouched { seq: 2 })));
    assert!(matches!(log.publish(&log_key()), Err(LedgerError::Unvouched { seq: 2 })));
    trust(&mut log);
    assert_eq!((log.len(), findings(&log)), (2 + 6 * 5, vec![]));
}
