//! The production engine: streaming indicators and the shared account, one bar at a time.

use crate::feed::Feed;
use assay_ledger::Hash;
use assay_shared::account::record::join_streams;
use assay_shared::account::{Account, Assumptions};
use assay_shared::indicator::IndicatorError;
use assay_shared::rulebook::{Rulebook, RulebookError};
use assay_shared::strategy::Bound;
use assay_shared::strategy::bars::Stepper;
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
    /// The feed ended inside a window.
    #[error("the feed ended at bar {at}, inside a window")]
    FeedEnded {
        /// Bars seen.
        at: usize,
    },
}

/// What a replay gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replay {
    /// Hash over the streams of all windows.
    pub stream_hash: Hash,
    /// Bars seen.
    pub bars: u64,
    /// Trades closed.
    pub trades: u64,
}

/// Runs a strategy over a feed from its first bar, with a fresh account in each window of bar
/// numbers. Indicators see every bar, windows or not, as they would live.
///
/// # Errors
/// [`EngineError`].
pub fn replay(
    bound: &Bound,
    feed: &mut impl Feed,
    book: &Rulebook,
    assumptions: &Assumptions,
    windows: &[Range<usize>],
) -> Result<Replay, EngineError> {
    let mut stepper = Stepper::new(bound.clone())?;
    let mut streams = Vec::new();
    let mut account: Option<Account<'_>> = None;
    let (mut at, mut trades, mut next) = (0, 0, windows.iter());
    let mut window = next.next();
    while let Some(current) = window {
        let Some(bar) = feed.next_bar() else { return Err(EngineError::FeedEnded { at }) };
        let signals = stepper.step(&bar)?;
        if current.start == at {
            account = Some(Account::new(bound, book, assumptions, bar.time, false)?);
        }
        if let Some(account) = &mut account {
            account.step(&bar, |s| signals[s])?;
        }
        at += 1;
        if current.end == at
            && let Some(done) = account.take()
        {
            let run = done.finish(&bar);
            trades += run.trades.len() as u64;
            streams.push(run.stream_hash);
            window = next.next();
        }
    }
    Ok(Replay { stream_hash: join_streams(&streams), bars: at as u64, trades })
}
