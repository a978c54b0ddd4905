//! Orders that go on: rests that are carried over, ladders, targets looked at again, legs that belong together.

use super::orders::{FLAT, ask, ask_with, enter, fills, flat, one, outcomes};
use super::rules::market;
use super::*;
use crate::order::{Action, Intent, Kind, Level, Levels, Orders, Size, Target};

fn share(share: f64, carry: bool) -> Assumptions {
    Assumptions { max_volume_share: Some(share), carry_over: carry, ..Assumptions::default() }
}

fn target(weights: &[(usize, f64)], band: f64, together: bool) -> Target {
    Target { weights: weights.to_vec(), band, together, levels: Levels::NONE, tag: 0 }
}

/// A part of the position that stands when it fills, also of an add.
#[test]
fn an_add_of_a_part() {
    for kind in [Kind::Market, Kind::Limit { price: 99.0, bars: 1 }] {
        let bars = vec![FLAT, FLAT, [100.0, 100.0, 98.0, 100.0], FLAT];
        let r = ask(&market(&[bars]), &one(), &|t, _, orders| match t {
            0 => orders.order(0, enter(1.0, 4.0)),
            1 => orders.order(0, Intent { kind, ..Intent::market(Action::Add, 0.0, Size::Position(0.5)) }),
            _ => {}
        });
        assert_eq!(fills(&r)[1].1, 2.0, "{kind:?}");
    }
}

/// What is carried over waits for the next open, a limit order at its price: nothing fills outside its bar.
#[test]
fn a_rest_waits_for_the_next_open() {
    let mut m = market(&[vec![FLAT, flat(99.0), flat(99.0), flat(99.0)]]);
    m.columns[0].get_mut(Field::Volume).fill(2.0);
    let r = ask_with(share(0.5, true), &m, &one(), &|t, _, orders| {
        if t == 0 {
            orders.order(0, Intent { kind: Kind::Limit { price: 99.5, bars: 0 }, ..enter(1.0, 3.0) });
        }
    });
    assert_eq!(fills(&r)[..3], [(1, 1.0, 99.0), (1, 1.0, 99.0), (1, 1.0, 99.0)], "one at each open");
    // An exit that was carried over ends with its position.
    let r = ask_with(share(1.0, true), &market(&[vec![FLAT; 5]]), &one(), &|t, _, orders| match t {
        0 => orders.order(0, enter(-1.0, 1.0)),
        1 => {
            orders.order(0, enter(1.0, 1.0));
            orders.order(0, Intent::market(Action::Reduce, 0.0, Size::Position(1.0)));
        }
        _ => {}
    });
    assert_eq!(r.trades.iter().map(|t| t.rule).collect::<Vec<_>>(), [Rule::OppositeEntry, Rule::WindowEnd]);
}

/// What an entry wakes at an open and the price is beyond takes at once, with slippage up to its price.
#[test]
fn a_ladder_that_takes_at_the_open() {
    let costs = Assumptions { slippage_bps: 20.0, ..Assumptions::default() };
    let r = ask_with(costs, &market(&[vec![FLAT; 3]]), &one(), &|t, _, orders| {
        if t == 0 {
            orders.order(0, enter(1.0, 1.0));
            let with = Intent::market(Action::AddWithEntry, 0.0, Size::Quantity(1.0));
            orders.order(0, Intent { kind: Kind::Limit { price: 101.0, bars: 1 }, ..with });
        }
    });
    assert_eq!(fills(&r)[..2], [(1, 1.0, 100.2), (1, 1.0, 100.2)]);
    // An entry that was refused has nothing that comes with it, whatever was asked for before.
    let r = ask(&market(&[vec![FLAT; 3]]), &one(), &|t, _, orders| {
        if t == 0 {
            orders.order(0, enter(1.0, 1.0));
            orders.order(0, Intent { kind: Kind::Limit { price: 120.0, bars: 1 }, ..enter(-1.0, 0.0) });
            let with = Intent::market(Action::AddWithEntry, 0.0, Size::Quantity(1.0));
            orders.order(0, Intent { kind: Kind::Limit { price: 101.0, bars: 1 }, ..with });
        }
    });
    assert_eq!(r.trades[0].adds, 0);
}

/// A target goes to its weight and no further, however little the market takes at a time.
#[test]
fn targets_do_not_overshoot() {
    let held = |carry: bool, weight: fn(usize) -> f64| {
        let a = Assumptions { initial_cash_usdt: 1000.0, ..share(1.0, carry) };
        let r = ask_with(a, &market(&[vec![FLAT; 12]]), &one(), &|t, _, orders| {
            if t < 10 {
                orders.target(target(&[(0, weight(t))], 0.02, false));
            }
        });
        let mut qty = 0.0;
        let all = fills(&r).into_iter().map(|f| {
            qty += f64::from(f.0) * f.1;
            qty
        });
        all.collect::<Vec<f64>>()
    };
    let up = held(true, |_| 0.5);
    assert!(up[..up.len() - 1].iter().all(|q| *q <= 5.0), "{up:?}");
    let down = held(true, |t| if t < 6 { 0.5 } else { 0.2 });
    let after: Vec<_> = down.iter().skip(5).copied().collect();
    assert!(after[..after.len() - 1].iter().all(|q| *q >= 1.9), "{down:?}");
}

