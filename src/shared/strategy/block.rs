//! Named definitions: which need each other, in which order they are computed on a bar, and what is no definition.

use super::circles::groups;
use super::diagnostic::Diagnostic;
use super::parse::{Expr, Kind};
use std::collections::BTreeMap;

/// What a name stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Def {
    /// An expression of its bar.
    Plain(Expr),
    /// A state: its value on the first bar on which it is known, and on each later one.
    State {
        /// The first value.
        start: Expr,
        /// The value on each later bar; one that is not known keeps the state.
        next: Expr,
    },
}

/// Definitions that see each other.
#[derive(Debug, Clone, Default)]
pub struct Block {
    /// Them by name.
    pub defs: BTreeMap<String, Def>,
    /// Names in an order in which each follows what it needs on its bar.
    pub order: Vec<String>,
    /// The number of the circle that a name belongs to.
    pub circle: BTreeMap<String, usize>,
    /// The names that each one needs on its bar.
    pub needs: BTreeMap<String, Vec<String>>,
    ranks: BTreeMap<String, usize>,
}

/// A use of a name.
struct Use<'a> {
    name: &'a str,
    place: &'a Expr,
    /// Whether it is the value of an earlier bar.
    before: bool,
}

fn uses<'a>(e: &'a Expr, own: Option<&'a str>, before: bool, out: &mut Vec<Use<'a>>) {
    match (&e.kind, own) {
        (Kind::Name(name), Some(own)) if name == "self" => out.push(Use { name: own, place: e, before: true }),
        (Kind::Name(name), _) => out.push(Use { name, place: e, before }),
        (Kind::Call(name, args), _) if name == "prev" => {
            args.iter().enumerate().for_each(|(i, a)| uses(a, own, before || i == 0, out));
        }
        _ => e.parts().into_iter().for_each(|part| uses(part, own, before, out)),
    }
}

/// Whether an expression names one of a circle.
pub(super) fn names_one(e: &Expr, block: &Block, circle: usize) -> bool {
    let named = matches!(&e.kind, Kind::Name(n) if n == "self" || block.circle.get(n) == Some(&circle));
    named || e.parts().into_iter().any(|part| names_one(part, block, circle))
}

impl Def {
    fn uses<'a>(&'a self, name: &'a str) -> Vec<Use<'a>> {
        let mut out = Vec::new();
        match self {
            Def::Plain(e) => uses(e, None, false, &mut out),
            Def::State { start, next } => {
                uses(start, Some(name), false, &mut out);
                uses(next, Some(name), false, &mut out);
            }
        }
        out
    }

    fn place(&self) -> &Expr {
        match self {
            Def::Plain(e) | Def::State { start: e, .. } => e,
        }
    }
}

impl Block {
    /// Puts definitions in order.
    ///
    /// # Errors
    /// A circle on one bar; a circle that nothing starts. Both by their names.
    pub fn new(defs: BTreeMap<String, Def>) -> Result<Block, Vec<Diagnostic>> {
        let names: Vec<&str> = defs.keys().map(String::as_str).collect();
        let at = |name: &str| names.binary_search(&name).ok();
        let all: Vec<Vec<(usize, Use<'_>)>> = defs
            .iter()
            .map(|(name, def)| def.uses(name).into_iter().filter_map(|u| Some((at(u.name)?, u))).collect())
            .collect();
        let whole: Vec<Vec<usize>> = all.iter().map(|uses| uses.iter().map(|u| u.0).collect()).collect();
        let mut group_of = vec![0; names.len()];
        let mut problems = Vec::new();
        let mut circle = BTreeMap::new();
        for (number, group) in groups(&whole).into_iter().enumerate() {
            group.iter().for_each(|n| group_of[*n] = number);
            if group.len() == 1 && !whole[group[0]].contains(&group[0]) {
                continue;
            }
            circle.extend(group.iter().map(|n| (names[*n].to_string(), number)));
            let own: Vec<&str> = group.iter().map(|n| names[*n]).collect();
            problems.extend(own.iter().filter_map(|n| never_starts(n, &own, &defs)));
            let states = group.iter().any(|n| matches!(defs[names[*n]], Def::State { .. }));
            if !states && all_before(&all, &group) {
                problems.push(without_start(&names, &group, &defs));
            }
        }
        // On one bar: what is of an earlier one does not count inside a circle.
        let now: Vec<Vec<(usize, &Expr)>> = all
            .iter()
            .enumerate()
            .map(|(n, uses)| {
                let counts = |u: &&(usize, Use<'_>)| !(u.1.before && group_of[n] == group_of[u.0]);
                uses.iter().filter(counts).map(|u| (u.0, u.1.place)).collect()
            })
            .collect();
        let mut order = Vec::new();
        for group in groups(&now.iter().map(|uses| uses.iter().map(|u| u.0).collect()).collect::<Vec<_>>()) {
            if let Some(circle) = circle_in(&now, &group) {
                problems.push(without_prev(&names, &circle));
            }
            order.extend(group.into_iter().map(|n| names[n].to_string()));
        }
        let named = |uses: &Vec<(usize, &Expr)>| uses.iter().map(|u| names[u.0].to_string()).collect();
        let needs = names.iter().zip(&now).map(|(name, uses)| (name.to_string(), named(uses))).collect();
        let ranks = order.iter().enumerate().map(|(rank, name): (usize, &String)| (name.clone(), rank)).collect();
        if problems.is_empty() { Ok(Block { order, circle, needs, ranks, defs }) } else { Err(problems) }
    }
}

impl Block {
    /// The place of a name in the order.
    pub fn rank(&self, name: &str) -> usize {
        self.ranks.get(name).copied().unwrap_or(usize::MAX)
    }
}

/// Whether a group is a circle only through earlier bars.
fn all_before(all: &[Vec<(usize, Use<'_>)>], group: &[usize]) -> bool {
    let inside = |n: &usize| all[*n].iter().filter(|u| group.contains(&u.0));
    let now: Vec<Vec<usize>> = (0..all.len())
        .map(
            |n| if group.contains(&n) { inside(&n).filter(|u| !u.1.before).map(|u| u.0).collect() } else { Vec::new() },
        )
        .collect();
    groups(&now).iter().all(|g| g.len() == 1 && !now[g[0]].contains(&g[0]))
}

/// A shortest way from the first of a group back to it, with the place of each step.
fn circle_in<'a>(now: &[Vec<(usize, &'a Expr)>], group: &[usize]) -> Option<Vec<(usize, &'a Expr)>> {
    let start = group[0];
    let mut from: BTreeMap<usize, (usize, &Expr)> = BTreeMap::new();
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for (next, place) in now[node].iter().filter(|u| group.contains(&u.0)) {
            if *next == start {
                let mut way = vec![(start, *place)];
                let mut at = node;
                while at != start {
                    let (above, place) = from[&at];
                    way.push((at, place));
                    at = above;
                }
                way.reverse();
                return Some(way);
            }
            if !from.contains_key(next) {
                from.insert(*next, (node, *place));
                queue.push_back(*next);
            }
        }
    }
    None
}

