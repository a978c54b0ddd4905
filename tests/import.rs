//! Market data as people hold it: the cases that went wrong, each as its description says.

use crate::desk::{Desk, Said, real_data};
use std::path::PathBuf;

/// A folder of the cases beside the data; nothing, loudly, where there are no data.
fn case(name: &str) -> Option<PathBuf> {
    let cases = real_data()?.parent()?.join("cases/data");
    assert!(cases.is_dir(), "{} is missing", cases.display());
    Some(cases.join(name))
}

fn lab() -> Desk {
    let desk = Desk::new();
    desk.assay(&["init", "lab", "--person", "ana"]).ok();
    desk
}

fn import(desk: &Desk, case: &str, more: &[&str]) -> Option<Said> {
    let dir = self::case(case)?;
    Some(desk.assay(&[&["data", "import", dir.to_str().unwrap(), "--json"], more].concat()))
}

/// Codes of the findings, with whether they are errors.
fn codes(said: &Said) -> Vec<(String, bool)> {
    let found = said.json()["findings"].as_array().unwrap().clone();
    found.iter().map(|f| (f["code"].as_str().unwrap().into(), f["error"].as_bool().unwrap())).collect()
}

/// Each case with the treatments that its description names: what is found first, and that it is imported
/// then, with how many bars.
#[test]
fn every_case_is_read_or_says_what_to_do() {
    let bare: &[&str] = &["no-mark=last-price", "no-funding=zero"];
    let table: [(&str, &[&str], &[&str], u64); 15] = [
        ("02_index", &[], &[], 744),
        ("03_spot_mixed", &[], &[], 744),
        ("05_daily_monthly", &[], &[], 744),
        ("07_rest_funding", &[], &[], 744),
        ("08_date_strings", &["no-mark", "no-funding"], bare, 744),
        ("10_freqtrade", &[], &[], 9180),
        ("13_lowercase", &["no-mark", "no-funding"], bare, 744),
        ("14_seconds", &["no-mark", "no-funding"], bare, 744),
        ("16_semicolon", &["no-mark", "no-funding"], bare, 744),
        ("17_offgrid", &["off-grid", "gap"], &["off-grid=snap"], 744),
        ("18_interleaved", &["disordered"], &["disordered=sort"], 744),
        ("19_mark_gap", &["no-mark"], &["no-mark=last-price@BTCUSDT:2025-05-13..2025-05-13"], 744),
        ("23_month_missing", &["gap"], &["gap=hold"], 2208),
        ("51_dup_contradict", &["contradiction"], &["contradiction=last"], 744),
        ("53_post_settlement", &["ended"], &["ended=cut"], 129),
    ];
    for (case, errors, treatments, bars) in table {
        let desk = lab();
        let Some(said) = import(&desk, case, &["--dry-run"]) else { return };
        let found: Vec<String> = codes(&said).into_iter().filter(|c| c.1).map(|c| c.0).collect();
        assert_eq!(found, errors, "{case}: {}", said.out);
        assert_eq!(said.code == 0, errors.is_empty(), "{case}: a dry run with errors is none: {}", said.err);
        let treat: Vec<&str> = treatments.iter().flat_map(|t| ["--treat", t]).collect();
        import(&desk, case, &treat).unwrap().ok();
        let shown = desk.assay(&["data", "show", "--json"]).ok().json();
        assert_eq!(
            (shown[0]["bars"].as_u64(), shown[0]["treatments"].as_str()),
            (Some(bars), Some(&*treatments.join(","))),
            "{case}"
        );
    }
}

/// What is not used is listed with a reason, and never imported in the place of something else.
#[test]
fn what_is_not_used_is_said() {
    for (name, file, why) in
        [("02_index", "indexPriceKlines", "index prices"), ("03_spot_mixed", "spot", "spot prices")]
    {
        let desk = lab();
        let Some(said) = import(&desk, name, &["--dry-run"]) else { return };
        let unused = said.json()["unused"].as_array().unwrap().clone();
        let found = unused.iter().find(|u| u["file"].as_str().unwrap().contains(file)).unwrap();
        assert!(found["why"].as_str().unwrap().contains(why), "{found}");
        let dir = case(name).unwrap();
        let said = desk.assay(&["data", "import", dir.to_str().unwrap(), "--dry-run"]).ok();
        assert!(said.err.contains("not used: ") && said.err.contains(why), "{}", said.err);
    }
}

