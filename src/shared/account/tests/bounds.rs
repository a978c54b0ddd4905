//! What bounds an order: its companions, its cap, its limit, what is left of it, and what can be lost.

use super::orders::{FLAT, ask, ask_with, enter, fills, flat, one, outcomes};
use super::rules::market;
use super::*;
use crate::account::costs::Impact;
use crate::order::{Action, Intent, Kind, Level, Levels, Size, Target};

fn target(weights: &[(usize, f64)]) -> Target {
    Target { weights: weights.to_vec(), band: 0.0, together: true, levels: Levels::NONE, tag: 0 }
}

fn reduce(part: f64) -> Intent {
    Intent::market(Action::Reduce, 0.0, Size::Position(part))
}

fn terms(symbols: usize, mode: MarginMode) -> Terms {
    Terms { max_positions: symbols, ..bound(symbols, 1.0, mode) }
}

/// Whatever takes the ground from under one leg of a group takes the whole group: nothing of it fills.
#[test]
fn legs_fill_together_whatever_comes_between() {
    let flats = |n: usize, bars: usize| market(&vec![vec![FLAT; bars]; n]);
    let isolated = |n| terms(n, MarginMode::Isolated);
    // Another entry takes the margin, or the place.
    for (qty, places) in [(60.0, 3), (1.0, 2)] {
        let b = Terms { max_positions: places, ..isolated(3) };
        let r = ask(&flats(3, 3), &b, &|t, _, orders| {
            if t == 0 {
                orders.order(2, enter(1.0, qty));
                orders.target(target(&[(0, 0.3), (1, -0.3)]));
            }
        });
        assert_eq!((fills(&r)[0], fills(&r).len()), ((1, qty, 100.0), 2), "the entry, and its end");
        assert_eq!(outcomes(&r), [(Rule::Target, Outcome::LegRefused); 2]);
    }
    // Two groups want the same margin: the first has it.
    let r = ask(&flats(4, 3), &isolated(4), &|t, _, orders| {
        if t == 0 {
            orders.target(target(&[(0, 0.35), (1, -0.35)]));
            orders.target(target(&[(2, 0.2), (3, -0.2)]));
        }
    });
    assert_eq!((fills(&r).len(), outcomes(&r)), (4, vec![(Rule::Target, Outcome::LegRefused); 2]));
    // A leg that turns a position cools down after its own close; one whose position is on its way out is gone.
    let b = Terms { cooldown_bars: 3, ..isolated(2) };
    let r = ask(&flats(2, 4), &b, &|t, _, orders| match t {
        0 => orders.order(0, enter(1.0, 10.0)),
        1 => orders.target(target(&[(0, -0.3), (1, 0.3)])),
        _ => {}
    });
    assert_eq!(fills(&r).len(), 2, "{:?}", r.records);
    let r = ask(&flats(2, 4), &isolated(2), &|t, _, orders| match t {
        0 => orders.order(0, enter(1.0, 10.0)),
        1 => {
            orders.order(0, reduce(1.0));
            orders.target(target(&[(0, 0.3), (1, 0.3)]));
        }
        _ => {}
    });
    assert_eq!(fills(&r).len(), 2);
    // In cross the slippage of one leg is margin that the other has not.
    let costs = Assumptions { slippage_bps: 100.0, ..Assumptions::default() };
    let r = ask_with(costs, &flats(2, 3), &terms(2, MarginMode::Cross), &|t, _, orders| {
        if t == 0 {
            orders.target(target(&[(0, 0.5), (1, -0.495)]));
        }
    });
    assert_eq!(fills(&r).len(), 0);
    // One that is not listed, or less than a step.
    for price in [f64::NAN, 1e8] {
        let m = market(&[vec![FLAT; 3], vec![flat(price); 3]]);
        let r = ask(&m, &isolated(2), &|t, _, orders| {
            if t == 0 {
                orders.target(target(&[(0, 0.3), (1, -0.3)]));
            }
        });
        assert_eq!(fills(&r).len(), 0, "{price}");
        assert!(outcomes(&r).contains(&(Rule::Target, Outcome::LegRefused)));
    }
    // And alone it fills.
    let r = ask(&flats(2, 3), &isolated(2), &|t, _, orders| {
        if t == 0 {
            orders.target(target(&[(0, 0.3), (1, -0.3)]));
        }
    });
    assert_eq!(fills(&r).len(), 4);
}

