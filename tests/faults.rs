//! The program's own commands under failing system calls and kills: what it remembers outside the lab, and
//! the index that it throws away, are whole before and after. Needs `strace`. `ASSAY_LONG=1` takes every
//! call, without it a sample is taken.

use crate::desk::{Desk, Said};
use std::collections::BTreeMap;

const CALLS: &str = "openat,write,pwrite64,fsync,fdatasync,rename,unlink,unlinkat,mkdir,flock";

/// A lab to which `ben` is to be added, and what is remembered of it.
fn stage() -> Desk {
    let desk = Desk::new();
    desk.assay(&["init", "lab", "--person", "ana"]).ok();
    for name in ["ben", "cyd"] {
        desk.assay(&["key", "new", "--out", name]).ok();
    }
    desk.assay(&["key", "add", "cyd", "--role", "researcher", "--public", "cyd.pub"]).ok();
    desk
}

fn strace(desk: &Desk, expression: &str, out: &str, args: &[&str]) -> Said {
    let mut c = desk.hermetic("strace");
    c.args(["-f", "-qq", "-e", expression, "-o", out, env!("CARGO_BIN_EXE_assay")]).args(args);
    c.env("RAYON_NUM_THREADS", "2");
    Said::of(c.output().expect("strace is not installed: run tests/run, which installs it"))
}

/// How often a command makes each call.
fn counts(desk: &Desk, args: &[&str]) -> BTreeMap<String, usize> {
    strace(desk, &format!("trace={CALLS}"), "trace", args).ok();
    let mut out = BTreeMap::new();
    for line in std::fs::read_to_string(desk.path("trace")).unwrap().lines() {
        let call = line.split_whitespace().nth(1).and_then(|l| l.split('(').next()).unwrap_or_default();
        if CALLS.split(',').any(|known| known == call) {
            *out.entry(call.to_string()).or_default() += 1;
        }
    }
    out
}

/// Runs a command with each call failing, or dying there, on a fresh copy of a lab; `check` looks at what
/// it left.
fn everywhere(args: &[&str], check: impl Fn(&Desk, &Said, &str)) {
    let base = stage();
    let fresh = || {
        let desk = Desk::new();
        base.run("cp", &["-a", "lab", "ben", "ben.pub", ".local", desk.home.path().to_str().unwrap()]).ok();
        desk
    };
    let long = std::env::var_os("ASSAY_LONG").is_some_and(|v| !v.is_empty());
    let mut runs = 0;
    for (call, count) in counts(&fresh(), args) {
        let step = if long { 1 } else { count.div_ceil(3) };
        // The last ones first: there the command does its work.
        for when in (1..=count).rev().step_by(step) {
            for fault in ["error=EIO", "error=ENOSPC", "signal=SIGKILL"] {
                let desk = fresh();
                let words = format!("inject={call}:{fault}:when={when}");
                let said = strace(&desk, &words, "/dev/null", args);
                check(&desk, &said, &words);
                runs += 1;
            }
        }
    }
    assert!(runs > 40, "{runs} runs");
}

/// A command that publishes: whatever fails, the file outside the lab is whole and never ahead of what can
/// be published, and the same command run again ends what was begun.
#[test]
fn what_is_remembered_is_whole_whatever_fails() {
    let args = ["key", "add", "ben", "--role", "researcher", "--public", "ben.pub"];
    everywhere(&args, |desk, said, words| {
        let memory = || {
            let mut files = std::fs::read_dir(desk.path(".local/state/assay")).unwrap().flatten().map(|f| f.path());
            std::fs::read_to_string(files.find(|p| p.extension().is_some_and(|e| e == "checkpoint")).unwrap()).unwrap()
        };
        let size = |note: &str| note.lines().nth(1).unwrap().parse::<u64>().unwrap();
        assert!([2, 3].contains(&size(&memory())), "{words}: {}", memory());
        if said.code == 0 && !said.err.contains("cannot be remembered") {
            assert_eq!(size(&memory()), 3, "{words}: {}", said.err);
        }
        let again = desk.assay(&args);
        assert_eq!(again.code, 0, "{words}: first {} {}, then {}", said.code, said.err, again.err);
        assert_eq!(memory(), std::fs::read_to_string(desk.path("lab/ledger/checkpoint")).unwrap(), "{words}");
        let verified = desk.assay(&["verify", "--deep"]);
        assert_eq!(verified.code, 0, "{words}: {}{}", verified.out, verified.err);
    });
}

/// The index thrown away and made again, with a fault anywhere: the journal stays, and the next run ends it.
#[test]
fn an_index_is_renewed_whatever_fails() {
    let args = ["ledger", "rebuild", "--index"];
    everywhere(&args, |desk, said, words| {
        let again = desk.assay(&args);
        assert_eq!(again.code, 0, "{words}: first {} {}, then {}", said.code, said.err, again.err);
        let verified = desk.assay(&["verify", "--deep"]);
        assert_eq!(verified.code, 0, "{words}: {}{}", verified.out, verified.err);
    });
}
