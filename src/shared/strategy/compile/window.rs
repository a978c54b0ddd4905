//! Functions that look back: over a number of bars, since a condition, at a distance.

use super::{At, Compiler, Diagnostic, Expr, Kind, Node, NodeId, Type, Typed, arity, bars_problem};
use crate::strategy::graph::{Check, Twin, Window};
use crate::strategy::op::Binary;
use crate::strategy::stat::{Figure, Paired};

/// Figures of one series by their words.
const FIGURES: [(&str, Figure); 11] = [
    ("sum", Figure::Sum),
    ("mean", Figure::Mean),
    ("var", Figure::Var),
    ("std", Figure::Std),
    ("zscore", Figure::Zscore),
    ("skew", Figure::Skew),
    ("kurtosis", Figure::Kurtosis),
    ("median", Figure::Median),
    ("rank", Figure::Rank),
    ("slope", Figure::Slope),
    ("intercept", Figure::Intercept),
];

impl<'a> Compiler<'a> {
    /// A number of bars: of numbers and parameters, or a length of time that is whole bars of the clock.
    pub(crate) fn bars(&mut self, e: &'a Expr, least: usize, at: At<'a>) -> Result<NodeId, Diagnostic> {
        if let Kind::Duration(ms) = e.kind {
            let bar = self.graph.clocks[usize::from(at.clock)];
            let bars = ms / bar;
            if ms % bar != 0 || (bars as usize) < least {
                let what = format!("this is not a whole number of bars of {}", crate::time::interval_text(bar));
                return Err(Diagnostic::new(what, e.span.clone()));
            }
            return Ok(self.constant(bars as f64));
        }
        let node = self.number(e, at)?;
        if !self.graph.fixed[node] {
            let problem = bars_problem(least, e.span.clone());
            return Err(problem
                .help("a distance that is a value is at(x, distance, limit); ahead of this bar nothing is known"));
        }
        self.graph.checks.push(Check::Bars { node, least, span: e.span.clone() });
        Ok(node)
    }

    /// `prev(x)` and `prev(x, bars)`.
    pub(super) fn prev(&mut self, args: &'a [Expr], e: &'a Expr, at: At<'a>) -> Typed {
        if args.is_empty() || args.len() > 2 {
            return Err(Diagnostic::new(
                format!("prev(x, bars) takes 1 or 2 arguments, {} given", args.len()),
                e.span.clone(),
            ));
        }
        let bars = match args.get(1) {
            Some(bars) => self.bars(bars, 0, at)?,
            None => self.constant(1.0),
        };
        if let Some((id, t)) = self.before(&args[0], at) {
            // One bar of the distance is the slot's.
            let one = self.constant(1.0);
            let rest = self.add(Node::Binary(Binary::Subtract, bars, one), at);
            let span = args.get(1).map_or(e.span.clone(), |b| b.span.clone());
            self.graph.checks.push(Check::Bars { node: rest, least: 0, span });
            return Ok((self.add(Node::Window(Window::Prev(rest), id), at), t));
        }
        let (id, t) = self.single(&args[0], at)?;
        Ok((self.add(Node::Window(Window::Prev(bars), id), at), t))
    }

    /// `a` is over `b` now and was not on the bar before.
    pub(super) fn crossing(&mut self, above: bool, args: &'a [Expr], e: &'a Expr, at: At<'a>) -> Typed {
        arity(args, 2, if above { "crosses_above(a, b)" } else { "crosses_below(a, b)" }, e)?;
        let (a, b) = (self.number(&args[0], at)?, self.number(&args[1], at)?);
        let (a, b) = if above { (a, b) } else { (b, a) };
        let now = self.add(Node::Binary(Binary::Greater, a, b), at);
        let one = self.constant(1.0);
        let (old_a, old_b) =
            (self.add(Node::Window(Window::Prev(one), a), at), self.add(Node::Window(Window::Prev(one), b), at));
        let before = self.add(Node::Binary(Binary::LessEqual, old_a, old_b), at);
        Ok((self.add(Node::Binary(Binary::And, now, before), at), Type::Truth))
    }

    /// Functions of the last bars, by their words; nothing for other words.
    pub(super) fn window(&mut self, name: &str, args: &'a [Expr], e: &'a Expr, at: At<'a>) -> Option<Typed> {
        let paired = match (name, args.len()) {
            ("slope", 3) => Some(Paired::Slope),
            ("intercept", 3) => Some(Paired::Intercept),
            ("corr", _) => Some(Paired::Corr),
            _ => None,
        };
        if let Some(paired) = paired {
            return Some(self.paired(name, paired, args, e, at));
        }
        let figure = FIGURES.iter().find(|f| f.0 == name).map(|f| f.1);
        Some(match (name, figure) {
            (_, Some(figure)) => self.figure(name, figure, args, e, at),
            ("quantile", _) => self.quantile(args, e, at),
            ("highest" | "lowest" | "count", _) => self.extreme(name, args, e, at),
            _ => return None,
        })
    }

