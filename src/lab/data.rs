//! Market data into a lab: imported, generated or downloaded, with its rule book.

use crate::erased::erasures;
use crate::error::LabError;
use crate::folder::Lab;
use crate::rules;
use crate::session::{Progress, Session};
use assay_ledger::storage::disk::{Disk as _, Open, RealDisk, replace};
use assay_ledger::{Hash, Log};
use assay_research::data::Request;
use assay_research::data::generate::Spec;
use assay_research::data::layout::{Holds, SourceFile};
use assay_research::data::source::{Found, Unused, checksum_path, scan, single};
use assay_research::data::{Assembled, Contents, DataError, Draft, Quality, assemble, files, generate, snapshot};
use assay_research::report::quality::{NotUsed, QualityReport};
use assay_shared::event::{Event, PayloadErased, RulebookRegistered, SnapshotRegisteredV2};
use assay_shared::rulebook::Rulebook;
use assay_shared::rulebook::book::{Between, Wanted};
use assay_shared::rulebook::sightings::Sightings;
use assay_shared::time::parse;
use std::path::{Path, PathBuf};

/// How to import.
#[derive(Debug, Clone)]
pub struct Import {
    /// Folder with the files; it is searched.
    pub dir: PathBuf,
    /// What to take from it, and how findings are treated.
    pub request: Request,
    /// The oldest bracket tables hold from this day on: an assumption that is recorded.
    pub assume_brackets_from: Option<String>,
    /// The day on which bracket tables without one in their name were seen.
    pub brackets_seen: Option<String>,
    /// Which bracket table holds between two days on which different ones were seen.
    pub between: Between,
}

/// What was read, before anything is registered.
#[derive(Debug)]
pub struct Read {
    /// The market, put aside until it is registered.
    pub draft: Draft,
    /// What was odd about it.
    pub quality: Quality,
    /// The files that were used, and the others.
    pub found: Found,
    /// Its rule book.
    pub book: Rulebook,
    /// Treatments that treated nothing.
    pub idle: Vec<String>,
    source: String,
    treatments: Vec<String>,
}

/// A registered snapshot.
#[derive(Debug)]
pub struct Imported {
    /// What is in it.
    pub contents: Contents,
    /// Its hash.
    pub data_hash: Hash,
    /// Hash of its rule book.
    pub rulebook_hash: Hash,
    /// The entry at which the very same import was registered before.
    pub known: Option<u64>,
}

/// Reads a folder: market, quality, rule book. Registers nothing. What is read is kept in the lab's folder of
/// snapshots for that, if it is to be.
///
/// # Errors
/// Files that cannot be read or understood.
pub fn read(import: &Import, lab: &Lab, keep: bool) -> Result<Read, LabError> {
    let (dir, session) = (keep.then(|| lab.snapshot_dir()), &lab.session);
    let found = match import.dir.is_file() {
        true => single(&import.dir, &import.request.symbols, &import.request.interval)?,
        false => scan(&import.dir)?,
    };
    let (total, done) = (found.used.len() as u64, std::cell::Cell::new(0));
    let assembled = assemble(found, &import.request, dir.as_deref(), &|name| {
        done.set(done.get() + 1);
        session.progress(&Progress::Files { what: "reading", done: done.get(), total, name });
    });
    session.progress(&Progress::Ended);
    let Assembled { draft, quality, found } = assembled?;
    let tables = found.used.iter().filter(|f| f.holds == Holds::Brackets).map(|f| f.path.as_path());
    let contents = draft.contents();
    let symbols: Vec<String> = contents.series.iter().map(|s| s.name.clone()).collect();
    let mut beside = Sightings::default();
    for file in tables {
        beside.add(&rules::one(file, Some(&symbols), import.brackets_seen.as_deref())?)?;
    }
    let mut known = rules::known(Some(lab))?;
    known.join(&beside);
    if let Some(date) = import.assume_brackets_from.as_deref().filter(|date| date.len() != 10 || parse(date).is_none())
    {
        return Err(LabError::usage(format!("'{date}' is not a day"), "write it as 2022-03-01"));
    }
    let wanted = Wanted {
        symbols: &symbols,
        from_ms: contents.span().0,
        between: import.between,
        assume_brackets_from: import.assume_brackets_from.as_deref(),
    };
    let origin = if beside == Sightings::default() { "" } else { ", and what lies beside the data" };
    let book = rules::book(&known, &format!("{}{origin}", rules::SOURCE), &wanted)?;
    let mut quality = quality;
    for s in &contents.series {
        if let Err(e) = book.in_force(&s.name, s.first_ms) {
            quality.uncovered(&s.name, s.first_ms, &e.to_string());
        }
    }
    // Results depend on it as on a treatment.
    let detail = import.request.detail.iter().map(|interval| format!("detail={interval}"));
    let treatments = import.request.treatments.names().into_iter().chain(detail).collect();
    let source = import.dir.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let idle = import.request.treatments.idle();
    Ok(Read { draft, quality, found, book, idle, source, treatments })
}

