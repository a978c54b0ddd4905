//! The order in which named expressions need each other.

use super::diagnostic::Diagnostic;
use super::parse::{Expr, Kind};
use super::program::Program;
use std::collections::BTreeMap;

/// The names that an expression uses, with their places.
fn names<'a>(e: &'a Expr, out: &mut Vec<(&'a str, &'a Expr)>) {
    match &e.kind {
        Kind::Name(name) => out.push((name, e)),
        Kind::Member(a, _) | Kind::Unary(_, a) => names(a, out),
        Kind::Call(_, args) => args.iter().for_each(|a| names(a, out)),
        Kind::Binary(_, a, b) => {
            names(a, out);
            names(b, out);
        }
        Kind::Number(_) | Kind::Bool(_) => {}
    }
}

/// Where a walk through the names stands with one of them.
#[derive(Clone, Copy, PartialEq)]
enum State {
    Open,
    Done,
}

/// All named expressions, each after those that it needs. Walked without recursion: a chain of any
/// length is only long.
///
/// # Errors
/// A circle, at the name that closes it.
pub fn of(program: &Program) -> Result<Vec<&str>, Vec<Diagnostic>> {
    let mut out: Vec<&str> = Vec::with_capacity(program.indicators.len());
    let mut states: BTreeMap<&str, State> = BTreeMap::new();
    for start in program.indicators.keys() {
        let mut path: Vec<(&str, Vec<(&str, &Expr)>)> = Vec::new();
        enter(program, start, &mut states, &mut path);
        while let Some((name, needs)) = path.last_mut() {
            let Some((next, place)) = needs.pop() else {
                states.insert(name, State::Done);
                out.push(name);
                path.pop();
                continue;
            };
            if states.get(next) == Some(&State::Open) {
                let circle: Vec<&str> = path.iter().map(|p| p.0).skip_while(|n| *n != next).chain([next]).collect();
                let what = format!("'{next}' is defined by itself");
                let d = Diagnostic::new(what, place.span.clone());
                return Err(vec![if circle.len() > 2 { d.help(circle.join(" needs ")) } else { d }]);
            }
            enter(program, next, &mut states, &mut path);
        }
    }
    Ok(out)
}

fn enter<'a>(
    program: &'a Program,
    name: &str,
    states: &mut BTreeMap<&'a str, State>,
    path: &mut Vec<(&'a str, Vec<(&'a str, &'a Expr)>)>,
) {
    let Some((name, expr)) = program.indicators.get_key_value(name) else { return };
    if states.contains_key(name.as_str()) {
        return;
    }
    states.insert(name, State::Open);
    let mut needs = Vec::new();
    names(expr, &mut needs);
    needs.reverse();
    path.push((name, needs));
}
