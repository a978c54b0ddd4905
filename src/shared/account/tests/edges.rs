//! Orders at their edges: levels on the wrong side, several that belong together, a cross account on its way, funding
//! of what was filled inside a bar, markets that take little.

use super::events::funded;
use super::orders::{FLAT, ask, ask_with, enter, fills, flat, one, outcomes};
use super::rules::market;
use super::*;
use crate::account::costs::Impact;
use crate::order::{Action, Intent, Kind, Level, Levels, Orders, Size};

fn limit(price: f64, intent: Intent) -> Intent {
    Intent { kind: Kind::Limit { price, bars: 1 }, ..intent }
}

fn stop(price: f64, intent: Intent) -> Intent {
    Intent { kind: Kind::Stop { price, bars: 1 }, ..intent }
}

fn add(qty: f64) -> Intent {
    Intent::market(Action::Add, 0.0, Size::Quantity(qty))
}

fn with_entry(qty: f64) -> Intent {
    Intent::market(Action::AddWithEntry, 0.0, Size::Quantity(qty))
}

fn reduce(part: f64) -> Intent {
    Intent::market(Action::Reduce, 0.0, Size::Position(part))
}

/// A stop order that is beyond the price already is a market order there, never a fill at a better price that no
/// bar had; a target that the price is beyond is filled where it is.
#[test]
fn levels_on_the_wrong_side_fill_where_the_price_is() {
    for side in [1.0, -1.0] {
        let at = |offset: f64| 100.0 + side * offset;
        let bar = [at(-5.0), at(-5.0) + 0.5, at(-5.0) - 0.5, at(-5.0)];
        let out = |levels: Levels| {
            let r = ask(&market(&[vec![FLAT, bar, flat(at(-5.0))]]), &one(), &|t, _, orders| {
                if t == 0 {
                    orders.order(0, Intent { levels, ..enter(side, 1.0) });
                }
            });
            (r.trades[0].exit, r.trades[0].rule)
        };
        let level = |stop: Level| Levels { stop, ..Levels::NONE };
        let here = at(-5.0);
        assert_eq!(out(level(Level::Price(at(-3.0)))), (here, Rule::StopLoss));
        assert_eq!(out(level(Level::Average(-0.03))), (here, Rule::StopLoss));
        assert_eq!(out(Levels { trail: -0.03, ..Levels::NONE }), (here, Rule::TrailingStop));
        assert_eq!(out(level(Level::Price(side * f64::INFINITY))), (here, Rule::StopLoss));
        assert_eq!(out(Levels { take: Level::Price(at(-8.0)), ..Levels::NONE }), (here, Rule::TakeProfit));
        // The same where a cross account asks for it.
        let cross = Terms { mode: MarginMode::Cross, ..one() };
        let r = ask(&market(&[vec![FLAT, bar, flat(here)]]), &cross, &|t, _, orders| {
            if t == 0 {
                orders.order(0, Intent { levels: level(Level::Price(at(-3.0))), ..enter(side, 1.0) });
            }
        });
        assert_eq!((r.trades[0].exit, r.trades[0].rule), (here, Rule::StopLoss));
    }
}

/// What comes with an entry that fills inside a bar, and is beyond its price, fills there: as taker at once.
#[test]
fn what_an_entry_wakes_fills_no_better_than_the_price() {
    let filled = |bar: [f64; 4], entry: Intent, with: Intent| {
        let r = ask(&market(&[vec![FLAT, bar, flat(bar[3])]]), &one(), &|t, _, orders| {
            if t == 0 {
                orders.order(0, entry);
                orders.order(0, with);
            }
        });
        fills(&r)[..2].iter().map(|f| f.2).collect::<Vec<_>>()
    };
    let (low, high) = ([100.0, 100.0, 94.0, 96.0], [104.0, 106.0, 103.5, 105.0]);
    assert_eq!(filled(low, limit(95.0, enter(1.0, 1.0)), stop(60.0, with_entry(10.0))), [95.0, 95.0]);
    assert_eq!(filled(high, stop(105.0, enter(1.0, 1.0)), stop(90.0, with_entry(1.0))), [105.0, 105.0]);
    assert_eq!(filled(low, limit(95.0, enter(1.0, 1.0)), limit(99.0, with_entry(1.0))), [95.0, 95.0]);
    // One that is not beyond it waits for its price.
    assert_eq!(filled(low, limit(98.0, enter(1.0, 1.0)), limit(95.0, with_entry(1.0))), [98.0, 95.0]);
}

