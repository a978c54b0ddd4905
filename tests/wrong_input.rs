//! Wrong input at every step: one clear error, a hint, the right exit code, nothing changed.

use crate::desk::{Desk, SYMBOLS, write_market};
use std::os::unix::fs::PermissionsExt;

/// Every file below a folder with its bytes, what is derived from others left out.
pub fn state(dir: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let mut out = Vec::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(f) = folders.pop() {
        for item in std::fs::read_dir(f).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !["mirror.sqlite", "index.sled"].iter().any(|of| path.to_string_lossy().contains(of))
                && !path.ends_with("lock")
            {
                out.push((path.display().to_string(), std::fs::read(&path).unwrap()));
            }
        }
    }
    out.sort();
    out
}

#[test]
fn each_mistake_has_one_clear_error_and_changes_nothing() {
    let desk = Desk::new();
    desk.assay(&["trials"]).fails(3, "there is no lab").fails(3, "assay init");
    desk.lab_with_market();
    std::fs::write(
        desk.path("bad.toml"),
        std::fs::read_to_string(desk.path("trend.toml")).unwrap().replace("EMA(close, fast)", "EMMA(close, fast)"),
    )
    .unwrap();
    let range =
        std::fs::read_to_string(desk.path("trend.toml")).unwrap().replace("low = 8, high = 96", "low = 96, high = 8");
    std::fs::write(desk.path("range.toml"), range).unwrap();
    std::fs::write(
        desk.path("splits.toml"),
        std::fs::read_to_string(desk.path("study.toml"))
            .unwrap()
            .replace("in_sample_days = 120", "in_sample_days = 9000"),
    )
    .unwrap();
    let before = state(&desk.path("lab"));
    for (args, code, words) in [
        (&["data", "import", "nowhere"][..], 3, "nowhere"),
        (&["data", "import", "lab/keys"], 2, "no market data found"),
        (&["data", "import", "market", "--interval", "7x"], 2, "not an interval"),
        (&["data", "import", "market", "--from", "yesterday"], 2, "not a date"),
        (&["data", "import", "market", "--symbols", "NOUSDT"], 2, "no 1h candles of NOUSDT"),
        (
            &["data", "fetch", "--symbols", "X", "--from", "2024-13", "--to", "2024-14", "--out", "dl"],
            2,
            "is not a month",
        ),
        (&["strategy", "check", "missing.toml"], 3, "missing.toml"),
        (&["strategy", "check", "bad.toml"], 2, "did you mean 'EMA'?"),
        (&["strategy", "check", "range.toml"], 2, "the range of 'fast' is impossible"),
        (&["strategy", "indicator", "NOPE"], 2, "has a function 'NOPE'"),
        (&["study", "run", "trend.toml", "splits.toml"], 2, "one fold needs"),
        (&["study", "run", "trend.toml", "trend.toml"], 2, "is a strategy, not a study"),
        (&["study", "run", "trend.toml", "study.toml", "--data", "ffff"], 2, "no such snapshot"),
        (&["study", "resume", "nothing"], 2, "there is no study 'nothing'"),
        (&["trial", "show", "5"], 2, "there is no study"),
        (&["promote"], 2, "there is no study"),
        (&["rollback", "trend", "--to", "1", "--reason", "x"], 2, "is not live"),
        (&["verify", "--ledger", "market"], 3, "there is no ledger"),
        (&["prove", "99"], 2, "no event 99"),
        (&["key", "add", "cyd", "--role", "king", "--public", "x"], 2, "no role 'king'"),
        (&["key", "revoke", "trend.toml", "--reason", "x"], 2, "ed25519"),
        (&["init", "lab"], 2, "is a lab already"),
        (&["active", "--gate", "market"], 3, "gate.toml"),
        (&["nonsense"], 2, "unrecognized subcommand"),
        (&["trials", "--limit", "many"], 2, "invalid value"),
    ] {
        let said = desk.assay(&[&["--lab", "lab"], args].concat());
        assert_eq!(said.code, code, "{args:?}: {}", said.err);
        assert!(said.err.contains(words), "{args:?}: '{words}' is not in:\n{}", said.err);
        assert!(!said.err.contains("panicked"), "{args:?}");
    }
    assert_eq!(state(&desk.path("lab")).len(), before.len());
    assert_eq!(state(&desk.path("lab")), before, "nothing was changed");
}

