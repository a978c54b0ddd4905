//! Every function of TA-Lib by its name, over whole columns and one bar at a time.
//!
//! The crate `ta-lib` is pinned: defaults and edge values change in patch releases, so every
//! option is passed explicitly and inputs must be finite (one NaN leaves later results finite and
//! wrong). Inputs are given flat, in the order of the TA-Lib signature.

mod batch;
mod function;
mod running;
mod stream;
mod table;
#[cfg(test)]
mod tests;

pub use function::{Function, IndicatorError, OptionInfo, TALIB_VERSION};
pub use running::Running;
