//! Downloads from the exchange's public bulk data (or a mirror of it), with resume.
//!
//! Files land under the same paths as at the source, so `data import` reads the folder as it is.
//! A file is written under a temporary name and renamed when it is whole and its checksum fits.

use super::error::DataError;
use super::source::checksum_path;
use assay_ledger::storage::disk::{RealDisk, replace};
use assay_ledger::{Hash, LedgerError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The exchange's public bulk data.
pub const DEFAULT_BASE: &str = "https://data.binance.vision";
const MAX_FILE: u64 = 256 << 20;

/// Monthly files of a symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Path below the base address and below the target folder.
    pub path: String,
}

/// The files of symbols from one month to another, both included: candles, marks, funding.
pub fn wanted(symbols: &[String], interval: &str, months: &[String]) -> Vec<Wanted> {
    let mut out = Vec::new();
    for symbol in symbols {
        for month in months {
            let base = "data/futures/um/monthly";
            out.push(format!("{base}/klines/{symbol}/{interval}/{symbol}-{interval}-{month}.zip"));
            out.push(format!("{base}/markPriceKlines/{symbol}/{interval}/{symbol}-{interval}-{month}.zip"));
            out.push(format!("{base}/fundingRate/{symbol}/{symbol}-fundingRate-{month}.zip"));
        }
    }
    out.into_iter().map(|path| Wanted { path }).collect()
}

/// `2024-01`, … from one month to another, both included.
pub fn months(from: &str, to: &str) -> Option<Vec<String>> {
    let parse = |t: &str| {
        let (y, m) = t.split_once('-')?;
        let (y, m): (i32, i32) = (y.parse().ok()?, m.parse().ok()?);
        ((2017..2100).contains(&y) && (1..=12).contains(&m)).then_some(y * 12 + m - 1)
    };
    let (a, b) = (parse(from)?, parse(to)?);
    (a <= b).then(|| (a..=b).map(|k| format!("{:04}-{:02}", k / 12, k % 12 + 1)).collect())
}

/// What was had of the files that were wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Files that are there.
    pub there: usize,
    /// Paths of those that the source does not have: of months before a listing, or after the last.
    pub absent: Vec<String>,
}

/// Downloads files; those already there are kept. `progress` is told `(done, total, name)`;
/// `stop` ends it cleanly between files and chunks.
///
/// # Errors
/// The first file that cannot be had though the source has it.
pub fn fetch(
    base: &str,
    files: &[Wanted],
    dir: &Path,
    connect: Duration,
    progress: &dyn Fn(usize, usize, &str),
    stop: &dyn Fn() -> bool,
) -> Result<Fetched, DataError> {
    let config = ureq::Agent::config_builder()
        .timeout_connect(Some(connect))
        .timeout_recv_response(Some(Duration::from_secs(30)));
    let agent: ureq::Agent = config.build().into();
    let mut out = Fetched::default();
    for (i, file) in files.iter().enumerate() {
        if stop() {
            break;
        }
        let target = dir.join(&file.path);
        progress(i, files.len(), &file.path);
        let url = format!("{}/{}", base.trim_end_matches('/'), file.path);
        match intact(&target) || fetch_one(&agent, &url, &target, stop)? {
            true => out.there += 1,
            false => out.absent.push(file.path.clone()),
        }
    }
    Ok(out)
}

/// Whether a file is there as the source has it: one that was damaged since is downloaded again.
fn intact(target: &Path) -> bool {
    let Ok(bytes) = std::fs::read(target) else { return false };
    // What somebody put there without a checksum is theirs.
    let Ok(text) = std::fs::read_to_string(checksum_path(target)) else { return true };
    text.split_whitespace().next().unwrap_or_default().eq_ignore_ascii_case(&Hash::of(&bytes).to_string())
}

/// Downloads a file; false when the source does not have it.
fn fetch_one(agent: &ureq::Agent, url: &str, target: &Path, stop: &dyn Fn() -> bool) -> Result<bool, DataError> {
    let fail = |what: String| DataError::Download { url: url.into(), what };
    let part: PathBuf = target.with_extension("part");
    if part.is_symlink() {
        return Err(fail(format!("{} is a link; remove it", part.display())));
    }
    let have = std::fs::metadata(&part).map_or(0, |m| m.len());
    let mut request = agent.get(url);
    if have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
    }
    let mut response = match request.call() {
        // What was left is already the whole file.
        Err(ureq::Error::StatusCode(416)) if have > 0 => return finish(agent, url, target, &part).map(|()| true),
        Err(ureq::Error::StatusCode(404)) => return Ok(false),
        other => other.map_err(|e| fail(e.to_string()))?,
    };
    let resumed = response.status().as_u16() == 206;
    if let Some(parent) = target.parent() {
        std::fs::create_dir_all(parent).map_err(DataError::io("create", parent))?;
    }
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .create(true)
        .write(true)
        .append(resumed)
        .truncate(!resumed)
        .open(&part)
        .map_err(DataError::io("create", &part))?;
    let mut reader = response.body_mut().as_reader().take(MAX_FILE);
    let mut buffer = vec![0; 1 << 16];
    loop {
        if stop() {
            return Err(fail("stopped; run the command again to go on".into()));
        }
        let n = reader.read(&mut buffer).map_err(|e| fail(e.to_string()))?;
        if n == 0 {
            break;
        }
        file.write_all(&buffer[..n]).map_err(DataError::io("write", &part))?;
    }
    drop(file);
    finish(agent, url, target, &part).map(|()| true)
}

/// Verifies the checksum and gives the file its name.
fn finish(agent: &ureq::Agent, url: &str, target: &Path, part: &Path) -> Result<(), DataError> {
    let fail = |what: String| DataError::Download { url: url.into(), what };
    let text = agent.get(format!("{url}.CHECKSUM")).call().and_then(|mut r| r.body_mut().read_to_string());
    let text = text.map_err(|e| fail(format!("no checksum: {e}")))?;
    let bytes = std::fs::read(part).map_err(DataError::io("read", part))?;
    let (want, have) =
        (text.split_whitespace().next().unwrap_or_default().to_lowercase(), Hash::of(&bytes).to_string());
    if want != have {
        std::fs::remove_file(part).map_err(DataError::io("remove", part))?;
        return Err(fail(format!("its checksum is {have}, but the source says {want}; the file was removed")));
    }
    let unwritten = |e: LedgerError| fail(e.to_string());
    replace(&RealDisk, &checksum_path(target), text.as_bytes()).map_err(unwritten)?;
    std::fs::rename(part, target).map_err(DataError::io("rename", target))
}
