//! What is live, and how it ends: retired, resting on people who are gone, under reconcilers that are killed.

use crate::desk::{Desk, Postgres};
use assay_ledger::Log;
use assay_production::repository::Repo;
use assay_production::repository::evidence::commit_tiles;
use assay_shared::event::Event;
use assay_shared::event::standing::Standing;
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::Duration;

fn deploy(desk: &Desk, branch: &str) {
    desk.approve(branch, "lab/people/ben").ok();
    desk.assay(&["deploy", branch]).ok();
}

fn live(desk: &Desk) -> Value {
    desk.assay(&["active", "--json"]).ok().json()
}

/// A promotion to nothing goes the way of every promotion; the row goes, the history says when, and the strategy can
/// come back. In both kinds of table.
#[test]
fn a_strategy_is_retired_and_comes_back() {
    let pg = Postgres::start();
    for setting in [None, Some(pg.url())] {
        let desk = Desk::new();
        let more = setting.as_deref().map(|url| vec!["--live", url]).unwrap_or_default();
        desk.demo(16, &more).ok();
        let said = desk.assay(&["retire", "trend", "--reason", "its market is gone"]).ok();
        let branch = said.out.trim().to_string();
        desk.assay(&["deploy", &branch]).fails(4, "approvals");
        let review = desk.assay(&["review", &branch]).ok().out;
        assert!(review.contains("RETIRES trend") && review.contains("its market is gone"), "{review}");
        deploy(&desk, &branch);
        assert_eq!(live(&desk), json!([]));
        let past = desk.assay(&["active", "--history", "--json"]).ok().json();
        assert_eq!((past.as_array().unwrap().len(), past[3]["version"].as_i64()), (4, Some(4)));
        assert_eq!(desk.assay(&["active", "--at", "2100-01-01", "--json"]).ok().json(), json!([]));
        let before = past[2]["deployed_at"].as_str().unwrap().to_string();
        assert_eq!(desk.assay(&["active", "--at", &before, "--json"]).ok().json()[0]["version"], 3);
        let again = desk.assay(&["reconcile", "--check", "--json"]).ok().json();
        assert_eq!((&again["changes"], again["strategies"][0]["status"].as_str()), (&json!([]), Some("Retired")));
        desk.assay(&["audit"]).ok();
        desk.assay(&["retire", "trend", "--reason", "again"]).fails(2, "is not live");
        desk.assay(&["explain", "trend"]).fails(2, "was retired by version 4");
        // A row that somebody puts back is drift.
        if setting.is_none() {
            let table = rusqlite::Connection::open(desk.path("lab/live.sqlite")).unwrap();
            let back = "INSERT INTO active_configs SELECT * FROM config_history WHERE version = 3";
            table.execute_batch(back).unwrap();
            drop(table);
            desk.assay(&["reconcile", "--check"]).fails(1, "behind git's back");
            desk.assay(&["reconcile"]).ok();
            assert_eq!(live(&desk), json!([]));
        }
        let said = desk.assay(&["rollback", "trend", "--to", "3", "--reason", "the market is back"]).ok();
        deploy(&desk, said.out.trim());
        assert_eq!(live(&desk)[0]["version"], 5);
    }
}

/// What retires a strategy has the content of what is in force, and says nothing else.
#[test]
fn a_retirement_hides_nothing() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let said = desk.assay(&["retire", "trend", "--reason", "r"]).ok();
    let branch = said.out.trim().to_string();
    let show = format!("{branch}:configs/live/trend.toml");
    let text = desk.git(&["--git-dir", "lab/repo.git", "show", &show]).ok().out;
    for (from, to) in
        [("retired = true\n", ""), ("restores_version = 3\n", ""), ("restores_version = 3", "restores_version = 1")]
    {
        assert!(text.contains(from), "{text}");
        desk.git(&["clone", "-q", "-b", &branch, "lab/repo.git", "c"]).ok();
        std::fs::write(desk.path("c/configs/live/trend.toml"), text.replacen(from, to, 1)).unwrap();
        let sign = ["-Y", "sign", "-q", "-n", "promotion@assay", "-f", "lab/keys/ana", "c/configs/live/trend.toml"];
        desk.run("ssh-keygen", &sign).ok();
        desk.git(&["-C", "c", "commit", "-q", "-a", "-m", "edited"]).ok();
        let gate = desk.path("lab/deploy.git");
        let pushed = desk.git(&["-C", "c", "push", "-q", gate.to_str().unwrap(), "HEAD:main"]);
        assert!(pushed.code != 0 && pushed.err.contains("refused ["), "{from}: {}", pushed.err);
        std::fs::remove_dir_all(desk.path("c")).unwrap();
    }
}

