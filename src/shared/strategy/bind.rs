//! Values bound to a compiled strategy: the graph with numbers in place of parameters, what is
//! constant folded, what nothing needs left out.

use super::compile::bars_problem;
use super::compiled::{Compiled, Roots};
use super::diagnostic::Diagnostic;
use super::file::StrategyFile;
use super::graph::{Check, Node, NodeId, Window};
use super::op::Memory;
use super::plan::{Id, Op, Plan};
use super::space::Params;
use crate::account::{LossLimits, MarginMode, Terms};
use std::collections::BTreeMap;

/// The longest look-back of a window, in bars.
const MAX_WINDOW: f64 = 100_000.0;

/// What a symbol's bars are decided from, as nodes of a plan.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outputs {
    /// Bits of the signals with their nodes.
    pub signals: Vec<(u8, Id)>,
    /// Stop loss, take profit, trailing stop.
    pub stops: [Option<Id>; 3],
}

/// A bound strategy, ready to run.
#[derive(Debug, Clone)]
pub struct Bound {
    /// The nodes.
    pub plan: Plan,
    /// For each symbol, its outputs.
    pub outputs: Vec<Outputs>,
    /// Symbols in order.
    pub symbols: Vec<String>,
    /// Notional / initial margin, as the strategy asks for it; [`Bound::terms`] says what is in force.
    pub leverage: f64,
    /// Initial margin of a position as a fraction of equity.
    pub margin_fraction: f64,
    /// Isolated or cross.
    pub margin_mode: MarginMode,
    /// Most positions open at once.
    pub max_positions: usize,
    /// Largest notional of one position, USDT.
    pub max_position_size_usdt: Option<f64>,
    /// Highest leverage, symbol by symbol.
    pub leverage_caps: Vec<Option<f64>>,
    /// Bars after a position has closed in which its symbol takes no entry.
    pub cooldown: u32,
    /// Losses at which trading stops.
    pub loss_limits: LossLimits,
    /// The first constraint that does not hold, if any: such a trial is infeasible.
    pub violated: Option<String>,
}

impl Bound {
    /// What is in force for it: what it asks for, within its caps.
    pub fn terms(&self) -> Terms {
        let within = |cap: &Option<f64>| cap.map_or(self.leverage, |cap| self.leverage.min(cap));
        Terms {
            symbols: self.symbols.clone(),
            leverage: self.leverage_caps.iter().map(within).collect(),
            stops: self.outputs.iter().map(|o| o.stops.map(|s| s.is_some())).collect(),
            margin_fraction: self.margin_fraction,
            mode: self.margin_mode,
            max_positions: self.max_positions,
            max_size_usdt: self.max_position_size_usdt.unwrap_or(f64::INFINITY),
            cooldown_bars: self.cooldown,
            limits: self.loss_limits,
        }
    }
}

/// Values of all nodes that depend on numbers and parameters only; the others are NaN.
fn fix(c: &Compiled, params: &Params) -> Result<Vec<f64>, Diagnostic> {
    let value = |name: &String| {
        let missing = || Diagnostic::new(format!("the parameter '{name}' has no value"), 0..1);
        params.get(name).map(|v| v.number()).ok_or_else(missing)
    };
    let given = c.params.iter().map(value).collect::<Result<Vec<f64>, _>>()?;
    let mut out = vec![f64::NAN; c.graph.nodes.len()];
    for (id, node) in c.graph.nodes.iter().enumerate().filter(|(id, _)| c.graph.fixed[*id]) {
        out[id] = match node {
            Node::Const(v) => *v,
            Node::Param(p) => given[*p],
            Node::Unary(op, a) => op.apply(out[*a]),
            Node::Binary(op, a, b) => op.apply(out[*a], out[*b]),
            Node::If(c, a, b) => out[if out[*c] == 1.0 { *a } else { *b }],
            Node::Window(_, a) => out[*a],
            Node::Column { .. } | Node::Ta { .. } | Node::Output(..) => f64::NAN,
        };
    }
    for check in &c.graph.checks {
        verify(check, &out)?;
    }
    Ok(out)
}

