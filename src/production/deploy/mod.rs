//! The live table `active_configs`, its append-only history, and how it is brought in line.
//!
//! Two kinds: PostgreSQL, and an embedded SQLite file for a first look. Both hold the same
//! columns and follow the same plan; one transaction changes the table, the history and notifies.

pub mod embedded;
mod error;
pub mod halts;
pub mod postgres;
mod roles;
#[cfg(test)]
mod tests;

pub use error::{DeployError, SCHEMA};
pub use roles::Roles;

use crate::gate::Deployment;
use serde::Serialize;
use serde_json::json;
use std::io::Read as _;

/// A value of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Cell {
    /// Text.
    Text(String),
    /// A whole number.
    Int(i64),
}

/// Columns of `active_configs` after `strategy` and `version`; true for whole numbers.
pub const COLUMNS: [(&str, bool); 22] = [
    ("config_sha256", false),
    ("config_toml", false),
    ("replaces_sha256", false),
    ("study_id", false),
    ("trial_id", true),
    ("data_hash", false),
    ("strategy_hash", false),
    ("rulebook_hash", false),
    ("stream_hash", false),
    ("engine_version", false),
    ("talib_version", false),
    ("environment", false),
    ("promotion_timestamp", false),
    ("author", false),
    ("approvers", false),
    ("ledger_origin", false),
    ("ledger_size", true),
    ("ledger_root", false),
    ("event_hashes", false),
    ("policy_sha256", false),
    ("commit_oid", false),
    ("generated_data", true),
];

/// A row of `active_configs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The strategy: the key.
    pub strategy: String,
    /// Its version.
    pub version: i64,
    /// The other columns, in the order of [`COLUMNS`].
    pub cells: Vec<Cell>,
    /// When it went live, microseconds since 1970. Not compared: it is the reconciler's own.
    pub deployed_us: i64,
}

impl Row {
    /// The row of a verified deployment.
    pub fn of(d: &Deployment) -> Row {
        let (p, e) = (&d.config.promotion, &d.config.environment);
        let text = |s: &str| Cell::Text(s.into());
        let ledger = d.config.ledger.as_ref();
        let events: serde_json::Map<String, serde_json::Value> = ledger
            .map(|l| l.events().iter().map(|(n, e)| (n.to_string(), json!(e.leaf))).collect())
            .unwrap_or_default();
        let cells = vec![
            Cell::Text(d.sha256.to_string()),
            text(&d.text),
            Cell::Text(p.replaces_sha256.to_string()),
            text(&p.study_id),
            Cell::Int(i64::from(p.trial_id)),
            Cell::Text(p.data_hash.to_string()),
            Cell::Text(p.strategy_hash.to_string()),
            Cell::Text(p.rulebook_hash.to_string()),
            Cell::Text(p.stream_hash.to_string()),
            text(&e.engine_version),
            text(&e.talib_version),
            Cell::Text(json!(e).to_string()),
            text(&p.promotion_timestamp),
            text(&p.author),
            Cell::Text(json!(d.approvers).to_string()),
            text(ledger.map_or("", |l| &l.origin)),
            Cell::Int(ledger.map_or(0, |l| l.size as i64)),
            Cell::Text(ledger.map(|l| l.root.to_string()).unwrap_or_default()),
            Cell::Text(serde_json::Value::Object(events).to_string()),
            Cell::Text(d.policy_sha256.to_string()),
            text(&d.commit),
            Cell::Int(i64::from(p.generated_data)),
        ];
        Row { strategy: p.strategy.clone(), version: p.version as i64, cells, deployed_us: 0 }
    }

    /// A text column by name.
    pub fn text(&self, column: &str) -> &str {
        let at = COLUMNS.iter().position(|(c, _)| *c == column);
        match at.and_then(|i| self.cells.get(i)) {
            Some(Cell::Text(t)) => t,
            _ => "",
        }
    }

    fn differences(&self, other: &Row) -> Vec<&'static str> {
        COLUMNS.iter().zip(self.cells.iter().zip(&other.cells)).filter(|(_, (a, b))| a != b).map(|(c, _)| c.0).collect()
    }
}

/// A column list with a prefix for each, for SQL.
fn columns() -> String {
    let names: Vec<&str> =
        ["strategy", "version"].into_iter().chain(COLUMNS.iter().map(|c| c.0)).chain(["deployed_us"]).collect();
    names.join(", ")
}

