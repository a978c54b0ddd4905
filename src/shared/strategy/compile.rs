//! From expressions to a graph: names resolved, types checked, each distinct expression once.
//!
//! Named expressions are compiled in the order in which they need each other, each once a symbol, so
//! size and time are linear in the text and nothing recurses deeper than an expression nests.

mod call;

use super::diagnostic::Diagnostic;
use super::graph::{Graph, Node, NodeId, Window};
use super::op::Unary;
use super::parse::{Expr, Kind};
use super::program::Program;
use crate::market::{FIELDS, Field};
use std::collections::BTreeMap;

/// The most nodes of a strategy over all its symbols.
pub const MAX_NODES: usize = 200_000;

/// What an expression is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Type {
    Number,
    Truth,
    Outputs(Vec<String>),
}

impl Type {
    fn name(&self) -> &'static str {
        match self {
            Type::Number => "a number",
            Type::Truth => "true or false",
            Type::Outputs(_) => "several outputs",
        }
    }
}

pub(super) type Typed = Result<(NodeId, Type), Diagnostic>;

/// Builds the graph of a strategy.
#[derive(Debug)]
pub struct Compiler<'a> {
    program: &'a Program,
    params: &'a [String],
    symbols: &'a [String],
    /// The graph so far.
    pub graph: Graph,
    /// Named expressions that are compiled, by symbol.
    named: Vec<BTreeMap<&'a str, (NodeId, Type)>>,
    /// Whether the limit was told.
    full: bool,
}