/// A ladder belongs to the entry that was asked for before it, and to no other one.
#[test]
fn a_ladder_belongs_to_its_entry() {
    let m = market(&[vec![FLAT, FLAT, [100.0, 106.0, 100.0, 105.0], [105.0, 105.0, 104.0, 105.0]]]);
    let ladder = |orders: &mut Orders| {
        orders.order(0, Intent { kind: Kind::Limit { price: 90.0, bars: 0 }, ..enter(1.0, 1.0) });
        orders.order(0, Intent { kind: Kind::Limit { price: 104.5, bars: 0 }, ..with_entry(5.0) });
    };
    let r = ask(&m, &one(), &|t, _, orders| match t {
        0 => ladder(orders),
        1 => orders.order(0, stop(105.0, enter(1.0, 1.0))),
        _ => {}
    });
    assert_eq!(fills(&r)[0], (1, 1.0, 105.0));
    assert_eq!(r.trades[0].adds, 0, "the ladder of the other entry is taken back with it");
    // Two entries at one close: each has its own.
    let r = ask(&m, &one(), &|t, _, orders| {
        if t == 1 {
            ladder(orders);
            orders.order(0, stop(105.0, enter(1.0, 1.0)));
            orders.order(0, limit(104.0, with_entry(3.0)));
        }
    });
    assert_eq!((r.trades[0].adds, r.trades[0].qty), (1, 4.0));
    // Without an entry before it there is nothing that it could come with.
    let r = ask(&m, &one(), &|t, _, orders| {
        if t == 0 {
            orders.order(0, limit(90.0, with_entry(5.0)));
        }
    });
    assert_eq!(outcomes(&r), [(Rule::Add, Outcome::Cancelled)]);
    // Its life begins with the entry.
    let bars = vec![FLAT, FLAT, FLAT, [100.0, 106.0, 100.0, 105.5], [105.5, 105.5, 104.0, 105.0]];
    let r = ask(&market(&[bars]), &one(), &|t, _, orders| {
        if t == 0 {
            orders.order(0, Intent { kind: Kind::Stop { price: 105.0, bars: 0 }, ..enter(1.0, 1.0) });
            orders.order(0, Intent { kind: Kind::Limit { price: 104.5, bars: 2 }, ..with_entry(2.0) });
        }
    });
    assert_eq!((r.trades[0].adds, r.trades[0].qty), (1, 3.0));
}

/// On the way of a cross account orders are filled as they would be, with their margin, before it dies.
#[test]
fn orders_on_the_way_of_a_cross_account() {
    let cross = Terms { margin_fraction: 0.9, ..bound(1, 10.0, MarginMode::Cross) };
    let hundred = Assumptions { initial_cash_usdt: 100.0, ..Assumptions::default() };
    let with = |first: Option<f64>, order: Option<Intent>, low: f64| {
        let bars = vec![FLAT, FLAT, [100.0, 100.0, low, 99.0], flat(99.0)];
        let r = ask_with(hundred, &market(&[bars]), &cross, &|t, _, orders| match (t, first, order) {
            (0, Some(qty), _) => orders.order(0, enter(1.0, qty)),
            (1, _, Some(order)) => orders.order(0, order),
            _ => {}
        });
        let filled = fills(&r).iter().map(|f| (f.1, f.2)).collect::<Vec<_>>();
        (filled, r.counts.liquidations, *r.equity.last().unwrap())
    };
    // From flat: it fills, and dies with the fall.
    let (filled, dead, left) = with(None, Some(limit(98.0, enter(1.0, 9.0))), 80.0);
    assert_eq!((filled[0], dead, left), ((9.0, 98.0), 1, 0.0));
    // An add makes it die where the first one alone would live: both are lost.
    let (filled, dead, left) = with(Some(1.0), Some(limit(98.0, add(9.0))), 88.0);
    assert_eq!((filled[1], dead), ((9.0, 98.0), 1));
    assert!(left < 5.0, "{left}");
    // One that the margin does not cover is refused, and changes nothing.
    let alone = with(Some(5.0), None, 98.0);
    let refused = with(Some(5.0), Some(limit(98.5, add(50.0))), 98.0);
    assert_eq!((alone.1, refused), (0, alone.clone()));
}

