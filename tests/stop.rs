//! The first SIGTERM or Ctrl-C ends every command. Each is held at a place where it waits for us, so
//! the signal reaches it at work.

use crate::desk::{Desk, wait_for};
use assay_ledger::Log;
use std::io::Read as _;
use std::process::{Child, Stdio};

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
    }
    desk.assay(&["verify"]).ok();
    assert_eq!(desk.assay(&["key", "list", "--json"]).ok().json().as_array().unwrap().len(), 1);
}

const VKEY: &str = "lab.example/ana+9547f319+ATarOjSoMmX6QZGMWiTWoGoCkoGHhkjVbQhQdRCzQNry";
