//! The live table in a file under somebody who may write there: its shape, its times, words said again, another place.

use crate::desk::{Desk, Said};
use rusqlite::Connection;

fn table(desk: &Desk) -> Connection {
    Connection::open(desk.path("lab/live.sqlite")).unwrap()
}

fn halted_view(desk: &Desk, file: &str) -> Vec<String> {
    let table = Connection::open(desk.path(file)).unwrap();
    let mut rows = table.prepare("SELECT strategy FROM halted").unwrap();
    rows.query_map([], |r| r.get(0)).unwrap().map(Result::unwrap).collect()
}

/// Somebody changes what the table is made of: a comparison ends with 1, and the next round makes it ours again before it
/// looks at anything, and records it.
#[test]
fn views_and_triggers_are_ours() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    desk.assay(&["halt", "trend", "--reason", "wait", "--key", "lab/people/ben"]).ok();
    for sql in [
        "DROP VIEW halted; CREATE VIEW halted AS SELECT strategy FROM halts WHERE 0",
        "DROP VIEW halted",
        "CREATE TRIGGER mine AFTER INSERT ON active_configs BEGIN UPDATE active_configs SET author = 'eve'; END",
        "DROP TRIGGER halts_stay",
        "DROP TRIGGER config_history_keep; CREATE TRIGGER config_history_keep BEFORE UPDATE ON config_history BEGIN SELECT 1; END",
    ] {
        table(&desk).execute_batch(sql).unwrap();
        let found = desk.assay(&["reconcile", "--check"]).fails(1, "behind git's back");
        assert!(found.err.contains("the live table is put back"), "{sql}: {}", found.err);
        desk.assay(&["reconcile"]).ok();
        assert_eq!(halted_view(&desk, "lab/live.sqlite"), ["trend"], "{sql}");
        let rows = desk.assay(&["active", "--json"]).ok().json();
        assert_eq!((rows[0]["author"].as_str(), rows[0]["halted"].as_bool()), (Some("ana"), Some(true)), "{sql}");
        desk.assay(&["reconcile", "--check"]).ok();
    }
    // What somebody else keeps in the same file is theirs.
    table(&desk)
        .execute_batch("CREATE TABLE notes (t TEXT); CREATE VIEW mine AS SELECT version FROM active_configs")
        .unwrap();
    desk.assay(&["reconcile", "--check"]).ok();
    // A table that takes less than ours is seen each time.
    let strict = "CREATE TABLE h2 AS SELECT * FROM halts; DROP TABLE halts; CREATE TABLE halts (id INTEGER PRIMARY KEY AUTOINCREMENT, \
                  strategy TEXT CHECK (strategy <> 'other'), word TEXT, at_us INTEGER, person TEXT, statement TEXT, signature TEXT); \
                  INSERT INTO halts SELECT * FROM h2; DROP TABLE h2";
    let whole = std::fs::read(desk.path("lab/live.sqlite")).unwrap();
    table(&desk).execute_batch(strict).unwrap();
    for _ in 0..2 {
        let found = desk.assay(&["reconcile", "--check"]).fails(1, "behind git's back");
        assert!(found.err.contains("the table halts takes less than ours"), "{}", found.err);
        desk.assay(&["reconcile"]).ok();
    }
    for more in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(desk.path(&format!("lab/live.sqlite{more}")));
    }
    std::fs::write(desk.path("lab/live.sqlite"), whole).unwrap();
    // Rows that are made up as they are read are no table.
    let made_up = "ALTER TABLE active_configs RENAME TO hidden; CREATE VIEW active_configs AS SELECT * FROM hidden";
    table(&desk).execute_batch(&format!("DROP VIEW mine; {made_up}")).unwrap();
    desk.assay(&["reconcile", "--check"]).fails(1, "behind git's back");
}

/// Since when a version is live the history says, which nobody changes.
#[test]
fn a_time_that_was_changed_is_set_right() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let before = desk.assay(&["active", "--json"]).ok().out;
    table(&desk).execute_batch("UPDATE active_configs SET deployed_us = 1").unwrap();
    desk.assay(&["reconcile", "--check"]).fails(1, "behind git's back");
    assert!(desk.assay(&["reconcile"]).ok().err.contains("changed by hand: deployed_us"));
    assert_eq!(desk.assay(&["active", "--json"]).ok().out, before);
    // A version that was never deployed stays in the history until its owner takes it out, and that is said.
    let forged = "INSERT INTO config_history SELECT * FROM config_history WHERE 0; \
                  CREATE TEMP TABLE t AS SELECT * FROM config_history WHERE version = 3; UPDATE t SET version = 9; \
                  INSERT INTO config_history SELECT * FROM t";
    table(&desk).execute_batch(forged).unwrap();
    desk.assay(&["reconcile"]).ok();
    desk.assay(&["reconcile", "--check"]).fails(1, "the history is append-only: its owner looks");
}

