//! The write path on a disk that fails, crashes and forgets: whatever was acknowledged is there
//! again, in its order, and every checkpoint ever published is a prefix.

use crate::audit::export::{Export, export};
use crate::audit::scrub;
use crate::error::LedgerError;
use crate::format::entry::{Draft, EventId};
use crate::log::rebuild::{Source, import, rebuild};
use crate::log::{Home, Log};
use crate::testing::disk::{Fault, SimDisk};
use crate::testing::stage::{keys, log_key, signer, trust};
use crate::testing::store::MemStores;
use crate::tree::checkpoint::Checkpoint;
use crate::tree::merkle::Nodes as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const FAULTS: [Fault; 3] = [Fault::Before, Fault::After, Fault::Crash];

/// How a machine comes back after a fault.
#[derive(Debug, Clone, Copy)]
enum Loss {
    Process,
    Power(u64),
}

fn draft(n: u64) -> Draft {
    let id = EventId::derived(&[b"sim", &n.to_be_bytes()]);
    Draft { id, kind: "Sim".into(), version: 1, payload: vec![n as u8; 40 + (n * 37 % 700) as usize] }
}

fn home(disk: &SimDisk, stores: &MemStores) -> Home {
    Home { dir: "/log".into(), disk: Arc::new(disk.clone()), stores: Arc::new(stores.clone()), per_segment: 256 }
}

/// A log a few entries before its first segment is full.
fn base(entries: u64) -> SimDisk {
    let (disk, stores) = (SimDisk::new(), MemStores::new());
    let mut log = Log::create_at(&home(&disk, &stores), "sim.example/log", &log_key()).unwrap();
    log.append(&(0..entries).map(draft).collect::<Vec<_>>(), &signer()).unwrap();
    log.publish(&log_key()).unwrap();
    disk
}

/// What a client was told.
#[derive(Debug, Default)]
struct Told {
    acknowledged: u64,
    attempted: u64,
    published: Vec<Checkpoint>,
}

/// Appends, publishes and exports until something fails.
fn work(home: &Home, told: &mut Told, batches: &[u64]) -> Result<(), LedgerError> {
    let mut log = Log::open_at(home)?;
    log.follow(0, &mut keys(), |_| ())?;
    for (i, batch) in batches.iter().enumerate() {
        let drafts: Vec<Draft> = (log.len()..log.len() + batch).map(draft).collect();
        told.attempted = told.attempted.max(log.len() + batch);
        log.append(&drafts, &signer())?;
        told.acknowledged = log.len();
        if i % 3 == 1 {
            told.published.push(log.publish(&log_key())?);
        }
        if i % 4 == 2 {
            export(&log, Path::new("/out"))?;
        }
    }
    Ok(())
}

/// Everything that must hold after any fault.
fn check(home: &Home, told: &Told, words: &str) {
    let mut log = Log::open_at(home).unwrap_or_else(|e| panic!("{words}: {e}"));
    log.hold().unwrap_or_else(|e| panic!("{words}: {e}"));
    log.follow(0, &mut keys(), |_| ()).unwrap_or_else(|e| panic!("{words}: {e}"));
    assert!(log.len() >= told.acknowledged, "{words}: {} of {} acknowledged", log.len(), told.acknowledged);
    assert!(log.len() <= told.attempted.max(told.acknowledged), "{words}: entries that nobody appended");
    for c in told.published.iter().chain([&log.checkpoint().unwrap()]) {
        assert_eq!(log.tree().root_at(c.size).unwrap(), c.root, "{words}: checkpoint {}", c.size);
    }
    for seq in 0..log.len() {
        assert_eq!(log.entry(seq).unwrap().draft(), draft(seq), "{words}: entry {seq}");
    }
    if let Ok(export) = Export::open(&*home.disk, Path::new("/out"), None) {
        let found = export.verify(&mut keys()).unwrap();
        assert_eq!(found, [], "{words}: the export");
    }
    let next = log.len();
    log.append(&[draft(next)], &signer()).unwrap_or_else(|e| panic!("{words}: {e}"));
    log.publish(&log_key()).unwrap();
    log.release();
    assert_eq!(log.compare_index().unwrap(), [], "{words}: the index");
    let verdict = scrub::folder(home, &mut keys(), &[], 0).unwrap();
    assert_eq!((verdict.entries, verdict.findings), (next + 1, vec![]), "{words}");
}

fn lose(disk: &SimDisk, loss: Loss) {
    match loss {
        Loss::Process => disk.process_loss(),
        Loss::Power(seed) => disk.power_loss(seed),
    }
}

/// Calls `try_it` with each fault at each operation, and each loss after it.
fn for_all_faults(operations: u64, try_it: impl Fn(u64, Fault, Loss, &str)) {
    for at in 0..operations {
        for fault in FAULTS {
            for loss in [Loss::Process, Loss::Power(at), Loss::Power(at + 1000)] {
                try_it(at, fault, loss, &format!("operation {at}, {fault:?}, {loss:?}"));
            }
        }
    }
}

