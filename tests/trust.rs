//! Local files are not trusted, and a log never signs two histories: what somebody wrote into the
//! files, and what a restored backup brings along, stops every command that writes or shows.

use crate::desk::{Desk, copy_dir};
use assay_ledger::{Draft, Log, Signer};
use assay_shared::event::{Event, KeyAdded, StrategyRegistered};
use std::collections::BTreeMap;
use std::path::Path;

/// Whatever a lab must not have written: checkpoint, mirror, refs of both repositories, outputs.
fn state(desk: &Desk) -> BTreeMap<String, Vec<u8>> {
    let read = |name: &str| std::fs::read(desk.path(name)).unwrap_or_default();
    let refs = |repo: &str| desk.git(&["--git-dir", repo, "for-each-ref"]).ok().out.into_bytes();
    BTreeMap::from([
        ("checkpoint".to_string(), read("lab/ledger/checkpoint")),
        ("mirror".into(), read("lab/mirror.sqlite")),
        ("repo".into(), refs("lab/repo.git")),
        ("deploy".into(), refs("lab/deploy.git")),
        ("export".into(), read("out/checkpoint")),
    ])
}

/// Puts an event into the journal, as whoever can write files and has some key can.
fn plant(desk: &Desk, draft: Draft, by: &Signer) {
    let mut log = Log::open(&desk.path("lab/ledger")).unwrap();
    log.append(&[draft], by).unwrap();
}

/// The demo's study under another name and id.
fn forged_study(desk: &Desk) -> Draft {
    let log = Log::open(&desk.path("lab/ledger")).unwrap();
    let mut found = None;
    log.scan(0, |entry| {
        if let Ok(Event::StudyOpenedV2(e)) = Event::of(&entry) {
            found = Some(e);
        }
        Ok::<(), assay_ledger::LedgerError>(())
    })
    .unwrap();
    let study = found.unwrap();
    Event::from(assay_shared::event::StudyOpenedV2 { study_id: [7; 16], name: "forged".into(), ..study })
        .draft()
        .unwrap()
}

fn forged_admin(mallory: &Signer) -> Draft {
    let key = mallory.public().to_bytes();
    Event::from(KeyAdded { person: "eve".into(), roles: vec!["admin".into()], key }).draft().unwrap()
}

/// Commands that write, sign or publish.
const WRITE: [&[&str]; 9] = [
    &["key", "add", "cyd", "--role", "researcher", "--public", "cyd.pub"],
    &["key", "revoke", "cyd.pub", "--reason", "x"],
    &["promote"],
    &["rollback", "trend", "--to", "2", "--reason", "x"],
    &["parity", "0"],
    &["study", "run", "trend.toml", "study.toml", "--name", "another", "--trials", "4"],
    &["ledger", "export", "out"],
    &["ledger", "publish"],
    &["mirror", "update"],
];
/// Commands that show what the ledger says.
const SHOW: [&[&str]; 5] =
    [&["log"], &["trials"], &["prove", "3"], &["key", "list"], &["mirror", "copy", "copy.sqlite"]];

/// L-01, L-13: an entry that nobody who counts signed stops every command that writes or shows, with
/// its number; nothing is signed over it, no row of it comes into the mirror, and there is a way out.
#[test]
fn a_planted_entry_stops_every_command() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    desk.strategy_and_study(4);
    desk.assay(&["key", "new", "--out", "cyd"]).ok();
    let before = state(&desk);
    copy_dir(&desk.path("lab/ledger"), &desk.path("whole"));
    let mallory = Signer::from_seed([66; 32]);
    for (draft, by) in [(forged_study(&desk), &mallory), (forged_admin(&mallory), &mallory)] {
        let n = Log::open(&desk.path("lab/ledger")).unwrap().len();
        plant(&desk, draft, by);
        for args in WRITE.iter().chain(&SHOW) {
            let said = desk.assay(args).fails(1, &format!("entry {n}: unknown-key"));
            assert!(said.err.contains("assay ledger rebuild --cut"), "{args:?}: {}", said.err);
            assert!(!said.out.contains("forged") && !said.out.contains("eve"), "{args:?}: {}", said.out);
            assert_eq!(state(&desk), before, "{args:?} left a trace");
        }
        desk.assay(&["mirror", "rebuild"]).fails(1, "unknown-key");
        desk.assay(&["verify"]).fails(1, "unknown-key");
        let said = desk.assay(&["ledger", "rebuild", "--cut"]).ok();
        assert!(said.err.contains(".cut-"), "{}", said.err);
        desk.assay(&["verify", "--deep"]).ok();
        assert_eq!(state(&desk), before);
    }
    desk.assay(&["ledger", "rebuild", "--cut"]).fails(2, "nothing to cut");
    desk.assay(WRITE[0]).ok();
    desk.assay(&["verify", "--deep"]).ok();
    assert!(desk.assay(&["trials", "--study", "forged"]).code != 0);
}

