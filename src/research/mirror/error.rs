//! What can go wrong with the mirror.

use assay_ledger::LedgerError;
use assay_shared::event::EventError;
use rusqlite::ErrorCode;
use std::path::PathBuf;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// SQLite refused.
    #[error("the mirror {}: {source}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// Its tables are of another version.
    #[error("the mirror {} has tables of version {found}, not of this one", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// Version found.
        found: i64,
    },
    /// The mirror has seen a ledger that this one is not.
    #[error("the mirror is {what}: the ledger may have been rolled back")]
    Ahead {
        /// How they differ.
        what: String,
    },
    /// A question that cannot be answered.
    #[error("that cannot be asked: {what}")]
    Question {
        /// Why.
        what: String,
    },
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// An event that this version does not know.
    #[error("entry {seq}: {source}")]
    Event {
        /// Position.
        seq: u64,
        /// What is wrong.
        source: EventError,
    },
    /// A file could not be put in place.
    #[error("cannot replace {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
}

impl MirrorError {
    /// What to do next.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            MirrorError::Sqlite { source, .. } => Some(match source.sqlite_error_code() {
                Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                    "the lab's folder cannot be written here; reading commands work without"
                }
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "another command is writing it; try again",
                Some(ErrorCode::DiskFull) => "make room on that disk",
                _ => "rebuild it from the ledger: `assay mirror rebuild`",
            }),
            MirrorError::Schema { .. } => Some("rebuild it from the ledger: `assay mirror rebuild`"),
            MirrorError::Ahead { .. } => Some(
                "bring the newer ledger back (`assay ledger rebuild --from DIR` or `--from REPO`); only if the mirror is not of this ledger, remove its file",
            ),
            MirrorError::Event { .. } => Some("use the version of assay that wrote the event, or a newer one"),
            MirrorError::Ledger(e) => e.hint(),
            MirrorError::Question { .. } => Some("`assay query` without a question lists tables, views and columns"),
            MirrorError::Io { .. } => None,
        }
    }
}
