//! Bars that no trial saw: the vault, opened once and counted each time; and bars younger than the study.

use crate::desk::{Desk, SYMBOLS, write_market};
use assay_shared::event::Event;
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
    let looked =
        |runs: u64, studies: u64, trials: u64| serde_json::json!({"runs": runs, "studies": studies, "trials": trials});
    assert!(run["metrics"]["sharpe"].is_number() && run["looked"] == looked(0, 0, 0), "{said}");
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
    assert!(said.contains("1 other run of trials") && said.contains("vault"), "{said}");
    assert!(desk.assay(&["trials"]).ok().out.contains("1 other run of trials"));
    desk.assay(&["study", "vault", "--trial", "999"]).fails(2, "trial 999 is not one of the study");
    let sql = format!(
        "SELECT json_extract(value_json, '$.metrics.sharpe') FROM trial_user_attributes JOIN assay_trials USING (trial_id) WHERE \"key\" = 'assay:vault' AND number = {best}"
    );
    let mirrored: f64 = desk.assay(&["query", "--csv", &sql]).ok().out.lines().nth(1).unwrap().parse().unwrap();
    assert_eq!(Some(mirrored), run["metrics"]["sharpe"].as_f64());
    desk.assay(&["parity"]).ok();
    let branch = desk.assay(&["promote"]).ok().out.lines().find(|l| l.starts_with("promote/")).unwrap().to_string();
    let review = desk.assay(&["--json", "review", &branch]).ok().json();
    let figures = &review["figures"];
    assert_eq!((&figures["later"][0]["metrics"], &figures["later"][0]["looked"]), (&run["metrics"], &looked(1, 0, 0)));
    assert_eq!(figures["later"].as_array().unwrap().len(), 1, "of its own trial");
    assert!(desk.assay(&["review", &branch]).ok().out.contains("1 other run of trials"));
    desk.assay(&["reproduce", &branch, "--key", "ben", "--sample", "2"]).ok();
    // A study that keeps nothing back searches on those bars, after the proposal: whoever reviews it now sees that too.
    let whole = std::fs::read_to_string(desk.path("study.toml")).unwrap().replace("vault_days = 60", "vault_days = 0");
    std::fs::write(desk.path("whole.toml"), whole).unwrap();
    desk.assay(&["study", "run", "trend.toml", "whole.toml", "--name", "whole", "--trials", "5"]).ok();
    desk.assay(&["sync"]).ok();
    let review = desk.assay(&["--json", "review", &branch]).ok().json();
    assert_eq!(review["figures"]["later"][0]["looked"], looked(1, 1, 5));
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

/// A complete study on a market that says it is made up.
fn on_made_up_data() -> Desk {
    let desk = Desk::new();
    desk.assay(&["key", "new", "--out", "ben"]).ok();
    desk.assay(&["init", "lab", "--person", "ana", "--reviewer", "ben=ben.pub", "--allow-generated"]).ok();
    desk.assay(&["data", "generate", "market", "--from", "2022-03-01", "--to", "2024-03-01"]).ok();
    desk.assay(&["data", "import", "market"]).ok();
    desk.assay(&["strategy", "new", "mine", "--symbols", "BTCUSDT,ETHUSDT"]).ok();
    desk.assay(&["study", "run", "mine.toml", "--trials", "30"]).ok();
    desk
}

/// The first day of a market that began yesterday, and the day behind its last one.
fn around_now() -> (String, String) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    let day = |ms: i64| assay_shared::time::format_ms(ms).chars().take(10).collect();
    (day(now - 24 * HOUR), day(now + 60 * 24 * HOUR))
}

