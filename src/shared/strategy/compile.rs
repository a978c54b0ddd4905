//! From expressions to a plan: a list of nodes, each computed once, earlier ones first.

use super::diagnostic::Diagnostic;
use super::op::{Binary, Memory, Unary};
use super::parse::{Expr, Kind};
use super::program::Program;
use super::space::Params;
use crate::indicator::Function;
use crate::market::{FIELDS, Field};
use std::collections::BTreeMap;

/// Position of a node in its plan.
pub type Id = usize;
/// The longest look-back of a window, in bars.
const MAX_WINDOW: f64 = 100_000.0;

/// A node.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Op {
    Const(f64),
    Column { symbol: usize, field: Field },
    Unary(Unary, Id),
    Binary(Binary, Id, Id),
    If(Id, Id, Id),
    Memory(Memory, Id),
    Ta { function: Function, options: Vec<f64>, inputs: Vec<Id> },
    Output(Id, usize),
}

/// Nodes in an order in which each follows what it needs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// The nodes.
    pub ops: Vec<Op>,
}

#[derive(Debug, Clone, PartialEq)]
enum Type {
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

/// Builds the plan of a strategy with values bound.
#[derive(Debug)]
pub struct Compiler<'a> {
    program: &'a Program,
    params: &'a Params,
    symbols: &'a [String],
    /// The nodes so far.
    pub plan: Plan,
    seen: BTreeMap<String, Id>,
    open: Vec<String>,
}

type Typed = Result<(Id, Type), Diagnostic>;

