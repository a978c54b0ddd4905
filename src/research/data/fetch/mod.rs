//! Downloads from the exchange's public bulk data (or a mirror of it), with resume.
//!
//! Files land under the same paths as at the source, so `data import` reads the folder as it is.
//! A file is written under a temporary name and renamed when it is whole and its checksum fits. What the
//! archive lists is what is asked for; one that has no listing is asked for every month.

mod archive;
mod plan;
#[cfg(test)]
mod tests;

use super::error::DataError;
use super::source::checksum_path;
use archive::Archive;
pub use archive::Source;
use assay_ledger::storage::disk::{Disk as _, RealDisk, read, replace};
use assay_ledger::{Hash, LedgerError};
pub use plan::{Absent, Series, months};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// The exchange's public bulk data.
pub const DEFAULT_BASE: &str = "https://data.binance.vision";
/// What lists them.
pub const DEFAULT_LISTING: &str = "https://s3-ap-northeast-1.amazonaws.com/data.binance.vision";

/// What was had of what was wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Files that are there.
    pub there: usize,
    /// Those of them that were there before.
    pub kept: usize,
    /// Files that were to be had in all.
    pub total: usize,
    /// Months that the source has nothing of, in rows.
    pub absent: Vec<Absent>,
    /// Whether the source says what it has.
    pub listed: bool,
    /// Those files whose checksum the source said just now, by their paths in the folder.
    pub asked: Vec<String>,
}

/// One file, and whose it is.
struct Job {
    series: usize,
    date: String,
}

/// What became of a file.
enum Had {
    Kept,
    /// It was there, and the source says that it is the same.
    Asked,
    Loaded,
    Absent,
}

/// Downloads the files of some series and months into a folder, `workers` at a time; those already there are
/// kept, with `refresh` if the source has not replaced them. `progress` is told `(done, total, name)`; `stop` ends it cleanly between files and chunks.
///
/// # Errors
/// The first file that cannot be had though the source has it, once all others were tried; another process
/// that downloads into the same folder.
pub fn fetch(
    source: &Source,
    series: &[Series],
    months: &[String],
    dir: &Path,
    (workers, refresh): (usize, bool),
    progress: &dyn Fn(usize, usize, &str),
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Fetched, DataError> {
    let taken = |_| DataError::Asked {
        what: format!("another download into {} is at work: wait for it, or name another folder", dir.display()),
    };
    std::fs::create_dir_all(dir).map_err(DataError::io("create", dir))?;
    let _lock = RealDisk.lock_folder(dir, Duration::ZERO).map_err(taken)?;
    let archive = Archive::of(source, stop);
    let mut had = Vec::new();
    let (mut jobs, mut listed) = (Vec::new(), true);
    for (i, s) in series.iter().enumerate() {
        progress(0, 0, &s.folder("monthly"));
        let there = list(&archive, s, months)?;
        listed &= there.is_some();
        let dates = there.as_ref().map_or_else(|| months.to_vec(), |there| plan::dates(months, there));
        jobs.extend(dates.into_iter().map(|date| Job { series: i, date }));
        had.push(there.unwrap_or_default());
    }
    let mut out = Fetched { total: jobs.len(), listed, ..Fetched::default() };
    let (next, (sender, results)) = (AtomicUsize::new(0), mpsc::channel());
    let mut failed = None;
    std::thread::scope(|scope| {
        for _ in 0..workers.clamp(1, jobs.len().max(1)) {
            let (sender, jobs, next, archive) = (sender.clone(), &jobs, &next, &archive);
            scope.spawn(move || {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)).filter(|_| !stop()) {
                    let _ = sender.send((job, one(archive, &series[job.series].file(&job.date), dir, refresh)));
                }
            });
        }
        drop(sender);
        for (done, (job, result)) in results.into_iter().enumerate() {
            progress(done + 1, out.total, &series[job.series].file(&job.date));
            match result {
                Ok(Had::Absent) if listed => {
                    let url = series[job.series].file(&job.date);
                    let what = "the source lists it, and does not have it".into();
                    failed.get_or_insert(DataError::Download { url, what });
                }
                Ok(Had::Absent) => drop(had[job.series].remove(&job.date)),
                Ok(found) => {
                    out.there += 1;
                    out.kept += usize::from(matches!(found, Had::Kept | Had::Asked));
                    if !matches!(found, Had::Kept) {
                        out.asked.push(series[job.series].file(&job.date));
                    }
                    had[job.series].insert(job.date.clone());
                }
                Err(e) => drop(failed.get_or_insert(e)),
            }
        }
    });
    // Who was stopped is told so by the caller; a file that was cut off is no failure then.
    match failed.filter(|_| !stop()) {
        Some(e) => Err(e),
        None => {
            let absent = series.iter().zip(&had).flat_map(|(s, had)| plan::absent(s, months, had));
            out.absent = absent.collect();
            Ok(out)
        }
    }
}

/// What the archive has of a series: months, and the days of those wanted months that have no file.
fn list(archive: &Archive<'_>, series: &Series, months: &[String]) -> Result<Option<BTreeSet<String>>, DataError> {
    let dates = |keys: Vec<String>| keys.iter().filter_map(|key| series.date(key).map(Into::into)).collect();
    let Some(keys) = archive.list(&series.folder("monthly"), "")? else { return Ok(None) };
    let mut out: BTreeSet<String> = dates(keys);
    let first = months.iter().find(|month| !out.contains(*month));
    // Days are listed by the thousand: from the first month that lacks a file on.
    if let Some(month) = first.filter(|_| series.has_days()) {
        let from = series.file(&format!("{month}-00"));
        let days: BTreeSet<String> = archive.list(&series.folder("daily"), &from)?.map(dates).unwrap_or_default();
        out.extend(days);
    }
    Ok(Some(out))
}

fn one(archive: &Archive<'_>, path: &str, dir: &Path, refresh: bool) -> Result<Had, DataError> {
    let target = dir.join(path);
    match had(&target) {
        None => {}
        Some((_, Some(true))) if !refresh => return Ok(Had::Kept),
        // What somebody put there without a checksum, or the source may have replaced, is asked about.
        Some((hash, _)) => {
            let text = archive.checksum(path)?;
            if text.as_deref().is_some_and(|text| says(text, &hash)) {
                let unwritten = |e: LedgerError| DataError::Download { url: path.into(), what: e.to_string() };
                replace(&RealDisk, &checksum_path(&target), text.unwrap_or_default().as_bytes()).map_err(unwritten)?;
                return Ok(Had::Asked);
            }
        }
    }
    Ok(if archive.file(path, &target)? { Had::Loaded } else { Had::Absent })
}

fn says(text: &str, hash: &Hash) -> bool {
    text.split_whitespace().next().unwrap_or_default().eq_ignore_ascii_case(&hash.to_string())
}

/// The hash of a file that is there, and whether it fits the checksum beside it.
fn had(target: &Path) -> Option<(Hash, Option<bool>)> {
    let hash = Hash::of(&read(&RealDisk, target).ok()?);
    let text = read(&RealDisk, &checksum_path(target)).ok().map(|t| String::from_utf8_lossy(&t).into_owned());
    Some((hash, text.map(|text| says(&text, &hash))))
}
