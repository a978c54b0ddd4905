//! What can be checked of a file without its expressions.

use super::clock::CALENDAR;
use super::compile::column;
use super::diagnostic::Diagnostic;
use super::file::{EntryText, FunctionText, SizeText, StrategyFile, TargetText, Weights};
use super::place::Places;
use super::words;
use crate::format::strategy as format;
use crate::indicator::Function;
use std::collections::BTreeSet;

/// The most symbols of a strategy.
const MAX_SYMBOLS: usize = 1000;

/// Checks a file's fields.
pub(super) fn check(file: &StrategyFile, places: &Places<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    let mut problem = |message: String, path: &[&str]| out.push(Diagnostic::new(message, places.of(path)));
    let name_ok = |n: &str| {
        !n.is_empty() && n.len() <= 48 && n.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if file.format.is_some_and(|f| !(2..=format::CURRENT).contains(&f)) {
        problem(format!("this release writes format {}; leave it out", format::CURRENT), &["format"]);
    }
    // What is missing was told already.
    if !file.name.is_empty() && !name_ok(&file.name) {
        problem("a name has 1 to 48 lower-case letters, digits and '-'".into(), &["name"]);
    }
    if !file.interval.is_empty() && crate::time::interval_ms(&file.interval).is_none() {
        problem(format!("'{}' is not an interval such as 1m, 1h, 4h or 1d", file.interval), &["interval"]);
    }
    let all = file.all_symbols();
    let once = all.iter().collect::<BTreeSet<_>>().len() == all.len();
    let there = places.has("symbols");
    if there && (file.symbols.is_empty() || !once || all.len() > MAX_SYMBOLS) {
        let what = "symbols must be given, each once, those that are only read (references) included";
        problem(format!("{what}, at most {MAX_SYMBOLS}"), &["symbols"]);
    }
    // Letters of any script: the exchange has them.
    let symbol_ok = |s: &&String| !s.is_empty() && s.chars().all(|c| c.is_alphanumeric() && !c.is_lowercase());
    for (key, symbols) in [("symbols", &file.symbols), ("references", &file.references)] {
        if let Some(bad) = symbols.iter().find(|s| !symbol_ok(s)) {
            problem(format!("'{bad}' is not a symbol such as BTCUSDT"), &[key]);
        }
    }
    for (name, range) in &file.parameters {
        if let Err(what) = range.check() {
            problem(format!("the range of '{name}' is impossible: {what}"), &["parameters", name]);
        }
    }
    risk(file, &mut problem);
    entered(file, &mut problem);
    out
}

type Problem<'p> = &'p mut dyn FnMut(String, &[&str]);

fn risk(file: &StrategyFile, problem: Problem<'_>) {
    let caps = &file.risk;
    if caps.max_concurrent_positions == 0 {
        problem("max_concurrent_positions must be at least 1".into(), &["risk", "max_concurrent_positions"]);
    }
    if caps.max_position_size_usdt.is_some_and(|v| !v.is_finite() || v <= 0.0) {
        problem("max_position_size_usdt must be positive".into(), &["risk", "max_position_size_usdt"]);
    }
    let limits = caps.loss_limits;
    let fraction = |limit: Option<f64>| limit.is_none_or(|v| v > 0.0 && v < 1.0);
    if !fraction(limits.daily) || !fraction(limits.total) {
        problem(
            "daily and total losses are fractions above 0 and below 1: 5 % is 0.05".into(),
            &["risk", "loss_limits"],
        );
    }
    if limits.consecutive == Some(0) {
        problem("consecutive losses are at least 1".into(), &["risk", "loss_limits"]);
    }
    let cap_ok = |(s, v): &(&String, &f64)| (1.0..=150.0).contains(*v) && file.symbols.contains(*s);
    if let Some((s, _)) = caps.leverage_caps.iter().find(|c| !cap_ok(c)) {
        let what = format!("the leverage cap of '{s}' is out of 1 to 150, or it is not one of the symbols");
        problem(what, &["risk", "leverage_caps", s]);
    }
}

/// That something is ever entered, in one way, and how large.
fn entered(file: &StrategyFile, problem: Problem<'_>) {
    let signals = file.signals.long_entry.is_some() || file.signals.short_entry.is_some();
    if !signals && file.entries.is_empty() && file.target.is_none() {
        problem(
            "nothing is ever entered: give long_entry or short_entry, [[entries]] or a [target]".into(),
            &["signals"],
        );
    }
    let rules = signals || !file.entries.is_empty() || !file.adds.is_empty() || !file.exits.is_empty();
    if file.target.is_some() && rules {
        problem("a file has a [target], or signals and rules, and not both".into(), &["target"]);
    }
    let size = file.sizing.margin_fraction.is_some() || file.sizing.other != SizeText::default();
    let own = |e: &EntryText| e.margin_fraction.is_some() || e.size != SizeText::default();
    let risky = |z: &SizeText| z.risk.is_some();
    let stop =
        file.stops.stop_loss.is_some() || file.stops.levels.stop_price.is_some() || file.stops.trailing_stop.is_some();
    let at_risk = risky(&file.sizing.other)
        || file.entries.iter().any(|e| risky(&e.size))
        || file.adds.iter().any(|a| risky(&a.size));
    if at_risk && !stop && file.stops.levels.trailing.is_empty() {
        problem(
            "a size by risk is what is lost at a stop, and there is none: give stop_loss or stop_price".into(),
            &["stops"],
        );
    }
    if let Some(TargetText { weight: Weights::Each(each), .. }) = &file.target
        && let Some(other) = each.keys().find(|s| !file.symbols.contains(s))
    {
        problem(format!("'{other}' has a weight and is not one of the symbols that are traded"), &["target", "weight"]);
    }
    if file.adds.iter().any(|a| a.max == Some(0)) {
        problem("an add is made at least once: max is 1 or more".into(), &["adds"]);
    }
    if !size && (signals || !file.entries.iter().all(own)) {
        problem(
            "nothing says how large a position is: [sizing] margin_fraction = 0.1, or a size of each entry".into(),
            &["sizing"],
        );
    }
}

/// One name means one thing in a file: nothing hides a column, a parameter or a word of the language.
pub(super) fn hidden(file: &StrategyFile, places: &Places<'_>) -> Vec<Diagnostic> {
    const WORDS: [&str; 10] = ["and", "or", "not", "true", "false", "self", "unknown", "position", "last", "account"];
    let is_name = |n: &str| {
        !n.starts_with(|c: char| c.is_ascii_digit())
            && !n.is_empty()
            && n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let canonical = crate::time::interval_ms(&file.interval).map(crate::time::interval_text);
    let interval = canonical
        .filter(|c| *c != file.interval)
        .map(|c| Diagnostic::new(format!("the interval '{}' is written {c}", file.interval), places.of(&["interval"])));
    let parameters = file.parameters.keys().map(|n| ("parameters", n));
    let named = file.indicators.keys().map(|n| ("indicators", n));
    let states = file.states.keys().map(|n| ("states", n)).chain(file.trade.keys().map(|n| ("trade", n)));
    let problem = |(table, name): (&str, &String)| {
        let what = if !is_name(name) {
            format!("'{name}' is not a name: letters, digits and '_'")
        } else if column(name).is_some() {
            format!("'{name}' would hide the column of that name")
        } else if CALENDAR.iter().any(|c| c.0 == name.as_str()) {
            format!("'{name}' would hide the word of the calendar")
        } else if WORDS.contains(&name.as_str()) || file.all_symbols().contains(name) {
            format!("'{name}' has a meaning of its own already")
        } else if table != "parameters" && file.parameters.contains_key(name) {
            format!("'{name}' would hide the parameter of that name")
        } else if table != "indicators" && table != "parameters" && file.indicators.contains_key(name) {
            format!("'{name}' is an indicator already")
        } else if table == "trade" && file.states.contains_key(name) {
            format!("'{name}' is a state already")
        } else {
            return None;
        };
        Some(Diagnostic::new(what, places.of(&[table, name])).help("choose another name"))
    };
    parameters.chain(named).chain(states).filter_map(problem).chain(interval).chain(functions(file, places)).collect()
}

/// A function's name is no word of the language, and its arguments are names of their own.
fn functions(file: &StrategyFile, places: &Places<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for (key, function) in &file.functions {
        let name = key.split('(').next().unwrap_or_default().trim();
        let mut problem = |what: String| {
            out.push(Diagnostic::new(what, places.of(&["functions", key])).help("choose another name"));
        };
        let of_language = words::WORDS.iter().any(|w| w.name == name) || Function::find(name).is_some();
        if of_language || ["and", "or", "not", "mine", "self"].contains(&name) {
            problem(format!("'{name}' is a function already"));
        }
        let short =
            key.split_once('(').map(|(_, rest)| rest.trim_end_matches(')').split(',').map(|a| a.trim().to_string()));
        let arguments: Vec<String> = match function {
            FunctionText::Long(long) => long.arguments.clone(),
            FunctionText::Short(_) => short.into_iter().flatten().filter(|a| !a.is_empty()).collect(),
        };
        for (n, argument) in arguments.iter().enumerate() {
            if column(argument).is_some() || CALENDAR.iter().any(|c| c.0 == argument) {
                problem(format!("the argument '{argument}' of '{name}' would hide a word of the language"));
            }
            if arguments[..n].contains(argument) {
                problem(format!("'{name}' has the argument '{argument}' twice"));
            }
        }
        if let FunctionText::Long(long) = function
            && let Some(hidden) = long.defs.keys().find(|d| column(d).is_some() || arguments.contains(d))
        {
            problem(format!("'{hidden}' in '{name}' would hide a column or an argument"));
        }
    }
    out
}
