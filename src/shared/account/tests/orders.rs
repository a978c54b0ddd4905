//! Orders, sizes, levels and target weights with worked numbers, at the account's own interface.

use super::rules::market;
use super::*;
use crate::account::view::View;
use crate::order::{Action, Intent, Kind, Level, Levels, Orders, Size, Target};

pub(super) const FLAT: [f64; 4] = [100.0; 4];

pub(super) fn flat(open: f64) -> [f64; 4] {
    [open; 4]
}

pub(super) type Decide<'a> = &'a dyn Fn(usize, &View<'_, '_, MarketBar<'_>>, &mut Orders);

/// A run in which `decide` is asked at each close, with the number of the bar.
pub(super) fn ask_with(a: Assumptions, m: &Market, b: &Terms, decide: Decide<'_>) -> Run {
    let book = book();
    let mut account = Account::new(b.clone(), &book, &a, m.times[0], true).unwrap();
    for index in 0..m.len() {
        account.step_with(&MarketBar { market: m, index }, |view, orders| decide(index, view, orders)).unwrap();
    }
    let run = account.finish(&MarketBar { market: m, index: m.len() - 1 });
    run.check_sums().unwrap();
    run
}

pub(super) fn ask(m: &Market, b: &Terms, decide: Decide<'_>) -> Run {
    ask_with(Assumptions { initial_cash_usdt: 10_000.0, ..Assumptions::default() }, m, b, decide)
}

pub(super) fn one() -> Terms {
    bound(1, 5.0, MarginMode::Isolated)
}

pub(super) fn enter(side: f64, qty: f64) -> Intent {
    Intent::market(Action::Enter, side, Size::Quantity(qty))
}

/// Fills of a symbol: side, quantity, price.
pub(super) fn fills(r: &Run) -> Vec<(i8, f64, f64)> {
    let of = r.records.iter().filter_map(|r| match r {
        Record::Fill { side, qty, price, .. } => Some((*side, *qty, *price)),
        _ => None,
    });
    of.collect()
}

pub(super) fn outcomes(r: &Run) -> Vec<(Rule, Outcome)> {
    let of = r.records.iter().filter_map(|r| match r {
        Record::Order { rule, outcome, .. } if *outcome != Outcome::Filled => Some((*rule, *outcome)),
        Record::Book { rule, outcome, .. } => Some((*rule, *outcome)),
        _ => None,
    });
    of.collect()
}

fn close_to(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9 * b.abs().max(1.0)
}

/// Turtle units: 1 % of equity for each N = 2, three adds half an N apart, one stop for all units two N under the
/// last fill, which is hit. Units of 50 at 100, 101, 102, 103; all out at 99.
#[test]
fn turtle_units() {
    let bars =
        vec![flat(100.0), flat(100.0), flat(101.0), flat(102.0), flat(103.0), [103.0, 103.0, 98.0, 98.0], flat(98.0)];
    let r = ask(&market(&[bars]), &one(), &|t, view, orders| {
        let unit = Size::Risk { fraction: 0.01, distance: 2.0 };
        let Some(p) = view.position(0) else {
            if t == 0 {
                orders.order(0, Intent { tag: 7, ..Intent::market(Action::Enter, 1.0, unit) });
            }
            return;
        };
        orders.levels(0, Levels { stop: Level::Price(p.last_entry - 4.0), ..Levels::NONE });
        let next = [101.0, 102.0, 103.0].get(p.adds as usize);
        if let Some(next) = next.filter(|next| p.profit > 0.0 || **next == 101.0) {
            let add = Intent::market(Action::Add, 1.0, unit);
            orders.order(0, Intent { kind: Kind::Stop { price: *next, bars: 1 }, ..add });
        }
    });
    let t = &r.trades[0];
    assert_eq!((t.rule, t.tag, t.adds, t.parts), (Rule::StopLoss, 7, 3, 0));
    let all = fills(&r);
    assert_eq!(all.iter().map(|f| f.2).collect::<Vec<_>>(), [100.0, 101.0, 102.0, 103.0, 99.0]);
    assert_eq!(all[0].1, 50.0);
    // Later units are of the equity at their close: fees are paid, profits are not realised.
    let entered: f64 = all[..4].iter().map(|f| f.1).sum();
    assert!(close_to(t.qty, entered) && close_to(all[4].1, entered));
    let average = all[..4].iter().map(|f| f.1 * f.2).sum::<f64>() / entered;
    assert!(close_to(t.entry, average));
    let fees = all.iter().map(|f| f.1 * f.2 * 0.0005).sum::<f64>();
    assert!(close_to(t.pnl_usdt, entered * (99.0 - average) - fees), "{}", t.pnl_usdt);
}

/// A ladder of five limit orders placed with an entry, twice the size each step; the price falls through three of them
/// in one bar, nearest first, and takes profit on the average.
#[test]
fn a_five_step_ladder() {
    let bars = vec![FLAT, [100.0, 100.0, 95.5, 96.0], [96.0, 99.9, 96.0, 99.0], flat(99.0)];
    let ladder = |t: usize, _: &View<'_, '_, MarketBar<'_>>, orders: &mut Orders| {
        if t > 0 {
            return;
        }
        let levels = Levels { take: Level::Average(0.02), stop: Level::Average(0.3), ..Levels::NONE };
        orders.order(0, Intent { levels, tag: 1, ..enter(1.0, 1.0) });
        for k in 1..=5 {
            let price = 100.0 - f64::from(k) * 1.25;
            let add = Intent::market(Action::AddWithEntry, 1.0, Size::Quantity(f64::from(1 << k)));
            orders.order(0, Intent { kind: Kind::Limit { price, bars: 0 }, tag: k as u16 + 1, ..add });
        }
    };
    let r = ask(&market(&[bars]), &one(), &ladder);
    // 1 at 100, 2 at 98.75, 4 at 97.5, 8 at 96.25; 95 was not reached. Average 97.1667, target 99.11.
    assert_eq!(fills(&r)[..4], [(1, 1.0, 100.0), (1, 2.0, 98.75), (1, 4.0, 97.5), (1, 8.0, 96.25)]);
    let t = &r.trades[0];
    assert_eq!((t.adds, t.rule, t.exit, t.bars), (3, Rule::TakeProfit, 99.11, 2));
    assert!(close_to(t.entry, (100.0 + 197.5 + 390.0 + 770.0) / 15.0));
    let maker = (197.5 + 390.0 + 770.0 + 15.0 * 99.11) * 0.0002;
    assert!(close_to(t.pnl_usdt, 15.0 * 99.11 - 1457.5 - 100.0 * 0.0005 - maker), "{}", t.pnl_usdt);
    // What was left of the ladder went with the position.
    let cancelled = outcomes(&r).into_iter().filter(|o| *o == (Rule::LimitAdd, Outcome::Cancelled)).count();
    assert_eq!(cancelled, 2);
    // An entry that is refused takes its ladder along.
    let poor = Terms { max_positions: 0, ..one() };
    let r = ask(&market(&[vec![FLAT, FLAT, FLAT]]), &poor, &ladder);
    assert_eq!((fills(&r).len(), outcomes(&r).iter().filter(|o| o.1 == Outcome::Cancelled).count()), (0, 5));
}

