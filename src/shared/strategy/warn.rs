//! What a file says that is allowed and hardly meant: what changes nothing, what never fires, and functions that are
//! not what their name means elsewhere.

use super::block::{Block, Def};
use super::diagnostic::Diagnostic;
use super::parse::{Expr, Kind};
use super::program::{Act, Program, SizeExpr};
use super::read::Strategy;
use super::space::{Range, Value, defaults};
use super::words::TRAPS;
use std::collections::BTreeSet;

/// Names and calls that a strategy comes to from its signals, rules, levels and sizes.
#[derive(Default)]
struct Reached<'p> {
    names: BTreeSet<&'p str>,
    calls: Vec<&'p Expr>,
    open: Vec<&'p Expr>,
}

impl Def {
    fn exprs(&self) -> Vec<&Expr> {
        match self {
            Def::Plain(e) => vec![e],
            Def::State { start, next } => vec![start, next],
        }
    }
}

impl SizeExpr {
    fn exprs(&self) -> Vec<&Expr> {
        match self {
            SizeExpr::Margin(e) | SizeExpr::Equity(e) | SizeExpr::Notional(e) => vec![e],
            SizeExpr::Risk { fraction: a, distance: b } | SizeExpr::Volatility { target: a, of: b } => vec![a, b],
        }
    }
}

impl Program {
    /// Where everything begins that a strategy does.
    fn roots(&self) -> Vec<&Expr> {
        let mut out: Vec<&Expr> = self.fields.values().collect();
        for (after, distance) in &self.trailing {
            out.extend(after.iter().chain([distance]));
        }
        out.extend(self.size.iter().flat_map(SizeExpr::exprs));
        for rule in &self.rules {
            out.extend(rule.when.iter().chain(&rule.order.price).chain(&rule.order.expires).chain(&rule.leverage));
            out.extend(rule.size.iter().flat_map(SizeExpr::exprs));
            if let Act::Leave(part) = &rule.act {
                out.extend(part);
            }
        }
        if let Some(target) = &self.target {
            out.extend(target.all.iter().chain(target.each.values()).chain([&target.when]).chain(&target.band));
        }
        out
    }
}

fn reached(program: &Program) -> Reached<'_> {
    let mut r = Reached { open: program.roots(), ..Reached::default() };
    let mut called = BTreeSet::new();
    while let Some(e) = r.open.pop() {
        r.open.extend(e.parts());
        match &e.kind {
            Kind::Name(name) if r.names.insert(name) => {
                let defs = [&program.block, &program.trade].into_iter().filter_map(|b: &Block| b.defs.get(name));
                r.open.extend(defs.flat_map(Def::exprs));
            }
            Kind::Call(name, _) => {
                r.calls.push(e);
                if called.insert(name) {
                    let of = program.functions.get(name).into_iter().flat_map(|f| f.block.defs.values());
                    r.open.extend(of.flat_map(Def::exprs));
                }
            }
            _ => {}
        }
    }
    r
}

/// What a file of this text says that its author should look at again, in the order of the text: "warning", or "note"
/// of a function that is something else in other tools.
pub fn warnings(s: &Strategy, text: &str) -> Vec<(&'static str, Diagnostic)> {
    let (program, _) = Program::parse(&s.file, text);
    let (r, places) = (reached(&program), super::place::Places::new(text));
    let mut out = Vec::new();
    for name in s.file.parameters.keys().filter(|n| !r.names.contains(n.as_str())) {
        let d = Diagnostic::new(
            format!("nothing reads '{name}': its value changes nothing"),
            places.of(&["parameters", name]),
        );
        out.push(d.help("a search pays for each parameter: take it out"));
    }
    let tables = [("indicators", &program.block), ("trade", &program.trade)];
    for (table, name) in tables.into_iter().flat_map(|(t, b)| b.defs.keys().map(move |n| (t, n))) {
        if !r.names.contains(name.as_str()) {
            let table = if s.file.states.contains_key(name) { "states" } else { table };
            let what = format!("nothing that trades reads '{name}'");
            out.push(
                Diagnostic::new(what, places.of(&[table, name])).help("`assay strategy values` shows it all the same"),
            );
        }
    }
    out.extend(bounds(s));
    out.extend(constrained(s));
    out.extend(restarted(&program));
    out.extend(never(s, &program));
    let mut out: Vec<(&str, Diagnostic)> = out.into_iter().map(|d| ("warning", d)).collect();
    let mut told = BTreeSet::new();
    for e in r.calls.iter().filter(|e| e.span.end <= text.len()) {
        let Kind::Call(name, args) = &e.kind else { continue };
        let inner = |word: &str| args.iter().any(|a| contains(a, &|n| n == word));
        let crossing = ["crosses_above", "crosses_below"];
        let clocks = crossing.contains(&name.as_str()) || name == "prev";
        let trap = TRAPS.iter().enumerate().find(|(_, (of, _))| of.contains(&name.as_str()));
        let Some((n, (names, what))) = trap else { continue };
        let over =
            !names.contains(&"on") || clocks && inner("on") || name == "on" && crossing.iter().any(|word| inner(word));
        if over && told.insert(n) {
            out.push(("note", Diagnostic::new(format!("{name}: {what}"), e.span.clone())));
        }
    }
    out.sort_by_key(|(_, d)| d.span.start);
    out
}

