//! Round trips, and files that were changed.

use super::*;
use assay_shared::market::STORED;

fn market() -> Market {
    let names = ["BTCUSDT", "ETHUSDT", "ADAUSDT"].map(String::from);
    let mut m = crate::data::generate::market(&names, 300, 7);
    // One that is younger, one that was delisted, one without marks and volume, a mark at a settlement.
    for (symbol, span) in [(1, 40..300), (2, 0..250)] {
        let c = &mut m.columns[symbol];
        for column in c.fields.iter_mut().take(STORED) {
            column.iter_mut().enumerate().filter(|(t, _)| !span.contains(t)).for_each(|(_, v)| *v = f64::NAN);
        }
        let (from, to) = (m.times[span.start], m.times[span.end - 1] + m.interval_ms);
        c.settlements.retain(|s| (from..to).contains(&s.ms));
    }
    m.columns[2].fields[4..STORED].iter_mut().for_each(Vec::clear);
    m.columns[0].settlements[3].mark = 7.5;
    Market::new(m.interval_ms, m.times, m.symbols, m.columns, m.generated)
}

fn bits(m: &Market) -> Vec<u64> {
    let all = m.columns.iter().flat_map(|c| c.fields.iter().flatten().chain(c.settlements.iter().map(|s| &s.mark)));
    all.map(|v| v.to_bits()).collect()
}

/// What is written is read again, whole or in part, whatever the symbols' age and fields.
#[test]
fn round_trip() {
    let (dir, m) = (tempfile::tempdir().unwrap(), market());
    let (hash, _) = write(dir.path(), &m).unwrap();
    assert_eq!(hash, m.data_hash());
    let back = read(dir.path(), &hash, Some(&m.symbols)).unwrap();
    assert_eq!((bits(&back), &back.times, back.data_hash()), (bits(&m), &m.times, hash));
    assert!(back.columns.iter().zip(&m.columns).all(|(a, b)| a.span == b.span));
    let all = read(dir.path(), &hash, None).unwrap();
    assert_eq!(all.symbols, ["ADAUSDT", "BTCUSDT", "ETHUSDT"], "in order of their names");
    let eth = read(dir.path(), &hash, Some(&["ETHUSDT".into()])).unwrap();
    assert_eq!((eth.len(), eth.times[0], bits(&eth)), (260, m.times[40], bits(&m.select(&eth.symbols).unwrap())));
    let none = read(dir.path(), &hash, Some(&["XRPUSDT".into()])).unwrap_err().to_string();
    assert!(none.contains("has ADAUSDT, BTCUSDT, ETHUSDT, not all of XRPUSDT"), "{none}");
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "{left:?}");
    remove(dir.path(), &hash).unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// Finer bars are kept, read with the symbols that are asked for, and part of the hash; without some it is what it was.
#[test]
fn finer_bars_beside() {
    let (dir, bars) = (tempfile::tempdir().unwrap(), market());
    let names = ["BTCUSDT", "ADAUSDT"].map(String::from);
    let mut finer = crate::data::generate::made(&crate::data::generate::Spec {
        symbols: &names,
        interval_ms: 300_000,
        from_ms: bars.times[10],
        bars: 100 * 12,
        seed: 1,
        gaps: false,
        detail_ms: None,
    });
    finer.columns.iter_mut().for_each(|c| c.settlements.clear());
    finer.columns[0].fields.iter_mut().take(STORED).for_each(|c| c[40] = f64::NAN);
    let m = bars.clone().with_detail(finer).unwrap();
    let (hash, _) = write(dir.path(), &m).unwrap();
    assert_eq!(hash, m.data_hash());
    assert_ne!(hash, bars.data_hash());
    let back = read(dir.path(), &hash, Some(&m.symbols)).unwrap();
    let (old, new) = (m.detail.as_ref().unwrap(), back.detail.as_ref().unwrap());
    assert_eq!((bits(&new.market), &new.market.times), (bits(&old.market), &old.market.times));
    assert_eq!((new.whole(), back.data_hash()), (old.whole(), hash));
    assert!(!new.is_whole(0, 13) && new.is_whole(0, 14) && new.is_whole(0, 109) && !new.is_whole(0, 110));
    assert!(!new.is_whole(1, 14), "one that has none");
    let ada = read(dir.path(), &hash, Some(&["ADAUSDT".into()])).unwrap();
    let chosen = m.select(&ada.symbols).unwrap();
    let (old, new) = (chosen.detail.as_ref().unwrap(), ada.detail.as_ref().unwrap());
    assert_eq!((bits(&new.market), new.whole()), (bits(&old.market), old.whole()));
    let part = m.slice(12, 20).detail.unwrap();
    assert_eq!((part.market.len(), part.is_whole(0, 1), part.is_whole(0, 2)), (96, false, true));
    assert_eq!(read(dir.path(), &hash, Some(&["ETHUSDT".into()])).unwrap().detail, None);
    // A finer bar that was changed is found.
    let mut other = m.clone();
    other.detail.as_mut().unwrap().market.columns[0].fields[3][150] *= 1.01;
    let (changed, _) = write(dir.path(), &other).unwrap();
    for of in [detail_path, contents_path] {
        let kept = std::fs::read(of(dir.path(), &hash)).unwrap();
        std::fs::copy(of(dir.path(), &changed), of(dir.path(), &hash)).unwrap();
        let said = read(dir.path(), &hash, None).unwrap_err().to_string();
        assert!(said.contains("was changed") || said.contains("is of snapshot"), "{said}");
        std::fs::write(of(dir.path(), &hash), kept).unwrap();
    }
    remove(dir.path(), &hash).unwrap();
    remove(dir.path(), &changed).unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// L-31: a snapshot whose values changed is refused, whichever of its files says otherwise.
#[test]
fn l31_tampering() {
    let (dir, m) = (tempfile::tempdir().unwrap(), market());
    let (hash, _) = write(dir.path(), &m).unwrap();
    let mut other = m.clone();
    other.columns[0].fields[3][5] *= 1.01;
    other.columns[1].settlements[2].rate *= 1.01;
    let (changed, _) = write(dir.path(), &other).unwrap();
    for of in [path, settlements_path, contents_path] {
        let kept = std::fs::read(of(dir.path(), &hash)).unwrap();
        std::fs::copy(of(dir.path(), &changed), of(dir.path(), &hash)).unwrap();
        let said = read(dir.path(), &hash, None).unwrap_err().to_string();
        assert!(said.contains("was changed") || said.contains("is of snapshot"), "{said}");
        std::fs::write(of(dir.path(), &hash), kept).unwrap();
        assert!(read(dir.path(), &hash, None).is_ok());
    }
}
