//! Twelve symbols, some real, some made up: young ones, one that was delisted, one whose funding changes its
//! interval. Nobody's history is cut, and every position's funding is what the raw settlements say.

use crate::desk::{Desk, real_data};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

const HOUR: i64 = 3_600_000;
const REAL: [&str; 5] = ["BTCUSDT", "ETHUSDT", "XRPUSDT", "ADAUSDT", "LTCUSDT"];
/// Made up: symbol, first day, day before which it ends.
const MADE: [(&str, &str, &str); 7] = [
    ("SOLUSDT", "2022-03-01", "2022-10-01"),
    ("BNBUSDT", "2022-03-01", "2022-10-01"),
    ("MATICUSDT", "2022-03-01", "2022-10-01"),
    ("AVAXUSDT", "2022-05-01", "2022-10-01"),
    ("LINKUSDT", "2022-06-05", "2022-10-01"),
    ("DOTUSDT", "2022-07-10", "2022-10-01"),
    // Delisted.
    ("TRXUSDT", "2022-03-01", "2022-08-20"),
];

fn text(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    let mut out = String::new();
    match path.extension().is_some_and(|e| e == "gz") {
        true => drop(flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut out).unwrap()),
        false => out = String::from_utf8(bytes).unwrap(),
    }
    out
}

fn files(dir: &Path, out: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, out) } else { out.push(path) }
    }
}

/// Rows of all files of a symbol whose path holds a word, as numbers.
fn rows(dir: &Path, symbol: &str, word: &str) -> BTreeMap<i64, Vec<f64>> {
    let mut all = Vec::new();
    files(dir, &mut all);
    let mine = all.iter().filter(|p| p.to_string_lossy().contains(word) && p.to_string_lossy().contains(symbol));
    let mut out = BTreeMap::new();
    for path in mine {
        for line in text(path).lines().filter(|l| l.starts_with(|c: char| c.is_ascii_digit())) {
            let cells: Vec<f64> = line.split(',').map(|c| c.parse().unwrap_or(f64::NAN)).collect();
            out.insert(cells[0] as i64, cells);
        }
    }
    out
}

fn folder(desk: &Desk, data: &Path) {
    let dir = desk.path("data");
    std::fs::create_dir(&dir).unwrap();
    for part in ["klines_1h", "mark_price_1h", "funding"] {
        std::os::unix::fs::symlink(data.join(part), dir.join(part)).unwrap();
    }
    for (n, (symbol, from, to)) in MADE.iter().enumerate() {
        let (out, seed) = (format!("data/made{n}"), n.to_string());
        let args = ["data", "generate", &out, "--symbols", symbol, "--from", from, "--to", to, "--seed", &seed];
        desk.assay(&args).ok();
    }
    // SOL's funding turns hourly in June and four-hourly in July.
    let path = dir.join("made0/data/futures/um/monthly/fundingRate/SOLUSDT");
    let mut all = Vec::new();
    files(&path, &mut all);
    for file in all {
        let month = file.file_stem().unwrap().to_string_lossy().into_owned();
        let hours = if month.ends_with("06") {
            1
        } else if month.ends_with("07") {
            4
        } else {
            8
        };
        let first = text(&file).lines().nth(1).unwrap().split(',').next().unwrap().parse::<i64>().unwrap();
        let days = text(&file).lines().skip(1).count() as i64 / 3;
        let mut out = String::from("calc_time,funding_interval_hours,last_funding_rate\n");
        for k in 0..days * 24 / hours {
            let rate = (k % 7 - 2) as f64 * 1e-4;
            let _ = writeln!(out, "{},{hours},{rate}", first + k * hours * HOUR + k % 9);
        }
        std::fs::write(&file, out).unwrap();
    }
    let info: Vec<String> = ["AVAXUSDT", "LINKUSDT", "DOTUSDT", "TRXUSDT", "MATICUSDT"]
        .iter()
        .map(|s| {
            format!(
                r#"{{"symbol":"{s}","contractType":"PERPETUAL","filters":[{{"filterType":"PRICE_FILTER","tickSize":"0.00001"}},
                {{"filterType":"LOT_SIZE","stepSize":"0.001"}},{{"filterType":"MIN_NOTIONAL","notional":"5"}}]}}"#
            )
        })
        .collect();
    std::fs::write(desk.path("data/exchangeInfo-2026-09-01.json"), format!("{{\"symbols\":[{}]}}", info.join(",")))
        .unwrap();
}

