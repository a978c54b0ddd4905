//! The live table in a SQLite file: for a first look, and for hosts without PostgreSQL.

use super::halts::{Halt, Word};
use super::plan::{Write, writes};
use super::row::{Past, columns};
use super::{Before, COLUMNS, Cell, Change, DeployError, Git, LiveTable, Row, SCHEMA, Wanted};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, OpenFlags, ToSql, TransactionBehavior};
use std::collections::BTreeMap;
use std::path::Path;

/// A live table in a file.
#[derive(Debug)]
pub struct Embedded {
    conn: Connection,
    place: String,
    /// What of the file's shape is not ours, or was not when it was opened.
    amiss: Vec<String>,
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Cell::Text(t) => ToSqlOutput::Borrowed(ValueRef::Text(t.as_bytes())),
            Cell::Int(i) => ToSqlOutput::Owned(Value::Integer(*i)),
        })
    }
}

fn create() -> String {
    let columns: String = COLUMNS
        .iter()
        .map(|(name, int)| format!("{name} {} NOT NULL, ", if *int { "INTEGER" } else { "TEXT" }))
        .collect();
    let body = format!("strategy TEXT NOT NULL, version INTEGER NOT NULL, {columns}deployed_us INTEGER NOT NULL");
    format!(
        "CREATE TABLE IF NOT EXISTS active_configs ({body}, PRIMARY KEY (strategy));
         CREATE TABLE IF NOT EXISTS config_history ({body}, PRIMARY KEY (strategy, version));
         CREATE TABLE IF NOT EXISTS assay_identity (schema INTEGER NOT NULL, identity TEXT NOT NULL);
         CREATE TABLE IF NOT EXISTS halts (id INTEGER PRIMARY KEY AUTOINCREMENT, strategy TEXT NOT NULL, word TEXT NOT NULL, at_us INTEGER NOT NULL, person TEXT NOT NULL, statement TEXT NOT NULL, signature TEXT NOT NULL);
         CREATE VIEW IF NOT EXISTS halted AS SELECT strategy FROM halts h WHERE word <> 'vote' AND word <> 'resume' AND id = (SELECT max(id) FROM halts WHERE strategy = h.strategy AND word <> 'vote');
         CREATE TRIGGER IF NOT EXISTS halts_keep BEFORE UPDATE ON halts BEGIN SELECT RAISE(ABORT, 'halts is append-only'); END;
         CREATE TRIGGER IF NOT EXISTS halts_stay BEFORE DELETE ON halts BEGIN SELECT RAISE(ABORT, 'halts is append-only'); END;
         CREATE TRIGGER IF NOT EXISTS config_history_keep BEFORE UPDATE ON config_history BEGIN SELECT RAISE(ABORT, 'config_history is append-only'); END;
         CREATE TRIGGER IF NOT EXISTS config_history_stay BEFORE DELETE ON config_history BEGIN SELECT RAISE(ABORT, 'config_history is append-only'); END;"
    )
}

/// What a database is made of, but tables of others: the kind, the table and the text of each name.
fn shape(conn: &Connection) -> rusqlite::Result<BTreeMap<String, (String, String, String)>> {
    let sql = "SELECT name, type, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'";
    let mut statement = conn.prepare(sql)?;
    let rows = statement.query_map([], |r| Ok((r.get(0)?, (r.get(1)?, r.get(2)?, r.get(3)?))))?;
    rows.collect()
}

