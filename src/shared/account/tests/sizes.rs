//! Sizes, levels that are looked at again, times, losses, and how much a market takes.

use super::orders::{ask, ask_with, enter, fills, one, outcomes};
use super::rules::market;
use super::*;
use crate::account::view::View;
use crate::account::{Impact, LossLimits};
use crate::order::{Action, Follow, Intent, Level, Levels, Orders, Size, Step};

const FLAT: [f64; 4] = [100.0; 4];

fn flat(open: f64) -> [f64; 4] {
    [open; 4]
}

/// Sizes at a close of 100 with an equity of 10,000, in steps of 0.001.
#[test]
fn sizes() {
    for (size, qty) in [
        (Size::Quantity(1.23456), 1.234),
        (Size::Notional(1_000.0), 10.0),
        (Size::Equity(0.2), 20.0),
        (Size::Margin(0.2), 100.0),
        (Size::Risk { fraction: 0.01, distance: 2.0 }, 50.0),
        (Size::Volatility { target: 0.10, volatility: 0.5 }, 20.0),
    ] {
        let r = ask(&market(&[vec![FLAT; 3]]), &one(), &|t, _, orders| {
            if t == 0 {
                orders.order(0, Intent::market(Action::Enter, -1.0, size));
            }
        });
        assert_eq!(fills(&r)[0], (-1, qty, 100.0), "{size:?}");
    }
    // Leverage is what is asked for, up to the symbol's; what is not known or nothing is refused.
    let nan = f64::NAN;
    for (size, leverage, filled) in [
        (Size::Margin(0.1), Some(2.0), Some((20.0, 2.0))),
        (Size::Margin(0.1), Some(50.0), Some((50.0, 5.0))),
        (Size::Margin(0.1), Some(0.5), None),
        (Size::Margin(0.1), Some(nan), None),
        (Size::Risk { fraction: 0.01, distance: 0.0 }, None, None),
        (Size::Notional(nan), None, None),
        (Size::Position(0.5), None, None),
    ] {
        let r = ask(&market(&[vec![FLAT; 3]]), &one(), &|t, _, orders| {
            if t == 0 {
                orders.order(0, Intent { leverage, ..Intent::market(Action::Enter, 1.0, size) });
            }
        });
        assert_eq!(r.trades.first().map(|t| (t.qty, t.leverage)), filled, "{size:?} {leverage:?}");
        assert_eq!(r.counts.rejected, u32::from(filled.is_none()));
    }
}

/// Break-even from 5 % on, then 4 % under the best price from 10 % on; the stop never goes back.
#[test]
fn a_stop_by_steps() {
    let mut levels = Levels { stop: Level::Average(0.2), ..Levels::NONE };
    levels.steps[0] = Some(Step { after: 0.05, follow: Follow::Entry(0.0) });
    levels.steps[1] = Some(Step { after: 0.10, follow: Follow::Best(0.04) });
    let with = |bars: &[[f64; 4]]| {
        let r = ask(&market(&[[&[FLAT, FLAT][..], bars].concat()]), &one(), &|t, _, orders| {
            if t == 0 {
                orders.order(0, Intent { levels, ..enter(1.0, 1.0) });
            }
        });
        (r.trades[0].exit, r.trades[0].rule)
    };
    let (fall, rise) = ([104.0, 104.0, 99.0, 99.0], [100.0, 105.0, 100.0, 104.0]);
    assert_eq!(with(&[[100.0, 104.9, 100.0, 104.0], fall, FLAT]).1, Rule::WindowEnd);
    assert_eq!(with(&[rise, fall, FLAT]), (100.0, Rule::TrailingStop));
    let high = [104.0, 112.0, 104.0, 111.0];
    assert_eq!(with(&[rise, high, [111.0, 111.0, 99.0, 99.0], FLAT]), (107.52, Rule::TrailingStop));
}

/// Levels that are looked at again: a stop comes nearer and never goes away unless that is said.
#[test]
fn levels_are_looked_at_again() {
    let with = |again: Levels| {
        let r =
            ask(&market(&[vec![FLAT, FLAT, FLAT, [100.0, 100.0, 85.0, 85.0], flat(85.0)]]), &one(), &|t, _, orders| {
                match t {
                    0 => orders.order(
                        0,
                        Intent { levels: Levels { stop: Level::Price(95.0), ..Levels::NONE }, ..enter(1.0, 1.0) },
                    ),
                    1 => orders.levels(0, again),
                    _ => {}
                }
            });
        r.trades[0].exit
    };
    let at = |price: f64, loosen: bool| Levels { stop: Level::Price(price), loosen, ..Levels::NONE };
    assert_eq!([with(at(97.0, false)), with(at(90.0, false)), with(at(90.0, true))], [97.0, 95.0, 90.0]);
    assert_eq!([with(Levels::NONE), with(Levels { loosen: true, ..Levels::NONE })], [95.0, 85.0]);
}

/// A time exit, a cool-down, and what is known of the last position.
#[test]
fn time_and_rest() {
    let b = Terms { cooldown_bars: 2, ..one() };
    let r = ask(&market(&[vec![FLAT; 12]]), &b, &|_, view, orders| {
        if let Some(last) = view.last(0) {
            assert_eq!((last.side, last.rule, last.tag), (1.0, Rule::TimeExit, 4));
            assert!(view.bars_since_last(0).unwrap() > 0 || view.position(0).is_some());
        }
        orders.order(0, Intent { levels: Levels { hold: 3, ..Levels::NONE }, tag: 4, ..enter(1.0, 1.0) });
    });
    let at: Vec<(usize, usize)> = r.trades.iter().map(|t| (t.entry_bar, t.bars)).collect();
    // In at 1, three bars, out at the open of 4; bars 4 and 5 are rest.
    assert_eq!(at, [(1, 3), (6, 3), (11, 1)]);
}

