//! Keys of a lab: rotation, passphrases, agents, and changes that need several admins.

use crate::desk::Desk;
use std::path::Path;
use std::process::{Child, Stdio};

/// K-08, K-12: a rotated key takes over in the lab; the log's own key cannot be swapped.
#[test]
fn k08_k12_keys_of_a_lab() {
    let desk = Desk::new();
    desk.assay(&["init", "lab", "--person", "ana"]).ok();
    desk.assay(&["key", "rotate", "--to", "ana-2"]).ok();
    let keys = desk.assay(&["key", "list", "--json"]).ok().json();
    let state = |n: usize| (keys[n]["person"].as_str().unwrap().to_string(), keys[n]["revoked_at"].is_null());
    let mut states = [state(0), state(1)];
    states.sort();
    assert_eq!(states, [("ana".into(), false), ("ana".into(), true)]);
    desk.assay(&["key", "new", "--out", "ben"]).ok();
    desk.assay(&["key", "add", "ben", "--role", "admin", "--public", "ben.pub"]).ok();
    desk.assay(&["key", "revoke", "lab/keys/ana.pub", "--reason", "old"]).ok();
    desk.assay(&["verify"]).ok();
    // Whoever has another key for the checkpoints can sign them, and is found out.
    let dir = desk.path("lab/ledger");
    let mallory = assay_ledger::Signer::from_seed([66; 32]);
    let log = assay_ledger::Log::open(&dir).unwrap();
    let verifier = assay_ledger::keys::note::Verifier::new(log.origin(), mallory.public()).unwrap();
    std::fs::write(dir.join("log.vkey"), format!("{verifier}\n")).unwrap();
    std::fs::write(dir.join("checkpoint"), log.checkpoint().unwrap().sign(&mallory).unwrap()).unwrap();
    let said = desk.assay(&["verify", "--json"]);
    assert_eq!(
        (said.code, said.json()["findings"][0]["reason"].as_str().unwrap().to_string()),
        (1, "bad-checkpoint".into())
    );
}

