//! Strategies are data: one TOML file with symbols, parameters, indicators, signals, stops,
//! sizing and risk caps.
//!
//! The expression language cannot look ahead: there is no negative shift, and every function uses
//! this bar and earlier ones only. A file is read and checked ([`read`]), its expressions are compiled
//! once ([`compiled`]) into a graph in which parameters are nodes ([`graph`]), and values are bound to
//! it ([`bind`]). One definition has two evaluations: whole columns ([`columns`]) and one bar at a time
//! ([`bars`]).

pub mod bars;
pub mod bind;
mod binder;
mod block;
mod check;
mod circle;
mod circles;
pub mod clock;
pub mod columns;
pub mod compile;
pub mod compiled;
mod condition;
pub mod decide;
pub mod diagnostic;
pub mod explain;
pub mod file;
pub mod graph;
pub mod kept;
mod late;
mod lex;
pub mod library;
mod more;
pub mod op;
pub mod pair;
mod parameters;
pub mod parse;
mod place;
pub mod plan;
pub mod program;
pub mod quiet;
pub mod read;
pub mod rules;
mod schedule;
pub mod seen;
pub mod series;
pub mod settings;
pub mod sheet;
pub mod signals;
pub mod space;
pub mod stat;
mod step;
mod table;
#[cfg(test)]
mod tests;
pub(crate) mod text;
mod truth;
pub mod warn;
pub mod words;

pub use bind::Bound;
pub use diagnostic::Diagnostic;
pub use file::StrategyFile;
pub use read::Strategy;
pub use space::{Params, Value};
