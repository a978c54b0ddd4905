//! The mirror for questions: nothing is written, not even beside it, unless somebody is at work there.

use super::error::MirrorError;
use super::{Mirror, check_cursor, plain, schema};
use assay_ledger::Log;
use rusqlite::{Connection, OpenFlags, backup::Backup};
use std::path::Path;
use std::time::Duration;

/// How the file stood to the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It holds the whole ledger.
    Current,
    /// It lacked so many entries; they were applied to a copy in memory.
    Behind(u64),
    /// It could not be read; everything was applied in memory.
    Unreadable(String),
}

/// Bytes of a mirror from which on its copy is kept in a file, and entries of a log that make one so large.
const LARGE: u64 = 128 << 20;
const MANY: u64 = 50_000;

fn bytes(conn: &Connection) -> u64 {
    let number = |pragma: &str| {
        conn.query_row(&format!("PRAGMA {pragma}"), [], |r| r.get::<_, i64>(0)).unwrap_or(0).unsigned_abs()
    };
    number("page_count") * number("page_size")
}

fn beside(path: &Path, suffix: &str) -> bool {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    Path::new(&name).exists()
}

/// Opens a database file for reading. SQLite would make files beside it even then; without a log
/// there nobody writes, and the file is all there is.
fn open(path: &Path) -> rusqlite::Result<Connection> {
    let more = if beside(path, "-wal") || beside(path, "-shm") { "" } else { "&immutable=1" };
    let escaped = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let conn = Connection::open_with_flags(format!("file:{escaped}?mode=ro{more}"), flags)?;
    conn.execute_batch("PRAGMA temp_store=MEMORY; PRAGMA busy_timeout=5000;")?;
    Ok(conn)
}

/// Whether a file is a mirror or a copy of one.
pub fn is_mirror(path: &Path) -> bool {
    let ours = |conn: Connection| {
        conn.query_row("SELECT count(*) = 1 FROM sqlite_master WHERE name = 'assay_meta'", [], |r| r.get::<_, bool>(0))
    };
    open(path).and_then(ours).unwrap_or(false)
}

/// How far a mirror is, without a word about what stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    cursor: u64,
    leaf: String,
}

impl Position {
    /// The position of the mirror in a file, if there is one and it can be read.
    pub fn of(path: &Path) -> Option<Position> {
        plain(path).ok()?;
        let conn = path.exists().then(|| open(path))?.ok()?;
        let (cursor, leaf) = Mirror { conn, path: path.into() }.position().ok()?;
        Some(Position { cursor, leaf })
    }

    /// Refuses a ledger that does not hold what the mirror has seen.
    ///
    /// # Errors
    /// [`MirrorError::Ahead`].
    pub fn refuse_rollback(&self, log: &Log) -> Result<(), MirrorError> {
        check_cursor(log, self.cursor, &self.leaf)
    }
}

impl Mirror {
    /// The mirror in a file as the ledger stands, for questions. What the file lacks is applied to a
    /// copy in memory.
    ///
    /// # Errors
    /// [`MirrorError::Ahead`] when the file has seen another ledger; a ledger that cannot be read.
    pub fn look(path: &Path, log: &Log) -> Result<(Mirror, Seen), MirrorError> {
        if path.symlink_metadata().is_err() {
            return Ok((Mirror::in_memory(None, log)?, Seen::Behind(log.len())));
        }
        let fail = |source| MirrorError::Sqlite { path: path.into(), source };
        let opened = plain(path).and_then(|()| open(path).map_err(fail)).and_then(|conn| {
            let mirror = Mirror { conn, path: path.into() };
            let (cursor, leaf) = mirror.position()?;
            Ok((mirror, cursor, leaf))
        });
        let (mirror, cursor, leaf) = match opened {
            Ok(opened) => opened,
            Err(e) => return Ok((Mirror::in_memory(None, log)?, Seen::Unreadable(e.to_string()))),
        };
        check_cursor(log, cursor, &leaf)?;
        if cursor == log.len() {
            return Ok((mirror, Seen::Current));
        }
        Ok((Mirror::in_memory(Some(&mirror.conn), log)?, Seen::Behind(log.len() - cursor)))
    }

    /// Whether a mirror shows what the log says, row by row. One that cannot be read shows nothing: nobody goes by it.
    ///
    /// # Errors
    /// A ledger or a mirror that cannot be read.
    pub fn shows(path: &Path, log: &Log) -> Result<bool, MirrorError> {
        match Mirror::look(path, log)? {
            (_, Seen::Unreadable(_)) => Ok(true),
            (mirror, _) => Ok(mirror.digest()? == Mirror::in_memory(None, log)?.digest()?),
        }
    }

    /// A mirror in memory, begun from a copy of another if there is one. A large one is kept in a file of SQLite's own,
    /// which is gone with it: nobody's memory holds a million trials for one question.
    fn in_memory(from: Option<&Connection>, log: &Log) -> Result<Mirror, MirrorError> {
        let large = from.map_or(log.len() > MANY, |conn| bytes(conn) > LARGE);
        let path = Path::new(if large { "" } else { ":memory:" });
        let fail = |source| MirrorError::Sqlite { path: path.into(), source };
        let mut conn = Connection::open(path).map_err(fail)?;
        match from {
            Some(from) => {
                let mut copy = || Backup::new(from, &mut conn)?.run_to_completion(4096, Duration::ZERO, None);
                copy().map_err(fail)?;
            }
            None => conn.execute_batch(schema::TABLES).map_err(fail)?,
        }
        let mut mirror = Mirror { conn, path: path.into() };
        mirror.catch_up(log)?;
        Ok(mirror)
    }
}
