//! The state machine against worked numbers and invariants.

mod bounds;
mod coast;
mod detail;
mod edges;
mod events;
mod legs;
mod orders;
mod random;
mod rules;
mod sizes;

use super::record::{CashKind, Outcome, Record, Rule};
use super::{Account, Assumptions, MarginMode, Run, Signals, Terms};
use crate::account::signals::flag;
use crate::market::tests::walk;
use crate::market::{Columns, Field, Market, MarketBar};
use crate::rulebook::tests::book;
use crate::time::DAY_MS;
use proptest::prelude::*;

fn bound(symbols: usize, leverage: f64, mode: MarginMode) -> Terms {
    Terms {
        symbols: (0..symbols).map(|s| format!("S{s}USDT")).collect(),
        leverage: vec![leverage; symbols],
        stops: vec![[false; 3]; symbols],
        margin_fraction: 0.1,
        mode,
        max_positions: symbols,
        max_size_usdt: f64::INFINITY,
        cooldown_bars: 0,
        limits: super::LossLimits::default(),
    }
}

const DAY_0: i64 = 1_704_067_200_000;
const OPEN: [f64; 6] = [100.0, 102.0, 101.0, 99.0, 104.0, 108.0];
const HIGH: [f64; 6] = [103.0, 104.0, 102.0, 103.0, 110.0, 109.0];
const LOW: [f64; 6] = [99.0, 100.0, 97.0, 96.0, 103.0, 101.0];
const CLOSE: [f64; 6] = [102.0, 101.0, 98.0, 102.0, 109.0, 102.0];

/// The six bars on which vectorbt and Backtrader were measured.
fn six_bars() -> Market {
    let mut c = Columns::default();
    for (field, values) in [(Field::Open, OPEN), (Field::High, HIGH), (Field::Low, LOW), (Field::Close, CLOSE)] {
        *c.get_mut(field) = values.to_vec();
    }
    *c.get_mut(Field::Volume) = vec![1.0; 6];
    for field in [Field::MarkOpen, Field::MarkHigh, Field::MarkLow, Field::MarkClose] {
        *c.get_mut(field) = CLOSE.to_vec();
    }
    let times = (0..6).map(|t| DAY_0 + t * DAY_MS).collect();
    Market::new(DAY_MS, times, vec!["S0USDT".into()], vec![c], true)
}

fn entry(flags: u8, stop_loss: f64, take_profit: f64, trailing_stop: f64) -> Signals {
    Signals { flags, stop_loss, take_profit, trailing_stop }
}

fn run(m: &Market, b: &Terms, slippage_bps: f64, signals: impl Fn(usize, usize) -> Signals) -> Run {
    run_with(1020.0, m, b, slippage_bps, signals)
}

fn run_with(
    initial_cash_usdt: f64,
    m: &Market,
    b: &Terms,
    slippage_bps: f64,
    signals: impl Fn(usize, usize) -> Signals,
) -> Run {
    let book = book();
    let assumptions = Assumptions { initial_cash_usdt, slippage_bps, ..Assumptions::default() };
    let mut account = Account::new(b.clone(), &book, &assumptions, m.times[0], true).unwrap();
    for index in 0..m.len() {
        account.step(&MarketBar { market: m, index }, |s| signals(index, s)).unwrap();
    }
    account.finish(&MarketBar { market: m, index: m.len() - 1 })
}

/// Signal at close 0 fills at open 1; exit at close 4 fills at open 5: Backtrader's default and
/// vectorbt's with shifted signals (102.0 and 108.0, fees 0.051 and 0.054 for one unit).
#[test]
fn market_orders_fill_at_the_next_open() {
    let r = run(&six_bars(), &bound(1, 1.0, MarginMode::Isolated), 0.0, |t, _| match t {
        0 => entry(flag::LONG_ENTRY, f64::NAN, f64::NAN, f64::NAN),
        4 => entry(flag::LONG_EXIT, f64::NAN, f64::NAN, f64::NAN),
        _ => Signals::NONE,
    });
    let t = &r.trades[0];
    assert_eq!((t.entry, t.exit, t.qty, t.rule, t.bars), (102.0, 108.0, 1.0, Rule::SignalExit, 4));
    assert!((t.pnl_usdt - (6.0 - 0.051 - 0.054)).abs() < 1e-12);
    assert!((t.mae - (96.0 / 102.0 - 1.0)).abs() < 1e-12 && (t.mfe - (110.0 / 102.0 - 1.0)).abs() < 1e-12);
}

