//! The language as a whole: columns are bars, cut data are a prefix, research is production, and public strategies can
//! be said.

mod ahead;
mod cases;
mod loops;
mod machines;
mod random;
mod refused;

use assay_lab::rules;
use assay_production::engine::{Anchors, EngineError, replay};
use assay_production::feed::Recorded;
use assay_research::data::generate;
use assay_research::simulate::{prepare, run};
use assay_shared::account::Assumptions;
use assay_shared::market::{Market, MarketBar};
use assay_shared::rulebook::Rulebook;
use assay_shared::rulebook::book::{Between, Wanted};
use assay_shared::strategy::bars::Stepper;
use assay_shared::strategy::bind::bind_with;
use assay_shared::strategy::columns::of_nodes;
use assay_shared::strategy::kept::Kept;
use assay_shared::strategy::space::{Range, defaults};
use assay_shared::strategy::{Params, Strategy, Value};
use assay_shared::time::format_ms;
use std::cell::Cell;

fn parse(text: &str) -> Strategy {
    Strategy::parse(text).unwrap_or_else(|d| {
        let all: Vec<String> = d.iter().map(|d| d.render("strategy", text)).collect();
        panic!("{}\n{text}", all.join("\n"))
    })
}

fn market(bars: usize, seed: u64) -> Market {
    generate::market(&["BTCUSDT", "ETHUSDT", "XRPUSDT"].map(String::from), bars, seed)
}

fn book_of(market: &Market) -> Rulebook {
    let (symbols, from_ms) = (&market.symbols, market.times[0]);
    let wanted = Wanted { symbols, from_ms, between: Between::Harsher, assume_brackets_from: Some("2019-01-01") };
    rules::book(&rules::shipped().unwrap(), rules::SOURCE, &wanted).unwrap()
}

fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || a == b || a.is_nan() && b.is_nan()
}

/// Where each symbol of a market begins.
fn anchors(m: &Market) -> Anchors {
    let said = m.symbols.iter().enumerate().filter_map(|(s, name)| Some((name.clone(), format_ms(m.anchor(s)?))));
    Anchors::new(&m.symbols, &said.collect())
}

fn assumptions() -> Assumptions {
    Assumptions { initial_cash_usdt: 50_000.0, slippage_bps: 1.5, ..Assumptions::default() }
}

/// The lowest value of each parameter.
fn lowest(s: &Strategy) -> Params {
    let low = |(name, range): (&String, &Range)| {
        let value = match range {
            Range::Int { low, .. } => Value::Int(*low),
            Range::Float { low, .. } => Value::Float(*low),
            Range::Choice { choices, .. } => Value::Float(choices[0]),
            Range::Bool { .. } => Value::Truth(false),
            Range::Text { choices, .. } => Value::Text(choices[0].clone()),
        };
        (name.clone(), value)
    };
    s.file.parameters.iter().map(low).collect()
}

