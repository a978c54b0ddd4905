//! Questions in SQL. Whatever is asked, nothing is written.

use super::{Mirror, MirrorError, schema};
use rusqlite::types::ValueRef;
use serde_json::Value;

/// What a question was answered with.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows of so many cells: numbers, texts and nulls.
    pub rows: Vec<Vec<Value>>,
    /// Whether there are more rows than were wanted.
    pub more: bool,
}

/// A table or a view that can be asked about.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// What it holds; of Optuna's tables nothing is said.
    pub about: &'static str,
    /// Its columns.
    pub columns: Vec<String>,
}

fn cell(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(i) => i.into(),
        ValueRef::Real(r) => r.into(),
        ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8_lossy(text).into(),
    }
}

impl Mirror {
    /// Answers one question, with so many rows at most.
    ///
    /// # Errors
    /// [`MirrorError::Question`] for what SQLite does not understand, and for what would change something.
    pub fn ask(&self, sql: &str, most: usize) -> Result<Answer, MirrorError> {
        let what = |source: rusqlite::Error| MirrorError::Question { what: source.to_string() };
        self.conn.execute_batch("PRAGMA query_only=ON;").map_err(what)?;
        let answer = self.answer(sql, most);
        self.conn.execute_batch("PRAGMA query_only=OFF;").map_err(what)?;
        answer
    }

    fn answer(&self, sql: &str, most: usize) -> Result<Answer, MirrorError> {
        let what = |source: rusqlite::Error| MirrorError::Question { what: source.to_string() };
        let refuse = |words: &str| MirrorError::Question { what: words.into() };
        let mut statement = self.conn.prepare(sql).map_err(what)?;
        // Attaching a file reads as a question, and would make one.
        if !statement.readonly() || statement.column_count() == 0 {
            return Err(refuse("only questions are answered here (SELECT ...); the mirror is a copy of the ledger"));
        }
        let mut columns: Vec<String> = Vec::new();
        for name in statement.column_names() {
            // As JSON, of two columns of one name only one would be left.
            let same = columns.iter().filter(|c| c.split(':').next() == Some(name)).count();
            columns.push(if same == 0 { name.into() } else { format!("{name}:{same}") });
        }
        let (mut rows, mut found) = (Vec::new(), statement.query([]).map_err(what)?);
        while let Some(row) = found.next().map_err(what)? {
            if rows.len() == most {
                return Ok(Answer { columns, rows, more: true });
            }
            let cells = (0..columns.len()).map(|i| row.get_ref(i).map(cell));
            rows.push(cells.collect::<rusqlite::Result<_>>().map_err(what)?);
        }
        Ok(Answer { columns, rows, more: false })
    }

    /// What can be asked about: our own tables and views first, then Optuna's.
    ///
    /// # Errors
    /// When SQLite cannot read it.
    pub fn tables(&self) -> Result<Vec<Table>, MirrorError> {
        let fail = self.fail();
        let sql = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'";
        let mut names = self.conn.prepare(sql).map_err(&fail)?;
        let names: Vec<String> = names.query_map([], |r| r.get(0)).and_then(Iterator::collect).map_err(&fail)?;
        let place = |name: &str| schema::WORDS.iter().position(|(table, _)| *table == name);
        let table = |name: String| {
            let about = place(&name).map_or("", |at| schema::WORDS[at].1);
            let columns = self.conn.prepare(&format!("SELECT * FROM \"{name}\"")).map_err(&fail)?;
            let columns = columns.column_names().map(Into::into).collect();
            Ok(Table { name, about, columns })
        };
        let mut tables = names.into_iter().map(table).collect::<Result<Vec<_>, MirrorError>>()?;
        tables.sort_by_key(|t| (place(&t.name).unwrap_or(usize::MAX), t.name.clone()));
        Ok(tables)
    }
}