/// A target's entry during a cool-down is refused at its open; it does not come later, against other targets.
#[test]
fn a_target_during_a_cool_down() {
    let terms = Terms { cooldown_bars: 4, ..one() };
    let r = ask(&market(&[vec![FLAT; 10]]), &terms, &|t, _, orders| {
        let weight = [0.5, 0.0, 0.3][t.min(2)];
        if t < 3 {
            orders.target(target(&[(0, weight)], 0.0, false));
        }
    });
    assert_eq!(r.trades.len(), 1);
    assert!(outcomes(&r).contains(&(Rule::Target, Outcome::CoolingDown)), "{:?}", outcomes(&r));
}

/// Legs that belong together fill together or not at all, whatever becomes of one before its open.
#[test]
fn legs_fill_together_or_not_at_all() {
    // The loss of the leg that goes is not there to back the other one.
    let terms = Terms { leverage: vec![2.0; 2], ..bound(2, 2.0, MarginMode::Isolated) };
    let falls = vec![FLAT, FLAT, flat(80.0), flat(70.0), flat(70.0)];
    let a = Assumptions { initial_cash_usdt: 1000.0, ..Assumptions::default() };
    let both = |r: &Run, from: usize| fills(r).len() - from;
    let r = ask_with(a, &market(&[falls, vec![FLAT; 5]]), &terms, &|t, _, orders| match t {
        0 => orders.order(0, enter(1.0, 15.0)),
        2 => orders.target(target(&[(0, 0.0), (1, 1.9)], 0.0, true)),
        _ => {}
    });
    assert!(outcomes(&r).iter().filter(|o| o.1 == Outcome::LegRefused).count() == 2, "{:?}", outcomes(&r));
    assert_eq!(both(&r, 1), 1, "only the end of the window");
    // A stop takes one leg's position, and the leg with it: the other one is not traded.
    let gap = vec![FLAT, FLAT, flat(94.0), flat(94.0)];
    let stop = Levels { stop: Level::Average(0.05), ..Levels::NONE };
    let cross = Terms { mode: MarginMode::Isolated, ..bound(2, 5.0, MarginMode::Isolated) };
    let r = ask(&market(&[gap, vec![FLAT; 4]]), &cross, &|t, _, orders| match t {
        0 => {
            orders.order(0, Intent { levels: stop, ..enter(1.0, 5.0) });
            orders.order(1, enter(-1.0, 5.0));
        }
        1 => orders.target(target(&[(0, 0.07), (1, -0.07)], 0.0, true)),
        _ => {}
    });
    assert_eq!(fills(&r)[2], (-1, 5.0, 94.0), "the stop");
    assert_eq!(fills(&r).len(), 4, "and the end of the window: {:?}", fills(&r));
    // One cools down: neither is traded.
    let cool = Terms { cooldown_bars: 4, ..cross };
    let r = ask(&market(&[vec![FLAT; 6], vec![FLAT; 6]]), &cool, &|t, _, orders| match t {
        0 => orders.order(0, enter(1.0, 1.0)),
        1 => orders.order(0, Intent::market(Action::Reduce, 0.0, Size::Position(1.0))),
        2 => orders.target(target(&[(0, 0.3), (1, -0.3)], 0.0, true)),
        _ => {}
    });
    assert_eq!(fills(&r).len(), 2);
}

/// More orders than may stand leave a word each, market orders too.
#[test]
fn a_full_book_says_so() {
    let r = ask(&market(&[vec![FLAT; 3]]), &one(), &|t, _, orders: &mut Orders| {
        if t == 0 {
            orders.order(0, enter(1.0, 1.0));
        } else if t == 1 {
            for n in 0..256 {
                let part = Intent::market(Action::Reduce, 0.0, Size::Position(0.1));
                orders.order(0, Intent { kind: Kind::Limit { price: 200.0 + f64::from(n), bars: 0 }, ..part });
            }
            orders.order(0, Intent::market(Action::Add, 0.0, Size::Quantity(1.0)));
        }
    });
    assert!(outcomes(&r).contains(&(Rule::Add, Outcome::Cancelled)));
}

/// A cross account that an order for the position makes larger, before the fall, is not known to live.
#[test]
fn what_a_cross_account_may_become_is_judged() {
    let cross = Terms { margin_fraction: 0.9, ..bound(1, 10.0, MarginMode::Cross) };
    let a = Assumptions { initial_cash_usdt: 1000.0, ..Assumptions::default() };
    let with = |adds: bool| {
        let bars = vec![FLAT, FLAT, [100.0, 101.5, 89.0, 100.0], FLAT];
        let r = ask_with(a, &market(&[bars]), &cross, &|t, _, orders| match t {
            0 => orders.order(0, enter(1.0, 1.0)),
            1 if adds => {
                let add = Intent::market(Action::Add, 0.0, Size::Quantity(90.0));
                orders.order(0, Intent { kind: Kind::Stop { price: 101.0, bars: 1 }, ..add });
            }
            _ => {}
        });
        r.counts.undecided_bars
    };
    assert_eq!((with(false), with(true)), (0, 1));
}
