//! Faults and attacks by their numbers, on a log in a folder.

use crate::audit::export::{Export, export};
use crate::audit::{Auditor, Reason};
use crate::error::LedgerError;
use crate::format::entry::{Draft, Entry, MAX_ENTRY, MAX_SEQ, Place};
use crate::format::hash::Hash;
use crate::log::rebuild::{Source, import, rebuild};
use crate::log::{Home, Log};
use crate::testing::stage::{draft, keys, log_key, new_log, sealed, segment, signer, trust};
use crate::tree::checkpoint::Checkpoint;
use crate::tree::merkle::{Nodes as _, Tree, verify_consistency, verify_inclusion};
use crate::tree::tile_check::TileCheck;
use crate::{audit::scrub, storage::disk::RealDisk};
use std::path::Path;

/// L-15: numbers end at 2^63 - 1, and a gap is named.
#[test]
fn l15_sequence_numbers() {
    let at = |seq| {
        let place = Place { origin: "o", seq, prev: Hash::ZERO, time_us: 0 };
        sealed(&draft(0), &place)
    };
    assert_eq!(Entry::decode(at(MAX_SEQ)).unwrap().seq, MAX_SEQ);
    for seq in [MAX_SEQ + 1, u64::MAX] {
        assert!(Entry::decode(at(seq)).unwrap_err().to_string().contains("2^63"), "{seq}");
    }
    for seq in [1, MAX_SEQ] {
        let mut keys = keys();
        let mut auditor = Auditor::new("o", &mut keys);
        auditor.push(vec![at(seq).into()]);
        auditor.finish().unwrap();
        assert_eq!(
            auditor.findings.iter().map(|f| (f.seq, f.reason)).collect::<Vec<_>>(),
            [(0, Reason::WrongSequence)]
        );
    }
}

/// L-22: the largest entry goes through append, bundle, export and back; one byte more is refused
/// before anything is written.
#[test]
fn l22_sizes_through_the_whole_way() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, out) = (dir.path().join("l"), dir.path().join("out"));
    let mut log = new_log(&ledger, 1);
    let room = MAX_ENTRY - log.entry_bytes(0).unwrap().len() + 8;
    for (n, size) in [(1, 0), (2, room - 1), (3, room)] {
        log.append(&[Draft { payload: vec![9; size], ..draft(n) }], &signer()).unwrap();
    }
    assert_eq!(log.entry_bytes(3).unwrap().len(), 65_535);
    let before = std::fs::read(segment(&ledger)).unwrap();
    let error = log.append(&[draft(7), Draft { payload: vec![9; room + 1], ..draft(8) }], &signer()).unwrap_err();
    assert!(matches!(&error, LedgerError::BadDraft { what } if what.contains("65536")), "{error}");
    assert_eq!(std::fs::read(segment(&ledger)).unwrap(), before);
    log.publish(&log_key()).unwrap();
    export(&log, &out).unwrap();
    let exported = Export::open(&RealDisk, &out, None).unwrap();
    assert_eq!(exported.verify(&mut keys()).unwrap(), []);
    assert_eq!(exported.bundle(0).unwrap()[3], log.entry_bytes(3).unwrap());
}

/// L-25: each file missing or empty is a typed error or rebuilt, and never a new empty ledger.
#[test]
fn l25_missing_and_empty_files() {
    let files = ["log.vkey", "checkpoint", "journal/00000000000000000000.seg"];
    for file in files {
        for empty in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            drop(new_log(dir.path(), 3));
            let path = dir.path().join(file);
            if empty {
                std::fs::write(&path, b"").unwrap()
            } else {
                std::fs::remove_file(&path).unwrap()
            }
            let before = names(dir.path());
            assert!(Log::open(dir.path()).is_err(), "{file}, empty: {empty}");
            let again = Log::create(dir.path(), "test.example/log", &log_key());
            assert!(matches!(again, Err(LedgerError::Exists { .. })), "{file}, empty: {empty}");
            assert_eq!(names(dir.path()), before, "{file}, empty: {empty}");
        }
    }
    let dir = tempfile::tempdir().unwrap();
    drop(new_log(dir.path(), 3));
    std::fs::remove_dir_all(dir.path().join("journal")).unwrap();
    assert!(matches!(Log::open(dir.path()), Err(LedgerError::Io { .. })));
    assert!(matches!(Log::open(&dir.path().join("nothing")), Err(LedgerError::Missing { .. })));
}

