//! From market data to a live row, and back: the demo, then every look at what it left.

use crate::desk::{Desk, real_data};
use serde_json::{Value, json};

/// The demo on real data where there is any; every step shows, and everything verifies afterwards.
#[test]
fn the_demo_goes_the_whole_way() {
    let desk = Desk::new();
    let said = match real_data() {
        Some(data) => desk.assay(&["demo", "--data", data.to_str().unwrap(), "--trials", "40"]),
        None => desk.demo(40, &[]),
    }
    .ok();
    for step in 1..=8 {
        assert!(said.err.contains(&format!("\n{step}. ")), "step {step} is missing:\n{}", said.err);
    }
    for words in [
        "the same stream",
        "hook      assay: trend v1 is live",
        "hook      assay: trend v3 is live",
        "refused: ",
        "refused [bad-signature]",
        "sharpe_per_bar ",
        "and its returns give",
        "trial 1 is not the sampler's",
    ] {
        assert!(said.out.contains(words), "'{words}' is not in:\n{}", said.out);
    }
    desk.assay(&["verify", "--deep"]).ok();
    desk.assay(&["audit", "--full"]).ok();
    desk.assay(&["doctor"]).ok();
    live_rows(&desk);
    as_of(&desk);
    let report = desk.assay(&["report", "--json"]).ok();
    let html = std::fs::read_to_string(desk.home.path().join(report.json()["html"].as_str().unwrap())).unwrap();
    assert!(html.contains("<svg") && html.contains("content=\"default-src 'none';"), "self-contained");
    assert!(!html.contains("http://") && !html.contains("<script src") && html.matches("<script").count() == 2);
    proofs(&desk);
    versions(&desk);
}

/// Versions are compared by the trials that they came from; the third brought back the first.
fn versions(desk: &Desk) {
    let found = desk.assay(&["--json", "compare", "trend@live", "trend@2", "trend@1"]).ok().json();
    let sides = found["sides"].as_array().unwrap();
    let trial = |of: usize| (&sides[of]["study"], &sides[of]["number"]);
    assert_eq!(trial(0), trial(2), "{found}");
    assert_ne!(trial(0), trial(1));
    desk.assay(&["compare", "trend@9", "trend@1"]).fails(2, "there is no version '9' of 'trend'");
    desk.assay(&["compare", "none@live", "trend@1"]).fails(2, "there is no version 'live' of 'none'");
}

fn live_rows(desk: &Desk) {
    let rows = desk.assay(&["active", "--json"]).ok().json();
    let row = &rows[0];
    assert_eq!((row["strategy"].as_str(), row["version"].as_i64()), (Some("trend"), Some(3)));
    for field in [
        "config_toml",
        "config_sha256",
        "replaces_sha256",
        "study_id",
        "trial_id",
        "data_hash",
        "strategy_hash",
        "rulebook_hash",
        "engine_version",
        "talib_version",
        "environment",
        "promotion_timestamp",
        "author",
        "approvers",
        "ledger_origin",
        "ledger_size",
        "ledger_root",
        "event_hashes",
        "policy_sha256",
        "commit_oid",
        "stream_hash",
    ] {
        assert!(!row[field].is_null() && row[field] != json!(""), "{field} is empty");
    }
    assert_eq!(row["approvers"], json!(["ben"]));
    let history = desk.assay(&["active", "--history", "--json"]).ok().json();
    assert_eq!(history.as_array().unwrap().len(), 3);
    assert_eq!(history[0]["stream_hash"], history[2]["stream_hash"], "the rollback restores the first result");
}

/// D-19: live from its deployment (included) until the next one (excluded); nothing before.
fn as_of(desk: &Desk) {
    let none = desk.assay(&["active", "--at", "2000-01-01", "--json"]).ok().json();
    assert_eq!(none, json!([]));
    let later = desk.assay(&["active", "--at", "2999-01-01", "--json"]).ok().json();
    assert_eq!(later[0]["version"], json!(3));
}

fn proofs(desk: &Desk) {
    desk.assay(&["prove", "3", "--out", "evidence"]).ok();
    let vkey = std::fs::read_to_string(desk.path("lab/ledger/log.vkey")).unwrap();
    let args = ["verify-proof", "evidence/3.tlog-proof", "--entry", "evidence/3.entry", "--vkey", vkey.trim()];
    desk.assay(&args).ok();
    let entry = desk.path("evidence/3.entry");
    let mut bytes = std::fs::read(&entry).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&entry, bytes).unwrap();
    desk.assay(&args).fails(1, "does not verify");
}

