//! The real program on the real disk, traced, killed, and with failing system calls.
//!
//! Needs `strace`. `ASSAY_LONG=1` runs every injection and a thousand kills; without it a sample.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod draft;
mod power;
mod rights;
mod trace;

use assay_ledger::audit::FixedKeys;
use assay_ledger::audit::export::Export;
use assay_ledger::log::Home;
use assay_ledger::storage::disk::Open;
use assay_ledger::tree::merkle::Nodes as _;
use assay_ledger::{Log, Signer, audit::scrub};
use draft::draft;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};
use trace::{Told, calls, exerciser, main_thread, output, strace};

fn long() -> bool {
    std::env::var_os("ASSAY_LONG").is_some_and(|v| !v.is_empty())
}

/// The log of a folder, with segments as the exerciser makes them.
fn home(dir: &Path) -> Home {
    Home { per_segment: 256, ..Home::of(dir) }
}

/// Everything that must hold after any fault.
fn check(home: &Home, told: &Told, words: &str) {
    if home.disk.open(&home.dir.join("log.vkey"), Open::Read).is_err() {
        assert_eq!(told.acknowledged, 0, "{words}: the log is gone");
        return;
    }
    let keys = || FixedKeys(vec![Signer::from_seed([1; 32]).public()]);
    let verdict = scrub::folder(home, &mut keys(), &[], 0).unwrap_or_else(|e| panic!("{words}: {e}"));
    assert_eq!(verdict.findings, [], "{words}");
    let mut log = Log::open_at(home).unwrap_or_else(|e| panic!("{words}: {e}"));
    log.hold().unwrap_or_else(|e| panic!("{words}: {e}"));
    log.follow(0, &mut keys(), |_| ()).unwrap_or_else(|e| panic!("{words}: {e}"));
    assert!(log.len() >= told.acknowledged, "{words}: {} of {} acknowledged", log.len(), told.acknowledged);
    for seq in 0..log.len() {
        assert_eq!(log.entry(seq).unwrap().draft(), draft(seq), "{words}: entry {seq}");
    }
    for (size, root) in &told.published {
        assert_eq!(log.tree().root_at(*size).unwrap().to_string(), *root, "{words}: checkpoint {size}");
    }
    log.release();
    if let Ok(export) = Export::open(&*home.disk, &home.dir.join("export"), None) {
        assert_eq!(export.verify(&mut keys()).unwrap(), [], "{words}: the export");
    }
}

/// O-02: each acknowledgement is preceded by an `fdatasync` of the segment after the last write to
/// it, and by a sync of the folder after a segment was created; a checkpoint by the sync of its
/// file, the rename, and the sync of its folder.
#[test]
fn o02_synced_before_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = dir.path().join("l");
    let of = "trace=openat,close,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2";
    let text = main_thread(dir.path(), &ledger, 24, &["-e", of, "-s", "64"]);
    let mut open: BTreeMap<i64, String> = BTreeMap::new();
    let (mut dirty, mut unlinked, mut renamed): (Vec<String>, bool, bool) = (Vec::new(), false, false);
    let (mut acks, mut checkpoints, mut syncs) = (0, 0, 0);
    for call in calls(&text) {
        let path_of = |args: &str| {
            args.split(',')
                .next()
                .and_then(|fd| fd.trim_end_matches(')').parse().ok())
                .and_then(|fd: i64| open.get(&fd).cloned())
        };
        match call.name {
            "openat" if call.result >= 0 => {
                let path = call.args.split('"').nth(1).unwrap_or_default().to_string();
                unlinked |= path.ends_with(".seg") && call.args.contains("O_CREAT");
                open.insert(call.result, path);
            }
            "pwrite64" | "write" if call.args.contains("\"ack ") || call.args.contains("\"checkpoint ") => {
                assert_eq!(dirty, Vec::<String>::new(), "acknowledged before it was synced");
                assert!(!unlinked, "acknowledged before the folder was synced");
                assert!(!renamed, "said before the rename was synced");
                acks += usize::from(call.args.contains("\"ack "));
                checkpoints += usize::from(call.args.contains("\"checkpoint "));
            }
            "pwrite64" | "write" => {
                if let Some(path) = path_of(call.args).filter(|p| p.ends_with(".seg") || p.ends_with("checkpoint.tmp"))
                {
                    dirty.push(path);
                }
            }
            "fdatasync" | "fsync" if call.result == 0 => {
                let path = path_of(call.args).unwrap_or_default();
                syncs += usize::from(path.ends_with(".seg"));
                unlinked &= !path.ends_with("/journal");
                renamed &= path != ledger.to_str().unwrap();
                dirty.retain(|d| *d != path);
            }
            "rename" | "renameat" | "renameat2"
                if call.args.contains("checkpoint") && !call.args.contains("export") =>
            {
                assert!(!dirty.iter().any(|d| d.ends_with(".tmp")), "renamed before it was synced");
                renamed = true;
            }
            _ => {}
        }
    }
    assert!(acks == 24 && checkpoints == 6 && syncs >= 24, "{acks} {checkpoints} {syncs}");
}

