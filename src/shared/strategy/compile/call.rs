//! Calls: the language's own functions, TA-Lib's by their names, the file's.

use super::across::ACROSS;
use super::{At, Compiler, Type, Typed, arity};
use crate::indicator::Function;
use crate::strategy::diagnostic::Diagnostic;
use crate::strategy::graph::{Check, Node, NodeId};
use crate::strategy::library::text_of;
use crate::strategy::op::{Binary, Unary};
use crate::strategy::parse::{Expr, Kind};
use crate::strategy::words::WORDS;

/// Functions of one number.
const UNARY: [(&str, Unary); 8] = [
    ("abs", Unary::Abs),
    ("sqrt", Unary::Sqrt),
    ("log", Unary::Log),
    ("exp", Unary::Exp),
    ("floor", Unary::Floor),
    ("ceil", Unary::Ceil),
    ("round", Unary::Round),
    ("sign", Unary::Sign),
];

/// The most steps of a counter.
const MAX_STEPS: i64 = 1000;

impl<'a> Compiler<'a> {
    pub(super) fn call(&mut self, name: &'a str, args: &'a [Expr], e: &'a Expr, at: At<'a>) -> Typed {
        if let Some(function) = self.program.functions.get_key_value(name) {
            return self.function((function.0, function.1), args, e, at);
        }
        if let Some(function) = Function::find(name) {
            return self.indicator(function, args, e, at);
        }
        if let Some((_, op)) = UNARY.iter().find(|u| u.0 == name) {
            arity(args, 1, &format!("{name}(x)"), e)?;
            let a = self.number(&args[0], at)?;
            return Ok((self.add(Node::Unary(*op, a), at), Type::Number));
        }
        if let Some(found) = self.window(name, args, e, at) {
            return found;
        }
        if let Some(found) = self.since(name, args, e, at) {
            return found;
        }
        match name {
            "min" | "max" => self.extremes(name, args, e, at),
            "if" => self.choice(args, e, at),
            "known" => self.known(args, e, at),
            "table" => self.table(args, e, at),
            "crosses_above" | "crosses_below" => self.crossing(name == "crosses_above", args, e, at),
            "prev" => self.prev(args, e, at),
            "on" => self.on(args, e, at),
            "mine" => self.mine(args, e, at),
            "sum_of" | "mean_of" | "min_of" | "max_of" | "std_of" => self.each(name, args, e, at),
            _ if name.starts_with("across.") => self.across(name, args, e, at),
            _ => {
                // What is wrong with its arguments is wrong whatever it should have been; a series or a number of bars is not.
                for arg in args.iter().filter(|arg| matches!(arg.kind, Kind::Name(_) | Kind::Binary(..))) {
                    let problem = self.expr(arg, at).err();
                    self.beside.extend(problem);
                }
                Err(self.no_function(name, e))
            }
        }
    }

    fn no_function(&self, name: &str, e: &Expr) -> Diagnostic {
        let span = e.span.start..e.span.start + name.len();
        let problem = Diagnostic::new(format!("unknown function or indicator '{name}'"), span);
        if self.program.unread.contains(name) {
            return problem.follows();
        }
        // Libraries of others stand before their functions: ta.rsi, np.where, close.shift.
        let bare = name.rsplit('.').next().unwrap_or(name);
        let idiom = match bare {
            "shift" | "ref" | "delay" => "an earlier bar is prev(x, bars)",
            "hour" | "minute" | "weekday" | "day" | "month" | "year" => {
                "the calendar's words stand without parentheses"
            }
            "na" | "isna" | "isnan" | "notna" => "whether x is known is known(x); another value for it is known(x, 0)",
            "cross" => "write crosses_above(a, b) or crosses_below(a, b)",
            "pct_change" => "write x / prev(x) - 1",
            "heikinashi" | "heikin_ashi" => "TA-Lib's HA(open, high, low, close) has haopen, hahigh, halow and haclose",
            "tr" => "write TRANGE(high, low, close)",
            "iff" | "where" | "iif" | "select" => "a choice is if(condition, a, b)",
            "nz" | "fillna" | "coalesce" => "another value for what is not known is known(x, 0)",
            "vwap" => {
                "since midnight: import = [\"session_vwap\"], session_vwap(); from the first bar: VWAP(high, low, close, volume)"
            }
            "valuewhen" => "write value_when(condition, x)",
            "barssince" => "write bars_since(condition)",
            "crossover" | "crossed_above" | "cross_above" => "write crosses_above(a, b)",
            "crossunder" | "crossed_below" | "cross_below" => "write crosses_below(a, b)",
            "rolling" | "stdev" | "stddev" => "write std(x, bars), mean(x, bars), …",
            "pow" => "write x ^ 2",
            "mod" => "write x % 2",
            "security" | "request" | "resample" => "another clock or symbol is on(4h, x), on(BTCUSDT@4h, x)",
            "avg" | "average" | "sma" => "write mean(x, bars), or SMA(x, bars) of TA-Lib",
            _ if Function::find(&bare.to_uppercase()).is_some() => {
                return problem.help(format!("TA-Lib's functions are written in capitals: {}", bare.to_uppercase()));
            }
            _ if bare != name && WORDS.iter().any(|w| w.name == bare) => {
                return problem.help(format!("write {bare}(…)"));
            }
            _ if text_of(name).is_some() => {
                return problem.help(format!("it is in the library: import = [\"{name}\"]"));
            }
            _ => {
                let own = WORDS.iter().map(|w| w.name).chain(ACROSS);
                let file = self.program.functions.keys().map(String::as_str);
                return problem.suggest(name, file.chain(own).chain(Function::all().map(|f| f.name())));
            }
        };
        problem.help(idiom)
    }

