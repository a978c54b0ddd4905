//! What people stumbled over who used it for the first time: each says now what to do, or does it.

use crate::desk::{Desk, SYMBOLS, write_market};

fn market(desk: &Desk, name: &str, symbols: &[&str], days: usize, seed: u64) {
    let symbols: Vec<String> = symbols.iter().map(|s| (*s).to_string()).collect();
    write_market(&desk.path(name), &assay_research::data::generate::market(&symbols, 24 * days, seed));
    desk.assay(&["data", "import", name, "--assume-brackets-from", "2020-01-01"]).ok();
}

/// Without a name the newest snapshot is taken that the strategy can run on, however many others came later.
#[test]
fn the_snapshot_that_fits() {
    let desk = Desk::new();
    desk.assay(&["init", "lab"]).ok();
    desk.assay(&["strategy", "new", "mine", "--symbols", "BTCUSDT,ETHUSDT"]).ok();
    desk.assay(&["study", "run", "mine.toml", "--trials", "3"]).fails(2, "there is no snapshot");
    market(&desk, "one", &["BTCUSDT"], 480, 3);
    let said = desk.assay(&["study", "run", "mine.toml", "--trials", "3"]);
    said.fails(2, "no snapshot has BTCUSDT, ETHUSDT of 1h (the newest,");
    market(&desk, "both", &SYMBOLS, 480, 4);
    market(&desk, "other", &["BTCUSDT"], 490, 5);
    desk.assay(&["study", "run", "mine.toml", "--trials", "3"]).ok();
    let shown = desk.assay(&["data", "show", "--json"]).ok().json();
    let of = |fits: fn(&str) -> bool| {
        let row = shown.as_array().unwrap().iter().find(|r| fits(&r["symbols"].to_string())).unwrap();
        row["data_hash"].as_str().unwrap().to_string()
    };
    let ran = desk.assay(&["study", "show", "--json"]).ok().json()[0]["data_hash"].clone();
    assert_eq!(ran, of(|symbols| symbols.contains("XRPUSDT")));
    // Named, it is that one or none; an empty name, as of a variable that is not set, is none.
    desk.assay(&["study", "run", "mine.toml", "--name", "a", "--trials", "3", "--data", ""])
        .fails(2, "no such snapshot");
    desk.assay(&["study", "run", "mine.toml", "--name", "a", "--trials", "3", "--data", "zz"])
        .fails(2, "no such snapshot");
    let one = of(|symbols| !symbols.contains("XRPUSDT"));
    desk.assay(&["study", "run", "mine.toml", "--name", "a", "--trials", "3", "--data", &one[..12]])
        .fails(2, "ETHUSDT");
}

/// A lab that began without reviewers promotes once it has them, with the studies that it has; and only once.
#[test]
fn reviewers_come_later() {
    let desk = Desk::new();
    desk.assay(&["init", "lab", "--person", "ana"]).ok();
    market(&desk, "market", &SYMBOLS, 420, 3);
    desk.strategy_and_study(24);
    desk.assay(&["study", "run", "trend.toml", "study.toml"]).ok();
    desk.assay(&["parity"]).ok();
    desk.assay(&["promote"]).fails(2, "no policy");
    for asked in [["active"], ["audit"]] {
        desk.assay(&asked).fails(2, "this lab has no deploy repository");
    }
    desk.assay(&["doctor"]).ok();
    desk.assay(&["key", "new", "--out", "ben"]).ok();
    let keys = std::fs::read(desk.path("lab/keys/ana")).unwrap();
    desk.assay(&["init", "lab"]).fails(2, "is a lab already");
    desk.assay(&["init", "lab", "--reviewer", "ben=nowhere.pub"]).fails(3, "nowhere.pub");
    let said = desk.assay(&["init", "lab", "--reviewer", "ben=ben.pub", "--allow-generated"]).ok();
    assert!(said.err.contains("the lab lab has a policy now") && said.err.contains("live table"), "{}", said.err);
    assert_eq!(std::fs::read(desk.path("lab/keys/ana")).unwrap(), keys, "its person stays");
    desk.assay(&["init", "lab", "--reviewer", "ben=ben.pub"]).fails(2, "with a policy");
    let branch = desk.assay(&["promote"]).ok().out.trim().to_string();
    desk.assay(&["reproduce", &branch, "--key", "ben"]).ok();
    let config = desk.assay(&["review", &branch, "--json"]).ok().json()["config_sha256"].as_str().unwrap().to_string();
    desk.assay(&["approve", &branch, "--key", "ben.pub", "--config", &config]).fails(2, "public key");
    desk.assay(&["approve", &branch, "--key", "ben", "--config", &config]).ok();
    assert_eq!(desk.assay(&["review"]).ok().out.trim(), branch);
    desk.assay(&["deploy", &branch]).ok();
    assert_eq!(desk.assay(&["review"]).ok().out.trim(), "", "what is live is no proposal any more");
    assert_eq!(desk.assay(&["review", "--all"]).ok().out.trim(), branch);
    desk.assay(&["audit"]).ok();
    desk.assay(&["doctor"]).ok();
}