/// Truncated archives, duplicate bars, gaps: found, placed, and never half imported.
#[test]
fn broken_market_files() {
    let desk = Desk::new();
    desk.assay(&["init", "lab", "--person", "ana"]).ok();
    let market = assay_research::data::generate::market(&SYMBOLS.map(String::from), 300, 3);
    write_market(&desk.path("market"), &market);
    let file = desk.path("market/BTCUSDT-1h.csv");
    let whole = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let import = || desk.assay(&["--lab", "lab", "data", "import", "market"]);
    let twice = |row: &str| [&lines[..8], &[row], &lines[8..]].concat().join("\n") + "\n";
    std::fs::write(&file, twice(&lines[7].replacen(',', ",1", 1))).unwrap();
    import().fails(2, "stands twice, with different values");
    std::fs::write(&file, lines[..100].join("\n") + "\n" + &lines[103..].join("\n") + "\n").unwrap();
    import().fails(2, "3 bars are missing");
    std::fs::write(&file, whole.replacen(',', ",x", 40)).unwrap();
    import().fails(2, "not a finite number");
    std::fs::remove_file(&file).unwrap();
    std::fs::write(desk.path("market/BTCUSDT-1h.zip"), b"PK\x03\x04 cut").unwrap();
    import().fails(2, "truncated zip");
    assert!(desk.assay(&["--lab", "lab", "data", "show", "--json"]).ok().json().as_array().unwrap().is_empty());
}

/// Keys: modes, passphrases, wrong files; and a folder that cannot be written.
#[test]
fn keys_and_folders() {
    let desk = Desk::new();
    let with = |pass: &str, args: &[&str]| {
        let out = desk.command(args).env("ASSAY_PASSPHRASE", pass).output().unwrap();
        (out.status.code().unwrap(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    assert_eq!(with("right words", &["init", "lab", "--person", "ana", "--encrypt"]).0, 0);
    desk.run("ssh-keygen", &["-y", "-P", "right words", "-f", "lab/keys/ana"]).ok();
    let add = ["--lab", "lab", "key", "add", "cyd", "--role", "researcher", "--public", "lab/keys/log.pub"];
    let (code, words) = with("wrong words", &add);
    assert!(code == 2 && words.contains("the passphrase is wrong") && !words.contains("wrong words"), "{words}");
    desk.assay(&add).fails(2, "is encrypted").fails(2, "ASSAY_PASSPHRASE");
    assert_eq!(with("right words", &add).0, 0);
    let key = desk.path("lab/keys/ana");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (code, words) = with("right words", &add);
    assert!(code == 2 && words.contains("chmod 600"), "{words}");
    desk.assay(&["key", "new", "--out", "lab/keys/ana"]).fails(3, "cannot create");
    std::fs::write(desk.path("file"), "").unwrap();
    desk.assay(&["init", "file/lab"]).fails(3, "cannot create");
}

/// L-16: a ledger that is held says by whom, and a reader does not mind.
#[test]
fn l16_a_locked_ledger_says_who_holds_it() {
    let desk = Desk::new();
    desk.assay(&["init", "lab", "--person", "ana"]).ok();
    let mut log = assay_ledger::Log::open(&desk.path("lab/ledger")).unwrap();
    log.hold().unwrap();
    desk.assay(&["--lab", "lab", "verify"]).ok();
    let mut child = desk
        .command(&["--lab", "lab", "key", "add", "cyd", "--role", "researcher", "--public", "lab/keys/log.pub"])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // It says that it waits, and for whom, before it goes on.
    let mut said = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut words = String::new();
    while !words.contains("in use by") {
        assert!(std::io::BufRead::read_line(&mut said, &mut words).unwrap() > 0, "it ended without a word: {words}");
    }
    log.release();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success() && words.contains(&format!("in use by process {}", std::process::id())), "{words}");
}

/// What the argument parser refuses is an object too, where JSON was asked for.
#[test]
fn usage_errors_are_json() {
    let desk = Desk::new();
    for (args, words) in [
        (&["--json", "stduy"][..], "unrecognized subcommand"),
        (&["--json", "trials", "--limit", "x"], "it is not a whole number"),
    ] {
        let said = desk.assay(args);
        let error: serde_json::Value = serde_json::from_str(&said.err).unwrap();
        assert_eq!((said.code, error["error"]["exit_code"].as_i64()), (2, Some(2)));
        assert!(error["error"]["message"].as_str().unwrap().contains(words), "{}", said.err);
    }
}
