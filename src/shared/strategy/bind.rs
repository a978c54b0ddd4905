//! Values bound to a compiled strategy: the graph with numbers in place of parameters, what is
//! constant folded, what nothing needs left out.

use super::binder::Binder;
use super::compile::bars_problem;
use super::compiled::{Compiled, Manner, Roots};
use super::diagnostic::Diagnostic;
use super::file::StrategyFile;
use super::graph::{Check, Node, NodeId};
use super::op::choose;
use super::plan::{Id, Plan};
use super::rules::{Size, SymbolRules};
use super::space::{Params, Range};
use crate::account::{LossLimits, MarginMode, Terms};

/// The longest look-back of a window, in bars.
const MAX_WINDOW: f64 = 100_000.0;

/// What a symbol's bars are decided from, as nodes of a plan.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outputs {
    /// Bits of the signals with their nodes.
    pub signals: Vec<(u8, Id)>,
    /// Stop loss, take profit, trailing stop.
    pub stops: [Option<Id>; 3],
    /// Rules, levels, target.
    pub rules: SymbolRules,
    /// The size of entries that say none of their own.
    pub size: Option<Size>,
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
    /// Highest notional / initial margin, as the strategy asks for it; [`Bound::terms`] says what is in force.
    pub leverage: f64,
    /// That of entries that have none of their own.
    pub entry_leverage: f64,
    /// What holds of all symbols.
    pub manner: Manner,
    /// Inside it a weight is near enough.
    pub band: f64,
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
            stops: self.outputs.iter().map(|o| o.stops.map(|s| s.is_some() && !self.manner.ruled)).collect(),
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
    let value = |(name, range): (&String, &Range)| {
        let missing = || Diagnostic::new(format!("the parameter '{name}' has no value"), 0..1);
        params.get(name).map(|v| range.number(v)).filter(|v| !v.is_nan()).ok_or_else(missing)
    };
    let given = c.params.iter().zip(&c.ranges).map(value).collect::<Result<Vec<f64>, _>>()?;
    let mut out = vec![f64::NAN; c.graph.nodes.len()];
    for (id, node) in c.graph.nodes.iter().enumerate().filter(|(id, _)| c.graph.fixed[*id]) {
        out[id] = match node {
            Node::Const(v) => *v,
            Node::Param(p) => given[*p],
            Node::Unary(op, a) => op.apply(out[*a]),
            Node::Binary(op, a, b) => op.apply(out[*a], out[*b]),
            Node::If(c, a, b) => choose(out[*c], out[*a], out[*b]),
            Node::Window(_, a) => out[*a],
            _ => f64::NAN,
        };
    }
    for check in &c.graph.checks {
        verify(check, &out)?;
    }
    Ok(out)
}

fn verify(check: &Check, values: &[f64]) -> Result<(), Diagnostic> {
    match check {
        Check::Bars { node, least, span } => {
            let n = values[*node];
            let fits = (*least as f64..=MAX_WINDOW).contains(&n) && n.trunc() == n;
            if fits { Ok(()) } else { Err(bars_problem(*least, span.clone())) }
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
    Ok(bind_with(c, file, params, &[])?.0)
}

/// Binds values, and keeps more nodes than are needed. Gives their places too.
///
/// # Errors
/// The first value that does not fit, at its place in the text.
pub fn bind_with(
    c: &Compiled,
    file: &StrategyFile,
    params: &Params,
    more: &[NodeId],
) -> Result<(Bound, Vec<Id>), Diagnostic> {
    let values = fix(c, params)?;
    let (plan, bound) = Binder::bind(c, &values, &needed(c, &values, more));
    let at = |id: NodeId| bound[id].unwrap_or_default();
    let outputs = |roots: &Roots| {
        let rules = roots.rules.map(&at);
        let l = &rules.levels;
        Outputs {
            signals: roots.signals.iter().map(|(bit, id)| (*bit, at(*id))).collect(),
            stops: [l.stop_loss, l.take_profit, l.trailing_stop],
            size: roots.size.filter(|_| c.manner.ruled).map(|s| s.map(&at)),
            rules,
        }
    };
    let (entry_leverage, of) = (values[c.leverage], |id: &NodeId| values[*id]);
    let out = Bound {
        outputs: c.roots.iter().map(outputs).collect(),
        symbols: file.symbols.clone(),
        leverage: c.leverages.iter().map(of).fold(entry_leverage, f64::max),
        entry_leverage,
        manner: c.manner.clone(),
        band: c.manner.band.as_ref().map_or(0.0, of),
        margin_fraction: c.margin_fraction.as_ref().map_or(1.0, of),
        margin_mode: file.risk.margin_mode,
        max_positions: file.risk.max_concurrent_positions as usize,
        max_position_size_usdt: file.risk.max_position_size_usdt,
        leverage_caps: file.symbols.iter().map(|s| file.risk.leverage_caps.get(s).copied()).collect(),
        cooldown: file.risk.cooldown,
        loss_limits: file.risk.loss_limits,
        violated: c.constraints.iter().find(|(_, id)| values[*id] != 1.0).map(|(text, _)| text.clone()),
        plan,
    };
    Ok((out, more.iter().map(|id| at(*id)).collect()))
}

/// The nodes that signals and stops need with these values: of a choice that is made, only the
/// branch that was taken.
fn needed(c: &Compiled, values: &[f64], more: &[NodeId]) -> Vec<bool> {
    let mut out = vec![false; c.graph.nodes.len()];
    more.iter().for_each(|id| out[*id] = true);
    for roots in &c.roots {
        roots.signals.iter().for_each(|s| out[s.1] = true);
        roots.rules.each(|id| out[id] = true);
        roots.size.iter().filter(|_| c.manner.ruled).for_each(|s| s.each(|id| out[id] = true));
    }
    let mut open: Vec<NodeId> = (0..out.len()).filter(|id| out[*id]).collect();
    while let Some(id) = open.pop() {
        let mut tell = |id: NodeId| {
            if !std::mem::replace(&mut out[id], true) {
                open.push(id);
            }
        };
        match &c.graph.nodes[id] {
            _ if c.graph.fixed[id] => {}
            Node::If(k, a, b) if c.graph.fixed[*k] => match values[*k] {
                1.0 => tell(*a),
                0.0 => tell(*b),
                _ => {}
            },
            _ => c.graph.needs(id, tell),
        }
    }
    out
}
