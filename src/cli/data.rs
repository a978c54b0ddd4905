//! `assay data`

use super::Context;
use super::error::CliError;
use super::lab::Lab;
use super::output::{Progress, grouped, print, print_json, say, stopped, table};
use assay_research::data::assemble::Request;
use assay_research::data::source::{Holds, scan};
use assay_research::data::{Quality, Treatments, assemble, brackets, fetch, generate, snapshot};
use assay_shared::event::{Event, RulebookRegistered, SnapshotRegistered};
use assay_shared::market::Market;
use assay_shared::rulebook::{BracketSet, Rulebook};
use assay_shared::time::{format_date, format_ms, interval_ms, interval_text, parse};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The rule book that is built in: fees and filters, and the newest brackets.
pub const RULEBOOK: &str = include_str!("../../configs/rulebook.toml");

/// Import, download and list market data
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Import files in the exchange's layouts as a Parquet snapshot, with a quality report
    ///
    /// Every oddity is a finding; those that would falsify results stop the import unless a
    /// treatment is named, and the treatment is recorded with the snapshot.
    ///
    /// Example: assay data import ~/binance --from 2022-03-01 --symbols BTCUSDT,ETHUSDT
    Import(ImportArgs),
    /// Download monthly files from the exchange's public bulk data, with checksums and resume
    ///
    /// Example: assay data fetch --symbols BTCUSDT,ETHUSDT --from 2024-01 --to 2024-12 --out ~/binance
    Fetch {
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
        #[arg(long, default_value = fetch::DEFAULT_BASE)]
        base: String,
    },
    /// List the snapshots of this lab
    ///
    /// Example: assay data show
    Show,
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
    /// Treat gaps: keep the longest stretch without one
    #[arg(long, value_parser = ["longest"])]
    pub gaps: Option<String>,
    /// Treat rows with the same time: keep the first
    #[arg(long, value_parser = ["first"])]
    pub duplicates: Option<String>,
    /// Treat missing mark prices: use the traded price
    #[arg(long, value_parser = ["last-price"])]
    pub missing_mark: Option<String>,
    /// Treat missing funding: assume none
    #[arg(long, value_parser = ["zero"])]
    pub missing_funding: Option<String>,
    /// Use the oldest bracket tables from this day on, though they are newer (an assumption that
    /// is recorded)
    #[arg(long, value_name = "DATE")]
    pub assume_brackets_from: Option<String>,
    /// Only print the quality report
    #[arg(long)]
    pub dry_run: bool,
}

/// What an import registered.
pub struct Imported {
    /// The market.
    pub market: Market,
}

pub fn run(cx: &Context, args: Args) -> Result<(), CliError> {
    match args {
        Args::Import(a) => {
            let lab = cx.lab()?;
            import(&lab, &a, cx.json).map(|_| ())
        }
        Args::Fetch { symbols, from, to, interval, out, base } => {
            fetch_files(&symbols, &interval, (&from, &to), &out, &base, Duration::from_secs(10))
        }
        Args::Show => show(cx),
    }
}

fn time(text: Option<&String>) -> Result<Option<i64>, CliError> {
    let bad =
        |t: &String| CliError::usage(format!("'{t}' is not a date"), "write it as 2022-03-01 or 2022-03-01T12:00");
    text.map(|t| parse(t).ok_or_else(|| bad(t))).transpose()
}

/// Imports a folder: snapshot, rule book, quality report, events.
pub fn import(lab: &Lab, args: &ImportArgs, json: bool) -> Result<Option<Imported>, CliError> {
    if interval_ms(&args.interval).is_none() {
        return Err(CliError::usage(format!("'{}' is not an interval", args.interval), "write it as 1m, 1h, 4h or 1d"));
    }
    let treatments = Treatments {
        gaps_longest: args.gaps.is_some(),
        duplicates_first: args.duplicates.is_some(),
        mark_from_last: args.missing_mark.is_some(),
        funding_zero: args.missing_funding.is_some(),
    };
    let request = Request {
        symbols: args.symbols.clone(),
        interval: args.interval.clone(),
        from_ms: time(args.from.as_ref())?,
        to_ms: time(args.to.as_ref())?,
        treatments,
    };
    let files = scan(&args.dir)?;
    let progress = Progress::new("reading", files.len() as u64);
    let count = std::cell::Cell::new(0);
    let assembled = assemble(&files, &request, &|name| {
        count.set(count.get() + 1);
        progress.at(count.get(), name);
    });
    progress.done();
    let (market, quality) = assembled?;
    show_quality(&market, &quality, json);
    if args.dry_run {
        return Ok(None);
    }
    if let Some(first) = quality.errors().next() {
        let first = format!("{} {}: {}", first.code, first.symbol, first.detail);
        return Err(assay_research::data::DataError::Findings { count: quality.errors().count(), first }.into());
    }
    let paths: Vec<&Path> = files.iter().filter(|f| f.holds == Holds::Brackets).map(|f| f.path.as_path()).collect();
    let base = Rulebook::parse(RULEBOOK)?;
    let mut book = if paths.is_empty() {
        base
    } else {
        brackets::rulebook(&base, paths.into_iter(), &market.symbols, "dated bracket files")?
    };
    let mut names = treatments.names();
    if let Some(date) = &args.assume_brackets_from {
        time(Some(date))?;
        book = assume_from(&book, date)?;
        names.push(format!("brackets=assumed-from-{date}"));
    }
    let source = args.dir.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    register(lab, market, book, &source, &names, quality.findings.len() as u32).map(Some)
}

