//! Parity: research computes whole columns, production sees one bar at a time; both must give the
//! same stream of orders, fills and cash.

use crate::error::LabError;
use crate::folder::Lab;
use crate::{study, trial};
use assay_ledger::Hash;
use assay_production::engine::{Anchors, replay};
use assay_production::feed::Recorded;
use assay_shared::event::ParityVerified;

/// Runs both engines on a trial, compares, and records the proof. Gives the event and the number of
/// trades.
///
/// # Errors
/// Streams that differ, from each other or from what was recorded, or a trial that cannot be found or simulated.
pub fn prove(lab: &Lab, wanted: Option<&str>, number: Option<u32>) -> Result<(ParityVerified, u64), LabError> {
    let (s, t) = trial::pick(lab, wanted, number)?;
    let opened = study::reopen(lab, &s.study_id)?;
    let trial = trial::recorded(lab, t.seq)?;
    let evaluator = opened.evaluator()?;
    let research = evaluator.recorded_run(&trial.seen.params)?;
    if let Some(was) = trial.stream_hash.filter(|was| *was != research.run.stream_hash.0) {
        let (was, is) = (Hash(was).short(), research.run.stream_hash.short());
        return Err(LabError::CouldNot {
            message: format!("the trial's run was {was} when it was recorded, and is {is} in this release"),
            hint: Some(
                "prove it with the release that recorded it (`assay log` says which), or run the study again".into(),
            ),
        });
    }
    let bound = opened.strategy.bind(&trial.seen.params).map_err(|d| LabError::Verification(d.to_string()))?;
    let anchors = Anchors::new(&opened.market.symbols, &opened.anchors());
    let mut feed = Recorded::new(&opened.market);
    let live = replay(&bound, (&mut feed, &anchors), &opened.book, &opened.study.assumptions, &research.bars)?;
    if live.stream_hash != research.run.stream_hash {
        let message = format!(
            "no parity: research {} and production {}",
            research.run.stream_hash.short(),
            live.stream_hash.short()
        );
        return Err(LabError::Verification(message));
    }
    let event = ParityVerified {
        study_id: opened.id,
        number: trial.number,
        data_hash: opened.data_hash.0,
        bars: live.bars,
        research_stream: research.run.stream_hash.0,
        production_stream: live.stream_hash.0,
    };
    let mut writer = lab.writer()?;
    writer.record_one(event.clone())?;
    writer.publish()?;
    lab.refresh_mirror()?;
    Ok((event, live.trades))
}