/// L-27, O-09: a restored backup of ledger, mirror and marks is found out by every command that
/// writes, whichever place still remembers the newer checkpoint; the newer history can be brought back.
#[test]
fn a_restored_backup_never_signs_again() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    desk.strategy_and_study(4);
    desk.assay(&["key", "new", "--out", "cyd"]).ok();
    copy_dir(&desk.path("lab"), &desk.path("backup"));
    desk.assay(&["key", "new", "--out", "dan"]).ok();
    desk.assay(&["key", "add", "dan", "--role", "researcher", "--public", "dan.pub"]).ok();
    desk.assay(&["rollback", "trend", "--to", "2", "--reason", "test"]).ok();
    desk.git(&["--git-dir", "lab/repo.git", "push", "-q", "../deploy.git", "refs/heads/ledger/*"]);
    let newest = desk.path("lab/deploy.git").to_string_lossy().into_owned();
    let branch = "refs/heads/ledger/demo.assay.invalid_ana";
    desk.git(&["--git-dir", "lab/repo.git", "push", "-q", &newest, branch]).ok();
    let remembered = desk.path(".local/state/assay");
    let memory = std::fs::read_dir(&remembered).unwrap().flatten().map(|f| f.path());
    let memory = memory.into_iter().find(|p| p.to_string_lossy().contains("demo.assay.invalid_ana")).unwrap();
    let (mind, newer) = (std::fs::read(&memory).unwrap(), desk.path("newer"));
    copy_dir(&desk.path("lab/ledger"), &newer);

    // What the backup brings back, and which place then still knows better.
    let restore = |repos: &[&str]| {
        for name in ["ledger", "repo.git", "deploy.git"].iter().filter(|n| **n == "ledger" || repos.contains(n)) {
            std::fs::remove_dir_all(desk.path(&format!("lab/{name}"))).unwrap();
            copy_dir(&desk.path(&format!("backup/{name}")), &desk.path(&format!("lab/{name}")));
        }
        std::fs::copy(desk.path("backup/mirror.sqlite"), desk.path("lab/mirror.sqlite")).unwrap();
        let _ = std::fs::remove_file(desk.path("lab/verified.checkpoint"));
    };
    let cases: [(&[&str], bool, &str); 3] = [
        (&["repo.git", "deploy.git"], true, "remembers what this log published"),
        (&["deploy.git"], false, "lab/repo.git"),
        (&["repo.git"], false, "lab/deploy.git"),
    ];
    let saved = [("repo.git", desk.path("saved-repo")), ("deploy.git", desk.path("saved-deploy"))];
    saved.iter().for_each(|(name, to)| copy_dir(&desk.path(&format!("lab/{name}")), to));
    for (repos, mindful, place) in cases {
        restore(repos);
        if !mindful {
            std::fs::remove_file(&memory).unwrap();
        }
        let before = state(&desk);
        for args in WRITE.iter().filter(|args| args[0] != "mirror") {
            let said = desk.assay(args).fails(1, "rollback: the ledger has");
            assert!(said.err.contains(place), "{args:?}: {}", said.err);
            assert_eq!(state(&desk), before, "{args:?} left a trace");
        }
        desk.assay(&["verify"]).fails(1, "shorter-than-checkpoint");
        // The way back is in the repository that knows better.
        if let Some((name, _)) = saved.iter().find(|(name, _)| !repos.contains(name)) {
            desk.assay(&["ledger", "rebuild", "--from", &format!("lab/{name}")]).ok();
            desk.assay(&["mirror", "rebuild"]).ok();
            desk.assay(&["ledger", "publish"]).ok();
            desk.assay(&["verify"]).ok();
        }
        for (name, from) in &saved {
            std::fs::remove_dir_all(desk.path(&format!("lab/{name}"))).unwrap();
            copy_dir(from, &desk.path(&format!("lab/{name}")));
        }
        std::fs::write(&memory, &mind).unwrap();
    }

    // A backup brings back what it will: the mirror, or a note beside the ledger, still knows better.
    for (name, says) in
        [("mirror.sqlite", "ahead of the ledger's"), ("ledger/standing", "a note that the log's key signed")]
    {
        std::fs::copy(desk.path("lab").join(name), desk.path("kept")).unwrap();
        restore(&["repo.git", "deploy.git"]);
        std::fs::remove_file(&memory).unwrap();
        std::fs::copy(desk.path("kept"), desk.path("lab").join(name)).unwrap();
        let before = state(&desk);
        for args in WRITE.iter().filter(|args| args[0] != "mirror") {
            let said = desk.assay(args).fails(1, "");
            assert!(said.err.contains(says), "{args:?}: {}", said.err);
            assert_eq!(state(&desk), before, "{args:?} left a trace");
        }
        desk.assay(&["ledger", "rebuild", "--from", "saved-repo"]).ok();
        desk.assay(&["mirror", "rebuild"]).ok();
        for (name, from) in &saved {
            std::fs::remove_dir_all(desk.path(&format!("lab/{name}"))).unwrap();
            copy_dir(from, &desk.path(&format!("lab/{name}")));
        }
        desk.assay(&["ledger", "publish"]).ok();
        std::fs::write(&memory, &mind).unwrap();
        desk.assay(&["verify"]).ok();
    }

    // The same size, another history: the very fork that must not be.
    restore(&["repo.git", "deploy.git"]);
    std::fs::remove_file(&memory).unwrap();
    desk.assay(&["key", "add", "dan", "--role", "researcher", "--public", "dan.pub"]).ok();
    desk.assay(WRITE[0]).ok();
    std::fs::write(&memory, &mind).unwrap();
    let before = state(&desk);
    desk.assay(&["key", "revoke", "cyd.pub", "--reason", "x"]).fails(1, "another history");
    assert_eq!(state(&desk), before);
    std::fs::remove_dir_all(desk.path("lab/ledger")).unwrap();
    std::fs::rename(newer, desk.path("lab/ledger")).unwrap();
    // A mirror of the other history says so, until somebody decides that it is the wrong one.
    desk.assay(&["mirror", "rebuild"]).fails(1, "of another ledger");
    std::fs::remove_file(desk.path("lab/mirror.sqlite")).unwrap();
    desk.assay(&["mirror", "rebuild"]).ok();
    desk.assay(WRITE[0]).ok();
    desk.assay(&["verify"]).ok();
}

