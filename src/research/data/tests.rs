//! Imports as a whole: what is found in files, what treatments do to it, what a snapshot keeps.

use super::assemble::assemble;
use super::cells::Named;
use super::error::DataError;
use super::layout::{Holds, SourceFile, classify};
use super::quality::{Quality, look_over};
use super::request::Request;
use super::rows::{klines, settlements};
use super::snapshot::Own;
use super::source::{scan, single};
use super::{Treatments, generate, snapshot};
use assay_ledger::Hash;
use assay_shared::market::{Field, Market};
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};
use std::path::Path;

const HOUR: i64 = 3_600_000;
const START: i64 = 1_640_995_200_000;

fn kline(hour: i64, prices: [f64; 4], volume: &str) -> String {
    let [o, h, l, c] = prices;
    format!("{},{o},{h},{l},{c},{volume},0\n", START + hour * HOUR)
}

/// A folder with the files of one symbol: candles, marks and funding of so many hours.
fn files(dir: &Path, symbol: &str, hours: std::ops::Range<i64>) {
    let price = |h: i64| 100.0 + (h % 7) as f64;
    let rows = |x: f64| -> String {
        hours.clone().map(|h| kline(h, [price(h), price(h) + 2.0, price(h) - 2.0, price(h) + x], "5")).collect()
    };
    std::fs::write(dir.join(format!("{symbol}-1h.csv")), rows(1.0)).unwrap();
    std::fs::write(dir.join(format!("{symbol}-1h-mark.csv")), rows(0.5)).unwrap();
    let funding = hours.filter(|h| h % 8 == 0).map(|h| format!("{},8,0.0001\n", START + h * HOUR + 3));
    std::fs::write(dir.join(format!("{symbol}-fundingRate.csv")), funding.collect::<String>()).unwrap();
}

fn request(treatments: Treatments) -> Request {
    Request { interval: "1h".into(), treatments, ..Request::default() }
}

fn import(dir: &Path, request: &Request) -> Result<(Market, Quality), DataError> {
    let kept = tempfile::tempdir().unwrap();
    let made = assemble(scan(dir)?, request, Some(kept.path()), &|_| ())?;
    let (hash, _) = made.draft.write()?;
    Ok((snapshot::read(kept.path(), &hash, None)?, made.quality))
}

fn codes(quality: &Quality) -> Vec<&'static str> {
    quality.errors().map(|f| f.found()).collect()
}

#[test]
fn a_clean_folder_is_a_market() {
    let dir = tempfile::tempdir().unwrap();
    files(dir.path(), "AUSDT", 0..48);
    files(dir.path(), "BUSDT", 0..48);
    let (m, q) = import(dir.path(), &request(Treatments::default())).unwrap();
    assert_eq!(codes(&q), [""; 0]);
    assert_eq!((m.symbols.as_slice(), m.len(), m.times[0]), (&["AUSDT".to_string(), "BUSDT".into()][..], 48, START));
    let c = &m.columns[1];
    assert_eq!((c.get(Field::Close)[3], c.get(Field::MarkClose)[3], c.get(Field::Volume)[3]), (104.0, 103.5, 5.0));
    let settled: Vec<usize> = (0..48).filter(|t| !c.get(Field::Funding)[*t].is_nan()).collect();
    assert_eq!(settled, [0, 8, 16, 24, 32, 40]);
    // Only what is asked for; the order in which it is asked changes nothing.
    let some = Request {
        symbols: vec!["BUSDT".into(), "AUSDT".into()],
        from_ms: Some(START + 8 * HOUR),
        to_ms: Some(START + 24 * HOUR),
        ..request(Treatments::default())
    };
    let (cut, _) = import(dir.path(), &some).unwrap();
    assert_eq!((cut.symbols[0].as_str(), cut.len(), cut.times[0]), ("AUSDT", 16, START + 8 * HOUR));
    let other = Request { symbols: vec!["CUSDT".into()], ..request(Treatments::default()) };
    assert!(import(dir.path(), &other).unwrap_err().to_string().contains("no 1h candles of CUSDT"));
    let daily = Request { interval: "1d".into(), ..request(Treatments::default()) };
    let error = import(dir.path(), &daily).unwrap_err().to_string();
    assert!(error.contains("no 1d candles; there are AUSDT 1h, BUSDT 1h"), "{error}");
}