impl<'a> Compiler<'a> {
    /// A compiler with an empty graph.
    pub fn new(program: &'a Program, params: &'a [String], symbols: &'a [String]) -> Compiler<'a> {
        let named = vec![BTreeMap::new(); symbols.len()];
        Compiler { program, params, symbols, graph: Graph::default(), named, full: false }
    }

    /// Compiles a named expression for a symbol; those that it needs are compiled before.
    ///
    /// # Errors
    /// The first problem, at its place.
    pub fn named(&mut self, name: &'a str, symbol: usize) -> Result<(), Diagnostic> {
        let Some(expr) = self.program.indicators.get(name) else { return Ok(()) };
        if !self.named[symbol].contains_key(name) {
            let compiled = self.expr(expr, Some(symbol))?;
            self.named[symbol].insert(name, compiled);
        }
        Ok(())
    }

    fn limit(&mut self, e: &Expr) -> Result<(), Diagnostic> {
        if self.graph.nodes.len() <= MAX_NODES {
            return Ok(());
        }
        let what = format!("the strategy has over {MAX_NODES} distinct expressions over all its symbols");
        let problem = Diagnostic::new(what, e.span.clone()).help("name fewer symbols, or shorten the file");
        // Told once; the rest of the text only comes to the same end.
        let told = std::mem::replace(&mut self.full, true);
        Err(if told { problem.follows() } else { problem })
    }

    /// Compiles an expression that must be true or false, for one symbol's bars.
    ///
    /// # Errors
    /// The first problem, at its place.
    pub fn truth(&mut self, e: &Expr, symbol: Option<usize>) -> Result<NodeId, Diagnostic> {
        self.typed(e, symbol, &Type::Truth)
    }

    /// Compiles an expression that must be a number.
    ///
    /// # Errors
    /// The first problem, at its place.
    pub fn number(&mut self, e: &Expr, symbol: Option<usize>) -> Result<NodeId, Diagnostic> {
        self.typed(e, symbol, &Type::Number)
    }

    fn typed(&mut self, e: &Expr, symbol: Option<usize>, want: &Type) -> Result<NodeId, Diagnostic> {
        match self.expr(e, symbol)? {
            (id, t) if t == *want => Ok(id),
            (_, Type::Outputs(names)) => Err(Diagnostic::new("this has several outputs", e.span.clone())
                .help(format!("choose one: .{}", names.join(", .")))),
            (_, t) => {
                Err(Diagnostic::new(format!("this must be {}, but it is {}", want.name(), t.name()), e.span.clone()))
            }
        }
    }

    fn add(&mut self, node: Node) -> NodeId {
        self.graph.add(node)
    }

    /// Compiles any expression.
    pub(super) fn expr(&mut self, e: &Expr, symbol: Option<usize>) -> Typed {
        self.limit(e)?;
        match &e.kind {
            Kind::Number(v) => Ok((self.add(Node::Const(*v)), Type::Number)),
            Kind::Bool(b) => Ok((self.add(Node::Const(f64::from(u8::from(*b)))), Type::Truth)),
            Kind::Name(name) => self.name(name, e, symbol),
            Kind::Member(of, member) => self.member(of, member, e, symbol),
            Kind::Call(name, args) => self.call(name, args, e, symbol),
            Kind::Unary(Unary::Not, a) => {
                let a = self.truth(a, symbol)?;
                Ok((self.add(Node::Unary(Unary::Not, a)), Type::Truth))
            }
            Kind::Unary(op, a) => {
                let a = self.number(a, symbol)?;
                Ok((self.add(Node::Unary(*op, a)), Type::Number))
            }
            Kind::Binary(op, a, b) => {
                let want = if op.is_logic() { Type::Truth } else { Type::Number };
                let (a, b) = (self.typed(a, symbol, &want)?, self.typed(b, symbol, &want)?);
                let logic = op.is_logic() || op.is_comparison();
                Ok((self.add(Node::Binary(*op, a, b)), if logic { Type::Truth } else { Type::Number }))
            }
        }
    }

    fn column(&mut self, name: &str, symbol: usize) -> Option<NodeId> {
        let field = column(name)?;
        let id = self.add(Node::Column { symbol, field });
        Some(if field == Field::Funding { self.add(Node::Window(Window::Hold, id)) } else { id })
    }

    fn name(&mut self, name: &str, e: &Expr, symbol: Option<usize>) -> Typed {
        if let Some(at) = self.params.iter().position(|p| p == name) {
            return Ok((self.add(Node::Param(at)), Type::Number));
        }
        let Some(at) = symbol else {
            return Err(Diagnostic::new(
                format!("'{name}' is not a parameter; only parameters are known here"),
                e.span.clone(),
            )
            .suggest(name, self.params.iter().map(String::as_str)));
        };
        if let Some(found) = self.named[at].get(name) {
            return Ok(found.clone());
        }
        if self.program.indicators.contains_key(name) {
            // Compiled before what needs it, unless it has a problem of its own, which is told there.
            return Err(Diagnostic::new(format!("'{name}' has a problem of its own"), e.span.clone()).follows());
        }
        if let Some(id) = self.column(name, at) {
            return Ok((id, Type::Number));
        }
        let names = self.params.iter().chain(self.program.indicators.keys()).map(String::as_str);
        let known: Vec<&str> = names.chain(FIELDS.iter().map(|f| f.1)).chain(["mark"]).collect();
        Err(Diagnostic::new(format!("unknown name '{name}'"), e.span.clone()).suggest(name, known))
    }

    fn member(&mut self, of: &Expr, member: &str, e: &Expr, symbol: Option<usize>) -> Typed {
        if let Kind::Name(name) = &of.kind
            && let Some(at) = self.symbols.iter().position(|s| s == name)
        {
            let id = self.column(member, at).ok_or_else(|| {
                Diagnostic::new(format!("'{member}' is not a column"), e.span.clone())
                    .suggest(member, FIELDS.iter().map(|f| f.1))
            })?;
            return Ok((id, Type::Number));
        }
        let foreign = |name: &String| name.len() > 3 && name.chars().all(|c| c.is_alphanumeric() && !c.is_lowercase());
        if let Kind::Name(name) = &of.kind
            && column(member).is_some()
            && foreign(name)
        {
            let what = format!("'{name}' is not one of the symbols");
            let way = format!("read it without trading it: references = [\"{name}\"]");
            return Err(Diagnostic::new(what, of.span.clone())
                .suggest(name, self.symbols.iter().map(String::as_str))
                .help(way));
        }
        match self.expr(of, symbol)? {
            (id, Type::Outputs(names)) => match names.iter().position(|n| n == member) {
                Some(k) => Ok((self.add(Node::Output(id, k)), Type::Number)),
                None => Err(Diagnostic::new(format!("there is no output '{member}'"), e.span.clone())
                    .help(format!("the outputs are {}", names.join(", ")))),
            },
            _ => Err(Diagnostic::new("only symbols and functions with several outputs have members", e.span.clone())),
        }
    }
}

/// The field of a column's name in expressions.
pub fn column(name: &str) -> Option<Field> {
    match name {
        "mark" => Some(Field::MarkClose),
        _ => FIELDS.iter().find(|(_, n)| *n == name).map(|(f, _)| *f),
    }
}

/// A number of bars that is none.
pub(super) fn bars_problem(span: std::ops::Range<usize>) -> Diagnostic {
    Diagnostic::new("the number of bars must be a whole number from 1 on, of numbers and parameters", span)
        .help("looking ahead is impossible: only this bar and earlier ones are known")
}