fn names(dir: &Path) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for item in std::fs::read_dir(dir).unwrap().chain(std::fs::read_dir(dir.join("journal")).unwrap()) {
        out.push(item.unwrap().path().display().to_string());
    }
    out.sort();
    out
}

/// L-34: a hundred megabytes of zeros, and junk of every size, end in an error soon.
#[test]
fn l34_zeros_and_junk() {
    let dir = tempfile::tempdir().unwrap();
    drop(new_log(dir.path(), 2));
    std::fs::write(segment(dir.path()), vec![0; 100 << 20]).unwrap();
    let start = std::time::Instant::now();
    assert!(Log::open(dir.path()).is_err());
    let verdict = scrub::folder(&Home::of(dir.path()), &mut keys(), &[], 0).unwrap();
    assert!(!verdict.findings.is_empty() && start.elapsed().as_secs() < 60);
    std::fs::write(dir.path().join("journal/mark"), b"").unwrap();
    let mut junk = b"ASYJRNL1".to_vec();
    for n in 0..200u64 {
        junk.extend_from_slice(&Hash::of(&n.to_be_bytes()).0);
        std::fs::write(segment(dir.path()), &junk).unwrap();
        assert!(Log::open(dir.path()).is_err(), "shorter than its checkpoint");
    }
}

/// P-06: sizes zero and one, equal sizes, and sizes the wrong way round.
#[test]
fn p06_edges() {
    let tree = Tree::from_leaves((0..5u8).map(|i| crate::tree::merkle::leaf_hash(&[i])));
    let root = |n| tree.root_at(n).unwrap();
    assert_eq!(root(0).to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(root(1), tree.leaf(0).unwrap());
    assert!(tree.root_at(6).is_err() && tree.inclusion(0, 0).is_err() && tree.inclusion(5, 5).is_err());
    assert_eq!(tree.consistency(4, 4).unwrap(), []);
    verify_consistency((4, &root(4)), (4, &root(4)), &[]).unwrap();
    assert!(verify_consistency((4, &root(4)), (4, &root(3)), &[]).is_err());
    assert!(verify_consistency((4, &root(4)), (4, &root(4)), &[Hash::ZERO]).is_err());
    for (m, n) in [(0, 3), (5, 3), (2, 6)] {
        assert!(tree.consistency(m, n).is_err(), "{m} to {n}");
    }
    assert!(verify_consistency((5, &root(5)), (3, &root(3)), &[Hash::ZERO]).is_err());
    assert!(verify_consistency((0, &root(0)), (3, &root(3)), &[Hash::ZERO]).is_err());
    assert!(verify_consistency((2, &root(2)), (3, &root(3)), &[]).is_err());
    assert!(verify_inclusion(&root(1), 0, 0, &[], &root(0)).is_err());
}

/// O-09: an export taken while another process writes is a consistent prefix; it restores to a log
/// that verifies and goes on. A restored folder that is behind what a witness saw is refused there
/// (`p12_l27_rollback`).
#[test]
fn o09_a_copy_taken_under_load() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = dir.path().join("l");
    drop(new_log(&ledger, 5));
    std::thread::scope(|s| {
        let writer = s.spawn(|| {
            let mut log = Log::open(&ledger).unwrap();
            for n in 0..40 {
                log.append(&(n * 20 + 5..n * 20 + 25).map(draft).collect::<Vec<_>>(), &signer()).unwrap();
                log.publish(&log_key()).unwrap();
            }
        });
        let mut copies = 0;
        while !writer.is_finished() {
            let (out, copy) = (dir.path().join("out"), dir.path().join(format!("copy{copies}")));
            export(&Log::open(&ledger).unwrap(), &out).unwrap();
            let exported = Export::open(&RealDisk, &out, None).unwrap();
            let mut restored = import(&Home::of(&copy), &exported, &mut keys()).unwrap();
            assert_eq!(restored.len(), exported.checkpoint.size);
            restored.append(&[draft(99_999)], &signer()).unwrap();
            copies += 1;
        }
        assert!(copies > 0);
    });
}

