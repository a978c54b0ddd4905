//! A strategy read from text: checked as far as it can be without data, compiled, with its canonical
//! form.

use super::bind::{self, Bound};
use super::compile::column;
use super::compiled::{Compiled, compile};
use super::diagnostic::{Diagnostic, MAX_PROBLEMS};
use super::file::StrategyFile;
use super::place::Places;
use super::program::Program;
use super::space::{Params, defaults};
use crate::format::strategy::{self as format, Canonical, MAX_TEXT};
use crate::format::{FormatError, finite};
use assay_ledger::Hash;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The most symbols of a strategy.
const MAX_SYMBOLS: usize = 1000;

/// A strategy that was read, checked and compiled.
#[derive(Debug, Clone)]
pub struct Strategy {
    /// The file.
    pub file: StrategyFile,
    /// Its expressions.
    pub compiled: Arc<Compiled>,
    /// Bar interval, milliseconds.
    pub interval_ms: i64,
    canonical: Canonical,
}

impl Strategy {
    /// Reads a strategy file and checks everything that can be checked without data, with every
    /// problem at its place.
    ///
    /// # Errors
    /// All problems found, in the order of the text.
    pub fn parse(text: &str) -> Result<Strategy, Vec<Diagnostic>> {
        if text.len() > MAX_TEXT {
            return Err(vec![Diagnostic::new(format!("the file is over {MAX_TEXT} bytes"), 0..1)]);
        }
        let file: StrategyFile = toml::from_str(text)
            .map_err(|e| vec![Diagnostic::new(e.message().to_string(), e.span().unwrap_or(0..1))])?;
        let places = Places::new(text);
        let mut problems = check(&file, &places);
        problems.extend(hidden(&file, &places));
        problems.extend(finite(text).err().map(|e| match e {
            FormatError::Malformed { what, span } => Diagnostic::new(what, span.unwrap_or(0..1)),
            other => Diagnostic::new(other.to_string(), 0..1),
        }));
        Strategy::compile(file, text, problems, None)
    }

    /// Reads a strategy as it was recorded, in any version. Only a canonical text is accepted.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn recorded(text: &str) -> Result<Strategy, FormatError> {
        let (canonical, file) = format::read(text)?;
        let problems = check(&file, &Places::new(text));
        Strategy::compile(file, text, problems, Some(canonical)).map_err(|problems| {
            let first = problems.first();
            let (what, span) = first.map_or_else(Default::default, |d| (d.to_string(), Some(d.span.clone())));
            FormatError::Malformed { what, span }
        })
    }

    fn compile(
        file: StrategyFile,
        text: &str,
        mut problems: Vec<Diagnostic>,
        canonical: Option<Canonical>,
    ) -> Result<Strategy, Vec<Diagnostic>> {
        let interval_ms = crate::time::interval_ms(&file.interval).unwrap_or_default();
        match Program::parse(&file, text).and_then(|program| compile(&file, &program)) {
            Err(found) => problems.extend(found),
            Ok(compiled) if problems.is_empty() => {
                bind::bind(&compiled, &file, &defaults(&file.parameters)).map_err(|d| vec![d])?;
                let canonical = canonical.unwrap_or_else(|| Canonical::of(&file));
                return Ok(Strategy { file, compiled: Arc::new(compiled), interval_ms, canonical });
            }
            Ok(_) => {}
        }
        problems.sort_by_key(|d| d.span.start);
        if problems.len() > MAX_PROBLEMS {
            problems.truncate(MAX_PROBLEMS);
            let place = problems.last().map_or(0..1, |d| d.span.clone());
            problems.push(Diagnostic::new("there are more problems; these are the first", place));
        }
        Err(problems)
    }

    /// The canonical text: what the file says, without comments and layout. A recorded strategy
    /// keeps the text that was recorded.
    pub fn canonical(&self) -> &str {
        &self.canonical.text
    }

    /// SHA-256 of the canonical text, with its kind and version in front.
    pub fn hash(&self) -> Hash {
        self.canonical.hash()
    }

    /// Binds values to the compiled strategy.
    ///
    /// # Errors
    /// The first value that does not fit, at its place in the file.
    pub fn bind(&self, params: &Params) -> Result<Bound, Diagnostic> {
        bind::bind(&self.compiled, &self.file, params)
    }

    /// Whether values fit every option and keep the strategy's constraints.
    pub fn allows(&self, params: &Params) -> bool {
        bind::allowed(&self.compiled, params)
    }
}