/// An order that is none is refused whole, and closes nothing, also where a cool-down would only close.
#[test]
fn what_is_no_order_closes_nothing() {
    for odd in [
        enter(-1.0, f64::NAN),
        enter(-1.0, 1e-4),
        enter(f64::NAN, 1.0),
        Intent { leverage: Some(f64::NAN), ..enter(-1.0, 1.0) },
    ] {
        let b = Terms { cooldown_bars: 2, ..one() };
        let r = ask(&market(&[vec![FLAT; 4]]), &b, &|t, _, orders| match t {
            0 => orders.order(0, enter(1.0, 1.0)),
            1 => orders.order(0, odd),
            _ => {}
        });
        assert_eq!(r.trades.iter().map(|t| t.rule).collect::<Vec<_>>(), [Rule::WindowEnd], "{odd:?}");
    }
}

/// A cap holds at the price of what fills; a short that is cut sells at a better one.
#[test]
fn caps_hold_under_impact() {
    let mut m = market(&[vec![[100.0, 105.0, 95.0, 100.0]; 3]]);
    m.columns[0].get_mut(Field::Volume).fill(100.0);
    let costs = Assumptions { impact: Impact::SquareRoot { factor: 1.0 }, ..Assumptions::default() };
    for side in [1.0, -1.0] {
        let b = Terms { max_size_usdt: 300.0, ..one() };
        let r = ask_with(costs, &m, &b, &|t, _, orders| {
            if t == 0 {
                orders.order(0, enter(side, 1000.0));
            }
        });
        let (_, qty, price) = fills(&r)[0];
        assert!(qty * price <= 300.0 && qty > 2.0, "{side}: {qty} at {price}");
    }
    // An add above the cap is refused with nothing, not with less than nothing.
    let b = Terms { max_size_usdt: 500.0, ..one() };
    let r = ask(&market(&[vec![FLAT, FLAT, flat(110.0), flat(110.0)]]), &b, &|t, _, orders| match t {
        0 => orders.order(0, enter(1.0, 5.0)),
        1 => orders.order(0, Intent::market(Action::Add, 0.0, Size::Quantity(1.0))),
        _ => {}
    });
    assert!(r.records.iter().all(|r| !matches!(r, Record::Order { qty, .. } if *qty < 0.0)));
}

/// A market that takes next to nothing costs a position its wallet, and no more; no price is below a tick.
#[test]
fn impact_has_bounds() {
    let mut m = market(&[vec![
        [100.0, 105.0, 97.0, 100.0],
        [100.0, 105.0, 97.0, 100.0],
        [100.0, 100.0, 90.0, 90.0],
        flat(90.0),
    ]]);
    *m.columns[0].get_mut(Field::Volume) = vec![1e9, 0.01, 0.01, 0.01];
    let costs = Assumptions { impact: Impact::SquareRoot { factor: 1.0 }, ..Assumptions::default() };
    for mode in [MarginMode::Isolated, MarginMode::Cross] {
        let b = bound(1, 2.0, mode);
        let r = ask_with(costs, &m, &b, &|t, _, orders| {
            if t == 0 {
                let levels = Levels { stop: Level::Price(95.0), ..Levels::NONE };
                orders.order(0, Intent { levels, ..enter(1.0, 100.0) });
            }
        });
        let (_, _, price) = fills(&r)[1];
        assert!(price >= 0.01 && r.equity.iter().all(|e| *e >= 0.0), "{price} {:?}", r.equity);
        if mode == MarginMode::Isolated {
            assert!(r.equity[3] > 10_000.0 - 5_010.0, "the rest of the account is untouched: {:?}", r.equity);
        }
    }
}

