//! `assay report`

use super::Context;
use super::output::print;
use super::trials;
use assay_lab::LabError;
use assay_lab::report::write;
use std::path::PathBuf;

/// Write a trial's report: JSON, and one HTML page with equity, drawdown and margin usage
///
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
    let (json, html) = write(&cx.lab()?, study, args.which.number, out, args.force)?;
    print(&format!("{}\n{}", json.display(), html.display()));
    Ok(())
}
