//! A strategy read from text: checked as far as it can be without data, compiled, with its canonical
//! form.

use super::bind::{self, Bound};
use super::check::{check, hidden};
use super::clock::Calendar;
use super::columns;
use super::compiled::{Compiled, compile};
use super::condition;
use super::diagnostic::{Diagnostic, MAX_PROBLEMS};
use super::file::StrategyFile;
use super::graph::Node;
use super::place::Places;
use super::program::Program;
use super::space::{Params, defaults};
use crate::format::strategy::{self as format, Canonical, MAX_TEXT};
use crate::format::{FormatError, finite};
use crate::indicator::IndicatorError;
use crate::market::{Field, Market};
use assay_ledger::Hash;
use std::collections::BTreeSet;
use std::sync::Arc;

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

/// What a name of the file is for a symbol.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// The symbol's number.
    pub symbol: usize,
    /// The name; of a function with several outputs with its output.
    pub name: String,
    /// Its values, bar by bar; what is unknown is not a number.
    pub values: Vec<f64>,
}

/// Why names have no values.
#[derive(Debug, thiserror::Error)]
pub enum NamedError {
    /// Values that do not fit.
    #[error("{0}")]
    Values(Diagnostic),
    /// An indicator that refuses its input.
    #[error(transparent)]
    Indicator(#[from] IndicatorError),
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
        let places = Places::new(text);
        let (file, mut problems) = match super::text::read(text) {
            Ok(file) => (file, Vec::new()),
            Err((Some(file), problems)) => (*file, problems),
            Err((None, problems)) => return Err(problems),
        };
        problems.extend(check(&file, &places));
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
        let interval_ms = crate::time::interval_ms(&file.interval).unwrap_or(crate::time::DAY_MS);
        // Of what could be read the rest is told too.
        let (program, found) = Program::parse(&file, text);
        problems.extend(found);
        match compile(&file, &program, interval_ms) {
            Err(found) => problems.extend(found),
            Ok(compiled) if problems.is_empty() => {
                bind::bind(&compiled, &file, &defaults(&file.parameters)).map_err(|d| vec![d])?;
                let canonical = canonical.unwrap_or_else(|| Canonical::of(&file));
                return Ok(Strategy { file, compiled: Arc::new(compiled), interval_ms, canonical });
            }
            Ok(_) => {}
        }
        problems.sort_by_key(|d| d.span.start);
        problems.dedup();
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

    /// What its own names are at every bar, for values: symbol, name and column.
    ///
    /// # Errors
    /// The first value that does not fit, or an indicator that refuses its input.
    pub fn named(&self, params: &Params, market: &Market) -> Result<Vec<Named>, NamedError> {
        let ids: Vec<usize> = self.compiled.named.iter().map(|n| n.2).collect();
        let bound = bind::bind_with(&self.compiled, &self.file, params, &ids).map_err(NamedError::Values)?;
        let columns = columns::of_nodes(&bound.0, market, &bound.1, None)?;
        let named = self.compiled.named.iter().zip(&bound.1);
        let column = |((symbol, name, _), id): (&(usize, String, usize), &usize)| Named {
            symbol: *symbol,
            name: name.clone(),
            values: columns[*id].to_vec(),
        };
        Ok(named.map(column).collect())
    }

    /// Whether it reads anything of the market: a price, a volume, a funding rate.
    pub fn reads_market(&self) -> bool {
        self.compiled.graph.nodes.iter().any(|n| matches!(n, Node::Column { .. }))
    }

    /// Whether it reads a column of any symbol.
    pub fn reads(&self, field: Field) -> bool {
        self.compiled.graph.nodes.iter().any(|n| matches!(n, Node::Column { field: f, .. } if *f == field))
    }

    /// Whether it knows which year it is.
    pub fn reads_year(&self) -> bool {
        self.compiled.graph.nodes.iter().any(|n| matches!(n, Node::Calendar(Calendar::Year)))
    }

    /// Whether one of its states reads nothing of the market or of the account, such as a count of bars: it may know where in
    /// the data it is.
    pub fn keeps_time(&self) -> bool {
        let graph = &self.compiled.graph;
        let mut told: Vec<bool> = graph
            .nodes
            .iter()
            .map(|n| matches!(n, Node::Column { .. } | Node::Seen(..) | Node::Recalled(..)))
            .collect();
        // What a circle needs may stand behind it: until nothing more is told.
        loop {
            let mut more = false;
            for id in 0..told.len() {
                let mut tells = told[id];
                graph.needs(id, |of| tells |= told[of]);
                more |= std::mem::replace(&mut told[id], tells) != tells;
            }
            if !more {
                break;
            }
        }
        graph.nodes.iter().any(|n| matches!(n, Node::Back(slot) if !told[graph.slots[*slot]]))
    }

    /// How many different numbers stand in its expressions: each may have been chosen with the data in view, and no search
    /// counts it.
    pub fn constants(&self) -> usize {
        let constant = |n: &Node| if let Node::Const(v) = n { Some(v.to_bits()) } else { None };
        self.compiled.graph.nodes.iter().filter_map(constant).collect::<BTreeSet<u64>>().len()
    }

    /// Sets the parameters that do not count, their condition given the others, to their defaults, and gives their places
    /// in the space: two points that differ in nothing else are one.
    pub fn settle(&self, params: &mut Params) -> Vec<usize> {
        let c = &self.compiled;
        condition::settle(&c.conditions, &c.graph, (&c.params, &c.ranges), params)
    }

    /// Whether no parameter that does not count has another value than its default.
    pub fn is_settled(&self, params: &Params) -> bool {
        let mut settled = params.clone();
        self.settle(&mut settled);
        settled == *params
    }

    /// Whether values fit every option and keep the strategy's constraints.
    pub fn allows(&self, params: &Params) -> bool {
        bind::allowed(&self.compiled, params)
    }
}
