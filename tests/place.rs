//! A lab in its place: moved, copied, half set up, named badly, used by two at once.

use crate::desk::Desk;
use std::process::Stdio;

/// Git runs no hook without a word when their folder has moved. A deploy must not go round the gate.
#[test]
fn nothing_is_deployed_past_hooks_that_are_elsewhere() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let said = desk.assay(&["rollback", "trend", "--to", "2", "--reason", "test"]).ok();
    let branch = said.out.trim().to_string();
    desk.approve(&branch, "lab/people/ben").ok();
    desk.assay(&["doctor"]).ok();
    desk.run("cp", &["-a", "lab", "copy"]).ok();
    desk.run("cp", &["-a", "lab", "plain"]).ok();
    desk.run("chmod", &["-x", "plain/deploy.git/hooks/pre-receive"]).ok();
    desk.git(&["-C", "plain/deploy.git", "config", "--unset", "core.hooksPath"]).ok();
    let before = desk.git(&["--git-dir", "lab/deploy.git", "rev-parse", "main"]).ok();
    for (lab, words) in [("copy", "git looks for them in"), ("plain", "pre-receive may not be run")] {
        desk.assay(&["--lab", lab, "deploy", &branch]).fails(3, words).fails(3, "assay hook install");
        desk.assay(&["--lab", lab, "doctor"]).fails(3, " failed");
        let tip = desk.git(&["--git-dir", &format!("{lab}/deploy.git"), "rev-parse", "main"]).ok();
        assert_eq!(tip.out, before.out, "nothing landed");
    }
    // A copy would deploy into the original's live table.
    desk.assay(&["hook", "install", "--repo", "copy/deploy.git"]).fails(2, "belongs to the lab in").fails(2, "--live");
    desk.run("mv", &["lab", "it's moved"]).ok();
    desk.assay(&["hook", "install", "--repo", "it's moved/deploy.git"]).fails(2, "is gone");
    let lab = |args: &[&str]| desk.assay(&[&["--lab", "it's moved"], args].concat());
    lab(&["deploy", &branch]).fails(3, "git looks for them in");
    let install = ["hook", "install", "--repo", "it's moved/deploy.git", "--live", "sqlite:moved.sqlite"];
    desk.assay(&install).fails(3, "what is halted in the table that was here cannot be read");
    desk.assay(&[&install[..], &["--force"]].concat()).ok();
    // A new file: it is made anew from git and the host's log.
    assert!(lab(&["doctor"]).out.contains("`assay reconcile` makes it again"));
    lab(&["reconcile"]).ok();
    lab(&["doctor"]).ok();
    assert!(lab(&["deploy", &branch]).ok().out.contains("is live"));
    lab(&["active"]).ok();
    lab(&["audit"]).ok();
}

/// What is wrong with a new lab's names and place is said before anything is there.
#[test]
fn a_lab_that_would_be_wrong_leaves_nothing_behind() {
    let desk = Desk::new();
    desk.assay(&["key", "new", "--out", "ben"]).ok();
    let before = std::fs::read_dir(desk.path("")).unwrap().count();
    let wrong = |args: &[&str], code: i32, words: &str| {
        desk.assay(args).fails(code, words);
        assert_eq!(std::fs::read_dir(desk.path("")).unwrap().count(), before, "{args:?} left something");
    };
    for person in ["../../escaped", "ana banana", "", "Ana", "..", "-x", "log", "deploy", "a/b", "a+b"] {
        let person = format!("--person={person}");
        wrong(&["init", "lab", &person], 2, "name");
        wrong(&["init", "lab", &person, "--reviewer", "ben=ben.pub"], 2, "name");
    }
    for origin in ["two words", "", "a+b", "ä"] {
        wrong(&["init", "lab", "--origin", origin], 2, "origin");
    }
    wrong(&["init", "lab", "--reviewer", "b en=ben.pub"], 2, "not a name");
    wrong(&["init", "lab", "--reviewer", "ben=nowhere.pub"], 3, "nowhere.pub");
    wrong(&["demo", "--data", "nowhere"], 3, "nowhere");
    wrong(&["demo", "--generated", "--live", "oracle:x"], 2, "oracle");
    wrong(&["hook", "install", "--repo", "d.git"], 2, "first policy");
    let no_git = desk.command(&["init", "lab", "--reviewer", "ben=ben.pub"]).env("PATH", "").output().unwrap();
    assert_eq!(no_git.status.code(), Some(3), "{}", String::from_utf8_lossy(&no_git.stderr));
    assert!(String::from_utf8_lossy(&no_git.stderr).contains("install git"));
    assert_eq!(std::fs::read_dir(desk.path("")).unwrap().count(), before);
    desk.assay(&["init", "lab", "--reviewer", "ben=ben.pub"]).ok();
}

/// Two processes run one study: both end well, and the ledger holds it once.
#[test]
fn two_processes_may_run_the_same_study() {
    let desk = Desk::new();
    desk.lab_with_market();
    desk.strategy_and_study(120);
    let run = || {
        let mut command = desk.command(&["study", "run", "trend.toml", "study.toml", "--jobs", "1"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    for child in [run(), run(), run()] {
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
    desk.assay(&["verify"]).ok();
    let log = desk.assay(&["log", "--json", "--limit", "1000"]).ok().out;
    let count = |kind: &str| log.lines().filter(|l| l.contains(&format!("\"kind\":\"{kind}\""))).count();
    assert_eq!((count("StudyOpened"), count("StudyClosed"), count("WalkForwardCompleted")), (1, 1, 1));
    assert_eq!(count("TrialCompleted") + count("TrialFailed") + count("TrialPruned"), 120);
    let closed = desk.assay(&["study", "show", "--json"]).ok().json();
    assert_eq!(closed[0]["statistics"]["trials_lineage"], 120.0, "no trial counts twice");
}

/// A rotated key inside the lab goes with it when the folder moves.
#[test]
fn a_new_key_inside_the_lab_moves_with_it() {
    let desk = Desk::new();
    desk.assay(&["init", "lab", "--person", "ana"]).ok();
    desk.assay(&["key", "rotate", "--to", "lab/keys/ana-2027"]).ok();
    desk.run("mv", &["lab", "moved"]).ok();
    desk.assay(&["--lab", "moved", "key", "rotate", "--to", "outside"]).ok();
    desk.run("mv", &["moved", "again"]).ok();
    desk.assay(&["--lab", "again", "key", "rotate", "--to", "again/keys/third"]).ok();
    desk.assay(&["--lab", "again", "verify"]).ok();
    desk.assay(&["--lab", "again", "key", "add", "../x", "--role", "researcher", "--public", "outside.pub"])
        .fails(2, "is not a name");
}

/// Settings that hold a password are their owner's alone, whatever the umask, also where they stood for all before.
#[test]
fn a_password_in_the_settings_is_the_owners() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let mode = || std::fs::metadata(desk.path("lab/deploy.git/assay/gate.toml")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o644);
    let install = |live: &str| desk.assay(&["hook", "install", "--repo", "lab/deploy.git", "--live", live]).ok();
    let said = install("postgres://w:secret@db.invalid/x");
    assert!(said.err.contains("for its owner alone") && !said.err.contains("secret"), "{}", said.err);
    assert_eq!(mode(), 0o600);
}