fn verify(check: &Check, values: &[f64]) -> Result<(), Diagnostic> {
    match check {
        Check::Bars { node, span } => {
            let n = values[*node];
            let fits = (1.0..=MAX_WINDOW).contains(&n) && n.trunc() == n;
            if fits { Ok(()) } else { Err(bars_problem(span.clone())) }
        }
        Check::Option { function, index, node, span } => {
            let (options, value) = (function.options(), values[*node]);
            let info = &options[*index];
            let fits = value.is_finite() && (!info.integer || value.trunc() == value);
            if fits && (!info.names.is_empty() || (info.min..=info.max).contains(&value)) {
                return Ok(());
            }
            let message = format!("<{}> of {} cannot be {value}", info.name, function.name());
            Err(Diagnostic::new(message, span.clone()).help(format!("it goes from {} to {}", info.min, info.max)))
        }
        Check::Call { function, options, span } => {
            let options: Vec<f64> = options.iter().map(|o| values[*o]).collect();
            function.lookback(&options).map(|_| ()).map_err(|e| Diagnostic::new(e.to_string(), span.clone()))
        }
        Check::Between { node, low, high, span } => {
            if (*low..=*high).contains(&values[*node]) {
                return Ok(());
            }
            Err(Diagnostic::new(format!("this must be between {low} and {high}"), span.clone()))
        }
        Check::Stop { node, below, span } => {
            let v = values[*node];
            if v > 0.0 && v < *below {
                return Ok(());
            }
            Err(Diagnostic::new("a stop is a fraction of the price, above 0", span.clone()).help("5 % is 0.05"))
        }
    }
}

/// Whether values fit every option and keep the constraints. Nothing is bound for it.
pub fn allowed(c: &Compiled, params: &Params) -> bool {
    fix(c, params).is_ok_and(|values| c.constraints.iter().all(|(_, id)| values[*id] == 1.0))
}

/// Binds values.
///
/// # Errors
/// The first value that does not fit, at its place in the text.
pub fn bind(c: &Compiled, file: &StrategyFile, params: &Params) -> Result<Bound, Diagnostic> {
    let values = fix(c, params)?;
    let mut binder = Binder { c, values: &values, plan: Plan::default(), seen: BTreeMap::new(), bound: Vec::new() };
    binder.bound = vec![None; c.graph.nodes.len()];
    let needed = needed(c, &values);
    for (id, _) in needed.iter().enumerate().filter(|(_, needed)| **needed) {
        binder.bound[id] = Some(binder.node(id));
    }
    let at = |id: NodeId| binder.bound[id].unwrap_or_default();
    let outputs = |roots: &Roots| Outputs {
        signals: roots.signals.iter().map(|(bit, id)| (*bit, at(*id))).collect(),
        stops: roots.stops.map(|s| s.map(at)),
    };
    Ok(Bound {
        outputs: c.roots.iter().map(outputs).collect(),
        symbols: file.symbols.clone(),
        leverage: values[c.leverage],
        margin_fraction: values[c.margin_fraction],
        margin_mode: file.risk.margin_mode,
        max_positions: file.risk.max_concurrent_positions as usize,
        max_position_size_usdt: file.risk.max_position_size_usdt,
        leverage_caps: file.symbols.iter().map(|s| file.risk.leverage_caps.get(s).copied()).collect(),
        cooldown: file.risk.cooldown,
        loss_limits: file.risk.loss_limits,
        violated: c.constraints.iter().find(|(_, id)| values[*id] != 1.0).map(|(text, _)| text.clone()),
        plan: binder.plan,
    })
}

