//! The language: reading the largest files, and what states cost.

use super::figure::{Figure, Goal};
use assay_lab::LabError;
use assay_lab::study::parse_strategy;
use assay_research::data::generate;
use assay_research::simulate::{Ground, prepare_on, run};
use assay_shared::account::Assumptions;
use assay_shared::strategy::Value;
use assay_shared::strategy::columns::of_nodes;
use std::fmt::Write as _;
use std::time::Instant;

/// Files that are read.
const FILES: usize = 10;
/// Bytes of the largest of them.
const LARGEST: usize = 64_000;

/// A small random number generator: a bench needs to be the same again, not to be good.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

/// A file of so many bytes: states, circles, clocks, functions, windows.
fn file(seed: u64, bytes: usize) -> String {
    let mut d = Dice(seed | 1);
    let mut out = String::from(
        "name = \"bench\"\ninterval = \"1h\"\nsymbols = [\"BTCUSDT\", \"ETHUSDT\"]\n[functions]\n\"ease(x)\" = \"0.5 * x + 0.5 * prev(x)\"\n\
         [states]\n",
    );
    let mut n = 0;
    let mut states = 0;
    while states == 0 || out.len() < bytes / 3 {
        let (a, b) = (d.roll(states + 1), 1 + d.roll(9));
        let other = if states == 0 { "close".into() } else { format!("prev(s{})", a.min(states - 1)) };
        let _ = writeln!(
            out,
            "s{states} = {{ start = \"close\", next = \"if(close > {other}, max(self, close - {b}), self * 0.9)\" }}"
        );
        states += 1;
    }
    out += "[indicators]\n";
    while n == 0 || out.len() < bytes {
        let (a, b, s) = (d.roll(n.max(1)), 2 + d.roll(40), d.roll(states));
        let before = if n == 0 { "open".into() } else { format!("i{a}") };
        let e = match d.roll(6) {
            0 => format!("ease({before}) + std(close, {b})"),
            1 => format!("on(4h, EMA(close, {b})) - {before}"),
            2 => format!("sum_of(k, 0, 4, prev({before}, k)) / s{s}"),
            3 => format!("if({before} > s{s}, highest(high, {b}), lowest(low, {b}))"),
            4 => format!("across.rank({before})"),
            _ => format!("{before} * 0.5 + s{s} - mean(volume, {b})"),
        };
        let _ = writeln!(out, "i{n} = \"{e}\"");
        n += 1;
    }
    let last = n.saturating_sub(1);
    let _ = writeln!(out, "[signals]\nlong_entry = \"i{last} > s0\"\n[sizing]\nmargin_fraction = 0.1\nleverage = 2");
    out
}

/// Measures.
pub fn measure(out: &mut Vec<Figure>) -> Result<(), LabError> {
    let (mut most, mut slowest, mut nodes) = (0.0_f64, 0, 0);
    for n in 0..FILES {
        let text = file(n as u64, (LARGEST / FILES * (n + 1)).saturating_sub(300));
        let start = Instant::now();
        let s = parse_strategy(&text, "bench")?;
        let spent = start.elapsed().as_secs_f64() * 1e3;
        if spent > most {
            (most, slowest, nodes) = (spent, text.len(), s.compiled.graph.nodes.len());
        }
    }
    out.push(
        Figure::new(format!("compiling {FILES} files of up to {LARGEST} bytes, the slowest"), most, "ms")
            .goal(Goal::AtMost(100.0)),
    );
    out.push(Figure::new(format!("nodes of that file, {slowest} bytes"), nodes as f64, "nodes"));
    states(out)
}

/// What three states cost that need each other, beside four indicators: columns alone with nothing kept, and trials of
/// a study, in which a parameter touches the states.
fn states(out: &mut Vec<Figure>) -> Result<(), LabError> {
    let plain = "[parameters]\nlevel = { type = \"float\", low = 0.0, high = 90.0, default = 20.0 }\n\
                 x = { type = \"float\", low = 0.1, high = 9.0, default = 1.0 }\n\
                 [indicators]\nf = \"EMA(close, 24)\"\ns = \"EMA(close, 168)\"\n\
                 r = \"ATR(high, low, close, 24) * x\"\na = \"ADX(high, low, close, 24)\"\n\
                 up = \"crosses_above(f, s) and a > level and r > 0\"\n";
    let three = format!(
        "{plain}[states]\nline = {{ start = \"close\", next = \"if(close > self, max(self, close - r), min(self, close + r))\" }}\n\
         rising = {{ start = \"0\", next = \"if(line > prev(line), self + 1, if(line < prev(line), 0, self))\" }}\n\
         side = {{ start = \"0\", next = \"if(rising == 3, 1, if(line < prev(line), -1, self))\" }}\n"
    );
    let (without, with) = (cost(plain)?, cost(&three)?);
    for (k, what) in ["columns", "a trial of a study"].into_iter().enumerate() {
        let bars = "five symbols x 24 000 bars";
        out.push(Figure::new(format!("{what}, {bars}, without states"), without[k], "ms"));
        let figure = Figure::new(format!("{what} with three states that need each other"), with[k], "ms");
        out.push(if k == 1 { figure.goal(Goal::AtMost(2.0 * without[k])) } else { figure });
    }
    Ok(())
}

/// Milliseconds of the columns with nothing kept, and of a trial beside others.
fn cost(text: &str) -> Result<[f64; 2], LabError> {
    let head = "name = \"bench\"\ninterval = \"1h\"\nsymbols = [\"BTCUSDT\", \"ETHUSDT\", \"XRPUSDT\", \"ADAUSDT\", \"LTCUSDT\"]\n";
    let entry = if text.contains("side") { "up and side == 1" } else { "up" };
    let tail = format!(
        "[signals]\nlong_entry = \"{entry}\"\nlong_exit = \"crosses_below(f, s)\"\n[sizing]\nmargin_fraction = 0.1\nleverage = 2\n"
    );
    let s = parse_strategy(&format!("{head}{text}{tail}"), "bench")?;
    let (market, book) = (generate::market(&s.file.symbols, 24_000, 7), super::bench_book()?);
    let (ground, assumptions) = (Ground::new(256 << 20), Assumptions::default());
    let (mut columns, mut trials) = (Vec::new(), Vec::new());
    for n in 0..30 {
        let values = [
            ("x".to_string(), Value::Float(0.5 + 0.1 * f64::from(n))),
            ("level".into(), Value::Float(10.0 + f64::from(n))),
        ];
        let bound = s.bind(&values.into()).map_err(wrong)?;
        let wanted: Vec<usize> = bound.outputs.iter().flat_map(|o| o.signals.iter().map(|s| s.1)).collect();
        let start = Instant::now();
        std::hint::black_box(of_nodes(&bound, &market, &wanted, None).map_err(wrong)?);
        columns.push(start.elapsed().as_secs_f64() * 1e3);
        let start = Instant::now();
        let prepared = prepare_on(&ground, &bound, &market).map_err(wrong)?;
        let all = 0..market.len();
        std::hint::black_box(run(&bound, &prepared, &market, &book, &assumptions, all, false).map_err(wrong)?);
        trials.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok([columns, trials].map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    }))
}

fn wrong(e: impl std::fmt::Display) -> LabError {
    LabError::Verification(e.to_string())
}
