//! `assay report`

use super::Context;
use super::output::print;
use super::trials;
use assay_lab::LabError;
use assay_lab::report::write;
use std::path::PathBuf;

/// Write a trial's report: JSON, one HTML page with equity, drawdown and margin usage, and its stream
///
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
    let (study, out) = (args.which.study.as_deref(), args.out.as_deref());
    let paths = write(&cx.lab()?, study, args.which.number, out, args.force)?;
    paths.iter().for_each(|path| print(&path.display().to_string()));
    Ok(())
}