/// The oldest bracket tables, held to be in force from an earlier day on.
pub fn assume_from(book: &Rulebook, date: &str) -> Result<Rulebook, CliError> {
    let mut sets = book.brackets.clone();
    if let Some(first) = sets.first().cloned() {
        sets.insert(0, BracketSet { effective: date.into(), ..first });
    }
    let out = book.with_brackets(sets, &format!("{}; oldest brackets assumed from {date}", book.source));
    Ok(Rulebook::parse(&out.to_toml())?)
}

/// Writes the snapshot and the rule book and records both.
pub fn register(
    lab: &Lab,
    market: Market,
    book: Rulebook,
    source: &str,
    treatments: &[String],
    findings: u32,
) -> Result<Imported, CliError> {
    let (data_hash, file) = snapshot::write(&lab.snapshot_dir(), &market)?;
    lab.keep_rulebook(&book)?;
    let snapshot = SnapshotRegistered {
        data_hash: data_hash.0,
        file_sha256: file.0,
        symbols: market.symbols.clone(),
        interval_ms: market.interval_ms,
        first_ms: market.times.first().copied().unwrap_or_default(),
        last_ms: market.times.last().copied().unwrap_or_default(),
        bars: market.len() as u64,
        generated: market.generated,
        source: source.into(),
        treatments: treatments.to_vec(),
        findings,
    };
    let rules = RulebookRegistered { hash: book.hash().0, name: book.name.clone(), source: book.source.clone() };
    let mut writer = lab.writer()?;
    writer.record(&[Event::from(snapshot), Event::from(rules)])?;
    writer.publish()?;
    lab.mirror()?;
    say(&format!("snapshot {} registered, rule book {}", data_hash.short(), book.hash().short()));
    Ok(Imported { market })
}

/// The generated market with its rule book, loudly labelled.
pub fn generated(lab: &Lab, symbols: &[String], bars: usize, seed: u64) -> Result<Imported, CliError> {
    let market = generate::market(symbols, bars, seed);
    let book = assume_from(&Rulebook::parse(RULEBOOK)?, "2020-01-01")?;
    let mut quality = Quality::default();
    assay_research::data::quality::look_over(&market, &mut quality);
    show_quality(&market, &quality, false);
    let treatments = ["GENERATED".to_string(), "brackets=assumed-from-2020-01-01".to_string()];
    register(lab, market, book, "GENERATED MARKET, not real data", &treatments, quality.findings.len() as u32)
}

fn show_quality(market: &Market, quality: &Quality, json: bool) {
    if json {
        print_json(quality);
        return;
    }
    let span = market
        .times
        .first()
        .zip(market.times.last())
        .map(|(a, b)| format!("{} to {} UTC", format_ms(*a), format_ms(*b)));
    let bars = grouped(market.len() as u64);
    say(&format!(
        "{} symbols x {bars} {} bars, {}",
        market.symbols.len(),
        interval_text(market.interval_ms),
        span.unwrap_or_default()
    ));
    let verdict = |f: &assay_research::data::Finding| match (&f.treated, f.error) {
        (Some(t), _) => format!("treated: {t}"),
        (None, true) => "ERROR".into(),
        (None, false) => "note".into(),
    };
    let shown: Vec<Vec<String>> = quality
        .findings
        .iter()
        .take(24)
        .map(|f| vec![f.symbol.clone(), f.code.into(), verdict(f), f.detail.clone()])
        .collect();
    if shown.is_empty() {
        say("quality: nothing odd found");
        return;
    }
    say(&format!("quality: {} findings, {} of them errors", quality.findings.len(), quality.errors().count()));
    say(&table(&["symbol", "finding", "verdict", "detail"], &shown));
    if quality.findings.len() > shown.len() {
        say(&format!("… and {} more (--json shows all)", quality.findings.len() - shown.len()));
    }
}

/// Downloads monthly files.
pub fn fetch_files(
    symbols: &[String],
    interval: &str,
    (from, to): (&str, &str),
    out: &Path,
    base: &str,
    connect: Duration,
) -> Result<(), CliError> {
    let months = fetch::months(from, to)
        .ok_or_else(|| CliError::usage(format!("{from} to {to} are not months"), "write months as 2024-01"))?;
    let files = fetch::wanted(symbols, interval, &months);
    let progress = Progress::new("downloading", files.len() as u64);
    let done = fetch::fetch(base, &files, out, connect, &|i, _, name| progress.at(i as u64, name), &stopped);
    progress.done();
    let done = done?;
    if stopped() {
        return Err(CliError::Stopped(format!(
            "{done} of {} files are there; run the command again to go on",
            files.len()
        )));
    }
    say(&format!("{done} files in {}", out.display()));
    Ok(())
}

fn show(cx: &Context) -> Result<(), CliError> {
    let rows = cx.lab()?.mirror()?.snapshots()?;
    if cx.json {
        print_json(&rows);
        return Ok(());
    }
    let row = |s: &assay_research::mirror::query::SnapshotRow| {
        let kind = if s.generated { "GENERATED" } else { "real" };
        vec![
            s.data_hash[..12].into(),
            kind.into(),
            interval_text(s.interval_ms),
            format_date(s.first_ms),
            format_date(s.last_ms),
            s.bars.to_string(),
            s.symbols.clone(),
        ]
    };
    print(&table(
        &["data hash", "kind", "bar", "first", "last", "bars", "symbols"],
        &rows.iter().map(row).collect::<Vec<_>>(),
    ));
    Ok(())
}