/// Inside a bar funding is credited to what has stood the whole bar, and owed by whatever was held in it.
#[test]
fn funding_of_what_is_filled_inside_a_bar() {
    let with = |rate: f64, side: f64, first: f64, order: Intent| {
        let bars = vec![FLAT, FLAT, [100.0, 103.0, 100.0, 102.0], flat(102.0)];
        let m = funded(market(&[bars]), &[(2.5, rate, 100.0)]);
        let r = ask(&m, &one(), &|t, _, orders| match t {
            0 if first > 0.0 => orders.order(0, enter(side, first)),
            1 => orders.order(0, order),
            _ => {}
        });
        r.counts.funding_usdt
    };
    // Opened inside: nothing to its credit, and what it owes.
    assert_eq!(with(0.01, -1.0, 0.0, limit(102.0, enter(-1.0, 10.0))), 0.0);
    assert_eq!(with(-0.01, -1.0, 0.0, limit(102.0, enter(-1.0, 10.0))), -10.0);
    // Nine added to one.
    assert_eq!(with(0.01, -1.0, 1.0, limit(102.0, add(9.0))), 1.0);
    assert_eq!(with(-0.01, -1.0, 1.0, limit(102.0, add(9.0))), -10.0);
    // Turned: the long pays, the short was not there the whole bar.
    assert_eq!(with(0.01, 1.0, 1.0, limit(102.0, enter(-1.0, 10.0))), -1.0);
}

/// A limit order of the other side closes as maker what it closes, and opens as maker what it opens.
#[test]
fn a_limit_order_that_turns_a_position_is_maker_twice() {
    let bars = vec![FLAT, FLAT, [100.0, 103.0, 100.0, 102.0], flat(102.0)];
    let r = ask(&market(&[bars]), &one(), &|t, _, orders| match t {
        0 => orders.order(0, enter(1.0, 10.0)),
        1 => orders.order(0, limit(102.0, enter(-1.0, 10.0))),
        _ => {}
    });
    assert_eq!((r.trades[0].rule, r.trades[0].exit), (Rule::LimitOpposite, 102.0));
    let fees = 1000.0 * 0.0005 + 1020.0 * 0.0002;
    assert!((r.trades[0].fees_usdt - fees).abs() < 1e-9, "{}", r.trades[0].fees_usdt);
}

/// While a symbol cools down it takes no entry, whatever kind of order asks; one of the other side still closes.
#[test]
fn a_cool_down_holds_for_every_entry() {
    let terms = Terms { cooldown_bars: 3, ..one() };
    let fall = |to: f64| [96.0, 96.0, to, to];
    // In at bar 1, stopped out in bar 3; a stop entry at 95 stands all the while.
    let bars = vec![FLAT, FLAT, FLAT, [100.0, 100.0, 96.0, 96.0], fall(94.0), [94.0; 4], [94.0; 4], [94.0; 4]];
    let r = ask(&market(&[bars]), &terms, &|t, _, orders| match t {
        0 => orders.order(0, Intent { levels: Levels { stop: Level::Price(97.0), ..Levels::NONE }, ..enter(1.0, 1.0) }),
        1 => orders.order(0, Intent { kind: Kind::Stop { price: 95.0, bars: 0 }, ..enter(-1.0, 1.0) }),
        _ => {}
    });
    let entered: Vec<usize> = r.trades.iter().map(|t| t.entry_bar).collect();
    assert_eq!(entered, [1, 7], "bars 4 to 6 take none");
    // A market order of the other side closes the position, and opens none.
    let r = ask(&market(&[vec![FLAT; 4]]), &terms, &|t, _, orders| match t {
        0 => orders.order(0, enter(1.0, 1.0)),
        1 => orders.order(0, enter(-1.0, 1.0)),
        _ => {}
    });
    assert_eq!((r.trades.len(), r.trades[0].rule), (1, Rule::OppositeEntry));
    assert!(outcomes(&r).contains(&(Rule::SignalEntry, Outcome::CoolingDown)));
}