impl Read {
    /// Whether the data can be used.
    ///
    /// # Errors
    /// Findings that no treatment covers.
    pub fn check(&self) -> Result<(), LabError> {
        let Some(first) = self.quality.errors().next() else { return Ok(()) };
        let first = format!("{} {}: {}", first.code, first.symbol, first.detail);
        Err(DataError::Findings { count: self.quality.errors().count(), first }.into())
    }

    /// What was found, to be shown.
    pub fn report(&self) -> QualityReport {
        let name = |path: &Path| path.display().to_string();
        let unused = |u: &Unused| NotUsed { file: name(&u.path), why: u.why.clone() };
        QualityReport {
            used: self.found.used.iter().map(|f| name(&f.path)).collect(),
            unused: self.found.unused.iter().map(unused).collect(),
            assumptions: self.book.assumptions.clone(),
            treatments_unused: self.idle.clone(),
            ..QualityReport::of(&self.source, &self.draft.contents(), &self.quality)
        }
    }

    /// Writes the snapshot and the rule book and records both. What was found is kept beside them.
    ///
    /// # Errors
    /// Findings that no treatment covers, or a lab that cannot be written.
    pub fn register(self, lab: &Lab) -> Result<Imported, LabError> {
        self.check()?;
        let found = serde_json::to_vec_pretty(&self.report()).map_err(|e| LabError::Verification(e.to_string()))?;
        let (files, vendor_checked) = sums(&self.found)?;
        let origin = Origin {
            files,
            vendor_checked,
            source: self.source,
            treatments: self.treatments,
            findings: self.quality.oddities.len() as u32,
        };
        let imported = register(lab, &self.draft, &self.book, origin)?;
        replace(&RealDisk, &snapshot::quality_path(&lab.snapshot_dir(), &imported.data_hash), &found)?;
        Ok(imported)
    }
}

/// The raw files that were used, as `sha256sum` lists them; and how many of them have the vendor's checksum
/// beside them, with which they were compared when they were read.
fn sums(found: &Found) -> Result<(Vec<String>, u32), LabError> {
    let sum = |file: &SourceFile| -> Result<String, LabError> {
        let read = LabError::io("read", &file.path);
        let opened = RealDisk.open(&file.path, Open::Read);
        let hash = opened.and_then(|f| Hash::of_pieces(f.len()?, |at, len| f.read_at(at, len))).map_err(read)?;
        let path = file.path.strip_prefix(&found.root).unwrap_or(&file.path);
        Ok(format!("{hash}  {}", path.display()))
    };
    let mut out = found.used.iter().map(sum).collect::<Result<Vec<_>, _>>()?;
    out.sort_by(|a, b| a[66..].cmp(&b[66..]));
    let checked = found.used.iter().filter(|f| checksum_path(&f.path).exists()).count();
    Ok((out, checked as u32))
}