fn contains(e: &Expr, of: &impl Fn(&str) -> bool) -> bool {
    matches!(&e.kind, Kind::Call(name, _) if of(name)) || e.parts().iter().any(|part| contains(part, of))
}

/// Conditions that no bar changes.
fn never(s: &Strategy, program: &Program) -> Vec<Diagnostic> {
    let read = |e: &Expr| {
        let mut r = Reached { open: vec![e], ..Reached::default() };
        while let Some(e) = r.open.pop() {
            r.open.extend(e.parts());
            if let Kind::Name(name) = &e.kind {
                r.names.insert(name);
            }
        }
        r.names.iter().any(|n| !s.file.parameters.contains_key(*n))
    };
    let entries = ["long_entry", "short_entry"].into_iter().filter_map(|f| program.fields.get(f));
    let rules = program.rules.iter().filter(|r| matches!(r.act, Act::Enter(_))).filter_map(|r| r.when.as_ref());
    let fixed = entries.chain(rules).filter(|e| !read(e));
    fixed.map(|e| Diagnostic::new("no bar changes this: it is true, or not, at every close", e.span.clone())).collect()
}

/// Parameters with which, at an end of their range or between, the strategy cannot run at all.
fn bounds(s: &Strategy) -> Vec<Diagnostic> {
    let mut out: Vec<Diagnostic> = Vec::new();
    for (name, range) in &s.file.parameters {
        let values = match range {
            Range::Int { low, high, .. } => vec![Value::Int(*low), Value::Int(low + 1), Value::Int(*high)],
            Range::Float { low, high, step: None, .. } => {
                vec![Value::Float(*low), Value::Float(low + 0.377 * (high - low)), Value::Float(*high)]
            }
            Range::Float { low, high, .. } => vec![Value::Float(*low), Value::Float(*high)],
            Range::Choice { choices, .. } => choices.iter().map(|v| Value::Float(*v)).collect(),
            Range::Bool { .. } | Range::Text { .. } => Vec::new(),
        };
        for value in values.into_iter().filter(|v| !matches!(v, Value::Int(i) if !range.contains(v))) {
            let params = [(name.clone(), value.clone())].into_iter();
            let all = defaults(&s.file.parameters).into_iter().chain(params).collect();
            if let Err(d) = s.bind(&all) {
                let shown = value;
                let d = Diagnostic::new(format!("with {name} = {shown} it cannot run: {}", d.message), d.span);
                out.push(d.help("trials with such values fail: narrow the range, or make it whole numbers"));
                break;
            }
        }
    }
    out
}

/// Constraints that the defaults do not keep.
fn constrained(s: &Strategy) -> Option<Diagnostic> {
    let bound = s.bind(&defaults(&s.file.parameters)).ok()?;
    let text = bound.violated?;
    let at = s.file.constraints.iter().find(|c| c.get_ref().0 == text)?;
    Some(Diagnostic::new("the defaults do not keep this: a trial of them is infeasible", at.span()))
}

/// States that read themselves on another clock: there they are others.
fn restarted(program: &Program) -> Vec<Diagnostic> {
    let on = |e: &Expr, name: &str| {
        let mut open = vec![e];
        while let Some(e) = open.pop() {
            open.extend(e.parts());
            let read = |part: &&Expr| reads(part, name);
            if matches!(&e.kind, Kind::Call(n, _) if n == "on") && e.parts().iter().any(read) {
                return Some(e.span.clone());
            }
        }
        None
    };
    let state = |(name, def): (&String, &Def)| match def {
        Def::State { next, .. } => on(next, name).map(|span| (name.clone(), span)),
        Def::Plain(_) => None,
    };
    let said = |(name, span)| {
        Diagnostic::new(format!("'{name}' in here is another state: it sees bars of this clock only"), span)
    };
    program.block.defs.iter().filter_map(state).map(said).collect()
}

fn reads(e: &Expr, name: &str) -> bool {
    matches!(&e.kind, Kind::Name(n) if n == name) || e.parts().iter().any(|part| reads(part, name))
}
