//! What others give for the same bars and decisions: vectorbt's and Backtrader's fills and equity, TA-Lib's wheel for
//! every function that it has.

use crate::desk::Desk;
use assay_lab::rules;
use assay_research::data::generate;
use assay_shared::account::record::Record;
use assay_shared::account::view::View;
use assay_shared::account::{Account, Assumptions, LossLimits, MarginMode, Run, Terms};
use assay_shared::indicator::Function;
use assay_shared::market::{Bar as _, Field, Market, MarketBar};
use assay_shared::order::{Action, Intent, Kind, Orders, Size};
use assay_shared::rulebook::Rulebook;
use assay_shared::rulebook::book::{Between, Wanted};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

const BARS: usize = 1500;
const CASH: f64 = 1_000_000.0;

/// A counter-based random number below `of`.
fn roll(seed: usize, of: usize) -> usize {
    let mut z = (seed as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5851_F42D_4C95_7F2D;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) % of as u64) as usize
}

/// Bars without marks and funding, which the others do not know.
fn market() -> Market {
    let m = generate::market(&["BTCUSDT".to_string()], BARS, 11);
    let mut columns = m.columns;
    columns[0].settlements.clear();
    columns[0].fields.iter_mut().skip(Field::MarkOpen as usize).for_each(Vec::clear);
    Market::new(m.interval_ms, m.times, m.symbols, columns, true)
}

fn book(m: &Market) -> Rulebook {
    let (symbols, from_ms) = (&m.symbols[..], m.times[0]);
    let wanted = Wanted { symbols, from_ms, between: Between::Harsher, assume_brackets_from: None };
    rules::book(&rules::shipped().unwrap(), rules::SOURCE, &wanted).unwrap()
}

type Decide<'a> = &'a mut dyn FnMut(usize, &View<'_, '_, MarketBar<'_>>, &mut Orders);

fn run(m: &Market, book: &Rulebook, decide: Decide<'_>) -> Run {
    let terms = Terms {
        symbols: m.symbols.clone(),
        leverage: vec![1.0],
        stops: vec![[false; 3]],
        margin_fraction: 0.1,
        mode: MarginMode::Cross,
        max_positions: 1,
        max_size_usdt: f64::INFINITY,
        cooldown_bars: 0,
        limits: LossLimits::default(),
    };
    let a = Assumptions { initial_cash_usdt: CASH, ..Assumptions::default() };
    let mut account = Account::new(terms, book, &a, m.times[0], true).unwrap();
    for index in 0..m.len() {
        account.step_with(&MarketBar { market: m, index }, |view, orders| decide(index, view, orders)).unwrap();
    }
    let run = account.finish(&MarketBar { market: m, index: m.len() - 1 });
    run.check_sums().unwrap();
    run
}

/// Fills before the last bar: bar, signed quantity, price. What is open at the end is closed there by us alone.
fn fills(m: &Market, run: &Run) -> Vec<(usize, f64, f64)> {
    let bar = |ms: i64| ((ms - m.times[0]) / m.interval_ms) as usize;
    let of = run.records.iter().filter_map(|r| match r {
        Record::Fill { ms, side, qty, price, .. } => Some((bar(*ms), f64::from(*side) * qty, *price)),
        _ => None,
    });
    of.filter(|f| f.0 < m.len() - 1).collect()
}

#[track_caller]
fn near(what: &str, ours: f64, theirs: f64) {
    assert!((ours - theirs).abs() <= 1e-9 * theirs.abs().max(1.0), "{what}: {ours}, theirs is {theirs}");
}

/// Market orders decided by a walk of its own: entries, adds, parts, flips, exits. Signed sizes at the bars at whose
/// close they were decided; the same are asked of the account by their names.
fn market_orders(m: &Market, book: &Rulebook) -> (Vec<(usize, f64)>, Run) {
    let (mut held, mut decided): (i64, Vec<(usize, f64)>) = (0, Vec::new());
    // In thousandths, which are whole steps.
    let run = run(m, book, &mut |t, _, orders| {
        if t + 3 > BARS || roll(t, 4) != 0 {
            return;
        }
        let (size, side) = (200 + roll(t + 10_000, 900) as i64, if roll(t + 20_000, 2) == 0 { 1 } else { -1 });
        let qty = |steps: i64| Size::Quantity(steps as f64 / 1000.0);
        let change = match (held, roll(t + 30_000, 4)) {
            (0, _) => {
                orders.order(0, Intent::market(Action::Enter, side as f64, qty(size)));
                side * size
            }
            (_, 0) if held.abs() < 3000 => {
                orders.order(0, Intent::market(Action::Add, 0.0, qty(size)));
                held.signum() * size
            }
            (_, 1) if held.abs() > 200 => {
                let part = held.abs() / 2;
                orders.order(0, Intent::market(Action::Reduce, 0.0, qty(part)));
                -held.signum() * part
            }
            (_, 2) => {
                orders.order(0, Intent::market(Action::Reduce, 0.0, Size::Position(1.0)));
                -held
            }
            _ => {
                orders.order(0, Intent::market(Action::Enter, -held.signum() as f64, qty(size)));
                -held - held.signum() * size
            }
        };
        held += change;
        decided.push((t, change as f64 / 1000.0));
    });
    (decided, run)
}

/// An order: kind, side, size, distance of its price from the close, bars that it stands for.
type Row = (&'static str, f64, f64, f64, u32);

/// What to do at a bar while no order stands.
fn table() -> Vec<Option<Row>> {
    let row = |t: usize| {
        let kind = ["market", "limit", "stop"][roll(t + 40_000, 3)];
        let side = if roll(t + 50_000, 2) == 0 { 1.0 } else { -1.0 };
        let (size, apart) = (0.1 + roll(t + 60_000, 20) as f64 / 10.0, 0.001 + roll(t + 70_000, 40) as f64 / 5000.0);
        (roll(t + 80_000, 3) == 0 && t + 20 < BARS).then_some((kind, side, size, apart, 1 + roll(t, 6) as u32))
    };
    (0..BARS).map(row).collect()
}

/// One order at a time, as the table says: an entry while flat, an exit of all while not.
fn standing_orders(m: &Market, book: &Rulebook) -> Run {
    let table = table();
    run(m, book, &mut |t, view, orders| {
        let (Some((kind, side, size, apart, bars)), 0) = (table[t], view.standing(0)) else { return };
        let (action, side, size) = match view.position(0) {
            Some(p) => (Action::Reduce, -p.side, Size::Quantity(p.qty)),
            None => (Action::Enter, side, Size::Quantity(size)),
        };
        let close = view.bar().get(0, Field::Close);
        let kind = match kind {
            "market" => Kind::Market,
            "limit" => Kind::Limit { price: close * (1.0 - side * apart), bars },
            _ => Kind::Stop { price: close * (1.0 + side * apart), bars },
        };
        orders.order(0, Intent { kind, ..Intent::market(action, side, size) });
    })
}

/// The columns that a function is given.
fn inputs(f: &Function) -> Vec<&'static str> {
    let (mut series, second) = (0, if f.name() == "MAVP" { "periods" } else { "high" });
    let one = |name: &'static str| match name {
        "series" => {
            series += 1;
            if series == 1 { "close" } else { second }
        }
        name => name,
    };
    f.inputs().into_iter().map(one).collect()
}

