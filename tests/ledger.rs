//! The ledger's commands as an auditor, a witness and an operator use them.

use crate::desk::{Desk, copy_dir};
use std::path::Path;
use std::process::{Child, Stdio};

fn vkey(desk: &Desk) -> String {
    std::fs::read_to_string(desk.path("lab/ledger/log.vkey")).unwrap().trim().to_string()
}

/// O-11: with nothing but the exported folder and the verifier key: everything verifies, an event is
/// proven, and the witnesses' cosignatures count.
#[test]
fn o11_an_offline_auditor() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let vkey = vkey(&desk);
    desk.assay(&["ledger", "export", "out"]).ok();
    for name in ["w1", "w2"] {
        desk.assay(&["key", "new", "--out", name]).ok();
    }
    let witness = |desk: &Desk, name: &str, more: &[&str]| {
        let own = format!("{name}.example/witness");
        let memory = format!("{name}-memory");
        let args = ["witness", "cosign", "out", "--vkey", &vkey, "--key", name, "--name", &own, "--memory", &memory];
        desk.assay(&[&args[..], more].concat())
    };
    let said = witness(&desk, "w1", &["--json"]).ok().json();
    let (key1, note) =
        (said["witness"].as_str().unwrap().to_string(), said["checkpoint"].as_str().unwrap().to_string());
    assert!(note.contains("\u{2014} w1.example/witness "));
    std::fs::write(desk.path("cosigned"), &note).unwrap();
    desk.assay(&["ledger", "attach", "cosigned"]).ok();
    let proof = desk.assay(&["prove", "5"]).ok().out;
    std::fs::write(desk.path("5.tlog-proof"), &proof).unwrap();
    let key2 = witness(&desk, "w2", &["--json"]).ok().json()["witness"].as_str().unwrap().to_string();

    // Another machine: an empty home, the folder, the proof.
    let away = Desk::new();
    copy_dir(&desk.path("out"), &away.path("out"));
    std::fs::write(away.path("p"), &proof).unwrap();
    away.assay(&["verify", "--export", "out", "--vkey", &vkey]).ok();
    away.assay(&["verify-proof", "p", "--vkey", &vkey, "--witness", &key1]).ok();
    let both = ["verify-proof", "p", "--vkey", &vkey, "--witness", &key1, "--witness", &key2];
    away.assay(&both).fails(1, "1 of 2 witnesses");
    away.assay(&[&both[..], &["--quorum", "1"]].concat()).ok();
    away.assay(&["verify-proof", "p", "--vkey", &vkey.replace('a', "b")]).fails(2, "log.vkey");

    // The log goes on; the witness follows, and refuses to go back.
    desk.assay(&["key", "new", "--out", "cyd"]).ok();
    desk.assay(&["key", "add", "cyd", "--role", "researcher", "--public", "cyd.pub"]).ok();
    copy_dir(&desk.path("out"), &desk.path("old"));
    let grown = desk.assay(&["ledger", "export", "out", "--json"]).ok().json();
    assert!(grown["size"].as_u64() > grown["from"].as_u64() && grown["files"].as_u64().unwrap() < 12, "{grown}");
    witness(&desk, "w1", &["--old", "1"]).fails(1, "not 1");
    witness(&desk, "w1", &[]).ok();
    std::fs::rename(desk.path("out"), desk.path("new")).unwrap();
    std::fs::rename(desk.path("old"), desk.path("out")).unwrap();
    let said = witness(&desk, "w1", &[]).fails(1, "rollback");
    assert!(said.err.contains("both signed notes") && said.out.is_empty());
    desk.assay(&["ledger", "attach", "cosigned"]).fails(1, "the other one of size");
}

