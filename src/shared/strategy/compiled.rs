//! A strategy's expressions compiled as a whole: named ones, signals, rules, levels, sizes, constraints.

use super::compile::{At, Compiler};
use super::condition::{self, Condition};
use super::diagnostic::{Diagnostic, MAX_PROBLEMS};
use super::file::StrategyFile;
use super::graph::{Check, Graph, NodeId};
use super::program::{Program, SizeExpr};
use super::rules::{self, Size, SymbolRules};
use super::space::Range;
use crate::account::signals::flag;
use std::cell::Cell;

/// The nodes that a symbol's bars are decided from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Roots {
    /// Bits of the signals with their nodes.
    pub signals: Vec<(u8, NodeId)>,
    /// Rules, levels, target.
    pub rules: SymbolRules,
    /// The size of entries that say none of their own.
    pub size: Option<Size>,
}

/// What holds of all symbols.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Manner {
    /// Whether orders are made by rules at each close; else entries and exits are columns of signals.
    pub ruled: bool,
    /// Fractions of stops and targets are of the last close instead of the entry.
    pub from_close: bool,
    /// A stop may go further away.
    pub loosen: bool,
    /// Every level is looked at again at each close.
    pub every_close: bool,
    /// Inside it a weight is near enough.
    pub band: Option<NodeId>,
    /// Legs belong together.
    pub together: bool,
}

/// A compiled strategy.
#[derive(Debug)]
pub struct Compiled {
    /// The graph.
    pub graph: Graph,
    /// Names of the parameters, in the order of their nodes.
    pub params: Vec<String>,
    /// Their ranges.
    pub ranges: Vec<Range>,
    /// Constraints with their texts.
    pub constraints: Vec<(String, NodeId)>,
    /// Parameters that count only where something holds, each behind those that it asks for.
    pub conditions: Vec<Condition>,
    /// Notional / initial margin.
    pub leverage: NodeId,
    /// Leverages of entries that have their own.
    pub leverages: Vec<NodeId>,
    /// Initial margin of a position as a fraction of equity, where it is of numbers and parameters only.
    pub margin_fraction: Option<NodeId>,
    /// For each symbol, what its bars are decided from.
    pub roots: Vec<Roots>,
    /// What holds of all of them.
    pub manner: Manner,
    /// Names of rules, in the order of their numbers.
    pub tags: Vec<String>,
    /// What the file's own names are for each symbol, outputs of functions apart.
    pub named: Vec<(usize, String, NodeId)>,
}

/// Compiles a strategy's expressions for all its symbols.
///
/// # Errors
/// What is wrong with each expression, at its place, in the order of the text.
pub fn compile(file: &StrategyFile, program: &Program, interval_ms: i64) -> Result<Compiled, Vec<Diagnostic>> {
    let params: Vec<String> = file.parameters.keys().cloned().collect();
    let symbols = file.all_symbols();
    let mut c = Compiler::new(program, &file.parameters, (&symbols, file.symbols.len()), interval_ms);
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
        for name in program.block.order.iter().take_while(|_| found.get() <= MAX_PROBLEMS) {
            c.defined(name, 0..1, At::file(Some(symbol))).map(|_| ()).unwrap_or_else(&mut keep);
        }
        for name in program.trade.order.iter().take_while(|_| found.get() <= MAX_PROBLEMS) {
            c.defined(name, 0..1, At::rule(symbol)).map(|_| ()).unwrap_or_else(&mut keep);
        }
        fill(&mut c, program, file, symbol, roots, &mut keep);
        if found.get() > 0 {
            // What is wrong for one symbol is wrong for all, at the same places.
            break;
        }
    }
    let sizes = sizes(&mut c, program, &mut keep);
    let mut constraints = Vec::new();
    for (text, e) in &program.constraints {
        match c.truth(e, At::file(None)) {
            Ok(id) => constraints.push((text.clone(), id)),
            Err(d) => keep(d),
        }
    }
    let conditions = condition::compile(&mut c, program, file, &mut keep);
    c.close_circles().unwrap_or_else(&mut keep);
    let manner = manner(&mut c, program, file, &roots, &mut keep);
    if !problems.is_empty() {
        problems.extend(std::mem::take(&mut c.beside).into_iter().filter(|d| !d.follows));
        problems.sort_by_key(|d| d.span.start);
        problems.dedup();
        return Err(problems);
    }
    let (tags, named) = (std::mem::take(&mut c.tags), c.named());
    let mut graph = c.graph;
    graph.finish();
    let leverages = roots.iter().flat_map(|r| r.rules.rules.iter().filter_map(|r| r.leverage)).collect();
    let (leverage, margin_fraction) = sizes;
    let ranges = file.parameters.values().cloned().collect();
    Ok(Compiled {
        graph,
        params,
        ranges,
        constraints,
        conditions,
        leverage,
        leverages,
        margin_fraction,
        roots,
        manner,
        tags,
        named,
    })
}