fn columns(m: &Market) -> BTreeMap<&'static str, Vec<f64>> {
    let names = [
        ("open", Field::Open),
        ("high", Field::High),
        ("low", Field::Low),
        ("close", Field::Close),
        ("volume", Field::Volume),
    ];
    let mut out: BTreeMap<_, _> = names.map(|(name, field)| (name, m.columns[0].get(field).to_vec())).into();
    out.insert("periods", (0..m.len()).map(|t| 2.0 + roll(t, 20) as f64).collect());
    out
}

/// Every function that both have, with the wheel's own options; gives how many agree, and those that do not with the
/// largest difference.
fn compare_functions(bars: &BTreeMap<&'static str, Vec<f64>>, theirs: &Value) -> (usize, BTreeMap<String, f64>) {
    let (mut same, mut other) = (0, BTreeMap::new());
    for f in Function::all() {
        let Some(wheel) = theirs.get(f.name()) else { continue };
        let options: Vec<f64> = wheel["options"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        let given: Vec<&[f64]> = inputs(&f).into_iter().map(|name| &bars[name][..]).collect();
        let difference = f.columns(&given, &options).map_or(f64::INFINITY, |ours| {
            let wheel = wheel["outputs"].as_array().unwrap();
            let pairs = ours.iter().zip(wheel).flat_map(|(a, b)| a.iter().zip(b.as_array().unwrap()));
            let apart = |(a, b): (&f64, &Value)| match b.as_f64() {
                // e to the power of a price is infinite.
                None if a.is_finite() => f64::INFINITY,
                None => 0.0,
                // Before the first value the wheel has zeros where values are whole numbers.
                Some(b) if a.is_nan() && b == 0.0 => 0.0,
                Some(_) if a.is_nan() => f64::INFINITY,
                Some(b) => (a - b).abs() / b.abs().max(1.0),
            };
            pairs.map(apart).fold(if ours.len() == wheel.len() { 0.0 } else { f64::INFINITY }, f64::max)
        });
        if difference <= 1e-9 {
            same += 1;
        } else {
            other.insert(f.name().to_string(), difference);
        }
    }
    (same, other)
}

fn python() -> Option<PathBuf> {
    let found = std::env::var_os("ASSAY_OUTSIDE").map(|bin| PathBuf::from(bin).join("python"));
    if found.is_none() {
        eprintln!(
            "NOTE: ASSAY_OUTSIDE is not set: no Python of 3.12 or newer, so vectorbt, Backtrader and TA-Lib were NOT tried"
        );
    }
    found
}

#[test]
fn others_give_the_same() {
    let Some(python) = python() else { return };
    let (desk, m) = (Desk::new(), market());
    let (book, bars) = (book(&m), columns(&m));
    let fee = book.in_force("BTCUSDT", m.times[0]).unwrap().taker_fee;
    let (decided, by_market) = market_orders(&m, &book);
    let by_orders = standing_orders(&m, &book);
    let calls: Vec<Value> = Function::all().map(|f| json!({"name": f.name(), "inputs": inputs(&f)})).collect();
    let mut all = json!(bars);
    all["time"] = json!(m.times);
    let given = json!({
        "bars": all,
        "vectorbt": {"orders": decided, "fee": fee, "cash": CASH},
        "backtrader": {"table": table(), "cash": CASH},
        "talib": calls,
    });
    std::fs::write(desk.path("given.json"), given.to_string()).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/judge/peers.py");
    let said = desk.run(python.to_str().unwrap(), &[script, desk.path("given.json").to_str().unwrap()]).ok();
    let theirs: Value = serde_json::from_str(&said.out).unwrap();

    // vectorbt has one order where we close and open.
    let mut ours: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    fills(&m, &by_market).into_iter().for_each(|(bar, qty, price)| {
        let fill = ours.entry(bar).or_insert((0.0, price));
        fill.0 += qty;
    });
    let wheel = theirs["vectorbt"]["fills"].as_array().unwrap();
    assert_eq!(ours.len(), wheel.len());
    assert!(ours.len() > 300, "{}", ours.len());
    for ((bar, (qty, price)), their) in ours.iter().zip(wheel) {
        assert_eq!(*bar as u64, their[0].as_u64().unwrap());
        near("quantity", *qty, their[1].as_f64().unwrap());
        near("price", *price, their[2].as_f64().unwrap());
        near("fee", (qty * price * fee).abs(), their[3].as_f64().unwrap());
    }
    // The last close is where we close what is open, with a fee.
    for (bar, equity) in by_market.equity.iter().enumerate().take(m.len() - 1) {
        near("equity", *equity, theirs["vectorbt"]["equity"][bar].as_f64().unwrap());
    }

    let (ours, wheel) = (fills(&m, &by_orders), theirs["backtrader"]["fills"].as_array().unwrap());
    for ((bar, qty, price), their) in ours.iter().zip(wheel) {
        assert_eq!(*bar as u64, their[0].as_u64().unwrap(), "{their}");
        near("quantity", *qty, their[1].as_f64().unwrap());
        near("price", *price, their[2].as_f64().unwrap());
    }
    assert_eq!(ours.len(), wheel.len());
    assert!(ours.len() > 200, "{}", ours.len());
    let gross = by_orders.equity.last().unwrap() + by_orders.counts.fees_usdt;
    near("final equity without fees", gross, theirs["backtrader"]["equity"].as_f64().unwrap());

    let (same, other) = compare_functions(&bars, &theirs["talib"]);
    assert_eq!(other, BTreeMap::new(), "{same} agree");
    assert!(same > 150, "{same}");
}

/// How scores rank trials by a year that they did not see, as it was measured with every shipped strategy: no figure is
/// surely better than the default, and the guide's table says what was found.
#[test]
fn no_score_ranks_surely_better_than_the_default() {
    let said: Value = serde_json::from_str(include_str!("peers/scores.json")).unwrap();
    let said = said.as_object().unwrap();
    let shipped = std::fs::read_dir("configs/strategies").unwrap().flatten();
    let shipped: Vec<_> = shipped.map(|f| f.path()).filter(|p| p.extension().is_some_and(|e| e == "toml")).collect();
    let trials = |path: &PathBuf| said[path.file_stem().unwrap().to_str().unwrap()]["trials"].as_u64().unwrap();
    assert!(shipped.len() >= 8 && shipped.iter().all(|path| trials(path) >= 400), "measured anew with each strategy");
    let mean = said["mean of all"]["scores"].as_object().unwrap();
    let number = |v: &Value| v.as_f64().unwrap();
    let best = mean.values().max_by(|a, b| number(&a["rank_correlation"]).total_cmp(&number(&b["rank_correlation"])));
    assert!(number(&mean["sharpe"]["rank_correlation"]) > number(&best.unwrap()["interval"][0]));
    let guide = include_str!("../src/guide/studies.md");
    for (name, score) in mean {
        assert!(number(&score["beyond_the_default"][0]) <= 0.0, "{name} ranks better: make it the default");
        let of = |v: &Value| format!("{:.2}", number(v));
        let each = said
            .iter()
            .filter(|(of, _)| *of != "mean of all")
            .map(|(_, s)| number(&s["scores"][name]["rank_correlation"]));
        let (least, most) = each.fold((1.0, -1.0), |(least, most): (f64, f64), v| (least.min(v), most.max(v)));
        let (low, high) = (of(&score["interval"][0]), of(&score["interval"][1]));
        let row = format!("| {} | {low} to {high} | {least:.2} to {most:.2} |", of(&score["rank_correlation"]));
        let begins = format!("| `{}`", name.split(',').next().unwrap());
        let found = guide.lines().filter(|line| line.starts_with(&begins)).any(|line| line.ends_with(&row));
        assert!(found, "{name}: the guide lacks `{row}`");
    }
}