/// The nodes that signals and stops need with these values: of a choice that is made, only the
/// branch that was taken.
fn needed(c: &Compiled, values: &[f64]) -> Vec<bool> {
    let mut out = vec![false; c.graph.nodes.len()];
    for roots in &c.roots {
        roots.signals.iter().map(|s| s.1).chain(roots.stops.iter().copied().flatten()).for_each(|id| out[id] = true);
    }
    for id in (0..c.graph.nodes.len()).rev().filter(|id| !c.graph.fixed[*id]) {
        if !out[id] {
            continue;
        }
        match &c.graph.nodes[id] {
            Node::Unary(_, a) | Node::Window(_, a) | Node::Output(a, _) => out[*a] = true,
            Node::Binary(_, a, b) => (out[*a], out[*b]) = (true, true),
            Node::If(k, a, b) if c.graph.fixed[*k] => out[if values[*k] == 1.0 { *a } else { *b }] = true,
            Node::If(k, a, b) => [*k, *a, *b].into_iter().for_each(|id| out[id] = true),
            Node::Ta { inputs, .. } => inputs.iter().for_each(|id| out[*id] = true),
            Node::Const(_) | Node::Param(_) | Node::Column { .. } => {}
        }
    }
    out
}

struct Binder<'a> {
    c: &'a Compiled,
    values: &'a [f64],
    plan: Plan,
    seen: BTreeMap<Vec<u64>, Id>,
    bound: Vec<Option<Id>>,
}

impl Binder<'_> {
    /// Adds an operation, or finds the same one: values can make different expressions equal.
    fn add(&mut self, op: Op, key: Vec<u64>) -> Id {
        if let Some(id) = self.seen.get(&key) {
            return *id;
        }
        self.plan.ops.push(op);
        self.seen.insert(key, self.plan.ops.len() - 1);
        self.plan.ops.len() - 1
    }

    fn constant(&mut self, v: f64) -> Id {
        self.add(Op::Const(v), vec![0, v.to_bits()])
    }

    /// A bound node; what it needs is bound already.
    fn node(&mut self, id: NodeId) -> Id {
        if self.c.graph.fixed[id] {
            return self.constant(self.values[id]);
        }
        let at = |id: NodeId| self.bound[id].unwrap_or_default();
        let n = |id: NodeId| self.values[id] as usize;
        let (op, key) = match &self.c.graph.nodes[id] {
            Node::Column { symbol, field } => {
                (Op::Column { symbol: *symbol, field: *field }, vec![1, *symbol as u64, *field as u64])
            }
            Node::Unary(op, a) => (Op::Unary(*op, at(*a)), vec![2, *op as u64, at(*a) as u64]),
            Node::Binary(op, a, b) => {
                (Op::Binary(*op, at(*a), at(*b)), vec![3, *op as u64, at(*a) as u64, at(*b) as u64])
            }
            Node::If(k, a, b) if self.c.graph.fixed[*k] => return at(if self.values[*k] == 1.0 { *a } else { *b }),
            Node::If(k, a, b) => (Op::If(at(*k), at(*a), at(*b)), vec![4, at(*k) as u64, at(*a) as u64, at(*b) as u64]),
            Node::Window(window, a) => {
                let (memory, kind, bars) = match window {
                    Window::Prev(b) => (Memory::Prev(n(*b)), 0, n(*b)),
                    Window::Highest(b) => (Memory::Highest(n(*b)), 1, n(*b)),
                    Window::Lowest(b) => (Memory::Lowest(n(*b)), 2, n(*b)),
                    Window::Count(b) => (Memory::Count(n(*b)), 3, n(*b)),
                    Window::BarsSince => (Memory::BarsSince, 4, 0),
                    Window::Hold => (Memory::Hold, 5, 0),
                };
                (Op::Memory(memory, at(*a)), vec![5, kind, bars as u64, at(*a) as u64])
            }
            Node::Ta { function, options, inputs } => {
                let options: Vec<f64> = options.iter().map(|o| self.values[*o]).collect();
                let inputs: Vec<Id> = inputs.iter().map(|i| at(*i)).collect();
                let name = function.name().bytes().map(u64::from);
                let key = [6].into_iter().chain(name).chain([u64::MAX]).chain(options.iter().map(|o| o.to_bits()));
                let key = key.chain(inputs.iter().map(|i| *i as u64)).collect();
                (Op::Ta { function: *function, options, inputs }, key)
            }
            Node::Output(of, k) => (Op::Output(at(*of), *k), vec![7, at(*of) as u64, *k as u64]),
            Node::Const(_) | Node::Param(_) => return self.constant(self.values[id]),
        };
        self.add(op, key)
    }
}
