//! Finer bars: they show what came first, and change nothing else.

use super::rules::market;
use super::*;

/// Daily bars of finer ones, with them beside.
fn detailed(fine: &Market, per: usize) -> Market {
    fine.coarser(per).with_detail(fine.clone()).unwrap()
}

/// A bar that goes up to 106 and then down to 96, or the other way: a stop at 97 and a target at 105 are reached in
/// that order. Without the path the stop comes first.
#[test]
fn the_path_tells_what_came_first() {
    let flat = [100.0; 4];
    let up = [[100.0, 106.0, 100.0, 104.0], [104.0, 104.0, 96.0, 100.0]];
    let down = [[100.0, 100.0, 96.0, 98.0], [98.0, 106.0, 98.0, 100.0]];
    for (path, rule, at) in [(up, Rule::TakeProfit, 0), (down, Rule::StopLoss, 0)] {
        let fine = market(&[vec![flat, flat, flat, flat, path[0], path[1], flat, flat]]);
        let both = |t: usize, _: usize| {
            if t == 0 { entry(flag::LONG_ENTRY, 0.03, 0.05, f64::NAN) } else { Signals::NONE }
        };
        let b = bound(1, 1.0, MarginMode::Isolated);
        let known = run(&detailed(&fine, 2), &b, 0.0, both);
        assert_eq!((known.trades[0].rule, known.trades[0].exit_ms), (rule, fine.times[4 + at]));
        assert_eq!(run(&fine.coarser(2), &b, 0.0, both).trades[0].rule, Rule::StopLoss);
        // Of a bar whose path is not known as a whole nothing is taken from it.
        let mut torn = fine.clone();
        torn.columns[0].fields.iter_mut().take(9).for_each(|c| c[5] = f64::NAN);
        let torn = fine.coarser(2).with_detail(torn).unwrap();
        assert_eq!(run(&torn, &b, 0.0, both).trades[0].rule, Rule::StopLoss);
    }
}

/// Long one and short the other, both twelve percent up and then down: nobody knows without the path; with it the
/// account lives when they moved together, and dies when they did not.
#[test]
fn undecided_bars_are_decided() {
    let flat = [100.0; 4];
    let (rise, fall) = ([100.0, 112.0, 100.0, 100.0], [100.0, 100.0, 88.0, 100.0]);
    let hedge = |t: usize, s: usize| match (t, s) {
        (0, 0) => entry(flag::LONG_ENTRY, f64::NAN, f64::NAN, f64::NAN),
        (0, _) => entry(flag::SHORT_ENTRY, f64::NAN, f64::NAN, f64::NAN),
        _ => Signals::NONE,
    };
    let b = Terms { margin_fraction: 0.45, ..bound(2, 10.0, MarginMode::Cross) };
    let with = |first: [[f64; 4]; 2], second: [[f64; 4]; 2]| {
        let bars = [first, second].map(|p| vec![flat, flat, flat, flat, p[0], p[1], flat, flat]);
        let fine = market(&bars);
        let unknown = run(&fine.coarser(2), &b, 0.0, hedge);
        assert_eq!((unknown.counts.undecided_bars, unknown.counts.liquidations), (1, 0));
        let known = run(&detailed(&fine, 2), &b, 0.0, hedge);
        (known.counts.undecided_bars, known.counts.liquidations)
    };
    assert_eq!(with([rise, fall], [rise, fall]), (0, 0));
    let (_, dead) = with(
        [[100.0, 100.0, 88.0, 88.0], [88.0, 112.0, 88.0, 100.0]],
        [[100.0, 112.0, 100.0, 112.0], [112.0, 112.0, 88.0, 100.0]],
    );
    assert_eq!(dead, 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Long bars with their finer ones give the very trades of the finer ones alone, asked at the long bars' closes
    /// only: prices, times, rules, sums, equity.
    #[test]
    fn as_if_the_finer_bars_were_run(
        seed in 1u64..10_000, per in 2usize..6, cross: bool, leverage in 1.0f64..40.0,
        stop in 0.005f64..0.1, take in 0.005f64..0.1, trail in 0.005f64..0.1, which in 0u8..8,
    ) {
        let fine = walk(60 * per, 2, seed);
        let mode = if cross { MarginMode::Cross } else { MarginMode::Isolated };
        let b = Terms { margin_fraction: 0.3, ..bound(2, leverage, mode) };
        let level = |bit: u8, v: f64| if which & bit != 0 { v } else { f64::NAN };
        let at = |bar: usize, s: usize| {
            let x = (seed ^ (bar as u64 * 31 + s as u64 * 7)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 60;
            entry(if x < 9 { x as u8 } else { 0 }, level(1, stop), level(2, take), level(4, trail))
        };
        let long = run_with(10_000.0, &detailed(&fine, per), &b, 3.0, at);
        let alone = run_with(10_000.0, &fine, &b, 3.0, |t, s| {
            if (t + 1) % per == 0 { at(t / per, s) } else { Signals::NONE }
        });
        // What is open at the end is closed at the last bar's time, which is not the same one.
        prop_assume!(alone.ruined_ms.is_none());
        let end = fine.times[59 * per];
        let told = |r: &Run| {
            let before = r.trades.iter().filter(|t| t.rule != Rule::WindowEnd);
            before.map(|t| crate::account::record::Trade { bars: 0, entry_bar: 0, ..t.clone() }).collect::<Vec<_>>()
        };
        prop_assert_eq!(told(&long), told(&alone));
        let records = |r: &Run| r.records.iter().filter(|r| r.ms() < end).copied().collect::<Vec<_>>();
        prop_assert_eq!(records(&long), records(&alone));
        for (bar, equity) in long.equity.iter().enumerate() {
            prop_assert_eq!(equity.to_bits(), alone.equity[(bar + 1) * per - 1].to_bits());
        }
        long.check_sums().unwrap();
    }
}
