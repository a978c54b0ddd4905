//! Bars that no trial saw: the vault, opened once and counted each time; and bars younger than the study.

use crate::desk::{Desk, SYMBOLS, write_market};
use serde_json::Value;

/// The time at which the generated market begins, and an hour; milliseconds.
const HOUR: i64 = 3_600_000;

/// A complete study that keeps sixty days back.
fn studied() -> Desk {
    let desk = Desk::new();
    desk.assay(&["key", "new", "--out", "ben"]).ok();
    desk.assay(&["init", "lab", "--person", "ana", "--reviewer", "ben=ben.pub", "--allow-generated"]).ok();
    let market = assay_research::data::generate::market(&SYMBOLS.map(String::from), 24 * 480, 3);
    write_market(&desk.path("market"), &market);
    desk.assay(&["data", "import", "market", "--assume-brackets-from", "2020-01-01"]).ok();
    desk.strategy_and_study(32);
    let study = std::fs::read_to_string(desk.path("study.toml")).unwrap();
    std::fs::write(desk.path("study.toml"), study.replace("vault_days = 0", "vault_days = 60")).unwrap();
    desk.assay(&["study", "run", "trend.toml", "study.toml"]).ok();
    desk
}

fn events(desk: &Desk, kind: &str) -> Vec<Value> {
    let said = desk.assay(&["log", "--json", "--kind", kind, "--limit", "100"]).ok().out;
    said.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

/// An opening is one event whoever asks again, and is counted where the trial is shown and reviewed.
#[test]
fn a_vault_is_opened_once() {
    let desk = studied();
    let said = desk.assay(&["--json", "study", "vault"]).ok().json();
    let (run, best) = (&said["run"], desk.assay(&["--json", "study", "show"]).ok().json()[0]["best"].clone());
    assert_eq!((&run["trial"], &run["on"], &run["bars"]), (&best, &"vault".into(), &(60 * 24).into()));
    assert!(run["metrics"]["sharpe"].is_number() && said["vaults"] == 1, "{said}");
    assert_eq!(desk.assay(&["--json", "study", "vault"]).ok().json(), said, "asked again, the same");
    assert_eq!(events(&desk, "VaultOpened").len(), 1);
    // Its bars are the last ones, and no fold has any of them.
    let shown = desk.assay(&["query", "--csv", "SELECT max(last_ms) FROM assay_snapshots"]).ok().out;
    let last: i64 = shown.lines().nth(1).unwrap().parse().unwrap();
    let day = |ms: i64| assay_shared::time::format_ms(ms);
    assert_eq!(
        (run["last"].as_str().unwrap(), run["first"].as_str().unwrap()),
        (&*day(last), &*day(last - (60 * 24 - 1) * HOUR))
    );

    // Another trial's opening counts too, and who reviews the best one sees that.
    let other = desk.assay(&[
        "query",
        "--csv",
        &format!("SELECT number FROM assay_trials WHERE score IS NOT NULL AND number <> {best} LIMIT 1"),
    ]);
    let other = other.ok().out.lines().nth(1).unwrap().to_string();
    let said = desk.assay(&["study", "vault", "--trial", &other]).ok().out;
    assert!(said.contains("2 vaults were opened") && said.contains("vault"), "{said}");
    assert!(desk.assay(&["trials"]).ok().out.contains("2 vaults were opened"));
    desk.assay(&["study", "vault", "--trial", "999"]).fails(2, "no trial 999 with a score");
    let sql = format!(
        "SELECT json_extract(value_json, '$.metrics.sharpe') FROM trial_user_attributes JOIN assay_trials USING (trial_id) WHERE \"key\" = 'assay:vault' AND number = {best}"
    );
    let mirrored: f64 = desk.assay(&["query", "--csv", &sql]).ok().out.lines().nth(1).unwrap().parse().unwrap();
    assert_eq!(Some(mirrored), run["metrics"]["sharpe"].as_f64());
    desk.assay(&["parity"]).ok();
    let branch = desk.assay(&["promote"]).ok().out.lines().find(|l| l.starts_with("promote/")).unwrap().to_string();
    let review = desk.assay(&["--json", "review", &branch]).ok().json();
    let figures = &review["figures"];
    assert_eq!((&figures["later"][0], &figures["vaults"]), (run, &2.into()));
    assert_eq!(figures["later"].as_array().unwrap().len(), 1, "of its own trial");
    assert!(desk.assay(&["review", &branch]).ok().out.contains("2 vaults were opened"));
    desk.assay(&["reproduce", &branch, "--key", "ben", "--sample", "2"]).ok();
    desk.assay(&["verify"]).ok();
}

/// A study without a vault has none to open, and one that is not complete opens none.
#[test]
fn what_has_no_vault() {
    let desk = Desk::new();
    desk.lab_with_market();
    desk.assay(&["study", "vault"]).fails(2, "there is no study");
    desk.assay(&["study", "run", "trend.toml", "study.toml", "--trials", "9"]).ok();
    desk.assay(&["study", "vault"]).fails(2, "has no vault");
    desk.assay(&["study", "forward"]).fails(2, "began after the study was opened");
    assert_eq!(events(&desk, "VaultOpened").len() + events(&desk, "ForwardRunCompleted").len(), 0);
}

/// Bars that came after the opening judge a trial; those that were there before are none of them.
#[test]
fn forward() {
    let desk = studied();
    // The same prices a hundred years on: nobody can have looked at those.
    let mut later = assay_research::data::generate::market(&SYMBOLS.map(String::from), 24 * 60, 9);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    let from = now / HOUR * HOUR - 24 * HOUR;
    let first = later.times[0];
    later.times.iter_mut().for_each(|t| *t += from - first);
    write_market(&desk.path("later"), &later);
    desk.assay(&["data", "import", "later", "--assume-brackets-from", "2020-01-01"]).ok();
    let said = desk.assay(&["--json", "study", "forward"]).ok().json();
    let run = &said["run"];
    assert_eq!((&run["on"], &said["vaults"]), (&"forward".into(), &0.into()));
    // A day of it lies before the opening.
    assert!((24 * 58..24 * 59).contains(&run["bars"].as_i64().unwrap()), "{said}");
    assert_eq!(desk.assay(&["--json", "study", "forward"]).ok().json(), said, "asked again, the same");
    let recorded = events(&desk, "ForwardRunCompleted");
    let opened = events(&desk, "StudyOpened");
    assert!(
        recorded.len() == 1 && recorded[0]["event"]["first_ms"].as_i64() > Some(now - HOUR),
        "{recorded:?} {opened:?}"
    );
    let shown = desk.assay(&["trials"]).ok().out;
    assert!(shown.contains("forward") && shown.contains("no vault on these prices was opened yet"), "{shown}");
    desk.assay(&["verify"]).ok();
}