    fn extremes(&mut self, name: &str, args: &'a [Expr], e: &'a Expr, at: At<'a>) -> Typed {
        if args.len() < 2 {
            let what = format!("{name}(a, b, …) takes 2 arguments or more, {} given", args.len());
            return Err(Diagnostic::new(what, e.span.clone()));
        }
        let op = if name == "min" { Binary::Min } else { Binary::Max };
        let mut out = self.number(&args[0], at)?;
        for arg in &args[1..] {
            let next = self.number(arg, at)?;
            out = self.add(Node::Binary(op, out, next), at);
        }
        Ok((out, Type::Number))
    }

    fn choice(&mut self, args: &'a [Expr], e: &'a Expr, at: At<'a>) -> Typed {
        arity(args, 3, "if(condition, a, b)", e)?;
        let c = self.truth(&args[0], at)?;
        let ((a, left), (b, right)) = (self.single(&args[1], at)?, self.single(&args[2], at)?);
        // What is unknown is unknown of any kind.
        let unknown = |e: &Expr| matches!(&e.kind, Kind::Name(n) if n == "unknown");
        let t = if unknown(&args[1]) { right.clone() } else { left.clone() };
        if left != right && !unknown(&args[1]) && !unknown(&args[2]) {
            let what = format!("this is {}, and the other branch is {}", right.name(), left.name());
            return Err(Diagnostic::new(what, args[2].span.clone()));
        }
        Ok((self.add(Node::If(c, a, b), at), t))
    }

    fn known(&mut self, args: &'a [Expr], e: &'a Expr, at: At<'a>) -> Typed {
        if args.len() == 1 {
            let (x, _) = self.single(&args[0], at)?;
            return Ok((self.add(Node::Unary(Unary::IsKnown, x), at), Type::Truth));
        }
        arity(args, 2, "known(x) or known(x, otherwise)", e)?;
        let (x, t) = self.single(&args[0], at)?;
        let other = self.typed(&args[1], at, &t)?;
        Ok((self.add(Node::Binary(Binary::Known, x, other), at), t))
    }

    /// The `y` of the last step that `x` has reached.
    fn table(&mut self, args: &'a [Expr], e: &'a Expr, at: At<'a>) -> Typed {
        if args.len() < 3 || args.len().is_multiple_of(2) {
            let what = "table(x, x0, y0, x1, y1, …) takes x and pairs";
            return Err(Diagnostic::new(format!("{what}, {} arguments given", args.len()), e.span.clone()));
        }
        let x = self.number(&args[0], at)?;
        let mut out = self.constant(f64::NAN);
        let mut before = f64::NEG_INFINITY;
        for step in args[1..].chunks_exact(2) {
            let (from, y) = (self.number(&step[0], at)?, self.number(&step[1], at)?);
            if let Node::Const(v) = self.graph.nodes[from] {
                if v <= before {
                    return Err(Diagnostic::new("the steps of a table rise", step[0].span.clone()));
                }
                before = v;
            }
            let reached = self.add(Node::Binary(Binary::GreaterEqual, x, from), at);
            out = self.add(Node::If(reached, y, out), at);
        }
        Ok((out, Type::Number))
    }