/// Two copies of one lab do not go on side by side: the second one is behind what the first published.
#[test]
fn two_copies_of_a_lab() {
    let desk = Desk::new();
    desk.assay(&["init", "lab", "--person", "ana"]).ok();
    for name in ["ben", "cyd"] {
        desk.assay(&["key", "new", "--out", name]).ok();
    }
    copy_dir(&desk.path("lab"), &desk.path("copy"));
    desk.run("chmod", &["600", "copy/keys/ana", "copy/keys/log"]).ok();
    let add = |lab: &str, who: &str| {
        let public = format!("{who}.pub");
        desk.assay(&["--lab", lab, "key", "add", who, "--role", "researcher", "--public", &public])
    };
    add("lab", "ben").ok();
    add("copy", "cyd").fails(1, "rollback").fails(1, "1 entries, 2 were seen");
    // Without a place to remember in, work goes on, and that is said.
    let mut c = desk.command(&["--lab", "lab", "ledger", "publish"]);
    assert!(c.env("XDG_STATE_HOME", "/proc/none").output().unwrap().status.success(), "nothing to publish");
    let mut c = desk.command(&["--lab", "lab", "key", "add", "cyd", "--role", "researcher", "--public", "cyd.pub"]);
    let said = c.env("XDG_STATE_HOME", "/proc/none").output().unwrap();
    assert!(said.status.success() && String::from_utf8_lossy(&said.stderr).contains("cannot be remembered"));
}