/// A study file that is wrong is shown where, and a trial that is infeasible says what it breaks.
#[test]
fn where_and_why() {
    let desk = Desk::new();
    desk.lab_with_market();
    for (from, to, line, words) in [
        ("trials = 48", "trails = 48", "study.toml:4:1", "unknown field 'trails': did you mean 'trials'?"),
        ("trials = 48", "trials = \"eight\"", "study.toml:4:10", "expected a whole number"),
        ("name = \"tpe\"", "name = \"bayes\"", "study.toml:", "bayes"),
        ("slippage_bps = 2.0", "impact = { model = \"range\" }", "study.toml:", "share"),
    ] {
        let text = std::fs::read_to_string(desk.path("study.toml")).unwrap();
        assert!(text.contains(from), "{from}");
        std::fs::write(desk.path("wrong.toml"), text.replace(from, to)).unwrap();
        let said = desk.assay(&["study", "run", "trend.toml", "wrong.toml"]).fails(2, words);
        assert!(said.err.contains(&line.replace("study", "wrong")), "{}", said.err);
    }
    let text = std::fs::read_to_string(desk.path("study.toml")).unwrap();
    std::fs::write(desk.path("strict.toml"), text.replace("min_trades = 5", "min_trades = 100000")).unwrap();
    desk.assay(&["study", "run", "trend.toml", "strict.toml", "--trials", "8"]).ok();
    let listed = desk.assay(&["trials"]).ok().out;
    assert!(listed.contains("trades fewer out of sample than min_trades"), "{listed}");
    let sql = "SELECT number FROM assay_trials WHERE score IS NOT NULL LIMIT 1";
    let number = desk.assay(&["query", "--csv", sql]).ok().out.lines().nth(1).unwrap().to_string();
    let shown = desk.assay(&["trial", "show", &number]).ok().out;
    assert!(shown.contains("infeasible, and never the best: "), "{shown}");
    desk.assay(&["study", "new", ""]).fails(2, "needs a name");
    desk.assay(&["strategy", "new", " "]).fails(2, "needs a name");
}

/// Alone, the program says where one stands and what comes next, at each step; and an error is an object for programs.
#[test]
fn where_one_stands() {
    let desk = Desk::new();
    let next = || desk.assay(&["--json"]).ok().json()["next"].as_str().unwrap().to_string();
    assert!(desk.assay(&[]).ok().out.contains("assay guide start") && next().starts_with("assay init"));
    desk.assay(&["init", "lab", "--person", "ana"]).ok();
    assert!(next().starts_with("assay data import"), "{}", next());
    market(&desk, "market", &SYMBOLS, 420, 3);
    assert!(next().starts_with("assay strategy new"), "{}", next());
    desk.strategy_and_study(16);
    desk.assay(&["study", "run", "trend.toml", "study.toml"]).ok();
    assert!(next().starts_with("assay trials trend-walkforward"), "{}", next());
    desk.assay(&["key", "new", "--out", "ben"]).ok();
    desk.assay(&["init", "lab", "--reviewer", "ben=ben.pub", "--allow-generated"]).ok();
    desk.assay(&["parity"]).ok();
    let branch = desk.assay(&["promote"]).ok().out.trim().to_string();
    assert_eq!(next(), format!("assay review {branch}"));
    let said = desk.assay(&[]).ok().out;
    for words in ["lab lab of ana", "1 study; the newest: trend-walkforward", "proposed: promote/", "nothing is live"] {
        assert!(said.contains(words), "no '{words}' in {said}");
    }
    for (args, code, kind) in [
        (vec!["--json", "trials", "nobody"], 2, "usage"),
        (vec!["--json", "--lab", "nowhere", "trials"], 3, "could-not"),
        (vec!["--json", "deploy", &branch], 4, "refused"),
        (vec!["--json", "strategy", "check", "study.toml"], 2, "usage"),
    ] {
        let said = desk.assay(&args);
        let error =
            serde_json::from_str::<serde_json::Value>(said.err.trim()).unwrap_or_else(|e| panic!("{e}: {}", said.err));
        let error = &error["error"];
        assert_eq!((said.code, &error["kind"], &error["exit_code"]), (code, &kind.into(), &code.into()), "{error}");
        assert!(!error["message"].as_str().unwrap().is_empty());
    }
}
