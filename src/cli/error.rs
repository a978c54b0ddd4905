//! One error for the surface: kinds become exit codes, and each may carry a hint.
//!
//! 0 fine, 1 verification failed, 2 usage or config, 3 could not check, 4 refused by policy.

use assay_ledger::LedgerError;
use assay_production::deploy::DeployError;
use assay_production::engine::EngineError;
use assay_production::gate::GateError;
use assay_production::promotion::RepoError;
use assay_production::promotion::evidence::EvidenceError;
use assay_production::reconcile::ReconcileError;
use assay_research::data::DataError;
use assay_research::mirror::MirrorError;
use assay_shared::event::EventError;
use assay_shared::rulebook::RulebookError;
use std::path::{Path, PathBuf};

/// What a command ends with when it does not end well.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Wrong arguments or configuration.
    #[error("{message}")]
    Usage { message: String, hint: Option<String> },
    /// Something was checked and is wrong.
    #[error("{0}")]
    Verification(String),
    /// The ledger went back to an older state.
    #[error("{message}")]
    Rollback { message: String, hint: String },
    /// Something could not be checked or done.
    #[error("{message}")]
    CouldNot { message: String, hint: Option<String> },
    /// Refused by policy.
    #[error("{0}")]
    Refused(String),
    /// Ctrl-C: what was done is kept.
    #[error("stopped; {0}")]
    Stopped(String),
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    #[error(transparent)]
    Gate(#[from] GateError),
    #[error(transparent)]
    Repo(#[from] RepoError),
    #[error(transparent)]
    Deploy(#[from] DeployError),
    #[error(transparent)]
    Event(#[from] EventError),
    #[error(transparent)]
    Rulebook(#[from] RulebookError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<EvidenceError> for CliError {
    fn from(e: EvidenceError) -> CliError {
        match e {
            EvidenceError::Ledger(e) => e.into(),
            EvidenceError::Repo(e) => e.into(),
        }
    }
}

impl From<ReconcileError> for CliError {
    fn from(e: ReconcileError) -> CliError {
        match e {
            ReconcileError::Gate(e) => e.into(),
            ReconcileError::Deploy(e) => e.into(),
        }
    }
}

impl CliError {
    /// Wrong arguments, with what to do instead.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> CliError {
        CliError::Usage { message: message.into(), hint: Some(hint.into()) }
    }

    /// Wraps an I/O error.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> CliError {
        let path = path.to_path_buf();
        move |source| CliError::Io { action, path, source }
    }

    /// The exit code of the kind.
    pub fn exit_code(&self) -> u8 {
        match self {
            CliError::Verification(_) | CliError::Rollback { .. } | CliError::Event(_) => 1,
            CliError::Usage { .. } | CliError::Rulebook(_) | CliError::Engine(_) => 2,
            CliError::CouldNot { .. } | CliError::Io { .. } | CliError::Deploy(_) => 3,
            CliError::Refused(_) => 4,
            CliError::Stopped(_) => 130,
            CliError::Ledger(e) => ledger_code(e),
            CliError::Data(e) => match e {
                DataError::Snapshot { .. } => 1,
                DataError::Io { .. } | DataError::Download { .. } => 3,
                _ => 2,
            },
            CliError::Mirror(MirrorError::Ahead { .. }) => 1,
            CliError::Mirror(MirrorError::Ledger(e)) => ledger_code(e),
            CliError::Mirror(_) => 3,
            CliError::Gate(GateError::Refused(_)) | CliError::Repo(RepoError::Push { .. }) => 4,
            CliError::Gate(GateError::Ledger(e)) => ledger_code(e),
            CliError::Gate(_) | CliError::Repo(_) => 3,
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            CliError::Usage { hint, .. } | CliError::CouldNot { hint, .. } => hint.clone(),
            CliError::Rollback { hint, .. } => Some(hint.clone()),
            CliError::Ledger(e) => e.hint().map(str::to_string),
            CliError::Data(e) => e.hint().map(str::to_string),
            CliError::Mirror(e) => e.hint().map(str::to_string),
            CliError::Deploy(e) => Some(e.hint().to_string()),
            CliError::Gate(GateError::Host { .. }) => Some("set the gate up with `assay hook install`".into()),
            CliError::Rulebook(RulebookError::NotCovered { .. }) => Some(
                "cut the data with `data import --from`, or import older bracket files (leverage_brackets_DATE.json)"
                    .into(),
            ),
            CliError::Io { action, source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                Some(match *action {
                    "read" | "open" => {
                        "run it as the owner of that file, or give this user the right to read it".into()
                    }
                    _ => "choose a folder that you may write to".into(),
                })
            }
            _ => None,
        }
    }
}

fn ledger_code(e: &LedgerError) -> u8 {
    match e {
        e if e.could_not_check() => 3,
        LedgerError::Key { .. }
        | LedgerError::Passphrase { .. }
        | LedgerError::BadDraft { .. }
        | LedgerError::Exists { .. } => 2,
        _ => 1,
    }
}
