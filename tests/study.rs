//! Studies: the same result for any number of threads, and after any number of kills.

use crate::desk::Desk;
use serde_json::Value;
use std::process::Stdio;
use std::time::Duration;

/// The study's events without times and positions.
fn events(desk: &Desk, lab: &str) -> Vec<Value> {
    let said = desk.assay(&["--lab", lab, "log", "--json", "--limit", "100000"]).ok();
    let rows = said.out.lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
    let kept = rows.filter(|r| {
        r["kind"]
            .as_str()
            .is_some_and(|k| k.starts_with("Trial") || k.starts_with("Study") || k == "WalkForwardCompleted")
    });
    kept.map(|r| serde_json::json!([r["id"], r["kind"], r["event"]])).collect()
}

#[track_caller]
fn same(a: &[Value], b: &[Value]) {
    for (i, (x, y)) in a.iter().zip(b).enumerate() {
        assert!(x == y, "event {i} differs:\n{:.600}\n{:.600}", x.to_string(), y.to_string());
    }
    assert_eq!(a.len(), b.len(), "as many events");
}

fn second_lab(desk: &Desk) {
    desk.assay(&["init", "other", "--person", "ana"]).ok();
    desk.assay(&["--lab", "other", "data", "import", "market", "--assume-brackets-from", "2020-01-01"]).ok();
}

/// One thread and two threads give the same events, bit for bit.
#[test]
fn threads_never_change_a_result() {
    let desk = Desk::new();
    desk.lab_with_market();
    second_lab(&desk);
    desk.assay(&["--lab", "lab", "study", "run", "trend.toml", "study.toml", "--jobs", "1"]).ok();
    desk.assay(&["--lab", "other", "study", "run", "trend.toml", "study.toml", "--jobs", "2"]).ok();
    let (one, two) = (events(&desk, "lab"), events(&desk, "other"));
    assert_eq!(one.len(), 51, "48 trials, opened, closed, walk-forward");
    same(&one, &two);
}

/// SIGKILL at any moment, again and again; `study resume` ends with the very same events.
#[test]
fn a_killed_study_resumes_to_the_same_trials() {
    let desk = Desk::new();
    desk.lab_with_market();
    second_lab(&desk);
    desk.assay(&["--lab", "other", "study", "run", "trend.toml", "study.toml"]).ok();
    let mut kills = 0;
    for round in 0..60u64 {
        let first =
            round == 0 || desk.assay(&["--lab", "lab", "study", "show", "--json"]).ok().json() == serde_json::json!([]);
        let run = ["--lab", "lab", "study", "run", "trend.toml", "study.toml"];
        let resume = ["--lab", "lab", "study", "resume"];
        let mut child = desk
            .command(if first { &run } else { &resume })
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(60 + round * 137 % 700));
        let ended = child.try_wait().unwrap();
        if ended.is_some_and(|s| s.success()) {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    desk.assay(&["--lab", "lab", "study", "resume"]).ok();
    assert!(kills >= 2, "only {kills} kills: make the study longer");
    same(&events(&desk, "lab"), &events(&desk, "other"));
    desk.assay(&["--lab", "lab", "verify", "--deep"]).ok();
}

/// Ctrl-C ends a study cleanly: what was done is recorded, and the message says how to go on.
#[test]
fn ctrl_c_stops_between_batches() {
    let desk = Desk::new();
    desk.lab_with_market();
    desk.strategy_and_study(4000);
    let child = desk
        .command(&["--lab", "lab", "study", "run", "trend.toml", "study.toml"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(2500));
    assert!(desk.run("kill", &["-INT", &child.id().to_string()]).code == 0);
    let out = child.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(130), "{words}");
    assert!(words.contains("trials are recorded; go on with `assay study resume"), "{words}");
    assert!(!words.contains('\x1b'), "plain when not a terminal");
    desk.assay(&["--lab", "lab", "verify"]).ok();
    // A second terminal reads while nothing is held, and the ledger can be written.
    desk.assay(&["--lab", "lab", "trials"]).ok();
}