fn without_prev(names: &[&str], circle: &[(usize, &Expr)]) -> Diagnostic {
    let last = circle.last().map_or("", |c| names[c.0]);
    let way: Vec<&str> = std::iter::once(last).chain(circle.iter().map(|c| names[c.0])).collect();
    let span = circle.first().map_or(0..1, |c| c.1.span.clone());
    Diagnostic::new(format!("circle without prev: {}", way.join(" -> ")), span)
        .help("what a value was on the bar before is prev(…), or self in the next of a state")
}

/// A state of a circle whose first value is one that the circle had before.
fn never_starts(name: &str, group: &[&str], defs: &BTreeMap<String, Def>) -> Option<Diagnostic> {
    let Def::State { start, .. } = &defs[name] else { return None };
    let mut found = Vec::new();
    uses(start, Some(name), false, &mut found);
    let bad = found.into_iter().find(|u| u.before && group.contains(&u.name))?;
    let what = format!("the start of '{name}' is what its circle was before, so it never starts");
    Some(Diagnostic::new(what, bad.place.span.clone()).help("begin with what is known without it: a number, a price"))
}

fn without_start(names: &[&str], group: &[usize], defs: &BTreeMap<String, Def>) -> Diagnostic {
    let (first, all) = (names[group[0]], group.iter().map(|n| names[*n]).collect::<Vec<_>>().join(", "));
    Diagnostic::new(
        format!("'{first}' needs its own earlier value, and nothing says what the first one is"),
        defs[first].place().span.clone(),
    )
    .help(format!("make one of it a state: [states] {first} = {{ start = \"…\", next = \"…\" }} (the circle is {all})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::parse::parse;

    fn block(plain: &[(&str, &str)], states: &[(&str, &str)]) -> Result<Block, Vec<String>> {
        let plain = plain.iter().map(|(n, e)| (n.to_string(), Def::Plain(parse(e).unwrap())));
        let state = |next: &str| Def::State { start: parse("0").unwrap(), next: parse(next).unwrap() };
        let defs = plain.chain(states.iter().map(|(n, e)| (n.to_string(), state(e)))).collect();
        Block::new(defs).map_err(|found| found.into_iter().map(|d| d.message).collect())
    }

    #[test]
    fn circles_pass_the_bar_before_and_hold_a_state() {
        assert_eq!(block(&[("a", "b + 1"), ("b", "close")], &[]).unwrap().order, ["b", "a"]);
        assert_eq!(block(&[("x", "x + 1")], &[]).unwrap_err(), ["circle without prev: x -> x"]);
        assert_eq!(
            block(&[("x", "z"), ("y", "x"), ("z", "y")], &[]).unwrap_err(),
            ["circle without prev: x -> z -> y -> x"]
        );
        assert!(block(&[("x", "prev(x) + 1")], &[]).unwrap_err()[0].contains("nothing says what the first one is"));
        assert!(block(&[("x", "prev(s)")], &[("s", "x + self")]).is_ok());
        assert_eq!(block(&[("x", "s")], &[("s", "x + self")]).unwrap_err(), ["circle without prev: s -> x -> s"]);
        let two = block(&[], &[("a", "if(b > 1, self, prev(b))"), ("b", "prev(a) + 1")]).unwrap();
        assert_eq!((two.order, two.circle["a"]), (vec!["b".to_string(), "a".into()], two.circle["b"]));
    }
}