/// Views and triggers that are not ours, or not as we make them, in words; by their names, each with its kind.
fn amiss(conn: &Connection) -> rusqlite::Result<Vec<(String, String, String)>> {
    let (ours, found) = (Connection::open_in_memory()?, shape(conn)?);
    ours.execute_batch(&create())?;
    let ours = shape(&ours)?;
    let mut out = Vec::new();
    for (name, (kind, table, text)) in &found {
        let words = match ours.get(name) {
            // Columns are read by their names: a table of an earlier release is one.
            Some((own, _, ours)) if own == "table" && kind == "table" && is_no_stricter(text, ours) => continue,
            Some((own, ..)) if own != kind => format!("{name} is a {kind}, and was a {own}"),
            Some((_, _, own)) if own == text => continue,
            // It holds rows: it is not thrown away for another.
            Some(_) if kind == "table" => {
                format!("the table {name} takes less than ours, and stays so: move the file away and reconcile")
            }
            Some(_) => format!("the {kind} {name} is another one"),
            None if kind != "view" && kind != "table" && ours.contains_key(table) => {
                format!("the {kind} {name} on {table} is somebody else's")
            }
            None => continue,
        };
        out.push((name.clone(), kind.clone(), words));
    }
    for (name, (kind, table, _)) in ours.iter().filter(|(name, of)| of.0 != "table" && !found.contains_key(*name)) {
        // Of a table that is not there yet nothing is missing.
        if found.contains_key(table) || kind == "view" && found.contains_key("halts") {
            out.push((name.clone(), kind.clone(), format!("the {kind} {name} was removed")));
        }
    }
    Ok(out)
}

/// Whether a table takes whatever ours takes.
fn is_no_stricter(text: &str, ours: &str) -> bool {
    let words = ["CHECK", "UNIQUE", "COLLATE", "GENERATED", "WITHOUT", "STRICT", "REFERENCES", "CONFLICT"];
    let has = |text: &str, word: &str| text.to_uppercase().contains(word);
    text == ours || !words.iter().any(|word| has(text, word) && !has(ours, word))
}

/// Makes views and triggers ours again. Gives what was amiss, in words.
fn mend(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let found = amiss(conn)?;
    for (name, kind, _) in found.iter().filter(|(_, kind, _)| kind != "table") {
        conn.execute_batch(&format!("DROP {kind} IF EXISTS \"{}\"", name.replace('"', "\"\"")))?;
    }
    conn.execute_batch(&create())?;
    Ok(found.into_iter().map(|(_, _, words)| words).collect())
}

/// A cell as a text, whatever lies there: whoever may write there may write anything, and what differs is set right.
fn text(r: &rusqlite::Row<'_>, i: usize) -> rusqlite::Result<String> {
    Ok(match r.get_ref(i)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        ValueRef::Integer(n) => n.to_string(),
        ValueRef::Real(x) => x.to_string(),
        ValueRef::Null => String::new(),
    })
}

/// The same as a whole number; the least of all where it is none.
fn whole(r: &rusqlite::Row<'_>, i: usize) -> rusqlite::Result<i64> {
    Ok(match r.get_ref(i)? {
        ValueRef::Integer(n) => n,
        _ => i64::MIN,
    })
}

/// A text that is no text here is another one: what reads it elsewhere may read it otherwise.
fn plain(r: &rusqlite::Row<'_>, i: usize) -> rusqlite::Result<String> {
    let odd = !matches!(r.get_ref(i)?, ValueRef::Text(bytes) if std::str::from_utf8(bytes).is_ok());
    Ok(format!("{}{}", text(r, i)?, if odd { " (no text)" } else { "" }))
}

fn read(conn: &Connection, table: &str, order: &str) -> rusqlite::Result<Vec<Row>> {
    let mut statement = conn.prepare(&format!("SELECT {} FROM {table} ORDER BY {order}", columns()))?;
    let rows = statement.query_map([], |r| {
        let cell = |i: usize| Ok(if COLUMNS[i].1 { Cell::Int(whole(r, i + 2)?) } else { Cell::Text(plain(r, i + 2)?) });
        let cells = (0..COLUMNS.len()).map(cell).collect::<rusqlite::Result<_>>()?;
        Ok(Row { strategy: plain(r, 0)?, version: whole(r, 1)?, cells, deployed_us: whole(r, COLUMNS.len() + 2)? })
    })?;
    rows.collect()
}

fn put(conn: &Connection, table: &str, verb: &str, row: &Row) -> rusqlite::Result<()> {
    let places: Vec<String> = (1..=COLUMNS.len() + 3).map(|i| format!("?{i}")).collect();
    let mut values: Vec<&dyn ToSql> = vec![&row.strategy, &row.version];
    values.extend(row.cells.iter().map(|c| c as &dyn ToSql));
    values.push(&row.deployed_us);
    let sql = format!("{verb} INTO {table} ({}) VALUES ({})", columns(), places.join(", "));
    conn.execute(&sql, &values[..]).map(|_| ())
}