/// What adds has the leverage of its position; what takes needs none.
#[test]
fn sizes_by_margin_take_the_positions_leverage() {
    let r = ask(&market(&[vec![FLAT; 4]]), &one(), &|t, _, orders| match t {
        0 => orders.order(0, Intent { leverage: Some(2.0), ..enter(1.0, 1.0) }),
        1 => orders.order(0, Intent::market(Action::Add, 0.0, Size::Margin(0.1))),
        2 => orders.order(0, Intent { leverage: Some(0.5), ..reduce(1.0) }),
        _ => {}
    });
    let wanted = (r.equity[1] * 0.1 * 2.0 / 100.0 * 1000.0).floor() / 1000.0;
    assert_eq!(fills(&r)[1].1, wanted);
    assert_eq!(r.trades[0].rule, Rule::SignalExit);
}

/// Impact is that of what trades, and what a market does not take is carried over as the order that it is.
#[test]
fn a_market_that_takes_little() {
    let costs = |share: Option<f64>, carry: bool, impact: Impact| Assumptions {
        max_volume_share: share,
        carry_over: carry,
        impact,
        ..Assumptions::default()
    };
    let range = [100.0, 102.0, 98.0, 100.0];
    let first = |a: Assumptions, qty: f64| {
        let r = ask_with(a, &market(&[vec![range, FLAT, FLAT]]), &one(), &|t, _, orders| {
            if t == 0 {
                orders.order(0, enter(1.0, qty));
            }
        });
        fills(&r)[0]
    };
    let root = Impact::SquareRoot { factor: 1.0 };
    let (cut, small) = (first(costs(Some(0.5), false, root), 100.0), first(costs(None, false, root), 0.5));
    assert_eq!((cut.1, cut.2), (0.5, small.2), "asked for 100 and for what fills: one price");
    // A volume of nothing carries the entry whole; a limit order stays one.
    let mut m = market(&[vec![FLAT, FLAT, FLAT, FLAT, FLAT]]);
    m.columns[0].get_mut(Field::Volume)[0] = 0.0;
    let r = ask_with(costs(Some(1.0), true, Impact::None), &m, &one(), &|t, _, orders| {
        if t == 0 {
            orders.order(0, enter(1.0, 2.0));
        }
    });
    assert_eq!(fills(&r)[..2], [(1, 1.0, 100.0), (1, 1.0, 100.0)]);
    assert_eq!(r.trades[0].entry_bar, 2);
    let bars = vec![FLAT, [100.0, 100.0, 99.0, 100.0], flat(105.0), flat(105.0)];
    let r = ask_with(costs(Some(1.0), true, Impact::None), &market(&[bars]), &one(), &|t, _, orders| {
        if t == 0 {
            orders.order(0, Intent { kind: Kind::Limit { price: 99.5, bars: 0 }, ..enter(1.0, 3.0) });
        }
    });
    assert_eq!(fills(&r)[0], (1, 1.0, 99.5));
    assert_eq!(r.trades[0].qty, 1.0, "the rest waits at 99.50");
}