/// Which calls a clean run makes, and how often.
fn counts(dir: &Path) -> BTreeMap<String, usize> {
    let trace = dir.join("count");
    let done = output(strace(
        &["-o", trace.to_str().unwrap(), "-e", "trace=openat,write,pwrite64,fsync,fdatasync,rename,ftruncate"],
        &dir.join("c"),
        7,
        16,
    ));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let mut out = BTreeMap::new();
    for call in calls(&std::fs::read_to_string(trace).unwrap()) {
        *out.entry(call.name.to_string()).or_default() += 1;
    }
    out
}

/// O-01, O-05: each open, write, sync and rename of append, checkpoint and export fails with EIO or
/// ENOSPC, or the process is killed there; afterwards everything that was acknowledged is there, and
/// work goes on. A sample, or with `ASSAY_LONG` every one.
#[test]
fn o01_o05_failing_system_calls() {
    let dir = tempfile::tempdir().unwrap();
    let counts = counts(dir.path());
    assert!(counts["pwrite64"] > 30 && counts["fdatasync"] > 20 && counts["rename"] >= 4, "{counts:?}");
    let mut runs = 0;
    for (call, count) in &counts {
        let step = if long() { 1 } else { count.div_ceil(8) };
        for when in (1..=*count).step_by(step) {
            for fault in ["error=EIO", "error=ENOSPC", "signal=SIGKILL"] {
                let ledger = dir.path().join(format!("l{runs}"));
                let inject = format!("inject={call}:{fault}:when={when}");
                let words = format!("{inject}, run {runs}");
                let done = output(strace(&["-o", "/dev/null", "-e", &inject], &ledger, 7, 16));
                let mut told = Told::default();
                told.hear(&done.stdout);
                check(&home(&ledger), &told, &words);
                let next = Command::new(exerciser()).arg(&ledger).args(["9", "2"]).output().unwrap();
                if ledger.join("log.vkey").exists() {
                    assert!(next.status.success(), "{words}: {}", String::from_utf8_lossy(&next.stderr));
                    told.hear(&next.stdout);
                }
                check(&home(&ledger), &told, &words);
                std::fs::remove_dir_all(&ledger).unwrap_or_default();
                runs += 1;
            }
        }
    }
    assert!(runs >= 100, "{runs} runs");
}

/// O-06: killed again and again at work: what was acknowledged is a prefix of what is there. Each
/// round dies once it has acknowledged a number of its own, somewhere in what follows, however fast
/// or slow the machine is. 40 rounds, or with `ASSAY_LONG` a thousand.
#[test]
fn o06_killed_under_load() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, mut told) = (dir.path().join("0"), Told::default());
    let rounds = if long() { 1000u64 } else { 40 };
    for round in 0..rounds {
        if round % 40 == 0 {
            std::fs::remove_dir_all(&ledger).unwrap_or_default();
            (ledger, told) = (dir.path().join(round.to_string()), Told::default());
        }
        let mut child = Command::new(exerciser())
            .arg(&ledger)
            .args([&round.to_string(), "100000"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mixed = round.wrapping_mul(2_654_435_761);
        let (lines, mut out) = (mixed % 23, Vec::new());
        let mut said = BufReader::new(child.stdout.take().unwrap());
        for _ in 0..lines {
            assert!(said.read_until(b'\n', &mut out).unwrap() > 0, "round {round} ended by itself");
        }
        // A little further, into the next group, its sync or its checkpoint.
        (0..mixed % 200_000).for_each(|i| {
            std::hint::black_box(i);
        });
        child.kill().unwrap();
        said.read_to_end(&mut out).unwrap();
        child.wait().unwrap();
        told.hear(&out);
        check(&home(&ledger), &told, &format!("round {round}, killed after {lines} lines"));
    }
    assert!(told.acknowledged > 0);
}