/// O-10: past a full segment everything is as before: proofs, ids, reading, reopening; a missing or
/// damaged lookup is made again.
#[test]
fn o10_past_a_full_segment() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home { per_segment: 256, ..Home::of(dir.path()) };
    let mut log = Log::create_at(&home, "test.example/log", &log_key()).unwrap();
    for first in (0..900).step_by(90) {
        log.append(&(first..first + 90).map(draft).collect::<Vec<_>>(), &signer()).unwrap();
    }
    log.publish(&log_key()).unwrap();
    let tree = Tree::from_leaves((0..900).map(|s| log.entry(s).unwrap().leaf_hash()));
    log.release();
    let journal = dir.path().join("journal");
    let derived = ["00000000000000000256.map", "catalog", "00000000000000000000-2.ids", "00000000000000000768.tail"];
    for round in 0..9 {
        let file = journal.join(derived[round / 2 % 4]);
        assert!(file.exists(), "round {round}: {} was made again", file.display());
        match (round, round % 2) {
            (8, _) => {}
            (_, 0) => std::fs::remove_file(&file).unwrap(),
            _ => {
                let mut bytes = std::fs::read(&file).unwrap();
                (0..bytes.len()).step_by(50).for_each(|at| bytes[at] ^= 1);
                std::fs::write(&file, bytes).unwrap();
            }
        }
        let mut log = Log::open_at(&home).unwrap();
        assert_eq!(log.tree().root().unwrap(), tree.root().unwrap());
        for seq in [0, 255, 256, 511, 600, 767, 768, 899] {
            assert_eq!(log.tree().inclusion(seq, 900).unwrap(), tree.inclusion(seq, 900).unwrap());
            assert_eq!(log.tree().consistency(seq + 1, 900).unwrap(), tree.consistency(seq + 1, 900).unwrap());
            assert_eq!(log.find(&draft(seq).id).unwrap(), Some(seq));
            assert_eq!(log.entry(seq).unwrap().draft(), draft(seq));
        }
        assert_eq!(log.newest_of("Test", 100..800, 3).unwrap(), [799, 798, 797]);
        assert_eq!(log.newest_of("Test", 100..800, 999).unwrap().len(), 700);
        assert_eq!(log.newest_of("Other", 0..900, 9).unwrap(), []);
        // Whoever may write leaves them for the next one.
        log.hold().unwrap();
        log.entry(300).unwrap();
        log.release();
        if !journal.join(derived[3]).exists() {
            log.renew_index().unwrap();
        }
    }
    let at = |seq| log.entry(seq).unwrap().time_us;
    for seq in [0, 1, 90, 300, 899] {
        let first = (0..900).find(|s| at(*s) >= at(seq)).unwrap();
        assert_eq!(log.since(at(seq)).unwrap(), first, "{seq}");
    }
    assert_eq!((log.since(0).unwrap(), log.since(u64::MAX).unwrap()), (0, 900));
    let verdict = scrub::folder(&home, &mut keys(), &[], 0).unwrap();
    assert_eq!((verdict.entries, verdict.findings), (900, vec![]));
}