/// What must be done about one strategy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// A new version goes live.
    Deploy {
        /// Strategy.
        strategy: String,
        /// Version.
        version: i64,
    },
    /// The row was changed by hand and is set right.
    Heal {
        /// Strategy.
        strategy: String,
        /// Version.
        version: i64,
        /// What differed.
        detail: String,
    },
    /// A row that git knows nothing of is removed.
    Remove {
        /// Strategy.
        strategy: String,
        /// What it was.
        detail: String,
    },
    /// The history holds a version that was never deployed. It is append-only: whoever owns the database looks how it
    /// came there, and removes it.
    Forged {
        /// Strategy.
        strategy: String,
        /// Version in the history.
        version: i64,
    },
    /// The table is ahead of this commit: a later reconciler was here. Nothing is written.
    Late {
        /// Strategy.
        strategy: String,
        /// Version in the table.
        version: i64,
    },
}

impl Change {
    /// The strategy.
    pub fn strategy(&self) -> &str {
        match self {
            Change::Deploy { strategy, .. }
            | Change::Heal { strategy, .. }
            | Change::Remove { strategy, .. }
            | Change::Forged { strategy, .. }
            | Change::Late { strategy, .. } => strategy,
        }
    }

    /// True for what somebody did behind git's back.
    pub fn is_drift(&self) -> bool {
        matches!(self, Change::Heal { .. } | Change::Remove { .. } | Change::Forged { .. })
    }
}

/// Whether a version of a strategy with a config of that hash was ever deployed, as git says: the table never
/// testifies for itself.
pub type Known<'a> = &'a dyn Fn(&str, i64, &str) -> bool;

/// What must change so that the table holds `want`. A row ahead of us that is known was put there by a later
/// reconciler; one that is not, somebody put there by hand.
pub fn plan(present: &[Row], want: &[Row], known: Known<'_>, history: Known<'_>) -> Vec<Change> {
    let mut out = Vec::new();
    for w in want {
        let (strategy, version) = (w.strategy.clone(), w.version);
        match present.iter().find(|r| r.strategy == w.strategy) {
            None if history(&w.strategy, w.version, w.text("config_sha256")) => {
                out.push(Change::Heal { strategy, version, detail: "the row was deleted".into() });
            }
            None => out.push(Change::Deploy { strategy, version }),
            Some(r) if r.version == w.version && r.cells == w.cells => {}
            Some(r) if r.version > w.version && known(&r.strategy, r.version, r.text("config_sha256")) => {
                out.push(Change::Late { strategy, version: r.version });
            }
            Some(r) if r.version < w.version && known(&r.strategy, r.version, r.text("config_sha256")) => {
                out.push(Change::Deploy { strategy, version });
            }
            Some(r) => {
                let mut what = r.differences(w);
                if r.version != w.version {
                    what.insert(0, "version");
                }
                out.push(Change::Heal { strategy, version, detail: format!("changed by hand: {}", what.join(", ")) });
            }
        }
    }
    for r in present.iter().filter(|r| !want.iter().any(|w| w.strategy == r.strategy)) {
        out.push(Change::Remove {
            strategy: r.strategy.clone(),
            detail: format!("version {} is not in git", r.version),
        });
    }
    out
}

/// One statement of a transaction that brings the table in line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Write {
    /// The row goes into the table, and into the history unless that version stands there.
    Put(Row),
    /// The strategy's row goes.
    Remove(String),
}

/// What to change, and the writes that do it. A version that goes live again keeps its first time.
fn writes(present: &[Row], history: &[Row], want: &[Row], known: Known<'_>, now_us: i64) -> (Vec<Change>, Vec<Write>) {
    let at = |s: &str, v: i64, sha: &str| {
        history.iter().find(|r| r.strategy == s && r.version == v && r.text("config_sha256") == sha)
    };
    let mut changes = plan(present, want, known, &|s, v, sha| at(s, v, sha).is_some());
    let forged = history.iter().filter(|r| !known(&r.strategy, r.version, r.text("config_sha256")));
    changes.extend(forged.map(|r| Change::Forged { strategy: r.strategy.clone(), version: r.version }));
    let write = |change: &Change| {
        let wanted = want.iter().find(|w| w.strategy == change.strategy());
        match (change, wanted) {
            (Change::Deploy { .. } | Change::Heal { .. }, Some(w)) => {
                let since = at(&w.strategy, w.version, w.text("config_sha256")).map_or(now_us, |r| r.deployed_us);
                Some(Write::Put(Row { deployed_us: since, ..w.clone() }))
            }
            (Change::Remove { strategy, .. }, _) => Some(Write::Remove(strategy.clone())),
            _ => None,
        }
    };
    let writes = changes.iter().filter_map(write).collect();
    (changes, writes)
}

