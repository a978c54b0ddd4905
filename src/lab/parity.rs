//! Parity: research computes whole columns, production sees one bar at a time; both must give the
//! same stream of orders, fills and cash.

use crate::error::LabError;
use crate::folder::Lab;
use crate::{study, trial};
use assay_production::engine::replay;
use assay_production::feed::Recorded;
use assay_shared::event::ParityVerified;
use std::ops::Range;

/// Runs both engines on a trial, compares, and records the proof. Gives the event and the number of
/// trades.
///
/// # Errors
/// Streams that differ, or a trial that cannot be found or simulated.
pub fn prove(lab: &Lab, wanted: Option<&str>, number: Option<u32>) -> Result<(ParityVerified, u64), LabError> {
    let (s, t) = trial::pick(lab, wanted, number)?;
    let opened = study::reopen(lab, &s.study_id)?;
    let trial = trial::recorded(lab, t.seq)?;
    let evaluator = opened.evaluator()?;
    let research = evaluator.stitched(&trial.seen.params)?;
    let bound = opened.strategy.bind(&trial.seen.params).map_err(|d| LabError::Verification(d.to_string()))?;
    let windows: Vec<Range<usize>> = evaluator.folds().iter().map(|f| f.out_of_sample.clone()).collect();
    let mut feed = Recorded::new(&opened.market);
    let live = replay(&bound, &mut feed, &opened.book, &opened.study.assumptions, &windows)?;
    if live.stream_hash != research.stream_hash {
        let message =
            format!("no parity: research {} and production {}", research.stream_hash.short(), live.stream_hash.short());
        return Err(LabError::Verification(message));
    }
    let event = ParityVerified {
        study_id: opened.id,
        number: trial.number,
        data_hash: opened.data_hash.0,
        bars: live.bars,
        research_stream: research.stream_hash.0,
        production_stream: live.stream_hash.0,
    };
    let mut writer = lab.writer()?;
    writer.record_one(event.clone())?;
    writer.publish()?;
    lab.refresh_mirror()?;
    Ok((event, live.trades))
}