/// A pair of 30 % long and 30 % short, looked at at each close: inside the band of 5 % nothing is traded, beyond it
/// to the weight exactly; both legs or none.
#[test]
fn a_rebalanced_pair() {
    let b = Terms { margin_fraction: 0.1, ..bound(2, 5.0, MarginMode::Cross) };
    let up = vec![flat(100.0), flat(100.0), flat(110.0), flat(130.0), flat(130.0), flat(130.0)];
    let pair = |together: bool| {
        move |t: usize, _: &View<'_, '_, MarketBar<'_>>, orders: &mut Orders| {
            let w = if t < 4 { 0.3 } else { 0.0 };
            let weights = vec![(0, w), (1, -w)];
            orders.target(Target { weights, band: 0.05, together, levels: Levels::NONE, tag: 9 });
        }
    };
    let r = ask(&market(&[up.clone(), vec![FLAT; 6]]), &b, &pair(true));
    let all = fills(&r);
    // 30 and 30 at 100; at 110 the weight is 0.32; at 130 it is 3900/10897 = 0.358: back to 0.3.
    assert_eq!(all[..2], [(1, 30.0, 100.0), (-1, 30.0, 100.0)]);
    let equity: f64 = 10_000.0 - 3.0 + 30.0 * 30.0;
    let wanted = (equity * 0.3 / 130.0 * 1000.0).floor() / 1000.0;
    assert_eq!((all[2].0, all[2].2), (-1, 130.0));
    assert!(close_to(all[2].1, 30.0 - wanted), "{:?}", all[2]);
    assert_eq!(all.len(), 5, "then both are closed: {all:?}");
    assert_eq!(
        r.trades.iter().map(|t| (t.rule, t.parts, t.tag, t.exit_tag)).collect::<Vec<_>>(),
        [(Rule::Target, 1, 9, 9), (Rule::Target, 0, 9, 9)]
    );
    // One leg that may not be that large: none is traded; without the bond the other one is.
    let capped = Terms { max_size_usdt: 3_500.0, ..b.clone() };
    let uneven = |together: bool| {
        move |t: usize, _: &View<'_, '_, MarketBar<'_>>, orders: &mut Orders| {
            if t == 0 {
                let weights = vec![(0, 0.3), (1, -0.4)];
                orders.target(Target { weights, band: 0.0, together, levels: Levels::NONE, tag: 0 });
            }
        }
    };
    let m = market(&[up, vec![FLAT; 6]]);
    let r = ask(&m, &capped, &uneven(true));
    assert_eq!((fills(&r).len(), outcomes(&r)), (0, vec![(Rule::Target, Outcome::LegRefused); 2]));
    assert_eq!(fills(&ask(&m, &capped, &uneven(false))).len(), 4);
}

