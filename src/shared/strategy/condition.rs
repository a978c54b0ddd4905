//! Parameters that count only where a condition holds: elsewhere they are their defaults, and no search varies them.

use super::circles::groups;
use super::compile::{At, Compiler};
use super::diagnostic::Diagnostic;
use super::file::StrategyFile;
use super::graph::{Graph, Node, NodeId};
use super::op::choose;
use super::program::Program;
use super::space::{Params, Range};

/// When a parameter counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Its place among the parameters.
    pub param: usize,
    /// What must hold.
    node: NodeId,
}

/// The conditions of a file, each behind those whose parameters it asks for.
pub(super) fn compile<'a>(
    c: &mut Compiler<'a>,
    program: &'a Program,
    file: &StrategyFile,
    keep: &mut impl FnMut(Diagnostic),
) -> Vec<Condition> {
    let place = |name: &String| file.parameters.keys().position(|known| known == name);
    let mut found = Vec::new();
    for (name, e) in &program.conditions {
        match (place(name), c.truth(e, At::file(None))) {
            (Some(param), Ok(node)) => found.push((Condition { param, node }, name, e)),
            (None, _) => {}
            (_, Err(d)) => keep(d),
        }
    }
    let needs = |(condition, ..): &(Condition, &String, _)| -> Vec<usize> {
        let asked = asked(&c.graph, condition.node);
        found.iter().enumerate().filter(|(_, (other, ..))| asked.contains(&other.param)).map(|(i, _)| i).collect()
    };
    let needs: Vec<Vec<usize>> = found.iter().map(needs).collect();
    let groups = groups(&needs);
    for group in groups.iter().filter(|g| g.len() > 1 || needs[g[0]].contains(&g[0])) {
        let (_, name, e) = &found[group[0]];
        let what = format!("whether '{name}' counts depends on itself");
        keep(
            Diagnostic::new(what, e.span.clone())
                .help("a condition asks for other parameters, and they not for this one"),
        );
    }
    groups.into_iter().flatten().map(|at| found[at].0.clone()).collect()
}

/// The parameters that a node asks for.
fn asked(graph: &Graph, node: NodeId) -> Vec<usize> {
    let (mut open, mut out) = (vec![node], Vec::new());
    while let Some(id) = open.pop() {
        match &graph.nodes[id] {
            Node::Param(p) => out.push(*p),
            Node::Unary(_, a) | Node::Window(_, a) => open.push(*a),
            Node::Binary(_, a, b) => open.extend([*a, *b]),
            Node::If(c, a, b) => open.extend([*c, *a, *b]),
            _ => {}
        }
    }
    out
}

/// The value of a node that depends on numbers and parameters only; of another one not a number.
fn value(graph: &Graph, id: NodeId, given: &[f64]) -> f64 {
    let of = |id: NodeId| value(graph, id, given);
    match &graph.nodes[id] {
        Node::Const(v) => *v,
        Node::Param(p) => given[*p],
        Node::Unary(op, a) => op.apply(of(*a)),
        Node::Binary(op, a, b) => op.apply(of(*a), of(*b)),
        Node::If(c, a, b) => choose(of(*c), of(*a), of(*b)),
        Node::Window(_, a) => of(*a),
        _ => f64::NAN,
    }
}

