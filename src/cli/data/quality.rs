//! `assay data quality`

use super::super::Context;
use super::super::output::{print, print_json};
use super::request::ReadArgs;
use super::show::show_quality;
use assay_lab::LabError;
use assay_lab::data::read;
use assay_lab::quality::{quality_of, quality_page};
use std::path::PathBuf;

/// Of what, and how to show it.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    read: ReadArgs,
    /// Write it as an HTML page too
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    /// Write over a file that is no quality report
    #[arg(long)]
    force: bool,
}

/// Shows it. Findings are what is asked for, so they are no error.
///
/// # Errors
/// Files that cannot be read or understood, or a place that cannot be written.
pub fn run(cx: &Context, args: &Args) -> Result<(), LabError> {
    let lab = cx.lab()?;
    let begin = args.read.dir.to_str().filter(|t| t.len() >= 8 && t.bytes().all(|b| b.is_ascii_hexdigit()));
    let found = match begin.filter(|_| !args.read.dir.exists()) {
        Some(begin) => quality_of(&lab, begin)?,
        None => read(&args.read.request()?, &lab, false)?.report(),
    };
    if let Some(path) = &args.page {
        quality_page(&found, path, args.force)?;
    }
    if cx.json {
        print_json(&found);
        return Ok(());
    }
    show_quality(&found, print);
    if let Some(path) = &args.page {
        print(&path.display().to_string());
    }
    Ok(())
}
