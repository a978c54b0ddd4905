//! The mirror takes any ledger that verifies, and is written over nothing that is not its own.

use crate::desk::Desk;
use assay_ledger::{Draft, EventId, Log, Signer};
use assay_shared::event::{Event, StudyClosed, TrialFailedV2};

/// Appends events with the lab's own key, past everything that the program would refuse.
fn append(desk: &Desk, drafts: &[Draft]) {
    let read = |name: &str| Signer::read(&desk.path(&format!("lab/keys/{name}")), &|_| None).unwrap();
    let mut log = Log::open(&desk.path("lab/ledger")).unwrap();
    log.append(drafts, &read("ana")).unwrap();
    log.publish(&read("log")).unwrap();
}

/// Two studies of one name, a study and a trial twice under other ids, a trial of no study, a study
/// closed twice: each entry verifies, so each must be taken.
#[test]
fn the_mirror_takes_what_verifies() {
    let desk = Desk::new();
    desk.lab_with_market();
    desk.assay(&["--lab", "lab", "study", "run", "trend.toml", "study.toml", "--trials", "8"]).ok();
    let log = Log::open(&desk.path("lab/ledger")).unwrap();
    let mut events = Vec::new();
    log.scan(0, |entry| {
        events.push(Event::of(&entry).unwrap());
        Ok::<(), assay_ledger::LedgerError>(())
    })
    .unwrap();
    drop(log);
    let opened = events.iter().find_map(|e| if let Event::StudyOpenedV2(s) = e { Some(s.clone()) } else { None });
    let opened = opened.expect("a study was opened");
    let trial = events.iter().find(|e| e.trial_key().is_some()).expect("a trial was recorded").clone();
    let mut other = opened.clone();
    other.study_id = [7; 16];
    let stray = TrialFailedV2 {
        study_id: [9; 16],
        number: 0,
        params: vec![],
        identity: [0; 32],
        folds: vec![],
        reason: "none".into(),
    };
    let closed = StudyClosed { study_id: opened.study_id, trials: 1, best: None, statistics: vec![] };
    let clash =
        |event: Event| Draft { id: EventId::derived(&[b"clash", event.kind().as_bytes()]), ..event.draft().unwrap() };
    append(
        &desk,
        &[
            Event::from(other).draft().unwrap(),
            clash(opened.into()),
            clash(trial),
            Event::from(stray).draft().unwrap(),
            clash(closed.into()),
        ],
    );
    desk.assay(&["--lab", "lab", "verify"]).ok();
    desk.assay(&["--lab", "lab", "mirror", "rebuild"]).ok();
    let shown = desk.assay(&["--lab", "lab", "study", "show", "--json"]).ok().json();
    assert_eq!(shown.as_array().unwrap().len(), 2, "{shown}");
    assert_eq!(shown[0]["name"], shown[1]["name"]);
    let name = shown[0]["name"].as_str().unwrap();
    desk.assay(&["--lab", "lab", "trials", name]).fails(2, "stands for 2 studies");
    let id = shown[1]["study_id"].as_str().unwrap();
    assert_eq!(desk.assay(&["--lab", "lab", "trials", id, "--json"]).ok().json()["study"]["trials"], 8);
    desk.assay(&["--lab", "lab", "mirror", "copy", "all.sqlite"]).ok();
    let conn = rusqlite::Connection::open(desk.path("all.sqlite")).unwrap();
    let count = |sql: &str| conn.query_row(sql, [], |r| r.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM assay_ignored"), 4);
    assert_eq!(count("SELECT count(DISTINCT study_name) FROM studies"), 2, "names are unique in Optuna's tables");
}

/// What is there and not ours stays, unless it is forced; what is ours is brought up.
#[test]
fn outputs_are_not_written_over() {
    let desk = Desk::new();
    desk.assay(&["init", "lab"]).ok();
    std::fs::write(desk.path("letter.txt"), "dear all").unwrap();
    std::fs::create_dir(desk.path("home")).unwrap();
    std::fs::write(desk.path("home/photo"), "me").unwrap();
    desk.assay(&["mirror", "copy", "letter.txt"]).fails(2, "--force");
    desk.assay(&["ledger", "export", "home"]).fails(2, "--force");
    desk.assay(&["ledger", "export", "letter.txt"]).fails(3, "letter.txt");
    assert_eq!(std::fs::read_to_string(desk.path("letter.txt")).unwrap(), "dear all");
    assert_eq!(std::fs::read_dir(desk.path("home")).unwrap().count(), 1);
    for round in 0..2 {
        desk.assay(&["mirror", "copy", "study.sqlite"]).ok();
        desk.assay(&["ledger", "export", "out"]).ok();
        let person = format!("p{round}");
        desk.assay(&["key", "new", "--out", &person]).ok();
        desk.assay(&["key", "add", &person, "--role", "researcher", "--public", &format!("{person}.pub")]).ok();
    }
    desk.assay(&["mirror", "copy", "letter.txt", "--force"]).ok();
    desk.assay(&["ledger", "export", "home", "--force"]).ok();
    assert!(desk.path("home/photo").exists() && desk.path("home/checkpoint").exists());
    for taken in ["home/photo", "study.sqlite"] {
        desk.assay(&["key", "new", "--out", taken]).fails(3, "already");
    }
}

/// A mirror is for looking: one that was edited by hand chooses no trial and shows a reviewer nothing.
#[test]
fn an_edited_mirror_promotes_nothing() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let best = desk.assay(&["--json", "study", "show"]).ok().json()[0]["best"].as_u64().unwrap();
    let conn = rusqlite::Connection::open(desk.path("lab/mirror.sqlite")).unwrap();
    let sql = "UPDATE assay_trials SET score = 99, violation = 0 WHERE number <> ?1";
    assert!(conn.execute(sql, [best as i64]).unwrap() > 0);
    conn.execute_batch("UPDATE assay_studies SET statistics = '{\"psr\":0.99}'").unwrap();
    drop(conn);
    let said = desk.assay(&["verify", "--deep"]).fails(1, "index-differs");
    assert!(said.out.contains("the mirror shows other rows than the log"), "{}", said.out);
    let said = desk.assay(&["promote"]).ok();
    let branch = said.out.lines().find(|l| l.starts_with("promote/")).expect("the branch").to_string();
    let review = desk.assay(&["--json", "review", &branch]).ok().json();
    assert_eq!(review["config"]["promotion"]["trial_id"].as_u64(), Some(best));
    let figures = review["figures"].to_string();
    assert!(!figures.contains("99.0") && !figures.contains("0.99,") && figures.contains("psr"), "{figures}");
    desk.assay(&["mirror", "rebuild"]).ok();
    desk.assay(&["verify", "--deep"]).ok();
}

