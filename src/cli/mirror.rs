//! `assay mirror`

use super::Context;
use super::error::CliError;
use super::output::print;
use assay_research::mirror::Mirror;
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
    },
}

pub fn run(cx: &Context, args: Args) -> Result<(), CliError> {
    let lab = cx.lab()?;
    match args {
        Args::Rebuild => {
            let mirror = Mirror::rebuild(&lab.mirror_path(), &lab.log()?)?;
            print(&format!("rebuilt: {} entries, content {}", mirror.cursor()?, mirror.digest()?.short()));
        }
        Args::Update => {
            let mirror = lab.mirror()?;
            print(&format!("{} entries, content {}", mirror.cursor()?, mirror.digest()?.short()));
        }
        Args::Copy { out } => {
            lab.mirror()?.copy_to(&out)?;
            print(&out.display().to_string());
        }
    }
    Ok(())
}
