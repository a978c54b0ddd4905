//! `assay report`

use super::Context;
use super::output::{print, print_json};
use super::trials;
use assay_lab::LabError;
use assay_lab::report::write;
use serde_json::json;
use std::path::PathBuf;

/// Write a trial's report: JSON, one HTML page with equity, drawdown and margin usage, its stream, and CSV
///
/// Trades and equity are CSV files too, for pandas, QuantStats or a spreadsheet: a row for each trade, and for each bar.
/// The stream has every order, fill and cash flow, a JSON line each: they add up to the balances.
/// The trial is simulated again from the snapshot; the report is of its out-of-sample windows.
///
/// Example: assay report --study trend-walkforward
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: trials::Which,
    /// Folder to write into [default: the lab's reports]
    #[arg(long)]
    out: Option<PathBuf>,
    /// Write over files in that folder that are no reports
    #[arg(long)]
    force: bool,
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    let lab = cx.lab()?;
    let (study, number) = args.which.chosen(&lab)?;
    let paths = write(&lab, study.as_deref(), number, args.out.as_deref(), args.force)?;
    if cx.json {
        print_json(
            &json!({"json": paths[0], "html": paths[1], "stream": paths[2], "trades": paths[3], "equity": paths[4]}),
        );
        return Ok(());
    }
    paths.iter().for_each(|path| print(&path.display().to_string()));
    Ok(())
}
