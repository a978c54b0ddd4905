//! Market data into a lab: imported, generated or downloaded, with its rule book.

use crate::erased::erasures;
use crate::error::LabError;
use crate::folder::Lab;
use crate::session::{Progress, Session};
use assay_ledger::{Hash, Log};
use assay_research::data::assemble::Request;
use assay_research::data::source::{Holds, scan};
use assay_research::data::{Quality, assemble, brackets, fetch, generate, quality, snapshot};
use assay_shared::event::{Event, PayloadErased, RulebookRegistered, SnapshotRegistered};
use assay_shared::market::Market;
use assay_shared::rulebook::{BracketSet, Rulebook};
use assay_shared::time::parse;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The rule book that is built in: fees and filters, and the newest brackets.
pub const RULEBOOK: &str = include_str!("../../configs/rulebook.toml");

/// How to import.
#[derive(Debug, Clone)]
pub struct Import {
    /// Folder with the files; it is searched.
    pub dir: PathBuf,
    /// What to take from it, and how findings are treated.
    pub request: Request,
    /// The oldest bracket tables hold from this day on: an assumption that is recorded.
    pub assume_brackets_from: Option<String>,
}

/// What was read, before anything is registered.
#[derive(Debug)]
pub struct Read {
    /// The market.
    pub market: Market,
    /// What was odd about it.
    pub quality: Quality,
    book: Rulebook,
    source: String,
    treatments: Vec<String>,
}

/// A registered snapshot.
#[derive(Debug)]
pub struct Imported {
    /// The market.
    pub market: Market,
    /// Its hash.
    pub data_hash: Hash,
    /// Hash of its rule book.
    pub rulebook_hash: Hash,
}

/// Reads a folder: market, quality, rule book. Registers nothing.
///
/// # Errors
/// Files that cannot be read or understood.
pub fn read(import: &Import, session: &Session) -> Result<Read, LabError> {
    let files = scan(&import.dir)?;
    let (total, done) = (files.len() as u64, std::cell::Cell::new(0));
    let assembled = assemble(&files, &import.request, &|name| {
        done.set(done.get() + 1);
        session.progress(&Progress::Files { what: "reading", done: done.get(), total, name });
    });
    session.progress(&Progress::Ended);
    let (market, quality) = assembled?;
    let paths: Vec<&Path> = files.iter().filter(|f| f.holds == Holds::Brackets).map(|f| f.path.as_path()).collect();
    let base = Rulebook::parse(RULEBOOK)?;
    let mut book = if paths.is_empty() {
        base
    } else {
        brackets::rulebook(&base, paths.into_iter(), &market.symbols, "dated bracket files")?
    };
    let mut treatments = import.request.treatments.names();
    if let Some(date) = &import.assume_brackets_from {
        book = assume_from(&book, date)?;
        treatments.push(format!("brackets=assumed-from-{date}"));
    }
    let source = import.dir.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Read { market, quality, book, source, treatments })
}

impl Read {
    /// Writes the snapshot and the rule book and records both.
    ///
    /// # Errors
    /// Findings that no treatment covers, or a lab that cannot be written.
    pub fn register(self, lab: &Lab) -> Result<Imported, LabError> {
        if let Some(first) = self.quality.errors().next() {
            let first = format!("{} {}: {}", first.code, first.symbol, first.detail);
            let count = self.quality.errors().count();
            return Err(assay_research::data::DataError::Findings { count, first }.into());
        }
        let oddities = self.quality.oddities.len() as u32;
        register(lab, self.market, &self.book, &self.source, &self.treatments, oddities)
    }
}

/// The oldest bracket tables, held to be in force from an earlier day on.
///
/// # Errors
/// A date that is none, or that is not earlier.
pub fn assume_from(book: &Rulebook, date: &str) -> Result<Rulebook, LabError> {
    if parse(date).is_none() {
        let message = format!("'{date}' is not a date");
        return Err(LabError::usage(message, "write it as 2022-03-01 or 2022-03-01T12:00"));
    }
    let mut sets = book.brackets.clone();
    if let Some(first) = sets.first().cloned() {
        sets.insert(0, BracketSet { effective: date.into(), ..first });
    }
    let out = book.with_brackets(sets, &format!("{}; oldest brackets assumed from {date}", book.source));
    Ok(Rulebook::parse(&out.text())?)
}

