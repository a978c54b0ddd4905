//! The live table `active_configs`, its append-only history, and how it is brought in line.
//!
//! Two kinds: PostgreSQL, and an embedded SQLite file for a first look. Both hold the same
//! columns and follow the same plan; one transaction changes the table, the history and notifies.

pub mod embedded;
mod error;
pub mod halts;
mod plan;
pub mod postgres;
mod roles;
mod row;
#[cfg(test)]
mod tests;

pub use error::{DeployError, SCHEMA};
pub use plan::{Change, Git, Known, Make, Wanted, plan};
pub use roles::Roles;
pub use row::{COLUMNS, Cell, Row, Want};

use std::io::Read as _;

/// Hears what will change before any of it is written, while nobody else can write; where it fails, nothing is.
pub type Before<'a> = &'a mut dyn FnMut(&[Change]) -> Result<(), String>;

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

    /// How many versions the history has.
    ///
    /// # Errors
    /// [`DeployError`].
    fn versions(&mut self) -> Result<u64, DeployError>;

    /// Puts versions into the history, where they do not stand.
    ///
    /// # Errors
    /// [`DeployError`]; then nothing was changed.
    fn put_past(&mut self, rows: &[Row]) -> Result<(), DeployError>;

    /// What whoever is connected may do beyond writing rows, in words; nothing where that is all.
    ///
    /// # Errors
    /// [`DeployError`].
    fn excess(&mut self) -> Result<Option<String>, DeployError> {
        Ok(None)
    }

    /// What of the tables' shape was not ours when they were opened, in words; for writing it was made ours again. Where
    /// nobody but the owner may change it, nothing.
    fn amiss(&mut self) -> Vec<String> {
        Vec::new()
    }

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

    /// Brings the table in line in one transaction, or (without `write`) only says what it
    /// would do. Safe to run twice, late or out of order.
    ///
    /// # Errors
    /// [`DeployError`]; then nothing was changed.
    fn sync(
        &mut self,
        want: Wanted<'_>,
        known: Git<'_>,
        now_us: i64,
        write: Option<Before<'_>>,
    ) -> Result<Vec<Change>, DeployError>;
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

/// A setting as it may be shown: what follows a user's name is left out.
pub fn without_secrets(setting: &str) -> String {
    let Some((scheme, rest)) = setting.split_once("://") else { return setting.into() };
    let (address, query) = rest.split_once('?').map_or((rest, ""), |(address, query)| (address, query));
    let address = match address.rsplit_once('@') {
        Some((user, host)) => format!("{}@{host}", user.split(':').next().unwrap_or_default()),
        None => address.into(),
    };
    let shown: Vec<&str> = query.split('&').filter(|p| !p.is_empty() && !p.starts_with("password")).collect();
    let query = if shown.is_empty() { String::new() } else { format!("?{}", shown.join("&")) };
    format!("{scheme}://{address}{query}")
}

/// Checks a setting, `sqlite:FILE` or `postgres://…`, and that a file there is a database.
///
/// # Errors
/// [`DeployError::Setting`], [`DeployError::OtherFile`].
pub fn check_setting(setting: &str) -> Result<(), DeployError> {
    let path = match place(setting)? {
        Place::File(path) => path,
        Place::Server(url) => return postgres::check(url),
    };
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
