//! From expressions to a graph: names resolved, types checked, each distinct expression once.
//!
//! Named expressions are compiled in the order in which they need each other, each once for a symbol and a clock, so
//! size and time are linear in the text and nothing recurses deeper than an expression nests.

mod across;
mod call;
mod circle;
mod context;
mod function;
mod name;
mod seen;
mod window;

use super::block::{Block, Def};
use super::clock::CALENDAR;
use super::diagnostic::Diagnostic;
use super::graph::{Graph, Node, NodeId, Twin};
use super::op::{Binary, Unary};
use super::parse::{Expr, Kind};
use super::program::Program;
use super::space::Range;
use crate::market::{FIELDS, Field};
use std::collections::BTreeMap;

/// The most nodes of a strategy over all its symbols.
pub const MAX_NODES: usize = 200_000;
/// The most expressions that are looked at, each as often as functions, symbols and clocks need it.
const MAX_WORK: usize = 4_000_000;
/// The most calls of functions with other arguments or at other places.
const MAX_CALLS: usize = 50_000;
/// How deep expressions may nest, through functions and clocks too.
const MAX_DEEP: usize = 700;

/// The scope of what belongs to a position; 0 is the top of the file.
const TRADE: usize = 1;

/// One of several outputs: its name, node and kind.
pub(crate) type Part = (String, NodeId, Type);

/// What an expression is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Type {
    Number,
    Truth,
    /// One of these texts, by its place.
    Text(Vec<String>),
    Outputs(Vec<Part>),
}

impl Type {
    fn name(&self) -> &'static str {
        match self {
            Type::Number => "a number",
            Type::Truth => "true or false",
            Type::Text(_) => "a text",
            Type::Outputs(_) => "several outputs",
        }
    }
}

pub(crate) type Typed = Result<(NodeId, Type), Diagnostic>;

/// Where an expression is compiled: for which symbol and clock, among which names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct At<'a> {
    /// The symbol; none where only parameters are known.
    pub symbol: Option<usize>,
    /// The clock's number; 0 is that of the data.
    pub clock: u8,
    /// The names that are seen.
    pub scope: usize,
    /// The definition that it belongs to, and the number of its circle.
    pub own: Option<&'a str>,
    pub circle: Option<usize>,
    /// The symbol that asks, inside `across`.
    pub mine: Option<usize>,
    /// Counters that are seen.
    pub vars: Option<usize>,
}

impl<'a> At<'a> {
    /// At the top of the file, for a symbol.
    pub(super) fn file(symbol: Option<usize>) -> At<'a> {
        At { symbol, clock: 0, scope: 0, own: None, circle: None, mine: None, vars: None }
    }

    /// In a rule, which sees what belongs to a position too.
    pub(super) fn rule(symbol: usize) -> At<'a> {
        At { scope: TRADE, ..At::file(Some(symbol)) }
    }
}

/// An argument: what stands in the call, and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arg<'a> {
    pub expr: &'a Expr,
    pub at: At<'a>,
}

/// Names that see each other.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    pub block: &'a Block,
    pub args: BTreeMap<&'a str, Arg<'a>>,
    /// The function whose body it is, and those that called it.
    pub function: Option<Vec<&'a str>>,
}

