//! A strategy's expressions compiled as a whole: named ones, signals, stops, sizes, constraints.

use super::compile::Compiler;
use super::diagnostic::{Diagnostic, MAX_PROBLEMS};
use super::file::StrategyFile;
use super::graph::{Check, Graph, NodeId};
use super::order;
use super::program::Program;
use crate::account::signals::flag;
use std::cell::Cell;

/// The nodes that a symbol's bars are decided from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Roots {
    /// Bits of the signals with their nodes.
    pub signals: Vec<(u8, NodeId)>,
    /// Stop loss, take profit, trailing stop.
    pub stops: [Option<NodeId>; 3],
}

/// A compiled strategy.
#[derive(Debug)]
pub struct Compiled {
    /// The graph.
    pub graph: Graph,
    /// Names of the parameters, in the order of their nodes.
    pub params: Vec<String>,
    /// Constraints with their texts.
    pub constraints: Vec<(String, NodeId)>,
    /// Notional / initial margin.
    pub leverage: NodeId,
    /// Initial margin of a position as a fraction of equity.
    pub margin_fraction: NodeId,
    /// For each symbol, what its bars are decided from.
    pub roots: Vec<Roots>,
}

/// Compiles a strategy's expressions for all its symbols.
///
/// # Errors
/// Every expression's first problem, at its place, in the order of the text.
pub fn compile(file: &StrategyFile, program: &Program) -> Result<Compiled, Vec<Diagnostic>> {
    let params: Vec<String> = file.parameters.keys().cloned().collect();
    let order = order::of(program)?;
    let symbols = file.all_symbols();
    let mut c = Compiler::new(program, &params, &symbols);
    let mut problems: Vec<Diagnostic> = Vec::new();
    let mut keep = |d: Diagnostic| {
        // What only follows from another problem is told there.
        if !d.follows {
            problems.push(d);
        }
    };
    let mut roots = vec![Roots::default(); file.symbols.len()];
    for (symbol, roots) in roots.iter_mut().enumerate() {
        let found = Cell::new(0);
        let mut keep = |d: Diagnostic| {
            found.set(found.get() + 1);
            keep(d);
        };
        for name in order.iter().take_while(|_| found.get() <= MAX_PROBLEMS) {
            c.named(name, symbol).unwrap_or_else(&mut keep);
        }
        fill(&mut c, program, symbol, roots, &mut keep);
        if found.get() > 0 {
            // What is wrong for one symbol is wrong for all, at the same places.
            break;
        }
    }
    let mut constraints = Vec::new();
    for (text, e) in &program.constraints {
        match c.truth(e, None) {
            Ok(id) => constraints.push((text.clone(), id)),
            Err(d) => keep(d),
        }
    }
    let leverage = size(&mut c, program, "leverage", (1.0, 150.0)).unwrap_or_else(|d| {
        keep(d);
        0
    });
    let margin_fraction = size(&mut c, program, "margin_fraction", (1e-6, 1.0)).unwrap_or_else(|d| {
        keep(d);
        0
    });
    let mut graph = c.graph;
    graph.finish();
    if !problems.is_empty() {
        problems.sort_by_key(|d| d.span.start);
        return Err(problems);
    }
    Ok(Compiled { graph, params, constraints, leverage, margin_fraction, roots })
}

fn size(c: &mut Compiler<'_>, program: &Program, name: &str, (low, high): (f64, f64)) -> Result<NodeId, Diagnostic> {
    let Some(e) = program.fields.get(name) else { return Err(Diagnostic::new("sizing is incomplete", 0..1)) };
    let node = c.number(e, None)?;
    c.graph.checks.push(Check::Between { node, low, high, span: e.span.clone() });
    Ok(node)
}

fn fill(c: &mut Compiler<'_>, program: &Program, symbol: usize, out: &mut Roots, keep: &mut impl FnMut(Diagnostic)) {
    for (name, bit) in [
        ("long_entry", flag::LONG_ENTRY),
        ("long_exit", flag::LONG_EXIT),
        ("short_entry", flag::SHORT_ENTRY),
        ("short_exit", flag::SHORT_EXIT),
    ] {
        if let Some(e) = program.fields.get(name) {
            match c.truth(e, Some(symbol)) {
                Ok(id) => out.signals.push((bit, id)),
                Err(d) => keep(d),
            }
        }
    }
    for (i, name) in ["stop_loss", "take_profit", "trailing_stop"].into_iter().enumerate() {
        let Some(e) = program.fields.get(name) else { continue };
        match c.number(e, Some(symbol)) {
            Ok(node) => {
                if c.graph.fixed[node] {
                    let below = if i == 1 { 100.0 } else { 1.0 };
                    c.graph.checks.push(Check::Stop { node, below, span: e.span.clone() });
                }
                out.stops[i] = Some(node);
            }
            Err(d) => keep(d),
        }
    }
}