/// L-27, O-09: an older copy of the ledger in its place is a rollback: `verify` says so, and nothing
/// is recorded after it; the newer copy is gone on with.
#[test]
fn l27_an_older_copy_is_found_out() {
    let desk = Desk::new();
    desk.assay(&["init", "lab", "--person", "ana"]).ok();
    desk.assay(&["key", "new", "--out", "ben"]).ok();
    let ledger = desk.path("lab/ledger");
    copy_dir(&ledger, &desk.path("older"));
    desk.assay(&["key", "add", "ben", "--role", "admin", "--public", "ben.pub"]).ok();
    desk.assay(&["verify"]).ok();
    std::fs::rename(&ledger, desk.path("newer")).unwrap();
    copy_dir(&desk.path("older"), &ledger);
    let said = desk.assay(&["verify", "--json"]);
    assert_eq!(
        (said.code, said.json()["findings"][0]["reason"].as_str().unwrap().into()),
        (1, "shorter-than-checkpoint".to_string())
    );
    let said = desk.assay(&["key", "revoke", "lab/keys/ana.pub", "--reason", "x"]).fails(1, "rollback");
    assert!(said.err.contains("has 1 entries, 2 were seen"), "{}", said.err);
    std::fs::remove_dir_all(&ledger).unwrap();
    std::fs::rename(desk.path("newer"), &ledger).unwrap();
    desk.assay(&["key", "add", "eve", "--role", "researcher", "--public", "ben.pub"]).fails(4, "known already");
    desk.assay(&["verify"]).ok();
}

/// L-31: `verify --deep` reads the data again and finds what was changed; without it, it says that it
/// did not look. A spoiled checkpoint of an export is a finding with its code.
#[test]
fn l31_changed_data_and_a_spoiled_export() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let snapshots: Vec<_> = std::fs::read_dir(desk.path("lab/snapshots")).unwrap().map(|f| f.unwrap().path()).collect();
    let file = snapshots.iter().find(|p| p.is_file()).unwrap();
    let mut bytes = std::fs::read(file).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(file, bytes).unwrap();
    let said = desk.assay(&["verify"]).ok();
    assert!(said.err.contains("--deep also reads snapshots"), "{}", said.err);
    let said = desk.assay(&["verify", "--deep", "--json"]);
    assert_eq!(
        (said.code, said.json()["findings"][0]["reason"].as_str().unwrap().into()),
        (1, "bad-payload".to_string())
    );
    desk.assay(&["ledger", "export", "out"]).ok();
    let note = std::fs::read_to_string(desk.path("out/checkpoint")).unwrap();
    std::fs::write(desk.path("out/checkpoint"), note.replacen('\n', "\n1", 1)).unwrap();
    let said = desk.assay(&["verify", "--export", "out", "--json"]);
    assert_eq!(
        (said.code, said.json()["findings"][0]["reason"].as_str().unwrap().into()),
        (1, "bad-checkpoint".to_string())
    );
    desk.assay(&["verify", "--export", "lab"]).fails(3, "there is no exported ledger");
}

/// L-35 and the ways out: import, rebuild from sled and from an export, erased data.
#[test]
fn l35_erasure_and_the_ways_out() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    desk.assay(&["ledger", "export", "out"]).ok();
    desk.assay(&["ledger", "import", "out", "--into", "restored", "--vkey", &vkey(&desk)]).ok();
    desk.assay(&["verify", "--ledger", "restored"]).ok();
    desk.assay(&["ledger", "import", "out", "--into", "restored"]).fails(2, "already holds a ledger");
    let proof = desk.assay(&["prove", "2"]).ok().out;
    std::fs::write(desk.path("2.tlog-proof"), proof).unwrap();
    let segment = desk.path("lab/ledger/journal/00000000000000000000.seg");
    let whole = std::fs::read(&segment).unwrap();
    for from in ["sled", "out"] {
        let mut bad = whole.clone();
        bad[4000..9000].fill(0);
        std::fs::write(&segment, &bad).unwrap();
        let said = desk.assay(&["log"]).fails(1, "damaged");
        assert!(said.err.contains("assay ledger rebuild --from sled"), "{}", said.err);
        assert_eq!(std::fs::read(&segment).unwrap(), bad, "a damaged journal is not touched");
        desk.assay(&["ledger", "rebuild", "--from", from]).ok();
        desk.assay(&["verify", "--deep"]).ok();
    }
    desk.assay(&["verify", "--new"]).ok();
    // The data goes; the events about it, and their proofs, stay.
    for item in std::fs::read_dir(desk.path("lab/snapshots")).unwrap() {
        std::fs::remove_file(item.unwrap().path()).unwrap();
    }
    desk.assay(&["verify"]).ok();
    desk.assay(&["verify", "--deep"]).fails(1, "1 finding;");
    desk.assay(&["verify-proof", "2.tlog-proof", "--vkey", &vkey(&desk)]).ok();
}

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
    desk.assay(&["key", "threshold", "2"]).fails(4, "not above the number of admins");
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