/// Stops as measured: 3 % stop 98.94 on bar 2, 3 % target 105.06 on bar 4, both: the stop, 5 %
/// trailing 98.8 on bar 2, and a gap through the stop fills at the open.
#[test]
fn stops_targets_trails_and_gaps() {
    let n = f64::NAN;
    let long = |s: Signals| {
        run(&six_bars(), &bound(1, 1.0, MarginMode::Isolated), 0.0, move |t, _| if t == 0 { s } else { Signals::NONE })
    };
    let day = |t: i64| DAY_0 + t * DAY_MS;
    for (stop, take, trail, price, bar, rule) in [
        (0.03, n, n, 98.94, 2, Rule::StopLoss),
        (n, 0.03, n, 105.06, 4, Rule::TakeProfit),
        (0.03, 0.03, n, 98.94, 2, Rule::StopLoss),
        (n, n, 0.05, 98.8, 2, Rule::TrailingStop),
    ] {
        let r = long(entry(flag::LONG_ENTRY, stop, take, trail));
        let t = &r.trades[0];
        assert!((t.exit - price).abs() < 1e-9, "{} {price}", t.exit);
        assert_eq!((t.exit_ms, t.rule), (day(bar), rule));
    }
    let mut gap = six_bars();
    gap.columns[0].get_mut(Field::Open)[2] = 95.0;
    gap.columns[0].get_mut(Field::Low)[2] = 94.0;
    let r = run(&gap, &bound(1, 1.0, MarginMode::Isolated), 100.0, |t, _| {
        if t == 0 { entry(flag::LONG_ENTRY, 0.03, n, n) } else { Signals::NONE }
    });
    assert_eq!((r.trades[0].entry, r.trades[0].exit, r.trades[0].rule), (103.02, 94.05, Rule::StopLossGap));
}

/// Isolated liquidation loses exactly the position's wallet; the price is solved from the brackets.
#[test]
fn isolated_liquidation_loses_the_wallet() {
    let mut m = six_bars();
    m.columns[0].get_mut(Field::MarkLow)[2] = 91.0;
    let r = run(&m, &bound(1, 10.0, MarginMode::Isolated), 0.0, |t, _| {
        if t == 0 { entry(flag::LONG_ENTRY, f64::NAN, f64::NAN, f64::NAN) } else { Signals::NONE }
    });
    let t = &r.trades[0];
    assert_eq!(t.rule, Rule::Liquidation);
    let margin = t.qty * 102.0 / 10.0;
    assert!((t.pnl_usdt + margin + t.fees_usdt).abs() < 1e-9);
    let lp = (margin - t.qty * 102.0) / (t.qty * 0.004 - t.qty);
    assert!((t.exit - lp).abs() < 1e-9, "{} {lp}", t.exit);
    assert_eq!(r.counts.liquidations, 1);
}

/// Cross: the whole account is judged on the worst marks; the wallet never ends below zero.
#[test]
fn cross_liquidation_judges_the_account() {
    let mut m = six_bars();
    m.columns[0].get_mut(Field::MarkLow)[2] = 20.0;
    let mut b = bound(1, 10.0, MarginMode::Cross);
    b.margin_fraction = 0.9;
    let r =
        run(
            &m,
            &b,
            0.0,
            |t, _| if t == 0 { entry(flag::LONG_ENTRY, f64::NAN, f64::NAN, f64::NAN) } else { Signals::NONE },
        );
    assert_eq!((r.trades[0].rule, r.trades[0].exit), (Rule::Liquidation, 20.0));
    assert!(r.records.iter().any(|r| matches!(r, Record::Cash { kind: CashKind::Insurance, .. })));
    assert_eq!(*r.equity.last().unwrap(), 0.0);
}