/// The root people agree on the next version of the policy.
fn next_policy(desk: &Desk, keys: &[&str], edit: impl Fn(String) -> String) {
    desk.git(&["clone", "-q", "lab/repo.git", "p"]).ok();
    let path = desk.path("p/configs/policy.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let version: u64 = text.lines().find_map(|l| l.strip_prefix("version = ")).unwrap().parse().unwrap();
    let text = text.replacen(&format!("version = {version}"), &format!("version = {}", version + 1), 1);
    std::fs::write(&path, edit(text)).unwrap();
    for key in keys {
        desk.assay(&["policy", "sign", "p/configs/policy.toml", "--key", key]).ok();
    }
    desk.git(&["-C", "p", "add", "-A"]).ok();
    desk.git(&["-C", "p", "commit", "-q", "-m", "policy"]).ok();
    for target in ["lab/deploy.git", "lab/repo.git"] {
        desk.git(&["-C", "p", "push", "-q", desk.path(target).to_str().unwrap(), "HEAD:main"]).ok();
    }
    std::fs::remove_dir_all(desk.path("p")).unwrap();
}

/// A reviewer whose key is replaced, and an author whose key the log revokes: what they vouched for stays live and is
/// flagged until it is decided anew.
#[test]
fn what_rests_on_people_who_are_gone_is_flagged() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    desk.assay(&["reconcile", "--check"]).ok();
    desk.assay(&["key", "new", "--out", "ben2", "--comment", "ben"]).ok();
    let key = |file: &str| {
        let text = std::fs::read_to_string(desk.path(file)).unwrap();
        text.split(' ').take(2).collect::<Vec<_>>().join(" ")
    };
    let (old, new) = (key("lab/people/ben.pub"), key("ben2.pub"));
    next_policy(&desk, &["lab/keys/ana", "lab/people/ben", "ben2"], |t| t.replace(&old, &new));
    let said = desk.assay(&["reconcile", "--check", "--json"]);
    assert_eq!(said.code, 1, "{}", said.err);
    let what = said.json()["dependents"][0]["what"].as_str().unwrap().to_string();
    assert!(what.contains("approved by ben") && what.contains("no reviewer of the policy"), "{what}");
    assert_eq!(live(&desk)[0]["version"], 3, "it stays live until somebody decides");
    desk.assay(&["audit"]).fails(1, "do not count any more");
    // Somebody decides.
    let said = desk.assay(&["rollback", "trend", "--to", "2", "--reason", "approved anew"]).ok();
    let branch = said.out.trim();
    desk.approve(branch, "ben2").ok();
    desk.assay(&["deploy", branch]).ok();
    desk.assay(&["reconcile", "--check"]).ok();
    desk.assay(&["audit"]).ok();
}

/// An author whose key the log revokes, once the log's branch was pushed.
#[test]
fn what_rests_on_keys_that_fell_is_flagged() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    desk.assay(&["key", "rotate", "--to", "ana2"]).ok();
    desk.assay(&["key", "revoke", "lab/keys/ana.pub", "--reason", "lost"]).ok();
    assert!(desk.assay(&["sync"]).ok().err.contains("pushed   ledger/demo.assay.invalid_ana"));
    let said = desk.assay(&["reconcile", "--check", "--json"]);
    assert_eq!(said.code, 1, "{}", said.err);
    let what = said.json()["dependents"][0]["what"].as_str().unwrap().to_string();
    assert!(what.contains("proposed by ana") && what.contains("has revoked"), "{what}");
    assert_eq!(live(&desk)[0]["version"], 3, "it stays live until somebody decides");
    desk.assay(&["audit"]).fails(1, "do not count any more");
}