/// O-13, L-23: writers whose clocks disagree by hours: the number is the order, and time never runs
/// back. By more than a day, one of them is wrong, and the slow one records nothing.
#[test]
fn o13_clock_skew() {
    let dir = tempfile::tempdir().unwrap();
    let mut fast = new_log(dir.path(), 1);
    let mut slow = Log::open(dir.path()).unwrap();
    (fast.clock, slow.clock) = (|| 4_000_000_000_000_000, || 3_999_980_000_000_000);
    for n in 0..6 {
        let log = if n % 2 == 0 { &mut fast } else { &mut slow };
        log.refresh().unwrap();
        trust(log);
        assert_eq!(log.append(&[draft(10 + n)], &signer()).unwrap()[0].seq, n + 1);
    }
    assert!(slow.notices.iter().any(|n| n.contains("clock is 20000 s behind")), "{:?}", slow.notices);
    slow.clock = || 3_900_000_000_000_000;
    slow.hold().unwrap();
    trust(&mut slow);
    assert_eq!(
        slow.fix_time().unwrap_err().to_string(),
        "the last entry is dated 100000000 s ahead of this machine's clock"
    );
    assert!(matches!(slow.append(&[draft(90)], &signer()), Err(LedgerError::Ahead { ahead_s: 100_000_000 })));
    slow.clock = || 4_000_000_000_000_007;
    let stated = slow.fix_time().unwrap();
    slow.clock = || 4_000_000_009_000_000;
    slow.append(&[draft(91), draft(92)], &signer()).unwrap();
    assert_eq!((slow.entry(8).unwrap().time_us, stated), (stated, 4_000_000_000_000_007), "once, for one append");
    slow.append(&[draft(93)], &signer()).unwrap();
    assert_eq!(slow.entry(9).unwrap().time_us, 4_000_000_009_000_000);
    slow.release();
    let verdict = scrub::folder(&Home::of(dir.path()), &mut keys(), &[], 0).unwrap();
    assert_eq!(verdict.findings, []);
}

/// L-25: an index that is gone, or lost its end, is brought up from the journal, and said so.
#[test]
fn l25_a_missing_index_is_said() {
    let dir = tempfile::tempdir().unwrap();
    drop(new_log(dir.path(), 40));
    std::fs::remove_dir_all(dir.path().join("index.sled")).unwrap();
    let mut log = Log::open(dir.path()).unwrap();
    log.append(&[draft(40)], &signer()).unwrap();
    assert!(log.notices.iter().any(|n| n.contains("held 0 of 40 published entries")), "{:?}", log.notices);
    log.publish(&log_key()).unwrap();
    drop(log);
    let mut log = Log::open(dir.path()).unwrap();
    log.append(&[draft(41)], &signer()).unwrap();
    assert_eq!(log.compare_index().unwrap(), vec![]);
    assert_eq!(log.notices, Vec::<String>::new());
}

/// L-25: what is there and cannot be read is no finding about the log: it could not be checked.
#[test]
fn l25_unreadable_is_not_wrong() {
    for name in ["checkpoint", "journal/mark"] {
        let dir = tempfile::tempdir().unwrap();
        drop(new_log(dir.path(), 3));
        std::fs::remove_file(dir.path().join(name)).unwrap();
        std::fs::create_dir(dir.path().join(name)).unwrap();
        let verdict = scrub::folder(&Home::of(dir.path()), &mut keys(), &[], 0);
        assert!(matches!(&verdict, Err(e) if e.could_not_check()), "{name}: {verdict:?}");
    }
}