/// One file, whose name says nothing: whose it is and of which interval is told.
#[test]
fn a_single_file_is_taken_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    files(dir.path(), "AUSDT", 0..48);
    let file = dir.path().join("my prices.csv");
    std::fs::rename(dir.path().join("AUSDT-1h.csv"), &file).unwrap();
    let symbols = ["AUSDT".to_string()];
    let found = single(&file, &symbols, "1h").unwrap();
    assert_eq!((found.used.len(), found.used[0].symbol.as_str(), found.used[0].interval.as_str()), (1, "AUSDT", "1h"));
    assert!(single(&file, &[], "1h").unwrap_err().to_string().contains("--symbols SYMBOL"));
    let named = dir.path().join("BUSDT-1h.csv");
    std::fs::copy(&file, &named).unwrap();
    assert_eq!(single(&named, &[], "1h").unwrap().used[0].symbol, "BUSDT");
    assert_eq!(single(&named, &symbols, "1h").unwrap().used[0].symbol, "AUSDT", "what is said counts");
}

/// Each oddity by itself: its code, its place, whether it can be treated.
#[test]
fn each_oddity_has_its_code_and_place() {
    let good = [100.0, 102.0, 98.0, 101.0];
    let whole = || (0..48).map(|h| kline(h, good, "5")).collect::<Vec<String>>();
    let with = |change: &dyn Fn(&mut Vec<String>)| {
        let dir = tempfile::tempdir().unwrap();
        files(dir.path(), "AUSDT", 0..48);
        let mut rows = whole();
        change(&mut rows);
        std::fs::write(dir.path().join("AUSDT-1h.csv"), rows.concat()).unwrap();
        let found = import(dir.path(), &request(Treatments::default())).unwrap().1;
        found.errors().map(|f| (f.found(), f.detail.clone())).collect::<Vec<_>>()
    };
    assert_eq!(with(&|_| ()), []);
    let first = |change: &dyn Fn(&mut Vec<String>)| with(change).remove(0);
    let (code, place) = first(&|rows| rows[9] = kline(9, [100.0, 99.0, 98.0, 101.0], "5"));
    assert!(code == "impossible-bar" && place.contains("AUSDT-1h.csv:10:"), "{place}");
    for bad in [[100.0, 102.0, 0.0, 101.0], [100.0, 102.0, -1.0, 101.0], [100.0, 102.0, 100.5, 101.0]] {
        assert_eq!(first(&|rows| rows[9] = kline(9, bad, "5")).0, "impossible-bar");
    }
    assert_eq!(first(&|rows| rows[9] = kline(9, good, "-1")).0, "impossible-bar");
    for blank in ["", "NaN", "null", "None"] {
        let cell = |rows: &mut Vec<String>| rows[9] = rows[9].replacen(",102,", &format!(",{blank},"), 1);
        assert_eq!(first(&cell).0, "impossible-bar", "{blank}");
    }
    assert_eq!(first(&|rows| rows.swap(3, 4)).0, "disordered");
    assert_eq!(with(&|rows| rows.insert(6, rows[5].clone())), [], "the same row twice says the same");
    let (code, place) = first(&|rows| rows.insert(6, kline(5, [100.0, 102.0, 98.0, 100.0], "5")));
    assert!(code == "contradiction" && place.contains("AUSDT-1h.csv:6 and AUSDT-1h.csv:7"), "{place}");
    let (code, place) = first(&|rows| drop(rows.drain(10..13)));
    assert!(code == "gap" && place.contains("3 bars are missing from 2022-01-01 10:00"), "{place}");
    let off_grid = |rows: &mut Vec<String>| rows[9] = rows[9].replace("00000,", "00001,");
    assert_eq!(first(&off_grid).0, "off-grid");
}

#[test]
fn treatments_do_what_they_are_named_for() {
    let dir = tempfile::tempdir().unwrap();
    files(dir.path(), "AUSDT", 0..48);
    let path = dir.path().join("AUSDT-1h.csv");
    let rows: Vec<String> = std::fs::read_to_string(&path).unwrap().lines().map(|l| format!("{l}\n")).collect();
    let gap = [&rows[..30], &rows[33..]].concat();
    std::fs::write(&path, gap.concat()).unwrap();
    assert_eq!(codes(&import(dir.path(), &request(Treatments::default())).unwrap().1), ["gap"]);
    let longest = Treatments::parse(["gap=longest"]).unwrap();
    let (m, q) = import(dir.path(), &request(longest.clone())).unwrap();
    assert_eq!((m.len(), m.times[29], codes(&q).len()), (30, START + 29 * HOUR, 0));
    assert!(q.oddities.iter().any(|o| o.treated.is_some()), "what was treated stays in the report");
    assert_eq!(longest.names(), ["gap=longest"]);
    let held = Treatments::parse(["gap=hold@AUSDT:2022-01-02..2022-01-02"]).unwrap();
    let (m, q) = import(dir.path(), &request(held)).unwrap();
    assert_eq!((m.len(), codes(&q).len()), (48, 0), "nobody loses a bar");
    let c = &m.columns[0];
    assert_eq!((c.get(Field::High)[31], c.get(Field::Volume)[31]), (c.get(Field::Close)[29], 0.0));
    let elsewhere = Treatments::parse(["gap=hold@AUSDT:2022-01-01..2022-01-01"]).unwrap();
    assert_eq!(codes(&import(dir.path(), &request(elsewhere)).unwrap().1), ["gap"]);
    std::fs::write(&path, rows.concat()).unwrap();
    for (file, treatment) in [
        ("AUSDT-1h-mark.csv", Treatments::parse(["no-mark=last-price"]).unwrap()),
        ("AUSDT-fundingRate.csv", Treatments::parse(["no-funding=zero"]).unwrap()),
    ] {
        let text = std::fs::read(dir.path().join(file)).unwrap();
        std::fs::remove_file(dir.path().join(file)).unwrap();
        assert_eq!(codes(&import(dir.path(), &request(Treatments::default())).unwrap().1).len(), 1, "{file}");
        let (m, q) = import(dir.path(), &request(treatment)).unwrap();
        assert_eq!(codes(&q).len(), 0, "{file}");
        let c = &m.columns[0];
        let marked = c.get(Field::MarkClose) == c.get(Field::Close);
        let unfunded = c.get(Field::Funding).iter().all(|f| f.is_nan() || *f == 0.0);
        assert!(marked || unfunded, "{file}");
        std::fs::write(dir.path().join(file), text).unwrap();
    }
}