/// Every node of a random strategy: whole columns and bar by bar give the same bits, and cutting the data anywhere
/// leaves what came before as it was.
#[test]
fn columns_are_bars_and_cut_data_are_a_prefix() {
    let (mut computed, mut refused) = (0, 0);
    for number in 0..160_u64 {
        let mut dice = random::Dice(number.wrapping_mul(0xD134_2543_DE82_EF95) | 1);
        let text = random::strategy(dice.0, 1 + dice.roll(3));
        let (first, cut) = (dice.roll(30), 1 + dice.roll(139));
        let s = parse(&text);
        // Not from midnight: what the beginning cuts off of a higher bar is none.
        let m = market(170, number + 1).slice(first, 170);
        let nodes: Vec<usize> = s.compiled.named.iter().map(|n| n.2).collect();
        let (bound, ids) = bind_with(&s.compiled, &s.file, &defaults(&s.file.parameters), &nodes).unwrap();
        assert_eq!(ids.len(), nodes.len());
        let plan = &bound.plan;
        let all: Vec<usize> = (0..plan.ops.len()).filter(|id| !plan.waits(*id) && plan.clock_of[*id] == 0).collect();
        let mut stepper = Stepper::new(bound.clone()).unwrap();
        let mut step = |index| stepper.step(&MarketBar { market: &m, index }).map(|_| stepper.values().to_vec());
        let Ok(whole) = of_nodes(&bound, &m, &all, None) else {
            // An indicator that met a gap refuses in both.
            assert!((0..m.len()).any(|t| step(t).is_err()), "{text}");
            refused += 1;
            continue;
        };
        // The same from what is kept, whatever was kept before: of all nodes, and of one alone.
        let kept = Kept::new(1 << 26);
        if let Ok(other) = s.bind(&lowest(&s)) {
            let some: Vec<usize> = (0..other.plan.ops.len()).filter(|id| !other.plan.waits(*id)).collect();
            drop(of_nodes(&other, &m, &some, Some(&kept)));
        }
        for wanted in [&all[..], &all[all.len() / 2..], &all[..1]] {
            let again = of_nodes(&bound, &m, wanted, Some(&kept)).unwrap();
            for id in wanted {
                assert_eq!(again[*id].len(), whole[*id].len());
                assert!(again[*id].iter().zip(&*whole[*id]).all(|(a, b)| same(*a, *b)), "node {id} kept\n{text}");
            }
        }
        let short = of_nodes(&bound, &m.slice(0, cut), &all, None);
        for t in 0..m.len() {
            let bars = step(t).unwrap();
            for id in &all {
                let (column, bar) = (whole[*id][t], bars[*id]);
                assert!(same(column, bar), "node {id} {:?} at {t}: {column} {bar}\n{text}", plan.ops[*id]);
                if let (true, Ok(short)) = (t < cut, &short) {
                    let before = short[*id][t];
                    assert!(same(column, before), "node {id} at {t} of {cut}: {column} {before}\n{text}");
                }
            }
        }
        computed += 1;
    }
    assert!(computed > 3 * refused, "{computed} computed, {refused} refused");
}

/// Random rules and targets: research and production give one stream, and what comes later changes nothing before.
#[test]
fn research_is_production_and_nothing_looks_ahead() {
    let (traded, ruled) = (Cell::new(0), Cell::new(0));
    for seed in 0..120_u64 {
        let text = random::strategy(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15), 1 + seed as usize % 3);
        let s = parse(&text);
        let m = market(300, seed + 1);
        let book = book_of(&m);
        let bound = s.bind(&defaults(&s.file.parameters)).unwrap();
        let Ok(prepared) = prepare(&bound, &m) else { continue };
        let bars = 20..m.len();
        let whole = run(&bound, &prepared, &m, &book, &assumptions(), bars.clone(), true).unwrap();
        let live = replay(&bound, (&mut Recorded::new(&m), &anchors(&m)), &book, &assumptions(), &bars).unwrap();
        assert_eq!(live.stream_hash, whole.stream_hash, "seed {seed}\n{text}");
        let late = m.slice(1, 200);
        let refused = replay(&bound, (&mut Recorded::new(&late), &anchors(&m)), &book, &assumptions(), &(20..199));
        assert!(matches!(refused, Err(EngineError::Anchor { .. })), "{refused:?}");
        let cut = m.slice(0, 200);
        let Ok(prepared) = prepare(&bound, &cut) else { continue };
        let short = run(&bound, &prepared, &cut, &book, &assumptions(), 20..cut.len(), true).unwrap();
        // The window's end closes what is open: equity before it is the same.
        let same_so_far =
            short.equity.iter().zip(&whole.equity).take(short.equity.len() - 1).all(|(a, b)| same(*a, *b));
        assert!(same_so_far, "seed {seed}\n{text}");
        traded.set(traded.get() + usize::from(!whole.trades.is_empty()));
        ruled.set(ruled.get() + usize::from(bound.manner.ruled));
    }
    assert!(traded.get() > 60 && ruled.get() > 100, "{} trade, {} have rules", traded.get(), ruled.get());
}
