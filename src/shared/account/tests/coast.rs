//! Stretches at once are bars one by one, to the last bit.

use super::*;
use crate::account::coast::{Concerns, Said};
use crate::account::{Impact, LossLimits};
use crate::market::course::Course;
use crate::market::tests::young;

/// Signals at random: rare ones, often ones, contradictions.
struct Random {
    seed: u64,
    often: u64,
    stops: [f64; 3],
}

impl Random {
    fn dice(&self, symbol: usize, bar: usize, more: u64) -> u64 {
        let mut z = self.seed ^ (symbol as u64) << 40 ^ (bar as u64) << 8 ^ more;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

impl Said for Random {
    fn at(&self, symbol: usize, bar: usize) -> Signals {
        let flags = (self.dice(symbol, bar, 1) % 16) as u8;
        if !self.dice(symbol, bar, 2).is_multiple_of(self.often) || flags == 0 {
            return Signals::NONE;
        }
        let stop = |k: usize| self.stops[k] * (1.0 + (self.dice(symbol, bar, 3 + k as u64) % 8) as f64);
        Signals { flags, stop_loss: stop(0), take_profit: stop(1), trailing_stop: stop(2) }
    }
}

impl Concerns for Random {
    fn next(&self, symbol: usize, side: f64, from: usize, to: usize) -> usize {
        let concerns = |bar: usize| {
            let on = |bit: u8| self.at(symbol, bar).flags & bit != 0;
            let (long, short) = (on(flag::LONG_ENTRY), on(flag::SHORT_ENTRY));
            match side {
                0.0 => long != short,
                1.0 => short && !long || on(flag::LONG_EXIT),
                _ => long && !short || on(flag::SHORT_EXIT),
            }
        };
        (from..to).find(|bar| concerns(*bar)).unwrap_or(to)
    }
}

fn both(m: &Market, terms: &Terms, a: &Assumptions, said: &Random) -> (Run, Run, usize) {
    let book = book();
    let begin = || Account::new(terms.clone(), &book, a, m.times[0], true).unwrap();
    let last = MarketBar { market: m, index: m.len() - 1 };
    let (mut plain, mut fast, courses) = (begin(), begin(), Course::of(m));
    for index in 0..m.len() {
        plain.step(&MarketBar { market: m, index }, |s| said.at(s, index)).unwrap();
    }
    // In two parts, as a study goes from fold to fold.
    let half = m.len() / 2;
    let mut alone = fast.steps(m, &courses, 0..half, said).unwrap();
    assert_eq!(fast.so_far().equity.len(), half);
    alone += fast.steps(m, &courses, half..m.len(), said).unwrap();
    (plain.finish(&last), fast.finish(&last), alone)
}

/// Funding at odd moments: some settlements lie inside their bars.
fn late(mut m: Market, by: i64) -> Market {
    for c in &mut m.columns {
        c.settlements.iter_mut().enumerate().for_each(|(n, s)| s.ms += if n % 3 == 0 { by } else { 0 });
    }
    Market::new(m.interval_ms, m.times, m.symbols, m.columns, m.generated)
}

/// Funding that eats positions up.
fn heavy(mut m: Market, times: f64) -> Market {
    m.columns.iter_mut().flat_map(|c| &mut c.settlements).for_each(|s| s.rate *= times);
    Market::new(m.interval_ms, m.times, m.symbols, m.columns, m.generated)
}

/// Prices on the tick.
fn on_tick(mut m: Market) -> Market {
    for c in &mut m.columns {
        for field in [Field::Open, Field::High, Field::Low, Field::Close] {
            c.get_mut(field).iter_mut().for_each(|v| *v = (*v * 10.0).round() / 10.0);
        }
    }
    m
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 400 } else { 4000 }))]
    /// Isolated and cross, high and low leverage, stops that follow, ruin, delisted and young symbols, funding inside
    /// bars, finer bars, costs that look at bars, cool-downs and limits.
    #[test]
    fn stretches_are_their_bars(
        seed in 1u64..1_000_000, cross: bool, leverage in prop::sample::select(vec![1.0, 2.0, 5.0, 20.0, 60.0]),
        often in prop::sample::select(vec![3u64, 20, 90, 300]), which in 0usize..8, odd in 0usize..9, fraction in 0.02f64..0.9,
    ) {
        let fine = walk(1_200, 3, seed);
        let m = match odd {
            0 => young(fine, 1, 200..700),
            1 => late(fine, 1_234),
            2 => fine.coarser(4).with_detail(fine.clone()).unwrap(),
            3 => late(young(fine, 2, 0..600), 5),
            4 => on_tick(fine),
            5 => heavy(fine, 30.0),
            6 => heavy(late(fine, 99), 120.0),
            _ => fine,
        };
        let pick = |k: usize, v: f64| if which >> k & 1 == 1 { v } else { f64::NAN };
        let said = Random { seed, often, stops: [pick(0, 0.01), pick(1, 0.02), pick(2, 0.012)] };
        let mode = if cross { MarginMode::Cross } else { MarginMode::Isolated };
        let terms = Terms {
            stops: vec![[0, 1, 2].map(|k| which >> k & 1 == 1); 3],
            margin_fraction: fraction,
            cooldown_bars: if seed % 3 == 0 { 5 } else { 0 },
            limits: if seed % 7 == 0 { LossLimits { daily: Some(0.02), ..LossLimits::default() } } else { LossLimits::default() },
            ..bound(3, leverage, mode)
        };
        let impact = if seed % 5 == 0 { Impact::Range { share: 0.1 } } else { Impact::None };
        let cash = if seed % 11 == 0 { 60.0 } else { 10_000.0 };
        let a = Assumptions { initial_cash_usdt: cash, slippage_bps: 1.5, impact, ..Assumptions::default() };
        let (plain, fast, _) = both(&m, &terms, &a, &said);
        prop_assert_eq!(plain.stream_hash, fast.stream_hash);
        for (t, (a, b)) in plain.equity.iter().zip(&fast.equity).enumerate() {
            prop_assert_eq!(a.to_bits(), b.to_bits(), "equity at {}", t);
        }
        prop_assert_eq!(plain, fast);
    }
}

/// Most bars are in stretches: what this is for.
#[test]
fn most_bars_are_not_alone() {
    let m = walk(4_000, 3, 7);
    let said = Random { seed: 7, often: 300, stops: [f64::NAN; 3] };
    for mode in [MarginMode::Isolated, MarginMode::Cross] {
        let (plain, fast, alone) = both(&m, &bound(3, 2.0, mode), &Assumptions::default(), &said);
        assert_eq!(plain, fast);
        assert!(plain.counts.exposed_bars > 1_000 && alone < 400, "{alone} bars alone, {:?}", plain.counts);
    }
}
