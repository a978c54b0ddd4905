//! The language against its definition: random expressions, evaluated by a second and much simpler
//! reading of what each word means, straight over the whole history.

use crate::account::signals::flag;
use crate::market::tests::walk;
use crate::market::{Field, Market, MarketBar};
use crate::strategy::bars::Stepper;
use crate::strategy::read::Strategy;
use crate::strategy::signals;
use crate::strategy::space::defaults;
use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};

/// An expression: a word with what it is applied to, and a number of bars where it takes one.
#[derive(Debug)]
struct Expr {
    word: &'static str,
    args: Vec<Expr>,
    n: usize,
}

/// A small random number generator: the test needs to be the same again, not to be good.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

const COLUMNS: [&str; 6] = ["open", "high", "low", "close", "mark", "funding"];
const INFIX: [&str; 12] = ["+", "-", "*", "/", "<", "<=", ">", ">=", "==", "!=", "and", "or"];

fn number(dice: &mut Dice, depth: usize) -> Expr {
    let words =
        ["+", "-", "*", "/", "min", "max", "abs", "neg", "prev", "highest", "lowest", "count", "bars_since", "if"];
    let choice = if depth == 0 { words.len() } else { dice.roll(words.len() + 3) };
    let n = 1 + dice.roll(4);
    let Some(word) = words.get(choice).copied() else {
        let leaf = ["constant", "own", "other"][dice.roll(3)];
        return Expr { word: leaf, args: Vec::new(), n: dice.roll(COLUMNS.len()) };
    };
    let args = match word {
        "abs" | "neg" | "prev" | "highest" | "lowest" => vec![number(dice, depth - 1)],
        "count" | "bars_since" => vec![truth(dice, depth - 1)],
        "if" => vec![truth(dice, depth - 1), number(dice, depth - 1), number(dice, depth - 1)],
        _ => vec![number(dice, depth - 1), number(dice, depth - 1)],
    };
    Expr { word, args, n }
}

fn truth(dice: &mut Dice, depth: usize) -> Expr {
    let words = ["<", "<=", ">", ">=", "==", "!=", "crosses_above", "crosses_below", "and", "or", "not", "prev"];
    let choice = dice.roll(if depth < 2 { 8 } else { words.len() });
    let (word, n) = (words[choice], 1 + dice.roll(3));
    let depth = depth.saturating_sub(1);
    let args = match word {
        "and" | "or" => vec![truth(dice, depth), truth(dice, depth)],
        "not" | "prev" => vec![truth(dice, depth)],
        _ => vec![number(dice, depth), number(dice, depth)],
    };
    Expr { word, args, n }
}

/// How it is written.
fn text(e: &Expr) -> String {
    let args: Vec<String> = e.args.iter().map(text).collect();
    match (e.word, &args[..]) {
        ("constant", _) => format!("{}.5", e.n),
        ("own", _) => COLUMNS[e.n].into(),
        ("other", _) => format!("S1USDT.{}", COLUMNS[e.n]),
        ("neg", [a]) => format!("(-{a})"),
        ("not", [a]) => format!("(not {a})"),
        ("prev" | "highest" | "lowest" | "count", [a]) => format!("{}({a}, {})", e.word, e.n),
        (word, [a, b]) if INFIX.contains(&word) => format!("({a} {word} {b})"),
        (word, args) => format!("{word}({})", args.join(", ")),
    }
}

fn column(m: &Market, symbol: usize, name: &str, t: usize) -> f64 {
    let field = [Field::Open, Field::High, Field::Low, Field::Close, Field::MarkClose, Field::Funding];
    let values = m.columns[symbol].get(field[COLUMNS.iter().position(|c| *c == name).unwrap()]);
    match name {
        // The rate that was settled last.
        "funding" => values[..=t].iter().rev().copied().find(|v| !v.is_nan()).unwrap_or(f64::NAN),
        _ => values[t],
    }
}

fn known(values: impl IntoIterator<Item = f64>) -> Option<Vec<f64>> {
    values.into_iter().map(|v| (!v.is_nan()).then_some(v)).collect()
}

/// Whether an expression is made of numbers only: such a one has no bars, and was always what it is.
fn fixed(e: &Expr) -> bool {
    let made = !["own", "other", "highest", "lowest", "count", "bars_since"].contains(&e.word);
    made && e.args.iter().all(fixed)
}

fn finite(v: f64) -> f64 {
    if v.is_finite() { v } else { f64::NAN }
}