/// Sets the parameters that do not count to their defaults, and gives their places.
pub(super) fn settle(
    conditions: &[Condition],
    graph: &Graph,
    (names, ranges): (&[String], &[Range]),
    params: &mut Params,
) -> Vec<usize> {
    if conditions.is_empty() {
        return Vec::new();
    }
    let number = |(name, range): (&String, &Range)| params.get(name).map_or(f64::NAN, |v| range.number(v));
    let mut given: Vec<f64> = names.iter().zip(ranges).map(number).collect();
    let mut out = Vec::new();
    for condition in conditions {
        if value(graph, condition.node, &given) != 1.0 {
            let default = ranges[condition.param].default();
            given[condition.param] = ranges[condition.param].number(&default);
            params.insert(names[condition.param].clone(), default);
            out.push(condition.param);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use crate::strategy::space::defaults;
    use crate::strategy::{Params, Strategy, Value};

    fn text(parameters: &str) -> String {
        format!(
            "name = \"c\"\ndescription = \"d\"\ninterval = \"1h\"\nsymbols = [\"S0USDT\"]\n[parameters]\n{parameters}\n\
             [signals]\nlong_entry = \"close > 1\"\n[sizing]\nmargin_fraction = 0.1\nleverage = 2\n"
        )
    }

    const THREE: &str = "stop = { type = \"bool\", default = true }\n\
        kind = { type = \"choice\", choices = [\"atr\", \"pct\"], default = \"pct\", when = \"stop\" }\n\
        atr = { type = \"float\", low = 1.0, high = 5.0, default = 2.0, when = \"kind == 'atr'\" }\n\
        bars = { type = \"int\", low = 5, high = 50, default = 14, when = \"kind == 'atr' and atr < 4\" }";

    /// What does not count is its default, also where it does not count because another one does not.
    #[test]
    fn what_does_not_count_is_its_default() {
        let s = Strategy::parse(&text(THREE)).unwrap();
        let point = |stop: bool, kind: &str, atr: f64, bars: i64| {
            Params::from([
                ("stop".into(), Value::Truth(stop)),
                ("kind".into(), Value::Text(kind.into())),
                ("atr".into(), Value::Float(atr)),
                ("bars".into(), Value::Int(bars)),
            ])
        };
        let settled = |mut p: Params| (s.settle(&mut p).len(), p);
        assert_eq!(settled(point(true, "atr", 3.0, 20)), (0, point(true, "atr", 3.0, 20)));
        assert_eq!(settled(point(true, "atr", 4.5, 20)), (1, point(true, "atr", 4.5, 14)));
        assert_eq!(settled(point(true, "pct", 3.0, 20)), (2, point(true, "pct", 2.0, 14)));
        assert_eq!(settled(point(false, "atr", 3.0, 20)), (3, point(false, "pct", 2.0, 14)));
        assert!(s.is_settled(&defaults(&s.file.parameters)) && !s.is_settled(&point(false, "atr", 3.0, 20)));
        assert_eq!(Strategy::recorded(s.canonical()).unwrap().hash(), s.hash());
        assert!(s.canonical().starts_with("format = 3") && s.canonical().contains("when = \"kind == 'atr'\""));
        let without = Strategy::parse(&text(&THREE.replace(", when = \"stop\"", ""))).unwrap();
        assert_ne!(without.hash(), s.hash());
    }

    #[test]
    fn wrong_conditions_are_named_at_their_places() {
        let told = |parameters: &str| {
            let text = text(parameters);
            let d = Strategy::parse(&text).unwrap_err().remove(0);
            (d.message.clone(), text[d.span].to_string())
        };
        let n = |name: &str, when: &str| {
            format!("{name} = {{ type = \"int\", low = 1, high = 9, default = 2, when = {when} }}")
        };
        let (what, at) = told(&n("a", "\"a > 3\""));
        assert!(what.contains("'a' counts depends on itself") && at == "a > 3", "{what} at {at}");
        let both = [n("a", "\"b > 3\""), n("b", "\"a > 3\"")].join("\n");
        assert!(told(&both).0.contains("depends on itself"));
        assert!(told(&n("a", "\"b > 3\"")).0.contains("'b' is not a parameter"));
        assert!(told(&n("a", "\"close > 3\"")).1.contains("close"), "the market says nothing about a search");
        assert!(told(&n("a", "\"3\"")).0.contains("must be true or false"));
        assert!(told(&n("a", "[1]")).0.contains("'when' of 'a' is no expression"));
    }
}
