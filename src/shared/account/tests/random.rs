//! Whatever is asked for, in whatever order: what must hold of every account.

use super::*;
use crate::account::view::View;
use crate::account::{Impact, LossLimits};
use crate::order::{Action, Follow, Intent, Kind, Level, Levels, Orders, Size, Step, Target};

/// Numbers from a seed, a bar, a symbol and a place: the same whenever they are asked for.
#[derive(Clone, Copy)]
struct Dice(u64);

impl Dice {
    fn at(seed: u64, bar: usize, symbol: usize) -> Dice {
        Dice(seed ^ (bar as u64 * 1_000_003 + symbol as u64 * 7919))
    }

    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn of(&mut self, n: usize) -> usize {
        (self.next() * n as f64) as usize
    }

    fn levels(&mut self, close: f64, side: f64) -> Levels {
        let level = |d: &mut Dice, way: f64| match d.of(3) {
            0 => Level::None,
            1 => Level::Average(0.002 + 0.05 * d.next()),
            _ => Level::Price(close * (1.0 + way * side * 0.05 * d.next())),
        };
        let (stop, take) = (level(self, -1.0), level(self, 1.0));
        let trail = if self.of(4) == 0 { 0.005 + 0.05 * self.next() } else { f64::NAN };
        let mut out = Levels { stop, take, trail, loosen: self.of(3) == 0, ..Levels::NONE };
        if self.of(3) == 0 {
            out.steps[0] = Some(Step { after: 0.01, follow: Follow::Entry(0.001) });
            out.steps[1] = Some(Step { after: 0.03, follow: Follow::Best(0.01) });
        }
        out
    }

    fn order(&mut self, close: f64) -> Intent {
        let side = if self.of(2) == 0 { 1.0 } else { -1.0 };
        let action = [Action::Enter, Action::Enter, Action::Add, Action::AddWithEntry, Action::Reduce][self.of(5)];
        let price = close * (0.96 + 0.08 * self.next());
        let kind = match self.of(3) {
            0 => Kind::Market,
            1 => Kind::Limit { price, bars: 0 },
            _ => Kind::Stop { price, bars: 0 },
        };
        let size = match self.of(6) {
            0 => Size::Notional(200.0 + 3000.0 * self.next()),
            1 => Size::Equity(self.next()),
            2 => Size::Margin(0.3 * self.next()),
            3 => Size::Risk { fraction: 0.01, distance: close * 0.03 },
            4 => Size::Position(self.next()),
            _ => Size::Quantity(self.next() * 20.0),
        };
        let leverage = (self.of(3) == 0).then(|| 1.0 + 10.0 * self.next());
        Intent { action, side, kind, size, leverage, levels: self.levels(close, side), tag: self.of(5) as u16 }
    }
}

/// Orders, levels and targets at random, from nothing but the seed, the bar and what is seen.
fn decide<B: crate::market::Bar>(seed: u64, bar: usize, view: &View<'_, '_, B>, orders: &mut Orders, symbols: usize) {
    for symbol in 0..symbols {
        let mut dice = Dice::at(seed, bar, symbol);
        let close = view.bar().get(symbol, Field::Close);
        for _ in 0..dice.of(4) {
            orders.order(symbol, dice.order(close));
        }
        match dice.of(10) {
            0 => orders.cancel(symbol),
            1 | 2 => orders.levels(symbol, dice.levels(close, view.position(symbol).map_or(1.0, |p| p.side))),
            _ => {}
        }
    }
    let mut dice = Dice::at(seed ^ 77, bar, 0);
    if dice.of(8) == 0 {
        let weights = (0..symbols).map(|s| (s, dice.next() * 1.2 - 0.6)).collect();
        let levels = dice.levels(view.bar().get(0, Field::Close), 1.0);
        orders.target(Target { weights, band: 0.05, together: dice.of(2) == 0, levels, tag: 9 });
    }
}

fn run_random(seed: u64, a: &Assumptions, b: &Terms, m: &Market, every: usize) -> Run {
    let book = book();
    let mut account = Account::new(b.clone(), &book, a, m.times[0], true).unwrap();
    for index in 0..m.len() {
        let ask = |view: &View<'_, '_, MarketBar<'_>>, orders: &mut Orders| {
            if (index + 1) % every == 0 {
                decide(seed, index / every, view, orders, b.symbols.len());
            }
        };
        account.step_with(&MarketBar { market: m, index }, ask).unwrap();
        // What stands and what is locked is what it says.
        let standing: usize = account.book_of.iter().map(Vec::len).sum();
        assert_eq!((account.standing, account.open), (standing, account.positions.iter().flatten().count()));
        for p in account.positions.iter().flatten() {
            assert!(p.qty > 0.0 && p.initial_margin > 0.0 && p.entry > 0.0, "{p:?}");
        }
        for (symbol, book) in account.book_of.iter().enumerate() {
            let held = account.positions[symbol].is_some();
            assert!(held || book.iter().all(|o| o.action == Action::Enter || o.waits != 0), "orders of no position");
        }
    }
    account.finish(&MarketBar { market: m, index: m.len() - 1 })
}

