//! `assay parity`

use super::Context;
use super::output::{print, print_json};
use super::trials;
use assay_lab::LabError;
use assay_lab::parity::prove;
use serde_json::json;

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

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    let lab = cx.lab()?;
    let (study, number) = args.which.chosen(&lab)?;
    let (event, trades) = prove(&lab, study.as_deref(), number)?;
    let stream = assay_ledger::format::hash::hex(&event.research_stream);
    if cx.json {
        print_json(
            &json!({"trial": event.number, "bars": event.bars, "trades": trades, "stream_hash": stream, "equal": true}),
        );
    } else {
        let short = &stream[..12];
        print(&format!("parity: {} bars one at a time, {trades} trades, the same stream {short}", event.bars));
    }
    Ok(())
}
