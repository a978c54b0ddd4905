//! One market in the forms in which people hold it is one data hash; what settles inside a bar goes to whoever
//! holds the position then.

use crate::desk::{Desk, real_data};
use assay_shared::market::{Field, Market};
use assay_shared::time::format_ms;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn case(name: &str) -> Option<PathBuf> {
    Some(real_data()?.parent()?.join("cases/data").join(name))
}

fn lab() -> Desk {
    let desk = Desk::new();
    desk.assay(&["init", "lab", "--person", "ana"]).ok();
    desk
}

/// Imports a folder; gives the data hash and the fields of the newest snapshot.
fn imported(desk: &Desk, dir: &Path, more: &[&str]) -> (String, Vec<String>) {
    let base = ["data", "import", dir.to_str().unwrap(), "--interval", "1h"];
    desk.assay(&[&base, more].concat()).ok();
    let hash = desk.assay(&["data", "show", "--json"]).ok().json()[0]["data_hash"].as_str().unwrap().to_string();
    let shown = desk.assay(&["data", "show", &hash, "--json"]).ok().json();
    let fields = shown["series"][0]["fields"].as_array().unwrap().iter().map(|f| f.as_str().unwrap().into());
    (hash, fields.collect())
}

/// Time, open, high, low, close of every bar, and of the mark or not; volume.
fn bars(m: &Market, mark: bool) -> Vec<(i64, [f64; 4], f64)> {
    let c = &m.columns[0];
    let fields = match mark {
        false => [Field::Open, Field::High, Field::Low, Field::Close],
        true => [Field::MarkOpen, Field::MarkHigh, Field::MarkLow, Field::MarkClose],
    };
    let row =
        |(t, ms): (usize, &i64)| (*ms, fields.map(|f| c.at(f, t)), if mark { 0.0 } else { c.at(Field::Volume, t) });
    m.times.iter().enumerate().map(row).collect()
}