/// Questions in SQL are answered, whatever the form, and nothing is ever written by one.
#[test]
fn questions() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let best = &desk.assay(&["--json", "study", "show"]).ok().json()[0];
    let sql = "SELECT b.number, o.trials, o.best_score, p.value, m.value FROM assay_best b JOIN assay_overview o USING (study_id) \
               JOIN assay_params p USING (trial_id) JOIN assay_metrics m USING (trial_id) \
               WHERE p.name = 'leverage' AND m.name = 'sharpe' AND m.value = b.sharpe";
    let answer = desk.assay(&["--json", "query", sql]).ok().json();
    let row = &answer["rows"][0];
    assert_eq!(
        (&row["number"], &row["trials"], &row["best_score"]),
        (&best["best"], &best["trials"], &best["best_score"])
    );
    assert_eq!((answer["rows"].as_array().unwrap().len(), &answer["more"]), (1, &serde_json::json!(false)));
    let csv =
        desk.assay(&["query", "--csv", "SELECT 1 AS one, 'a,\"b\"' AS two UNION SELECT NULL, 'c' ORDER BY 2"]).ok().out;
    assert_eq!(csv, "one,two\n1,\"a,\"\"b\"\"\"\n,c\n");
    let said = desk.assay(&["query", "SELECT number FROM assay_trials", "--limit", "3"]).ok();
    assert!(said.out.lines().count() == 4 && said.err.contains("--limit"), "{said:?}");
    let listed = desk.assay(&["query"]).ok().out;
    assert!(
        listed.starts_with("assay_overview: ") && listed.contains("trial_user_attributes: one of Optuna's"),
        "{listed}"
    );
    let before = std::fs::read(desk.path("lab/mirror.sqlite")).unwrap();
    for (asked, words) in [
        ("SELEC 1", "near \"SELEC\""),
        ("", "only questions"),
        ("DELETE FROM assay_trials", "only questions"),
        ("DROP TABLE trials", "only questions"),
        ("ATTACH 'new.db' AS other", "only questions"),
        ("VACUUM INTO 'new.db'", "only questions"),
        ("PRAGMA query_only=OFF", "only questions"),
        ("SELECT 1; DELETE FROM trials", "Multiple statements"),
        ("SELECT nope FROM trials", "no such column"),
    ] {
        desk.assay(&["query", asked]).fails(2, words);
    }
    assert_eq!(std::fs::read(desk.path("lab/mirror.sqlite")).unwrap(), before);
    assert!(!desk.path("new.db").exists());
}

