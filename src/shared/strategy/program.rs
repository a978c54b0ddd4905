//! The parsed expressions of a strategy file.

use super::diagnostic::Diagnostic;
use super::file::{StrategyFile, Text};
use super::parse::{Expr, Kind, parse};
use std::collections::BTreeMap;
use toml::Spanned;

/// The parsed expressions of a strategy, places counted from the start of the file.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// Named expressions.
    pub indicators: BTreeMap<String, Expr>,
    /// Signals, stops and sizing by field name.
    pub fields: BTreeMap<&'static str, Expr>,
    /// Constraints with their text.
    pub constraints: Vec<(String, Expr)>,
}

fn parse_at(text: &Spanned<Text>, file: &str) -> Result<Expr, Diagnostic> {
    // A text with escapes does not stand in the file as it reads; its problems point at its start.
    let raw = file.get(text.span()).unwrap_or_default();
    let base = text.span().start + raw.find(&text.get_ref().0).unwrap_or(0);
    let mut expr = parse(&text.get_ref().0).map_err(|d| d.shifted(base))?;
    shift(&mut expr, base);
    Ok(expr)
}

fn shift(e: &mut Expr, by: usize) {
    e.span = e.span.start + by..e.span.end + by;
    match &mut e.kind {
        Kind::Member(a, _) | Kind::Unary(_, a) => shift(a, by),
        Kind::Call(_, args) => args.iter_mut().for_each(|a| shift(a, by)),
        Kind::Binary(_, a, b) => {
            shift(a, by);
            shift(b, by);
        }
        Kind::Number(_) | Kind::Bool(_) | Kind::Name(_) => {}
    }
}

impl Program {
    /// Parses every expression of a file.
    ///
    /// # Errors
    /// Each expression's first problem.
    pub fn parse(file: &StrategyFile, text: &str) -> Result<Program, Vec<Diagnostic>> {
        let mut out = Program::default();
        let mut problems = Vec::new();
        let mut keep = |parsed: Result<Expr, Diagnostic>| parsed.map_err(|d| problems.push(d)).ok();
        for (name, source) in &file.indicators {
            if let Some(e) = keep(parse_at(source, text)) {
                out.indicators.insert(name.clone(), e);
            }
        }
        for source in &file.constraints {
            if let Some(e) = keep(parse_at(source, text)) {
                out.constraints.push((source.get_ref().0.clone(), e));
            }
        }
        let (s, t, z) = (&file.signals, &file.stops, &file.sizing);
        for (name, source) in [
            ("long_entry", s.long_entry.as_ref()),
            ("long_exit", s.long_exit.as_ref()),
            ("short_entry", s.short_entry.as_ref()),
            ("short_exit", s.short_exit.as_ref()),
            ("stop_loss", t.stop_loss.as_ref()),
            ("take_profit", t.take_profit.as_ref()),
            ("trailing_stop", t.trailing_stop.as_ref()),
            ("margin_fraction", Some(&z.margin_fraction)),
            ("leverage", Some(&z.leverage)),
        ] {
            if let Some(e) = source.and_then(|source| keep(parse_at(source, text))) {
                out.fields.insert(name, e);
            }
        }
        if problems.is_empty() { Ok(out) } else { Err(problems) }
    }
}
