//! A lab and a deploy branch that release 0.1.0 made: read, verified, audited, and gone on with.

use crate::desk::{Desk, wait_for};

/// Unpacks the lab; its hooks and its live table name places of the machine that made it.
fn old_lab(desk: &Desk) {
    desk.unpack("lab-0.1.0.tar.gz");
    let gate = desk.path("lab/deploy.git/assay/gate.toml");
    let text = std::fs::read_to_string(&gate).unwrap();
    let live = desk.path("lab/live.sqlite").display().to_string();
    std::fs::write(&gate, text.replace("/tmp/fx/lab/live.sqlite", &live)).unwrap();
    for key in
        ["lab/keys/ana", "lab/keys/log", "lab/deploy.git/assay/keys/deploy", "lab/deploy.git/assay/keys/log", "ben"]
    {
        desk.run("chmod", &["600", key]).ok();
    }
    // As after an update of the program on the host.
    let policy = desk.git(&["--git-dir", "lab/deploy.git", "show", "main:configs/policy.toml"]).ok().out;
    std::fs::write(desk.path("policy.toml"), policy).unwrap();
    let live = format!("sqlite:{live}");
    desk.assay(&["hook", "install", "--repo", "lab/deploy.git", "--policy", "policy.toml", "--live", &live]).ok();
}

#[test]
fn a_lab_of_0_1_0_is_gone_on_with() {
    let desk = Desk::new();
    old_lab(&desk);
    desk.assay(&["verify", "--deep"]).ok();
    desk.assay(&["audit", "--full"]).ok();
    let rows = desk.assay(&["active", "--json"]).ok().json();
    assert_eq!((rows[0]["strategy"].as_str(), rows[0]["version"].as_i64()), (Some("swing"), Some(3)));
    let board = desk.assay(&["trials", "swing-walk", "--json"]).ok().json();
    assert_eq!((board["study"]["trials"].as_i64(), board["study"]["best"].as_i64()), (Some(24), Some(16)));
    assert_eq!(board["trials"][0]["folds"].as_array().unwrap().len(), 5);
    // Its account followed other rules: no proof of today's is given for a run of then, and a report says so.
    desk.assay(&["parity", "--study", "swing-walk"]).fails(3, "when it was recorded");
    desk.assay(&["report", "--study", "swing-walk", "--out", "r"]).ok();
    let report = std::fs::read_to_string(desk.path("r/16.json")).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&report).unwrap()["reproduced"], false);
    assert!(std::fs::read_to_string(desk.path("r/16.html")).unwrap().contains("another run than the one"));
    desk.assay(&["mirror", "update"]).ok();
    // A study of the old build does not go on under this one.
    desk.assay(&["study", "resume", "open-study"]).fails(2, "build it was opened with");
    // A rollback to a config of format 1 keeps its text; the gate takes both formats.
    let branch = desk.assay(&["rollback", "swing", "--to", "2", "--reason", "upgrade"]).ok().out.trim().to_string();
    desk.approve(&branch, "ben").ok();
    desk.assay(&["deploy", &branch]).ok();
    assert_eq!(desk.assay(&["active", "--json"]).ok().json()[0]["version"], 4);
    new_promotion(&desk);
    desk.assay(&["audit", "--full"]).ok();
    desk.assay(&["verify", "--deep"]).ok();
}

/// A new study in the old lab, promoted under a policy that names this release.
fn new_promotion(desk: &Desk) {
    desk.assay(&["study", "run", "swing.toml", "walk.toml", "--name", "second-release"]).ok();
    desk.assay(&["parity", "--study", "second-release"]).ok();
    let propose = || desk.assay(&["promote", "--study", "second-release"]).ok().out.trim().to_string();
    let branch = propose();
    desk.approve(&branch, "ben").ok();
    desk.assay(&["deploy", &branch]).fails(4, "engine version");
    desk.git(&["clone", "-q", "-b", "main", "lab/repo.git", "work"]).ok();
    let file = desk.path("work/configs/policy.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let newer = text
        .replace("version = 1\n", "version = 2\n")
        .replace("[\"0.1.0\"]", concat!("[\"0.1.0\", \"", env!("CARGO_PKG_VERSION"), "\"]"));
    std::fs::write(&file, newer).unwrap();
    std::fs::create_dir_all(desk.path("work/configs/policy.sigs")).unwrap();
    desk.run(
        "ssh-keygen",
        &["-q", "-Y", "sign", "-f", "lab/keys/ana", "-n", "policy@assay", "work/configs/policy.toml"],
    )
    .ok();
    std::fs::rename(desk.path("work/configs/policy.toml.sig"), desk.path("work/configs/policy.sigs/ana.sig")).unwrap();
    desk.git(&["-C", "work", "add", "-A"]).ok();
    desk.git(&["-C", "work", "commit", "-q", "-m", "policy: version 2"]).ok();
    for remote in ["lab/deploy.git", "lab/repo.git"] {
        let remote = desk.path(remote);
        desk.git(&["-C", "work", "push", "-q", remote.to_str().unwrap(), "main"]).ok();
    }
    // A proposal is named by its content, and that by the second in which it is made.
    let second = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let before = second();
    wait_for("the next second", || second() > before);
    let branch = propose();
    desk.approve(&branch, "ben").ok();
    desk.assay(&["deploy", &branch]).ok();
    let row = &desk.assay(&["active", "--json"]).ok().json()[0];
    assert_eq!((row["version"].as_i64(), row["engine_version"].as_str()), (Some(5), Some(env!("CARGO_PKG_VERSION"))));
    assert!(row["config_toml"].as_str().unwrap().starts_with("format = 2\n"));
}