/// What is left of a limit exit stays one: nothing is sold below its price.
#[test]
fn a_rest_of_a_limit_exit_keeps_its_price() {
    let mut m = market(&[vec![FLAT, FLAT, [100.0, 103.0, 100.0, 100.0], flat(90.0), flat(90.0)]]);
    *m.columns[0].get_mut(Field::Volume) = vec![100.0, 1.0, 1.0, 1.0, 1.0];
    let costs = Assumptions { max_volume_share: Some(1.0), ..Assumptions::default() };
    let r = ask_with(costs, &m, &one(), &|t, _, orders| match t {
        0 => orders.order(0, enter(1.0, 2.0)),
        1 => orders.order(0, Intent { kind: Kind::Limit { price: 102.0, bars: 0 }, ..reduce(1.0) }),
        2 => orders.cancel(0),
        _ => {}
    });
    assert_eq!(fills(&r)[1], (-1, 1.0, 102.0));
    assert_eq!((r.trades[0].rule, r.trades[0].exit_ms), (Rule::WindowEnd, m.times[4]), "{:?}", fills(&r));
}

/// Whoever closes a position whole enters no more of it, however little the market takes at a time.
#[test]
fn an_exit_takes_back_what_was_still_to_be_entered() {
    let costs = Assumptions { max_volume_share: Some(1.0), carry_over: true, ..Assumptions::default() };
    for exit in [reduce(1.0), enter(-1.0, 1.0)] {
        let r = ask_with(costs, &market(&[vec![FLAT; 9]]), &one(), &|t, _, orders| match t {
            0 => orders.order(0, enter(1.0, 6.0)),
            2 => orders.order(0, exit),
            _ => {}
        });
        let bought: f64 = fills(&r).iter().take_while(|f| f.0 > 0).map(|f| f.1).sum();
        let sides: Vec<i8> = fills(&r).iter().map(|f| f.0).collect();
        assert_eq!((bought, &sides[..4]), (2.0, &[1, 1, -1, -1][..]), "{:?}", fills(&r));
    }
}

/// A trade's extremes and its profit are measured from the entry that it states.
#[test]
fn extremes_are_measured_from_the_stated_entry() {
    let m = market(&[vec![FLAT, FLAT, flat(110.0), flat(120.0), flat(117.0), flat(117.0)]]);
    let seen = std::cell::Cell::new(f64::NAN);
    let r = ask(&m, &one(), &|t, view, orders| {
        match t {
            0 => orders.order(0, enter(1.0, 10.0)),
            1 => orders.order(0, reduce(0.9)),
            2 => orders.order(0, Intent::market(Action::Add, 0.0, Size::Quantity(9.0))),
            3 => orders.order(0, reduce(1.0)),
            _ => {}
        }
        seen.set(view.last(0).map_or(f64::NAN, |l| l.profit));
    });
    let last = seen.get();
    let t = &r.trades[0];
    let gain = |price: f64| price / t.entry - 1.0;
    assert!((t.entry - 109.473_684).abs() < 1e-6 && (t.exit - 113.684_210).abs() < 1e-6, "{t:?}");
    assert!((t.mfe - gain(120.0)).abs() < 1e-12 && (t.mae - gain(100.0)).abs() < 1e-12, "{t:?}");
    assert!((last - gain(t.exit)).abs() < 1e-12 && t.mfe >= gain(t.exit), "{last}");
}

