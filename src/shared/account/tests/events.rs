//! Funding at its own moment, and symbols of different age.

use super::*;
use crate::market::Settlement;
use crate::market::tests::young;

/// The market with settlements: days and fractions of them since its first bar, rates, marks.
pub(super) fn funded(mut m: Market, settled: &[(f64, f64, f64)]) -> Market {
    let at = |day: f64| DAY_0 + (day * DAY_MS as f64) as i64;
    m.columns[0].settlements =
        settled.iter().map(|(d, rate, mark)| Settlement { ms: at(*d), rate: *rate, mark: *mark }).collect();
    Market::new(m.interval_ms, m.times, m.symbols, m.columns, m.generated)
}

/// Funding of a run, each with its time in days since the first bar.
fn paid(r: &Run) -> Vec<(f64, f64)> {
    let one = |r: &Record| match r {
        Record::Cash { kind: CashKind::Funding, amount, ms, .. } => {
            Some(((ms - DAY_0) as f64 / DAY_MS as f64, *amount))
        }
        _ => None,
    };
    r.records.iter().filter_map(one).collect()
}

/// 1 BTC long at mark 60,000 and +0.0001 pays 6.00; a short gets it; the two sum to zero.
#[test]
fn funding_worked_number() {
    let m = funded(six_bars(), &[(2.0, 0.0001, 60_000.0)]);
    let of = |flags: u8| {
        let b = bound(1, 1.0, MarginMode::Cross);
        let r = run(&m, &b, 0.0, move |t, _| if t == 0 { enters(flags) } else { Signals::NONE });
        paid(&r)
    };
    assert_eq!((of(flag::LONG_ENTRY), of(flag::SHORT_ENTRY)), (vec![(2.0, -6.0)], vec![(2.0, 6.0)]));
}

/// Settlements go to whoever holds the position at their moment: not to one that is entered at that very
/// open, not to one that was closed at the open of the bar in which they are.
#[test]
fn funding_goes_to_the_holder_at_its_moment() {
    let n = f64::NAN;
    // Entered at the open of day 1, closed at the open of day 3: 1 unit, mark as the last close.
    let settled = [
        (0.5, 0.9, n),
        (1.0, 0.9, n),
        (1.5, 0.001, 50.0),
        (2.0, 0.001, n),
        (2.25, 0.001, n),
        (3.0, 0.001, 50.0),
        (3.5, 0.9, n),
    ];
    let m = funded(six_bars(), &settled);
    let r = run(&m, &bound(1, 1.0, MarginMode::Isolated), 0.0, |t, _| match t {
        0 => enters(flag::LONG_ENTRY),
        2 => enters(flag::LONG_EXIT),
        _ => Signals::NONE,
    });
    // Without a mark of its own: the bar's first one.
    assert_eq!(paid(&r), [(1.5, -0.05), (2.0, -0.098), (2.25, -0.098), (3.0, -0.05)]);
    assert!((r.trades[0].funding_usdt + 0.296).abs() < 1e-12);
}

/// A position that a bar closes pays what settled in it, since it may have stood at that moment, and is not
/// credited what it may have missed. One that stood the whole bar gets both.
#[test]
fn funding_inside_a_bar_that_closes_the_position() {
    let n = f64::NAN;
    let m = funded(six_bars(), &[(2.25, 0.001, 50.0), (2.5, -0.001, 50.0)]);
    let of = |stop: f64| {
        let b = bound(1, 1.0, MarginMode::Isolated);
        paid(&run(&m, &b, 0.0, move |t, _| if t == 0 { entry(flag::LONG_ENTRY, stop, n, n) } else { Signals::NONE }))
    };
    assert_eq!((of(0.03), of(0.3)), (vec![(2.25, -0.05)], vec![(2.25, -0.05), (2.5, 0.05)]));
}

/// A symbol takes part from its first to its last bar: what is signalled before or after is refused or says
/// nothing, what is open at its end is settled at its last mark price, and the others never notice.
#[test]
fn young_and_delisted_symbols() {
    let m = young(walk(60, 2, 5), 1, 20..40);
    let b = bound(2, 2.0, MarginMode::Isolated);
    let always = |_: usize, s: usize| if s == 1 { enters(flag::LONG_ENTRY) } else { Signals::NONE };
    let r = run(&m, &b, 0.0, always);
    let t: Vec<_> = r.trades.iter().map(|t| (t.symbol, t.entry_ms, t.exit_ms, t.rule, t.exit)).collect();
    let last_mark = m.columns[1].get(Field::MarkClose)[39];
    assert_eq!(t, [(1, m.times[21], m.times[40], Rule::Delisted, last_mark)]);
    assert_eq!(r.equity.len(), 60);
    assert_eq!((r.equity[19], *r.equity.last().unwrap()), (1020.0, r.equity[45]));
    let late = |t: usize, s: usize| if s == 1 && t == 39 { enters(flag::LONG_ENTRY) } else { Signals::NONE };
    let said: Vec<Outcome> = orders(&run(&m, &b, 0.0, late)).iter().map(|o| o.3).collect();
    assert_eq!(said, [Outcome::NotTrading]);
    // The other symbol's trades are those that it has alone.
    let signals = random_signals(8);
    let both = run(&m, &b, 5.0, |t, s| if s == 0 { signals(t, 0) } else { Signals::NONE });
    let alone = run(&m.select(&["S0USDT".into()]).unwrap(), &bound(1, 2.0, MarginMode::Isolated), 5.0, &signals);
    assert_eq!((both.trades, both.stream_hash), (alone.trades, alone.stream_hash));
}

/// Of a symbol without bars no rules are asked; as soon as it has some, they are.
#[test]
fn rules_are_asked_for_when_they_are_needed() {
    let (m, b) = (young(walk(60, 2, 5), 1, 20..40), bound(2, 2.0, MarginMode::Isolated));
    let late = |from: &str| {
        let mut book = book();
        let mut set = book.brackets[0].clone();
        set.effective = from.into();
        book.brackets[0].symbols.remove("S1USDT");
        book.brackets.push(set);
        let assumptions = Assumptions { initial_cash_usdt: 1000.0, ..Assumptions::default() };
        let mut account = Account::new(b.clone(), &book, &assumptions, m.times[0], true).unwrap();
        (0..m.len()).try_for_each(|index| account.step(&MarketBar { market: &m, index }, |_| Signals::NONE))
    };
    let day = crate::time::format_date(m.times[20]);
    assert_eq!(late(&day), Ok(()), "the walk begins at {}", crate::time::format_ms(m.times[0]));
    assert!(late("2021-01-01").unwrap_err().to_string().contains("no bracket table of S1USDT"));
}