/// What is legal and odd is a note: nothing is refused for it.
#[test]
fn oddities_of_the_market_are_noted() {
    let m = generate::market(&["AUSDT".into()], 100, 1);
    let fields = std::array::from_fn(|i| m.columns[0].fields[i].clone());
    let mut m = Own { name: "AUSDT".into(), first_ms: m.times[0], fields, settlements: Vec::new(), held: Vec::new() };
    let quiet = |m: &Own| {
        let mut q = Quality::default();
        look_over(m, HOUR, &mut q);
        q.oddities.iter().map(|o| (o.found(), o.error)).collect::<Vec<_>>()
    };
    assert!(quiet(&m).iter().all(|o| !o.1));
    let set = |m: &mut Own, field: Field, value: f64| m.fields[field as usize][7] = value;
    set(&mut m, Field::Volume, 0.0);
    let (open, mark) = (m.fields[Field::Open as usize][7], m.fields[Field::MarkHigh as usize][7]);
    set(&mut m, Field::MarkLow, mark);
    set(&mut m, Field::Close, open * 1.5);
    let found: Vec<&str> = quiet(&m).iter().map(|o| o.0).collect();
    for code in ["no-volume", "frozen-mark", "jump", "mark-apart"] {
        assert!(found.contains(&code), "{code} is not in {found:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Any bytes are rows or an error with its place; never a panic, never a number that is none.
    #[test]
    fn any_file_is_rows_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[0-9,.eE+\\-\n a-z]{0,120}") {
        for bytes in [&bytes[..], text.as_bytes()] {
            let rows = klines(Path::new("x.csv"), bytes, "", &Named::default()).unwrap_or_default();
            prop_assert!(rows.iter().all(|r| !r.volume.is_infinite() && r.prices.iter().all(|p| p.is_finite())));
            let rows = settlements(Path::new("x.csv"), bytes, "", &Named::default()).unwrap_or_default();
            prop_assert!(rows.iter().all(|r| r.rate.is_finite() && r.ms % 1000 == 0));
        }
    }

    /// A name is a source file or none, and says the symbol that it begins with.
    #[test]
    fn any_name_is_classified(name in "[A-Z0-9]{1,6}(-[a-zA-Z0-9]{1,11}){0,3}\\.(csv|zip|csv\\.gz|json)") {
        if let Ok(SourceFile { symbol, holds, .. }) = classify(Path::new(""), Path::new(&name)) {
            let rest = name.strip_prefix(&symbol);
            prop_assert!(holds == Holds::Brackets || rest.is_some_and(|rest| rest.starts_with('-')));
        }
    }

    /// A snapshot gives back every bit of its market, and no other hash reads it.
    #[test]
    fn snapshots_keep_every_bit(seed in 0u64..1000, bars in 2usize..60, symbols in 1usize..4) {
        let dir = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..symbols).map(|s| format!("S{s}USDT")).collect();
        let market = generate::market(&names, bars, seed);
        let (hash, _) = snapshot::write(dir.path(), &market).unwrap();
        let back = snapshot::read(dir.path(), &hash, None).unwrap();
        prop_assert_eq!(back.data_hash(), hash);
        let bits = |m: &Market| -> Vec<u64> {
            m.columns.iter().flat_map(|c| c.fields.iter().flatten().map(|v| v.to_bits())).collect()
        };
        prop_assert_eq!(bits(&back), bits(&market));
        prop_assert!(snapshot::read(dir.path(), &Hash::of(b"another"), None).is_err());
    }
}
