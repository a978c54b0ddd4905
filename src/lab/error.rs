//! One error for everything a lab does: its kind says what sort of end it is, its hint what to do next.

use assay_ledger::LedgerError;
use assay_production::deploy::DeployError;
use assay_production::engine::EngineError;
use assay_production::gate::GateError;
use assay_production::reconcile::ReconcileError;
use assay_production::repository::RepoError;
use assay_production::repository::evidence::EvidenceError;
use assay_research::data::DataError;
use assay_research::mirror::MirrorError;
use assay_research::study::StudyError;
use assay_shared::event::EventError;
use assay_shared::format::FormatError;
use assay_shared::rulebook::RulebookError;
use assay_shared::strategy::Diagnostic;
use std::path::{Path, PathBuf};

/// What sort of end an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Something was checked and is wrong.
    Verification,
    /// Wrong arguments, files or configuration.
    Usage,
    /// Something could not be checked or done.
    CouldNot,
    /// Refused by policy.
    Refused,
    /// Somebody asked to stop; what was done is kept.
    Stopped,
}

/// What a lab's work ends with when it does not end well.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum LabError {
    /// Wrong arguments, files or configuration.
    #[error("{message}")]
    Usage { message: String, hint: Option<String> },
    /// A strategy file with problems, each at its place in the text.
    #[error("{name} has {} problem{}", problems.len(), if problems.len() == 1 { "" } else { "s" })]
    Strategy { name: String, text: String, problems: Vec<Diagnostic> },
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
    /// Somebody asked to stop: what was done is kept.
    #[error("stopped; {0}")]
    Stopped(String),
    /// There is something at a place that was to be written, and it is not ours to write over.
    #[error("{} exists already and {why}", path.display())]
    Occupied { path: PathBuf, why: &'static str },
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{name}: {source}")]
    Format { name: String, source: FormatError },
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
    #[error(transparent)]
    Study(#[from] StudyError),
}

impl From<EvidenceError> for LabError {
    fn from(e: EvidenceError) -> LabError {
        match e {
            EvidenceError::Ledger(e) => e.into(),
            EvidenceError::Repo(e) => e.into(),
        }
    }
}

impl From<ReconcileError> for LabError {
    fn from(e: ReconcileError) -> LabError {
        match e {
            ReconcileError::Gate(e) => e.into(),
            ReconcileError::Deploy(e) => e.into(),
            ReconcileError::Log(_) => LabError::could_not(e.to_string()),
        }
    }
}

impl LabError {
    /// Wrong arguments, with what to do instead.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> LabError {
        LabError::Usage { message: message.into(), hint: Some(hint.into()) }
    }

    /// Something could not be done, without a way out that is known here.
    pub fn could_not(message: impl Into<String>) -> LabError {
        LabError::CouldNot { message: message.into(), hint: None }
    }

    /// Wraps an I/O error.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> LabError {
        let path = path.to_path_buf();
        move |source| LabError::Io { action, path, source }
    }

    /// Names the text that a format's reader refused.
    pub fn format(name: impl Into<String>) -> impl FnOnce(FormatError) -> LabError {
        let name = name.into();
        move |source| LabError::Format { name, source }
    }

    /// What is wrong in a file that somebody wrote, shown at its place where that is known.
    pub fn within(path: &Path, text: &str, help: &str) -> impl FnOnce(FormatError) -> LabError {
        let (name, text, help) = (path.display().to_string(), text.to_string(), help.to_string());
        move |e| match e {
            FormatError::Malformed { what, span: Some(span) } => {
                let problems = vec![Diagnostic::new(what, span).or(|| help)];
                LabError::Strategy { name, text, problems }
            }
            source => LabError::Format { name, source },
        }
    }

    /// What sort of end it is.
    pub fn kind(&self) -> Kind {
        match self {
            LabError::Verification(_) | LabError::Rollback { .. } | LabError::Event(_) | LabError::Study(_) => {
                Kind::Verification
            }
            LabError::Usage { .. }
            | LabError::Strategy { .. }
            | LabError::Occupied { .. }
            | LabError::Format { .. }
            | LabError::Rulebook(_)
            | LabError::Engine(_) => Kind::Usage,
            LabError::Deploy(
                DeployError::Setting { .. } | DeployError::Address { .. } | DeployError::OtherFile { .. },
            ) => Kind::Usage,
            LabError::CouldNot { .. } | LabError::Io { .. } | LabError::Deploy(_) => Kind::CouldNot,
            LabError::Refused(_) => Kind::Refused,
            LabError::Stopped(_) => Kind::Stopped,
            LabError::Ledger(e) => ledger_kind(e),
            LabError::Data(e) => match e {
                DataError::Snapshot { .. } => Kind::Verification,
                DataError::Io { .. } | DataError::Download { .. } | DataError::Missing { .. } => Kind::CouldNot,
                _ => Kind::Usage,
            },
            LabError::Mirror(MirrorError::Ahead { .. }) => Kind::Verification,
            LabError::Mirror(MirrorError::Question { .. }) => Kind::Usage,
            LabError::Mirror(MirrorError::Ledger(e)) => ledger_kind(e),
            LabError::Mirror(_) => Kind::CouldNot,
            LabError::Gate(GateError::Refused(_)) | LabError::Repo(RepoError::Push { .. }) => Kind::Refused,
            LabError::Gate(GateError::Ledger(e)) => ledger_kind(e),
            LabError::Gate(_) | LabError::Repo(_) => Kind::CouldNot,
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            LabError::Usage { hint, .. } | LabError::CouldNot { hint, .. } => hint.clone(),
            LabError::Rollback { hint, .. } => Some(hint.clone()),
            LabError::Occupied { .. } => Some("choose another name, or write over it with --force".into()),
            LabError::Ledger(e) => e.hint().map(str::to_string),
            LabError::Data(e) => e.hint().map(str::to_string),
            LabError::Mirror(e) => e.hint().map(str::to_string),
            LabError::Deploy(e) => Some(e.hint().to_string()),
            LabError::Gate(GateError::Host { .. }) => Some("set the gate up with `assay hook install`".into()),
            LabError::Repo(e) if e.is_owned_by_another() => Some(
                "`git config --global --add safe.directory DIR` says that you trust another user's repository".into(),
            ),
            LabError::Repo(e) | LabError::Gate(GateError::Repo(e)) if e.is_locked() => {
                Some("remove that file if no git is at work there, and run the command again".into())
            }
            LabError::Repo(RepoError::NoGit(_)) => Some("install git, or put it on the PATH".into()),
            LabError::Repo(RepoError::Unreached { .. }) => {
                Some("see whether the repository is there and may be written; `assay doctor` looks it over".into())
            }
            LabError::Rulebook(RulebookError::NoFees { .. }) => {
                Some("cut the data: `assay data import --from DATE`".into())
            }
            LabError::Rulebook(RulebookError::NoBrackets { .. }) => Some(
                "put older bracket files (such as leverage_brackets_DATE.json) beside the data, cut it with `data import --from`, or assume the oldest table with `data import --assume-brackets-from DATE`"
                    .into(),
            ),
            LabError::Rulebook(RulebookError::NoFilters { .. }) => Some(
                "take the exchange's answer to exchangeInfo in, `assay rules import exchangeInfo.json --seen DATE`, or put it beside the data; then import the data again"
                    .into(),
            ),
            LabError::Io { action, source, .. } => io_hint(action, source.kind()),
            _ => None,
        }
    }
}

fn io_hint(action: &str, kind: std::io::ErrorKind) -> Option<String> {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem, StorageFull};
    match (kind, action) {
        (PermissionDenied, "read" | "open" | "list") => {
            Some("run it as the owner of that file, or give this user the right to read it".into())
        }
        (PermissionDenied | ReadOnlyFilesystem, _) => Some("choose a folder that you may write to".into()),
        (StorageFull, _) => Some("make room on that disk; what was acknowledged before is kept".into()),
        _ => None,
    }
}

fn ledger_kind(e: &LedgerError) -> Kind {
    match e {
        e if e.could_not_check() => Kind::CouldNot,
        LedgerError::Key { .. }
        | LedgerError::Passphrase { .. }
        | LedgerError::BadDraft { .. }
        | LedgerError::Needless { .. }
        | LedgerError::Exists { .. } => Kind::Usage,
        _ => Kind::Verification,
    }
}
