//! What is in force when, and books made from what was seen.

use super::*;

/// A small book for the crate's tests: every `SnUSDT` has the BTC table of 2026-09.
pub(crate) fn book() -> Rulebook {
    let table = liquidation::tests::btc_2026();
    let symbols = (0..8).map(|s| (format!("S{s}USDT"), table.clone())).collect();
    let filters = SymbolRules { step: 0.001, tick: 0.01, min_notional: 5.0, liquidation_fee: None };
    let rules = Rules {
        effective: "2020-01-01".into(),
        taker_fee: 0.0005,
        maker_fee: 0.0002,
        liquidation_fee: 0.0125,
        funding_interval_hours: 8,
        symbols: BTreeMap::from([("*".into(), filters)]),
    };
    let brackets = vec![BracketSet { effective: "2020-01-01".into(), symbols }];
    Rulebook {
        format: crate::format::rulebook::CURRENT,
        name: "test".into(),
        source: "tests".into(),
        assumptions: Vec::new(),
        rules: vec![rules],
        brackets,
    }
}

#[test]
fn dates_decide_and_gaps_are_refused() {
    let mut b = book();
    let mut later = b.brackets[0].clone();
    later.effective = "2021-01-01".into();
    b.brackets.push(later);
    assert_eq!(Rulebook::parse(&b.text()).unwrap(), b);
    let ms = |d| time::parse(d).unwrap();
    assert_eq!((b.next_change(ms("2020-06-01")), b.next_change(ms("2021-01-01"))), (ms("2021-01-01"), i64::MAX));
    let e = b.in_force("S0USDT", ms("2019-06-01")).unwrap_err().to_string();
    assert_eq!(e, "the rule book knows no fees at 2019-06-01 00:00:00: they begin on 2020-01-01");
    let e = b.in_force("NOUSDT", ms("2020-06-01")).unwrap_err().to_string();
    assert_eq!(e, "the rule book has no bracket table of NOUSDT");
    let mut late = b.clone();
    late.brackets.remove(0);
    let e = late.in_force("S0USDT", ms("2020-06-01")).unwrap_err().to_string();
    assert_eq!(
        e,
        "the rule book has no bracket table of S0USDT at 2020-06-01 00:00:00: the first one is of 2021-01-01"
    );
    late.rules[0].symbols.clear();
    let e = late.in_force("S0USDT", ms("2022-06-01")).unwrap_err().to_string();
    assert_eq!(e, "the rule book knows no step, tick and minimum notional of S0USDT");
    assert!(Rulebook::parse(&b.text().replace("step = 0.001", "step = -1.0")).is_err());
    assert!(
        Rulebook::parse(&b.text().replace("cum = 300.0", "cum = 301.0"))
            .unwrap_err()
            .to_string()
            .contains("inconsistent")
    );
}

mod books {
    use super::*;
    use crate::rulebook::book::{Between, Wanted};
    use crate::rulebook::bracket::{Bracket, harsher};
    use crate::rulebook::sightings::Sightings;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    const TEXT: &str = "assay-rules 1
fees 2026-09-01 taker 0.0005 maker 0.0002 liquidation 0.0125 hours 8
filters AUSDT 2024-06-01 step 0.001 tick 0.01 min 5
filters AUSDT 2026-09-01 step 0.01 tick 0.01 min 20 liquidation 0.01
table 1 50000:0.004:125 250000:0.005:100 1000000:0.01:50
table 2 30000:0.005:75 250000:0.006:50 2000000:0.01:20
brackets AUSDT 2022-02-16=1 2023-01-01=2 2024-01-01=2
brackets BUSDT 2023-01-01=1
";

