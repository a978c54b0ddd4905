//! The ledger's commands as an auditor, a witness and an operator use them.

use crate::desk::{Desk, copy_dir};
use std::path::{Path, PathBuf};

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
    let bars = |p: &&PathBuf| p.to_str().is_some_and(|p| p.ends_with(".parquet") && !p.contains(".funding."));
    let file = snapshots.iter().find(bars).unwrap();
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

/// A rotation that is run again is done; the log's own key is nobody's; a file in the place of another is
/// called by its name.
#[test]
fn what_is_done_and_what_is_no_checkpoint() {
    let desk = Desk::new();
    desk.assay(&["init", "lab", "--person", "ana"]).ok();
    desk.assay(&["key", "rotate", "--to", "lab/keys/log"]).fails(2, "the key of the log");
    desk.assay(&["key", "rotate", "--to", "new"]).ok();
    let said = desk.assay(&["key", "rotate", "--to", "new"]).ok();
    assert!(said.err.contains("from entry 1 on"), "{}", said.err);
    let said = desk.assay(&["log", "--kind", "KeyRotated"]).ok().out;
    assert_eq!(said.lines().count(), 1, "{said}");
    desk.assay(&["ledger", "attach", "lab/ledger/checkpoint"]).fails(2, "no witness signed it");
    let vkey = std::fs::read_to_string(desk.path("lab/ledger/log.vkey")).unwrap();
    std::fs::write(desk.path("proof"), desk.assay(&["prove", "0"]).ok().out).unwrap();
    std::fs::write(desk.path("since"), desk.assay(&["prove", "--since", "1"]).ok().out).unwrap();
    for file in ["proof", "since"] {
        desk.assay(&["ledger", "attach", file]).fails(2, "it is no checkpoint");
        let args = ["verify-consistency", file, "lab/ledger/checkpoint", "--vkey", vkey.trim()];
        desk.assay(&args).fails(2, "it is no checkpoint");
    }
    // An audit sees what verification sees: an older copy is no clean ledger.
    copy_dir(&desk.path("lab/ledger"), &desk.path("older"));
    desk.assay(&["key", "threshold", "1"]).ok();
    std::fs::remove_dir_all(desk.path("lab/ledger")).unwrap();
    std::fs::rename(desk.path("older"), desk.path("lab/ledger")).unwrap();
    desk.assay(&["verify"]).fails(1, "shorter-than-checkpoint");
    desk.assay(&["ledger", "export", "out"]).fails(1, "rollback");
    // The mirror that cannot follow does not undo what is recorded.
    let desk = Desk::new();
    desk.assay(&["init", "lab", "--person", "ana"]).ok();
    desk.assay(&["key", "new", "--out", "ben"]).ok();
    std::fs::write(desk.path("lab/mirror.sqlite"), vec![7; 9000]).unwrap();
    let said = desk.assay(&["key", "add", "ben", "--role", "researcher", "--public", "ben.pub"]).ok();
    assert!(said.err.contains("recorded, but the mirror could not follow"), "{}", said.err);
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
    desk.assay(&["data", "erase", &hash[..7], "--reason", "x"]).fails(2, "8 digits or more");
    desk.assay(&["data", "erase", &hash[..12], "--reason", "the contract ended"]).ok();
    desk.assay(&["parity", "1"]).fails(2, "were erased, as entry");
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

/// A pipe, a folder or a device in the place of a file is said; nobody waits for it.
#[test]
fn what_is_no_file() {
    let desk = Desk::new();
    desk.assay(&["init", "lab", "--person", "ana"]).ok();
    desk.assay(&["key", "new", "--out", "ben"]).ok();
    desk.assay(&["verify"]).ok();
    let memory = std::fs::read_dir(desk.path(".local/state/assay")).unwrap().flatten().next().unwrap().path();
    let mut files: Vec<PathBuf> = ["lab/assay.toml", "lab/verified.checkpoint", "lab/mirror.sqlite", "lab/rules.txt"]
        .map(|name| desk.path(name))
        .into();
    files.extend(files_below(&desk.path("lab/ledger")));
    files.extend(files_below(&desk.path("lab/keys")));
    assert!(files.iter().any(|f| f.ends_with("conf")), "the index is among them: {files:?}");
    for path in files.into_iter().chain([memory]) {
        let kept = std::fs::read(&path).ok();
        let _ = std::fs::remove_file(&path);
        for make in [&["mkfifo"][..], &["mkdir"], &["ln", "-s", "/dev/zero"]] {
            desk.run(make[0], &[&make[1..], &[path.to_str().unwrap()]].concat()).ok();
            for args in
                [&["verify"][..], &["log"], &["key", "add", "ben", "--role", "researcher", "--public", "ben.pub"]]
            {
                let mut c = desk.hermetic("timeout");
                c.args(["60", env!("CARGO_BIN_EXE_assay")]).args(args);
                let code = c.output().unwrap().status.code();
                assert!(code.is_some_and(|code| code < 5), "{make:?} {}: {args:?} ends with {code:?}", path.display());
            }
            desk.run("rm", &["-rf", path.to_str().unwrap()]).ok();
        }
        if let Some(kept) = kept {
            std::fs::write(&path, kept).unwrap();
        }
    }
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let items = std::fs::read_dir(dir).unwrap().map(|item| item.unwrap().path());
    items.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
