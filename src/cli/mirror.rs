//! `assay mirror`

use super::Context;
use super::output::print;
use assay_lab::LabError;
use assay_lab::mirror::{copy, rebuild};
use std::path::PathBuf;

/// The SQLite mirror: Optuna's tables and ours, a copy for questions
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Build it anew from the first entry
    ///
    /// Example: assay mirror rebuild
    Rebuild,
    /// Bring it up to the ledger and print where it stands
    ///
    /// Example: assay mirror update
    Update,
    /// Write a compact copy, such as for `optuna-dashboard sqlite:///study.sqlite`
    ///
    /// Example: assay mirror copy study.sqlite
    Copy {
        /// File to write
        out: PathBuf,
        /// Write over it though it is something else
        #[arg(long)]
        force: bool,
    },
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    let lab = cx.lab()?;
    match args {
        Args::Rebuild => {
            let mirror = rebuild(&lab)?;
            print(&format!("rebuilt: {} entries, content {}", mirror.cursor()?, mirror.digest()?.short()));
        }
        Args::Update => {
            let mirror = lab.update_mirror()?;
            print(&format!("{} entries, content {}", mirror.cursor()?, mirror.digest()?.short()));
        }
        Args::Copy { out, force } => {
            copy(&lab, &out, force)?;
            print(&out.display().to_string());
        }
    }
    Ok(())
}
