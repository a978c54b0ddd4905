//! One file with all of the language, edited in every place: nothing panics, and whatever changes it is told.

use crate::strategy::explain::explain;
use crate::strategy::read::Strategy;
use std::collections::BTreeSet;

/// All of the language in one file, as far as it fits.
const RULES: &str = r#"
name = "all"
interval = "1h"
symbols = ["BTCUSDT", "ETHUSDT"]
references = ["XRPUSDT"]
constraints = ["fast < slow"]
[parameters]
fast = { type = "int", low = 4, high = 20, step = 2, default = 6 }
slow = { type = "int", low = 21, high = 90, default = 30, log = true }
wide = { type = "float", low = 0.5, high = 4.0, step = 0.25, default = 2.0, when = "on_or_off and fast > 5" }
kind = { type = "text", choices = ["a", "b"], default = "a" }
on_or_off = { type = "bool", default = true }
[indicators]
ma = "EMA(close, fast) + XRPUSDT.close * 0"
[states]
side = { start = "0", next = "if(close > ma, 1, self)" }
[trade]
top = { start = "close", next = "max(self, high)" }
[functions]
"twice(x)" = "x * 2"
line = { arguments = ["n"], outputs = ["out"], mid = "SMA(close, n)", out = { start = "mid", next = "self * 0.5 + mid * 0.5" } }
[[entries]]
tag = "up"
side = "long"
when = "close > ma and side == 1 and on_or_off and kind == 'a'"
order = "limit"
price = "close * 0.99"
expires = "3"
margin_fraction = "0.1"
leverage = "2"
[[entries]]
tag = "down"
side = "short"
when = "close < line(slow).out and twice(close) > wide"
risk = { fraction = "0.01", distance = "2" }
[[adds]]
tag = "more"
when = "position.profit > 0.01"
max = 2
size = "0.1"
[[exits]]
name = "part"
when = "position.bars == 12"
part = "0.5"
[[exits]]
name = "out"
when = "close < top * 0.9"
order = "stop"
price = "close * 0.98"
[stops]
stop_price = "ma * 0.9"
take_profit = "0.05"
trailing = [{ after = "0.1", distance = "0.05" }]
max_bars = "48"
loosen = true
every_close = true
measured_from = "close"
[sizing]
leverage = "3"
size = "0.2"
[risk]
margin_mode = "cross"
max_concurrent_positions = 1
max_position_size_usdt = 9000.0
cooldown = 2
loss_limits = { daily = 0.05, consecutive = 4, total = 0.3 }
leverage_caps = { ETHUSDT = 2.0 }
"#;

/// What a value could be instead.
fn others(value: &str) -> Vec<String> {
    let mut out = vec![value.replace("true", "false"), value.replace("false", "true")];
    for (a, b) in [("limit", "stop"), ("\"long", "\"short"), ("cross", "isolated"), ("\"close\"", "\"entry\"")] {
        out.extend([value.replacen(a, b, 1), value.replacen(b, a, 1)]);
    }
    let digits: Vec<usize> = value.char_indices().filter(|(_, c)| c.is_ascii_digit()).map(|(i, _)| i).collect();
    for at in digits {
        out.extend((1..4).map(|n| {
            let digit = (value.as_bytes()[at] - b'0' + n) % 10;
            format!("{}{digit}{}", &value[..at], &value[at + 1..])
        }));
    }
    out.retain(|o| o != value);
    out
}

/// Whatever changes what a strategy is changes what is said of it: a reviewer reads nothing else.
#[test]
fn nothing_is_left_unsaid() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/strategies");
    let files = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path());
    let shipped = files.filter(|f| f.extension().is_some_and(|e| e == "toml"));
    let shipped = shipped.map(|f| std::fs::read_to_string(f).unwrap());
    let (mut tried, mut fields) = (0, BTreeSet::new());
    for text in shipped.chain([RULES.to_string()]) {
        let strategy = Strategy::parse(&text).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        let (said, canonical) = (explain(&strategy), strategy.canonical().to_string());
        let lines: Vec<&str> = canonical.lines().collect();
        for (n, line) in lines.iter().enumerate() {
            let Some((key, value)) = line.split_once(" = ") else { continue };
            if n < 4 && ["format", "name", "description"].contains(&key) {
                continue;
            }
            let with = |line: Option<&str>| {
                let kept = lines.iter().enumerate().map(|(i, l)| if i == n { line } else { Some(*l) });
                kept.flatten().collect::<Vec<_>>().join("\n") + "\n"
            };
            let changed = others(value).into_iter().map(|o| with(Some(&format!("{key} = {o}"))));
            for text in changed.chain([with(None)]) {
                let Ok(other) = Strategy::parse(&text) else { continue };
                // As many as there are symbols limit nothing.
                let idle = |s: &Strategy| s.file.risk.max_concurrent_positions as usize >= s.file.symbols.len();
                let nothing = key == "max_concurrent_positions" && idle(&other) && idle(&strategy);
                if !nothing && other.hash() != strategy.hash() {
                    tried += 1;
                    fields.insert(key.to_string());
                    assert_ne!(explain(&other), said, "{}: {line}", strategy.file.name);
                }
            }
        }
    }
    assert!(tried > 400 && fields.len() > 50, "{tried} {fields:?}");
}

/// No edit of a file makes reading it panic: words left out, changed for others, lines left out, lines twice.
#[test]
fn no_edit_panics() {
    let words: Vec<(usize, &str)> = {
        let edges = RULES.char_indices().filter(|(_, c)| !(c.is_alphanumeric() || *c == '_')).map(|(i, _)| i);
        let mut from = 0;
        let mut out = Vec::new();
        for at in edges {
            if at > from {
                out.push((from, &RULES[from..at]));
            }
            from = at + 1;
        }
        out
    };
    let mut outcomes = [0, 0];
    let mut read = |text: String| outcomes[usize::from(Strategy::parse(&text).is_ok())] += 1;
    for (at, word) in words {
        for other in ["", "zz", "1", "0", "-1", "close", "self", "position", "line", "out", "\"", "true"] {
            read(format!("{}{other}{}", &RULES[..at], &RULES[at + word.len()..]));
        }
    }
    let lines: Vec<&str> = RULES.lines().collect();
    for n in 0..lines.len() {
        for times in [0, 2] {
            let kept =
                lines.iter().enumerate().flat_map(|(i, l)| std::iter::repeat_n(*l, if i == n { times } else { 1 }));
            read(kept.collect::<Vec<_>>().join("\n"));
        }
    }
    assert!(outcomes.iter().all(|n| *n > 300), "{outcomes:?}");
}