fn put(path: PathBuf, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// The exchange's bulk files: a month each, some milliseconds after the hour, some with a header.
fn bulk(dir: &Path, m: &Market) {
    for (kind, mark) in [("klines", false), ("markPriceKlines", true)] {
        let mut months: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
        for (ms, p, v) in bars(m, mark) {
            let out = months.entry(format_ms(ms)[..7].into()).or_default();
            *out += &format!("{ms},{},{},{},{},{v},{},0,0,0,0,0\n", p[0], p[1], p[2], p[3], ms + 3_599_999);
        }
        for (month, rows) in months {
            put(dir.join(kind).join("ONDOUSDT/1h").join(format!("ONDOUSDT-1h-{month}.csv")), &rows);
        }
    }
    let rows: String = m.columns[0].settlements.iter().map(|s| format!("{},4,{}\n", s.ms + 7, s.rate)).collect();
    let text = format!("calc_time,funding_interval_hours,last_funding_rate\n{rows}");
    put(dir.join("fundingRate/ONDOUSDT/ONDOUSDT-fundingRate-2024-01.csv"), &text);
}

/// Answers of the REST interface: numbers as text.
fn rest(dir: &Path, m: &Market) {
    for (kind, mark) in [("klines", false), ("markPriceKlines", true)] {
        let row = |(ms, p, v): (i64, [f64; 4], f64)| {
            let p = p.map(|p| p.to_string());
            json!([ms, p[0], p[1], p[2], p[3], v.to_string(), ms + 3_599_999, "0", 0, "0", "0", "0"])
        };
        let rows: Vec<Value> = bars(m, mark).into_iter().map(row).collect();
        put(dir.join(kind).join("ONDOUSDT-1h.json"), &Value::from(rows).to_string());
    }
    let row = |s: &assay_shared::market::Settlement| json!({"symbol": "ONDOUSDT", "fundingTime": s.ms + 3, "fundingRate": s.rate.to_string(), "markPrice": "0.85"});
    let rows: Vec<Value> = m.columns[0].settlements.iter().map(row).collect();
    put(dir.join("fundingRate/ONDOUSDT.json"), &Value::from(rows).to_string());
}

/// Plain files as a script writes them: dates, own names, semicolons, no marks; the newest first.
fn plain(dir: &Path, m: &Market) {
    let rows: Vec<String> = bars(m, false)
        .into_iter()
        .rev()
        .map(|(ms, p, v)| format!("{};{};{};{};{};{v}\n", format_ms(ms), p[0], p[1], p[2], p[3]))
        .collect();
    put(dir.join("klines/ONDOUSDT_1h.csv"), &format!("Date;Open;High;Low;Close;Volume\n{}", rows.concat()));
    let rows: String = m.columns[0].settlements.iter().map(|s| format!("{},{}\n", s.ms / 1000, s.rate)).collect();
    put(dir.join("funding/ONDOUSDT.csv"), &format!("fundingTime,fundingRate\n{rows}"));
}

#[test]
fn one_market_has_one_hash() {
    let Some(freqtrade) = case("10_freqtrade") else { return };
    let desk = lab();
    let (whole, fields) = imported(&desk, &freqtrade, &[]);
    assert!(fields.contains(&"mark_close".to_string()) && fields.contains(&"volume".to_string()), "{fields:?}");
    let lab = assay_lab::Lab::open(&desk.path("lab"), &assay_lab::Session::silent()).unwrap();
    let market = lab.snapshot(&whole, None).unwrap().1;
    for (name, write) in [("bulk", bulk as fn(&Path, &Market)), ("rest", rest), ("plain", plain)] {
        write(&desk.path(name), &market);
    }
    let shared = ["--fields", "volume,funding"];
    let sorted = ["--treat", "disordered=sort"];
    let (hash, fields) = imported(&desk, &freqtrade, &shared);
    assert_eq!(fields, ["open", "high", "low", "close", "volume", "funding"]);
    assert_ne!(hash, whole, "a source with more fields is another one");
    for (name, more) in [("bulk", &shared[..]), ("rest", &shared), ("plain", &[&shared[..], &sorted].concat())] {
        assert_eq!(imported(&desk, &desk.path(name), more).0, hash, "{name}");
    }
    // All fields that two of them share; the interface knows marks at settlements, too.
    assert_eq!(imported(&desk, &desk.path("bulk"), &[]).0, whole);
    let with_marks = imported(&desk, &desk.path("rest"), &[]).0;
    assert_ne!(with_marks, whole);
    assert_eq!(imported(&desk, &desk.path("rest"), &["--fields", "volume,mark,funding"]).0, whole);
    // What lies outside the window is no part of it, and neither is how far a source goes.
    let (from, to) = (format_ms(market.times[1000]), format_ms(market.times[1500]));
    let cut = ["--from", &from, "--to", &to];
    let window = |dir: &Path| imported(&desk, dir, &[&cut[..], &["--fields", "volume,mark,funding"]].concat()).0;
    let inside = window(&desk.path("bulk"));
    assert_eq!(inside, window(&desk.path("rest")));
    assert_ne!(inside, whole);
    desk.assay(&["data", "import", "bulk", "--fields", "price"]).fails(2, "there are open, high, low, close, volume");
}

/// Case 30: a position held from one midnight to the next pays the settlement in between, not the one after it,
/// whatever the bars' length.
#[test]
fn funding_is_booked_at_its_moment() {
    for interval in ["1d", "1h"] {
        let Some(dir) = case(&format!("30_funding_inside_bar_{interval}")) else { return };
        let desk = lab();
        desk.assay(&["data", "import", dir.to_str().unwrap(), "--interval", interval]).ok();
        let strategy = std::fs::read_to_string(case("configs/fs.toml").unwrap()).unwrap();
        let line = strategy.lines().find(|l| l.starts_with("interval")).unwrap();
        std::fs::write(desk.path("fs.toml"), strategy.replace(line, &format!("interval = \"{interval}\""))).unwrap();
        let study = case("configs/fst.toml").unwrap();
        desk.assay(&["study", "run", "fs.toml", study.to_str().unwrap()]).ok();
        desk.assay(&["report", "0", "--out", "report"]).ok();
        let json = std::fs::read_dir(desk.path("report")).unwrap().map(|f| f.unwrap().path());
        let json = json.into_iter().find(|p| p.extension().is_some_and(|e| e == "json")).unwrap();
        let report: Value = serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
        let funding: f64 =
            report["trades"].as_array().unwrap().iter().map(|t| t["funding_usdt"].as_f64().unwrap()).sum();
        assert!((funding + 49.5).abs() < 0.01, "{interval}: {funding}");
    }
}