/// The orders of a run with what became of them.
fn orders(r: &Run) -> Vec<(usize, i8, Rule, Outcome)> {
    let order = |r: &Record| match r {
        Record::Order { symbol, side, rule, outcome, .. } => Some((*symbol, *side, *rule, *outcome)),
        _ => None,
    };
    r.records.iter().filter_map(order).collect()
}

fn enters(flags: u8) -> Signals {
    entry(flags, f64::NAN, f64::NAN, f64::NAN)
}

/// Every way in which an entry can be refused has its name, and a refused one costs nothing.
#[test]
fn entries_are_refused_with_a_reason() {
    let m = walk(4, 3, 3);
    let first = |t: usize, _: usize| if t == 0 { enters(flag::LONG_ENTRY) } else { Signals::NONE };
    let refused = |b: &Terms, why: Outcome| {
        let r = run(&m, b, 0.0, first);
        let found: Vec<Outcome> = orders(&r).iter().filter(|o| o.2 == Rule::SignalEntry).map(|o| o.3).collect();
        assert!(found.contains(&why), "{found:?}");
        let filled = found.iter().filter(|o| **o == Outcome::Filled).count();
        assert_eq!(r.trades.len(), filled, "what was refused is no trade");
        filled
    };
    let one = Terms { max_positions: 1, ..bound(3, 1.0, MarginMode::Isolated) };
    assert_eq!(refused(&one, Outcome::TooManyPositions), 1);
    let small = Terms { max_size_usdt: 4.9, ..bound(3, 1.0, MarginMode::Isolated) };
    assert_eq!(refused(&small, Outcome::BelowMinimum), 0);
    let greedy = Terms { margin_fraction: 0.6, ..bound(3, 1.0, MarginMode::Isolated) };
    assert_eq!(refused(&greedy, Outcome::InsufficientMargin), 1);
    let high = bound(3, 151.0, MarginMode::Isolated);
    assert_eq!(refused(&high, Outcome::LeverageNotAllowed), 0);
    // A leverage that the brackets allow up to a size gets that size: 300,000 USDT at 149.
    let r = run_with(1e6, &m, &bound(3, 149.0, MarginMode::Isolated), 0.0, first);
    assert!(r.trades.len() == 3 && r.trades.iter().all(|t| t.qty * t.entry <= 300e3 && t.qty * t.entry > 299e3));
}

/// A cap on the notional, a cap on the leverage and the margin's fraction bound every position; the
/// terms say what was in force.
#[test]
fn caps_bound_every_position() {
    let m = walk(200, 2, 9);
    let mut b = bound(2, 8.0, MarginMode::Isolated);
    (b.max_size_usdt, b.leverage) = (300.0, vec![2.0, 8.0]);
    assert_eq!(b.highest_leverage(), 8.0);
    let r = run(&m, &b, 0.0, random_signals(4));
    assert!(r.trades.len() > 10);
    for t in &r.trades {
        assert!(t.qty * t.entry <= 300.0 * (1.0 + 1e-9), "{} {}", t.qty, t.entry);
        assert_eq!(t.leverage, [2.0, 8.0][t.symbol]);
    }
    assert!(r.margin_usage.iter().all(|u| (0.0..=1.0).contains(u)));
}

/// An entry of the other side closes and reverses at the same open, in this order.
#[test]
fn the_other_side_reverses() {
    let r = run(&six_bars(), &bound(1, 1.0, MarginMode::Isolated), 0.0, |t, _| match t {
        0 => enters(flag::LONG_ENTRY),
        2 => enters(flag::SHORT_ENTRY),
        _ => Signals::NONE,
    });
    let rules: Vec<(i8, Rule)> = orders(&r).iter().map(|o| (o.1, o.2)).collect();
    assert_eq!(rules[..2], [(1, Rule::SignalEntry), (-1, Rule::OppositeEntry)]);
    let sides: Vec<_> = r.trades.iter().map(|t| (t.side, t.entry, t.exit)).collect();
    assert_eq!(sides[0], ("long", 102.0, 99.0));
    assert!(sides.get(1).is_none_or(|s| s.0 == "short" && s.1 == 99.0), "{sides:?}");
}