/// The lab's own log, its keys, and a clock that is fast.
fn with_fast_clock(desk: &Desk, clock: fn() -> u64) {
    let lab = desk.path("lab");
    let read = |name: &str| Signer::read(&lab.join("keys").join(name), &|_: &Path| None).unwrap();
    let mut log = Log::open(&lab.join("ledger")).unwrap();
    log.clock = clock;
    let event = StrategyRegistered { name: "x".into(), hash: [4; 32], canonical: format!("{}", clock()) };
    log.append(&[Event::from(event).draft().unwrap()], &read("ana")).unwrap();
    log.publish(&read("log")).unwrap();
}

fn hours_ahead(hours: u64) -> u64 {
    assay_ledger::log::system_clock() + hours * 3_600_000_000
}

/// L-23, L-24: one event under a clock that was three hours fast: promotions go on, each stating the
/// time of its event. One that is a month ahead stops the log, with words.
#[test]
fn a_clock_that_was_fast() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    with_fast_clock(&desk, || hours_ahead(3));
    let said = desk.assay(&["rollback", "trend", "--to", "2", "--reason", "test"]).ok();
    assert!(said.err.contains("clock is") && said.err.contains("behind the last entry"), "{}", said.err);
    let branch = said.out.trim().to_string();
    let event = desk.assay(&["log", "--kind", "RollbackProposed", "--json"]).ok();
    let event: serde_json::Value = serde_json::from_str(event.out.lines().last().unwrap()).unwrap();
    let config =
        desk.git(&["--git-dir", "lab/repo.git", "show", &format!("{branch}:configs/live/trend.toml")]).ok().out;
    let stated = config.lines().find(|l| l.starts_with("promotion_timestamp")).unwrap();
    let stated = stated.split('"').nth(1).unwrap().trim_end_matches(" UTC").to_string();
    assert!(event["time"].as_str().unwrap().starts_with(&stated), "{event} states {stated}");
    desk.approve(&branch, "lab/people/ben").ok();
    assert!(desk.assay(&["deploy", &branch]).ok().out.contains("is live"));

    with_fast_clock(&desk, || hours_ahead(24 * 30));
    let said =
        desk.assay(&["rollback", "trend", "--to", "2", "--reason", "test"]).fails(1, "ahead of this machine's clock");
    assert!(said.err.contains("set the clock right"), "{}", said.err);
    desk.assay(&["verify"]).ok();
}

/// What landed and was not published is published by the command that is run again, by `publish`, and
/// recorded once.
#[test]
fn an_effect_that_landed_is_not_refused() {
    let desk = Desk::new();
    desk.assay(&["init", "lab", "--person", "ana"]).ok();
    desk.assay(&["key", "new", "--out", "cyd"]).ok();
    let add = ["key", "add", "cyd", "--role", "researcher", "--public", "cyd.pub"];
    let landed = |event: Event| {
        // A command that was cut off between its append and its checkpoint.
        let ana = Signer::read(&desk.path("lab/keys/ana"), &|_: &Path| None).unwrap();
        let mut log = Log::open(&desk.path("lab/ledger")).unwrap();
        log.append(&[event.draft().unwrap()], &ana).unwrap();
        log.len()
    };
    let key = |name: &str| {
        let text = std::fs::read_to_string(desk.path(name)).unwrap();
        text.parse::<assay_ledger::PublicKey>().unwrap().to_bytes()
    };
    let cyd = key("cyd.pub");
    let size = || desk.assay(&["ledger", "publish", "--json"]).ok().json()["size"].as_u64().unwrap();
    let len = landed(KeyAdded { person: "cyd".into(), roles: vec!["researcher".into()], key: cyd }.into());
    desk.assay(&add).ok();
    let published = std::fs::read_to_string(desk.path("lab/ledger/checkpoint")).unwrap();
    assert_eq!(published.lines().nth(1).unwrap(), len.to_string(), "published, and recorded once");
    desk.assay(&add).ok();
    assert_eq!(size(), len);
    desk.assay(&["key", "add", "cyd", "--role", "admin", "--public", "cyd.pub"]).fails(4, "known already");
    let len = landed(assay_shared::event::KeyRevoked { key: cyd, reason: "left".into() }.into());
    desk.assay(&["key", "revoke", "cyd.pub", "--reason", "another reason"]).ok();
    assert_eq!(size(), len);
    desk.assay(&add).fails(4, "revoked at 2");
    // The key was replaced in the ledger, and the settings still name the old one.
    desk.run("cp", &["lab/assay.toml", "before.toml"]).ok();
    desk.assay(&["key", "rotate", "--to", "next"]).ok();
    desk.run("cp", &["before.toml", "lab/assay.toml"]).ok();
    desk.assay(&["key", "rotate", "--to", "next"]).ok();
    desk.assay(&["key", "add", "dan", "--role", "researcher", "--public", "lab/keys/log.pub"]).ok();
    desk.assay(&["verify"]).ok();
}