    fn figure(&mut self, name: &str, figure: Figure, args: &'a [Expr], e: &'a Expr, at: At<'a>) -> Typed {
        arity(args, 2, &format!("{name}(x, bars)"), e)?;
        let (x, n) = (self.number(&args[0], at)?, self.bars(&args[1], figure.least(), at)?);
        Ok((self.add(Node::Window(Window::Figure(figure, n), x), at), Type::Number))
    }

    fn paired(&mut self, name: &str, paired: Paired, args: &'a [Expr], e: &'a Expr, at: At<'a>) -> Typed {
        arity(args, 3, &format!("{name}(y, x, bars)"), e)?;
        let (y, x) = (self.number(&args[0], at)?, self.number(&args[1], at)?);
        let n = self.bars(&args[2], 2, at)?;
        Ok((self.add(Node::Twin(Twin::Figure(paired, n), y, x), at), Type::Number))
    }

    fn quantile(&mut self, args: &'a [Expr], e: &'a Expr, at: At<'a>) -> Typed {
        arity(args, 3, "quantile(x, bars, part)", e)?;
        let (x, n) = (self.number(&args[0], at)?, self.bars(&args[1], 1, at)?);
        let part = match args[2].kind {
            Kind::Number(part) if (0.0..=1.0).contains(&part) => part,
            _ => return Err(Diagnostic::new("the part of a quantile is a number from 0 to 1", args[2].span.clone())),
        };
        let figure = Figure::Quantile((part * 1e6).round() as u32);
        Ok((self.add(Node::Window(Window::Figure(figure, n), x), at), Type::Number))
    }

    fn extreme(&mut self, name: &str, args: &'a [Expr], e: &'a Expr, at: At<'a>) -> Typed {
        arity(args, 2, &format!("{name}(x, bars)"), e)?;
        let n = self.bars(&args[1], 1, at)?;
        let x = if name == "count" { self.truth(&args[0], at)? } else { self.number(&args[0], at)? };
        let window = match name {
            "highest" => Window::Highest(n),
            "lowest" => Window::Lowest(n),
            _ => Window::Count(n),
        };
        Ok((self.add(Node::Window(window, x), at), Type::Number))
    }

    /// Functions that look back as far as their values say, by their words; nothing for other words.
    pub(super) fn since(&mut self, name: &str, args: &'a [Expr], e: &'a Expr, at: At<'a>) -> Option<Typed> {
        Some(match name {
            "bars_since" => self.bars_since(args, e, at),
            "hold" => self.hold(args, e, at),
            "latch" => self.latch(args, e, at),
            "value_when" => self.value_when(args, e, at),
            "at" => self.distant(args, e, at),
            _ => return None,
        })
    }

    fn bars_since(&mut self, args: &'a [Expr], e: &'a Expr, at: At<'a>) -> Typed {
        arity(args, 1, "bars_since(condition)", e)?;
        let c = self.truth(&args[0], at)?;
        Ok((self.add(Node::Window(Window::BarsSince, c), at), Type::Number))
    }

    fn hold(&mut self, args: &'a [Expr], e: &'a Expr, at: At<'a>) -> Typed {
        arity(args, 1, "hold(x)", e)?;
        let (x, t) = self.single(&args[0], at)?;
        Ok((self.add(Node::Window(Window::Hold, x), at), t))
    }

    fn latch(&mut self, args: &'a [Expr], e: &'a Expr, at: At<'a>) -> Typed {
        arity(args, 2, "latch(set, reset)", e)?;
        let (set, reset) = (self.truth(&args[0], at)?, self.truth(&args[1], at)?);
        Ok((self.add(Node::Twin(Twin::Latch, set, reset), at), Type::Truth))
    }

    fn value_when(&mut self, args: &'a [Expr], e: &'a Expr, at: At<'a>) -> Typed {
        if args.len() != 3 {
            arity(args, 2, "value_when(condition, x) or value_when(condition, x, times before)", e)?;
        }
        let n = match args.get(2) {
            Some(n) => self.bars(n, 0, at)?,
            None => self.constant(0.0),
        };
        let (c, (x, t)) = (self.truth(&args[0], at)?, self.single(&args[1], at)?);
        Ok((self.add(Node::Twin(Twin::ValueWhen(n), c, x), at), t))
    }

    fn distant(&mut self, args: &'a [Expr], e: &'a Expr, at: At<'a>) -> Typed {
        arity(args, 3, "at(x, bars ago, limit)", e)?;
        let limit = self.bars(&args[2], 0, at)?;
        let ((x, t), k) = (self.single(&args[0], at)?, self.number(&args[1], at)?);
        Ok((self.add(Node::Twin(Twin::At(limit), x, k), at), t))
    }
}
