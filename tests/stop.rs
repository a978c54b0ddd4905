//! The first SIGTERM or Ctrl-C ends every command. Each is held at a place where it waits for us, so
//! the signal reaches it at work.

use crate::desk::{Desk, wait_for};
use assay_ledger::Log;
use assay_ledger::storage::lock::Lock;
use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};
use std::time::Duration;

fn start(desk: &Desk, args: &[&str]) -> Child {
    desk.command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Whether a process has a handler for SIGTERM yet: before, the system would end it.
fn listens(child: &Child) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let caught = status.lines().find_map(|l| l.strip_prefix("SigCgt:")).unwrap_or("0").trim().to_string();
    u64::from_str_radix(&caught, 16).unwrap_or(0) & (1 << 14) != 0
}

#[track_caller]
fn ends(desk: &Desk, mut child: Child, signal: &str, what: &str) {
    wait_for("the handler", || listens(&child));
    assert_eq!(desk.run("kill", &[signal, &child.id().to_string()]).code, 0);
    wait_for(what, || child.try_wait().unwrap().is_some());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{what}: {said}");
}

#[test]
fn the_first_signal_ends_every_command() {
    let desk = Desk::new();
    desk.assay(&["init", "lab"]).ok();
    desk.assay(&["key", "new", "--out", "ben"]).ok();
    desk.assay(&["hook", "install", "--repo", "d.git", "--genesis", &"0".repeat(64), "--live", "sqlite:l.sqlite"]).ok();
    desk.run("mkfifo", &["never"]).ok();
    desk.assay(&["ledger", "export", "export"]).ok();
    let vkey = std::fs::read_to_string(desk.path("lab/ledger/log.vkey")).unwrap();
    let witness = [
        "witness",
        "cosign",
        "export",
        "--vkey",
        vkey.trim(),
        "--key",
        "ben",
        "--name",
        "w.example/b",
        "--memory",
        "memory",
    ];
    desk.assay(&witness).ok();
    for signal in ["-TERM", "-INT"] {
        // Waiting for input that never comes: files, hooks.
        for args in [
            &["strategy", "check", "never"][..],
            &["study", "run", "never", "never"],
            &["verify-proof", "never", "--vkey", "x"],
            &["key", "add", "ben", "--role", "researcher", "--public", "never"],
            &["ledger", "attach", "never"],
            &["hook", "pre-receive", "--gate", "d.git/assay"],
            &["hook", "post-receive", "--gate", "d.git/assay"],
        ] {
            // A verifier key that does not read would end it before.
            let args: Vec<&str> = args.iter().map(|a| if *a == "x" { VKEY } else { a }).collect();
            ends(&desk, start(&desk, &args), signal, &args.join(" "));
        }
        // Waiting for the ledger that another process holds.
        let mut log = Log::open(&desk.path("lab/ledger")).unwrap();
        log.hold().unwrap();
        for args in [
            &["key", "add", "ben", "--role", "researcher", "--public", "ben.pub"][..],
            &["ledger", "rebuild", "--from", "sled"],
        ] {
            ends(&desk, start(&desk, args), signal, &args.join(" "));
        }
        log.release();
        // A witness's memory that another process holds.
        let held = Lock::take(&desk.path("memory"), Duration::ZERO, &|_| ()).unwrap();
        ends(&desk, start(&desk, &witness), signal, "witness");
        drop(held);
    }
    desk.assay(&["verify"]).ok();
    assert_eq!(desk.assay(&["key", "list", "--json"]).ok().json().as_array().unwrap().len(), 1);
}

/// Ctrl-C at a prompt, in a terminal: it ends as stopped, and nothing is there.
#[test]
fn a_prompt_is_no_place_to_stay() {
    let desk = Desk::new();
    let before = std::fs::read_dir(desk.path("")).unwrap().count();
    for command in ["init lab --encrypt", "init lab --encrypt --person ana", "key new --out k --encrypt"] {
        let command = format!("{} {command}", env!("CARGO_BIN_EXE_assay"));
        let mut terminal = desk.hermetic("script");
        terminal.args(["-qec", &command, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = terminal.spawn().unwrap();
        let (mut shown, mut byte) = (String::new(), [0]);
        let mut out = child.stdout.take().unwrap();
        while !shown.contains("passphrase of") {
            assert_eq!(out.read(&mut byte).unwrap(), 1, "{command} ended: {shown}");
            shown.push(char::from(byte[0]));
        }
        let mut keys = child.stdin.take().unwrap();
        keys.write_all(b"\x03").unwrap();
        keys.flush().unwrap();
        wait_for(&command, || child.try_wait().unwrap().is_some());
        assert_eq!(child.wait().unwrap().code(), Some(130), "{command}");
        assert_eq!(std::fs::read_dir(desk.path("")).unwrap().count(), before, "{command} left something");
    }
}

const VKEY: &str = "lab.example/ana+9547f319+ATarOjSoMmX6QZGMWiTWoGoCkoGHhkjVbQhQdRCzQNry";
