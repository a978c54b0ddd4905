//! A trial over bars that its study did not run it on: flat at their beginning, with its own cash.

use super::evaluate::StudyError;
use crate::simulate::{prepare, run};
use assay_ledger::Hash;
use assay_shared::account::{Assumptions, Run};
use assay_shared::event::codec::Real;
use assay_shared::event::{BlockV2, MetricCode};
use assay_shared::market::Market;
use assay_shared::metric;
use assay_shared::recount::blocks;
use assay_shared::rulebook::Rulebook;
use assay_shared::strategy::{Params, Strategy};
use std::ops::Range;

/// What a trial did over later bars.
#[derive(Debug, Clone, PartialEq)]
pub struct Later {
    /// The first and the last bar's opening, milliseconds since 1970.
    pub times: (i64, i64),
    /// How many bars.
    pub bars: u64,
    /// Its figures.
    pub metrics: Vec<(MetricCode, Real)>,
    /// Its returns in blocks.
    pub blocks: Vec<BlockV2>,
    /// Hash of its stream.
    pub stream_hash: Hash,
}

/// Runs a trial over these bars of a market; all bars before them are history for what it remembers. At least
/// [`blocks::BLOCKS`] bars.
///
/// # Errors
/// Values that do not bind, or a rule book that does not cover the bars.
pub fn later(
    (strategy, params): (&Strategy, &Params),
    market: &Market,
    book: &Rulebook,
    assumptions: &Assumptions,
    bars: Range<usize>,
) -> Result<Later, StudyError> {
    let times = (market.times[bars.start], market.times[bars.end - 1]);
    let bound = strategy.bind(params).map_err(StudyError::Bind)?;
    let prepared = prepare(&bound, market)?;
    let run: Run = run(&bound, &prepared, market, book, assumptions, bars.clone(), false)?;
    let whole = run.whole();
    let blocks = blocks::of(&metric::returns(whole.initial_usdt, whole.equity)).unwrap_or_default();
    let metrics = metric::of(&whole, market.interval_ms);
    Ok(Later {
        times,
        bars: bars.len() as u64,
        metrics: metrics.into_iter().map(|(m, v)| (MetricCode(m.code()), Real(v))).collect(),
        blocks,
        stream_hash: run.stream_hash,
    })
}
