//! A bound strategy over a window of bars: whole columns of signals, then the account bar by bar.

use assay_shared::account::{Account, Assumptions, Run};
use assay_shared::indicator::IndicatorError;
use assay_shared::market::{Market, MarketBar};
use assay_shared::rulebook::{Rulebook, RulebookError};
use assay_shared::strategy::columns::{SymbolSignals, signals};
use assay_shared::strategy::{Bound, Signals};
use std::ops::Range;

/// Why a simulation could not be done.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SimulateError {
    /// An indicator refused its input.
    #[error(transparent)]
    Indicator(#[from] IndicatorError),
    /// The rule book does not cover the window.
    #[error(transparent)]
    Rulebook(#[from] RulebookError),
}

/// Signals of all symbols over the whole market, computed once and used for every window.
///
/// # Errors
/// An indicator that refuses its input.
pub fn prepare(bound: &Bound, market: &Market) -> Result<Vec<SymbolSignals>, SimulateError> {
    Ok(signals(bound, market)?)
}

/// Runs an account over `window`, flat at its start. Signals before the window are history only:
/// the first order can come from the close of the window's first bar.
///
/// # Errors
/// A rule book that does not cover the window.
pub fn run(
    bound: &Bound,
    signals: &[SymbolSignals],
    market: &Market,
    book: &Rulebook,
    assumptions: &Assumptions,
    window: Range<usize>,
    record: bool,
) -> Result<Run, SimulateError> {
    assert!(!window.is_empty() && window.end <= market.len(), "a window of bars that exist");
    let mut account = Account::new(bound, book, assumptions, market.times[window.start], record)?;
    for index in window.clone() {
        let bar = MarketBar { market, index };
        account.step(&bar, |s| if signals[s].flags[index] == 0 { Signals::NONE } else { signals[s].at(index) })?;
    }
    Ok(account.finish(&MarketBar { market, index: window.end - 1 }))
}