/// What a trade's funding must be: each settlement after its entry up to its exit, on the first mark of its bar.
fn owed(t: &Value, settled: &BTreeMap<i64, Vec<f64>>, marks: &BTreeMap<i64, Vec<f64>>, step: i64) -> f64 {
    let number = |key: &str| t[key].as_f64().unwrap();
    let side = if t["side"] == "long" { 1.0 } else { -1.0 };
    let (entry, exit) = (t["entry_ms"].as_i64().unwrap(), t["exit_ms"].as_i64().unwrap());
    // At the end of a window a position is closed at the last close: it has stood the whole bar.
    let last = if t["rule"] == "window-end" { exit + step - 1001 } else { exit };
    let one = |(ms, row): (&i64, &Vec<f64>)| {
        let bar = ms / step * step;
        let mark = marks.range(bar..bar + step).next().unwrap().1[1];
        -side * number("qty") * mark * row[2]
    };
    settled.range(entry + 1000..last + 1000).map(one).sum()
}

/// The same market in bars of four hours: settlements of an hour fall inside them.
fn in_four_hours(desk: &Desk) {
    let step = 4 * HOUR;
    let mut all = Vec::new();
    files(&desk.path("data"), &mut all);
    for path in all.iter().filter(|p| p.to_string_lossy().contains("1h")) {
        let symbol =
            REAL.iter().chain(MADE.iter().map(|m| &m.0)).find(|s| path.to_string_lossy().contains(**s)).unwrap();
        let kind = if path.to_string_lossy().to_lowercase().contains("mark") { "markPriceKlines" } else { "klines" };
        let mut bars: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
        for line in text(path).lines().filter(|l| l.starts_with(|c: char| c.is_ascii_digit())) {
            let c: Vec<f64> = line.split(',').take(6).map(|c| c.parse().unwrap_or(0.0)).collect();
            let bar = bars.entry(c[0] as i64 / step * step).or_insert_with(|| vec![c[1], c[2], c[3], c[4], 0.0]);
            (bar[1], bar[2], bar[3], bar[4]) = (bar[1].max(c[2]), bar[2].min(c[3]), c[4], bar[4] + c[5]);
        }
        let out = desk.path("four").join(kind).join(symbol).join("4h");
        std::fs::create_dir_all(&out).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().split('.').next().unwrap().replace("1h", "4h");
        let rows: String =
            bars.iter().map(|(t, b)| format!("{t},{},{},{},{},{}\n", b[0], b[1], b[2], b[3], b[4])).collect();
        std::fs::write(out.join(format!("{name}.csv")), rows).unwrap();
    }
    for (n, part) in std::iter::once("funding".to_string())
        .chain((0..7).map(|n| format!("made{n}/data/futures/um/monthly/fundingRate")))
        .enumerate()
    {
        std::fs::create_dir_all(desk.path("four/fundingRate")).unwrap();
        let from = std::fs::canonicalize(desk.path("data").join(part)).unwrap();
        std::os::unix::fs::symlink(from, desk.path("four/fundingRate").join(n.to_string())).unwrap();
    }
    std::fs::copy(desk.path("data/exchangeInfo-2026-09-01.json"), desk.path("four/exchangeInfo-2026-09-01.json"))
        .unwrap();
}

/// Imports the twelve; nobody is cut.
fn import(desk: &Desk, interval: &str, step: i64) {
    let symbols = symbols();
    let dir = desk.path(if interval == "4h" { "four" } else { "data" });
    let dir = dir.to_str().unwrap().to_string();
    let names = symbols.join(",");
    let import = [
        "data",
        "import",
        &dir,
        "--interval",
        interval,
        "--symbols",
        &names,
        "--from",
        "2022-03-01",
        "--to",
        "2022-10-01",
        "--treat",
        "ends-early=delisted@TRXUSDT",
        "--json",
    ];
    let said = desk.assay(&import).ok().json();
    let codes: Vec<(&str, &str)> = said["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| (f["code"].as_str().unwrap(), f["symbol"].as_str().unwrap()))
        .filter(|f| ["begins-later", "ends-early"].contains(&f.0))
        .collect();
    let young = ["AVAXUSDT", "DOTUSDT", "LINKUSDT"].map(|s| ("begins-later", s));
    assert_eq!(codes.iter().filter(|c| c.0 == "begins-later").count(), 3, "{codes:?}");
    assert!(young.iter().all(|y| codes.contains(y)) && codes.contains(&("ends-early", "TRXUSDT")), "{codes:?}");
    let shown = desk.assay(&["data", "show", "--json"]).ok().json();
    let hash = shown[0]["data_hash"].as_str().unwrap()[..12].to_string();
    let one = desk.assay(&["data", "show", &hash, "--json"]).ok().json();
    let bars: BTreeMap<&str, i64> = one["series"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| (s["symbol"].as_str().unwrap(), s["bars"].as_i64().unwrap()))
        .collect();
    let days = |n: i64| n * 24 * HOUR / step;
    assert_eq!((bars["BTCUSDT"], bars["DOTUSDT"], bars["TRXUSDT"]), (days(214), days(83), days(172)), "nobody is cut");
}

fn symbols() -> Vec<&'static str> {
    REAL.into_iter().chain(MADE.iter().map(|m| m.0)).collect()
}

