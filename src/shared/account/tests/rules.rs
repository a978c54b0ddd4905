//! The rules of a bar with worked numbers: what comes first, what fills, who survives.

use super::events::funded;
use super::*;

/// A market of whole hours in which each symbol has these bars: open, high, low, close; marks as traded.
pub(super) fn market(symbols: &[Vec<[f64; 4]>]) -> Market {
    let columns = symbols.iter().map(|bars| {
        let mut c = Columns::default();
        for (at, (field, mark)) in [
            (Field::Open, Field::MarkOpen),
            (Field::High, Field::MarkHigh),
            (Field::Low, Field::MarkLow),
            (Field::Close, Field::MarkClose),
        ]
        .into_iter()
        .enumerate()
        {
            *c.get_mut(field) = bars.iter().map(|b| b[at]).collect();
            *c.get_mut(mark) = bars.iter().map(|b| b[at]).collect();
        }
        *c.get_mut(Field::Volume) = vec![1.0; bars.len()];
        c
    });
    let times = (0..symbols[0].len() as i64).map(|t| DAY_0 + t * DAY_MS).collect();
    let names = (0..symbols.len()).map(|s| format!("S{s}USDT")).collect();
    Market::new(DAY_MS, times, names, columns.collect(), true)
}

const FLAT: [f64; 4] = [100.0; 4];

fn long_with(stop_loss: f64) -> impl Fn(usize, usize) -> Signals {
    move |t, _| if t == 0 { entry(flag::LONG_ENTRY, stop_loss, f64::NAN, f64::NAN) } else { Signals::NONE }
}

/// Ten times, isolated, a low of 70: a stop at 97 lies in front of the liquidation price of 90.36 and fills; one
/// at 88 lies behind it; of a bar that opens at 80 nobody was asked.
#[test]
fn what_lies_nearer_comes_first() {
    let b = bound(1, 10.0, MarginMode::Isolated);
    let with = |stop: f64, bar: [f64; 4]| {
        let r = run(&market(&[vec![FLAT, FLAT, bar, FLAT]]), &b, 0.0, long_with(stop));
        (r.trades[0].rule, r.trades[0].exit, r.trades[0].pnl_usdt)
    };
    let (rule, exit, pnl) = with(0.03, [100.0, 100.0, 70.0, 100.0]);
    assert_eq!((rule, exit), (Rule::StopLoss, 97.0));
    // 10.2 BTC of equity 1020 at 100: 30.60 and the fees of 0.51 and 0.4947.
    assert!((pnl + 30.6 + 0.51 + 0.4947).abs() < 1e-9, "{pnl}");
    let (rule, exit, pnl) = with(0.12, [100.0, 100.0, 70.0, 100.0]);
    assert_eq!((rule, (exit * 100.0).round()), (Rule::Liquidation, 9036.0));
    assert!((pnl + 102.0 + 0.51).abs() < 1e-9, "{pnl}");
    assert_eq!(with(0.03, [80.0, 100.0, 70.0, 100.0]).0, Rule::Liquidation);
    // The mark crosses the liquidation price, and the traded price does not reach the stop.
    let mut m = market(&[vec![FLAT, FLAT, [100.0, 100.0, 98.0, 100.0], FLAT]]);
    m.columns[0].get_mut(Field::MarkLow)[2] = 90.0;
    assert_eq!(run(&m, &b, 0.0, long_with(0.03)).trades[0].rule, Rule::Liquidation);
}

/// A limit order fills when the price trades through it, as maker; touched, it stands.
#[test]
fn a_take_profit_stands_in_the_book() {
    let b = bound(1, 1.0, MarginMode::Isolated);
    let with = |bar: [f64; 4]| {
        let take = |t: usize, _: usize| match t {
            0 => entry(flag::LONG_ENTRY, f64::NAN, 0.05, f64::NAN),
            _ => Signals::NONE,
        };
        let r = run(&market(&[vec![FLAT, FLAT, bar, FLAT]]), &b, 0.0, take);
        (r.trades[0].rule, r.trades[0].exit, r.trades[0].fees_usdt)
    };
    assert_eq!(with([100.0, 105.0, 100.0, 100.0]).0, Rule::WindowEnd, "only touched");
    // 1.02 BTC at 100: taker in, maker out.
    let (rule, exit, fees) = with([100.0, 105.01, 100.0, 100.0]);
    assert_eq!((rule, exit), (Rule::TakeProfit, 105.0));
    assert!((fees - 1.02 * (100.0 * 0.0005 + 105.0 * 0.0002)).abs() < 1e-12, "{fees}");
    let (rule, exit, fees) = with([107.0, 108.0, 100.0, 100.0]);
    assert_eq!((rule, exit), (Rule::TakeProfitGap, 107.0));
    assert!((fees - 1.02 * (100.0 * 0.0005 + 107.0 * 0.0002)).abs() < 1e-12, "{fees}");
}