/// K-12: a new log names the last checkpoint of the one that it goes on after.
#[test]
fn k12_a_log_that_follows() {
    let desk = Desk::new();
    desk.assay(&["init", "old", "--person", "ana"]).ok();
    desk.assay(&["init", "lab", "--person", "ana", "--origin", "assay.invalid/ana-2", "--follows", "old/ledger"]).ok();
    let event = desk.assay(&["log", "--kind", "LogFollowed", "--json"]).ok().json();
    assert_eq!((event["seq"].as_u64(), event["event"]["origin"].as_str()), (Some(1), Some("assay.invalid/ana")));
    assert_eq!(event["event"]["size"], 1);
    desk.assay(&["init", "third", "--follows", "nowhere"]).fails(3, "no exported ledger");
    assert!(!desk.path("third").exists(), "found out before anything was made");
    desk.assay(&["verify"]).ok();
}

/// L-35: an erasure is an event: `verify --deep` names it, and every proof stays.
#[test]
fn l35_an_erasure_is_said() {
    let desk = Desk::new();
    desk.demo(8, &[]).ok();
    let hash = desk.assay(&["data", "show", "--json"]).ok().json()[0]["data_hash"].as_str().unwrap().to_string();
    desk.assay(&["data", "erase", &"0".repeat(64), "--reason", "x"]).fails(2, "no snapshot");
    desk.assay(&["data", "erase", &hash, "--reason", "the contract ended"]).ok();
    let said = desk.assay(&["verify", "--deep"]).ok();
    assert!(said.err.contains("were erased, as entry"), "{}", said.err);
    desk.assay(&["prove", "1"]).ok();
    assert_eq!(desk.assay(&["data", "show", "--json"]).ok().json()[0]["erased"], true);
    assert!(desk.assay(&["data", "show"]).ok().out.contains("ERASED"));
    desk.assay(&["data", "erase", &hash, "--reason", "another reason"]).ok();
    let said = desk.assay(&["log", "--kind", "PayloadErased"]).ok().out;
    assert_eq!(said.lines().count(), 1, "said once: {said}");
}

/// `log.vkey` and `checkpoint` are made again when they are lost; what was seen elsewhere must still be
/// there, and a file outside the lab that leads nowhere, or that knew nothing of the ledger, is said.
#[test]
fn lost_heads_and_a_lost_memory() {
    let desk = Desk::new();
    desk.assay(&["init", "lab", "--person", "ana"]).ok();
    desk.assay(&["key", "new", "--out", "ben"]).ok();
    desk.assay(&["key", "new", "--out", "cyd"]).ok();
    let add = |who: &str| desk.assay(&["key", "add", who, "--role", "researcher", "--public", &format!("{who}.pub")]);
    add("ben").ok();
    let file = |name: &str| desk.path(&format!("lab/ledger/{name}"));
    let heads = [std::fs::read(file("log.vkey")).unwrap(), std::fs::read(file("checkpoint")).unwrap()];
    for name in ["log.vkey", "checkpoint"] {
        std::fs::remove_file(file(name)).unwrap();
        add("cyd").fails(3, "is missing, though the journal beside it is there").fails(3, "assay ledger publish");
        let said = desk.assay(&["ledger", "publish"]).ok();
        assert!(said.err.contains("was lost and is made again"), "{}", said.err);
        assert_eq!([std::fs::read(file("log.vkey")).unwrap(), std::fs::read(file("checkpoint")).unwrap()], heads);
        desk.assay(&["verify"]).ok();
    }
    // An older journal without a checkpoint is an older ledger all the same.
    std::fs::remove_file(file("checkpoint")).unwrap();
    let memory = desk.path(".local/state/assay");
    let memory = std::fs::read_dir(memory).unwrap().flatten().next().unwrap().path();
    let newer = std::fs::read_to_string(&memory).unwrap();
    add("ben").fails(3, "is missing");
    std::fs::write(&memory, newer.replacen("\n2\n", "\n3\n", 1)).unwrap();
    desk.assay(&["ledger", "publish"]).fails(3, "is spoiled");
    std::fs::remove_file(&memory).unwrap();
    std::os::unix::fs::symlink("nowhere", &memory).unwrap();
    desk.assay(&["ledger", "publish"]).fails(3, "cannot read");
    std::fs::remove_file(&memory).unwrap();
    desk.assay(&["ledger", "publish"]).ok();
    std::fs::remove_file(&memory).unwrap();
    let said = add("cyd").ok();
    assert!(said.err.contains("was not known here"), "{}", said.err);
    assert!(memory.exists());
}