/// Leverage, and the margin of a position where that is fixed.
fn sizes<'a>(
    c: &mut Compiler<'a>,
    program: &'a Program,
    keep: &mut impl FnMut(Diagnostic),
) -> (NodeId, Option<NodeId>) {
    let leverage = match program.fields.get("leverage") {
        None => c.constant(1.0),
        Some(e) => match c.number(e, At::file(None)) {
            Ok(node) => {
                c.graph.checks.push(Check::Between { node, low: 1.0, high: 150.0, span: e.span.clone() });
                node
            }
            Err(d) => {
                keep(d);
                0
            }
        },
    };
    let margin = match &program.size {
        Some(SizeExpr::Margin(e)) => {
            // Where it is a matter of data it is a rule's.
            let node = c.number(e, At::file(None)).ok();
            if let Some(node) = node {
                c.graph.checks.push(Check::Between { node, low: 1e-6, high: 1.0, span: e.span.clone() });
            }
            node
        }
        _ => None,
    };
    (leverage, margin)
}

fn fill<'a>(
    c: &mut Compiler<'a>,
    program: &'a Program,
    file: &StrategyFile,
    symbol: usize,
    out: &mut Roots,
    keep: &mut impl FnMut(Diagnostic),
) {
    for (name, bit) in [
        ("long_entry", flag::LONG_ENTRY),
        ("long_exit", flag::LONG_EXIT),
        ("short_entry", flag::SHORT_ENTRY),
        ("short_exit", flag::SHORT_EXIT),
    ] {
        if let Some(e) = program.fields.get(name) {
            match c.truth(e, At::rule(symbol)) {
                Ok(id) => out.signals.push((bit, id)),
                Err(d) => keep(d),
            }
        }
    }
    out.rules = rules::compile(c, program, file, symbol, keep);
    if let Some(size) = &program.size {
        out.size = rules::size(c, size, At::rule(symbol)).map_err(&mut *keep).ok();
    }
}

/// Whether orders are made by rules, and how.
fn manner<'a>(
    c: &mut Compiler<'a>,
    program: &'a Program,
    file: &StrategyFile,
    roots: &[Roots],
    keep: &mut impl FnMut(Diagnostic),
) -> Manner {
    let levels = &file.stops.levels;
    let from = levels.measured_from.as_ref().map(|m| (m.get_ref().as_str(), m.span()));
    if let Some((other, place)) = from.clone().filter(|(from, _)| !["entry", "close"].contains(from)) {
        keep(Diagnostic::new(format!("a level is measured from 'entry' or 'close', not from '{other}'"), place));
    }
    let band = program.target.as_ref().and_then(|t| t.band.as_ref());
    let band = band.and_then(|e| {
        let node = c.number(e, At::file(None)).map_err(&mut *keep).ok()?;
        c.graph.checks.push(Check::Between { node, low: 0.0, high: 1.0, span: e.span.clone() });
        Some(node)
    });
    let account = |id: NodeId| c.graph.account.get(id).copied().unwrap_or(false);
    let signal = |r: &Roots| r.signals.iter().any(|s| account(s.1));
    let level = |r: &Roots| {
        let found = Cell::new(false);
        r.rules.levels.map(&|place| {
            found.set(found.get() || account(place));
            place
        });
        found.get() || r.rules.levels.stop_price.is_some() || r.rules.levels.target_price.is_some()
    };
    let moving = |r: &Roots| match r.size {
        Some(Size::Margin(id)) => !c.graph.fixed[id],
        Some(_) => true,
        None => false,
    };
    let said = !levels.trailing.is_empty()
        || levels.max_bars.is_some()
        || levels.loosen
        || levels.every_close
        || from.is_some();
    let rules = !program.rules.is_empty() || program.target.is_some() || !program.trade.defs.is_empty();
    Manner {
        ruled: said || rules || roots.iter().any(|r| signal(r) || level(r) || moving(r)),
        from_close: from.is_some_and(|f| f.0 == "close"),
        loosen: levels.loosen,
        every_close: levels.every_close,
        band,
        together: program.target.as_ref().is_some_and(|t| t.together),
    }
}