/// The live table.
pub trait LiveTable {
    /// Where it is, without secrets.
    fn place(&self) -> String;

    /// The rows.
    ///
    /// # Errors
    /// [`DeployError`].
    fn rows(&mut self) -> Result<Vec<Row>, DeployError>;

    /// All versions that ever went live, oldest first.
    ///
    /// # Errors
    /// [`DeployError`].
    fn history(&mut self) -> Result<Vec<Row>, DeployError>;

    /// What was said in the table `halts`, oldest first; nothing where there is none yet.
    ///
    /// # Errors
    /// [`DeployError`].
    fn halts(&mut self) -> Result<Vec<halts::Halt>, DeployError>;

    /// Says something there.
    ///
    /// # Errors
    /// [`DeployError`].
    fn put_halt(&mut self, halt: &halts::Halt) -> Result<(), DeployError>;

    /// Brings the table in line in one transaction, or (when `write` is false) only says what it
    /// would do. Safe to run twice, late or out of order.
    ///
    /// # Errors
    /// [`DeployError`]; then nothing was changed.
    fn sync(&mut self, want: &[Row], known: Known<'_>, now_us: i64, write: bool) -> Result<Vec<Change>, DeployError>;
}

/// Which kind of place a setting names.
enum Place<'a> {
    File(&'a std::path::Path),
    Server(&'a str),
}

fn place(setting: &str) -> Result<Place<'_>, DeployError> {
    match setting.strip_prefix("sqlite:") {
        Some(path) if !path.is_empty() => Ok(Place::File(path.as_ref())),
        _ if setting.starts_with("postgres://") || setting.starts_with("postgresql://") => Ok(Place::Server(setting)),
        _ => Err(DeployError::Setting { place: setting.into() }),
    }
}

/// Checks a setting, `sqlite:FILE` or `postgres://…`, and that a file there is a database.
///
/// # Errors
/// [`DeployError::Setting`], [`DeployError::OtherFile`].
pub fn check_setting(setting: &str) -> Result<(), DeployError> {
    let Place::File(path) = place(setting)? else { return Ok(()) };
    let Ok(meta) = std::fs::metadata(path) else { return Ok(()) };
    let head = || {
        let mut head = [0; 16];
        std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut head)).map(|()| head)
    };
    let database = meta.is_file() && (meta.len() == 0 || head().is_ok_and(|head| head == *b"SQLite format 3\0"));
    if database { Ok(()) } else { Err(DeployError::OtherFile { place: path.display().to_string() }) }
}

/// Opens the live table of a setting for writing; a file is made if there is none. `identity` is the
/// hash of the genesis policy: a database belongs to one deployment.
///
/// # Errors
/// [`DeployError`].
pub fn open(setting: &str, identity: &str) -> Result<Box<dyn LiveTable>, DeployError> {
    Ok(match place(setting)? {
        Place::File(path) => Box::new(embedded::Embedded::open(path, identity)?),
        Place::Server(url) => Box::new(postgres::Postgres::connect(url, identity)?),
    })
}

/// Makes the tables of a setting, and gives roles of a server their rights; run by whoever owns them. Gives the place.
///
/// # Errors
/// [`DeployError`].
pub fn init(setting: &str, identity: &str, roles: &Roles) -> Result<String, DeployError> {
    match place(setting)? {
        Place::File(path) => Ok(embedded::Embedded::open(path, identity)?.place()),
        Place::Server(url) => postgres::Postgres::init(url, identity, roles),
    }
}

/// Opens the live table of a setting for questions: nothing is written, and a file that is not there
/// yet is an empty table.
///
/// # Errors
/// [`DeployError`].
pub fn look(setting: &str, identity: &str) -> Result<Box<dyn LiveTable>, DeployError> {
    Ok(match place(setting)? {
        Place::File(path) => Box::new(embedded::Embedded::look(path, identity)?),
        Place::Server(url) => Box::new(postgres::Postgres::look(url, identity)?),
    })
}
