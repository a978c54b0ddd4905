//! Two processes, or one that was interrupted: what one of them knows is old.

use crate::audit::export::{Export, export};
use crate::audit::scrub;
use crate::error::LedgerError;
use crate::keys::cosign::{Witness, cosign, cosigners};
use crate::keys::signer::Signer;
use crate::log::rebuild::{Source, rebuild};
use crate::log::{Home, Log};
use crate::storage::disk::RealDisk;
use crate::testing::stage::{draft, keys, log_key, new_log, segment, signer};
use crate::tree::checkpoint::Checkpoint;
use crate::tree::merkle::Nodes as _;

/// A writer that goes on after somebody else rebuilt the journal writes into the new one.
#[test]
fn a_writer_notices_a_new_journal() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = new_log(dir.path(), 20);
    log.append(&[draft(20)], &signer()).unwrap();
    let segment = segment(dir.path());
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[300] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    rebuild(&Home::of(dir.path()), &Source::Index, &mut keys()).unwrap();
    log.append(&[draft(21)], &signer()).unwrap();
    log.publish(&log_key()).unwrap();
    let verdict = scrub::folder(&Home::of(dir.path()), &mut keys(), &[], 0).unwrap();
    assert_eq!((verdict.entries, verdict.findings), (22, vec![]));
}

/// A rebuild that was interrupted between its two renames is done again from what it put aside:
/// entries that the index lacks are not lost.
#[test]
fn an_interrupted_rebuild() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = new_log(dir.path(), 20);
    log.append(&[draft(20), draft(21)], &signer()).unwrap();
    drop(log);
    std::fs::rename(dir.path().join("journal"), dir.path().join("journal.damaged-1")).unwrap();
    assert!(Log::open(dir.path()).is_err());
    let done = rebuild(&Home::of(dir.path()), &Source::Index, &mut keys()).unwrap();
    assert_eq!((done.entries, done.restored, Log::open(dir.path()).unwrap().len()), (22, 0, 22));
    assert!(done.kept.ends_with("journal.damaged-1") && done.kept.exists(), "{}", done.kept.display());
}

/// With the mark lost, later groups still tell that a bad frame was durable: the log, `verify` and
/// `rebuild` agree that it is damage.
#[test]
fn groups_tell_when_the_mark_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = new_log(dir.path(), 5);
    let bad = log.bytes_on_disk() as usize + 20;
    for n in [5, 7, 9] {
        log.append(&[draft(n), draft(n + 1)], &signer()).unwrap();
    }
    drop(log);
    std::fs::remove_file(dir.path().join("journal/mark")).unwrap();
    let mut bytes = std::fs::read(segment(dir.path())).unwrap();
    bytes[bad] ^= 1;
    std::fs::write(segment(dir.path()), bytes).unwrap();
    assert!(matches!(Log::open(dir.path()), Err(LedgerError::JournalDamaged { .. })));
    let verdict = scrub::folder(&Home::of(dir.path()), &mut keys(), &[], 0).unwrap();
    assert_eq!(verdict.findings[0].seq, 5, "{:?}", verdict.findings);
    let error = rebuild(&Home::of(dir.path()), &Source::Index, &mut keys()).unwrap_err();
    assert!(error.to_string().contains("9 entries were promised"), "{error}");
}

/// An export by a process that knows less than the folder leaves the folder as it is.
#[test]
fn an_export_never_goes_back() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, out) = (dir.path().join("l"), dir.path().join("out"));
    let old = new_log(&ledger, 300);
    let mut new = Log::open(&ledger).unwrap();
    new.append(&(300..600).map(draft).collect::<Vec<_>>(), &signer()).unwrap();
    new.publish(&log_key()).unwrap();
    export(&new, &out).unwrap();
    assert!(export(&old, &out).is_err(), "a history that it cannot see is not its own");
    let mut behind = Log::open(&ledger).unwrap();
    behind.note = old.note.clone();
    assert_eq!(export(&behind, &out).unwrap().files, 0);
    assert_eq!(Export::open(&RealDisk, &out, None).unwrap().checkpoint.size, 600);
}

/// Cosignatures of witnesses that did not know of each other stand side by side.
#[test]
fn cosignatures_are_merged() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = new_log(dir.path(), 3);
    let plain = log.checkpoint_note().to_vec();
    let witness = |n: u8| (format!("w{n}.example"), Signer::from_seed([n; 32]));
    let mut known = Vec::new();
    for n in [7, 8, 8] {
        let (name, own) = witness(n);
        known.push(Witness::new(&name, own.public()).unwrap());
        log.attach(&cosign(&plain, &name, &own, 9).unwrap()).unwrap();
    }
    assert_eq!(cosigners(log.checkpoint_note(), &known, 2, u64::MAX).unwrap().len(), 2);
    assert_eq!(Checkpoint::open(log.checkpoint_note(), log.verifier()).unwrap().root, log.tree().root().unwrap());
}

/// A checkpoint of an impossible size ends soon.
#[test]
fn l34_a_huge_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, out) = (dir.path().join("l"), dir.path().join("out"));
    export(&new_log(&ledger, 3), &out).unwrap();
    for size in [1u64 << 62, u64::MAX] {
        let c = Checkpoint { origin: "test.example/log".into(), size, root: crate::format::hash::Hash::ZERO };
        std::fs::write(out.join("checkpoint"), c.sign(&log_key()).unwrap()).unwrap();
        match Export::open(&RealDisk, &out, None) {
            Ok(e) => assert!((1..2000).contains(&e.verify(&mut keys()).unwrap().len())),
            Err(e) => assert!(e.to_string().contains("size"), "{e}"),
        }
    }
}

/// A segment that was cut at a frame's end while there is a next one: never written over, even when
/// nothing else tells that entries are missing.
#[test]
fn a_short_segment_with_a_successor() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home { per_segment: 256, ..Home::of(dir.path()) };
    let mut log = Log::create_at(&home, "test.example/log", &log_key()).unwrap();
    log.append(&crate::testing::stage::drafts(0..300), &signer()).unwrap();
    drop(log);
    let (first, next) = (segment(dir.path()), dir.path().join("journal/00000000000000000256.seg"));
    let (whole, after) = (std::fs::read(&first).unwrap(), std::fs::read(&next).unwrap());
    std::fs::write(&first, &whole[..whole.len() - (whole.len() - 8) / 256]).unwrap();
    std::fs::remove_file(dir.path().join("journal/mark")).unwrap();
    std::fs::remove_dir_all(dir.path().join("index.sled")).unwrap();
    std::fs::remove_file(dir.path().join("journal/catalog")).unwrap();
    let opened = Log::open_at(&home);
    assert!(
        matches!(&opened, Err(LedgerError::JournalDamaged { what, .. }) if what.contains("next segment")),
        "{opened:?}"
    );
    assert_eq!(std::fs::read(&next).unwrap(), after);
}