fn run(base: &SimDisk, at: u64, fault: Fault, loss: Loss, batches: &[u64]) {
    let (disk, stores) = (base.fork(), MemStores::new());
    let home = home(&disk, &stores);
    disk.plan(at, fault);
    let mut told = Told { acknowledged: 250, attempted: 250, published: vec![] };
    let ended = work(&home, &mut told, batches);
    lose(&disk, loss);
    check(&home, &told, &format!("operation {at}, {fault:?}, {loss:?}, batches {batches:?}, ended {ended:?}"));
}

/// O-01, P-15: each operation of append, roll, checkpoint and export fails before, after and in the
/// middle, and then the process dies, or the power goes.
#[test]
fn o01_p15_every_operation_fails() {
    let base = base(250);
    let batches = [1, 3, 60, 6, 2];
    let count = {
        let disk = base.fork();
        work(&home(&disk, &MemStores::new()), &mut Told::default(), &batches).unwrap();
        disk.operations()
    };
    assert!(count > 40, "{count} operations");
    for_all_faults(count, |at, fault, loss, _| run(&base, at, fault, loss, &batches));
}

/// O-01: each operation of a rebuild from an export fails, and the process dies or the power goes:
/// what can be opened has everything, and otherwise another rebuild makes it whole.
#[test]
fn o01_a_rebuild_fails_anywhere() {
    let (base, stores) = (base(20), MemStores::new());
    let log = Log::open_at(&home(&base, &stores)).unwrap();
    export(&log, Path::new("/out")).unwrap();
    let told = || Told { acknowledged: 20, attempted: 20, published: vec![log.checkpoint().unwrap()] };
    let damage = |bytes: &mut Vec<u8>| bytes[2000] ^= 1;
    base.tamper(Path::new("/log/journal/00000000000000000000.seg"), damage).unwrap();
    let build = |home: &Home| {
        let out = Export::open(&*home.disk, Path::new("/out"), None)?;
        rebuild(home, &Source::Export(&out), &mut keys())
    };
    let whole = base.fork();
    assert_eq!(build(&home(&whole, &stores)).unwrap().restored, 1);
    assert!(whole.operations() > 10, "{}", whole.operations());
    for seed in 0..20 {
        let lost = whole.duplicate();
        lost.power_loss(seed);
        check(&home(&lost, &MemStores::new()), &told(), "after a rebuild");
    }
    for_all_faults(whole.operations(), |at, fault, loss, words| {
        let (disk, stores) = (base.fork(), MemStores::new());
        disk.plan(at, fault);
        let ended = build(&home(&disk, &stores));
        lose(&disk, loss);
        let home = home(&disk, &stores);
        if scrub::folder(&home, &mut keys(), &[], 0).is_ok_and(|v| v.findings.is_empty()) {
            return check(&home, &told(), words);
        }
        let again = build(&home);
        assert!(again.is_ok(), "{words}: first {ended:?}, then {again:?}");
        check(&home, &told(), words);
    });
}

/// O-01: each operation of an import fails, and the process dies or the power goes: no log is there
/// and another import makes it, or the whole log is.
#[test]
fn o01_an_import_fails_anywhere() {
    let source = base(20);
    let log = Log::open_at(&home(&source, &MemStores::new())).unwrap();
    export(&log, Path::new("/out")).unwrap();
    let told = || Told { acknowledged: 20, attempted: 20, published: vec![log.checkpoint().unwrap()] };
    let into = |home: &Home| Home { dir: "/new/log".into(), ..home.clone() };
    let make = |home: &Home| {
        let out = Export::open(&*home.disk, Path::new("/out"), None)?;
        import(&into(home), &out, &mut keys()).map(|log| log.len())
    };
    let whole = source.fork();
    assert_eq!(make(&home(&whole, &MemStores::new())).unwrap(), 20);
    assert!(matches!(make(&home(&whole, &MemStores::new())), Err(LedgerError::Exists { .. })));
    for seed in 0..20 {
        let lost = whole.duplicate();
        lost.power_loss(seed);
        check(&into(&home(&lost, &MemStores::new())), &told(), "after an import");
    }
    for_all_faults(whole.operations(), |at, fault, loss, words| {
        let (disk, stores) = (source.fork(), MemStores::new());
        disk.plan(at, fault);
        let ended = make(&home(&disk, &stores));
        lose(&disk, loss);
        let home = into(&home(&disk, &stores));
        if let Err(e) = Log::open_at(&home) {
            assert!(matches!(e, LedgerError::Missing { .. } | LedgerError::Lost { .. }), "{words}: {e}");
            let again = make(&home);
            assert!(again.is_ok(), "{words}: first {ended:?}, then {again:?}");
        }
        check(&home, &told(), words);
    });
}

