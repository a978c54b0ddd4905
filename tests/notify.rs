//! Who wants to hear of it is told, by a process of its own: nothing waits for it, and nothing fails by it.

use crate::desk::{Desk, wait_for};
use serde_json::Value;
use std::io::{Read as _, Write as _};

/// Everything that was heard so far: kind, strategy, words.
fn heard(desk: &Desk, name: &str) -> Vec<(String, String, String)> {
    let text = std::fs::read_to_string(desk.path(name)).unwrap_or_default();
    let line = |l: &str| {
        let v: Value = serde_json::from_str(l).ok()?;
        let word = |key: &str| v[key].as_str().unwrap_or_default().to_string();
        Some((word("kind"), word("strategy"), word("words")))
    };
    text.lines().filter_map(line).collect()
}

fn kinds(desk: &Desk, name: &str) -> Vec<String> {
    heard(desk, name).into_iter().map(|h| h.0).collect()
}

#[test]
fn a_lab_and_its_gate_tell() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let command = |name: &str| format!("command = [\"sh\", \"-c\", '''cat >> {}''']\n", desk.path(name).display());
    std::fs::write(desk.path("lab/notify.toml"), command("lab.out")).unwrap();
    let gate = desk.path("lab/deploy.git/assay");
    assert!(gate.is_dir(), "the gate's folder");
    std::fs::write(gate.join("notify.toml"), command("gate.out") + "kinds = [\"drift\", \"halt\", \"resume\"]\n")
        .unwrap();
    assert!(desk.assay(&["notify"]).ok().out.contains("told: 1"));
    assert_eq!(heard(&desk, "lab.out")[0].2, "a test message of assay");
    desk.assay(&["promote"]).ok();
    wait_for("the proposal to be told", || kinds(&desk, "lab.out").contains(&"proposal".to_string()));
    let (_, strategy, words) = heard(&desk, "lab.out").pop().unwrap();
    assert!(strategy == "trend" && words.contains("is proposed: promote/trend-v"), "{words}");
    desk.assay(&["halt", "trend", "--reason", "a test"]).ok();
    wait_for("the halt to be told", || kinds(&desk, "gate.out") == ["halt"]);
    let table = rusqlite::Connection::open(desk.path("lab/live.sqlite")).unwrap();
    table.execute("UPDATE active_configs SET author = 'eve'", []).unwrap();
    drop(table);
    desk.assay(&["reconcile"]).ok();
    wait_for("the drift to be told", || kinds(&desk, "gate.out") == ["halt", "drift"]);
}

/// A program that hangs, one that is not there, and a file that does not read hold up and break nothing; asked for, they
/// are said.
#[test]
fn nothing_waits_for_who_is_told() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    for (text, why) in [
        ("command = [\"/nowhere/program\"]", "was not told"),
        ("comand = []", "unknown field"),
        ("command = [\"sh\", \"-c\", \"exit 4\"]", "exit status: 4"),
        ("url = \"http://127.0.0.1:9/x\"", "was not told"),
    ] {
        std::fs::write(desk.path("lab/notify.toml"), text).unwrap();
        let said = desk.assay(&["notify"]);
        assert!(said.code != 0 && said.err.contains(why), "{text}: {}", said.err);
        desk.assay(&["promote"]).ok();
    }
    std::fs::remove_file(desk.path("lab/notify.toml")).unwrap();
    desk.assay(&["notify"]).fails(2, "there is no notify.toml");
}

/// An address gets each message as JSON.
#[test]
fn an_address_is_told() {
    let desk = Desk::new();
    desk.lab_with_market();
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("url = \"http://{}/hook\"", server.local_addr().unwrap());
    std::fs::write(desk.path("lab/notify.toml"), url).unwrap();
    let got = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().unwrap();
        let (mut text, mut part) = (String::new(), [0; 4096]);
        while !text.contains("\"at\":") {
            let n = stream.read(&mut part).unwrap();
            text.push_str(&String::from_utf8_lossy(&part[..n]));
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        text
    });
    desk.assay(&["--lab", "lab", "notify"]).ok();
    let text = got.join().unwrap();
    assert!(
        text.starts_with("POST /hook") && text.contains("application/json") && text.contains("\"kind\":\"test\""),
        "{text}"
    );
}
