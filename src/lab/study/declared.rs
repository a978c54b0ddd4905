//! Trials that were made with other tools, declared so that they count.

use crate::error::LabError;
use crate::folder::Lab;
use assay_research::mirror::elsewhere::{ElsewhereError, count};
use assay_research::mirror::query::SnapshotRow;
use assay_shared::event::{Event, TrialsDeclared};
use std::path::Path;

/// What is declared, where a file does not say it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Declared<'a> {
    /// The file in which trials are counted.
    pub file: Option<&'a Path>,
    /// How many, without a file.
    pub trials: Option<u64>,
    /// With what they were made.
    pub source: Option<String>,
    /// The symbols that were traded; those of the newest snapshot without them.
    pub symbols: Vec<String>,
    /// First and last moment of the prices, milliseconds since 1970; those of the newest snapshot without them.
    pub span: (Option<i64>, Option<i64>),
}

/// More trials than this nobody makes; a slip of the hand would stand for good.
const MOST: u64 = 1_000_000_000;

/// A symbol as the exchange writes it: of `BTC/USDT:USDT`, `btcusdt` and ` BTCUSDT` it is `BTCUSDT`.
fn symbol(text: &str) -> Result<String, LabError> {
    let pair = text.trim().split(':').next().unwrap_or_default();
    let name: String = pair.chars().filter(|c| *c != '/').collect::<String>().to_uppercase();
    let good = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    match !name.is_empty() && name.len() <= 40 && name.chars().all(good) {
        true => Ok(name),
        false => Err(LabError::usage(format!("{text:?} is no symbol"), "write them as BTCUSDT,ETHUSDT")),
    }
}

/// What came of a declaration.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// What is recorded.
    pub fact: TrialsDeclared,
    /// Whether it was not before.
    pub new: bool,
    /// Snapshots of the lab that have such prices: beside studies on others it counts for nothing.
    pub meets: usize,
}

/// Records trials that were made elsewhere; with `try_only` it only says what would be recorded.
///
/// # Errors
/// A file that holds none, symbols that are none, a span that ends before it begins, or nothing to take symbols and span from.
pub fn declare(lab: &Lab, asked: &Declared<'_>, try_only: bool) -> Result<Recorded, LabError> {
    let snapshots = lab.mirror()?.snapshots()?;
    let newest = snapshots.first();
    let lacks = || {
        LabError::usage(
            "there is no snapshot to take symbols and dates from",
            "name them with --symbols, --from and --to",
        )
    };
    let mut symbols: Vec<String> = match asked.symbols.is_empty() {
        false => asked.symbols.iter().map(|s| symbol(s)).collect::<Result<_, _>>()?,
        true => newest.ok_or_else(lacks)?.symbols.split(',').map(str::to_string).collect(),
    };
    symbols.sort();
    symbols.dedup();
    let first_ms = asked.span.0.or(newest.map(|s| s.first_ms)).ok_or_else(lacks)?;
    let last_ms = asked.span.1.or(newest.map(|s| s.last_ms)).ok_or_else(lacks)?;
    if first_ms > last_ms {
        return Err(LabError::usage(
            "the prices end before they begin",
            "name the first day with --from, the last one with --to",
        ));
    }
    let (trials, source, file_sha256) = match (asked.file, asked.trials) {
        (Some(path), _) => {
            let found = count(path).map_err(|e| hinted(&e))?;
            (found.trials, asked.source.clone().unwrap_or(found.source), found.sha256)
        }
        (None, Some(trials @ 1..)) => (trials, asked.source.clone().unwrap_or_else(|| "not said".into()), [0; 32]),
        _ => {
            return Err(LabError::usage(
                "how many trials were made is not said",
                "name a file that holds them, or --trials N",
            ));
        }
    };
    if trials > MOST {
        return Err(LabError::usage(
            format!("{trials} trials are more than anybody makes"),
            "at most 1,000,000,000 are declared at once",
        ));
    }
    if source.trim().is_empty() || source.len() > 500 || source.chars().any(char::is_control) {
        return Err(LabError::usage(
            "a source needs 1 to 500 bytes without control characters",
            "say with --source what made them",
        ));
    }
    let such = |s: &&SnapshotRow| {
        s.first_ms <= last_ms && s.last_ms >= first_ms && s.symbols.split(',').any(|n| symbols.iter().any(|m| m == n))
    };
    let meets = snapshots.iter().filter(such).count();
    let fact = TrialsDeclared { symbols, first_ms, last_ms, trials, source, file_sha256 };
    let event: Event = fact.clone().into();
    let new = lab.log()?.find(&event.draft()?.id)?.is_none();
    if !try_only {
        let mut writer = lab.writer()?;
        writer.record(&[event])?;
        writer.publish()?;
        lab.refresh_mirror()?;
    }
    Ok(Recorded { fact, new, meets })
}

fn hinted(e: &ElsewhereError) -> LabError {
    if let ElsewhereError::Busy(..) | ElsewhereError::Unreadable(..) = e {
        return LabError::could_not(e.to_string());
    }
    if let ElsewhereError::Own(_) = e {
        return LabError::usage(
            e.to_string(),
            "they are in that lab's log, which a policy can count: `assay policy` says how",
        );
    }
    LabError::usage(
        e.to_string(),
        "a table has a line of names, then a row for each trial with commas between its cells; unpack a .zip; or say --trials N",
    )
}