fn past(conn: &Connection) -> rusqlite::Result<Vec<Past>> {
    let mut statement = conn.prepare("SELECT strategy, version, config_sha256, deployed_us FROM config_history")?;
    let rows = statement.query_map([], |r| {
        Ok(Past {
            strategy: text(r, 0)?,
            version: whole(r, 1)?,
            config_sha256: plain(r, 2)?,
            deployed_us: whole(r, 3)?,
        })
    })?;
    rows.collect()
}

fn apply(conn: &Connection, step: &Write) -> rusqlite::Result<()> {
    // By what a row's name reads as: it may be no text at all.
    let remove = |strategy: &String| -> rusqlite::Result<()> {
        let mut named = conn.prepare("SELECT strategy, rowid FROM active_configs")?;
        let rows =
            named.query_map([], |r| Ok((plain(r, 0)?, r.get::<_, i64>(1)?)))?.collect::<rusqlite::Result<Vec<_>>>()?;
        let mut fits = rows.iter().filter(|(name, _)| name == strategy);
        fits.try_for_each(|(_, row)| conn.execute("DELETE FROM active_configs WHERE rowid = ?1", [row]).map(|_| ()))
    };
    match step {
        Write::Put(row) => {
            put(conn, "active_configs", "INSERT OR REPLACE", row)?;
            put(conn, "config_history", "INSERT OR IGNORE", row)
        }
        Write::Retire(row) => {
            remove(&row.strategy)?;
            put(conn, "config_history", "INSERT OR IGNORE", row)
        }
        Write::Remove(strategy) => remove(strategy),
    }
}

/// A database belongs to one deployment.
fn belongs(conn: &Connection, place: &str, identity: &str) -> Result<(), DeployError> {
    let fail = |e: rusqlite::Error| DeployError::Database { place: place.into(), what: e.to_string() };
    let (schema, found): (i64, String) = conn
        .query_row("SELECT schema, identity FROM assay_identity", [], |r| Ok((r.get(0)?, r.get(1)?)))
        .map_err(fail)?;
    if schema != SCHEMA {
        return Err(DeployError::Schema { place: place.into(), found: schema });
    }
    if found != identity {
        return Err(DeployError::Identity { place: place.into(), found, wanted: identity.into() });
    }
    Ok(())
}

impl Embedded {
    /// Opens or creates the file.
    ///
    /// # Errors
    /// [`DeployError`].
    pub fn open(path: &Path, identity: &str) -> Result<Embedded, DeployError> {
        let place = format!("sqlite:{}", path.display());
        let fail = |e: rusqlite::Error| DeployError::Database { place: place.clone(), what: e.to_string() };
        let conn = Connection::open(path).map_err(fail)?;
        conn.execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY; PRAGMA busy_timeout=5000;",
        )
        .map_err(fail)?;
        let amiss = mend(&conn).map_err(fail)?;
        conn.execute(
            "INSERT INTO assay_identity SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM assay_identity)",
            (SCHEMA, identity),
        )
        .map_err(fail)?;
        belongs(&conn, &place, identity)?;
        Ok(Embedded { conn, place, amiss })
    }

    /// Opens the file for questions. Nothing is written: not even beside it, unless somebody else is
    /// at work in it. One that is not there is empty.
    ///
    /// # Errors
    /// [`DeployError`].
    pub fn look(path: &Path, identity: &str) -> Result<Embedded, DeployError> {
        let place = format!("sqlite:{}", path.display());
        let fail = |e: rusqlite::Error| DeployError::Database { place: place.clone(), what: e.to_string() };
        if !path.exists() {
            let conn = Connection::open_in_memory().map_err(fail)?;
            conn.execute_batch(&create()).map_err(fail)?;
            return Ok(Embedded { conn, place, amiss: Vec::new() });
        }
        let beside = |suffix: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            Path::new(&name).exists()
        };
        // Without a log beside it nobody writes, and the file is all there is.
        let more = if beside("-wal") || beside("-shm") { "" } else { "&immutable=1" };
        let escaped = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let conn = Connection::open_with_flags(format!("file:{escaped}?mode=ro{more}"), flags).map_err(fail)?;
        conn.execute_batch("PRAGMA temp_store=MEMORY; PRAGMA busy_timeout=5000;").map_err(fail)?;
        belongs(&conn, &place, identity)?;
        let amiss = amiss(&conn).map_err(fail)?.into_iter().map(|(_, _, words)| words).collect();
        Ok(Embedded { conn, place, amiss })
    }

    fn fail(&self) -> impl Fn(rusqlite::Error) -> DeployError + use<> {
        let place = self.place.clone();
        move |e| DeployError::Database { place: place.clone(), what: e.to_string() }
    }
}