/// What it means at a bar: a number, 1 for true, 0 for false, NaN for unknown.
fn value(e: &Expr, m: &Market, symbol: usize, t: usize) -> f64 {
    let at = |i: usize, t: usize| value(&e.args[i], m, symbol, t);
    let bool_of = |b: bool| f64::from(u8::from(b));
    let both = |f: &dyn Fn(f64, f64) -> f64| known([at(0, t), at(1, t)]).map_or(f64::NAN, |v| f(v[0], v[1]));
    let window = |f: &dyn Fn(&[f64]) -> f64| {
        let full = t + 1 >= e.n;
        full.then(|| known((t + 1 - e.n..=t).map(|t| at(0, t)))).flatten().map_or(f64::NAN, |w| f(&w))
    };
    let ago =
        |i: usize, n: usize| if fixed(&e.args[i]) { at(i, t) } else { t.checked_sub(n).map_or(f64::NAN, |t| at(i, t)) };
    let cross = |a: usize, b: usize| {
        let now = known([at(a, t), at(b, t)]).map(|v| v[0] > v[1]);
        let before = known([ago(a, 1), ago(b, 1)]).map(|v| v[0] <= v[1]);
        match (now, before) {
            (Some(false), _) | (_, Some(false)) => 0.0,
            (Some(true), Some(true)) => 1.0,
            _ => f64::NAN,
        }
    };
    match e.word {
        "constant" => e.n as f64 + 0.5,
        "own" => column(m, symbol, COLUMNS[e.n], t),
        "other" => column(m, 1, COLUMNS[e.n], t),
        "+" => finite(at(0, t) + at(1, t)),
        "-" => finite(at(0, t) - at(1, t)),
        "*" => finite(at(0, t) * at(1, t)),
        "/" => finite(at(0, t) / at(1, t)),
        "neg" => -at(0, t),
        "abs" => at(0, t).abs(),
        "min" => both(&f64::min),
        "max" => both(&f64::max),
        "<" => both(&|a, b| bool_of(a < b)),
        "<=" => both(&|a, b| bool_of(a <= b)),
        ">" => both(&|a, b| bool_of(a > b)),
        ">=" => both(&|a, b| bool_of(a >= b)),
        "==" => both(&|a, b| bool_of(a == b)),
        "!=" => both(&|a, b| bool_of(a != b)),
        "not" => 1.0 - at(0, t),
        "and" | "or" => {
            let decides = bool_of(e.word == "or");
            let sides = [at(0, t), at(1, t)];
            if sides.contains(&decides) { decides } else { known(sides).map_or(f64::NAN, |_| 1.0 - decides) }
        }
        "if" => match at(0, t) {
            1.0 => at(1, t),
            0.0 => at(2, t),
            _ => f64::NAN,
        },
        "prev" => ago(0, e.n),
        "highest" => window(&|w| w.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
        "lowest" => window(&|w| w.iter().copied().fold(f64::INFINITY, f64::min)),
        "count" => window(&|w| w.iter().filter(|v| **v == 1.0).count() as f64),
        "bars_since" => (0..=t).rev().find(|t| at(0, *t) == 1.0).map_or(f64::NAN, |then| (t - then) as f64),
        "crosses_above" => cross(0, 1),
        "crosses_below" => cross(1, 0),
        other => unreachable!("{other}"),
    }
}

fn strategy(entry: &str, stop: &str) -> Strategy {
    let text = format!(
        "name = \"x\"\ndescription = \"d\"\ninterval = \"1h\"\nsymbols = [\"S0USDT\", \"S1USDT\"]\n\
         [signals]\nlong_entry = \"{entry}\"\n[stops]\nstop_loss = \"{stop}\"\n[sizing]\nmargin_fraction = 0.1\nleverage = 2\n\
         [risk]\nmargin_mode = \"isolated\"\nmax_concurrent_positions = 1\n"
    );
    Strategy::parse(&text).unwrap_or_else(|found| panic!("{text}\n{found:?}"))
}

/// The same number, or both unknown.
fn same(a: f64, b: f64) -> bool {
    a == b || a.is_nan() && b.is_nan()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Columns and bar by bar, both say what the definition says.
    #[test]
    fn words_mean_what_they_say(seed: u64, depth in 1usize..4) {
        let mut dice = Dice(seed);
        let (entry, stop) = (truth(&mut dice, depth), number(&mut dice, depth));
        // A size of the price, so that it is a series and no constant that is checked once.
        let stop = Expr { word: "*", args: vec![stop, Expr { word: "own", args: Vec::new(), n: 3 }], n: 0 };
        let m = walk(24, 2, seed | 1);
        let s = strategy(&text(&entry), &text(&stop));
        let bound = s.bind(&defaults(&s.file.parameters)).unwrap();
        let columns = signals::signals(&bound, &m, None).unwrap();
        let mut stepper = Stepper::new(bound).unwrap();
        for t in 0..m.len() {
            let bars = stepper.step(&MarketBar { market: &m, index: t }).unwrap();
            for symbol in 0..2 {
                let fires = value(&entry, &m, symbol, t) == 1.0;
                let size = value(&stop, &m, symbol, t);
                for found in [columns[symbol].at(t), bars[symbol]] {
                    prop_assert_eq!(found.flags & flag::LONG_ENTRY != 0, fires, "bar {} of {}", t, text(&entry));
                    prop_assert!(same(found.stop_loss, size), "{} {} at {}: {}", found.stop_loss, size, t, text(&stop));
                }
            }
        }
    }

    /// Whatever stands in parentheses, spaces and lower levels, a text reads to the same strategy
    /// as its canonical form does.
    #[test]
    fn a_strategy_reads_back_from_its_canonical_text(seed: u64) {
        let mut dice = Dice(seed);
        let s = strategy(&text(&truth(&mut dice, 3)), "0.05");
        let back = Strategy::recorded(s.canonical()).unwrap();
        prop_assert_eq!(back.hash(), s.hash());
        prop_assert_eq!(back.canonical(), s.canonical());
        let params = defaults(&s.file.parameters);
        prop_assert_eq!(back.bind(&params).unwrap().plan, s.bind(&params).unwrap().plan);
    }
}