/// Nobody loses bars for another symbol's missing one, and a symbol without filters is refused for just that.
#[test]
fn one_missing_bar_and_no_filters() {
    let desk = lab();
    let Some(said) = import(&desk, "61_one_missing_bar", &["--treat", "gap=hold@LTCUSDT"]) else { return };
    said.ok();
    assert_eq!(desk.assay(&["data", "show", "--json"]).ok().json()[0]["bars"], 2184);
    let desk = lab();
    import(&desk, "80_avax_no_filters", &[]).unwrap().ok();
    let config = case("configs/avax.toml").unwrap();
    let study = case("configs/small.toml").unwrap();
    let said = desk.assay(&["study", "run", config.to_str().unwrap(), study.to_str().unwrap()]);
    assert!(said.code != 0 && said.err.contains("no step, tick and minimum notional of AVAXUSDT"), "{}", said.err);
}

/// A study runs under the rule book of its own snapshot, whatever was imported since; an import that changes
/// nothing says so.
#[test]
fn a_snapshot_is_bound_to_its_rule_book() {
    let desk = lab();
    let Some(said) = import(&desk, "81_rulebook_newest/a_btc", &[]) else { return };
    said.ok();
    let event =
        |kind: &str| desk.assay(&["log", "--kind", kind, "--limit", "1", "--json"]).ok().json()["event"].clone();
    let (data, book) =
        (event("SnapshotRegistered")["data_hash"].clone(), event("SnapshotRegistered")["rulebook_hash"].clone());
    import(&desk, "81_rulebook_newest/b_xrp", &[]).unwrap().ok();
    assert_ne!(event("SnapshotRegistered")["rulebook_hash"], book);
    let strategy = std::fs::read_to_string(case("configs/avax.toml").unwrap()).unwrap();
    std::fs::write(desk.path("btc.toml"), strategy.replace("AVAXUSDT", "BTCUSDT")).unwrap();
    let (study, begin) = (case("configs/small.toml").unwrap(), &data.as_str().unwrap()[..12]);
    desk.assay(&["study", "run", "btc.toml", study.to_str().unwrap(), "--data", begin]).ok();
    assert_eq!(event("StudyOpened")["rulebook_hash"], book, "its own");
    let again = import(&desk, "81_rulebook_newest/b_xrp", &[]).unwrap().ok();
    assert!(again.err.contains("nothing new"), "{}", again.err);
    let files =
        std::fs::read_to_string(desk.path(&format!("lab/snapshots/{}.sha256", data.as_str().unwrap()))).unwrap();
    assert_eq!(files.lines().count() as u64, event("SnapshotRegistered")["files"].as_u64().unwrap(), "{files}");
}

/// What is asked for and is not there is said, with what there is.
#[test]
fn what_is_not_there() {
    let desk = lab();
    let say = |args: &[&str], words: &str| {
        let Some(said) = import(&desk, "61_one_missing_bar", args) else { return };
        said.fails(2, words);
    };
    say(&["--symbols", "NOUSDT"], "no 1h candles of NOUSDT; there are BTCUSDT 1h, ETHUSDT 1h, LTCUSDT 1h");
    say(&["--interval", "4h"], "no 4h candles; there are BTCUSDT 1h");
    say(&["--from", "2031-01-01"], "no 1h bars of BTCUSDT from 2031-01-01");
    say(&["--symbols", "BTCUSDT,BTCUSDT"], "BTCUSDT is named twice");
    say(&["--treat", "gap=x"], "'gap' is treated by longest or hold");
    say(&["--treat", "hole=x"], "no finding 'hole' can be treated");
    say(&["--columns", "zeit=t"], "there is no column 'zeit'");
}
