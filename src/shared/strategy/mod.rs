//! Strategies are data: one TOML file with symbols, parameters, indicators, signals, stops,
//! sizing and risk caps.
//!
//! The expression language cannot look ahead: there is no negative shift, and every function uses
//! this bar and earlier ones only. One definition has two evaluations: whole columns
//! ([`columns`]) and one bar at a time ([`bars`]).

pub mod bars;
pub mod bind;
pub mod columns;
pub mod compile;
pub mod diagnostic;
pub mod file;
pub mod op;
pub mod parse;
pub mod program;
pub mod space;

pub use bind::{Bound, Signals};
pub use diagnostic::Diagnostic;
pub use file::{MarginMode, StrategyFile};
pub use space::{Params, Value};