/// Limit orders: touched they stand, traded through they fill as maker, beyond the next open they take; they expire,
/// and only the first of several entries fills.
#[test]
fn limit_entries() {
    let b = one();
    let with = |bars: &[[f64; 4]], price: f64, life: u32| {
        let r = ask(&market(&[[&[FLAT][..], bars, &[flat(100.0)]].concat()]), &b, &|t, _, orders| {
            if t == 0 {
                orders.order(0, Intent { kind: Kind::Limit { price, bars: life }, ..enter(1.0, 2.0) });
            }
        });
        let filled = fills(&r).first().map(|f| f.2);
        (filled, r.counts.fees_usdt, outcomes(&r))
    };
    let dip = |low: f64| [100.0, 100.0, low, 100.0];
    assert_eq!(with(&[dip(98.0)], 98.0, 1).0, None, "only touched");
    let (price, fees, _) = with(&[dip(97.99)], 98.0, 1);
    assert_eq!(price, Some(98.0));
    assert!(close_to(fees, 196.0 * 0.0002 + 200.0 * 0.0005));
    // The open is beyond it: it takes at the open.
    let (price, fees, _) = with(&[[97.0, 100.0, 97.0, 100.0]], 98.0, 1);
    assert_eq!(price, Some(97.0));
    assert!(close_to(fees, 194.0 * 0.0005 + 200.0 * 0.0005));
    // One that stood already is there before the price comes to it.
    assert!(close_to(with(&[FLAT, flat(97.0)], 98.0, 2).1, 194.0 * 0.0002 + 200.0 * 0.0005));
    let (price, _, said) = with(&[FLAT, dip(90.0)], 98.0, 1);
    assert_eq!((price, said), (None, vec![(Rule::LimitEntry, Outcome::Placed), (Rule::LimitEntry, Outcome::Expired)]));
    // Both ways: a fall and then a rise opens the long one, and the other one is taken back.
    let r = ask(&market(&[vec![FLAT, [100.0, 104.0, 97.0, 100.0], flat(100.0)]]), &b, &|t, _, orders| {
        if t == 0 {
            orders.order(0, Intent { kind: Kind::Limit { price: 98.0, bars: 0 }, ..enter(1.0, 1.0) });
            orders.order(0, Intent { kind: Kind::Limit { price: 103.0, bars: 0 }, ..enter(-1.0, 1.0) });
        }
    });
    assert_eq!(fills(&r), [(1, 1.0, 98.0), (-1, 1.0, 100.0)]);
    assert!(outcomes(&r).contains(&(Rule::LimitEntry, Outcome::Cancelled)));
}