/// Nothing goes without a word: a part under a step, weights that are no numbers, symbols that there are not.
#[test]
fn odd_orders_have_a_record() {
    let bars = vec![FLAT, FLAT, [100.0, 103.0, 100.0, 100.0], FLAT];
    for kind in [Kind::Market, Kind::Limit { price: 102.0, bars: 0 }] {
        let r = ask(&market(std::slice::from_ref(&bars)), &one(), &|t, _, orders| match t {
            0 => orders.order(0, enter(1.0, 1.0)),
            1 => orders.order(0, Intent { kind, ..reduce(0.0005) }),
            _ => {}
        });
        assert!(outcomes(&r).iter().any(|o| o.1 == Outcome::BelowMinimum), "{kind:?} {:?}", r.records);
    }
    for weight in [f64::INFINITY, f64::NEG_INFINITY, 1.7e308] {
        let r = ask(&market(&[vec![FLAT; 3]]), &Terms { max_size_usdt: 300.0, ..one() }, &|t, _, orders| {
            if t == 0 {
                orders.target(Target { together: false, ..target(&[(0, weight)]) });
            }
        });
        assert_eq!((fills(&r).len(), outcomes(&r)), (0, vec![(Rule::Target, Outcome::BelowMinimum)]));
    }
    // Named twice, the last weight holds; a symbol that there is not is counted.
    let r = ask(&market(&[vec![FLAT; 4]]), &one(), &|t, _, orders| match t {
        0 => orders.order(0, enter(1.0, 10.0)),
        1 => {
            orders.order(7, enter(1.0, 1.0));
            orders.target(Target { together: false, ..target(&[(0, 0.5), (0, 0.3), (7, 0.1)]) });
        }
        _ => {}
    });
    assert!((fills(&r)[1].1 - 19.98).abs() < 0.03 && fills(&r).len() == 3, "{:?}", fills(&r));
    assert_eq!(r.counts.rejected, 3);
    // Sizes of which both factors are negative.
    for size in [Size::Risk { fraction: -0.01, distance: -2.0 }, Size::Volatility { target: -0.1, volatility: -0.2 }] {
        let r = ask(&market(&[vec![FLAT; 3]]), &one(), &|t, _, orders| {
            if t == 0 {
                orders.order(0, Intent::market(Action::Enter, 1.0, size));
            }
        });
        assert_eq!(fills(&r).len(), 0);
    }
    // An add may be more than what stands.
    let r = ask(&market(&[vec![FLAT; 4]]), &one(), &|t, _, orders| match t {
        0 => orders.order(0, enter(1.0, 1.0)),
        1 => orders.order(0, Intent::market(Action::Add, 0.0, Size::Position(2.0))),
        _ => {}
    });
    assert_eq!(fills(&r)[1].1, 2.0);
}

/// What is left is a decimal number too.
#[test]
fn rests_are_whole_steps() {
    let mut m = market(&[vec![FLAT; 5]]);
    m.columns[0].get_mut(Field::Volume).fill(0.1);
    let costs = Assumptions { max_volume_share: Some(1.0), carry_over: true, ..Assumptions::default() };
    let r = ask_with(costs, &m, &one(), &|t, _, orders| {
        if t == 0 {
            orders.order(0, enter(1.0, 0.3));
        }
    });
    let rests: Vec<f64> = r
        .records
        .iter()
        .filter_map(|r| match r {
            Record::Order { outcome: Outcome::AboveVolume, qty, .. } => Some(*qty),
            _ => None,
        })
        .collect();
    assert_eq!(rests, [0.2, 0.1]);
}

/// A cap takes as much of a larger order as of a smaller one, and what it cuts is no matter of volume.
#[test]
fn a_cap_is_no_smaller_for_larger_orders() {
    let mut m = market(&[vec![[100.0, 105.0, 95.0, 100.0]; 4]]);
    m.columns[0].get_mut(Field::Volume).fill(1000.0);
    let costs = Assumptions { impact: Impact::SquareRoot { factor: 1.0 }, carry_over: true, ..Assumptions::default() };
    for side in [1.0, -1.0] {
        let filled = [1e3, 1e6, 1e9].map(|qty| {
            let r = ask_with(costs, &m, &Terms { max_size_usdt: 3000.0, ..one() }, &|t, _, orders| {
                if t == 0 {
                    orders.order(0, enter(side, qty));
                }
            });
            assert_eq!((fills(&r).len(), outcomes(&r), r.counts.rejected), (2, vec![], 0));
            let (_, qty, price) = fills(&r)[0];
            assert!(qty * price <= 3000.0 && (qty + 0.01) * price > 2999.0, "{qty} at {price}");
            qty
        });
        assert!(filled[0] == filled[1] && filled[1] == filled[2], "{filled:?}");
    }
}