/// A log of the policy that was there before the proposal and was not counted by it.
#[test]
fn every_log_of_the_policy_is_counted() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    desk.assay(&["init", "other", "--person", "zoe", "--origin", "assay.invalid/zoe"]).ok();
    let vkey = std::fs::read_to_string(desk.path("other/ledger/log.vkey")).unwrap();
    next_policy(&desk, &["lab/keys/ana", "lab/people/ben"], |t| {
        let t = t.replacen("[gates]", "[gates]\nmax_count_age_days = 0", 1);
        format!("{t}\n[[origins]]\nvkey = \"{}\"\n", vkey.trim())
    });
    desk.assay(&["--lab", "other", "sync"]).fails(2, "no deploy repository");
    let repo = Repo::open(&desk.path("other/repo.git")).unwrap();
    commit_tiles(&repo, &Log::open(&desk.path("other/ledger")).unwrap(), "zoe").unwrap();
    let log = "refs/heads/ledger/assay.invalid_zoe";
    let proposed = || {
        let branch = desk.assay(&["promote"]).ok().out.trim().to_string();
        desk.assay(&["reproduce", &branch, "--key", "lab/people/ben"]).ok();
        desk.approve(&branch, "lab/people/ben").ok();
        branch
    };
    // A proposal states whole seconds.
    std::thread::sleep(Duration::from_millis(1100));
    let branch = proposed();
    // Only now its branch comes to the host, with entries that were there before.
    desk.git(&["--git-dir", "other/repo.git", "push", "-q", "lab/deploy.git", log]).ok();
    desk.assay(&["deploy", &branch]).fails(4, "[not-counted]");
    desk.assay(&["sync"]).ok();
    desk.assay(&["deploy", &proposed()]).ok();
}

fn events(desk: &Desk) -> Vec<Event> {
    let mut log = Log::open(&desk.path("lab/deploy.git/assay/ledger")).unwrap();
    // The newest entries may not be under a checkpoint yet.
    log.follow(0, &mut Standing::default(), |_| ()).unwrap();
    (0..log.len()).map(|seq| Event::of(&log.entry(seq).unwrap()).unwrap()).collect()
}

/// Reconcilers killed at random moments: what they printed stands in the host's log, what was deployed stands there
/// once, and one that is left alone ends it. `ASSAY_KILLS` says how often.
#[test]
fn killed_reconcilers_leave_no_drift_without_a_trace() {
    let kills = std::env::var("ASSAY_KILLS").map_or(25, |n| n.parse().unwrap());
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let before = live(&desk);
    let (mut printed, mut seed) = (0, 7u64);
    for n in 0..kills {
        let table = rusqlite::Connection::open(desk.path("lab/live.sqlite")).unwrap();
        table.busy_timeout(Duration::from_secs(5)).unwrap();
        table.execute("UPDATE active_configs SET author = ?1", [format!("eve{n}")]).unwrap();
        drop(table);
        let mut run = desk.command(&["reconcile"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_millis(seed >> 58));
        let _ = run.kill();
        let said = run.wait_with_output().unwrap();
        printed += String::from_utf8_lossy(&said.stderr).matches("\"change\":\"heal\"").count();
        let found = events(&desk).iter().filter(|e| matches!(e, Event::DriftDetected(_))).count();
        assert!(found >= printed, "{printed} printed, {found} recorded after {n} kills");
    }
    desk.assay(&["reconcile"]).ok();
    assert_eq!(live(&desk), before);
    let events = events(&desk);
    let deployed = events.iter().filter(|e| matches!(e, Event::PromotionDeployed(_))).count();
    let healed = events.iter().filter(|e| matches!(e, Event::DriftHealed(_))).count();
    let found = events.iter().filter(|e| matches!(e, Event::DriftDetected(_))).count();
    // On a loaded machine each may have been killed before it healed, or before it said so.
    assert!(deployed == 3 && found >= healed && found > 0, "{deployed} {found} {healed}");
    desk.assay(&["verify", "--ledger", "lab/deploy.git/assay/ledger"]).ok();
    desk.assay(&["audit"]).ok();
}

/// The host's log is on a branch of its own, which nobody pushes to; a clone has it.
#[test]
fn a_clone_has_the_hosts_log() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    desk.git(&["clone", "-q", "lab/deploy.git", "c"]).ok();
    let branches = desk.git(&["-C", "c", "branch", "-r"]).ok().out;
    let own = branches.lines().map(str::trim).find(|b| b.contains("ledger/assay.invalid_deploy_")).unwrap().to_string();
    let note = desk.git(&["-C", "c", "show", &format!("{own}:checkpoint")]).ok().out;
    let log = std::fs::read_to_string(desk.path("lab/deploy.git/assay/ledger/checkpoint")).unwrap();
    assert_eq!(note, log);
    desk.git(&["-C", "c", "checkout", "-q", own.trim_start_matches("origin/")]).ok();
    std::fs::write(desk.path("c/more"), "x").unwrap();
    desk.git(&["-C", "c", "add", "more"]).ok();
    desk.git(&["-C", "c", "commit", "-q", "-m", "more"]).ok();
    let pushed = desk.git(&["-C", "c", "push", "-q", desk.path("lab/deploy.git").to_str().unwrap(), "HEAD"]);
    assert!(pushed.code != 0 && pushed.err.contains("unknown-origin"), "{}", pushed.err);
}

