//! The SQLite mirror: a copy of the ledger for questions. The only room that knows rusqlite here.
//!
//! It holds Optuna's own tables, so `optuna.load_study` and optuna-dashboard read it, and ours
//! beside them (`assay_*`). The position in the ledger is kept in the same transaction as the
//! rows, so the mirror never lies about where it stands; it can be rebuilt at any time and comes
//! out the same. Nothing decides from it.

mod apply;
pub mod ask;
pub mod elsewhere;
mod error;
pub mod look;
pub mod query;
mod schema;
#[cfg(test)]
mod tests;

use apply::Apply;
use assay_ledger::tree::merkle::Nodes as _;
pub use error::MirrorError;
pub use schema::WORDS;

use assay_ledger::{Hash, Log};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, TransactionBehavior};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Entries applied in one transaction.
const CHUNK: u64 = 1000;

/// The same, where nobody waits for the lock.
const REBUILT: u64 = 50_000;

/// Statements that are prepared once.
const STATEMENTS: usize = 64;

/// An open mirror.
#[derive(Debug)]
pub struct Mirror {
    conn: Connection,
    path: PathBuf,
}

impl Mirror {
    /// Opens or creates a mirror. The pragmas are set on every connection: only WAL persists.
    ///
    /// # Errors
    /// When SQLite cannot open it.
    pub fn open(path: &Path) -> Result<Mirror, MirrorError> {
        let fail = |source| MirrorError::Sqlite { path: path.into(), source };
        plain(path)?;
        let conn = Connection::open(path).map_err(fail)?;
        let mut mirror = Mirror { conn, path: path.into() };
        mirror.prepare().map_err(fail)?;
        mirror.position()?;
        Ok(mirror)
    }

    fn prepare(&mut self) -> rusqlite::Result<()> {
        self.conn.set_prepared_statement_cache_capacity(STATEMENTS);
        self.conn.execute_batch(schema::PRAGMAS)?;
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let fresh: bool =
            tx.query_row("SELECT count(*) = 0 FROM sqlite_master WHERE name = 'assay_meta'", [], |r| r.get(0))?;
        if fresh {
            tx.execute_batch(schema::TABLES)?;
        }
        tx.commit()
    }

    fn fail(&self) -> impl Fn(rusqlite::Error) -> MirrorError + use<> {
        let path = self.path.clone();
        move |source| MirrorError::Sqlite { path: path.clone(), source }
    }

    /// Number of entries applied.
    ///
    /// # Errors
    /// When SQLite cannot read it.
    pub fn cursor(&self) -> Result<u64, MirrorError> {
        self.position().map(|(cursor, _)| cursor)
    }

    /// Number of entries applied, and the leaf hash of the last one.
    fn position(&self) -> Result<(u64, String), MirrorError> {
        let row = |r: &rusqlite::Row<'_>| Ok((r.get::<_, i64>(0)?, r.get::<_, i64>(1)? as u64, r.get(2)?));
        let (found, cursor, leaf) =
            self.conn.query_row("SELECT schema, cursor, leaf FROM assay_meta", [], row).map_err(self.fail())?;
        if found != schema::VERSION {
            return Err(MirrorError::Schema { path: self.path.clone(), found });
        }
        Ok((cursor, leaf))
    }

    /// Applies what the ledger has and the mirror has not. Gives the number of entries applied.
    ///
    /// # Errors
    /// A mirror that has seen another ledger, or an event this version does not know.
    pub fn catch_up(&mut self, log: &Log) -> Result<u64, MirrorError> {
        self.catch_up_by(log, CHUNK)
    }