/// Prices lie on the tick of 0.01 where the bar opens on it, and quantities are decimal numbers.
#[test]
fn ticks_and_steps() {
    let b = bound(1, 1.0, MarginMode::Isolated);
    let m = market(&[vec![FLAT, FLAT, [100.0, 100.0, 90.0, 95.0]]]);
    let r = run(&m, &b, 1.2345, long_with(0.012_345));
    // 100.012345 up to 100.02; 98.785… to 98.79, less slippage 98.7778… down to 98.77.
    assert_eq!((r.trades[0].entry, r.trades[0].exit), (100.02, 98.77));
    let off = market(&[vec![FLAT, [100.001, 101.0, 100.0, 100.5], [100.0, 100.0, 90.0, 95.0]]]);
    assert!((run(&off, &b, 1.2345, long_with(0.5)).trades[0].entry - 100.001 * 1.000_123_45).abs() < 1e-12);
    for units in [29_054.0, 57.0, 1_234_567.0] {
        let (cash, m) = (units * 1.000_000_1, market(&[vec![FLAT, FLAT, FLAT]]));
        let r = run_with(cash, &m, &b, 0.0, long_with(0.5));
        assert_eq!(r.trades[0].qty, units / 1000.0);
    }
}

/// Funding takes an isolated wallet below zero while profit holds the position up; then it is liquidated: lost
/// are the margin and the fee, and the profit pays the rest.
#[test]
fn a_wallet_below_zero_is_lost_with_its_sign() {
    let up = [100.0, 130.0, 100.0, 130.0];
    let m = market(&[vec![FLAT, FLAT, up, [130.0; 4], [130.0, 130.0, 60.0, 60.0], FLAT]]);
    // At 130: a fifth of the notional, twice the margin of a tenth and more.
    let m = funded(m, &[(3.0, 0.2, 130.0)]);
    let r = run(&m, &bound(1, 10.0, MarginMode::Isolated), 0.0, long_with(0.9));
    let t = &r.trades[0];
    assert_eq!(t.rule, Rule::Liquidation);
    assert!((t.funding_usdt + 10.2 * 130.0 * 0.2).abs() < 1e-9);
    assert!((t.pnl_usdt + 102.0 + 0.51).abs() < 1e-9, "{}", t.pnl_usdt);
    assert!((r.equity.last().unwrap() - (1020.0 - 102.51)).abs() < 1e-9);
    r.check_sums().unwrap();
}

/// Long one, short the other, both move by 12 % and back: the account lives, and nobody knows how. Long both: it
/// is dead. A stop on the way to the lows saves it.
#[test]
fn a_cross_account_is_safe_dead_or_undecided() {
    let swing = [100.0, 112.0, 88.0, 100.0];
    let m = market(&[vec![FLAT, FLAT, swing, FLAT], vec![FLAT, FLAT, swing, FLAT]]);
    let mut b = bound(2, 10.0, MarginMode::Cross);
    b.margin_fraction = 0.45;
    let with = |second: u8, stop: f64| {
        run(&m, &b, 0.0, move |t, s| match (t, s) {
            (0, 0) => entry(flag::LONG_ENTRY, stop, f64::NAN, f64::NAN),
            (0, _) => entry(second, stop, f64::NAN, f64::NAN),
            _ => Signals::NONE,
        })
    };
    let hedged = with(flag::SHORT_ENTRY, f64::NAN);
    assert_eq!((hedged.counts.undecided_bars, hedged.counts.liquidations, hedged.trades.len()), (1, 0, 2));
    let dead = with(flag::LONG_ENTRY, f64::NAN);
    assert_eq!((dead.counts.undecided_bars, dead.counts.liquidations), (0, 2));
    assert!(dead.trades.iter().all(|t| t.exit == 88.0) && dead.counts.insurance_usdt > 0.0);
    dead.check_sums().unwrap();
    let stopped = with(flag::LONG_ENTRY, 0.05);
    assert_eq!((stopped.counts.undecided_bars, stopped.counts.liquidations), (0, 0));
    assert!(stopped.trades.iter().all(|t| (t.rule, t.exit) == (Rule::StopLoss, 95.0)));
}