/// The named ways out of a damaged journal: from the index, and from an export; what is whole in
/// the old journal is used, and disagreement or a gap is refused with nothing changed.
#[test]
fn rebuilding_a_damaged_journal() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, out) = (dir.path().join("l"), dir.path().join("out"));
    let mut log = new_log(&ledger, 300);
    export(&log, &out).unwrap();
    log.append(&(300..320).map(draft).collect::<Vec<_>>(), &signer()).unwrap();
    log.publish(&log_key()).unwrap();
    drop(log);
    let home = Home::of(&ledger);
    let whole = std::fs::read(segment(&ledger)).unwrap();
    let damage = |at: usize, len: usize| {
        let mut bytes = whole.clone();
        bytes[at..at + len].fill(0x55);
        std::fs::write(segment(&ledger), bytes).unwrap();
        let read = Log::open(&ledger).and_then(|log| log.scan(0, |_| Ok(())));
        assert!(matches!(read, Err(LedgerError::JournalDamaged { .. })), "{read:?}");
    };
    let restored = || {
        let log = Log::open(&ledger).unwrap();
        assert_eq!((log.len(), std::fs::read(segment(&ledger)).unwrap().len()), (320, whole.len()));
    };
    damage(5000, 3000);
    let done = rebuild(&home, &Source::Index, &mut keys()).unwrap();
    assert!(done.entries == 320 && (10..20).contains(&done.restored) && done.kept.exists(), "{done:?}");
    restored();
    damage(5000, 3000);
    let exported = Export::open(&RealDisk, &out, None).unwrap();
    rebuild(&home, &Source::Export(&exported), &mut keys()).unwrap();
    restored();
    // The export ends at 300: what is damaged after it is nowhere, so nothing is done.
    damage(whole.len() - 500, 20);
    let error = rebuild(&home, &Source::Export(&exported), &mut keys()).unwrap_err();
    assert!(error.to_string().contains("320 entries were promised"), "{error}");
    rebuild(&home, &Source::Index, &mut keys()).unwrap();
    restored();
    // Another history of the same log agrees with nothing.
    let other = dir.path().join("other");
    let mut log = Log::create(&other, "test.example/log", &log_key()).unwrap();
    log.append(&(5..400).map(draft).collect::<Vec<_>>(), &signer()).unwrap();
    log.publish(&log_key()).unwrap();
    export(&log, &dir.path().join("fork")).unwrap();
    let fork = Export::open(&RealDisk, &dir.path().join("fork"), None).unwrap();
    let error = rebuild(&home, &Source::Export(&fork), &mut keys()).unwrap_err();
    assert!(error.to_string().contains("another one"), "{error}");
    assert!(export(&log, &out).unwrap_err().to_string().contains("another history"));
    restored();
}

/// P-18: a partial tile of a wrong width, a full one that is short, one that stands on another level.
#[test]
fn p18_tiles_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let log = new_log(&dir.path().join("l"), 600);
    type Change = fn(Vec<u8>) -> Vec<u8>;
    let damages: [(&str, Change); 4] = [
        ("tile/0/002.p/88", |mut b| {
            b.truncate(32 * 87);
            b
        }),
        ("tile/0/001", |mut b| {
            b.pop();
            b
        }),
        ("tile/1/000.p/2", |_| vec![7; 64]),
        ("tile/entries/001", |mut b| {
            b.pop();
            b
        }),
    ];
    for (i, (path, change)) in damages.into_iter().enumerate() {
        let out = dir.path().join(i.to_string());
        export(&log, &out).unwrap();
        let file = out.join(path);
        std::fs::write(&file, change(std::fs::read(&file).unwrap())).unwrap();
        let found = Export::open(&RealDisk, &out, None).unwrap().verify(&mut keys()).unwrap();
        assert!(found.iter().any(|f| f.reason == Reason::BadTile && f.detail.contains(path)), "{path}: {found:?}");
        let mut tiles = TileCheck::new(|p: &str| std::fs::read(out.join(p)).map_err(LedgerError::io("read", &out)));
        (0..log.len()).for_each(|seq| tiles.push(log.tree().leaf(seq).unwrap()));
        assert_eq!(tiles.finish().unwrap().len(), usize::from(i < 3));
    }
}

/// P-15, L-03: a checkpoint that the journal does not reach, or of another root, is refused.
#[test]
fn p15_a_checkpoint_ahead_or_of_another_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = new_log(dir.path(), 4);
    let put = |size, root| {
        let c = Checkpoint { origin: "test.example/log".into(), size, root };
        std::fs::write(dir.path().join("checkpoint"), c.sign(&log_key()).unwrap()).unwrap();
        Log::open(dir.path()).map(|_| ()).map_err(|e| e.to_string())
    };
    assert!(put(9, Hash::ZERO).unwrap_err().contains("log shorter than checkpoint 9"));
    assert!(put(3, Hash::ZERO).unwrap_err().contains("another root"));
    assert_eq!(put(3, log.tree().root_at(3).unwrap()), Ok(()));
}