/// An author who is a reviewer too does not approve what is theirs, nor reproduce it.
#[test]
fn an_author_is_no_second_person() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    next_policy(&desk, &["lab/keys/ana", "lab/people/ben"], |t| {
        assert!(t.contains("roles = [\"researcher\", \"root\"]"), "{t}");
        t.replacen("roles = [\"researcher\", \"root\"]", "roles = [\"researcher\", \"reviewer\", \"root\"]", 1)
    });
    let said = desk.assay(&["rollback", "trend", "--to", "2", "--reason", "alone"]).ok();
    let branch = said.out.trim().to_string();
    desk.approve(&branch, "lab/keys/ana").fails(4, "cannot approve their own");
    // The same by hand, with the stock tools.
    let statement = desk.assay(&["review", &branch, "--statement"]).ok().out;
    std::fs::write(desk.path("statement"), statement).unwrap();
    desk.run("ssh-keygen", &["-q", "-Y", "sign", "-n", "approval@assay", "-f", "lab/keys/ana", "statement"]).ok();
    desk.git(&["clone", "-q", "-b", &branch, "lab/repo.git", "c"]).ok();
    let dir = desk.path("c/evidence/trend/v4/approvals");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::copy(desk.path("statement.sig"), dir.join("ana.sig")).unwrap();
    desk.git(&["-C", "c", "add", "-A"]).ok();
    desk.git(&["-C", "c", "commit", "-q", "-m", "approve"]).ok();
    desk.git(&["-C", "c", "push", "-q"]).ok();
    desk.assay(&["deploy", &branch]).fails(4, "approvals");
    desk.approve(&branch, "lab/people/ben").ok();
    desk.assay(&["deploy", &branch]).ok();
}

/// A proposal stays what it is while other strategies move; one that can go nowhere any more is not approved, is not pushed,
/// and stops nobody.
#[test]
fn proposals_while_the_branch_moves() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    desk.strategy_and_study(16);
    let text = std::fs::read_to_string(desk.path("trend.toml")).unwrap();
    std::fs::write(desk.path("second.toml"), text.replacen("name = \"trend\"", "name = \"second\"", 1)).unwrap();
    desk.assay(&["study", "run", "second.toml", "study.toml", "--name", "second"]).ok();
    desk.assay(&["parity", "second"]).ok();
    let second = desk.assay(&["promote", "second"]).ok().out.trim().to_string();
    let refused = |branch: &str| -> Vec<String> {
        let said = desk.assay(&["review", branch, "--json"]).ok().json();
        let checks = said["gate"].as_array().or(said["checks"].as_array()).unwrap().clone();
        checks.iter().filter(|c| c["ok"] == false).map(|c| c["check"].as_str().unwrap_or_default().into()).collect()
    };
    let before = refused(&second);
    let back = desk.assay(&["rollback", "trend", "--to", "2", "--reason", "another one"]).ok().out.trim().to_string();
    desk.approve(&back, "lab/people/ben").ok();
    desk.assay(&["deploy", &back]).ok();
    assert_eq!(refused(&second), before, "trend is no part of it");
    assert!(!before.contains(&"paths".to_string()), "{before:?}");
    // The same strategy has moved.
    let late = desk.assay(&["rollback", "trend", "--to", "1", "--reason", "late"]).ok().out.trim().to_string();
    let sooner = desk.assay(&["rollback", "trend", "--to", "3", "--reason", "sooner"]).ok().out.trim().to_string();
    if sooner != late {
        desk.approve(&sooner, "lab/people/ben").ok();
        desk.assay(&["deploy", &sooner]).ok();
        desk.approve(&late, "lab/people/ben").fails(4, "propose again");
        assert!(refused(&late).contains(&"paths".to_string()));
    }
    // And now the policy.
    next_policy(&desk, &["lab/keys/ana", "lab/people/ben"], |t| t);
    desk.approve(&second, "lab/people/ben").fails(4, "the policy has changed since");
    desk.assay(&["deploy", &second]).fails(4, "the policy has changed since");
    let page = desk.assay(&["review", &second]).ok().out;
    assert!(page.contains("the gate refuses it (paths): the policy has changed since"), "{page}");
    desk.assay(&["sync"]).ok();
}

