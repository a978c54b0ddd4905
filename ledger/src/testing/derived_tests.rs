//! Whoever can write beside the segments makes files of the right form with false contents. None of it is
//! gone by: every question is answered from the segments, and nothing is appended twice.

use crate::format::entry::EventId;
use crate::log::{Home, Log};
use crate::storage::catalog;
use crate::storage::disk::{Disk, RealDisk};
use crate::storage::full::write_lookups;
use crate::storage::ids::Ids;
use crate::storage::kinds::Kinds;
use crate::storage::lookups::{Contents, encode};
use crate::storage::segment;
use crate::storage::tail_file::{self, Known};
use crate::testing::stage::{draft, drafts, log_key, signer};
use crate::tree::merkle::{Nodes as _, Tree};
use std::path::Path;
use std::sync::Arc;

const PER: u64 = 256;
const LEN: u64 = 3 * PER + 60;

fn home(dir: &Path) -> Home {
    Home { per_segment: PER, ..Home::of(dir) }
}

/// A published log of three full segments and a part, everything derived written down and signed.
fn whole(dir: &Path) {
    let mut log = Log::create_at(&home(dir), "test.example/log", &log_key()).unwrap();
    log.append(&drafts(0..LEN), &signer()).unwrap();
    log.publish(&log_key()).unwrap();
}

/// Everything that a log can be asked is answered as it is.
fn check(dir: &Path, words: &str) {
    let mut log = Log::open_at(&home(dir)).unwrap();
    let kind = log.entry(0).unwrap().kind().to_string();
    assert_eq!(log.newest_of(&kind, 0..LEN, usize::MAX).unwrap().len() as u64, LEN, "{words}: kinds");
    assert_eq!(log.newest_of("Other", 0..LEN, usize::MAX).unwrap(), [0u64; 0], "{words}: no kind");
    for seq in (0..LEN).step_by(7) {
        assert_eq!(log.entry(seq).unwrap().seq, seq, "{words}: entry {seq}");
        assert_eq!(log.find(&draft(seq).id).unwrap(), Some(seq), "{words}: the id of {seq}");
        let proof = log.tree().inclusion(seq, LEN).unwrap();
        crate::tree::merkle::verify_inclusion(
            &log.tree().leaf(seq).unwrap(),
            seq,
            LEN,
            &proof,
            &log.checkpoint().unwrap().root,
        )
        .unwrap_or_else(|e| panic!("{words}: proof of {seq}: {e}"));
    }
    assert_eq!(log.find(&draft(99_999).id).unwrap(), None, "{words}");
    let mut read = 0;
    log.scan(0, |entry| {
        assert_eq!(entry.seq, read, "{words}");
        read += 1;
        Ok::<_, crate::error::LedgerError>(())
    })
    .unwrap();
    assert_eq!(read, LEN, "{words}");
    // The writer's own: nothing that stands is appended again.
    let again: Vec<_> = [1, PER + 3, 3 * PER + 30].into_iter().map(draft).collect();
    let receipts = log.append(&again, &signer()).unwrap();
    assert!(receipts.iter().all(|r| r.existed), "{words}: {receipts:?}");
    assert_eq!(log.len(), LEN, "{words}");
    assert_eq!(log.publish(&log_key()).unwrap().size, LEN, "{words}");
}

/// What stands in the last segment, to be changed.
fn tail(log: &Log) -> Known {
    let mut known = Known::default();
    for seq in 3 * PER..LEN {
        let (entry, leaf) = (log.entry(seq).unwrap(), log.tree().leaf(seq).unwrap());
        known.leaves.push(leaf);
        known.offsets.push(log.journal.tail.offsets[(seq - 3 * PER) as usize]);
        known.ids.push(entry.id);
        known.kinds.push(entry.kind());
    }
    known.end = log.journal.tail.end;
    known
}

fn put_tail(dir: &Path, change: impl Fn(&mut Known)) {
    let mut known = tail(&Log::open_at(&home(dir)).unwrap());
    change(&mut known);
    let path = segment::path(&dir.join("journal"), 3 * PER).with_extension("tail");
    tail_file::append(&RealDisk, &path, 3 * PER, 0, &known).unwrap();
}

fn put_catalog(dir: &Path, change: impl Fn(&mut Vec<catalog::Sealed>)) {
    let mut all = catalog::read(&RealDisk, &dir.join("journal"));
    assert_eq!(all.len(), 3);
    change(&mut all);
    catalog::write(&RealDisk, &dir.join("journal"), &all, 0).unwrap();
}

fn put_lookups(dir: &Path, change: impl Fn(&mut Vec<u64>, &mut Kinds)) {
    let log = Log::open_at(&home(dir)).unwrap();
    let mut scanned = log.journal.full.scan(1).unwrap();
    change(&mut scanned.offsets, &mut scanned.kinds);
    let tree = Tree::from_leaves((PER..2 * PER).map(|seq| log.tree().leaf(seq).unwrap()));
    let (offsets, kinds) = (&scanned.offsets[..], &scanned.kinds);
    let bytes = encode(&Contents { first: PER, tree: &tree, offsets, kinds, end: scanned.end });
    write_lookups(&RealDisk, &segment::path(&dir.join("journal"), PER), &bytes).unwrap();
}

