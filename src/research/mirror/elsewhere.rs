//! Trials that other tools made: how many there are in their files.

use rusqlite::{Connection, ErrorCode, OpenFlags};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::path::Path;

/// What a file of another tool holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// The tool, and what it calls its studies.
    pub source: String,
    /// Trials.
    pub trials: u64,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
}

/// Why trials could not be counted.
#[derive(Debug, thiserror::Error)]
pub enum ElsewhereError {
    /// The file cannot be read.
    #[error("cannot read {0}: {1}")]
    Unreadable(String, std::io::Error),
    /// It is of no tool that is known.
    #[error("{0} is no database of Optuna, no result of freqtrade and no CSV table: {1}")]
    Unknown(String, String),
    /// Somebody else holds it.
    #[error("cannot read {0} now: {1}")]
    Busy(String, String),
    /// It is a mirror of a lab.
    #[error("{0} is the mirror of a lab, whose trials count already")]
    Own(String),
    /// It holds none.
    #[error("{0} holds no trial")]
    Empty(String),
}

/// Counts the trials in a file: an Optuna database in SQLite, results of freqtrade's hyperopt (a JSON object a line) or
/// backtesting (one JSON object), or a CSV table with a head and a row for each trial.
///
/// # Errors
/// [`ElsewhereError`].
pub fn count(path: &Path) -> Result<Elsewhere, ElsewhereError> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|e| ElsewhereError::Unreadable(name.clone(), e))?;
    let unknown = |what: String| ElsewhereError::Unknown(name.clone(), what);
    let (tool, trials, names) = if bytes.starts_with(b"SQLite format 3\0") {
        let found = optuna(path).map_err(|e| match e.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
                ElsewhereError::Busy(name.clone(), e.to_string())
            }
            _ => unknown(e.to_string()),
        })?;
        found.ok_or_else(|| ElsewhereError::Own(name.clone()))?
    } else {
        let text = std::str::from_utf8(&bytes).map_err(|_| unknown("it is no text".into()))?;
        match text.trim_start().starts_with('{') {
            true => {
                freqtrade(text).ok_or_else(|| unknown("its JSON has neither 'strategy' nor 'params_dict'".into()))?
            }
            false => ("a table", table(text).map_err(|e| unknown(e.to_string()))?, Vec::new()),
        }
    };
    if trials == 0 {
        return Err(ElsewhereError::Empty(name));
    }
    let source = if names.is_empty() { tool.into() } else { format!("{tool}: {}", names.join(", ")) };
    Ok(Elsewhere { source, trials, sha256: Sha256::digest(&bytes).into() })
}

type Counted = (&'static str, u64, Vec<String>);

/// Trials of every study in a database, whatever became of them; nothing of a mirror of our own.
fn optuna(path: &Path) -> rusqlite::Result<Option<Counted>> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let own = "SELECT count(*) FROM sqlite_master WHERE name = 'assay_studies'";
    if conn.query_row(own, [], |r| r.get::<_, i64>(0))? > 0 {
        return Ok(None);
    }
    let trials: i64 = conn.query_row("SELECT count(*) FROM trials", [], |r| r.get(0))?;
    let mut names = conn.prepare("SELECT study_name FROM studies ORDER BY study_id LIMIT 5")?;
    let names = names.query_map([], |r| r.get(0))?.collect::<rusqlite::Result<_>>()?;
    Ok(Some(("Optuna", trials.max(0).unsigned_abs(), names)))
}

/// Epochs of hyperopt, or strategies of a backtest.
fn freqtrade(text: &str) -> Option<Counted> {
    if let Ok(whole) = serde_json::from_str::<Value>(text)
        && let Some(strategies) = whole.get("strategy").and_then(Value::as_object)
    {
        return Some(("freqtrade backtesting", strategies.len() as u64, strategies.keys().take(5).cloned().collect()));
    }
    let mut epochs = 0;
    for line in text.lines().filter(|l| !l.trim().is_empty()) {
        serde_json::from_str::<Value>(line).ok()?.get("params_dict")?;
        epochs += 1;
    }
    Some(("freqtrade hyperopt", epochs, Vec::new()))
}

/// Rows of a table under its head; each must have as many cells.
fn table(text: &str) -> Result<u64, csv::Error> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.headers()?;
    reader.records().try_fold(0, |n, row| row.map(|_| n + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_tools_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let epochs = "{\"loss\":1,\"params_dict\":{}}\n{\"loss\":2,\"params_dict\":{\"a\":1}}\n\n";
        let found = count(&file("a.fthypt", epochs)).unwrap();
        assert_eq!((found.source.as_str(), found.trials), ("freqtrade hyperopt", 2));
        assert_eq!(found.sha256, <[u8; 32]>::from(Sha256::digest(epochs.as_bytes())));
        let found = count(&file("b.json", "{\"strategy\": {\"A\": {}, \"B\": {}}}")).unwrap();
        assert_eq!((found.source.as_str(), found.trials), ("freqtrade backtesting: A, B", 2));
        let found = count(&file("c.csv", "fast,slow\n1,2\n\"3\",4\n5,6\n")).unwrap();
        assert_eq!((found.source.as_str(), found.trials), ("a table", 3));

        let path = dir.path().join("d.db");
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch(
            "CREATE TABLE studies (study_id INTEGER, study_name TEXT); CREATE TABLE trials (trial_id INTEGER);",
        )
        .unwrap();
        conn.execute_batch(
            "INSERT INTO studies VALUES (1, 'one'), (2, 'two'); INSERT INTO trials VALUES (1), (2), (3);",
        )
        .unwrap();
        let found = count(&path).unwrap();
        assert_eq!((found.source.as_str(), found.trials), ("Optuna: one, two", 3));
        conn.execute_batch("BEGIN EXCLUSIVE").unwrap();
        assert!(matches!(count(&path), Err(ElsewhereError::Busy(..))), "somebody writes it");
        conn.execute_batch("COMMIT; CREATE TABLE assay_studies (x)").unwrap();
        assert!(matches!(count(&path), Err(ElsewhereError::Own(_))));
        conn.execute_batch("DROP TABLE assay_studies; DROP TABLE trials").unwrap();

        for (path, words) in [
            (path, "no database of Optuna"),
            (file("e.csv", "fast,slow\n"), "holds no trial"),
            (file("f.csv", "fast,slow\n1\n"), "no CSV table"),
            (file("g.json", "{\"x\": 1}"), "neither 'strategy' nor 'params_dict'"),
            (dir.path().join("none"), "cannot read"),
        ] {
            let said = count(&path).unwrap_err().to_string();
            assert!(said.contains(words), "{said}");
        }
        std::fs::write(dir.path().join("h"), [0xff, 0xfe, 0]).unwrap();
        assert!(count(&dir.path().join("h")).unwrap_err().to_string().contains("it is no text"));
    }
}