impl LiveTable for Embedded {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn rows(&mut self) -> Result<Vec<Row>, DeployError> {
        read(&self.conn, "active_configs", "strategy").map_err(self.fail())
    }

    fn history(&mut self) -> Result<Vec<Row>, DeployError> {
        read(&self.conn, "config_history", "deployed_us, strategy, version").map_err(self.fail())
    }

    fn versions(&mut self) -> Result<u64, DeployError> {
        let count = self.conn.query_row("SELECT count(*) FROM config_history", [], |r| r.get::<_, i64>(0));
        count.map(|n| n as u64).map_err(self.fail())
    }

    fn put_past(&mut self, rows: &[Row]) -> Result<(), DeployError> {
        let fail = self.fail();
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&fail)?;
        rows.iter().try_for_each(|row| put(&tx, "config_history", "INSERT OR IGNORE", row)).map_err(&fail)?;
        tx.commit().map_err(&fail)
    }

    fn amiss(&mut self) -> Vec<String> {
        std::mem::take(&mut self.amiss)
    }

    fn halts(&mut self) -> Result<Vec<Halt>, DeployError> {
        let work = || -> rusqlite::Result<Vec<Halt>> {
            let there = "SELECT count(*) > 0 FROM sqlite_master WHERE name = 'halts'";
            if !self.conn.query_row(there, [], |r| r.get::<_, bool>(0))? {
                return Ok(Vec::new());
            }
            let sql = "SELECT strategy, word, at_us, person, statement, signature FROM halts ORDER BY id";
            let mut statement = self.conn.prepare(sql)?;
            let rows = statement.query_map([], |r| {
                Ok(Halt {
                    strategy: text(r, 0)?,
                    word: Word::parse(&text(r, 1)?),
                    at_us: whole(r, 2)?,
                    person: text(r, 3)?,
                    statement: text(r, 4)?,
                    signature: text(r, 5)?,
                })
            })?;
            rows.collect()
        };
        work().map_err(self.fail())
    }

    fn put_halt(&mut self, h: &Halt) -> Result<(), DeployError> {
        let sql = "INSERT INTO halts (strategy, word, at_us, person, statement, signature) VALUES (?1,?2,?3,?4,?5,?6)";
        let row = (&h.strategy, h.word.name(), h.at_us, &h.person, &h.statement, &h.signature);
        self.conn.execute(sql, row).map(|_| ()).map_err(self.fail())
    }

    fn sync(
        &mut self,
        want: Wanted<'_>,
        known: Git<'_>,
        now_us: i64,
        write: Option<Before<'_>>,
    ) -> Result<Vec<Change>, DeployError> {
        let fail = self.fail();
        // Comparing takes no lock: the file may be open for questions only.
        let behavior = if write.is_some() { TransactionBehavior::Immediate } else { TransactionBehavior::Deferred };
        let tx = self.conn.transaction_with_behavior(behavior).map_err(&fail)?;
        let present = read(&tx, "active_configs", "strategy").map_err(&fail)?;
        let (changes, writes) = writes(&present, &past(&tx).map_err(&fail)?, want, known, now_us)?;
        let Some(before) = write else { return Ok(changes) };
        before(&changes).map_err(|what| DeployError::Before { what })?;
        writes.iter().try_for_each(|step| apply(&tx, step)).map_err(&fail)?;
        tx.commit().map_err(&fail)?;
        Ok(changes)
    }
}