/// Whatever closes a whole position, nothing is entered against it any more: rests of limit orders, targets, adds that
/// come while it is being closed.
#[test]
fn nothing_is_entered_against_a_close() {
    let costs = Assumptions { max_volume_share: Some(1.0), carry_over: true, ..Assumptions::default() };
    let bought_after = |r: &Run| fills(r).iter().skip_while(|f| f.0 > 0).filter(|f| f.0 > 0).count();
    let m = market(&[[vec![FLAT], vec![flat(99.0); 9]].concat()]);
    for weight in [0.0, -0.01] {
        let r = ask_with(costs, &m, &one(), &|t, _, orders| match t {
            0 => orders.order(0, enter(1.0, 6.0)),
            2 => orders.target(Target { together: false, ..target(&[(0, weight)]) }),
            _ => {}
        });
        assert_eq!(bought_after(&r), usize::from(weight < 0.0), "{weight}: {:?}", fills(&r));
    }
    let r = ask_with(costs, &m, &one(), &|t, _, orders| match t {
        0 => orders.order(0, Intent { kind: Kind::Limit { price: 99.5, bars: 0 }, ..enter(1.0, 6.0) }),
        2 => orders.order(0, reduce(1.0)),
        _ => {}
    });
    assert_eq!(bought_after(&r), 0, "{:?}", fills(&r));
    let r = ask_with(costs, &m, &one(), &|t, _, orders| match t {
        0 => orders.order(0, enter(1.0, 3.0)),
        3 => {
            orders.order(0, reduce(1.0));
            orders.order(0, Intent::market(Action::Add, 0.0, Size::Quantity(4.0)));
        }
        _ => {}
    });
    assert!(bought_after(&r) <= 1, "{:?}", fills(&r));
}

/// A part's loss beyond its share comes out of the position's own wallet; a cross account that ends below zero is
/// covered; a group with a symbol that there is not trades nothing.
#[test]
fn who_pays_for_what() {
    let mut m = market(&[vec![[100.0, 105.0, 95.0, 100.0]; 4]]);
    *m.columns[0].get_mut(Field::Volume) = vec![1e9, 0.3, 1e9, 1e9];
    let costs = Assumptions { impact: Impact::SquareRoot { factor: 1.0 }, ..Assumptions::default() };
    let r = ask_with(costs, &m, &one(), &|t, _, orders| match t {
        0 => orders.order(0, enter(1.0, 10.0)),
        1 => orders.order(0, reduce(0.5)),
        _ => {}
    });
    assert_eq!(r.counts.insurance_usdt, 0.0, "{:?}", r.records);
    *m.columns[0].get_mut(Field::Volume) = vec![1e9, 1e9, 1e9, 0.01];
    let r = ask_with(costs, &m, &bound(1, 5.0, MarginMode::Cross), &|t, _, orders| {
        if t == 0 {
            orders.order(0, enter(1.0, 200.0));
        }
    });
    assert!(r.equity[3] >= 0.0, "{:?}", r.equity);
    let r = ask(&market(&vec![vec![FLAT; 3]; 2]), &terms(2, MarginMode::Isolated), &|t, _, orders| {
        if t == 0 {
            orders.target(target(&[(0, 0.3), (7, -0.3)]));
        }
    });
    assert_eq!(fills(&r).len(), 0);
}