/// A stop behind the liquidation price saves no cross account, however deep the bar goes; one in front of it does. Of
/// two symbols, the one whose stop comes first on the way is closed, and the other dies with the account.
#[test]
fn a_stop_behind_the_liquidation_saves_nobody() {
    let mut b = bound(1, 10.0, MarginMode::Cross);
    b.margin_fraction = 0.9;
    let with = |stop: f64, low: f64| {
        let m = market(&[vec![FLAT, FLAT, [100.0, 100.0, low, 95.0], [95.0; 4]]]);
        run(&m, &b, 0.0, long_with(stop)).trades[0].rule
    };
    // Nine times the equity: it dies a little above 89.2.
    for low in [89.0, 88.5, 88.0, 80.0, 50.0] {
        assert_eq!(with(0.112, low), Rule::Liquidation, "{low}");
        assert_eq!(with(0.10, low), Rule::StopLoss, "{low}");
    }
    let mut b = bound(2, 10.0, MarginMode::Cross);
    b.margin_fraction = 0.48;
    let m = market(&[vec![FLAT, FLAT, [100.0, 100.0, 70.0, 95.0]], vec![FLAT, FLAT, [100.0, 100.0, 70.0, 95.0]]]);
    let r = run(&m, &b, 0.0, |t, s| match (t, s) {
        (0, 0) => entry(flag::LONG_ENTRY, 0.03, f64::NAN, f64::NAN),
        (0, _) => enters(flag::LONG_ENTRY),
        _ => Signals::NONE,
    });
    let found: Vec<_> = r.trades.iter().map(|t| (t.symbol, t.rule, t.exit)).collect();
    assert_eq!(found, [(0, Rule::StopLoss, 97.0), (1, Rule::Liquidation, 70.0)]);
}

/// Profit that is not realised backs a new position in cross.
#[test]
fn free_margin_counts_what_is_not_realised() {
    let rise = [[100.0, 150.0, 100.0, 150.0], [150.0; 4], [150.0; 4]];
    let first: Vec<[f64; 4]> = [FLAT, FLAT].into_iter().chain(rise).collect();
    let m = market(&[first, vec![FLAT; 5]]);
    let mut b = bound(2, 2.0, MarginMode::Cross);
    b.margin_fraction = 0.8;
    // 816 of margin at first; at 150 another 816 are free, and 0.8 · 1836 would need 1468.
    let r = run(&m, &b, 0.0, |t, s| match (t, s) {
        (0, 0) | (3, 1) => enters(flag::LONG_ENTRY),
        _ => Signals::NONE,
    });
    assert_eq!(orders(&r)[1].3, Outcome::InsufficientMargin);
    b.margin_fraction = 0.5;
    // 510 of margin; equity 1530 at 150, 765 wanted, 1530 - 510 - 0.51 free: without the profit only 509.
    let r = run(&m, &b, 0.0, |t, s| match (t, s) {
        (0, 0) | (3, 1) => enters(flag::LONG_ENTRY),
        _ => Signals::NONE,
    });
    assert_eq!(orders(&r)[1].3, Outcome::Filled);
}