/// Nothing that was asked for is lost without a word.
#[test]
fn every_order_leaves_a_record() {
    let m = market(&[vec![FLAT; 4]]);
    let r = ask(&m, &one(), &|t, _, orders| {
        if t == 0 {
            orders.order(0, enter(1.0, 1.0));
            orders.order(0, enter(1.0, 3.0));
        }
    });
    assert_eq!(outcomes(&r), [(Rule::SignalEntry, Outcome::Cancelled)]);
    // Cancel takes back what stands in the book, not what is on its way to the open.
    let r = ask(&m, &one(), &|t, _, orders| match t {
        0 => orders.order(0, enter(1.0, 2.0)),
        1 => {
            orders.order(0, Intent { kind: Kind::Limit { price: 120.0, bars: 0 }, ..reduce(0.5) });
            orders.order(0, reduce(0.5));
            orders.cancel(0);
        }
        _ => {}
    });
    assert_eq!(fills(&r)[1], (-1, 1.0, 100.0));
    assert_eq!(outcomes(&r), [(Rule::LimitExit, Outcome::Placed), (Rule::LimitExit, Outcome::Cancelled)]);
}

/// The entry of a trade is the average of all that was entered, and quantities stay decimal numbers.
#[test]
fn averages_and_decimals() {
    let bars = vec![FLAT, FLAT, flat(110.0), flat(120.0), flat(120.0)];
    let r = ask(&market(&[bars]), &one(), &|t, _, orders| match t {
        0 => orders.order(0, enter(1.0, 2.0)),
        1 => orders.order(0, reduce(0.5)),
        2 => orders.order(0, add(1.0)),
        3 => orders.order(0, reduce(1.0)),
        _ => {}
    });
    let t = &r.trades[0];
    assert_eq!(t.qty, 3.0);
    assert!((t.entry - 320.0 / 3.0).abs() < 1e-9 && (t.exit - 350.0 / 3.0).abs() < 1e-9, "{} {}", t.entry, t.exit);
    assert!((t.qty * (t.exit - t.entry) - (t.pnl_usdt + t.fees_usdt)).abs() < 1e-9);
    let r = ask(&market(&[vec![FLAT; 4]]), &one(), &|t, _, orders| match t {
        0 => orders.order(0, enter(1.0, 1.1)),
        1 => orders.order(0, Intent::market(Action::Reduce, 0.0, Size::Quantity(0.8))),
        _ => {}
    });
    assert_eq!(fills(&r)[2].1, 0.3);
}

/// Numbers that are none are refused, and nothing that they touch becomes one.
#[test]
fn hostile_numbers() {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, 1e300, 1.7e308, 2.0, 1e-300];
    for x in odd {
        let asks = [
            Intent { side: x, ..enter(1.0, 1.0) },
            enter(1.0, x),
            limit(x, enter(1.0, 1.0)),
            stop(x, enter(-1.0, 1.0)),
            Intent { leverage: Some(x), ..enter(1.0, 1.0) },
            Intent {
                levels: Levels { stop: Level::Price(x), take: Level::Price(-x), ..Levels::NONE },
                ..enter(1.0, 1.0)
            },
            Intent { levels: Levels { stop: Level::Average(x), trail: x, ..Levels::NONE }, ..enter(-1.0, 1.0) },
            Intent { size: Size::Risk { fraction: 0.01, distance: x }, ..enter(1.0, 1.0) },
            Intent { size: Size::Volatility { target: x, volatility: 0.5 }, ..enter(1.0, 1.0) },
        ];
        for mode in [MarginMode::Isolated, MarginMode::Cross] {
            for intent in asks {
                let terms = Terms { mode, ..one() };
                let bars = vec![FLAT, FLAT, [100.0, 103.0, 97.0, 100.0], flat(100.0)];
                let r = ask(&market(&[bars]), &terms, &|t, _, orders| {
                    if t == 0 {
                        orders.order(0, intent);
                    }
                });
                let sane = |(side, qty, price): (i8, f64, f64)| {
                    side.abs() == 1 && qty > 0.0 && qty.is_finite() && (96.9..103.1).contains(&price)
                };
                assert!(fills(&r).into_iter().all(sane), "{x} {intent:?} {:?}", fills(&r));
                assert!(r.equity.iter().all(|e| e.is_finite()), "{x} {intent:?}");
            }
        }
    }
}