/// What an import says beside the data themselves.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// Where the data came from, in words.
    pub source: String,
    /// Treatments and assumptions.
    pub treatments: Vec<String>,
    /// Number of findings.
    pub findings: u32,
    /// The raw files, a line for each as `sha256sum` writes it.
    pub files: Vec<String>,
    /// How many of them were compared with the vendor's checksum.
    pub vendor_checked: u32,
}

/// Writes a snapshot and its rule book, and records both: the one is bound to the other.
///
/// # Errors
/// A lab that cannot be written.
pub fn register(lab: &Lab, draft: &Draft, book: &Rulebook, origin: Origin) -> Result<Imported, LabError> {
    let (contents, (data_hash, file)) = (draft.contents(), draft.write()?);
    let (first_ms, end_ms) = contents.span();
    lab.keep_rulebook(book)?;
    let list: String = origin.files.iter().map(|line| format!("{line}\n")).collect();
    if !list.is_empty() {
        replace(&RealDisk, &lab.snapshot_dir().join(format!("{data_hash}.sha256")), list.as_bytes())?;
    }
    let event = SnapshotRegisteredV2 {
        data_hash: data_hash.0,
        file_sha256: file.0,
        rulebook_hash: book.hash().0,
        symbols: contents.series.iter().map(|s| s.name.clone()).collect(),
        interval_ms: contents.interval_ms,
        first_ms,
        last_ms: end_ms - contents.interval_ms,
        bars: contents.bars(),
        generated: contents.generated,
        source: origin.source,
        treatments: origin.treatments,
        assumptions: book.assumptions.clone(),
        findings: origin.findings,
        files: origin.files.len() as u32,
        vendor_checked: origin.vendor_checked,
        files_sha256: Hash::of(list.as_bytes()).0,
    };
    let rules = RulebookRegistered { hash: book.hash().0, name: book.name.clone(), source: book.source.clone() };
    let mut writer = lab.writer()?;
    // The rule book first: whoever reads the snapshot's event finds it.
    let receipts = writer.record(&[Event::from(rules), Event::from(event)])?;
    writer.publish()?;
    lab.refresh_mirror()?;
    let known = receipts.last().filter(|r| r.existed).map(|r| r.seq);
    Ok(Imported { contents, data_hash, rulebook_hash: book.hash(), known })
}

/// The rule book that a snapshot is bound to: by its newest registration, or, where that is of the first
/// version and names none, the newest that was registered up to then.
///
/// # Errors
/// A snapshot that is not registered; a ledger that cannot be read.
pub fn rulebook_of(lab: &Lab, data: &Hash) -> Result<Rulebook, LabError> {
    let log = lab.log()?;
    for seq in log.newest_of("SnapshotRegistered", 0..log.len(), usize::MAX)? {
        let Some(fact) = Event::of(&log.entry(seq)?)?.snapshot().filter(|f| f.data_hash == data.0) else { continue };
        if let Some(hash) = fact.rulebook_hash {
            return lab.rulebook(&Hash(hash).to_string());
        }
        // Version 1 was recorded just before its rule book.
        let upto = (seq + 2).min(log.len());
        for book in log.newest_of("RulebookRegistered", 0..upto, 1)? {
            if let Event::RulebookRegistered(e) = Event::of(&log.entry(book)?)? {
                return lab.rulebook(&Hash(e.hash).to_string());
            }
        }
    }
    Err(LabError::usage("no rule book is registered", "import data first: it brings one"))
}

