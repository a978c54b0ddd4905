//! What somebody names is written to only where what stands there is ours. And a push is seen to its end.

use crate::desk::{Desk, wait_for};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Stdio;

/// Every file under a folder with its bytes; links as what they lead to, by name.
fn state(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let (mut out, mut left) = (Vec::new(), vec![dir.to_path_buf()]);
    while let Some(dir) = left.pop() {
        for item in std::fs::read_dir(dir).unwrap().flatten() {
            let (path, kind) = (item.path(), item.file_type().unwrap());
            match () {
                () if kind.is_symlink() => {
                    let to = std::fs::read_link(&path).unwrap();
                    out.push((path.display().to_string(), to.as_os_str().as_encoded_bytes().to_vec()));
                }
                () if kind.is_dir() => left.push(path),
                () if kind.is_file() => out.push((path.display().to_string(), std::fs::read(&path).unwrap())),
                () => {}
            }
        }
    }
    out.sort();
    out
}

fn put(desk: &Desk, files: &[&str]) {
    for file in files {
        let path = desk.path(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "precious\n").unwrap();
    }
}

/// What somebody else has, at all places that a command could take for its own.
fn arrange(desk: &Desk) {
    desk.demo(16, &[]).ok();
    desk.assay(&["--lab", "lab", "ledger", "export", "export"]).ok();
    desk.assay(&["init", "other"]).ok();
    desk.assay(&["key", "new", "--out", "w"]).ok();
    put(desk, &["outside", "s-wal", "s2-shm", "r/0.json", "r2/0.html", "p/5.entry", "p2/5.tlog-proof", "k.pub"]);
    put(desk, &["e/log.vkey", "e2/tile/0/000", "e3/checkpoint", "i/checkpoint", "i2/foo", "i3/lock", "m/lock"]);
    put(desk, &["h/hooks/pre-receive", "h2/HEAD", "h3/foo", "d/mirror.sqlite", "d2/keys", "d3/live.sqlite"]);
    desk.git(&["init", "-q", "--bare", "bare.git"]).ok();
    desk.git(&["init", "-q", "--bare", "linked.git"]).ok();
    put(desk, &["bare.git/hooks/pre-receive"]);
    let outside = desk.path("outside");
    for link in ["r3/0.json", "p3/5.entry", "e4/tile", "e5/log.vkey.tmp", "i4/lock", "m2/lock"] {
        std::fs::create_dir_all(desk.path(link).parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(&outside, desk.path(link)).unwrap();
    }
    std::os::unix::fs::symlink(&outside, desk.path("linked.git/hooks/post-receive")).unwrap();
    for link in ["d4/ledger", "d5/assay.toml"] {
        std::fs::create_dir_all(desk.path(link).parent().unwrap()).unwrap();
        std::os::unix::fs::symlink("/nowhere", desk.path(link)).unwrap();
    }
}

/// Commands that would write there.
const WRITING: &str = "mirror copy s
mirror copy s2
mirror copy outside
mirror copy other/mirror.sqlite
report 0 --out r
report 0 --out r2
report 0 --out r3
prove 5 --out p
prove 5 --out p2
prove 5 --out p3
ledger export e
ledger export e2
ledger export e3
ledger export e4
ledger export e5
ledger import export --into i
ledger import export --into i2
ledger import export --into i3
ledger import export --into i4
witness export --vkey VKEY --key w --name w.example/x --memory m
witness export --vkey VKEY --key w --name w.example/x --memory m2
hook install --repo h --genesis GENESIS --live sqlite:l.sqlite
hook install --repo h2 --genesis GENESIS --live sqlite:l.sqlite
hook install --repo h3 --genesis GENESIS --live sqlite:l.sqlite
hook install --repo bare.git --genesis GENESIS --live sqlite:l.sqlite
hook install --repo linked.git --genesis GENESIS --live sqlite:l.sqlite
hook install --repo lab/deploy.git --genesis GENESIS --live sqlite:l.sqlite
init d
init d2
init d3
init d4
init d5
init d6 --live sqlite:outside
key new --out k";

#[test]
fn nothing_of_somebody_elses_is_written_over() {
    let desk = Desk::new();
    arrange(&desk);
    let before = state(&desk.path(""));
    let vkey = std::fs::read_to_string(desk.path("lab/ledger/log.vkey")).unwrap();
    for line in WRITING.lines() {
        let filled = line.replace("VKEY", vkey.trim()).replace("GENESIS", &"0".repeat(64));
        let refused = desk.assay(&filled.split(' ').collect::<Vec<_>>());
        assert!([2, 3].contains(&refused.code), "{line}: {} {}", refused.code, refused.err);
        assert!(!refused.err.contains("panicked"), "{line}: {}", refused.err);
        let now = state(&desk.path(""));
        // A folder that was looked at may have got a lock; nothing that stood changed.
        let changed: Vec<_> = before.iter().filter(|file| !now.contains(file)).map(|f| &f.0).collect();
        assert!(changed.is_empty(), "{line} changed {changed:?}");
    }
    // With --force, and where the files are ours, it is written.
    for line in "mirror copy outside --force,report 0 --out r --force,report 0 --out r,prove 5 --out p --force,\
                 prove 5 --out p,mirror copy outside,ledger export export"
        .split(',')
    {
        desk.assay(&line.split(' ').collect::<Vec<_>>()).ok();
    }
    put(&desk, &["mine/tampered/file"]);
    desk.assay(&["demo", "--generated", "--trials", "16", "--out", "mine"]).ok();
    assert_eq!(std::fs::read(desk.path("mine/tampered/file")).unwrap(), b"precious\n");
}

/// An answer that could not be written is no answer: whatever prints says so, and a reader that went away
/// is no error.
#[test]
fn an_answer_that_gets_lost() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let lines = "log,log --json,verify,verify --json,active,active --json,audit,key list,data show,doctor,reconcile,prove 1,\
                 trials,trials --json,review --json,completions bash,--help,--version,log --help,mirror look";
    for line in lines.split(',') {
        let args: Vec<&str> = line.split(' ').collect();
        if desk.assay(&args).out.is_empty() {
            continue;
        }
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let said = desk.command(&args).stdout(full).output().unwrap();
        let err = String::from_utf8_lossy(&said.stderr);
        assert_eq!(said.status.code(), Some(3), "{line}: {err}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        assert_eq!(desk.command(&args).stdout(writer).output().unwrap().status.code(), Some(0), "{line}");
    }
}

/// Ctrl-C in a terminal reaches git too, and SIGKILL asks nobody: where the deploy branch stands is the
/// truth, and the lab follows it.
#[test]
fn a_deploy_that_is_cut_off_is_not_forgotten() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let hook = desk.path("lab/deploy.git/hooks/post-receive");
    let text = std::fs::read_to_string(&hook).unwrap();
    let (at, go) = (desk.path("at"), desk.path("go"));
    let slow = format!("#!/bin/sh\ntouch '{}'\nwhile [ ! -e '{}' ]; do sleep 0.02; done", at.display(), go.display());
    std::fs::write(&hook, text.replacen("#!/bin/sh", &slow, 1)).unwrap();
    let tip = |repo: &str| desk.git(&["--git-dir", repo, "rev-parse", "main"]).ok().out;
    let proposed = |to: &str| {
        let branch = desk.assay(&["rollback", "trend", "--to", to, "--reason", "test"]).ok().out.trim().to_string();
        desk.approve(&branch, "lab/people/ben").ok();
        branch
    };
    for signal in ["-INT", "-KILL"] {
        let branch = proposed("2");
        let before = tip("lab/deploy.git");
        let mut command = desk.command(&["deploy", &branch]);
        command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        wait_for("the push to land", || at.exists());
        // To the whole group, as a terminal does.
        desk.run("kill", &[signal, "--", &format!("-{}", child.id())]).ok();
        if signal == "-INT" {
            std::fs::write(&go, "").unwrap();
        }
        child.wait().unwrap();
        std::fs::write(&go, "").unwrap();
        let landed = tip("lab/deploy.git");
        assert_ne!(landed, before, "it had landed");
        if signal == "-INT" {
            assert_eq!(tip("lab/repo.git"), landed, "the lab knows");
        } else {
            assert!(desk.assay(&["doctor"]).out.contains("the next `assay deploy` brings"));
            assert!(desk.assay(&["deploy", &branch]).ok().out.contains("is deployed already"));
            assert_eq!(tip("lab/repo.git"), landed);
        }
        std::fs::remove_file(&at).unwrap();
        let next = proposed("1");
        desk.assay(&["deploy", &next]).ok();
        assert_eq!(tip("lab/repo.git"), tip("lab/deploy.git"));
        for file in [&at, &go] {
            std::fs::remove_file(file).unwrap();
        }
    }
    desk.assay(&["reconcile"]).ok();
    desk.assay(&["audit"]).ok();
}