/// A halt that enough people have ended, said again word for word by somebody who holds no key, stops and is unsigned.
#[test]
fn a_halt_that_is_said_again_is_nobodys() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    desk.assay(&["halt", "trend", "--reason", "wait", "--key", "lab/people/ben"]).ok();
    let signed = || {
        let rows = desk.assay(&["halt", "--list", "--json"]).ok().json();
        rows.as_array().unwrap().iter().map(|r| r["signed"].as_bool().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(signed(), [true]);
    for key in ["lab/keys/ana", "lab/people/ben"] {
        desk.assay(&["resume", "trend", "--key", key]).ok();
    }
    for at in ["at_us", "at_us + 1000000000"] {
        let again = format!(
            "INSERT INTO halts (strategy, word, at_us, person, statement, signature) \
             SELECT strategy, word, {at}, person, statement, signature FROM halts WHERE id = 1"
        );
        table(&desk).execute_batch(&again).unwrap();
        assert!(desk.assay(&["active"]).ok().out.contains("trend is HALTED since"));
        assert_eq!(signed().last(), Some(&false), "{at}");
        assert!(desk.assay(&["reconcile"]).ok().err.contains("said before: nobody signed them again"));
        // Their votes were for going on after these very words.
        desk.assay(&["resume", "trend", "--key", "lab/keys/ana"]).ok();
        assert!(!desk.assay(&["active"]).ok().out.contains("HALTED"));
    }
}

fn genesis(desk: &Desk) -> String {
    let text = std::fs::read_to_string(desk.path("lab/deploy.git/assay/gate.toml")).unwrap();
    let root = text.lines().find_map(|l| l.strip_prefix("genesis_policy_sha256 = ")).unwrap();
    root.trim_matches('"').to_string()
}

/// What is halted is said wherever somebody asks what is live: in the lab, and from a clone once the host has recorded it.
#[test]
fn a_halt_is_seen_everywhere() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    desk.assay(&["halt", "trend", "--reason", "wait", "--key", "lab/people/ben"]).ok();
    assert!(desk.assay(&["reconcile"]).ok().out.contains("trend is HALTED since"));
    desk.git(&["clone", "-q", "lab/deploy.git", "c"]).ok();
    let root = genesis(&desk);
    let of_clone = |args: &[&str]| desk.assay(&[args, &["--repo", "c", "--genesis", &root]].concat());
    let says = |said: Said| assert!(said.out.contains("HALTED") && said.out.contains("by ben"), "{}", said.out);
    says(desk.assay(&["audit"]).ok());
    says(desk.assay(&["active"]).ok());
    says(desk.assay(&["active", "--at", "2100-01-01"]).ok());
    says(desk.assay(&[]).ok());
    says(of_clone(&["active"]).ok());
    says(of_clone(&["active", "--at", "2100-01-01"]).ok());
    says(of_clone(&["audit"]).ok());
    says(of_clone(&["explain", "trend"]).ok());
    assert_eq!(of_clone(&["active", "--json"]).ok().json()[0]["halted"], true);
    assert_eq!(of_clone(&["audit", "--json"]).ok().json()["halted"][0], "trend");
    let said = of_clone(&["log", "--kind", "HaltSaid"]).ok();
    assert!(said.err.contains("the host's own log, of deployments and halts: --origin "), "{}", said.err);
    // Before it was halted it was not.
    let at = desk.assay(&["active", "--json"]).ok().json()[0]["deployed_at"].as_str().unwrap().to_string();
    assert!(!of_clone(&["active", "--at", &at]).out.contains("HALTED"));
    // A clone that is not whole says so, and is not called a forgery.
    desk.git(&[
        "clone",
        "-q",
        "--depth",
        "1",
        "--no-single-branch",
        &format!("file://{}", desk.path("lab/deploy.git").display()),
        "s",
    ])
    .ok();
    desk.assay(&["audit", "--repo", "s", "--genesis", &root]).fails(2, "the clone is shallow");
    desk.assay(&["audit", "--repo", "c", "--genesis", &"0".repeat(64)]).fails(1, "is not the one that was named");
}

/// Another table takes a table's place: what is halted stays so, whether or not the host had recorded it.
#[test]
fn a_halt_outlives_its_table() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    desk.assay(&["halt", "trend", "--reason", "wait", "--key", "lab/people/ben"]).ok();
    let to = |file: &str| format!("sqlite:{}", desk.path(file).display());
    let install = |live: &str, more: &[&str]| {
        desk.assay(&[&["hook", "install", "--repo", "lab/deploy.git", "--live", live], more].concat())
    };
    assert!(install(&to("lab/second.sqlite"), &[]).ok().err.contains("1 halt is in force"));
    desk.assay(&["active"]).fails(3, "is not there: what is live is not known here");
    desk.assay(&["reconcile"]).ok();
    assert!(desk.assay(&["active"]).ok().out.contains("trend is HALTED since"));
    assert_eq!(halted_view(&desk, "lab/second.sqlite"), ["trend"]);
    // One that cannot be read any more does not lose its halts in silence.
    std::fs::write(desk.path("lab/second.sqlite"), "no database, and not empty either").unwrap();
    let _ = std::fs::remove_file(desk.path("lab/second.sqlite-wal"));
    let _ = std::fs::remove_file(desk.path("lab/second.sqlite-shm"));
    install(&to("lab/third.sqlite"), &[]).fails(3, "what is halted in the table that was here cannot be read");
    install(&to("lab/third.sqlite"), &["--force"]).ok();
    desk.assay(&["reconcile"]).ok();
    assert!(desk.assay(&["active"]).ok().out.contains("trend is HALTED since"), "the host had recorded it");
}

