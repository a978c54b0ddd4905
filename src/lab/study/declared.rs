//! Trials that were made with other tools, declared so that they count.

use crate::error::LabError;
use crate::folder::Lab;
use assay_research::mirror::elsewhere::{ElsewhereError, count};
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

/// Records trials that were made elsewhere. Gives what is recorded, and whether it is new.
///
/// # Errors
/// A file that holds none, a span that ends before it begins, or nothing to take symbols and span from.
pub fn declare(lab: &Lab, asked: &Declared<'_>) -> Result<(TrialsDeclared, bool), LabError> {
    let newest = lab.mirror()?.snapshots()?.into_iter().next();
    let lacks = || {
        LabError::usage(
            "there is no snapshot to take symbols and dates from",
            "name them with --symbols, --from and --to",
        )
    };
    let symbols = match asked.symbols.is_empty() {
        false => asked.symbols.clone(),
        true => newest.as_ref().ok_or_else(lacks)?.symbols.split(',').map(str::to_string).collect(),
    };
    let first_ms = asked.span.0.or(newest.as_ref().map(|s| s.first_ms)).ok_or_else(lacks)?;
    let last_ms = asked.span.1.or(newest.as_ref().map(|s| s.last_ms)).ok_or_else(lacks)?;
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
    let fact = TrialsDeclared { symbols, first_ms, last_ms, trials, source, file_sha256 };
    let event: Event = fact.clone().into();
    let mut writer = lab.writer()?;
    let new = writer.log.find(&event.draft()?.id)?.is_none();
    writer.record(&[event])?;
    writer.publish()?;
    lab.refresh_mirror()?;
    Ok((fact, new))
}

fn hinted(e: &ElsewhereError) -> LabError {
    LabError::usage(e.to_string(), "a table needs a line of names and a row for each trial; or say --trials N")
}