fn check(file: &StrategyFile, places: &Places<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    let mut problem = |message: String, path: &[&str]| out.push(Diagnostic::new(message, places.of(path)));
    let name_ok = |n: &str| {
        !n.is_empty() && n.len() <= 48 && n.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if file.format.is_some_and(|f| f != format::CURRENT) {
        problem(format!("this release writes format {}; leave it out", format::CURRENT), &["format"]);
    }
    if !name_ok(&file.name) {
        problem("a name has 1 to 48 lower-case letters, digits and '-'".into(), &["name"]);
    }
    if crate::time::interval_ms(&file.interval).is_none() {
        problem(format!("'{}' is not an interval such as 1m, 1h, 4h or 1d", file.interval), &["interval"]);
    }
    let all = file.all_symbols();
    let once = all.iter().collect::<BTreeSet<_>>().len() == all.len();
    if file.symbols.is_empty() || !once || all.len() > MAX_SYMBOLS {
        let what = "symbols must be given, each once, those that are only read (references) included";
        problem(format!("{what}, at most {MAX_SYMBOLS}"), &["symbols"]);
    }
    // Letters of any script: the exchange has them.
    let symbol_ok = |s: &&String| !s.is_empty() && s.chars().all(|c| c.is_alphanumeric() && !c.is_lowercase());
    for (key, symbols) in [("symbols", &file.symbols), ("references", &file.references)] {
        if let Some(bad) = symbols.iter().find(|s| !symbol_ok(s)) {
            problem(format!("'{bad}' is not a symbol such as BTCUSDT"), &[key]);
        }
    }
    for (name, range) in &file.parameters {
        if let Err(what) = range.check() {
            problem(format!("the range of '{name}' is impossible: {what}"), &["parameters", name]);
        }
    }
    let caps = &file.risk;
    if caps.max_concurrent_positions == 0 {
        problem("max_concurrent_positions must be at least 1".into(), &["risk", "max_concurrent_positions"]);
    }
    if caps.max_position_size_usdt.is_some_and(|v| !v.is_finite() || v <= 0.0) {
        problem("max_position_size_usdt must be positive".into(), &["risk", "max_position_size_usdt"]);
    }
    let limits = caps.loss_limits;
    let fraction = |limit: Option<f64>| limit.is_none_or(|v| v > 0.0 && v < 1.0);
    if !fraction(limits.daily) || !fraction(limits.total) {
        problem(
            "daily and total losses are fractions above 0 and below 1: 5 % is 0.05".into(),
            &["risk", "loss_limits"],
        );
    }
    if limits.consecutive == Some(0) {
        problem("consecutive losses are at least 1".into(), &["risk", "loss_limits"]);
    }
    let cap_ok = |(s, v): &(&String, &f64)| (1.0..=150.0).contains(*v) && file.symbols.contains(*s);
    if let Some((s, _)) = caps.leverage_caps.iter().find(|c| !cap_ok(c)) {
        let what = format!("the leverage cap of '{s}' is out of 1 to 150, or it is not one of the symbols");
        problem(what, &["risk", "leverage_caps", s]);
    }
    if file.signals.long_entry.is_none() && file.signals.short_entry.is_none() {
        problem("give at least one of long_entry and short_entry".into(), &["signals"]);
    }
    out
}

/// One name means one thing in a file: nothing hides a column, a parameter or a word of the language.
fn hidden(file: &StrategyFile, places: &Places<'_>) -> Vec<Diagnostic> {
    const WORDS: [&str; 5] = ["and", "or", "not", "true", "false"];
    let is_name = |n: &str| {
        !n.starts_with(|c: char| c.is_ascii_digit())
            && !n.is_empty()
            && n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let canonical = crate::time::interval_ms(&file.interval).map(crate::time::interval_text);
    let interval = canonical
        .filter(|c| *c != file.interval)
        .map(|c| Diagnostic::new(format!("the interval '{}' is written {c}", file.interval), places.of(&["interval"])));
    let parameters = file.parameters.keys().map(|n| ("parameters", n));
    let named = file.indicators.keys().map(|n| ("indicators", n));
    let problem = |(table, name): (&str, &String)| {
        let what = if !is_name(name) {
            format!("'{name}' is not a name: letters, digits and '_'")
        } else if column(name).is_some() {
            format!("'{name}' would hide the column of that name")
        } else if WORDS.contains(&name.as_str()) || file.all_symbols().contains(name) {
            format!("'{name}' has a meaning of its own already")
        } else if table == "indicators" && file.parameters.contains_key(name) {
            format!("'{name}' would hide the parameter of that name")
        } else {
            return None;
        };
        Some(Diagnostic::new(what, places.of(&[table, name])).help("choose another name"))
    };
    parameters.chain(named).filter_map(problem).chain(interval).collect()
}
