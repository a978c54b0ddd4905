//! A strategy with its parameters bound: a plan, and where its signals stand in it.

use super::compile::{Compiler, Id, Plan};
use super::diagnostic::Diagnostic;
use super::file::{MarginMode, Strategy};
use super::space::Params;

/// What a symbol's bar says, in bits.
pub mod flag {
    /// Enter long.
    pub const LONG_ENTRY: u8 = 1;
    /// Leave a long.
    pub const LONG_EXIT: u8 = 2;
    /// Enter short.
    pub const SHORT_ENTRY: u8 = 4;
    /// Leave a short.
    pub const SHORT_EXIT: u8 = 8;
}

/// One symbol's signals at the close of one bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Signals {
    /// Bits of [`flag`].
    pub flags: u8,
    /// Stop loss as a fraction of the entry price, NaN for none.
    pub stop_loss: f64,
    /// Take profit as a fraction of the entry price, NaN for none.
    pub take_profit: f64,
    /// Trailing stop as a fraction of the best price, NaN for none.
    pub trailing_stop: f64,
}

impl Signals {
    /// Nothing to do.
    pub const NONE: Signals = Signals { flags: 0, stop_loss: f64::NAN, take_profit: f64::NAN, trailing_stop: f64::NAN };
}

/// Where one symbol's signals and stops stand in the plan.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outputs {
    /// `(bit, node)` of each signal that is given.
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
    /// Notional / initial margin.
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
    /// The first constraint that does not hold, if any: such a trial is infeasible.
    pub violated: Option<String>,
}

impl Bound {
    /// Binds values to a strategy and compiles it for all its symbols.
    ///
    /// # Errors
    /// The first problem, at its place in the file.
    pub fn new(strategy: &Strategy, params: &Params) -> Result<Bound, Diagnostic> {
        let (file, program) = (&strategy.file, &strategy.program);
        let mut c = Compiler::new(program, params, &file.symbols);
        let mut violated = None;
        for (text, e) in &program.constraints {
            let id = c.truth(e, None)?;
            if c.constant(id) != Some(1.0) {
                violated.get_or_insert_with(|| text.clone());
            }
        }
        let leverage = bound_number(&mut c, program.fields.get("leverage"), 1.0, 150.0)?;
        let margin_fraction = bound_number(&mut c, program.fields.get("margin_fraction"), 1e-6, 1.0)?;
        let mut outputs = Vec::new();
        for symbol in 0..file.symbols.len() {
            outputs.push(outputs_of(&mut c, program, symbol)?);
        }
        for (name, e) in &program.indicators {
            // An indicator that nothing uses must be right all the same; whether it is a number
            // or several outputs does not matter here.
            if let Err(d) = c.number(e, Some(0))
                && d.message != "this has several outputs"
                && c.truth(e, Some(0)).is_err()
            {
                return Err(Diagnostic { message: format!("in the indicator '{name}': {}", d.message), ..d });
            }
        }
        Ok(Bound {
            plan: c.plan,
            outputs,
            symbols: file.symbols.clone(),
            leverage,
            margin_fraction,
            margin_mode: file.risk.margin_mode,
            max_positions: file.risk.max_concurrent_positions as usize,
            max_position_size_usdt: file.risk.max_position_size_usdt,
            leverage_caps: file.symbols.iter().map(|s| file.risk.leverage_caps.get(s).copied()).collect(),
            violated,
        })
    }
}

fn bound_number(c: &mut Compiler<'_>, e: Option<&super::parse::Expr>, low: f64, high: f64) -> Result<f64, Diagnostic> {
    let Some(e) = e else { return Err(Diagnostic::new("sizing is incomplete", 0..1)) };
    let id = c.number(e, None)?;
    let value = c.constant(id).filter(|v| (low..=high).contains(v));
    value.ok_or_else(|| Diagnostic::new(format!("this must be between {low} and {high}"), e.span.clone()))
}

fn outputs_of(c: &mut Compiler<'_>, program: &super::program::Program, symbol: usize) -> Result<Outputs, Diagnostic> {
    let mut out = Outputs::default();
    for (name, bit) in [
        ("long_entry", flag::LONG_ENTRY),
        ("long_exit", flag::LONG_EXIT),
        ("short_entry", flag::SHORT_ENTRY),
        ("short_exit", flag::SHORT_EXIT),
    ] {
        if let Some(e) = program.fields.get(name) {
            out.signals.push((bit, c.truth(e, Some(symbol))?));
        }
    }
    for (i, name) in ["stop_loss", "take_profit", "trailing_stop"].into_iter().enumerate() {
        if let Some(e) = program.fields.get(name) {
            let id = c.number(e, Some(symbol))?;
            if c.constant(id).is_some_and(|v| v.is_nan() || v <= 0.0 || v >= if i == 1 { 100.0 } else { 1.0 }) {
                return Err(
                    Diagnostic::new("a stop is a fraction of the price, above 0", e.span.clone()).help("5 % is 0.05")
                );
            }
            out.stops[i] = Some(id);
        }
    }
    Ok(out)
}