/// A study, parity, and every trade's funding recomputed.
fn study(desk: &Desk, interval: &str) {
    let step = if interval == "4h" { 4 * HOUR } else { HOUR };
    import(desk, interval, step);
    let symbols = symbols();
    let all = symbols.iter().map(|s| format!("\"{s}\"")).collect::<Vec<_>>().join(", ");
    let strategy = STRATEGY.replace("SYMBOLS", &all).replace("INTERVAL", interval);
    std::fs::write(desk.path("twelve.toml"), strategy.replace("\"twelve\"", &format!("\"twelve{interval}\""))).unwrap();
    std::fs::write(desk.path("study.toml"), STUDY.replace("\"twelve\"", &format!("\"twelve{interval}\""))).unwrap();
    desk.assay(&["study", "run", "twelve.toml", "study.toml"]).ok();
    let name = format!("twelve{interval}");
    desk.assay(&["parity", "--study", &name, "0"]).ok();
    let out = desk.path(&format!("report{interval}"));
    desk.assay(&["report", "--study", &name, "0", "--out", out.to_str().unwrap()]).ok();
    let mut written = Vec::new();
    files(&out, &mut written);
    let json = written.iter().find(|p| p.extension().is_some_and(|e| e == "json")).unwrap();
    let report: Value = serde_json::from_str(&text(json)).unwrap();
    let (names, trades) = (report["symbols"].as_array().unwrap(), report["trades"].as_array().unwrap());
    let raw = desk.path("data");
    let mut seen: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for symbol in names.iter().map(|s| s.as_str().unwrap()) {
        let (settled, marks) = (rows(&raw, symbol, "unding"), rows(&raw, symbol, "mark"));
        for t in trades.iter().filter(|t| t["symbol"] == symbol) {
            let (found, owed) = (t["funding_usdt"].as_f64().unwrap(), owed(t, &settled, &marks, step));
            assert!((found - owed).abs() < 1e-6 * owed.abs().max(1.0), "{symbol} {t}: {owed}");
            let counts = seen.entry(symbol.into()).or_default();
            *counts = (counts.0 + 1, counts.1 + usize::from(found != 0.0));
        }
    }
    assert!(seen.len() == 12 && seen.values().all(|c| c.0 > 5 && c.1 > 3), "{seen:?}");
    let ended = trades.iter().filter(|t| t["rule"] == "delisted").count();
    assert!(ended <= 1 && trades.iter().all(|t| t["entry_ms"].as_i64() < t["exit_ms"].as_i64() || t["bars"] == 1));
}

#[test]
fn twelve_symbols_of_different_age() {
    let Some(data) = real_data() else { return };
    let desk = Desk::new();
    desk.assay(&["init", "lab", "--person", "ana"]).ok();
    folder(&desk, &data);
    study(&desk, "1h");
    in_four_hours(&desk);
    study(&desk, "4h");
}

const STRATEGY: &str = r#"
name = "twelve"
description = "in and out, long and short"
interval = "INTERVAL"
symbols = [SYMBOLS]
[parameters]
n = { type = "int", low = 4, high = 30, default = 8 }
[indicators]
m = "EMA(close, n)"
[signals]
long_entry = "crosses_above(close, m)"
short_entry = "crosses_below(close, m)"
[sizing]
margin_fraction = 0.05
leverage = 1
[risk]
margin_mode = "isolated"
max_concurrent_positions = 12
"#;

const STUDY: &str = r#"
name = "twelve"
trials = 2
seed = 1
batch = 2
[sampler]
name = "random"
[splits]
mode = "tile"
in_sample_days = 20
out_of_sample_days = 30
[objective]
figure = "sharpe"
degradation_weight = 0.5
[guardrails]
min_trades = 1
max_liquidations = 50
[assumptions]
initial_cash_usdt = 100000.0
slippage_bps = 2.0
"#;