    /// `sum_of(k, from, to, x)` and its kin: the expression for each value of a counter.
    fn each(&mut self, name: &str, args: &'a [Expr], e: &'a Expr, at: At<'a>) -> Typed {
        arity(args, 4, &format!("{name}(k, from, to, x)"), e)?;
        let Kind::Name(counter) = &args[0].kind else {
            return Err(Diagnostic::new("the counter is a name such as k", args[0].span.clone()));
        };
        if super::column(counter).is_some() || super::values().any(|v| v == counter) {
            let what = format!("the counter '{counter}' would hide a word of the language");
            return Err(Diagnostic::new(what, args[0].span.clone()).help("call it k"));
        }
        let whole = |e: &Expr| match e.kind {
            Kind::Number(v) if v.trunc() == v && v.abs() < 1e6 => Ok(v as i64),
            Kind::Unary(Unary::Negate, ref inner) => match inner.kind {
                Kind::Number(v) if v.trunc() == v && v.abs() < 1e6 => Ok(-(v as i64)),
                _ => Err(Diagnostic::new("a counter goes between two whole numbers", e.span.clone())),
            },
            _ => Err(Diagnostic::new("a counter goes between two whole numbers", e.span.clone())),
        };
        let (from, to) = (whole(&args[1])?, whole(&args[2])?);
        if from > to || to - from >= MAX_STEPS {
            let what = format!("a counter goes up, by at most {MAX_STEPS} steps");
            return Err(Diagnostic::new(what, args[2].span.clone()));
        }
        let mut all = Vec::new();
        for k in from..=to {
            let at = self.counting(counter, k as f64, at);
            all.push(self.number(&args[3], at)?);
        }
        Ok((self.joined(name, &all, at), Type::Number))
    }

    /// Where a counter has a value.
    pub(crate) fn counting(&mut self, counter: &str, value: f64, at: At<'a>) -> At<'a> {
        self.vars.push((counter.into(), value, at.vars));
        At { vars: Some(self.vars.len() - 1), ..at }
    }

    fn joined(&mut self, name: &str, all: &[NodeId], at: At<'a>) -> NodeId {
        let mut fold = |op: Binary, all: &[NodeId]| {
            let rest = all[1..].iter();
            rest.fold(all[0], |sum, next| self.graph.add(Node::Binary(op, sum, *next), at.clock))
        };
        match name {
            "min_of" => fold(Binary::Min, all),
            "max_of" => fold(Binary::Max, all),
            "sum_of" => fold(Binary::Add, all),
            _ => {
                let sum = fold(Binary::Add, all);
                let n = self.constant(all.len() as f64);
                let mean = self.add(Node::Binary(Binary::Divide, sum, n), at);
                if name == "mean_of" {
                    return mean;
                }
                let squared = |c: &mut Compiler<'a>, id: &NodeId| {
                    let away = c.add(Node::Binary(Binary::Subtract, *id, mean), at);
                    c.add(Node::Binary(Binary::Multiply, away, away), at)
                };
                let squares: Vec<NodeId> = all.iter().map(|id| squared(self, id)).collect();
                let sum = squares[1..]
                    .iter()
                    .fold(squares[0], |sum, next| self.add(Node::Binary(Binary::Add, sum, *next), at));
                let less = self.constant(all.len() as f64 - 1.0);
                let variance = self.add(Node::Binary(Binary::Divide, sum, less), at);
                self.add(Node::Unary(Unary::Sqrt, variance), at)
            }
        }
    }

    fn indicator(&mut self, function: Function, args: &'a [Expr], e: &'a Expr, at: At<'a>) -> Typed {
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
        let inputs = series.iter().map(|a| self.number(a, at)).collect::<Result<Vec<_>, _>>()?;
        let mut nodes: Vec<NodeId> = Vec::with_capacity(rest.len());
        for (index, (arg, info)) in rest.iter().zip(&options).enumerate() {
            let named = match &arg.kind {
                Kind::Name(n) if !info.names.is_empty() => Function::ma_type(n),
                _ => None,
            };
            let node = match named {
                Some(v) => self.constant(v),
                None => self.number(arg, at)?,
            };
            if !self.graph.fixed[node] {
                let what = format!("<{}> must be made of numbers and parameters only", info.name);
                return Err(Diagnostic::new(what, arg.span.clone()));
            }
            self.graph.checks.push(Check::Option { function, index, node, span: arg.span.clone() });
            nodes.push(node);
        }
        self.graph.checks.push(Check::Call { function, options: nodes.clone(), span: e.span.clone() });
        if inputs.iter().any(|i| self.graph.account[*i]) {
            let what = format!("{} cannot look at the account", function.name());
            return Err(Diagnostic::new(what, e.span.clone()));
        }
        let id = self.add(Node::Ta { function, options: nodes, inputs }, at);
        let outputs = function.outputs();
        if outputs.len() == 1 {
            return Ok((id, Type::Number));
        }
        let part = |(k, name)| (name, self.add(Node::Output(id, k), at), Type::Number);
        Ok((id, Type::Outputs(outputs.into_iter().enumerate().map(part).collect())))
    }
}