/// An account that lost everything stops: no order after it, and it says since when.
#[test]
fn ruin_ends_a_run() {
    let crash = [100.0, 100.0, 20.0, 20.0];
    let m = market(&[vec![FLAT, FLAT, crash, [20.0; 4], [20.0; 4], [20.0; 4]]]);
    let mut b = bound(1, 10.0, MarginMode::Cross);
    b.margin_fraction = 0.9;
    let r = run(&m, &b, 0.0, |_, _| enters(flag::LONG_ENTRY));
    assert_eq!(r.ruined_ms, Some(DAY_0 + 2 * DAY_MS));
    assert_eq!((r.trades.len(), orders(&r).len(), r.equity.len()), (1, 2, 6));
    assert_eq!(r.equity[2..], [0.0; 4]);
    let poor = run_with(0.4, &market(&[vec![FLAT; 4]]), &b, 0.0, |_, _| enters(flag::LONG_ENTRY));
    assert_eq!((poor.ruined_ms, poor.trades.len()), (Some(DAY_0), 0), "5 USDT at ten times need 0.50");
    let able = run_with(0.6, &market(&[vec![FLAT; 4]]), &b, 0.0, |_, _| Signals::NONE);
    assert_eq!(able.ruined_ms, None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever happens: the sums hold, windows add up to the whole, and what a worst case of every symbol does
    /// not kill, no path kills.
    #[test]
    fn sums_and_windows(seed in 1u64..1 << 40, lev in 1.0f64..60.0, cross: bool, cuts in proptest::collection::vec(0usize..300, 1..6)) {
        let m = walk(300, 3, seed);
        let mut b = bound(3, lev, if cross { MarginMode::Cross } else { MarginMode::Isolated });
        b.margin_fraction = 0.3;
        let book = book();
        let assumptions = Assumptions { initial_cash_usdt: 1020.0, slippage_bps: 2.0, ..Assumptions::default() };
        let mut account = Account::new(b.clone(), &book, &assumptions, m.times[0], true).unwrap();
        let signals = random_signals(seed);
        let mut cuts = cuts;
        cuts.sort_unstable();
        let mut marks = vec![account.so_far().mark()];
        for index in 0..m.len() {
            if cuts.contains(&index) {
                marks.push(account.so_far().mark());
            }
            account.step(&MarketBar { market: &m, index }, |s| signals(index, s)).unwrap();
        }
        let r = account.finish(&MarketBar { market: &m, index: m.len() - 1 });
        prop_assert_eq!(r.check_sums(), Ok(()));
        marks.push(r.whole().mark());
        let whole = r.whole();
        let windows: Vec<_> = marks.windows(2).map(|w| whole.between(&w[0], &w[1])).collect();
        let sum = |of: fn(&crate::account::Window<'_>) -> f64| windows.iter().map(of).sum::<f64>();
        prop_assert!((sum(|w| w.counts.fees_usdt) - r.counts.fees_usdt).abs() < 1e-6);
        prop_assert_eq!(sum(|w| w.trades.len() as f64) as usize, r.trades.len());
        prop_assert_eq!(sum(|w| w.equity.len() as f64) as usize, r.equity.len());
        for pair in windows.windows(2) {
            prop_assert_eq!(pair[1].initial_usdt, pair[0].equity.last().copied().unwrap_or(pair[0].initial_usdt));
        }
        if let Some(ms) = r.ruined_ms {
            prop_assert!(r.trades.iter().all(|t| t.exit_ms <= ms));
        }
    }
}

/// A long of 20 million USDT at ten times, isolated: its liquidation price lies in the bracket of 12 to 70 million with
/// 2 %. In parts it is sold down to 12 million, the fee of 1.25 % on what is sold, and the rest holds: 2 % of what is
/// sold were kept for it. One in the lowest brackets is lost whole.
#[test]
fn liquidation_in_parts() {
    let low = |low: f64| market(&[vec![FLAT, FLAT, [100.0, 100.0, low, low], [low; 4]]]);
    let (b, book) = (bound(1, 10.0, MarginMode::Isolated), book());
    let with = |initial_cash_usdt: f64, m: &Market, partial_liquidation: bool| {
        let a = Assumptions { initial_cash_usdt, partial_liquidation, ..Assumptions::default() };
        let mut account = Account::new(b.clone(), &book, &a, m.times[0], true).unwrap();
        for index in 0..m.len() {
            account.step(&MarketBar { market: m, index }, |s| long_with(f64::NAN)(index, s)).unwrap();
        }
        let run = account.finish(&MarketBar { market: m, index: m.len() - 1 });
        run.check_sums().unwrap();
        run
    };
    // Equity of 20 million, a tenth of it as margin, ten times: 200,000 BTC at 100, wallet 2 million.
    let whole = with(20e6, &low(91.0), false);
    assert_eq!((whole.trades[0].rule, whole.trades[0].parts), (Rule::Liquidation, 0));
    assert!((whole.trades[0].pnl_usdt + 2e6 + 10_000.0).abs() < 1e-6);
    // LP = (2e6 + 132000 - 2e7) / (2e5 * 0.02 - 2e5) = 91.1632653…
    let lp = (2e6 + 132_000.0 - 2e7) / (2e5 * 0.02 - 2e5);
    let parts = with(20e6, &low(91.0), true);
    let t = &parts.trades[0];
    assert_eq!((t.rule, t.parts, parts.counts.liquidations), (Rule::WindowEnd, 1, 1));
    let left = f64::floor(12e6 / lp * 1000.0) / 1000.0;
    let sold = 2e5 - left;
    let pnl = sold * (lp - 100.0) - sold * lp * 0.0125 + left * (91.0 - 100.0) - left * 91.0 * 0.0005 - 10_000.0;
    assert!((t.pnl_usdt - pnl).abs() < 1e-6, "{} {pnl}", t.pnl_usdt);
    // Further down the rest goes too: the lower brackets keep less than the fee.
    let deep = with(20e6, &low(70.0), true);
    assert_eq!(deep.trades[0].rule, Rule::Liquidation);
    assert!((deep.trades[0].pnl_usdt + 2e6 + 10_000.0).abs() < 1e-6, "{}", deep.trades[0].pnl_usdt);
    assert!(deep.counts.liquidations > 2);
    let small = [false, true].map(|partial| with(20_000.0, &low(70.0), partial).stream_hash);
    assert_eq!(small[0], small[1]);
}
