//! What can go wrong with the live table.

/// Version of the tables' shape.
pub const SCHEMA: i64 = 1;

/// What can go wrong with the live table.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// A setting that names no live table.
    #[error("'{place}' is no live table: it is neither sqlite:FILE nor postgres://…")]
    Setting {
        /// What was given.
        place: String,
    },
    /// An address that cannot be read. What it was is not said: it may hold a password.
    #[error("the live table's address is malformed: {what}")]
    Address {
        /// In words.
        what: String,
    },
    /// A file that is there and is no database.
    #[error("{place} is there and is no SQLite database")]
    OtherFile {
        /// The file.
        place: String,
    },
    /// The database could not be reached or refused.
    #[error("the live table {place}: {what}")]
    Database {
        /// Where it is, without secrets.
        place: String,
        /// What it said.
        what: String,
    },
    /// A config whose text is not there any more.
    #[error("the row of {strategy} cannot be made: {what}")]
    Text {
        /// The strategy.
        strategy: String,
        /// In words.
        what: String,
    },
    /// What has to come before a change could not be done.
    #[error("nothing was changed: {what}")]
    Before {
        /// In words.
        what: String,
    },
    /// The database belongs to another repository.
    #[error("the live table {place} belongs to another deployment ({found}), not to this one ({wanted})")]
    Identity {
        /// Where it is.
        place: String,
        /// The identity found.
        found: String,
        /// Ours.
        wanted: String,
    },
    /// Nobody has made the tables yet, or an earlier release has.
    #[error("the live table {place} has no tables of this release yet")]
    NoTables {
        /// Where it is.
        place: String,
    },
    /// The tables are of another version.
    #[error("the live table {place} has schema {found}; this assay writes {SCHEMA}")]
    Schema {
        /// Where it is.
        place: String,
        /// Version found.
        found: i64,
    },
}

impl DeployError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            DeployError::Setting { .. } | DeployError::Address { .. } | DeployError::OtherFile { .. } => {
                "write --live sqlite:/path/live.sqlite or --live postgres://user@host/database"
            }
            DeployError::Database { .. } | DeployError::Before { .. } => {
                "nothing was changed there; what is on the deploy branch stands, and `assay reconcile` brings it when it can"
            }
            DeployError::Text { .. } => {
                "look at the repository with `git fsck`; a clone of it may hold what is missing"
            }
            DeployError::NoTables { .. } => {
                "whoever owns the database runs `assay deploy init` once; then `assay reconcile` goes on"
            }
            DeployError::Identity { .. } => "point --live at the database of this deployment, or at an empty one",
            DeployError::Schema { .. } => "use the assay version that made the tables, or a newer one",
        }
    }
}
