//! Which files the exchange's own archive was asked about from here: a checksum that lies beside a file says nothing,
//! since whoever made the file could have written it.

use crate::error::LabError;
use crate::session::{Notice, Session};
use assay_ledger::Hash;
use assay_ledger::storage::disk::{Disk as _, RealDisk, read, replace};
use assay_research::data::fetch::DEFAULT_BASE;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long another download is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// The file outside every lab that remembers them: a hash a line.
fn place(session: &Session) -> Option<PathBuf> {
    Some(session.memory.as_ref()?.join("vendor.sha256"))
}

fn sums(text: &[u8]) -> BTreeSet<String> {
    String::from_utf8_lossy(text).lines().filter(|l| l.parse::<Hash>().is_ok()).map(str::to_string).collect()
}

/// SHA-256 of every file that the archive itself confirmed to whoever asks here.
pub(crate) fn confirmed(session: &Session) -> BTreeSet<String> {
    place(session).and_then(|path| read(&RealDisk, &path).ok()).map(|text| sums(&text)).unwrap_or_default()
}

/// Remembers files of a folder that an archive was asked about just now, by their paths there: of the exchange's own
/// archive only.
///
/// # Errors
/// A checksum that cannot be read.
pub(crate) fn remember(base: &str, dir: &Path, asked: &[String], session: &Session) -> Result<(), LabError> {
    let Some(path) = place(session).filter(|_| base == DEFAULT_BASE && !asked.is_empty()) else { return Ok(()) };
    let folder = path.parent().unwrap_or(Path::new("/"));
    // Two who download at once remember both.
    let made = RealDisk.create_dir(folder).map_err(|e| e.to_string());
    let lock = made.and_then(|()| RealDisk.lock_folder(folder, PATIENCE).map_err(|e| e.to_string()));
    let mut all = confirmed(session);
    for file in asked {
        let beside = dir.join(format!("{file}.CHECKSUM"));
        let text = read(&RealDisk, &beside)?;
        all.extend(String::from_utf8_lossy(&text).split_whitespace().next().map(str::to_lowercase));
    }
    let text: String = all.iter().map(|sum| format!("{sum}\n")).collect();
    let written = lock
        .as_ref()
        .map_err(Clone::clone)
        .and_then(|_| replace(&RealDisk, &path, text.as_bytes()).map_err(|e| e.to_string()));
    if let Err(why) = written {
        session.notice(&Notice::NotRemembered(format!("{}: {why}", path.display())));
    }
    Ok(())
}

/// Whether every file of a list, as `sha256sum` writes it, was confirmed by the archive itself.
pub(crate) fn confirms(list: &str, confirmed: &BTreeSet<String>) -> bool {
    let mut lines = list.lines().peekable();
    lines.peek().is_some() && lines.all(|line| line.get(..64).is_some_and(|sum| confirmed.contains(sum)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a mirror says, or a text beside a file, confirms nothing; what the archive said does, and stays.
    #[test]
    fn only_the_archive_confirms() {
        let dir = tempfile::tempdir().unwrap();
        let session = Session { memory: Some(dir.path().join("state")), ..Session::silent() };
        let [one, other] = ["a", "b"].map(|text| Hash::of(text.as_bytes()).to_string());
        for (file, sum) in [("x.zip", &one), ("y.zip", &other)] {
            std::fs::write(dir.path().join(format!("{file}.CHECKSUM")), format!("{sum}  {file}\n")).unwrap();
        }
        let list = |sums: &[&String]| sums.iter().map(|s| format!("{s}  f.zip\n")).collect::<String>();
        let said = |text: &str| confirms(text, &confirmed(&session));
        remember("http://mirror", dir.path(), &["x.zip".into()], &session).unwrap();
        assert!(!said(&list(&[&one])));
        remember(DEFAULT_BASE, dir.path(), &["x.zip".into()], &session).unwrap();
        assert!(said(&list(&[&one])) && !said(&list(&[&one, &other])) && !said("") && !said("x"));
        remember(DEFAULT_BASE, dir.path(), &["y.zip".into()], &session).unwrap();
        assert!(said(&list(&[&one, &other])));
        assert!(!confirms(&list(&[&one]), &confirmed(&Session::silent())));
    }
}