/// What is shown and written of trials comes from the ledger, whatever somebody wrote into the mirror: forged figures are
/// not shown, and a forged best is not taken.
#[test]
fn a_forged_mirror_is_not_believed() {
    let desk = Desk::new();
    desk.lab_with_market();
    desk.assay(&["--lab", "lab", "study", "run", "trend.toml", "study.toml"]).ok();
    let trials = |limit: &str| desk.assay(&["--lab", "lab", "--json", "trials", "--all", "--limit", limit]);
    let before = trials("1000").ok().json();
    let best =
        desk.assay(&["--lab", "lab", "--json", "trial", "show"]).ok().json()["trial"]["number"].as_u64().unwrap();
    let other = before.as_array().unwrap().iter().find(|t| t["score"].is_f64() && t["number"] != best).unwrap();
    let number = other["number"].as_i64().unwrap();
    let mirror = rusqlite::Connection::open(desk.path("lab/mirror.sqlite")).unwrap();
    mirror.execute("UPDATE assay_trials SET score = 99, violation = 0 WHERE number = ?1", [number]).unwrap();
    mirror
        .execute(
            "UPDATE trial_values SET value = 99 WHERE trial_id = (SELECT trial_id FROM assay_trials WHERE number = ?1)",
            [number],
        )
        .unwrap();
    let forged = "UPDATE trial_user_attributes SET value_json = '{\"sharpe\": 9.0}' WHERE \"key\" = 'assay:metrics'";
    mirror.execute(forged, []).unwrap();
    drop(mirror);
    assert_eq!(trials("1000").ok().json(), before, "all of them, as the ledger has them");
    let few = desk.assay(&["--lab", "lab", "trials", "--limit", "3"]).fails(1, "somebody changed it");
    assert!(few.err.contains("assay mirror rebuild") && !few.out.contains("99.0000"));
    let shown = desk.assay(&["--lab", "lab", "--json", "trial", "show", &number.to_string()]).ok().json();
    assert_eq!(&shown["trial"], other);
    assert_eq!(desk.assay(&["--lab", "lab", "--json", "trial", "show"]).ok().json()["trial"]["number"], best);
    let parity = desk.assay(&["--lab", "lab", "--json", "parity"]).ok().json();
    assert_eq!(parity["number"].as_u64().or(parity["trial"].as_u64()), Some(best), "{parity}");
    desk.assay(&["--lab", "lab", "report", "--out", "r"]).ok();
    let page = std::fs::read_dir(desk.path("r"))
        .unwrap()
        .flatten()
        .find(|i| i.path().extension().is_some_and(|e| e == "json"));
    let report: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(page.unwrap().path()).unwrap()).unwrap();
    assert_eq!(
        (&report["study"]["best"], &report["trial"]["number"]),
        (&serde_json::json!(best), &serde_json::json!(best))
    );
    desk.assay(&["--lab", "lab", "mirror", "rebuild"]).ok();
    desk.assay(&["--lab", "lab", "trials", "--limit", "3"]).ok();
}