impl<'a> Scope<'a> {
    /// One without arguments.
    pub(super) fn top(block: &'a Block) -> Scope<'a> {
        Scope { block, args: BTreeMap::new(), function: None }
    }
}

/// What is known of a definition.
#[derive(Debug, Clone)]
enum Found {
    Open,
    Failed,
    Done(NodeId, Type),
}

/// What is compiled later: the value that a slot gives on the next bar.
#[derive(Debug)]
enum Later<'a> {
    Own(&'a str),
    Expr(&'a Expr),
}

type Place = (usize, Option<usize>, u8);

/// Builds the graph of a strategy.
#[derive(Debug)]
pub struct Compiler<'a> {
    program: &'a Program,
    params: Vec<(&'a str, &'a Range)>,
    symbols: &'a [String],
    /// Symbols that are traded; the others are only read.
    traded: usize,
    /// The graph so far.
    pub graph: Graph,
    scopes: Vec<Scope<'a>>,
    /// Functions that were called, by place and arguments.
    calls: BTreeMap<(&'a str, Place, Vec<NodeId>), usize>,
    /// Definitions that are compiled.
    found: BTreeMap<Place, BTreeMap<&'a str, Found>>,
    later: Vec<(usize, Later<'a>, At<'a>, bool)>,
    /// Of each slot the definition that asks for it, and where.
    asked: Vec<(&'a str, std::ops::Range<usize>)>,
    slots: BTreeMap<(Place, String), (NodeId, bool)>,
    /// Counters with their values, each with those that are seen beside it.
    vars: Vec<(String, f64, Option<usize>)>,
    /// Names of rules, as `position.tag` gives them.
    pub tags: Vec<String>,
    deep: usize,
    work: usize,
    /// What expressions are for every symbol, inside `across`.
    everywhere: BTreeMap<(usize, Place, Option<usize>), Vec<NodeId>>,
    /// Whether the limit was told.
    full: bool,
    /// What else is wrong with expressions of which the first problem was told.
    pub beside: Vec<Diagnostic>,
}

impl<'a> Compiler<'a> {
    /// A compiler with an empty graph, for data with bars of so many milliseconds.
    pub fn new(
        program: &'a Program,
        params: &'a BTreeMap<String, Range>,
        (symbols, traded): (&'a [String], usize),
        interval_ms: i64,
    ) -> Compiler<'a> {
        Compiler {
            program,
            params: params.iter().map(|(name, range)| (name.as_str(), range)).collect(),
            symbols,
            traded,
            graph: Graph::new(interval_ms),
            scopes: [&program.block, &program.trade].map(Scope::top).into(),
            calls: BTreeMap::new(),
            found: BTreeMap::new(),
            later: Vec::new(),
            asked: Vec::new(),
            slots: BTreeMap::new(),
            vars: Vec::new(),
            tags: program.tags(),
            deep: 0,
            work: 0,
            everywhere: BTreeMap::new(),
            full: false,
            beside: Vec::new(),
        }
    }

    fn limit(&mut self, e: &Expr) -> Result<(), Diagnostic> {
        if self.deep > MAX_DEEP {
            let what = format!("expressions nest deeper than {MAX_DEEP}, functions and clocks included");
            return Err(Diagnostic::new(what, e.span.clone()));
        }
        self.work += 1;
        let (nodes, work, calls) = (self.graph.nodes.len(), self.work, self.scopes.len());
        let what = match () {
            () if nodes > MAX_NODES => {
                format!("the strategy has over {MAX_NODES} distinct expressions over all its symbols")
            }
            () if work > MAX_WORK => {
                format!("the strategy takes over {MAX_WORK} steps to compile: functions, counters or symbols multiply")
            }
            () if calls > MAX_CALLS => format!("the strategy has over {MAX_CALLS} different calls of its functions"),
            () => return Ok(()),
        };
        let problem = Diagnostic::new(what, e.span.clone()).help("name fewer symbols, or shorten the file");
        // Told once; the rest of the text only comes to the same end.
        let told = std::mem::replace(&mut self.full, true);
        Err(if told { problem.follows() } else { problem })
    }

    /// Compiles an expression that must be true or false.
    ///
    /// # Errors
    /// The first problem, at its place.
    pub(super) fn truth(&mut self, e: &'a Expr, at: At<'a>) -> Result<NodeId, Diagnostic> {
        self.typed(e, at, &Type::Truth)
    }

    /// Compiles an expression that must be a number.
    ///
    /// # Errors
    /// The first problem, at its place.
    pub(super) fn number(&mut self, e: &'a Expr, at: At<'a>) -> Result<NodeId, Diagnostic> {
        self.typed(e, at, &Type::Number)
    }

    fn typed(&mut self, e: &'a Expr, at: At<'a>, want: &Type) -> Result<NodeId, Diagnostic> {
        match self.single(e, at)? {
            (id, t) if t == *want => Ok(id),
            (_, t) => {
                Err(Diagnostic::new(format!("this must be {}, but it is {}", want.name(), t.name()), e.span.clone()))
            }
        }
    }

    /// Compiles an expression that has one value.
    pub(super) fn single(&mut self, e: &'a Expr, at: At<'a>) -> Typed {
        match self.expr(e, at)? {
            (_, Type::Outputs(parts)) if parts.len() != 1 => {
                let names: Vec<&str> = parts.iter().map(|p| p.0.as_str()).collect();
                Err(Diagnostic::new("this has several outputs", e.span.clone())
                    .help(format!("choose one: .{}", names.join(", ."))))
            }
            (_, Type::Outputs(mut parts)) => Ok(parts.pop().map_or((0, Type::Number), |p| (p.1, p.2))),
            other => Ok(other),
        }
    }

    pub(super) fn add(&mut self, node: Node, at: At<'_>) -> NodeId {
        self.graph.add(node, at.clock)
    }

    pub(super) fn constant(&mut self, v: f64) -> NodeId {
        self.graph.add(Node::Const(v), 0)
    }

    /// Compiles any expression.
    pub(super) fn expr(&mut self, e: &'a Expr, at: At<'a>) -> Typed {
        self.limit(e)?;
        self.deep += 1;
        let out = self.kind(e, at);
        self.deep -= 1;
        out
    }

    fn kind(&mut self, e: &'a Expr, at: At<'a>) -> Typed {
        match &e.kind {
            Kind::Number(v) => Ok((self.constant(*v), Type::Number)),
            Kind::Bool(b) => Ok((self.constant(f64::from(u8::from(*b))), Type::Truth)),
            Kind::Name(name) => self.name(name, e, at),
            Kind::Member(of, member) => self.member(of, member, e, at),
            Kind::Call(name, args) => self.call(name, args, e, at),
            Kind::Unary(Unary::Not, a) => {
                let a = self.truth(a, at)?;
                Ok((self.add(Node::Unary(Unary::Not, a), at), Type::Truth))
            }
            Kind::Unary(op, a) => {
                let a = self.number(a, at)?;
                Ok((self.add(Node::Unary(*op, a), at), Type::Number))
            }
            Kind::Binary(op @ (Binary::Equal | Binary::NotEqual), a, b) => self.equal(*op, a, b, at),
            Kind::Binary(op, a, b) => {
                let want = if op.is_logic() { Type::Truth } else { Type::Number };
                let (a, b) = (self.typed(a, at, &want), self.typed(b, at, &want));
                let (a, b) = self.both(a, b)?;
                let logic = op.is_logic() || op.is_comparison();
                Ok((self.add(Node::Binary(*op, a, b), at), if logic { Type::Truth } else { Type::Number }))
            }
            Kind::Text(text) => {
                let what = format!("'{text}' can only be compared with a parameter of texts, or with position.tag");
                Err(Diagnostic::new(what, e.span.clone()))
            }
            Kind::Duration(_) => Err(Diagnostic::new("a length of time stands here", e.span.clone())
                .help("it is a number of bars in prev(x, 1d), or a clock in on(4h, x)")),
            Kind::At(..) => Err(Diagnostic::new("a symbol's clock is no value", e.span.clone())
                .help("write on(BTCUSDT@4h, close), or BTCUSDT@4h.close")),
        }
    }

    /// Whether two values are equal: numbers, or a text and one of its choices.
    /// Two operands: what is wrong with the second is told beside what is wrong with the first.
    fn both(
        &mut self,
        a: Result<NodeId, Diagnostic>,
        b: Result<NodeId, Diagnostic>,
    ) -> Result<(NodeId, NodeId), Diagnostic> {
        match (a, b) {
            (Err(first), Err(second)) => {
                self.beside.push(second);
                Err(first)
            }
            (a, b) => Ok((a?, b?)),
        }
    }

    fn equal(&mut self, op: Binary, a: &'a Expr, b: &'a Expr, at: At<'a>) -> Typed {
        let (value, text) = match (&a.kind, &b.kind) {
            (Kind::Text(text), _) => (b, Some((a, text))),
            (_, Kind::Text(text)) => (a, Some((b, text))),
            _ => (a, None),
        };
        let Some((place, text)) = text else {
            let (a, b) = (self.number(a, at), self.number(b, at));
            let (a, b) = self.both(a, b)?;
            return Ok((self.add(Node::Binary(op, a, b), at), Type::Truth));
        };
        let (id, choices) = match self.single(value, at)? {
            (id, Type::Text(choices)) => (id, choices),
            (_, t) => return Err(Diagnostic::new(format!("this is {}, and no text", t.name()), value.span.clone())),
        };
        let Some(number) = choices.iter().position(|c| c == text) else {
            let known: Vec<&str> = choices.iter().map(String::as_str).filter(|c| !c.is_empty()).collect();
            let what = format!("'{text}' is none of its texts: {}", known.join(", "));
            return Err(Diagnostic::new(what, place.span.clone()).suggest(text, choices.iter().map(String::as_str)));
        };
        let number = self.constant(number as f64);
        Ok((self.add(Node::Binary(op, id, number), at), Type::Truth))
    }

    fn column(&mut self, name: &str, at: At<'a>) -> Option<NodeId> {
        let (field, symbol) = (column(name)?, at.symbol?);
        let id = self.add(Node::Column { symbol, field }, at);
        let hold = super::graph::Window::Hold;
        Some(if field == Field::Funding { self.add(Node::Window(hold, id), at) } else { id })
    }
}

/// The field of a column's name in expressions.
pub fn column(name: &str) -> Option<Field> {
    match name {
        "mark" => Some(Field::MarkClose),
        _ => FIELDS.iter().find(|(_, n)| *n == name).map(|(f, _)| *f),
    }
}

/// Words that are values without being named in a file.
pub(super) fn values() -> impl Iterator<Item = &'static str> {
    FIELDS.iter().map(|f| f.1).chain(["mark", "unknown"]).chain(CALENDAR.iter().map(|c| c.0))
}

/// A number of bars that is none.
pub(super) fn bars_problem(least: usize, span: std::ops::Range<usize>) -> Diagnostic {
    Diagnostic::new(
        format!("the number of bars must be a whole number from {least} to 100000, of numbers and parameters"),
        span,
    )
    .help("what comes later is not known: a negative number looks nowhere")
}

/// That a call has as many arguments as it takes.
fn arity(args: &[Expr], n: usize, shape: &str, e: &Expr) -> Result<(), Diagnostic> {
    if args.len() == n {
        return Ok(());
    }
    Err(Diagnostic::new(format!("{shape} takes {n} arguments, {} given", args.len()), e.span.clone()))
}