/// K-02, K-13: a passphrase comes from the environment, a prompt or an agent; without any the command
/// fails at once; it is in no file, no output and no argument.
#[test]
fn k02_k13_passphrases() {
    const SECRET: &str = "correct horse battery staple";
    let desk = Desk::new();
    let with = |args: &[&str]| {
        let mut c = desk.command(args);
        c.env("ASSAY_PASSPHRASE", SECRET).output().unwrap()
    };
    let made = with(&["init", "lab", "--person", "ana", "--encrypt"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let start = std::time::Instant::now();
    desk.assay(&["key", "rotate", "--to", "k"]).fails(2, "encrypted");
    assert!(start.elapsed().as_secs() < 10, "no prompt, no hang");
    let done = with(&["key", "rotate", "--to", "k", "--encrypt"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let said = [made.stdout, made.stderr, done.stdout, done.stderr].concat();
    assert!(!String::from_utf8_lossy(&said).contains(SECRET));
    assert!(!holds(desk.home.path(), SECRET.as_bytes()), "the passphrase is in a file");
    let manual = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/manual.txt")).unwrap();
    assert!(!manual.contains("--passphrase"));
}

/// An encrypted key in a real `ssh-agent` signs without its passphrase; without the agent it does not.
#[test]
fn an_agent_signs() {
    const SECRET: &str = "words for the agent";
    let desk = Desk::new();
    let run = |socket: Option<&str>, args: &[&str]| {
        let mut c = desk.command(args);
        if let Some(socket) = socket {
            c.env("SSH_AUTH_SOCK", socket);
        }
        c.output().unwrap()
    };
    let mut init = desk.command(&["init", "lab", "--person", "ana", "--encrypt"]);
    assert!(init.env("ASSAY_PASSPHRASE", SECRET).output().unwrap().status.success());
    let socket = desk.path("agent.sock");
    let socket = socket.to_str().unwrap();
    let mut agent = std::process::Command::new("ssh-agent");
    agent.args(["-D", "-a", socket]).stdout(Stdio::null()).stderr(Stdio::null());
    let agent = Running(agent.spawn().unwrap());
    crate::desk::wait_for("the agent's socket", || Path::new(socket).exists());
    std::fs::write(desk.path("ask"), format!("#!/bin/sh\necho '{SECRET}'\n")).unwrap();
    desk.run("chmod", &["700", "ask"]).ok();
    desk.assay(&["key", "new", "--out", "cyd"]).ok();
    let add = ["key", "add", "cyd", "--role", "researcher", "--public", "cyd.pub"];
    assert_eq!(run(Some(socket), &add).status.code(), Some(2), "the agent does not hold it yet");
    for key in ["lab/keys/ana", "lab/keys/log"] {
        let added = std::process::Command::new("ssh-add")
            .arg(desk.path(key))
            .env("SSH_AUTH_SOCK", socket)
            .env("SSH_ASKPASS", desk.path("ask"))
            .env("SSH_ASKPASS_REQUIRE", "force")
            .output()
            .unwrap();
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    }
    let done = run(Some(socket), &add);
    drop(agent);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(
        run(Some(socket), &["key", "revoke", "cyd.pub", "--reason", "x"]).status.code(),
        Some(2),
        "the agent is gone"
    );
    desk.assay(&["verify"]).ok();
}

/// A process that goes with the test, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn holds(dir: &Path, needle: &[u8]) -> bool {
    std::fs::read_dir(dir).unwrap().any(|item| {
        let path = item.unwrap().path();
        if path.is_dir() {
            return holds(&path, needle);
        }
        std::fs::read(&path).is_ok_and(|bytes| bytes.windows(needle.len()).any(|w| w == needle))
    })
}

/// K-05 with several admins: a stolen key alone revokes, adds and replaces nobody; a second admin's consent,
/// made by `ssh-keygen` or by us, does.
#[test]
fn changes_of_keys_need_two_admins() {
    let desk = Desk::new();
    desk.assay(&["init", "lab", "--person", "ana"]).ok();
    for who in ["ben", "cyd", "mal", "new"] {
        desk.assay(&["key", "new", "--out", who]).ok();
    }
    desk.assay(&["key", "threshold", "2"]).fails(2, "2 admins cannot agree where there are 1");
    desk.assay(&["key", "add", "ben", "--role", "admin", "--public", "ben.pub"]).ok();
    desk.assay(&["key", "add", "cyd", "--role", "researcher", "--public", "cyd.pub"]).ok();
    desk.assay(&["key", "threshold", "2"]).ok();
    desk.assay(&["key", "threshold", "1"]).fails(4, "only rises");
    desk.assay(&["key", "threshold", "2"]).ok();
    let revoke = ["key", "revoke", "cyd.pub", "--reason", "left"];
    desk.assay(&revoke).fails(4, "it needs 2 of the log's admins, 1 agreed");
    desk.assay(&["key", "add", "mal", "--role", "admin", "--public", "mal.pub"]).fails(4, "it needs 2");
    desk.assay(&["key", "rotate", "--to", "new"]).fails(4, "it needs 2");
    desk.assay(&["key", "add", "mal", "--role", "researcher", "--public", "mal.pub"]).ok();

    let agree = desk.assay(&["key", "agree", "--revoke", "cyd.pub", "--key", "ben"]).ok().out;
    std::fs::write(desk.path("agreed"), &agree).unwrap();
    desk.assay(&["key", "revoke", "mal.pub", "--reason", "x", "--agreed", "agreed"])
        .fails(2, "agree to this very change");
    let statement = desk.assay(&["key", "agree", "--revoke", "cyd.pub"]).ok().out;
    assert!(statement.starts_with("assay/key-change/v1\nassay.invalid/ana\nrevoke "), "{statement}");
    std::fs::write(desk.path("statement"), &statement).unwrap();
    desk.run("ssh-keygen", &["-q", "-Y", "sign", "-n", "key-change@assay", "-f", "ben", "statement"]).ok();
    desk.assay(&[&revoke[..], &["--agreed", "statement.sig"]].concat()).ok();
    let agree = desk.assay(&["key", "agree", "--rotate", "lab/keys/ana.pub", "new.pub", "--key", "ben"]).ok().out;
    std::fs::write(desk.path("agreed"), &agree).unwrap();
    desk.assay(&["key", "rotate", "--to", "new", "--agreed", "agreed"]).ok();
    desk.assay(&["verify"]).ok();
}