/// What a newer release wrote is not broken: nothing reads it, nothing writes over it.
#[test]
fn a_newer_format_is_not_damage() {
    let desk = Desk::new();
    desk.assay(&["init", "lab", "--person", "ana"]).ok();
    desk.assay(&["key", "new", "--out", "cyd"]).ok();
    desk.assay(&["ledger", "export", "out"]).ok();
    let segment = desk.path("lab/ledger/journal/00000000000000000000.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[7] = b'2';
    std::fs::write(&segment, &bytes).unwrap();
    let commands: [&[&str]; 7] = [
        &["log"],
        &["verify"],
        WRITE[0],
        &["ledger", "publish"],
        &["ledger", "rebuild", "--from", "sled"],
        &["ledger", "rebuild", "--from", "out"],
        &["ledger", "rebuild", "--index"],
    ];
    for args in commands {
        let said = desk.assay(args).fails(3, "is of a newer format than this release reads");
        assert!(said.err.contains("nothing is broken"), "{args:?}: {}", said.err);
        assert_eq!(std::fs::read(&segment).unwrap(), bytes, "{args:?} touched it");
    }
}

/// A damaged index is one line, and thrown away by command.
#[test]
fn a_damaged_index_is_thrown_away() {
    let desk = Desk::new();
    desk.demo(24, &[]).ok();
    let db = desk.path("lab/ledger/index.sled/00000000000000000000/db");
    let mut bytes = std::fs::read(&db).unwrap();
    let at = bytes.windows(14).position(|w| w == b"TrialCompleted").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&db, bytes).unwrap();
    let said = desk.assay(&["verify", "--deep"]);
    assert!(said.out.lines().count() < 8, "{}", said.out);
    desk.assay(&["ledger", "rebuild", "--from", "sled"]).fails(2, "there is nothing to do");
    desk.assay(&["ledger", "rebuild", "--index"]).ok();
    desk.assay(&["verify", "--deep"]).ok();
    assert!(!desk.path("lab/ledger/journal.damaged-1").exists(), "the journal was whole");
}

/// K-13: whatever the umask, nothing that is written is writable by others, and private keys and their
/// folders are closed.
#[test]
fn modes_whatever_the_umask() {
    let desk = Desk::new();
    let program = env!("CARGO_BIN_EXE_assay");
    let script = format!(
        "umask 000; '{program}' demo --generated --trials 8 && '{program}' verify --deep && \
         '{program}' ledger export out && '{program}' mirror copy copy.sqlite && \
         '{program}' key new --out mine && '{program}' report --out page"
    );
    desk.run("sh", &["-c", &script]).ok();
    let found = desk.run("find", &[".", "-perm", "/022", "!", "-type", "l"]).ok().out;
    assert_eq!(found, "", "writable by others");
    for private in ["lab/keys", "lab/deploy.git/assay/keys"] {
        let mode = desk.run("stat", &["-c", "%a", private]).ok().out;
        assert_eq!(mode.trim(), "700", "{private}");
    }
    let keys = desk
        .run("find", &["lab/keys", "lab/deploy.git/assay/keys", "-type", "f", "!", "-name", "*.pub", "-perm", "/077"]);
    assert_eq!(keys.ok().out, "");
}