/// The registered rule book whose hash begins so.
///
/// # Errors
/// None, or several; a ledger that cannot be read.
pub fn named_rulebook(lab: &Lab, begin: &str) -> Result<Rulebook, LabError> {
    let log = lab.log()?;
    let mut found: Vec<String> = Vec::new();
    for seq in log.newest_of("RulebookRegistered", 0..log.len(), usize::MAX)? {
        if let Event::RulebookRegistered(e) = Event::of(&log.entry(seq)?)? {
            found.push(Hash(e.hash).to_string());
        }
    }
    found.sort();
    found.dedup();
    let mine: Vec<&String> = found.iter().filter(|hash| hash.starts_with(begin)).collect();
    match mine[..] {
        [hash] if begin.len() >= 8 => lab.rulebook(hash),
        _ => Err(LabError::usage(
            match mine.len() {
                _ if begin.len() < 8 => format!("'{begin}' is too short: give 8 digits of the hash or more"),
                n => format!("{begin} is the beginning of {n} registered rule books"),
            },
            "`assay data show HASH` names the one of a snapshot; an import with other rules registers another",
        )),
    }
}

/// Destroys a snapshot's data and records that it was: the events about it, and their proofs, stay. Gives
/// the position of the event; none for what an import left that was cut off, of which nothing is recorded.
///
/// # Errors
/// A snapshot that was never registered; a lab that cannot be written.
pub fn erase(lab: &Lab, hash: &str, reason: &str) -> Result<Option<u64>, LabError> {
    let mut writer = lab.writer()?;
    let (entry, digest) = match (registered(&writer.log, hash), hash.parse::<Hash>()) {
        (Ok(found), _) => found,
        (Err(_), Ok(left)) if snapshot::remove(&lab.snapshot_dir(), &left)? > 0 => return Ok(None),
        (Err(e), _) => return Err(e),
    };
    // Said first: data that is gone without a word would look like damage. Said once: what one run of this
    // began, the next one ends. Data that were imported again are destroyed again, which is said again.
    let there = snapshot::path(&lab.snapshot_dir(), &digest).exists();
    let at = match erasures(&writer.log)?.get(&digest.0) {
        Some(at) if !there => *at,
        _ => writer.record_one(PayloadErased { entry, digest: digest.0, reason: reason.into() })?.seq,
    };
    writer.publish()?;
    snapshot::remove(&lab.snapshot_dir(), &digest)?;
    lab.refresh_mirror()?;
    Ok(Some(at))
}

/// The newest registration of the one snapshot whose hash begins so, and its hash.
pub(crate) fn registered(log: &Log, begin: &str) -> Result<(u64, Hash), LabError> {
    let mut found: Vec<(u64, Hash)> = Vec::new();
    for seq in log.newest_of("SnapshotRegistered", 0..log.len(), usize::MAX)? {
        let Some(e) = Event::of(&log.entry(seq)?)?.snapshot() else { continue };
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
/// A lab that cannot be written.
pub fn generated(lab: &Lab, symbols: &[String], bars: usize, seed: u64) -> Result<Read, LabError> {
    let market = generate::market(symbols, bars, seed);
    let from_ms = market.times.first().copied().unwrap_or_default();
    let wanted = Wanted { symbols, from_ms, between: Between::Harsher, assume_brackets_from: None };
    Ok(Read {
        draft: Draft::of(Some(&lab.snapshot_dir()), &market)?,
        quality: Quality::default(),
        found: Found::default(),
        book: rules::book(&rules::shipped()?, rules::SOURCE, &wanted)?,
        idle: Vec::new(),
        source: "GENERATED MARKET, not real data".into(),
        treatments: vec!["GENERATED".into()],
    })
}

/// Writes a generated market as files in the exchange's layout; whoever imports them has it recorded that they
/// are made up. Gives the number of files.
///
/// # Errors
/// A folder that cannot be written, or that holds other things.
pub fn generate_files(dir: &Path, spec: &Spec<'_>, session: &Session) -> Result<usize, LabError> {
    let done = std::cell::Cell::new(0);
    let written = files::write(dir, spec, &|name| {
        done.set(done.get() + 1);
        let total = spec.symbols.len() as u64;
        session.progress(&Progress::Files { what: "generating", done: done.get(), total, name });
    });
    session.progress(&Progress::Ended);
    Ok(written?)
}