/// Runs of false ids under the right names.
fn put_ids(dir: &Path) {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let mut ids = Ids::open(disk, &dir.join("journal"), PER, 0, &[]);
    for segment in 0..3u64 {
        let id = |n: u64| (EventId::derived(&[b"false", &(segment * PER + n).to_be_bytes()]), n as u32);
        ids.add((0..PER).map(id).collect()).unwrap();
    }
}

#[test]
fn false_contents_are_not_gone_by() {
    type Attack = (&'static str, fn(&Path));
    let attacks: [Attack; 13] = [
        ("nothing", |_| ()),
        ("ids of the tail", |dir| put_tail(dir, |k| k.ids[30] = EventId([7; 16]))),
        ("kinds of the tail", |dir| {
            put_tail(dir, |k| {
                k.kinds = Kinds::default();
                (0..60).for_each(|_| k.kinds.push("Other"));
            });
        }),
        ("offsets of the tail", |dir| put_tail(dir, |k| k.offsets.swap(4, 5))),
        ("a huge offset", |dir| put_tail(dir, |k| k.offsets[7] = 1 << 63)),
        ("a huge end", |dir| put_tail(dir, |k| k.end = 1 << 63)),
        ("an empty mask", |dir| put_catalog(dir, |all| all.iter_mut().for_each(|s| s.kinds = 0))),
        ("a shorter segment", |dir| put_catalog(dir, |all| all[1].end -= 1)),
        ("a longer one", |dir| put_catalog(dir, |all| all[1].end = 1 << 62)),
        ("no catalog", |dir| put_catalog(dir, Vec::clear)),
        ("kinds of a segment", |dir| {
            put_lookups(dir, |_, kinds| {
                *kinds = Kinds::default();
                (0..PER).for_each(|_| kinds.push("Other"));
            });
        }),
        ("offsets of a segment", |dir| put_lookups(dir, |offsets, _| offsets[4] = offsets[5])),
        ("ids of segments", put_ids),
    ];
    for (words, attack) in attacks {
        let dir = tempfile::tempdir().unwrap();
        whole(dir.path());
        attack(dir.path());
        check(dir.path(), words);
        // And once more, with what the writer made of it.
        check(dir.path(), &format!("after {words}"));
    }
    // Files of another log with the same key's name, and a signature of nobody.
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    whole(dir.path());
    whole(other.path());
    for junk in [&b""[..], b"x", &std::fs::read(other.path().join("checkpoint")).unwrap()] {
        std::fs::write(dir.path().join("derived"), junk).unwrap();
        check(dir.path(), "no signature");
    }
}

/// Runs that were spoiled after they were signed: every answer comes from the segments, each of which is read
/// once, and the next writer makes the runs again.
#[test]
fn spoiled_runs_are_made_again() {
    let dir = tempfile::tempdir().unwrap();
    whole(dir.path());
    let journal = dir.path().join("journal");
    let runs = || RealDisk.list(&journal).unwrap().into_iter().filter(|n| n.ends_with(".ids")).collect::<Vec<_>>();
    assert_eq!(runs().len(), 2);
    // What stands before the directory is 100 bytes here: the rest is not looked at before it is needed.
    for name in runs() {
        let mut bytes = std::fs::read(journal.join(&name)).unwrap();
        bytes.iter_mut().skip(100).for_each(|b| *b ^= 1);
        std::fs::write(journal.join(&name), bytes).unwrap();
    }
    let mut log = Log::open_at(&home(dir.path())).unwrap();
    for n in (LEN..LEN + 3 * PER).step_by(64) {
        log.append(&drafts(n..n + 64), &signer()).unwrap();
        let again = log.append(&[draft(n / 2), draft(n + 3)], &signer()).unwrap();
        assert!(again.iter().all(|r| r.existed), "{n}");
    }
    let loose = log.journal.loose.lock().unwrap().0.clone();
    assert_eq!(loose.start, 0, "read from the first segment on, and gone on with: {loose:?}");
    log.publish(&log_key()).unwrap();
    drop(log);
    let mut log = Log::open_at(&home(dir.path())).unwrap();
    log.append(&[draft(900_000)], &signer()).unwrap();
    log.publish(&log_key()).unwrap();
    let log = Log::open_at(&home(dir.path())).unwrap();
    assert_eq!(log.journal.ids.covered(), log.len() / PER, "made again, and signed");
    assert!((0..LEN).step_by(11).all(|n| log.find(&draft(n).id).unwrap() == Some(n)));
    assert_eq!(log.find(&draft(77_777).id).unwrap(), None);
    assert!(log.journal.loose.lock().unwrap().0.is_empty(), "and the segments are not read for it");
    assert!(RealDisk.list(&journal).unwrap().iter().all(|n| !n.contains(".ids-")), "nothing half-made is left");
}