/// Whatever lies in a cell, it is another value than git's, and is set right; a halt of an odd name stops nobody's work.
#[test]
fn cells_of_other_kinds() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let before = desk.assay(&["active", "--json"]).ok().out;
    for sql in [
        "UPDATE active_configs SET config_toml = CAST(config_toml AS BLOB)",
        "UPDATE active_configs SET config_toml = CAST(replace(config_toml, 'leverage', 'lever') AS BLOB)",
        "UPDATE active_configs SET version = 'three'",
        "UPDATE active_configs SET deployed_us = 1.5, author = x'ff00'",
        "UPDATE active_configs SET strategy = CAST('trend' AS BLOB)",
        "CREATE TEMP TABLE t AS SELECT * FROM active_configs; UPDATE t SET strategy = x'ff41'; INSERT INTO active_configs SELECT * FROM t",
        "CREATE UNIQUE INDEX one ON active_configs((1))",
    ] {
        table(&desk).execute_batch(sql).unwrap();
        let seen = desk.assay(&["reconcile", "--check"]);
        assert_eq!(seen.code, 1, "{sql}: {}", seen.err);
        desk.assay(&["reconcile"]).ok();
        desk.assay(&["reconcile", "--check"]).ok();
        assert_eq!(desk.assay(&["active", "--json"]).ok().out, before, "{sql}");
    }
    table(&desk)
        .execute_batch("INSERT INTO halts (strategy, word, at_us, person, statement, signature) VALUES (x'ff0a', 'halt', 'x', 5, NULL || 'a', '')")
        .unwrap_err();
    table(&desk)
        .execute_batch("INSERT INTO halts (strategy, word, at_us, person, statement, signature) VALUES (x'ff0a', 'halt', 'x', 5, x'00', '')")
        .unwrap();
    desk.assay(&["reconcile"]).ok();
    desk.assay(&["halt", "trend", "--reason", "now", "--key", "lab/people/ben"]).ok();
    assert!(desk.assay(&["active"]).ok().out.contains("trend is HALTED since"));
}

/// What somebody writes of the time of a halt, or that it goes on, is not believed when somebody asks what was.
#[test]
fn times_of_halts_are_the_hosts() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let write = |strategy: &str, word: &str, at: &str| {
        let sql = format!(
            "INSERT INTO halts (strategy, word, at_us, person, statement, signature) VALUES ('{strategy}', '{word}', {at}, 'ben', 'x', '')"
        );
        table(&desk).execute_batch(&sql).unwrap();
        desk.assay(&["reconcile"]).ok();
    };
    let rows = desk.assay(&["active", "--json"]).ok().json();
    let live = rows[0]["deployed_at"].as_str().unwrap().to_string();
    let halted_at = |when: &str| desk.assay(&["active", "--at", when]).ok().out.contains("WAS HALTED");
    write("trend", "halt", "1");
    let said = desk.assay(&["active"]).ok().out;
    assert!(said.contains("by ben (UNSIGNED)") && !said.contains("1970"), "{said}");
    assert!(!halted_at(&live) && halted_at("2100-01-01"), "it was not halted before anybody saw it");
    // Nobody but enough people ends it, whatever stands there; what the table lets go on until then is said.
    let on = "INSERT INTO halts (strategy, word, at_us, person, statement, signature) VALUES ('trend', 'resume', 2, 'x', 'x', '')";
    table(&desk).execute_batch(on).unwrap();
    assert!(halted_view(&desk, "lab/live.sqlite").is_empty());
    assert!(desk.assay(&["active"]).ok().out.contains("TRADES ON"));
    desk.assay(&["reconcile"]).ok();
    assert_eq!(halted_view(&desk, "lab/live.sqlite"), ["trend"]);
    assert!(desk.assay(&["active"]).ok().out.contains("nobody trades it"));
    assert!(halted_at("2100-01-01"));
    write("other", "halt", "9000000000000000000");
    let now = desk.assay(&["active"]).ok().out;
    assert!(now.contains("other is HALTED since 20") && !now.contains("2255"), "{now}");
    desk.git(&["clone", "-q", "lab/deploy.git", "c"]).ok();
    let of_clone = |when: &str| {
        desk.assay(&["active", "--at", when, "--repo", "c", "--genesis", &genesis(&desk)])
            .ok()
            .out
            .contains("WAS HALTED")
    };
    assert!(!of_clone(&live) && of_clone("2100-01-01"));
}