/// L-28, L-29: a mirror that is deleted, damaged or edited is rebuilt to the same content, and the
/// compact copy has the same bytes however it was applied.
#[test]
fn l28_l29_the_mirror_is_only_a_copy() {
    let desk = Desk::new();
    desk.demo(24, &[]).ok();
    let content = |said: &str| said.rsplit(' ').next().unwrap().trim().to_string();
    let before = content(&desk.assay(&["mirror", "update"]).ok().out);
    desk.assay(&["mirror", "copy", "a.sqlite"]).ok();
    let rebuilt = content(&desk.assay(&["mirror", "rebuild"]).ok().out);
    assert_eq!(before, rebuilt);
    desk.assay(&["mirror", "copy", "b.sqlite"]).ok();
    assert_eq!(std::fs::read(desk.path("a.sqlite")).unwrap(), std::fs::read(desk.path("b.sqlite")).unwrap());
    let conn = rusqlite::Connection::open(desk.path("lab/mirror.sqlite")).unwrap();
    conn.execute("UPDATE assay_trials SET score = 1e9 WHERE number = 3", []).unwrap();
    drop(conn);
    assert_ne!(content(&desk.assay(&["mirror", "update"]).ok().out), before);
    assert_eq!(content(&desk.assay(&["mirror", "rebuild"]).ok().out), before, "whoever edits SQLite gains nothing");
    std::fs::write(desk.path("lab/mirror.sqlite"), b"junk that is no database at all, longer than a header").unwrap();
    let said = desk.assay(&["trials"]).ok();
    assert!(
        said.err.contains("mirror rebuild") && said.out.contains("24 trials"),
        "answered from the ledger: {}",
        said.err
    );
    desk.assay(&["mirror", "update"]).fails(3, "mirror rebuild");
    assert_eq!(content(&desk.assay(&["mirror", "rebuild"]).ok().out), before);
    let conn = rusqlite::Connection::open(desk.path("lab/mirror.sqlite")).unwrap();
    conn.execute("UPDATE assay_meta SET cursor = 999", []).unwrap();
    drop(conn);
    desk.assay(&["trials"]).fails(1, "ahead of the ledger");
}

/// Tampering with the ledger is found, named, and refused for writing.
#[test]
fn a_tampered_ledger_is_refused() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let segment = desk.path("lab/ledger/journal/00000000000000000000.seg");
    let whole = std::fs::read(&segment).unwrap();
    let mut bad = whole.clone();
    let at = whole.len() / 3;
    bad[at] ^= 4;
    std::fs::write(&segment, &bad).unwrap();
    let said = desk.assay(&["verify", "--json"]);
    assert_eq!(said.code, 1, "{}", said.err);
    let found: Value = said.json();
    assert_eq!(found["findings"][0]["reason"], json!("journal-damaged"));
    desk.assay(&["parity"]).fails(1, "damaged");
    std::fs::write(&segment, &whole[..whole.len() - 9]).unwrap();
    let said = desk.assay(&["verify", "--json"]);
    let reasons: Vec<Value> = said.json()["findings"].as_array().unwrap().iter().map(|f| f["reason"].clone()).collect();
    assert_eq!(said.code, 1);
    assert!(reasons.contains(&json!("journal-damaged")) && reasons.contains(&json!("shorter-than-checkpoint")));
    std::fs::write(&segment, &whole).unwrap();
    desk.assay(&["verify", "--deep"]).ok();
}

/// What people commit with the program carries their signatures: git's own check reads them by the list of signers
/// that the policy renders.
#[test]
fn git_verifies_the_commits() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let signers = desk.git(&["--git-dir", "lab/deploy.git", "show", "main:configs/allowed_signers"]).ok().out;
    std::fs::write(desk.path("signers"), &signers).unwrap();
    let list = format!("gpg.ssh.allowedSignersFile={}", desk.path("signers").display());
    let verify = |commit: &str| desk.git(&["-c", &list, "--git-dir", "lab/deploy.git", "verify-commit", commit]);
    let refs = desk.git(&["--git-dir", "lab/deploy.git", "for-each-ref", "--format=%(refname)"]).ok().out;
    let log = refs.lines().find(|r| r.contains("ledger/") && !r.contains("deploy")).unwrap();
    let commits = desk.git(&["--git-dir", "lab/deploy.git", "rev-list", "main", log]).ok().out;
    let commits: Vec<&str> = commits.lines().collect();
    assert!(commits.len() > 12, "{commits:?}");
    for commit in &commits {
        let said = verify(commit).ok();
        assert!(said.err.contains("Good \"git\" signature for "), "{}", said.err);
    }
    let who = |name: &str| commits.iter().any(|c| verify(c).err.contains(&format!("signature for {name} ")));
    assert!(who("ana") && who("ben"), "the author's and the reviewer's");
    std::fs::write(desk.path("signers"), signers.replace("ben ", "eve ")).unwrap();
    assert!(!who("ben"));
}