/// What fills inside a bar may still see the worst of it, and of the best only the close.
#[test]
fn what_fills_inside_a_bar() {
    let stop_in = |bar: [f64; 4], levels: Levels| {
        let r = ask(&market(&[vec![FLAT, bar, flat(bar[3])]]), &one(), &|t, _, orders| {
            if t == 0 {
                orders.order(0, Intent { kind: Kind::Stop { price: 105.0, bars: 1 }, levels, ..enter(1.0, 1.0) });
            }
        });
        (r.trades[0].entry, r.trades[0].exit, r.trades[0].rule)
    };
    let stop = Levels { stop: Level::Average(0.02), ..Levels::NONE };
    let take = Levels { take: Level::Average(0.02), ..Levels::NONE };
    // In at 105; the low of 99 may have come after: out at 102.90.
    assert_eq!(stop_in([100.0, 106.0, 99.0, 106.0], stop), (105.0, 102.9, Rule::StopLoss));
    assert_eq!(stop_in([104.0, 106.0, 104.0, 106.0], stop).2, Rule::WindowEnd);
    // A target at 107.10: the high alone does not say that it was reached after the entry; the close does.
    assert_eq!(stop_in([104.0, 110.0, 104.0, 106.0], take).2, Rule::WindowEnd);
    assert_eq!(stop_in([104.0, 110.0, 104.0, 108.0], take), (105.0, 107.1, Rule::TakeProfit));
    // Adds on the way down and a target on the average: the high may have come first.
    let r = ask(&market(&[vec![FLAT, FLAT, [100.0, 103.0, 95.0, 98.0], flat(98.0)]]), &one(), &|t, _, orders| {
        if t == 0 {
            orders.order(0, Intent { levels: take, ..enter(1.0, 1.0) });
        } else if t == 1 {
            let add = Intent::market(Action::Add, 1.0, Size::Quantity(1.0));
            orders.order(0, Intent { kind: Kind::Limit { price: 96.0, bars: 1 }, ..add });
        }
    });
    assert_eq!((r.trades[0].rule, r.trades[0].adds), (Rule::WindowEnd, 1));
}

/// Half out at a limit, half of the rest at market, the rest by a stop: shares of margin go with them, and the sums
/// are one trade's.
#[test]
fn parts_and_their_sums() {
    let bars = vec![FLAT, FLAT, [100.0, 111.0, 100.0, 110.0], flat(110.0), [110.0, 110.0, 89.0, 90.0], flat(90.0)];
    let r = ask(&market(&[bars]), &one(), &|t, view, orders| {
        let part = |part: f64| Intent { tag: 3, ..Intent::market(Action::Reduce, 0.0, Size::Position(part)) };
        match t {
            0 => orders
                .order(0, Intent { levels: Levels { stop: Level::Price(92.0), ..Levels::NONE }, ..enter(1.0, 8.0) }),
            1 => orders.order(0, Intent { kind: Kind::Limit { price: 110.0, bars: 0 }, ..part(0.5) }),
            2 => {
                let p = view.position(0).unwrap();
                assert_eq!((p.qty, p.bars, p.minutes, p.tag), (4.0, 2, 2880.0, 0));
                assert!(close_to(p.profit, 0.1) && close_to(p.best, 0.11) && p.worst == 0.0);
                orders.order(0, part(0.5));
            }
            _ => {}
        }
    });
    assert_eq!(fills(&r), [(1, 8.0, 100.0), (-1, 4.0, 110.0), (-1, 2.0, 110.0), (-1, 2.0, 92.0)]);
    let t = &r.trades[0];
    assert_eq!((r.trades.len(), t.qty, t.parts, t.rule), (1, 8.0, 2, Rule::StopLoss));
    assert!(close_to(t.exit, (440.0 + 220.0 + 184.0) / 8.0));
    let fees = 800.0 * 0.0005 + 440.0 * 0.0002 + 220.0 * 0.0005 + 184.0 * 0.0005;
    assert!(close_to(t.fees_usdt, fees) && close_to(t.pnl_usdt, 44.0 - fees), "{} {}", t.fees_usdt, t.pnl_usdt);
    // Isolated at five times: 160 of margin, then 80, then 40. A quarter of the position can lose no more than that.
    let bars = vec![FLAT, FLAT, flat(100.0), [100.0, 100.0, 60.0, 60.0], flat(60.0)];
    let r = ask(&market(&[bars]), &one(), &|t, _, orders| match t {
        0 => orders.order(0, enter(1.0, 8.0)),
        1 => orders.order(0, Intent::market(Action::Reduce, 0.0, Size::Position(0.75))),
        _ => {}
    });
    let t = &r.trades[0];
    assert_eq!(t.rule, Rule::Liquidation);
    assert!(close_to(t.pnl_usdt, -40.0 - 0.4 - 0.3), "{}", t.pnl_usdt);
}