/// A live table that is gone is not taken for an empty one: nobody says that nothing is live, that somebody changed it by
/// hand, or that a strategy was halted.
#[test]
fn a_table_that_is_gone_is_not_empty() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let before = desk.assay(&["active", "--json"]).ok().out;
    std::fs::rename(desk.path("lab"), desk.path("moved")).unwrap();
    let ask = |args: &[&str]| desk.assay(&[&["--lab", "moved"], args].concat());
    for args in [
        &["active"][..],
        &["active", "--history"],
        &["halt", "--list"],
        &["audit"],
        &["reconcile", "--check"],
        &["reconcile"],
    ] {
        ask(args).fails(3, "is not there: what is live is not known here");
    }
    assert!(ask(&["doctor"]).out.contains("is not there"));
    let said =
        ask(&["halt", "trend", "--reason", "now", "--key", "moved/keys/ana"]).fails(3, "NOT HALTED: 'trend' trades on");
    assert!(said.err.contains("stop whoever trades it in another way"), "{}", said.err);
    ask(&["halt", "trend", "--reason", " "]).fails(2, "a halt without a reason");
    let live = format!("sqlite:{}", desk.path("moved/live.sqlite").display());
    ask(&["hook", "install", "--repo", "moved/deploy.git", "--live", &live]).ok();
    assert_eq!(ask(&["active", "--json"]).ok().out, before);
    ask(&["doctor"]).ok();
    // Lost, it is made again by the reconciler alone.
    for file in ["live.sqlite", "live.sqlite-wal", "live.sqlite-shm"] {
        let _ = std::fs::remove_file(desk.path("moved").join(file));
    }
    ask(&["active"]).fails(3, "is not there");
    ask(&["halt", "trend", "--reason", "now"]).fails(3, "NOT HALTED");
    ask(&["reconcile"]).ok();
    let rows = ask(&["active", "--json"]).ok().json();
    assert_eq!(rows[0]["version"], 3);
    // The first policy is the one that the branch began with, whatever somebody takes for it.
    let text = desk.git(&["-C", "moved/deploy.git", "show", "main:configs/policy.toml"]).ok().out;
    std::fs::write(desk.path("other.toml"), text.replacen("version = 1", "version = 2", 1)).unwrap();
    let install =
        ["hook", "install", "--repo", "moved/deploy.git", "--policy", "other.toml", "--live", &live, "--force"];
    desk.assay(&install).fails(2, "give the first one, not the newest");
}

/// What was in force before comes back by the policy of then; whoever decides reads what today's would ask of it. And a policy
/// that asks for less says so.
#[test]
fn a_rollback_says_what_it_would_not_meet() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let stricter = |text: String| text.replacen("max_leverage = 5.0", "max_leverage = 1.0", 1);
    next_policy(&desk, &["lab/keys/ana", "lab/people/ben"], stricter);
    let said = desk.assay(&["rollback", "trend", "--to", "2", "--reason", "back"]).ok();
    let page = desk.assay(&["review", said.out.trim()]).ok().out;
    assert!(page.contains("a new promotion would be refused today: its leverage"), "{page}");
    assert!(page.contains("is over 1; 0 of 1 reproductions"), "{page}");
}
