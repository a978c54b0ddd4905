//! The production engine: streaming indicators and the shared account, one bar at a time.

use crate::feed::Feed;
use assay_ledger::Hash;
use assay_shared::account::{Account, Assumptions};
use assay_shared::indicator::IndicatorError;
use assay_shared::rulebook::{Rulebook, RulebookError};
use assay_shared::strategy::Bound;
use assay_shared::strategy::bars::Stepper;
use assay_shared::strategy::decide::Decider;
use std::ops::Range;

/// Why the engine stopped.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EngineError {
    /// An indicator refused its input.
    #[error(transparent)]
    Indicator(#[from] IndicatorError),
    /// The rule book does not cover a bar.
    #[error(transparent)]
    Rulebook(#[from] RulebookError),
    /// The feed ended before its last bar.
    #[error("the feed ended at bar {at}, before its last bar")]
    FeedEnded {
        /// Bars seen.
        at: usize,
    },
}

/// What a replay gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replay {
    /// Hash over the stream of the account.
    pub stream_hash: Hash,
    /// Bars seen.
    pub bars: u64,
    /// Trades closed.
    pub trades: u64,
}

/// Runs a strategy over a feed from its first bar, with one account over some bars of it. Indicators see every bar,
/// those before too, as they would live.
///
/// # Errors
/// [`EngineError`].
pub fn replay(
    bound: &Bound,
    feed: &mut impl Feed,
    book: &Rulebook,
    assumptions: &Assumptions,
    bars: &Range<usize>,
) -> Result<Replay, EngineError> {
    let mut stepper = Stepper::new(bound.clone())?;
    let mut decider = Decider::new(bound)?;
    let mut account: Option<Account<'_>> = None;
    let mut at = 0;
    loop {
        let Some(bar) = feed.next_bar() else { return Err(EngineError::FeedEnded { at }) };
        let signals = stepper.step(&bar)?;
        let values = stepper.values();
        if bars.start == at {
            account = Some(Account::new(bound.terms(), book, assumptions, bar.time, false)?);
        }
        if let Some(account) = &mut account {
            match &mut decider {
                None => account.step(&bar, |s| signals[s])?,
                Some(decider) => {
                    let mut refused = Ok(());
                    account.step_with(&bar, |view, orders| {
                        refused = decider.decide(|id| values[id], view, orders);
                    })?;
                    refused?;
                }
            }
        }
        at += 1;
        if bars.end <= at {
            let run = account.map(|done| done.finish(&bar)).ok_or(EngineError::FeedEnded { at })?;
            return Ok(Replay { stream_hash: run.stream_hash, bars: at as u64, trades: run.trades.len() as u64 });
        }
    }
}