/// An entry of the other side that stands turns a cross position inside a bar: what it has become is judged at its own
/// worst, the high, and nobody knows whether that came before.
#[test]
fn a_turned_position_is_judged_as_what_it_is() {
    let terms = Terms { margin_fraction: 0.9, ..bound(1, 10.0, MarginMode::Cross) };
    let with = |high: f64| {
        let bars = vec![flat(100.0), flat(100.0), [100.0, high, 70.0, 75.0], flat(75.0)];
        let r = ask(&market(&[bars]), &terms, &|t, _, orders| match t {
            0 => orders.order(0, enter(1.0, 600.0)),
            1 => orders.order(0, Intent { kind: Kind::Stop { price: 97.0, bars: 1 }, ..enter(-1.0, 600.0) }),
            _ => {}
        });
        (r.counts.undecided_bars, r.trades.iter().map(|t| (t.rule, t.exit)).collect::<Vec<_>>())
    };
    let turned = vec![(Rule::OppositeEntry, 97.0), (Rule::WindowEnd, 75.0)];
    assert_eq!(with(100.0), (0, turned.clone()));
    assert_eq!(with(112.0), (1, turned));
}

/// Real positions of 2020-05-25 01:00 (entries, quantities, opening marks) and their wallet of 18,391.09: with the profit
/// that is not realised 5,975.52 are free, where 2,822.01 would be without it. A short of ADA is filled up to that.
#[test]
fn free_margin_of_a_real_night() {
    const HELD: [(f64, f64, f64); 4] = [
        (-5.047, 9506.0984, 8810.79798084),
        (189.519, 206.001192, 202.90941095),
        (-180540.6, 0.1974605, 0.19390588),
        (-785.479, 42.04159, 42.56542849),
    ];
    const ADA: f64 = 0.05151;
    let bars = |(_, entry, mark): (f64, f64, f64)| vec![flat(entry), flat(entry), flat(mark)];
    let m = market(&HELD.into_iter().chain([(0.0, ADA, ADA)]).map(bars).collect::<Vec<_>>());
    let notional: f64 = HELD.iter().map(|(qty, entry, _)| qty.abs() * entry).sum();
    let cash = Assumptions { initial_cash_usdt: 18_391.089_723_651_443 + notional * 0.0005, ..Assumptions::default() };
    let short = |usdt: f64| {
        let r = ask_with(cash, &m, &bound(5, 10.0, MarginMode::Cross), &|t, _, orders| match t {
            0 => HELD.iter().enumerate().for_each(|(s, (qty, _, _))| orders.order(s, enter(qty.signum(), qty.abs()))),
            1 => orders.order(4, enter(-1.0, usdt / ADA)),
            _ => {}
        });
        let asked = |r: &Record| match r {
            Record::Order { symbol: 4, outcome, .. } => Some(*outcome),
            _ => None,
        };
        r.records.iter().find_map(asked)
    };
    // What it asked for: 15 % of 21,633.81 at 10x. Margin and fee are 0.1005 of it.
    assert_eq!(short(32_450.72), Some(Outcome::Filled));
    assert_eq!(short(5_975.52 / 0.1005), Some(Outcome::Filled));
    assert_eq!(short(5_975.54 / 0.1005), Some(Outcome::InsufficientMargin));
}