fn terms(cross: bool, leverage: f64) -> Terms {
    let mode = if cross { MarginMode::Cross } else { MarginMode::Isolated };
    Terms { cooldown_bars: 2, ..bound(3, leverage, mode) }
}

const RICH: Assumptions = Assumptions {
    initial_cash_usdt: 10_000.0,
    slippage_bps: 3.0,
    impact: Impact::None,
    max_volume_share: None,
    carry_over: false,
    partial_liquidation: false,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    /// Sums hold, every record is finite, a bar that is cut off changes nothing before it: orders, fills, cash and
    /// equity alike.
    #[test]
    fn whatever_is_asked_for(
        seed in 1u64..1_000_000, cross: bool, leverage in 1.0f64..30.0, cut in 20usize..140,
        share in 0usize..3, carry: bool, limited: bool,
    ) {
        let m = walk(140, 3, seed);
        let limits = if limited {
            LossLimits { daily: Some(0.03), total: Some(0.5), consecutive: Some(4) }
        } else {
            LossLimits::default()
        };
        let b = Terms { limits, max_positions: 2 + usize::from(cross), ..terms(cross, leverage) };
        let a = Assumptions {
            max_volume_share: [None, Some(0.01), Some(0.5)][share],
            carry_over: carry,
            partial_liquidation: carry,
            impact: if limited { Impact::SquareRoot { factor: 1.0 } } else { Impact::Range { share: 0.05 } },
            ..RICH
        };
        let whole = run_random(seed, &a, &b, &m, 1);
        whole.check_sums().unwrap();
        let mut sum = 0.0;
        for r in &whole.records {
            let numbers: Vec<f64> = match r {
                Record::Cash { amount, balance, .. } => {
                    sum += amount;
                    prop_assert_eq!(sum, *balance);
                    vec![*amount]
                }
                Record::Fill { qty, price, fee, .. } => vec![*qty, *price, *fee],
                Record::Order { qty, .. } => vec![*qty],
                Record::Book { qty, price, .. } => vec![*qty, *price],
            };
            prop_assert!(numbers.iter().all(|v| v.is_finite()), "{:?}", r);
        }
        let entered: f64 = whole.trades.iter().map(|t| t.qty).sum();
        let bought: f64 = whole.records.iter().map(|r| match r {
            Record::Fill { side, qty, .. } => f64::from(*side) * qty,
            _ => 0.0,
        }).sum();
        prop_assert!(bought.abs() < 1e-6 * entered.max(1.0), "everything that was bought was sold: {}", bought);
        let short = run_random(seed, &a, &b, &m.slice(0, cut), 1);
        let end = m.times[cut - 1];
        let before = |r: &Run| r.records.iter().filter(|r| r.ms() < end).copied().collect::<Vec<_>>();
        prop_assert_eq!(before(&short), before(&whole));
        for t in 0..cut - 1 {
            prop_assert_eq!(short.equity[t].to_bits(), whole.equity[t].to_bits());
        }
        prop_assert_eq!(run_random(seed, &a, &b, &m, 1).stream_hash, whole.stream_hash);
    }

    /// Long bars with their finer ones are the finer ones alone, asked at the long bars' closes: with orders that
    /// stand, adds, parts and levels too.
    #[test]
    fn finer_bars_with_orders(seed in 1u64..1_000_000, cross: bool, leverage in 1.0f64..20.0, per in 2usize..5) {
        let fine = walk(61 * per, 3, seed).slice(per, 61 * per);
        // Which of two bars opens on the tick by chance is another matter.
        let on_tick = |v: &f64| (v * 100.0 - (v * 100.0).round()).abs() < 1e-5;
        prop_assume!(!fine.columns.iter().any(|c| c.get(Field::Open).iter().any(on_tick)));
        let b = Terms { cooldown_bars: 0, ..terms(cross, leverage) };
        let detailed = fine.coarser(per).with_detail(fine.clone()).unwrap();
        let long = run_random(seed, &RICH, &b, &detailed, 1);
        let alone = run_random(seed, &RICH, &b, &fine, per);
        prop_assume!(alone.ruined_ms.is_none());
        let end = fine.times[59 * per];
        let before = |r: &Run| r.records.iter().filter(|r| r.ms() < end).copied().collect::<Vec<_>>();
        let (a, b) = (before(&long), before(&alone));
        let first = a.iter().zip(&b).position(|(x, y)| x != y).unwrap_or(a.len().min(b.len()));
        prop_assert_eq!(a.get(first), b.get(first), "after {:?}", a.get(first.saturating_sub(4)..first));
        for (bar, equity) in long.equity.iter().enumerate() {
            prop_assert_eq!(equity.to_bits(), alone.equity[(bar + 1) * per - 1].to_bits());
        }
    }
}
