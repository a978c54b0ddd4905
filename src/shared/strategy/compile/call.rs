//! Calls: the language's own functions, and TA-Lib's by their names.

use super::{Compiler, Type, Typed, bars_problem};
use crate::indicator::Function;
use crate::strategy::diagnostic::Diagnostic;
use crate::strategy::graph::{Check, Node, NodeId, Window};
use crate::strategy::op::{Binary, Unary};
use crate::strategy::parse::{Expr, Kind};

/// The language's own functions.
const OWN: [&str; 14] = [
    "abs",
    "sqrt",
    "log",
    "exp",
    "min",
    "max",
    "if",
    "crosses_above",
    "crosses_below",
    "bars_since",
    "prev",
    "highest",
    "lowest",
    "count",
];

fn arity(args: &[Expr], n: usize, shape: &str, e: &Expr) -> Result<(), Diagnostic> {
    if args.len() == n {
        return Ok(());
    }
    Err(Diagnostic::new(format!("{shape} takes {n} arguments, {} given", args.len()), e.span.clone()))
}

impl Compiler<'_> {
    pub(super) fn call(&mut self, name: &str, args: &[Expr], e: &Expr, symbol: Option<usize>) -> Typed {
        if let Some(function) = Function::find(name) {
            return self.indicator(function, args, e, symbol);
        }
        let unary = match name {
            "abs" => Some(Unary::Abs),
            "sqrt" => Some(Unary::Sqrt),
            "log" => Some(Unary::Log),
            "exp" => Some(Unary::Exp),
            _ => None,
        };
        if let Some(op) = unary {
            arity(args, 1, &format!("{name}(x)"), e)?;
            let a = self.number(&args[0], symbol)?;
            return Ok((self.add(Node::Unary(op, a)), Type::Number));
        }
        match name {
            "min" | "max" => {
                arity(args, 2, &format!("{name}(a, b)"), e)?;
                let (a, b) = (self.number(&args[0], symbol)?, self.number(&args[1], symbol)?);
                let op = if name == "min" { Binary::Min } else { Binary::Max };
                Ok((self.add(Node::Binary(op, a, b)), Type::Number))
            }
            "if" => {
                arity(args, 3, "if(condition, a, b)", e)?;
                let c = self.truth(&args[0], symbol)?;
                let (a, b) = (self.number(&args[1], symbol)?, self.number(&args[2], symbol)?);
                Ok((self.add(Node::If(c, a, b)), Type::Number))
            }
            "crosses_above" | "crosses_below" => {
                arity(args, 2, &format!("{name}(a, b)"), e)?;
                self.crossing(name == "crosses_above", &args[0], &args[1], symbol)
            }
            "bars_since" => {
                arity(args, 1, "bars_since(condition)", e)?;
                let c = self.truth(&args[0], symbol)?;
                Ok((self.add(Node::Window(Window::BarsSince, c)), Type::Number))
            }
            "prev" | "highest" | "lowest" | "count" => {
                arity(args, 2, &format!("{name}(x, bars)"), e)?;
                self.window(name, &args[0], &args[1], symbol)
            }
            _ => {
                let known = OWN.into_iter().chain(Function::all().map(|f| f.name()));
                let span = e.span.start..e.span.start + name.len();
                Err(Diagnostic::new(format!("unknown function or indicator '{name}'"), span).suggest(name, known))
            }
        }
    }

    /// `a` is over `b` now and was not on the bar before.
    fn crossing(&mut self, above: bool, a: &Expr, b: &Expr, symbol: Option<usize>) -> Typed {
        let (a, b) = (self.number(a, symbol)?, self.number(b, symbol)?);
        let (a, b) = if above { (a, b) } else { (b, a) };
        let now = self.add(Node::Binary(Binary::Greater, a, b));
        let one = self.add(Node::Const(1.0));
        let (old_a, old_b) =
            (self.add(Node::Window(Window::Prev(one), a)), self.add(Node::Window(Window::Prev(one), b)));
        let before = self.add(Node::Binary(Binary::LessEqual, old_a, old_b));
        Ok((self.add(Node::Binary(Binary::And, now, before)), Type::Truth))
    }

    fn window(&mut self, name: &str, x: &Expr, bars: &Expr, symbol: Option<usize>) -> Typed {
        let n = self.number(bars, symbol)?;
        if !self.graph.fixed[n] {
            return Err(bars_problem(bars.span.clone()));
        }
        self.graph.checks.push(Check::Bars { node: n, span: bars.span.clone() });
        let window = match name {
            "prev" => Window::Prev(n),
            "highest" => Window::Highest(n),
            "lowest" => Window::Lowest(n),
            _ => Window::Count(n),
        };
        let (x, t) = match name {
            "count" => (self.truth(x, symbol)?, Type::Number),
            "prev" => match self.expr(x, symbol)? {
                (id, Type::Truth) => (id, Type::Truth),
                _ => (self.number(x, symbol)?, Type::Number),
            },
            _ => (self.number(x, symbol)?, Type::Number),
        };
        Ok((self.add(Node::Window(window, x)), t))
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
            let shape = format!("{}({})", function.name(), names.join(", "));
            return Err(Diagnostic::new(message, e.span.clone()).help(shape));
        }
        let (series, rest) = args.split_at(inputs.len());
        let inputs = series.iter().map(|a| self.number(a, symbol)).collect::<Result<Vec<_>, _>>()?;
        let mut nodes: Vec<NodeId> = Vec::with_capacity(rest.len());
        for (index, (arg, info)) in rest.iter().zip(&options).enumerate() {
            let named = match &arg.kind {
                Kind::Name(n) if !info.names.is_empty() => Function::ma_type(n),
                _ => None,
            };
            let node = match named {
                Some(v) => self.add(Node::Const(v)),
                None => self.number(arg, symbol)?,
            };
            if !self.graph.fixed[node] {
                let what = format!("<{}> must be made of numbers and parameters only", info.name);
                return Err(Diagnostic::new(what, arg.span.clone()));
            }
            self.graph.checks.push(Check::Option { function, index, node, span: arg.span.clone() });
            nodes.push(node);
        }
        self.graph.checks.push(Check::Call { function, options: nodes.clone(), span: e.span.clone() });
        let outputs = function.outputs();
        let id = self.add(Node::Ta { function, options: nodes, inputs });
        Ok((id, if outputs.len() == 1 { Type::Number } else { Type::Outputs(outputs) }))
    }
}