/// Bars that came after the opening judge a trial; those that were there before are none of them. Of figures that were
/// made up nothing is left when somebody runs them again, and nobody believes real bars that have not ended.
#[test]
fn forward() {
    let desk = on_made_up_data();
    let (from, to) = around_now();
    desk.assay(&["data", "generate", "later", "--from", &from, "--to", &to, "--seed", "9"]).ok();
    desk.assay(&["data", "import", "later"]).ok();
    let said = desk.assay(&["--json", "study", "forward"]).ok().json();
    let run = &said["run"];
    assert_eq!(
        (&run["on"], &run["looked"]["runs"], &run["data"]["generated"]),
        (&"forward".into(), &0.into(), &true.into())
    );
    assert!((24 * 58..24 * 62).contains(&run["bars"].as_i64().unwrap()), "{said}");
    assert_eq!(desk.assay(&["--json", "study", "forward"]).ok().json(), said, "asked again, the same");
    let (recorded, opened) = (events(&desk, "ForwardRunCompleted"), events(&desk, "StudyOpened"));
    let opened_ms = opened[0]["time_us"].as_i64().map(|us| us / 1000);
    assert!(recorded.len() == 1 && recorded[0]["event"]["first_ms"].as_i64() >= opened_ms, "{recorded:?} {opened:?}");
    let shown = desk.assay(&["trials"]).ok().out;
    assert!(shown.contains("forward") && shown.contains("no study and no other run"), "{shown}");

    desk.assay(&["parity"]).ok();
    let branch = desk.assay(&["promote"]).ok().out.lines().find(|l| l.starts_with("promote/")).unwrap().to_string();
    let review = desk.assay(&["review", &branch]).ok().out;
    assert!(review.contains("forward on GENERATED data") && review.contains("opened 20"), "{review}");
    let reproduce = || desk.assay(&["reproduce", &branch, "--key", "ben", "--sample", "2"]);
    reproduce().ok();
    // Another trial's figures under the name of this one, signed by who may record: the log does not contradict itself.
    desk.assay(&["data", "generate", "more", "--from", &from, "--to", &to, "--seed", "10"]).ok();
    desk.assay(&["data", "import", "more"]).ok();
    let best = run["trial"].as_u64().unwrap() as u32;
    let sql = format!("SELECT number FROM assay_trials WHERE score IS NOT NULL AND number <> {best} LIMIT 1");
    let other = desk.assay(&["query", "--csv", &sql]).ok().out.lines().nth(1).unwrap().to_string();
    desk.assay(&["study", "forward", "--trial", &other]).ok();
    let lab = assay_lab::Lab::open(&desk.path("lab"), &assay_lab::Session::silent()).unwrap();
    let mut writer = lab.writer().unwrap();
    let last = writer.log.len() - 1;
    let Event::ForwardRunCompleted(mut forged) = Event::of(&writer.log.entry(last).unwrap()).unwrap() else { panic!() };
    forged.number = best;
    writer.record_one(forged).unwrap();
    writer.publish().unwrap();
    desk.assay(&["verify", "--deep"]).ok();
    desk.assay(&["sync"]).ok();
    reproduce().fails(1, "a forward run of trial");
    // And without its data nobody signs for it.
    std::fs::remove_dir_all(desk.path("lab/snapshots")).unwrap();
    std::fs::create_dir(desk.path("lab/snapshots")).unwrap();
    desk.assay(&["data", "import", "market"]).ok();
    reproduce().fails(2, "of a forward run of trial");
}

#[test]
fn no_real_bar_is_of_the_future() {
    let desk = Desk::new();
    desk.lab_with_market();
    let study = std::fs::read_to_string(desk.path("study.toml")).unwrap();
    std::fs::write(desk.path("study.toml"), study.replace("trials = 48", "trials = 8")).unwrap();
    desk.assay(&["study", "run", "trend.toml", "study.toml"]).ok();
    let mut later = assay_research::data::generate::market(&SYMBOLS.map(String::from), 24 * 60, 9);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    let (from, first) = (now / HOUR * HOUR - 24 * HOUR, later.times[0]);
    later.times.iter_mut().for_each(|t| *t += from - first);
    write_market(&desk.path("later"), &later);
    desk.assay(&["data", "import", "later", "--assume-brackets-from", "2020-01-01"]).ok();
    let sql = "SELECT number FROM assay_trials WHERE score IS NOT NULL LIMIT 1";
    let trial = desk.assay(&["query", "--csv", sql]).ok().out.lines().nth(1).unwrap().to_string();
    desk.assay(&["study", "forward", "--trial", &trial]).fails(2, "nobody has such data");
    assert!(events(&desk, "ForwardRunCompleted").is_empty());
}
