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
    let other = event("RulebookRegistered")["hash"].clone();
    assert_ne!(other, book);
    let named = |begin: &str| {
        let run = [
            "study",
            "run",
            "btc.toml",
            study.to_str().unwrap(),
            "--name",
            "other",
            "--data",
            &data.as_str().unwrap()[..12],
        ];
        desk.assay(&[&run[..], &["--rulebook", begin]].concat())
    };
    named("0123456789").fails(2, "0 registered rule books");
    named(&other.as_str().unwrap()[..4]).fails(2, "8 digits of the hash or more");
    named(&other.as_str().unwrap()[..12]).fails(2, "no step, tick and minimum notional of BTCUSDT");
    import(&desk, "81_rulebook_newest/a_btc", &["--brackets", "as-seen"]).unwrap().ok();
    assert_ne!(event("SnapshotRegistered")["rulebook_hash"], book, "bound to another one now");
    named(&book.as_str().unwrap()[..12]).ok();
    assert_eq!(event("StudyOpened")["rulebook_hash"], book, "the one that was named");
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

/// A treatment holds where it is said to, and what treated nothing is not recorded.
#[test]
fn treatments_hold_where_they_are_said_to() {
    let half = ["--treat", "gap=hold@BTCUSDT:2025-06-01..2025-06-15"];
    let desk = lab();
    let Some(said) = import(&desk, "23_month_missing", &half) else { return };
    let gaps: Vec<(String, bool)> = codes(&said).into_iter().filter(|c| c.0 == "gap").collect();
    assert_eq!(gaps, [("gap".to_string(), false), ("gap".to_string(), true)], "{}", said.out);
    said.fails(2, "2025-06-16");
    let idle = ["--treat", "disordered=sort", "--treat", "gap=hold@NOPEUSDT"];
    let said = import(&desk, "18_interleaved", &idle).unwrap().ok();
    assert_eq!(said.json()["treatments_unused"][0], "gap=hold@NOPEUSDT");
    assert_eq!(desk.assay(&["data", "show", "--json"]).ok().json()[0]["treatments"], "disordered=sort");
    let clash = import(&desk, "18_interleaved", &["--treat", "gap=hold", "--treat", "gap=longest"]).unwrap();
    clash.fails(2, "contradict each other");
}

/// Rows that were cut off, digits too many, rates that cannot be, names that lead elsewhere, pipes: each is said.
#[test]
fn spoiled_files() {
    let desk = lab();
    let rows: Vec<String> =
        (0..48).map(|h| format!("{},100,101,99,100,5,0\n", 1_704_067_200_000_i64 + h * 3_600_000)).collect();
    let try_one = |rows: &[String], funding: &str| {
        let dir = desk.path("spoiled");
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(dir.join("klines")).unwrap();
        std::fs::create_dir_all(dir.join("fundingRate")).unwrap();
        std::fs::write(dir.join("klines/BTCUSDT-1h.csv"), rows.concat()).unwrap();
        std::fs::write(dir.join("fundingRate/BTCUSDT.csv"), funding).unwrap();
        desk.assay(&["data", "import", "spoiled", "--treat", "no-mark=last-price", "--json"])
    };
    let rate = |r: &str| {
        format!(
            "calc_time,rate\n1704067200000,{r}\n1704096000000,0.0001\n1704124800000,0\n1704153600000,0\n1704182400000,0\n1704211200000,0\n"
        )
    };
    let good = try_one(&rows, &rate("0.0001")).ok().json();
    assert_eq!((good["bars"].as_u64(), good["generated"].as_bool()), (Some(48), Some(false)));
    assert!(good["data_hash"].as_str().is_some_and(|h| h.len() == 64), "{good}");
    assert!(good["assumptions"].to_string().contains("fees: seen on"), "{good}");
    let mut cut = rows.clone();
    cut[47] = cut[47][..30].to_string();
    try_one(&cut, &rate("0.0001")).fails(2, "was it cut off?");
    let mut high = rows.clone();
    high[9] = high[9].replace(",101,", ",1e9,");
    try_one(&high, &rate("0.0001")).fails(2, "impossible-bar");
    try_one(&rows, &rate("5.0")).fails(2, "odd-funding");
    try_one(&["<html>oops</html>".to_string()], "").fails(2, "it begins with '<html>oops");
    std::fs::remove_file(desk.path("spoiled/klines/BTCUSDT-1h.csv")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(desk.path("spoiled/klines/BTCUSDT-1h.csv")).status();
    assert!(made.unwrap().success());
    desk.assay(&["data", "import", "spoiled"]).fails(2, "no candles of traded prices");
    for bad in ["../../ESC", "", "A USDT"] {
        let out = ["data", "generate", "made", "--symbols", bad, "--from", "2024-01-01", "--to", "2024-01-02"];
        desk.assay(&out).fails(2, "is no symbol");
        desk.assay(&["data", "fetch", "--symbols", bad, "--from", "2024-01", "--to", "2024-01", "--out", "x"])
            .fails(2, "is no symbol");
    }
    // A symbol of which no rule is known is said to be that.
    try_one(&rows, &rate("0.0001")).ok();
    for kind in ["klines/BTCUSDT-1h.csv", "fundingRate/BTCUSDT.csv"] {
        let to = desk.path("spoiled").join(kind.replace("BTCUSDT", "NOSUCHUSDT"));
        std::fs::rename(desk.path("spoiled").join(kind), to).unwrap();
    }
    let said = desk.assay(&["data", "import", "spoiled", "--treat", "no-mark=last-price", "--json"]).ok();
    assert!(codes(&said).contains(&("no-rules".into(), false)), "{}", said.out);
}

/// What is odd is shown before an import and kept with it, as text, JSON and a page, over nothing else.
#[test]
fn quality_before_and_after() {
    let Some(folder) = case("53_post_settlement") else { return };
    let desk = Desk::new();
    desk.assay(&["init", "lab", "--person", "ana"]).ok();
    let folder = folder.to_str().unwrap();
    let said = desk.assay(&["data", "quality", folder, "--page", "q.html"]).ok();
    assert!(said.out.contains("ended=cut or ended=keep"), "{}", said.out);
    let page = std::fs::read_to_string(desk.path("q.html")).unwrap();
    assert!(page.contains("1 finding must be treated") && page.contains("615 bars without trading"));
    desk.assay(&["data", "quality", folder, "--page", "q.html"]).ok();
    std::fs::write(desk.path("letter.html"), "mine").unwrap();
    desk.assay(&["data", "quality", folder, "--page", "letter.html"]).fails(2, "--force");
    let found = desk.assay(&["--json", "data", "quality", folder, "--treat", "ended=cut"]).ok().json();
    let imported = desk.assay(&["--json", "data", "import", folder, "--treat", "ended=cut"]).ok().json();
    assert_eq!(found["findings"], imported["findings"]);
    let hash = imported["data_hash"].as_str().unwrap();
    assert_eq!(desk.assay(&["--json", "data", "quality", hash]).ok().json(), found);
    desk.assay(&["data", "quality", &hash[..10], "--page", "after.html"]).ok();
    assert!(std::fs::read_to_string(desk.path("after.html")).unwrap().contains("treated: ended=cut"));
    desk.assay(&["data", "quality", "0123456789"]).fails(2, "no snapshot");
}