/// Writes a snapshot and a rule book and records both.
///
/// # Errors
/// A lab that cannot be written.
pub fn register(
    lab: &Lab,
    market: Market,
    book: &Rulebook,
    source: &str,
    treatments: &[String],
    findings: u32,
) -> Result<Imported, LabError> {
    let (data_hash, file) = snapshot::write(&lab.snapshot_dir(), &market)?;
    lab.keep_rulebook(book)?;
    let event = SnapshotRegistered {
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
    writer.record(&[Event::from(event), Event::from(rules)])?;
    writer.publish()?;
    lab.refresh_mirror()?;
    Ok(Imported { market, data_hash, rulebook_hash: book.hash() })
}

/// Destroys a snapshot's data and records that it was: the events about it, and their proofs, stay. Gives
/// the position of the event.
///
/// # Errors
/// A snapshot that was never registered; a lab that cannot be written.
pub fn erase(lab: &Lab, hash: &str, reason: &str) -> Result<u64, LabError> {
    let mut writer = lab.writer()?;
    let (entry, digest) = registered(&writer.log, hash)?;
    // Said first: data that is gone without a word would look like damage. Said once: what one run of this
    // began, the next one ends.
    let at = match erasures(&writer.log)?.get(&digest.0) {
        Some(at) => *at,
        None => writer.record_one(PayloadErased { entry, digest: digest.0, reason: reason.into() })?.seq,
    };
    writer.publish()?;
    snapshot::remove(&lab.snapshot_dir(), &digest)?;
    lab.refresh_mirror()?;
    Ok(at)
}

/// The newest registration of the one snapshot whose hash begins so, and its hash.
fn registered(log: &Log, begin: &str) -> Result<(u64, Hash), LabError> {
    let mut found: Vec<(u64, Hash)> = Vec::new();
    for seq in log.newest_of("SnapshotRegistered", 0..log.len(), usize::MAX)? {
        let Event::SnapshotRegistered(e) = Event::of(&log.entry(seq)?)? else { continue };
        let hash = Hash(e.data_hash);
        if hash.to_string().starts_with(begin) && found.iter().all(|f| f.1 != hash) {
            found.push((seq, hash));
        }
    }
    match found[..] {
        [one] if begin.len() >= 8 => Ok(one),
        [_, _, ..] if begin.len() >= 8 => {
            let what = format!("{} snapshots have a hash that begins with {begin}", found.len());
            Err(LabError::usage(what, "give more of it: `assay data show --json` has whole ones"))
        }
        _ => Err(LabError::usage(
            format!("no snapshot {begin} is registered"),
            "give 8 digits or more: see `assay data show`",
        )),
    }
}

/// The generated market with its rule book, loudly labelled; nothing is registered yet.
///
/// # Errors
/// Never, but for a built-in rule book that does not read.
pub fn generated(symbols: &[String], bars: usize, seed: u64) -> Result<Read, LabError> {
    let market = generate::market(symbols, bars, seed);
    let mut found = Quality::default();
    quality::look_over(&market, &mut found);
    Ok(Read {
        market,
        quality: found,
        book: assume_from(&Rulebook::parse(RULEBOOK)?, "2020-01-01")?,
        source: "GENERATED MARKET, not real data".into(),
        treatments: vec!["GENERATED".into(), "brackets=assumed-from-2020-01-01".into()],
    })
}

/// What to download.
#[derive(Debug, Clone)]
pub struct Download<'a> {
    /// Symbols.
    pub symbols: &'a [String],
    /// Bar interval.
    pub interval: &'a str,
    /// First and last month, `YYYY-MM`.
    pub months: (&'a str, &'a str),
    /// Address of the bulk data or of a mirror of it.
    pub base: &'a str,
    /// How long to wait for a connection.
    pub connect: Duration,
}

/// Downloads monthly files into a folder, with checksums; goes on where it was stopped. Gives the
/// number of files there.
///
/// # Errors
/// Months that are none, a download that fails, or [`LabError::Stopped`].
pub fn download(what: &Download<'_>, out: &Path, session: &Session) -> Result<usize, LabError> {
    let (from, to) = what.months;
    let months = fetch::months(from, to)
        .ok_or_else(|| LabError::usage(format!("{from} to {to} are not months"), "write months as 2024-01"))?;
    let files = fetch::wanted(what.symbols, what.interval, &months);
    let say = |done: usize, _, name: &str| {
        let (done, total) = (done as u64, files.len() as u64);
        session.progress(&Progress::Files { what: "downloading", done, total, name });
    };
    let done = fetch::fetch(what.base, &files, out, what.connect, &say, &|| session.stop.requested());
    session.progress(&Progress::Ended);
    let done = done?;
    if session.stop.requested() {
        let words = format!("{done} of {} files are there; run the command again to go on", files.len());
        return Err(LabError::Stopped(words));
    }
    Ok(done)
}