/// O-07: seeded runs of random batches with a fault at a random operation. `ASSAY_SEEDS` sets how
/// many; what was done is printed when one fails.
#[test]
fn o07_seeded_crashes() {
    let seeds = std::env::var("ASSAY_SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(600u64);
    let base = base(250);
    for seed in 0..seeds {
        let mut n = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut dice = |of: u64| {
            n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (n >> 33) % of
        };
        let batches: Vec<u64> = (0..1 + dice(6)).map(|_| 1 + if dice(8) == 0 { dice(70) } else { dice(5) }).collect();
        let loss = if dice(3) == 0 { Loss::Process } else { Loss::Power(seed) };
        let (at, fault) = (dice(70), FAULTS[dice(3) as usize]);
        run(&base, at, fault, loss, &batches);
    }
}

/// O-04: after a failed sync this process writes no more, and the next one does not trust the page
/// cache: it writes the frames again before it acknowledges anything after them.
#[test]
fn o04_a_failed_sync() {
    let (disk, stores) = (base(250).fork(), MemStores::new());
    let home = home(&disk, &stores);
    let mut log = Log::open_at(&home).unwrap();
    log.append(&[draft(250)], &signer()).unwrap();
    // The write, then the sync.
    disk.plan(disk.operations() + 1, Fault::Before);
    assert!(matches!(log.append(&[draft(251)], &signer()), Err(LedgerError::Io { action: "sync", .. })));
    for _ in 0..2 {
        let again = log.append(&[draft(252)], &signer());
        assert!(matches!(again, Err(LedgerError::Poisoned { .. })), "no retry-and-pretend");
    }
    assert!(log.publish(&log_key()).is_err());
    drop(log);
    disk.process_loss();
    let mut log = Log::open_at(&home).unwrap();
    assert_eq!(log.len(), 252, "the page cache still shows it");
    trust(&mut log);
    log.append(&[draft(252)], &signer()).unwrap();
    drop(log);
    disk.power_loss(3);
    check(&home, &Told { acknowledged: 253, attempted: 253, published: vec![] }, "after the failed sync");
}

/// O-05: a full disk is a clean error, what is there stays readable, and work goes on later.
#[test]
fn o05_a_full_disk() {
    let base = base(250);
    for at in 0..30 {
        let (disk, stores) = (base.fork(), MemStores::new());
        let home = home(&disk, &stores);
        let mut log = Log::open_at(&home).unwrap();
        disk.plan(at, Fault::Before);
        let failed = (250..262).try_for_each(|n| log.append(&[draft(n)], &signer()).map(|_| ()));
        let said = failed.map_err(|e| e.to_string());
        assert!(said.as_ref().err().is_none_or(|e| e.contains("/log/journal")), "{said:?}");
        assert_eq!(log.entry(249).unwrap().draft(), draft(249), "still readable");
        drop(log);
        let told = Told { acknowledged: 250, attempted: 262, published: vec![] };
        check(&home, &told, &format!("full at operation {at}"));
    }
}

/// L-25, O-01: the index fails at each step, before or after it took effect, lags, or does not
/// open; nothing is lost, and it is in step again.
#[test]
fn l25_the_index_fails_anywhere() {
    let base = base(250);
    for at in 0..4 {
        for fault in [Fault::Before, Fault::After] {
            let (disk, stores) = (base.fork(), MemStores::new());
            let home = home(&disk, &stores);
            stores.plan(at, fault);
            let mut told = Told { acknowledged: 250, attempted: 250, published: vec![] };
            work(&home, &mut told, &[2, 2, 2, 2]).unwrap();
            assert_eq!(told.acknowledged, 258, "an index is worth no refusal");
            stores.plan(u64::MAX, fault);
            check(&home, &told, &format!("index step {at}, {fault:?}"));
            stores.cut(100);
            check(&home, &Told { acknowledged: 259, attempted: 260, ..told }, "an index that lags");
            stores.damage();
            check(&home, &Told { acknowledged: 260, attempted: 261, ..Told::default() }, "an index that is broken");
        }
    }
}

/// L-04, L-05: any cut of the last segment is a torn tail above the mark and damage below it, and
/// no cut loses what was acknowledged without saying so.
#[test]
fn l04_l05_any_cut() {
    let base = base(4);
    let segment = PathBuf::from("/log/journal/00000000000000000000.seg");
    let probe = home(&base, &MemStores::new());
    let whole = Log::open_at(&probe).unwrap().bytes_on_disk() as usize;
    let torn = base.fork();
    torn.tamper(&segment, |bytes| bytes.extend_from_slice(&bytes.clone()[8..200])).unwrap();
    for cut in 0..whole {
        let disk = base.fork();
        disk.tamper(&segment, |bytes| bytes.truncate(cut)).unwrap();
        let home = home(&disk, &MemStores::new());
        assert!(matches!(Log::open_at(&home), Err(LedgerError::JournalDamaged { .. })), "cut at {cut}");
        let verdict = scrub::folder(&home, &mut keys(), &[], 0).unwrap();
        assert!(!verdict.findings.is_empty(), "cut at {cut}");
    }
    for cut in whole..whole + 192 {
        let disk = torn.fork();
        disk.tamper(&segment, |bytes| bytes.truncate(cut)).unwrap();
        check(&home(&disk, &MemStores::new()), &Told { acknowledged: 4, attempted: 4, published: vec![] }, "torn");
    }
}