    /// [`Mirror::catch_up`] with a transaction size of your own.
    ///
    /// # Errors
    /// As there.
    pub fn catch_up_by(&mut self, log: &Log, chunk: u64) -> Result<u64, MirrorError> {
        let mut applied = 0;
        loop {
            let fail = self.fail();
            let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&fail)?;
            let (cursor, leaf): (i64, String) = tx
                .query_row("SELECT cursor, leaf FROM assay_meta", [], |r| Ok((r.get(0)?, r.get(1)?)))
                .map_err(&fail)?;
            let cursor = cursor as u64;
            check_cursor(log, cursor, &leaf)?;
            let end = (cursor + chunk).min(log.len());
            if cursor == end {
                return Ok(applied);
            }
            let (mut last, mut apply) = (String::new(), Apply::new(&tx));
            log.read(cursor..end, |entry| {
                last = apply.entry(&entry, &fail)?;
                Ok::<(), MirrorError>(())
            })?;
            tx.execute("UPDATE assay_meta SET cursor = ?1, leaf = ?2", (end as i64, &last)).map_err(&fail)?;
            tx.commit().map_err(&fail)?;
            applied += end - cursor;
        }
    }

    /// Builds a mirror from the first entry into a new file and puts it in place of the old one.
    ///
    /// # Errors
    /// As [`Mirror::catch_up`]; the old mirror stays when it fails.
    pub fn rebuild(path: &Path, log: &Log) -> Result<Mirror, MirrorError> {
        let temp = path.with_extension("rebuild");
        remove(&temp)?;
        {
            // Nobody else knows this file, and one that is cut off is thrown away: no journal, and one wait for the disk.
            let mut mirror = Mirror::open(&temp)?;
            let fail = mirror.fail();
            mirror.conn.execute_batch("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;").map_err(&fail)?;
            mirror.catch_up_by(log, REBUILT)?;
            mirror.conn.execute_batch("PRAGMA journal_mode=WAL;").map_err(fail)?;
        }
        let io = |source| MirrorError::Io { path: temp.clone(), source };
        std::fs::File::open(&temp).and_then(|f| f.sync_all()).map_err(io)?;
        remove(path)?;
        std::fs::rename(&temp, path).map_err(|source| MirrorError::Io { path: path.into(), source })?;
        remove(&temp)?;
        Mirror::open(path)
    }

    /// Writes a compact copy: the same content gives the same bytes, however it was applied.
    ///
    /// # Errors
    /// When SQLite cannot write it.
    pub fn copy_to(&self, target: &Path) -> Result<(), MirrorError> {
        let mut temp = target.as_os_str().to_owned();
        temp.push(".assay-copy");
        let temp = PathBuf::from(temp);
        remove(&temp)?;
        let unwritable =
            |e: rusqlite::Error| MirrorError::Io { path: target.into(), source: std::io::Error::other(e.to_string()) };
        self.conn.execute("VACUUM INTO ?1", [temp.to_string_lossy()]).map_err(unwritable)?;
        // Only now: a copy that fails leaves the old one.
        remove(target)?;
        std::fs::rename(&temp, target).map_err(|source| MirrorError::Io { path: target.into(), source })
    }

    /// SHA-256 over every row of every table in key order: equal for equal content.
    ///
    /// # Errors
    /// When SQLite cannot read it.
    pub fn digest(&self) -> Result<Hash, MirrorError> {
        let work = || -> rusqlite::Result<Hash> {
            let mut h = Sha256::new();
            let mut tables = self.conn.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")?;
            let names: Vec<String> = tables.query_map([], |r| r.get(0))?.collect::<rusqlite::Result<_>>()?;
            for name in names {
                h.update(name.as_bytes());
                let columns = self.conn.prepare(&format!("SELECT * FROM \"{name}\""))?.column_count();
                let order = if columns > 1 { "1, 2" } else { "1" };
                let mut rows = self.conn.prepare(&format!("SELECT * FROM \"{name}\" ORDER BY {order}"))?;
                let mut rows = rows.query([])?;
                while let Some(row) = rows.next()? {
                    for i in 0..columns {
                        cell(&mut h, row.get_ref(i)?);
                    }
                }
            }
            Ok(Hash(h.finalize().into()))
        };
        work().map_err(self.fail())
    }
}

/// A value with its type and length, so that no two rows hash alike.
fn cell(h: &mut Sha256, value: ValueRef<'_>) {
    let (kind, bytes): (u8, &[u8]) = match &value {
        ValueRef::Null => (0, &[]),
        ValueRef::Integer(i) => (1, &i.to_be_bytes()),
        ValueRef::Real(r) => (2, &r.to_be_bytes()),
        ValueRef::Text(text) => (3, text),
        ValueRef::Blob(blob) => (4, blob),
    };
    h.update([kind]);
    h.update((bytes.len() as u64).to_be_bytes());
    h.update(bytes);
}

/// SQLite would wait for the other end of a pipe, and write through a link into somebody else's file.
fn plain(path: &Path) -> Result<(), MirrorError> {
    match path.symlink_metadata() {
        Ok(meta) if !meta.is_file() => {
            let source = std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is no file; remove it");
            Err(MirrorError::Io { path: path.into(), source })
        }
        _ => Ok(()),
    }
}

fn check_cursor(log: &Log, cursor: u64, leaf: &str) -> Result<(), MirrorError> {
    if cursor > log.len() {
        return Err(MirrorError::Ahead { what: format!("at {cursor}, ahead of the ledger's {}", log.len()) });
    }
    if cursor > 0 && log.tree().leaf(cursor - 1)?.to_string() != leaf {
        return Err(MirrorError::Ahead { what: format!("of another ledger: entry {} differs", cursor - 1) });
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), MirrorError> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match std::fs::remove_file(&name) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(MirrorError::Io { path: name.into(), source: e });
            }
            _ => {}
        }
    }
    Ok(())
}