impl<'a> Compiler<'a> {
    /// A compiler with an empty plan.
    pub fn new(program: &'a Program, params: &'a Params, symbols: &'a [String]) -> Compiler<'a> {
        Compiler { program, params, symbols, plan: Plan::default(), seen: BTreeMap::new(), open: Vec::new() }
    }

    /// Compiles an expression that must be true or false, for one symbol's bars.
    ///
    /// # Errors
    /// The first problem, at its place.
    pub fn truth(&mut self, e: &Expr, symbol: Option<usize>) -> Result<Id, Diagnostic> {
        self.typed(e, symbol, &Type::Truth)
    }

    /// Compiles an expression that must be a number.
    ///
    /// # Errors
    /// The first problem, at its place.
    pub fn number(&mut self, e: &Expr, symbol: Option<usize>) -> Result<Id, Diagnostic> {
        self.typed(e, symbol, &Type::Number)
    }

    fn typed(&mut self, e: &Expr, symbol: Option<usize>, want: &Type) -> Result<Id, Diagnostic> {
        match self.expr(e, symbol)? {
            (id, t) if t == *want => Ok(id),
            (_, Type::Outputs(names)) => Err(Diagnostic::new("this has several outputs", e.span.clone())
                .help(format!("choose one: .{}", names.join(", .")))),
            (_, t) => {
                Err(Diagnostic::new(format!("this must be {}, but it is {}", want.name(), t.name()), e.span.clone()))
            }
        }
    }

    /// The value of a node that does not depend on data.
    pub fn constant(&self, id: Id) -> Option<f64> {
        match self.plan.ops[id] {
            Op::Const(v) => Some(v),
            _ => None,
        }
    }

    /// Adds a node, or finds the same one; folds what depends on constants only.
    fn add(&mut self, op: Op) -> Id {
        let folded = match op {
            Op::Unary(u, a) => self.constant(a).map(|a| Op::Const(u.apply(a))),
            Op::Binary(b, x, y) => self.constant(x).zip(self.constant(y)).map(|(x, y)| Op::Const(b.apply(x, y))),
            Op::If(c, a, b) => {
                self.constant(c).map(|c| if c == 1.0 { a } else { b }).map(|id| self.plan.ops[id].clone())
            }
            _ => None,
        };
        let op = folded.unwrap_or(op);
        let key = format!("{op:?}");
        if let Some(id) = self.seen.get(&key) {
            return *id;
        }
        self.plan.ops.push(op);
        self.seen.insert(key, self.plan.ops.len() - 1);
        self.plan.ops.len() - 1
    }

    fn expr(&mut self, e: &Expr, symbol: Option<usize>) -> Typed {
        match &e.kind {
            Kind::Number(v) => Ok((self.add(Op::Const(*v)), Type::Number)),
            Kind::Bool(b) => Ok((self.add(Op::Const(f64::from(u8::from(*b)))), Type::Truth)),
            Kind::Name(name) => self.name(name, e, symbol),
            Kind::Member(of, member) => self.member(of, member, e, symbol),
            Kind::Call(name, args) => self.call(name, args, e, symbol),
            Kind::Unary(Unary::Not, a) => {
                let a = self.truth(a, symbol)?;
                Ok((self.add(Op::Unary(Unary::Not, a)), Type::Truth))
            }
            Kind::Unary(op, a) => {
                let a = self.number(a, symbol)?;
                Ok((self.add(Op::Unary(*op, a)), Type::Number))
            }
            Kind::Binary(op, a, b) => {
                let want = if op.is_logic() { Type::Truth } else { Type::Number };
                let (a, b) = (self.typed(a, symbol, &want)?, self.typed(b, symbol, &want)?);
                let logic = op.is_logic() || op.is_comparison();
                Ok((self.add(Op::Binary(*op, a, b)), if logic { Type::Truth } else { Type::Number }))
            }
        }
    }

    fn column(&mut self, name: &str, symbol: usize) -> Option<Id> {
        let field = match name {
            "mark" => Field::MarkClose,
            _ => FIELDS.iter().find(|(_, n)| *n == name)?.0,
        };
        let id = self.add(Op::Column { symbol, field });
        Some(if field == Field::Funding { self.add(Op::Memory(Memory::Hold, id)) } else { id })
    }

    fn name(&mut self, name: &str, e: &Expr, symbol: Option<usize>) -> Typed {
        if let Some(value) = self.params.get(name) {
            return Ok((self.add(Op::Const(value.number())), Type::Number));
        }
        let Some(at) = symbol else {
            return Err(Diagnostic::new(
                format!("'{name}' is not a parameter; only parameters are known here"),
                e.span.clone(),
            )
            .suggest(name, self.params.keys().map(String::as_str)));
        };
        if let Some(expr) = self.program.indicators.get(name) {
            if self.open.iter().any(|n| n == name) {
                return Err(Diagnostic::new(format!("'{name}' is defined by itself"), e.span.clone()));
            }
            self.open.push(name.into());
            let result = self.expr(expr, symbol);
            self.open.pop();
            return result;
        }
        if let Some(id) = self.column(name, at) {
            return Ok((id, Type::Number));
        }
        let names = self.params.keys().chain(self.program.indicators.keys()).map(String::as_str);
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
        match self.expr(of, symbol)? {
            (id, Type::Outputs(names)) => match names.iter().position(|n| n == member) {
                Some(k) => Ok((self.add(Op::Output(id, k)), Type::Number)),
                None => Err(Diagnostic::new(format!("there is no output '{member}'"), e.span.clone())
                    .help(format!("the outputs are {}", names.join(", ")))),
            },
            _ => Err(Diagnostic::new("only symbols and functions with several outputs have members", e.span.clone())),
        }
    }

    fn call(&mut self, name: &str, args: &[Expr], e: &Expr, symbol: Option<usize>) -> Typed {
        if let Some(function) = Function::find(name) {
            return self.indicator(function, args, e, symbol);
        }
        let arity = |n: usize, shape: &str| {
            let given = args.len();
            if given == n {
                Ok(())
            } else {
                Err(Diagnostic::new(format!("{shape} takes {n} arguments, {given} given"), e.span.clone()))
            }
        };
        let unary = match name {
            "abs" => Some(Unary::Abs),
            "sqrt" => Some(Unary::Sqrt),
            "log" => Some(Unary::Log),
            "exp" => Some(Unary::Exp),
            _ => None,
        };
        if let Some(op) = unary {
            arity(1, &format!("{name}(x)"))?;
            let a = self.number(&args[0], symbol)?;
            return Ok((self.add(Op::Unary(op, a)), Type::Number));
        }
        match name {
            "min" | "max" => {
                arity(2, &format!("{name}(a, b)"))?;
                let (a, b) = (self.number(&args[0], symbol)?, self.number(&args[1], symbol)?);
                let op = if name == "min" { Binary::Min } else { Binary::Max };
                Ok((self.add(Op::Binary(op, a, b)), Type::Number))
            }
            "if" => {
                arity(3, "if(condition, a, b)")?;
                let c = self.truth(&args[0], symbol)?;
                let (a, b) = (self.number(&args[1], symbol)?, self.number(&args[2], symbol)?);
                Ok((self.add(Op::If(c, a, b)), Type::Number))
            }
            "crosses_above" | "crosses_below" => {
                arity(2, &format!("{name}(a, b)"))?;
                self.crossing(name == "crosses_above", &args[0], &args[1], symbol)
            }
            "bars_since" => {
                arity(1, "bars_since(condition)")?;
                let c = self.truth(&args[0], symbol)?;
                Ok((self.add(Op::Memory(Memory::BarsSince, c)), Type::Number))
            }
            "prev" | "highest" | "lowest" | "count" => {
                arity(2, &format!("{name}(x, bars)"))?;
                self.window(name, &args[0], &args[1], symbol)
            }
            _ => {
                let own =
                    ["abs", "sqrt", "log", "exp", "min", "max", "if", "crosses_above", "crosses_below", "bars_since"];
                let known = own
                    .into_iter()
                    .chain(["prev", "highest", "lowest", "count"])
                    .chain(Function::all().map(|f| f.name()));
                Err(Diagnostic::new(
                    format!("unknown function or indicator '{name}'"),
                    e.span.start..e.span.start + name.len(),
                )
                .suggest(name, known))
            }
        }
    }

    /// `a` is over `b` now and was not on the bar before.
    fn crossing(&mut self, above: bool, a: &Expr, b: &Expr, symbol: Option<usize>) -> Typed {
        let (a, b) = (self.number(a, symbol)?, self.number(b, symbol)?);
        let (a, b) = if above { (a, b) } else { (b, a) };
        let now = self.add(Op::Binary(Binary::Greater, a, b));
        let (old_a, old_b) = (self.memory(Memory::Prev(1), a), self.memory(Memory::Prev(1), b));
        let before = self.add(Op::Binary(Binary::LessEqual, old_a, old_b));
        Ok((self.add(Op::Binary(Binary::And, now, before)), Type::Truth))
    }

    /// Memory of a constant is the constant, so that a level can be crossed on the second bar.
    fn memory(&mut self, kind: Memory, a: Id) -> Id {
        if matches!(kind, Memory::Prev(_)) && self.constant(a).is_some() { a } else { self.add(Op::Memory(kind, a)) }
    }

    fn window(&mut self, name: &str, x: &Expr, bars: &Expr, symbol: Option<usize>) -> Typed {
        let n = self.number(bars, symbol)?;
        let n = self.constant(n).filter(|n| *n >= 1.0 && *n <= MAX_WINDOW && n.trunc() == *n).ok_or_else(|| {
            Diagnostic::new(
                "the number of bars must be a whole number from 1 on, of numbers and parameters",
                bars.span.clone(),
            )
            .help("looking ahead is impossible: only this bar and earlier ones are known")
        })? as usize;
        let kind = match name {
            "prev" => Memory::Prev(n),
            "highest" => Memory::Highest(n),
            "lowest" => Memory::Lowest(n),
            _ => Memory::Count(n),
        };
        let (x, t) = match (name, self.expr(x, symbol)?) {
            ("count", _) => (self.truth(x, symbol)?, Type::Number),
            ("prev", (id, Type::Truth)) => (id, Type::Truth),
            _ => (self.number(x, symbol)?, Type::Number),
        };
        Ok((self.memory(kind, x), t))
    }

    fn indicator(&mut self, function: Function, args: &[Expr], e: &Expr, symbol: Option<usize>) -> Typed {
        let (inputs, options) = (function.inputs(), function.options());
        if args.len() != inputs.len() + options.len() {
            let names: Vec<String> = inputs
                .iter()
                .map(|s| (*s).to_string())
                .chain(options.iter().map(|o| format!("<{}>", o.name)))
                .collect();
            let message = format!("{} takes {} arguments, {} given", function.name(), names.len(), args.len());
            return Err(Diagnostic::new(message, e.span.clone()).help(format!(
                "{}({})",
                function.name(),
                names.join(", ")
            )));
        }
        let (series, rest) = args.split_at(inputs.len());
        let inputs = series.iter().map(|a| self.number(a, symbol)).collect::<Result<Vec<_>, _>>()?;
        let mut values = Vec::with_capacity(rest.len());
        for (arg, info) in rest.iter().zip(&options) {
            let named = match &arg.kind {
                Kind::Name(n) if !info.names.is_empty() => Function::ma_type(n),
                _ => None,
            };
            let value = match named {
                Some(v) => Some(v),
                None => {
                    let id = self.number(arg, symbol)?;
                    self.constant(id)
                }
            };
            let value = value.ok_or_else(|| {
                Diagnostic::new(
                    format!("<{}> must be made of numbers and parameters only", info.name),
                    arg.span.clone(),
                )
            })?;
            let fits = value.is_finite() && (!info.integer || value.trunc() == value);
            let in_range = !info.names.is_empty() || (info.min..=info.max).contains(&value);
            if !fits || !in_range {
                let message = format!("<{}> of {} cannot be {value}", info.name, function.name());
                return Err(Diagnostic::new(message, arg.span.clone())
                    .help(format!("it goes from {} to {}", info.min, info.max)));
            }
            values.push(value);
        }
        function.lookback(&values).map_err(|err| Diagnostic::new(err.to_string(), e.span.clone()))?;
        let outputs = function.outputs();
        let id = self.add(Op::Ta { function, options: values, inputs });
        Ok((id, if outputs.len() == 1 { Type::Number } else { Type::Outputs(outputs) }))
    }
}