    fn wanted<'a>(symbols: &'a [String], day: &str) -> Wanted<'a> {
        let from_ms = time::parse(day).unwrap();
        Wanted { symbols, from_ms, between: Between::Harsher, assume_brackets_from: None }
    }

    /// The text is written as it is read, and amounts are those that make tables continuous.
    #[test]
    fn text_of_sightings() {
        let seen = Sightings::parse(TEXT).unwrap();
        assert_eq!(seen.text(), TEXT);
        let table = &seen.brackets["AUSDT"]["2022-02-16"];
        assert_eq!(
            table.iter().map(|b| (b.floor, b.cum)).collect::<Vec<_>>(),
            [(0.0, 0.0), (50e3, 50.0), (250e3, 1300.0)]
        );
        for (from, to, words) in [
            ("assay-rules 1", "rules", "line 1"),
            ("2023-01-01=2", "2023-01-01=9", "no table 9"),
            ("2023-01-01=2", "yesterday=2", "no day such as"),
            ("0.005:100", "0.003:100", "do not tighten"),
            ("0.005:100", "0.005", "CAP:RATE:LEVERAGE"),
            ("step 0.001", "step x", "'x' is no number"),
            ("fees 2026", "fee 2026", "none of fees"),
            (" liquidation 0.01\n", " more\n", "only `liquidation FEE`"),
        ] {
            let said = Sightings::parse(&TEXT.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(said.contains(words), "{from} {to}: {said}");
        }
    }

    /// What was seen later than it is needed is assumed and said; between two sightings the harsher table
    /// holds; what ended before the start is left out.
    #[test]
    fn books_say_what_they_assume() {
        let (seen, symbols) = (Sightings::parse(TEXT).unwrap(), ["AUSDT".to_string()]);
        let book = seen.book("n", "s", &wanted(&symbols, "2022-06-01")).unwrap();
        assert_eq!(
            book.assumptions,
            [
                "brackets between two sightings: the harsher of both",
                "fees: seen on 2026-09-01, assumed from 2022-06-01 on",
                "filters of AUSDT: seen on 2024-06-01, assumed from 2022-06-01 on",
            ]
        );
        let days = |book: &Rulebook| book.brackets.iter().map(|b| b.effective.clone()).collect::<Vec<_>>();
        assert_eq!(days(&book), ["2022-02-16", "2023-01-01"]);
        assert_eq!(book.rules.iter().map(|r| r.effective.as_str()).collect::<Vec<_>>(), ["2022-06-01", "2026-09-01"]);
        let at = |book: &Rulebook, day: &str| book.in_force("AUSDT", time::parse(day).unwrap()).unwrap();
        assert_eq!((at(&book, "2022-06-01").liquidation_fee, at(&book, "2026-09-02").liquidation_fee), (0.0125, 0.01));
        let table: Vec<_> =
            at(&book, "2022-06-01").brackets.table().iter().map(|b| (b.cap, b.mmr, b.max_leverage)).collect();
        assert_eq!(table, [(30e3, 0.005, 75.0), (250e3, 0.006, 50.0), (1e6, 0.01, 20.0)]);
        let seen_only = Wanted { between: Between::AsSeen, ..wanted(&symbols, "2022-06-01") };
        let plain = seen.book("n", "s", &seen_only).unwrap();
        assert_eq!(at(&plain, "2022-06-01").brackets.table()[0].cap, 50e3);
        assert!(plain.assumptions[0].ends_with("the one that was seen before"));
        assert_eq!(days(&seen.book("n", "s", &wanted(&symbols, "2023-06-01")).unwrap()), ["2023-01-01"]);
        // Brackets before the first sighting are not known, unless somebody assumes them.
        let early = seen.book("n", "s", &wanted(&symbols, "2020-06-01")).unwrap();
        assert!(early.in_force("AUSDT", time::parse("2020-06-01").unwrap()).is_err());
        let assume = Wanted { assume_brackets_from: Some("2020-01-01"), ..wanted(&symbols, "2020-06-01") };
        let early = seen.book("n", "s", &assume).unwrap();
        assert!(early.in_force("AUSDT", time::parse("2020-06-01").unwrap()).is_ok());
        assert!(
            early.assumptions[1].contains("brackets of AUSDT: seen on 2022-02-16, assumed from 2020-01-01"),
            "{:?}",
            early.assumptions
        );
        assert_eq!(Rulebook::parse(&early.text()).unwrap(), early);
        // Of a symbol without filters nothing is made up.
        let other = ["BUSDT".to_string()];
        let book = seen.book("n", "s", &wanted(&other, "2024-01-01")).unwrap();
        let said = book.in_force("BUSDT", time::parse("2024-01-01").unwrap()).unwrap_err();
        assert_eq!(said, RulebookError::NoFilters { symbol: "BUSDT".into() });
    }

    #[test]
    fn what_contradicts_itself_is_not_added() {
        let mut seen = Sightings::parse(TEXT).unwrap();
        let again = seen.clone();
        seen.add(&again).unwrap();
        assert_eq!(seen, again);
        for (from, to, words) in [
            ("2022-02-16=1", "2022-02-16=2", "bracket tables of AUSDT were seen on 2022-02-16"),
            ("min 5\n", "min 6\n", "filters of AUSDT were seen on 2024-06-01"),
            ("taker 0.0005", "taker 0.0004", "fees of all symbols"),
        ] {
            let other = Sightings::parse(&TEXT.replacen(from, to, 1)).unwrap();
            let said = seen.clone().add(&other).unwrap_err().to_string();
            assert!(said.contains(words), "{said}");
        }
    }

    /// Nobody is paid to trade: neither in what was seen, nor in a book that is read.
    #[test]
    fn fees_are_paid() {
        for (from, to) in [
            ("taker 0.0005", "taker -0.001"),
            ("maker 0.0002", "maker -0.001"),
            ("liquidation 0.0125", "liquidation -0.01"),
        ] {
            let said = Sightings::parse(&TEXT.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(said.contains("a fee is negative"), "{said}");
        }
        assert!(Sightings::parse(&TEXT.replacen("maker 0.0002", "maker -0.00005", 1)).is_ok(), "a rebate");
        let text = include_str!("../../../configs/rulebook.toml");
        assert!(Rulebook::parse(text).is_ok());
        for fee in ["taker_fee", "maker_fee", "liquidation_fee"] {
            let line = text.lines().find(|l| l.starts_with(&format!("{fee} = "))).unwrap();
            let said = Rulebook::parse(&text.replacen(line, &format!("{fee} = -0.009"), 1)).unwrap_err().to_string();
            assert!(said.contains("fee is"), "{said}");
        }
    }

    /// What others saw is joined: of one day the harsher counts.
    #[test]
    fn others_sightings_are_joined() {
        let mut seen = Sightings::parse(TEXT).unwrap();
        let other = TEXT
            .replace("2022-02-16=1", "2022-02-16=2")
            .replace("taker 0.0005", "taker 0.0006")
            .replace("min 5\n", "min 6\n");
        let (other, before) = (Sightings::parse(&other).unwrap(), seen.clone());
        seen.join(&before);
        assert_eq!(seen, before, "the same again changes nothing");
        seen.join(&other);
        let table = &seen.brackets["AUSDT"]["2022-02-16"];
        assert_eq!((table[0].cap, table[0].mmr, seen.fees["2026-09-01"].taker), (30e3, 0.005, 0.0006));
        assert_eq!(seen.filters["AUSDT"]["2024-06-01"].min_notional, 6.0);
    }

    fn table(rows: &[(u16, u8, u8)]) -> Vec<Bracket> {
        let (mut out, mut cap, mut mmr, mut leverage) = (Vec::<Bracket>::new(), 0.0, 0.0, 125.0_f64);
        for (size, more, less) in rows {
            let floor = cap;
            cap += f64::from(*size) + 1.0;
            let before = (mmr, out.last().map_or(0.0, |b| b.cum));
            mmr += (f64::from(*more) + 1.0) / 4096.0;
            leverage = (leverage - f64::from(*less)).max(1.0);
            let cum = if floor == 0.0 { 0.0 } else { before.1 + floor * (mmr - before.0) };
            let cum = (cum * 1e8).round() / 1e8;
            out.push(Bracket { floor, cap, max_leverage: leverage, mmr, cum });
        }
        out
    }

    proptest! {
        /// The harsher of two tables is a table, and asks at least what each of them asks at any notional.
        #[test]
        fn the_harsher_asks_at_least_as_much(
            a in proptest::collection::vec((0u16..5000, 0u8..40, 0u8..30), 1..8),
            b in proptest::collection::vec((0u16..5000, 0u8..40, 0u8..30), 1..8),
        ) {
            let (a, b) = (table(&a), table(&b));
            let both = Brackets::new(harsher(&a, &b)).unwrap();
            let end = both.table().last().unwrap().cap;
            prop_assert_eq!(&harsher(&a, &b), &harsher(&b, &a));
            prop_assert_eq!(&harsher(&a, &a), &a);
            let each = [&a, &b].map(|t| Brackets::new(t.clone()).unwrap());
            for n in 0..500 {
                let notional = end * f64::from(n) / 500.0;
                let (margin, leverage) = (both.maintenance(notional), both.of(notional).max_leverage);
                let most = each[0].maintenance(notional).max(each[1].maintenance(notional));
                prop_assert!((margin - most).abs() < 1e-6, "no more than the one that asks more: {} {}", margin, most);
                prop_assert_eq!(leverage, each[0].of(notional).max_leverage.min(each[1].of(notional).max_leverage));
            }
            for one in [a, b].map(|t| Brackets::new(t).unwrap()) {
                prop_assert!(end <= one.table().last().unwrap().cap);
                for n in 0..200 {
                    let notional = end * f64::from(n) / 200.0;
                    prop_assert!(both.maintenance(notional) >= one.maintenance(notional) - 1e-6);
                    prop_assert!(both.of(notional).max_leverage <= one.of(notional).max_leverage);
                }
                for leverage in 1..126 {
                    prop_assert!(both.max_notional(f64::from(leverage)) <= one.max_notional(f64::from(leverage)));
                }
            }
        }
    }
}
