//! What can go wrong with data; each says where.

use std::io;
use std::path::{Path, PathBuf};

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A row or file that is not what it should be.
    #[error("{}{}: {what}", path.display(), line.map(|l| format!(":{l}")).unwrap_or_default())]
    Bad {
        /// Which file.
        path: PathBuf,
        /// Line, from 1.
        line: Option<u64>,
        /// What is wrong.
        what: String,
    },
    /// What was asked for cannot be understood.
    #[error("{what}")]
    Asked {
        /// What, and what would do.
        what: String,
    },
    /// Nothing to import.
    #[error("no market data found in {}{}", path.display(), others(.unused))]
    Nothing {
        /// The folder that was searched.
        path: PathBuf,
        /// Files in it that are not read, with the reason.
        unused: Vec<String>,
    },
    /// The quality report has errors that no treatment covers.
    #[error("{count} findings must be treated before the data can be used; the first: {first}")]
    Findings {
        /// How many.
        count: usize,
        /// The first.
        first: String,
    },
    /// A snapshot is missing or not what its hash says.
    #[error("snapshot {hash}: {what}")]
    Snapshot {
        /// Its data hash.
        hash: String,
        /// What is wrong.
        what: String,
    },
    /// A file of a snapshot is not there.
    #[error("the snapshot's file {} is not there", path.display())]
    Missing {
        /// Which file.
        path: PathBuf,
    },
    /// A download failed.
    #[error("cannot download {url}: {what}")]
    Download {
        /// Address.
        url: String,
        /// What happened.
        what: String,
    },
}

/// Refuses names of symbols that could lead elsewhere.
///
/// # Errors
/// A name that is empty, or holds anything but letters and digits.
pub fn check_symbols(symbols: &[String]) -> Result<(), DataError> {
    let bad = symbols.iter().find(|s| s.is_empty() || !s.chars().all(char::is_alphanumeric));
    match bad {
        Some(bad) => Err(DataError::Asked { what: format!("'{bad}' is no symbol: they are of letters and digits") }),
        None => Ok(()),
    }
}

fn others(unused: &[String]) -> String {
    let more = if unused.len() > 3 { format!("; and {} more files", unused.len() - 3) } else { String::new() };
    unused.iter().take(3).map(|why| format!("\n  {why}")).collect::<String>() + &more
}

impl DataError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DataError {
        let path = path.to_path_buf();
        move |source| DataError::Io { action, path, source }
    }

    pub(crate) fn bad(path: &Path, line: Option<u64>, what: impl Into<String>) -> DataError {
        DataError::Bad { path: path.into(), line, what: what.into() }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            DataError::Nothing { .. } => {
                "expected files such as BTCUSDT-1h.csv.gz, BTCUSDT-1h-2024-01.zip, BTCUSDT-fundingRate.csv; see `assay data import --help`"
            }
            DataError::Findings { .. } => {
                "each error names the treatments that will do, as --treat CODE=WAY; `--dry-run` only looks"
            }
            DataError::Asked { .. } => "`assay data import --help` says what each option takes",
            DataError::Bad { .. } => "nothing was imported; repair or remove the file",
            DataError::Snapshot { .. } => "import the data again with `assay data import`",
            DataError::Missing { .. } => {
                "put it back, or import the same data again with `assay data import`; `assay data show` lists what is there"
            }
            DataError::Download { .. } => {
                "check the network, or import files with `assay data import DIR`; a stopped download resumes"
            }
            DataError::Io { .. } => return None,
        })
    }
}
