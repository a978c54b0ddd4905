//! A stream of every kind of order, size and level: part of the golden results.

use assay_shared::account::view::View;
use assay_shared::account::{Account, Assumptions, Impact, LossLimits, MarginMode, Terms};
use assay_shared::market::{Bar as _, Field, Market, MarketBar};
use assay_shared::order::{Action, Follow, Intent, Kind, Level, Levels, Orders, Size, Step, Target};
use assay_shared::rulebook::Rulebook;

fn levels() -> Levels {
    let mut out = Levels { stop: Level::Average(0.06), take: Level::Average(0.05), hold: 60, ..Levels::NONE };
    out.steps[0] = Some(Step { after: 0.02, follow: Follow::Entry(0.002) });
    out.steps[1] = Some(Step { after: 0.035, follow: Follow::Best(0.01) });
    out
}

/// What is asked for at a bar: breakouts by stop orders, ladders of limits under market entries, parts at limits, and
/// now and then target weights.
fn ask(t: usize, symbol: usize, view: &View<'_, '_, MarketBar<'_>>, orders: &mut Orders) {
    let get = |field| view.bar().get(symbol, field);
    let (close, high, low) = (get(Field::Close), get(Field::High), get(Field::Low));
    let range = high - low;
    if let Some(p) = view.position(symbol) {
        if p.bars == 3 {
            let part = Intent::market(Action::Reduce, 0.0, Size::Position(0.4));
            orders.order(
                symbol,
                Intent { kind: Kind::Limit { price: p.entry * (1.0 + 0.02 * p.side), bars: 12 }, ..part },
            );
        }
        if p.profit > 0.015 && p.adds < 2 {
            orders.order(symbol, Intent::market(Action::Add, 0.0, Size::Equity(0.05)));
        }
        if p.bars % 10 == 9 {
            orders.levels(symbol, Levels { stop: Level::Price(close - p.side * 3.0 * range), ..levels() });
        }
        return;
    }
    match t % 7 {
        0 => {
            let side = if close > get(Field::Open) { 1.0 } else { -1.0 };
            let enter = Intent { levels: levels(), tag: 1, ..Intent::market(Action::Enter, side, Size::Margin(0.04)) };
            orders.order(symbol, enter);
            for k in 1..=4u16 {
                let price = close * (1.0 - side * 0.006 * f64::from(k));
                let add = Intent::market(Action::AddWithEntry, side, Size::Notional(400.0 * f64::from(k)));
                orders.order(symbol, Intent { kind: Kind::Limit { price, bars: 30 }, tag: 1 + k, ..add });
            }
        }
        3 => {
            for side in [1.0, -1.0] {
                let size = Size::Risk { fraction: 0.005, distance: 2.0 * range };
                let enter =
                    Intent { levels: levels(), leverage: Some(2.0), ..Intent::market(Action::Enter, side, size) };
                orders.order(symbol, Intent { kind: Kind::Stop { price: close + side * range, bars: 3 }, ..enter });
            }
        }
        _ => {}
    }
}

/// The stream, with figures that say what changed.
pub fn stream(name: &str, market: &Market, book: &Rulebook, mode: MarginMode) -> String {
    let symbols: Vec<String> = market.symbols.iter().take(2).cloned().collect();
    let market = market.select(&symbols).unwrap();
    // Enough that a cross account is liquidated now and then.
    let (leverage, most) = if mode == MarginMode::Cross { (40.0, 400_000.0) } else { (4.0, 20_000.0) };
    let terms = Terms {
        leverage: vec![leverage; 2],
        stops: vec![[false; 3]; 2],
        symbols,
        margin_fraction: 0.05,
        mode,
        max_positions: 2,
        max_size_usdt: most,
        cooldown_bars: 4,
        limits: LossLimits { daily: Some(0.03), total: None, consecutive: Some(5) },
    };
    let a = Assumptions {
        initial_cash_usdt: 50_000.0,
        slippage_bps: 1.0,
        impact: Impact::SquareRoot { factor: 1.0 },
        max_volume_share: Some(0.000_2),
        carry_over: true,
        partial_liquidation: true,
    };
    let mut account = Account::new(terms, book, &a, market.times[0], true).unwrap();
    for index in 0..market.len() {
        let decide = |view: &View<'_, '_, MarketBar<'_>>, orders: &mut Orders| {
            (0..2).for_each(|symbol| ask(index, symbol, view, orders));
            if index % 500 == 499 {
                let weights = vec![(0, 0.2), (1, -0.2)];
                orders.target(Target { weights, band: 0.02, together: true, levels: Levels::NONE, tag: 9 });
            }
        };
        account.step_with(&MarketBar { market: &market, index }, decide).unwrap();
    }
    let run = account.finish(&MarketBar { market: &market, index: market.len() - 1 });
    run.check_sums().unwrap();
    let (adds, parts) = run.trades.iter().fold((0, 0), |n, t| (n.0 + t.adds, n.1 + t.parts));
    assert!(run.trades.len() > 50 && adds > 50 && parts > 10, "{} {adds} {parts}", run.trades.len());
    let liquidations = run.counts.liquidations;
    let last = run.equity.last().copied().unwrap_or_default();
    format!(
        "orders {name} {mode:?} {}, {} trades, {liquidations} liquidations, {adds} adds, {parts} parts, {last} USDT",
        run.stream_hash,
        run.trades.len()
    )
}