/// Losses stop an account: for the day, for good, and after so many in a row; what is open is closed.
#[test]
fn losses_stop_it() {
    let fall = |from: f64| [from, from, from - 2.0, from - 2.0];
    let hours = |days: usize| {
        let mut m = market(&[(0..24 * days).map(|_| FLAT).collect()]);
        m.interval_ms = 3_600_000;
        m.times = (0..24 * days as i64).map(|t| DAY_0 + t * 3_600_000).collect();
        m
    };
    let with = |limits: LossLimits, m: &Market, levels: Levels| {
        let b = Terms { limits, ..one() };
        ask(m, &b, &move |_, _, orders| orders.order(0, Intent { levels, ..enter(1.0, 100.0) }))
    };
    let mut m = hours(3);
    for (i, field) in [Field::Open, Field::High, Field::Low, Field::Close].into_iter().enumerate() {
        m.columns[0].get_mut(field)[5] = fall(100.0)[i];
        m.columns[0].get_mut([Field::MarkOpen, Field::MarkHigh, Field::MarkLow, Field::MarkClose][i])[5] =
            fall(100.0)[i];
    }
    // Two of 100 on 100 units are 2 % of 10,000: closed at the next open, and in again on the next day.
    let r = with(LossLimits { daily: Some(0.015), ..LossLimits::default() }, &m, Levels::NONE);
    let at: Vec<(usize, Rule)> = r.trades.iter().map(|t| (t.entry_bar, t.rule)).collect();
    assert_eq!(at, [(1, Rule::LossLimit), (25, Rule::WindowEnd)]);
    assert_eq!(r.trades[0].bars, 5);
    let r = with(LossLimits { total: Some(0.015), ..LossLimits::default() }, &m, Levels::NONE);
    assert_eq!(r.trades.iter().map(|t| t.rule).collect::<Vec<_>>(), [Rule::LossLimit]);
    // Each trade loses its fees: after three of them it rests until the next day.
    let r = with(
        LossLimits { consecutive: Some(3), ..LossLimits::default() },
        &hours(2),
        Levels { hold: 1, ..Levels::NONE },
    );
    let day = |t: &crate::account::record::Trade| t.entry_bar / 24;
    assert_eq!([0, 1].map(|d| r.trades.iter().filter(|t| day(t) == d).count()), [3, 3]);
}

/// No order is more than a share of the last bar's volume: the rest of an entry is refused or carried over, that of
/// an exit always comes later; slippage by range and by the square root of the share.
#[test]
fn a_market_takes_only_so_much() {
    let mut m = market(&[vec![[100.0, 101.0, 99.0, 100.0]; 8]]);
    *m.columns[0].get_mut(Field::Volume) = vec![100.0; 8];
    let a = Assumptions { initial_cash_usdt: 10_000.0, max_volume_share: Some(0.01), ..Assumptions::default() };
    let decide = |t: usize, _: &View<'_, '_, MarketBar<'_>>, orders: &mut Orders| match t {
        0 => orders.order(0, enter(1.0, 2.5)),
        4 => orders.order(0, Intent::market(Action::Reduce, 0.0, Size::Position(1.0))),
        _ => {}
    };
    let r = ask_with(a, &m, &one(), &decide);
    assert_eq!(fills(&r), [(1, 1.0, 100.0), (-1, 1.0, 100.0)]);
    assert_eq!(outcomes(&r), [(Rule::SignalEntry, Outcome::AboveVolume)]);
    let r = ask_with(Assumptions { carry_over: true, ..a }, &m, &one(), &decide);
    // One part at each open, in and out.
    let bar = |ms: i64| (ms - m.times[0]) / m.interval_ms;
    let all = r.records.iter().filter_map(|r| match r {
        Record::Fill { ms, side, qty, .. } => Some((bar(*ms), *side, *qty)),
        _ => None,
    });
    let wanted = [(1, 1, 1.0), (2, 1, 1.0), (3, 1, 0.5), (5, -1, 1.0), (6, -1, 1.0), (7, -1, 0.5)];
    assert_eq!(all.collect::<Vec<_>>(), wanted);
    assert_eq!((r.trades[0].bars, r.trades[0].adds, r.trades[0].parts), (6, 2, 2));
    // 2 % of range: a tenth of it is 0.2 %; Parkinson's 1.2011 % times the root of 1 % is 0.12011 %.
    let with = |impact: Impact| {
        let a = Assumptions { initial_cash_usdt: 10_000.0, impact, ..Assumptions::default() };
        fills(&ask_with(a, &m, &one(), &|t, _, orders| {
            if t == 0 {
                orders.order(0, enter(1.0, 1.0))
            }
        }))[0]
            .2
    };
    assert_eq!(with(Impact::Range { share: 0.1 }), 100.2);
    assert_eq!(with(Impact::SquareRoot { factor: 1.0 }), 100.13);
    assert_eq!(with(Impact::None), 100.0);
}
