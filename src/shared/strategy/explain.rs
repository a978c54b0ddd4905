//! What a strategy's file does, in sentences: what it reads, when it enters, what can end a trade, how large it gets.

use super::file::{DefText, FunctionText, OrderText, Placed, SizeText, StateText, StrategyFile, Weights};
use super::graph::Node;
use super::read::Strategy;
use super::space::Range;
use crate::account::MarginMode;
use crate::market::FIELDS;
use crate::time::interval_text;
use std::collections::BTreeSet;

/// A heading and its sentences.
pub type Section = (&'static str, Vec<String>);

fn text(e: &Placed) -> &str {
    &e.get_ref().0
}

fn percent(e: &Placed) -> String {
    match text(e).parse::<f64>() {
        Ok(v) => format!("{} %", (v * 1e6).round() / 1e4),
        Err(_) => format!("the fraction {}", text(e)),
    }
}

/// What a strategy does.
pub fn explain(s: &Strategy) -> Vec<Section> {
    let sections = [
        ("Reads", reads(s)),
        ("Where", wheres(s)),
        ("Remembers", remembers(&s.file)),
        ("Enters", enters(&s.file)),
        ("Adds", adds(&s.file)),
        ("Holds", holds(&s.file)),
        ("Ends a trade", ends(&s.file)),
        ("Size", sizes(&s.file)),
        ("Stops trading", limits(&s.file)),
    ];
    sections.into_iter().filter(|s| !s.1.is_empty()).collect()
}

fn reads(s: &Strategy) -> Vec<String> {
    let (f, graph) = (&s.file, &s.compiled.graph);
    let mut out = vec![format!("bars of {} of {}", f.interval, f.symbols.join(", "))];
    if !f.references.is_empty() {
        out.push(format!("{}, which it does not trade", f.references.join(", ")));
    }
    let fields: BTreeSet<&str> = graph
        .nodes
        .iter()
        .filter_map(|n| if let Node::Column { field, .. } = n { Some(*field) } else { None })
        .filter_map(|field| FIELDS.iter().find(|(f, _)| *f == field).map(|(_, name)| *name))
        .collect();
    if !fields.is_empty() {
        out.push(format!("the columns {}", fields.into_iter().collect::<Vec<_>>().join(", ")));
    }
    let clocks: Vec<String> = graph.clocks.iter().skip(1).map(|c| interval_text(*c)).collect();
    if !clocks.is_empty() {
        out.push(format!("bars of {} too, each after its close", clocks.join(", ")));
    }
    out
}

/// Names that stand for expressions, parameters with their ranges, and what must hold of them.
fn wheres(s: &Strategy) -> Vec<String> {
    let f = &s.file;
    let mut out: Vec<String> = f.indicators.iter().map(|(name, e)| format!("{name} is {}", text(e))).collect();
    let searched = |(name, range): (&String, &Range)| {
        let when =
            f.conditions.get(name).map(|e| format!("; it counts where {}, and is its default elsewhere", text(e)));
        format!("{name} is searched {}{}", range.words(), when.unwrap_or_default())
    };
    out.extend(f.parameters.iter().map(searched));
    out.extend(f.constraints.iter().map(|c| format!("{} holds", text(c))));
    for (name, function) in &f.functions {
        out.push(match function {
            FunctionText::Short(e) => format!("{name}(…) is {}", text(e)),
            FunctionText::Long(f) => {
                let def = |(name, def): (&String, &DefText)| match def {
                    DefText::Plain(e) => format!("{name} is {}", text(e)),
                    DefText::State(s) => state(name, s),
                };
                let defs: Vec<String> = f.defs.iter().map(def).collect();
                let (takes, gives) = (f.arguments.join(", "), f.outputs.join(", "));
                format!("{name}({takes}) gives {gives}: {}", defs.join("; "))
            }
        });
    }
    out
}

fn state(name: &str, s: &StateText) -> String {
    format!("{name}: begins as {}, then {}", text(&s.start), s.next.as_ref().map_or("stays", text))
}

fn remembers(f: &StrategyFile) -> Vec<String> {
    let mut out: Vec<String> = f.states.iter().map(|(name, s)| state(name, s)).collect();
    out.extend(f.trade.iter().map(|(name, s)| format!("of a position, {}", state(name, s))));
    out
}

fn how(o: &OrderText) -> String {
    let Some(order) = &o.order else { return "at the next open".into() };
    let price = o.price.as_ref().map_or("", text);
    let bars = o.expires.as_ref().map_or_else(|| "until it is cancelled".into(), |e| format!("for {} bars", text(e)));
    format!("by a {} order at {price}, {bars}", order.get_ref())
}

fn enters(f: &StrategyFile) -> Vec<String> {
    let signals = [("long", &f.signals.long_entry), ("short", &f.signals.short_entry)];
    let short = signals
        .into_iter()
        .filter_map(|(side, e)| Some(format!("{side}, at the next open, when {}", text(e.as_ref()?))));
    let rule = |e: &super::file::EntryText| {
        let leverage = e.leverage.as_ref().map_or_else(String::new, |l| format!(", with leverage {}", text(l)));
        format!("'{}': {}, {}{leverage}, when {}", e.tag.get_ref(), e.side.get_ref(), how(&e.order), text(&e.when))
    };
    short.chain(f.entries.iter().map(rule)).collect()
}

fn adds(f: &StrategyFile) -> Vec<String> {
    let one = |a: &super::file::AddText| {
        let (max, tag) =
            (a.max.unwrap_or(1), a.tag.as_ref().map_or_else(String::new, |t| format!("'{}': ", t.get_ref())));
        match &a.when {
            Some(when) => format!("{tag}up to {max} times, {}, when {}", how(&a.order), text(when)),
            None => format!("{tag}a ladder with each entry, k from 1 to {max}, {}", how(&a.order)),
        }
    };
    f.adds.iter().map(one).collect()
}

fn holds(f: &StrategyFile) -> Vec<String> {
    let Some(t) = &f.target else { return Vec::new() };
    let mut out = match &t.weight {
        Weights::All(w) => vec![format!("of each symbol the fraction of equity {}", text(w))],
        Weights::Each(all) => all.iter().map(|(s, w)| format!("of {s} the fraction of equity {}", text(w))).collect(),
    };
    out.push(format!("looked at when {}", text(&t.when)));
    out.extend(t.band.as_ref().map(|b| format!("nothing is traded within {} of it", text(b))));
    if t.together {
        out.push("whoever cannot trade one of them trades none".into());
    }
    out
}

fn ends(f: &StrategyFile) -> Vec<String> {
    let (s, t) = (&f.signals, &f.stops);
    let mut out = Vec::new();
    for (side, e) in [("a long", &s.long_exit), ("a short", &s.short_exit)] {
        out.extend(e.as_ref().map(|e| format!("{side}, at the next open, when {}", text(e))));
    }
    let side = |side: &str| f.entries.iter().any(|e| e.side.get_ref() == side);
    if (s.long_entry.is_some() || side("long")) && (s.short_entry.is_some() || side("short")) {
        out.push("an entry of the other side".into());
    }
    for e in &f.exits {
        let part = e.part.as_ref().map_or_else(String::new, |p| format!("the part {} of it, ", text(p)));
        out.push(format!("'{}': {part}{}, when {}", e.name.get_ref(), how(&e.order), text(&e.when)));
    }
    let from = t.levels.measured_from.as_ref().map_or("entry", |m| m.get_ref().as_str());
    out.extend(t.stop_loss.as_ref().map(|e| format!("a stop {} from the {from}", percent(e))));
    out.extend(t.levels.stop_price.as_ref().map(|e| format!("a stop at the price {}", text(e))));
    out.extend(t.take_profit.as_ref().map(|e| format!("a target {} from the {from}", percent(e))));
    out.extend(t.levels.target_price.as_ref().map(|e| format!("a target at the price {}", text(e))));
    out.extend(t.trailing_stop.as_ref().map(|e| format!("a stop that follows {} behind the best price", percent(e))));
    for step in &t.levels.trailing {
        let after = step.after.as_ref().map_or_else(String::new, |a| format!(" once the profit was {}", percent(a)));
        out.push(format!("a stop that follows {} behind the best price{after}", percent(&step.distance)));
    }
    if t.levels.every_close {
        out.push("every stop and target is looked at again at each close".into());
    }
    if t.levels.loosen {
        out.push("a stop that is looked at again may go further away".into());
    }
    out.extend(t.levels.max_bars.as_ref().map(|e| format!("time: after {} bars", text(e))));
    if out.is_empty() && f.target.is_none() {
        out.push("nothing but liquidation: there is no exit, no stop, no target".into());
    }
    out
}

fn size(z: &SizeText) -> Option<String> {
    let size = z.size.as_ref().map(|e| format!("notional {} of equity", percent(e)));
    let usdt = z.notional_usdt.as_ref().map(|e| format!("notional {} USDT", text(e)));
    let risk = z
        .risk
        .as_ref()
        .map(|r| format!("a loss of {} of equity at the distance {}", percent(&r.fraction), text(&r.distance)));
    let volatility = z.volatility.as_ref().map(|v| {
        format!("a yearly volatility of {} of equity, that of the symbol being {}", percent(&v.target), text(&v.of))
    });
    size.or(usdt).or(risk).or(volatility)
}

fn sizes(f: &StrategyFile) -> Vec<String> {
    let mut out = Vec::new();
    out.extend(f.sizing.margin_fraction.as_ref().map(|e| format!("initial margin {} of equity", percent(e))));
    out.extend(size(&f.sizing.other));
    for e in &f.entries {
        let margin = e.margin_fraction.as_ref().map(|m| format!("initial margin {} of equity", percent(m)));
        let leverage = e.leverage.as_ref().map(|l| format!("leverage {}", text(l)));
        let own: Vec<String> = margin.into_iter().chain(size(&e.size)).chain(leverage).collect();
        if !own.is_empty() {
            out.push(format!("of '{}': {}", e.tag.get_ref(), own.join(", ")));
        }
    }
    out.extend(f.adds.iter().filter_map(|a| Some(format!("of an add: {}", size(&a.size)?))));
    let mode = match f.risk.margin_mode {
        MarginMode::Isolated => "isolated",
        MarginMode::Cross => "cross",
    };
    let leverage = f.sizing.leverage.as_ref().map_or("1", text);
    // Those that say their own are told above.
    let of = match f.entries.iter().filter(|e| e.leverage.is_some()).count() {
        0 => String::new(),
        n if n == f.entries.len() && f.signals.long_entry.is_none() && f.signals.short_entry.is_none() => {
            " where no entry says its own".into()
        }
        _ => " of the other entries".into(),
    };
    out.push(format!("leverage {leverage}{of}, {mode} margin"));
    for (symbol, cap) in &f.risk.leverage_caps {
        out.push(format!("leverage of {symbol} at most {cap}"));
    }
    if (f.risk.max_concurrent_positions as usize) < f.symbols.len() {
        out.push(format!("at most {} positions at once", f.risk.max_concurrent_positions));
    }
    out.extend(f.risk.max_position_size_usdt.map(|v| format!("at most {v} USDT of a position")));
    out
}

fn limits(f: &StrategyFile) -> Vec<String> {
    let l = &f.risk.loss_limits;
    let mut out = Vec::new();
    if f.risk.cooldown > 0 {
        out.push(format!("a symbol takes no entry for {} bars after a trade", f.risk.cooldown));
    }
    out.extend(l.daily.map(|v| format!("for the day after a loss of {} % of equity", v * 100.0)));
    out.extend(l.consecutive.map(|n| format!("for the day after {n} losses in a row")));
    out.extend(l.total.map(|v| format!("for good after a loss of {} % of the initial equity", v * 100.0)));
    out
}
