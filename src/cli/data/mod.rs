//! `assay data`

mod fetch;
mod generate;
mod show;

use super::Context;
use super::output::{print_json, say};
use assay_lab::LabError;
use assay_lab::data::{Import, Imported, erase, read};
use assay_research::data::Treatments;
use assay_research::data::assemble::{Request, fields};
use assay_research::data::cells::Named;
use assay_shared::rulebook::book::Between;
use assay_shared::time::{interval_ms, parse};
use serde_json::json;
use std::path::PathBuf;

pub use show::show_quality;
use show::{list, one, quality_json};

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
        #[arg(long)]
        reason: String,
    },
    /// Write files of a market that is made up, in the exchange's layout, to try an import or to measure
    ///
    /// A file in the folder says so, and whoever imports them has it recorded.
    ///
    /// Example: assay data generate made-up --symbols BTCUSDT,ETHUSDT --from 2023-01-01 --to 2024-01-01
    Generate(generate::Args),
    /// List the snapshots of this lab, or all that is recorded of one: its rule book, files, treatments and
    /// assumptions
    ///
    /// Example: assay data show 1a2b3c4d
    Show {
        /// Beginning of a data hash
        hash: Option<String>,
    },
}

/// How to import.
#[derive(Debug, Clone, clap::Args)]
pub struct ImportArgs {
    /// Folder with the files; it is searched
    pub dir: PathBuf,
    /// Symbols, with commas [default: all that have candles]
    #[arg(long, value_delimiter = ',')]
    pub symbols: Vec<String>,
    /// Bar interval
    #[arg(long, default_value = "1h")]
    pub interval: String,
    /// First time, such as 2022-03-01
    #[arg(long)]
    pub from: Option<String>,
    /// Time before which it ends
    #[arg(long)]
    pub to: Option<String>,
    /// Treat a finding: CODE=WAY, for a symbol CODE=WAY@SYMBOL, for a stretch CODE=WAY@SYMBOL:FROM..TO; repeat
    /// for several
    ///
    /// Which codes and ways there are stands in each finding. It is recorded with the snapshot.
    #[arg(long = "treat", value_name = "CODE=WAY")]
    pub treat: Vec<String>,
    /// The same as --treat gap=longest
    #[arg(long, value_parser = ["longest", "hold"])]
    pub gaps: Option<String>,
    /// The same as --treat contradiction=first
    #[arg(long, value_parser = ["first", "last"])]
    pub duplicates: Option<String>,
    /// The same as --treat no-mark=last-price
    #[arg(long, value_parser = ["last-price"])]
    pub missing_mark: Option<String>,
    /// The same as --treat no-funding=zero --treat funding-gap=zero
    #[arg(long, value_parser = ["zero"])]
    pub missing_funding: Option<String>,
    /// Names of columns that no list knows, such as time=Zeit,close=Schluss
    #[arg(long, value_name = "WHAT=NAME,…")]
    pub columns: Option<String>,
    /// Take these fields only: volume, mark, funding, funding_mark beside the traded prices. Sources that share
    /// them have one data hash [default: all that there are]
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    pub fields: Option<Vec<String>>,
    /// The day on which bracket tables were seen whose file names have none
    #[arg(long, value_name = "DATE")]
    pub brackets_seen: Option<String>,
    /// Use the oldest bracket tables from this day on, though they are newer (an assumption that
    /// is recorded)
    #[arg(long, value_name = "DATE")]
    pub assume_brackets_from: Option<String>,
    /// Which bracket table holds between two days on which different ones were seen: nobody knows when the one
    /// took the other's place
    #[arg(long, default_value = "harsher", value_parser = ["harsher", "as-seen"])]
    pub brackets: String,
    /// Only print the quality report
    #[arg(long)]
    pub dry_run: bool,
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    match args {
        Args::Import(a) => {
            let (lab, request) = (cx.lab()?, a.request()?);
            let found = read(&request, &lab, !a.dry_run)?;
            if cx.json {
                let mut report = quality_json(&found);
                // What cannot be used is shown nevertheless.
                if a.dry_run || found.check().is_err() {
                    print_json(&report);
                    return found.check();
                }
                let imported = found.register(&lab)?;
                report["data_hash"] = json!(imported.data_hash.to_string());
                report["rulebook_hash"] = json!(imported.rulebook_hash.to_string());
                report["known_as_entry"] = json!(imported.known);
                print_json(&report);
                registered(&imported);
                return Ok(());
            }
            show_quality(&found);
            if a.dry_run {
                return found.check();
            }
            registered(&found.register(&lab)?);
            Ok(())
        }
        Args::Fetch(args) => fetch::run(cx, args),
        Args::Generate(args) => generate::run(cx, &args),
        Args::Erase { hash, reason } => {
            let at = erase(&cx.lab()?, &hash, &reason)?;
            say(&format!("the data are gone; entry {at} says so"));
            Ok(())
        }
        Args::Show { hash: None } => list(cx),
        Args::Show { hash: Some(hash) } => one(cx, &hash),
    }
}

fn time(text: Option<&String>) -> Result<Option<i64>, LabError> {
    let bad =
        |t: &String| LabError::usage(format!("'{t}' is not a date"), "write it as 2022-03-01 or 2022-03-01T12:00");
    text.map(|t| parse(t).ok_or_else(|| bad(t))).transpose()
}

impl ImportArgs {
    /// What is asked for, in checked values.
    fn request(&self) -> Result<Import, LabError> {
        if interval_ms(&self.interval).is_none() {
            let message = format!("'{}' is not an interval", self.interval);
            return Err(LabError::usage(message, "write it as 1m, 1h, 4h or 1d"));
        }
        let request = Request {
            symbols: self.symbols.iter().map(|s| s.to_uppercase()).collect(),
            interval: self.interval.clone(),
            from_ms: time(self.from.as_ref())?,
            to_ms: time(self.to.as_ref())?,
            treatments: Treatments::parse(self.treated().iter().map(String::as_str))?,
            columns: Named::parse(self.columns.as_deref().unwrap_or_default())?,
            fields: self.fields.as_ref().map(|names| fields(names)).transpose()?,
        };
        time(self.brackets_seen.as_ref())?;
        Ok(Import {
            dir: self.dir.clone(),
            request,
            assume_brackets_from: self.assume_brackets_from.clone(),
            brackets_seen: self.brackets_seen.clone(),
            between: match self.brackets.as_str() {
                "as-seen" => Between::AsSeen,
                _ => Between::Harsher,
            },
        })
    }

    /// Every treatment that is named, however.
    fn treated(&self) -> Vec<String> {
        let short = [
            ("gap", &self.gaps),
            ("contradiction", &self.duplicates),
            ("no-mark", &self.missing_mark),
            ("no-funding", &self.missing_funding),
            ("funding-gap", &self.missing_funding),
        ];
        let named = short.iter().filter_map(|(code, way)| Some(format!("{code}={}", way.as_ref()?)));
        self.treat.iter().cloned().chain(named).collect()
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
