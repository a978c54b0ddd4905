//! `assay data fetch`

use super::super::Context;
use super::super::output::{print_json, say};
use assay_lab::LabError;
use assay_lab::download::{Download, download};
use assay_research::data::fetch::{Absent, DEFAULT_BASE, DEFAULT_LISTING, Source};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// What to download, and from where.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Symbols, with commas
    #[arg(long, value_delimiter = ',', required = true)]
    symbols: Vec<String>,
    /// First month, YYYY-MM
    #[arg(long)]
    from: String,
    /// Last month, YYYY-MM
    #[arg(long)]
    to: String,
    /// Bar interval
    #[arg(long, default_value = "1h")]
    interval: String,
    /// Folder for the files
    #[arg(long)]
    out: PathBuf,
    /// Address of the bulk data or of a mirror of it
    #[arg(long, default_value = DEFAULT_BASE)]
    base: String,
    /// Address that lists the bulk data, as S3 does [default: the exchange's, or the mirror's own]
    #[arg(long)]
    listing: Option<String>,
    /// Files to download at a time
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=16))]
    connections: u8,
    /// Ask for the checksums of files that are there already: the archive replaces some later
    #[arg(long)]
    refresh: bool,
}

/// Downloads it. What the archive has nothing of is said, a line for each row of months.
///
/// # Errors
/// As [`download`].
pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    let own = if args.base == DEFAULT_BASE { DEFAULT_LISTING } else { &args.base };
    let listing = args.listing.unwrap_or_else(|| own.to_string());
    let (connect, pause) = (Duration::from_secs(10), Duration::from_millis(500));
    let what = Download {
        symbols: &args.symbols,
        interval: &args.interval,
        months: (&args.from, &args.to),
        source: Source { base: args.base, listing, connect, pause, body: Duration::from_secs(60), attempts: 5 },
        connections: usize::from(args.connections),
        refresh: args.refresh,
    };
    let done = download(&what, &args.out, &cx.session)?;
    let absent: Vec<String> = done.absent.iter().map(Absent::to_string).collect();
    if cx.json {
        print_json(&json!({"folder": args.out, "files": done.there, "kept": done.kept, "absent": absent}));
        return Ok(());
    }
    absent.iter().for_each(|line| say(line));
    if !done.listed {
        say("the source lists nothing: every month was asked for, and no days");
    }
    say(&format!("{} files in {}, {} of them were there before", done.there, args.out.display(), done.kept));
    Ok(())
}
