//! `assay data`

mod fetch;
mod generate;
mod quality;
mod request;
mod show;

use super::Context;
use super::output::{print, print_json, say};
use super::words;
use assay_lab::LabError;
use assay_lab::data::{Imported, erase, read};
use assay_lab::store::share;
use serde_json::json;
use std::path::PathBuf;

use request::ReadArgs;
pub use show::show_quality;
use show::{list, one};

/// Import, download and list market data
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Import files in the exchange's layouts as a Parquet snapshot, with a quality report
    ///
    /// Every oddity is a finding; those that would falsify results stop the import unless a
    /// treatment is named, and the treatment is recorded with the snapshot.
    ///
    /// Example: assay data import ~/binance --from 2022-03-01 --symbols BTCUSDT,ETHUSDT
    Import(Box<ImportArgs>),
    /// What is odd about data: of a folder before it is imported, or of a snapshot as its import found it
    ///
    /// Takes the options of an import, registers nothing. With --page it is one HTML page that shows where each
    /// symbol has bars and what is odd about them.
    ///
    /// Example: assay data quality ~/binance --symbols BTCUSDT,ETHUSDT --page quality.html
    Quality(Box<quality::Args>),
    /// Download monthly files from the exchange's public bulk data, with checksums and resume
    ///
    /// Example: assay data fetch --symbols BTCUSDT,ETHUSDT --from 2024-01 --to 2024-12 --out ~/binance
    Fetch(fetch::Args),
    /// Destroy a snapshot's data, and record that it was
    ///
    /// The events about it and their proofs stay as they were; `assay verify --deep` says what was
    /// erased, and by which event. What was studied on it can be run again only by somebody who has the
    /// data.
    ///
    /// Example: assay data erase 1c682cfe… --reason "the vendor's contract ended"
    Erase {
        /// The snapshot's whole hash
        hash: String,
        /// Why
        #[arg(long, value_parser = words::reason)]
        reason: String,
    },
    /// Write files of a market that is made up, in the exchange's layout, to try an import or to measure
    ///
    /// A file in the folder says so, and whoever imports them has it recorded.
    ///
    /// Example: assay data generate made-up --symbols BTCUSDT,ETHUSDT --from 2023-01-01 --to 2024-01-01
    Generate(generate::Args),
    /// Put a snapshot with its rule book into a folder, for whoever is to run your proposals again
    ///
    /// They name the folder, or the address of a web server that serves it, as `snapshots` in their assay.toml. What
    /// comes from there is believed by its hash alone, and reproductions say that the data were the proposer's own.
    ///
    /// Example: assay data share /srv/snapshots
    Share {
        /// The folder
        folder: PathBuf,
        /// Beginning of a data hash [default: the newest snapshot]
        hash: Option<String>,
    },
    /// List the snapshots of this lab, or all that is recorded of one: its rule book, files, treatments and
    /// assumptions
    ///
    /// Example: assay data show 1a2b3c4d
    Show {
        /// Beginning of a data hash
        hash: Option<String>,
    },
}

/// What to import.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    #[command(flatten)]
    pub read: ReadArgs,
    /// Only print the quality report
    #[arg(long)]
    pub dry_run: bool,
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    match args {
        Args::Import(a) => {
            let (lab, request) = (cx.lab()?, a.read.request()?);
            let found = read(&request, &lab, !a.dry_run)?;
            if cx.json {
                let mut shown = json!(found.report());
                // What cannot be used is shown nevertheless.
                if a.dry_run || found.check().is_err() {
                    print_json(&shown);
                    return found.check();
                }
                let imported = found.register(&lab)?;
                shown["data_hash"] = json!(imported.data_hash.to_string());
                shown["rulebook_hash"] = json!(imported.rulebook_hash.to_string());
                shown["known_as_entry"] = json!(imported.known);
                print_json(&shown);
                registered(&imported);
                return Ok(());
            }
            show_quality(&found.report(), say);
            if a.dry_run {
                return found.check();
            }
            registered(&found.register(&lab)?);
            Ok(())
        }
        Args::Quality(args) => quality::run(cx, &args),
        Args::Fetch(args) => fetch::run(cx, args),
        Args::Generate(args) => generate::run(cx, &args),
        Args::Erase { hash, reason } => {
            match erase(&cx.lab()?, &hash, &reason)? {
                Some(at) => say(&format!("the data are gone; entry {at} says so")),
                None => say("the files are gone that an import left which was cut off; nothing of it was registered"),
            }
            Ok(())
        }
        Args::Share { folder, hash } => {
            let lab = cx.lab()?;
            let rows = lab.mirror()?.snapshots()?;
            let row = rows.iter().find(|r| hash.as_ref().is_none_or(|h| r.data_hash.starts_with(h.as_str())));
            let none = || {
                let named = hash.as_ref().map_or_else(String::new, |hash| format!(" {hash}"));
                LabError::usage(format!("no snapshot{named} is registered"), "see `assay data show`")
            };
            let data = row.ok_or_else(none)?.data_hash.parse().map_err(|_| none())?;
            let files: Vec<String> =
                share(&lab, &data, &folder)?.iter().map(|file| file.display().to_string()).collect();
            if cx.json {
                print_json(&files);
            } else {
                files.iter().for_each(|file| print(file));
            }
            Ok(())
        }
        Args::Show { hash: None } => list(cx),
        Args::Show { hash: Some(hash) } => one(cx, &hash),
    }
}

/// Says what was registered.
pub fn registered(imported: &Imported) {
    let (data, rules) = (imported.data_hash.short(), imported.rulebook_hash.short());
    match imported.known {
        None => say(&format!("snapshot {data} registered, rule book {rules}")),
        Some(at) => say(&format!("nothing new: snapshot {data} with rule book {rules} is registered as entry {at}")),
    }
}
