//! The production engine: streaming indicators and the shared account, one bar at a time.

use crate::feed::Feed;
use assay_ledger::Hash;
use assay_shared::account::{Account, Assumptions};
use assay_shared::indicator::IndicatorError;
use assay_shared::market::{Bar, Field};
use assay_shared::rulebook::{Rulebook, RulebookError};
use assay_shared::strategy::Bound;
use assay_shared::strategy::bars::Stepper;
use assay_shared::strategy::decide::Decider;
use assay_shared::time::format_ms;
use std::collections::BTreeMap;
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
    /// The feed begins elsewhere than the data of the study: what a strategy remembers would be another.
    #[error("{symbol} begins at {found}, and the strategy was tested from {wanted} on: give it every bar since then")]
    Anchor {
        /// The symbol.
        symbol: String,
        /// Its first bar in the feed.
        found: String,
        /// Its anchor.
        wanted: String,
    },
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

/// Where each symbol that a strategy reads begins, in the order of its symbols.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchors(Vec<(String, Option<String>)>);

impl Anchors {
    /// Of these symbols, as a config says them.
    pub fn new(symbols: &[String], said: &BTreeMap<String, String>) -> Anchors {
        Anchors(symbols.iter().map(|s| (s.clone(), said.get(s).cloned())).collect())
    }

    /// Looks at a bar: a symbol that begins with it must begin there.
    ///
    /// # Errors
    /// [`EngineError::Anchor`].
    fn look(&self, bar: &impl Bar, begun: &mut [bool]) -> Result<(), EngineError> {
        for (s, ((symbol, wanted), begun)) in self.0.iter().zip(begun).enumerate().filter(|(_, of)| !*of.1) {
            let there = !bar.get(s, Field::Close).is_nan();
            *begun = there;
            let found = format_ms(bar.time());
            let wrong = |wanted: &&String| if there { **wanted != found } else { **wanted <= found };
            if let Some(wanted) = wanted.as_ref().filter(wrong) {
                return Err(EngineError::Anchor { symbol: symbol.clone(), found, wanted: wanted.clone() });
            }
        }
        Ok(())
    }
}

/// Runs a strategy over a feed from its first bar, with one account over some bars of it. Indicators see every bar,
/// those before too, as they would live; each symbol must begin at its anchor.
///
/// # Errors
/// [`EngineError`].
pub fn replay(
    bound: &Bound,
    (feed, anchors): (&mut impl Feed, &Anchors),
    book: &Rulebook,
    assumptions: &Assumptions,
    bars: &Range<usize>,
) -> Result<Replay, EngineError> {
    let mut stepper = Stepper::new(bound.clone())?;
    let mut decider = Decider::new(bound)?;
    let mut account: Option<Account<'_>> = None;
    let mut begun = vec![false; anchors.0.len()];
    let mut at = 0;
    loop {
        let Some(bar) = feed.next_bar() else { return Err(EngineError::FeedEnded { at }) };
        anchors.look(&bar, &mut begun)?;
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
                        refused = decider.decide(|id| values[id], None, view, orders);
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