/// Both sides at once say nothing, and a window's end closes what is open at its last close.
#[test]
fn contradictions_and_ends() {
    let both = flag::LONG_ENTRY | flag::SHORT_ENTRY;
    let r = run(&six_bars(), &bound(1, 1.0, MarginMode::Isolated), 0.0, |_, _| enters(both));
    assert!(r.trades.is_empty(), "{:?}", r.trades);
    let r = run(&six_bars(), &bound(1, 1.0, MarginMode::Isolated), 0.0, |t, _| match t {
        3 => enters(flag::LONG_ENTRY),
        _ => Signals::NONE,
    });
    assert_eq!((r.trades[0].rule, r.trades[0].exit, r.trades[0].bars), (Rule::WindowEnd, 102.0, 2));
}

/// Slippage is against the trader at every market order, at both ends.
#[test]
fn slippage_is_always_paid() {
    let with = |bps: f64, flags: (u8, u8)| {
        let r = run(&six_bars(), &bound(1, 1.0, MarginMode::Isolated), bps, move |t, _| match t {
            0 => enters(flags.0),
            2 => enters(flags.1),
            _ => Signals::NONE,
        });
        (r.trades[0].entry, r.trades[0].exit, r.trades[0].pnl_usdt)
    };
    for (flags, way) in [((flag::LONG_ENTRY, flag::LONG_EXIT), 1.0), ((flag::SHORT_ENTRY, flag::SHORT_EXIT), -1.0)] {
        let (none, some) = (with(0.0, flags), with(50.0, flags));
        assert!((some.0 - none.0 * (1.0 + way * 0.005)).abs() < 0.0101, "{some:?} {none:?}");
        assert!((some.1 - none.1 * (1.0 - way * 0.005)).abs() < 0.0101, "{some:?} {none:?}");
        assert!(some.2 < none.2);
    }
}

fn random_signals(seed: u64) -> impl Fn(usize, usize) -> Signals {
    move |t, s| {
        let mut x = seed ^ ((t as u64) << 20) ^ s as u64;
        x = (x ^ (x >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        x ^= x >> 29;
        let flags = if x.is_multiple_of(5) { (x >> 8) as u8 & 15 } else { 0 };
        let stop = |k: u32| ((x >> k) % 100) as f64 / 400.0 + 0.01;
        entry(flags, stop(16), stop(24), if x & 1 == 0 { f64::NAN } else { stop(32) })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Every change of cash is an entry, and they sum to the balance at every step; the trades'
    /// profits sum to the change of the wallet; a shorter run is a prefix of a longer one.
    #[test]
    fn cash_flows_sum_to_the_balance(seed in 1u64..1 << 40, lev in 1.0f64..40.0, cross: bool, cut in 50usize..299) {
        let m = walk(300, 3, seed);
        let b = bound(3, lev, if cross { MarginMode::Cross } else { MarginMode::Isolated });
        let r = run(&m, &b, 5.0, random_signals(seed));
        let (mut sum, mut insured) = (0.0, 0.0);
        for record in &r.records {
            if let Record::Cash { amount, balance, kind, .. } = record {
                sum += amount;
                insured += if *kind == CashKind::Insurance { *amount } else { 0.0 };
                prop_assert_eq!(sum, *balance);
            }
        }
        prop_assert_eq!(sum, *r.equity.last().unwrap());
        let pnl: f64 = r.trades.iter().map(|t| t.pnl_usdt).sum();
        prop_assert!((pnl + insured - (sum - 1020.0)).abs() < 1e-6, "{} {}", pnl, sum - 1020.0);
        prop_assert!(r.trades.iter().all(|t| t.mae <= 0.0 && t.mfe >= 0.0));
        let short = run(&m.slice(0, cut), &b, 5.0, random_signals(seed));
        let common = short.records.iter().zip(&r.records).take_while(|(a, b)| a == b).count();
        let tail = &short.records[common..];
        let end_ms = m.times[cut - 1];
        prop_assert!(tail.iter().all(|r| r.ms() == end_ms));
    }
}
