//! Finer bars of an import: what of them is kept, and what is said of the rest.

use super::assemble::assemble;
use super::files::write;
use super::generate::{Spec, made};
use super::request::Request;
use super::snapshot;
use super::source::scan;
use super::{Assembled, DataError, Treatments};
use assay_shared::market::{Field, Market};
use std::path::Path;

const FROM: i64 = 1_646_092_800_000;

fn spec(symbols: &[String]) -> Spec<'_> {
    Spec { symbols, interval_ms: 3_600_000, from_ms: FROM, bars: 72, seed: 3, gaps: false, detail_ms: Some(900_000) }
}

fn request() -> Request {
    Request { interval: "1h".into(), detail: Some("15m".into()), ..Request::default() }
}

fn import(dir: &Path, request: &Request) -> Result<(Market, Assembled), DataError> {
    let kept = tempfile::tempdir().unwrap();
    let made = assemble(scan(dir)?, request, Some(kept.path()), &|_| ())?;
    let (hash, _) = made.draft.write()?;
    assert_eq!(hash, made.draft.contents().data_hash());
    Ok((snapshot::read(kept.path(), &hash, None)?, made))
}

/// The files of the finer bars of a symbol.
fn finer_file(dir: &Path, kind: &str, symbol: &str) -> std::path::PathBuf {
    dir.join(format!("data/futures/um/monthly/{kind}/{symbol}/15m/{symbol}-15m-2022-03.csv"))
}

fn notes(made: &Assembled) -> Vec<(&str, &str)> {
    let of = made.quality.oddities.iter().filter(|o| o.code.contains("detail"));
    of.map(|o| (o.code.as_ref(), o.detail.as_str())).collect()
}

/// Both intervals of one folder: the market that was written, finer bars and hash included; every file is used.
#[test]
fn both_intervals_of_a_folder() {
    let (dir, names) = (tempfile::tempdir().unwrap(), ["AUSDT", "BUSDT"].map(String::from));
    write(dir.path(), &spec(&names), &|_| ()).unwrap();
    let (m, made_of) = import(dir.path(), &request()).unwrap();
    let wanted = made(&spec(&names));
    assert_eq!(notes(&made_of), []);
    assert_eq!((made_of.found.used.len(), &made_of.found.unused[..]), (10, &[][..]));
    assert_eq!(m.data_hash(), wanted.data_hash());
    let detail = m.detail.unwrap();
    assert!((0..72).all(|bar| detail.is_whole(0, bar) && detail.is_whole(1, bar)));
    // Without being asked for they are left aside, and the hash is that of the bars alone.
    let alone = Request { detail: None, ..request() };
    let (m, made_of) = import(dir.path(), &alone).unwrap();
    assert_eq!((m.detail, made_of.found.unused.len()), (None, 4));
    // A part of the time has the finer bars of that part.
    let cut = Request { from_ms: Some(FROM + 10 * 3_600_000), to_ms: Some(FROM + 20 * 3_600_000), ..request() };
    assert_eq!(import(dir.path(), &cut).unwrap().0.detail.unwrap().market.len(), 40);
}

/// A finer bar that is missing, one that says another price, a symbol that has none: each is said, and only what
/// fits is kept. Marks that are missing are asked for.
#[test]
fn what_does_not_fit_is_left_out() {
    let (dir, names) = (tempfile::tempdir().unwrap(), ["AUSDT", "BUSDT"].map(String::from));
    write(dir.path(), &spec(&names), &|_| ()).unwrap();
    let path = finer_file(dir.path(), "klines", "AUSDT");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    // Of hour 2 a quarter is missing, of hour 5 one is higher than the hour itself.
    let mut cells: Vec<String> = lines[1 + 5 * 4].split(',').map(str::to_string).collect();
    cells[2] = format!("{}", cells[2].parse::<f64>().unwrap() * 1.5);
    lines[1 + 5 * 4] = cells.join(",");
    lines.remove(1 + 2 * 4 + 1);
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    for kind in ["klines", "markPriceKlines"] {
        std::fs::remove_file(finer_file(dir.path(), kind, "BUSDT")).unwrap();
    }
    let (m, made_of) = import(dir.path(), &request()).unwrap();
    assert!(made_of.quality.errors().next().is_none());
    let detail = m.detail.as_ref().unwrap();
    assert!((0..72).all(|bar| detail.is_whole(0, bar) == (bar != 2 && bar != 5)));
    assert!(detail.market.columns[0].get(Field::High)[5 * 4..6 * 4].iter().all(|v| v.is_nan()));
    assert_eq!(made_of.quality.paths, (70, 144));
    // Looked at only, it says the same.
    let looked = assemble(scan(dir.path()).unwrap(), &request(), None, &|_| ()).unwrap();
    assert_eq!(looked.quality, made_of.quality);
    let said = notes(&made_of);
    assert_eq!(said.iter().map(|n| n.0).collect::<Vec<_>>(), ["detail-missing", "detail-differs", "no-detail"]);
    assert!(said[0].1.starts_with("1 of 72 bars") && said[0].1.contains("2022-03-01 02:00"), "{said:?}");
    assert!(said[1].1.starts_with("1 of 72 bars") && said[1].1.contains("2022-03-01 05:00"), "{said:?}");
    // Most say other prices: that is another market, or another time, and an error unless it is treated.
    let moved = text.replace(".csv", "");
    let shifted: Vec<String> = moved
        .lines()
        .enumerate()
        .map(|(n, line)| match line.split_once(',') {
            Some((ms, rest)) if n > 0 => format!("{},{rest}", ms.parse::<i64>().unwrap() + 900_000),
            _ => line.to_string(),
        })
        .collect();
    std::fs::write(&path, shifted.join("\n") + "\n").unwrap();
    let other = assemble(scan(dir.path()).unwrap(), &request(), None, &|_| ()).unwrap();
    assert_eq!(other.quality.errors().map(|o| o.code.as_ref()).collect::<Vec<_>>(), ["wrong-close", "detail-differs"]);
    std::fs::write(&path, &text).unwrap();
    std::fs::remove_file(finer_file(dir.path(), "markPriceKlines", "AUSDT")).unwrap();
    let said = import(dir.path(), &request()).unwrap_err().to_string();
    assert!(said.contains("AUSDT have no mark prices"), "{said}");
    let without = Request { fields: Some(["volume"].into()), ..request() };
    assert!(import(dir.path(), &without).unwrap().0.detail.is_some());
    for (wrong, words) in [("1h", "is no part of"), ("45m", "is no part of"), ("5m", "no 5m candles; there are")] {
        let asked = Request { detail: Some(wrong.into()), treatments: Treatments::default(), ..request() };
        let said = import(dir.path(), &asked).unwrap_err().to_string();
        assert!(said.contains(words), "{wrong}: {said}");
    }
}
