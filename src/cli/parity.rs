//! `assay parity`

use super::Context;
use super::error::CliError;
use super::lab::Lab;
use super::output::{print, print_json};
use super::{opened, report, trials};
use assay_production::engine::replay;
use assay_production::feed::Recorded;
use assay_shared::event::ParityVerified;
use assay_shared::strategy::Bound;
use serde_json::json;
use std::ops::Range;

/// Prove that research and production give the same orders, fills and cash
///
/// Research computes whole columns; production sees one bar at a time through streaming
/// indicators. Both must give the same stream, bit for bit; the proof is an event, and without it
/// nothing is promoted.
///
/// Example: assay parity --study trend-walkforward
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: trials::Which,
}

pub fn run(cx: &Context, args: Args) -> Result<(), CliError> {
    let (event, trades) = prove(&cx.lab()?, args.which.study.as_deref(), args.which.number)?;
    let stream = assay_ledger::format::hash::hex(&event.research_stream);
    if cx.json {
        print_json(
            &json!({"trial": event.number, "bars": event.bars, "trades": trades, "stream_hash": stream, "equal": true}),
        );
    } else {
        print(&format!(
            "parity: {} bars one at a time, {trades} trades, the same stream {}",
            event.bars,
            &stream[..12]
        ));
    }
    Ok(())
}

/// Runs both engines, compares, and records the proof.
pub fn prove(lab: &Lab, study_name: Option<&str>, number: Option<u32>) -> Result<(ParityVerified, u64), CliError> {
    let (s, t) = trials::pick(lab, study_name, number)?;
    let opened = opened::reopen(lab, &s.study_id)?;
    let trial = report::recorded(lab, t.seq)?;
    let evaluator = opened.evaluator()?;
    let research = evaluator.stitched(&trial.seen.params).map_err(CliError::Verification)?;
    let bound = Bound::new(&opened.strategy, &trial.seen.params).map_err(|d| CliError::Verification(d.to_string()))?;
    let windows: Vec<Range<usize>> = evaluator.windows().iter().map(|w| w.out_of_sample.clone()).collect();
    let mut feed = Recorded::new(&opened.market);
    let live = replay(&bound, &mut feed, &opened.book, &opened.settings.assumptions, &windows)?;
    if live.stream_hash != research.stream_hash {
        let message =
            format!("no parity: research {} and production {}", research.stream_hash.short(), live.stream_hash.short());
        return Err(CliError::Verification(message));
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
    Ok((event, live.trades))
}
