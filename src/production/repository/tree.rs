//! What lies in a commit's tree, and what differs between two: subtrees that are the same are not looked into, so
//! that a step costs what it changes, however much lies there.

use super::git::{Repo, RepoError};
use git2::{ObjectType, Oid, TreeEntry};
use std::cell::Cell;
use std::collections::BTreeMap;

/// Most files in a tree that is listed whole.
const MAX_FILES: usize = 200_000;
/// Most folders that are looked into at a time, and how deep they may lie in each other: a handful of objects can say
/// that there are more than anybody could ever look into.
const MAX_FOLDERS: usize = 100_000;
const MAX_DEPTH: usize = 12;

/// A file that differs between two commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Its path.
    pub path: String,
    /// Whether it was there before.
    pub before: bool,
    /// Whether it is there after.
    pub after: bool,
}

/// What a name in a tree stands for. Only plain files (mode 100644) and folders are allowed: no links, no programs, no
/// submodules, no odd names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Node {
    File(Oid),
    Folder(Oid),
}

/// How many folders were looked into.
#[derive(Default)]
struct Looked(Cell<usize>);

impl Looked {
    fn into(&self, dir: &str) -> Result<(), RepoError> {
        self.0.set(self.0.get() + 1);
        let deep = dir.bytes().filter(|b| *b == b'/').count() > MAX_DEPTH;
        let what = if deep { "folders lie too deep in each other" } else { "too many folders" };
        let bad = || RepoError::BadTree { path: dir.chars().take(200).collect(), what: what.into() };
        if deep || self.0.get() > MAX_FOLDERS { Err(bad()) } else { Ok(()) }
    }
}

fn node(dir: &str, entry: &TreeEntry<'_>) -> Result<(String, Node), RepoError> {
    let bad = |path: String, what: &str| Err(RepoError::BadTree { path, what: what.into() });
    let Ok(name) = entry.name() else { return bad(format!("{dir:?}"), "a name is not UTF-8") };
    let path = format!("{dir}{name}");
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-@".contains(&b)) && !name.starts_with('.');
    match (plain, entry.kind(), entry.filemode()) {
        (false, _, _) => bad(path, "a name has characters other than letters, digits, '.', '_', '-', '@'"),
        (_, Some(ObjectType::Tree), 0o040_000) => Ok((path, Node::Folder(entry.id()))),
        (_, Some(ObjectType::Blob), 0o100_644) => Ok((path, Node::File(entry.id()))),
        _ => bad(path, "only plain files (mode 100644) may be deployed"),
    }
}

impl Repo {
    /// All files of a commit by path with their object names.
    ///
    /// # Errors
    /// [`RepoError::BadTree`] for anything but plain files, for odd names, and for too many.
    pub fn list(&self, commit: &str) -> Result<BTreeMap<String, String>, RepoError> {
        let (mut out, root) = (BTreeMap::new(), self.tree(commit)?.id());
        self.gather(root, "", &Looked::default(), &mut out)?;
        Ok(out)
    }

    /// The files of a commit under a folder such as `evidence/trend/v4/approvals`, by path with their object names;
    /// none where there is no such folder.
    ///
    /// # Errors
    /// As [`Repo::list`].
    pub fn under(&self, commit: &str, folder: &str) -> Result<BTreeMap<String, String>, RepoError> {
        let mut out = BTreeMap::new();
        if let Some((oid, ObjectType::Tree)) = self.at(commit, folder)? {
            self.gather(oid, &format!("{folder}/"), &Looked::default(), &mut out)?;
        }
        Ok(out)
    }

    fn gather(
        &self,
        tree: Oid,
        dir: &str,
        looked: &Looked,
        out: &mut BTreeMap<String, String>,
    ) -> Result<(), RepoError> {
        for (path, node) in self.nodes(Some(tree), dir, looked)? {
            match node {
                Node::Folder(oid) => self.gather(oid, &format!("{path}/"), looked, out)?,
                Node::File(_) if out.len() >= MAX_FILES => {
                    return Err(RepoError::BadTree { path, what: "too many files".into() });
                }
                Node::File(oid) => drop(out.insert(path, oid.to_string())),
            }
        }
        Ok(())
    }

    fn nodes(&self, tree: Option<Oid>, dir: &str, looked: &Looked) -> Result<BTreeMap<String, Node>, RepoError> {
        let Some(oid) = tree else { return Ok(BTreeMap::new()) };
        looked.into(dir)?;
        let tree = self.tree_of(oid)?;
        if tree.is_empty() && !dir.is_empty() {
            return Err(RepoError::BadTree { path: dir.into(), what: "a folder without any file".into() });
        }
        tree.iter().map(|entry| node(dir, &entry)).collect()
    }

    /// Whether two commits hold the same files.
    ///
    /// # Errors
    /// An object that cannot be seen.
    pub fn same(&self, old: &str, new: &str) -> Result<bool, RepoError> {
        Ok(self.tree(old)?.id() == self.tree(new)?.id())
    }

    /// The files that differ between two commits, by path. What is new has plain names and modes only.
    ///
    /// # Errors
    /// As [`Repo::list`].
    pub fn changes(&self, old: &str, new: &str) -> Result<Vec<Changed>, RepoError> {
        let (old, new) = (self.tree(old)?.id(), self.tree(new)?.id());
        let mut out = Vec::new();
        self.compare((Some(old), Some(new)), "", &Looked::default(), &mut out)?;
        out.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(out)
    }

    fn compare(
        &self,
        pair: (Option<Oid>, Option<Oid>),
        dir: &str,
        looked: &Looked,
        out: &mut Vec<Changed>,
    ) -> Result<(), RepoError> {
        if pair.0 == pair.1 {
            return Ok(());
        }
        let (before, after) = (self.nodes(pair.0, dir, looked)?, self.nodes(pair.1, dir, looked)?);
        let file = |node: Option<&Node>| node.copied().and_then(|n| if let Node::File(o) = n { Some(o) } else { None });
        let folder =
            |node: Option<&Node>| node.copied().and_then(|n| if let Node::Folder(o) = n { Some(o) } else { None });
        let names = before.keys().chain(after.keys().filter(|path| !before.contains_key(*path)));
        for path in names {
            let (a, b) = (before.get(path), after.get(path));
            self.compare((folder(a), folder(b)), &format!("{path}/"), looked, out)?;
            if file(a) != file(b) {
                let (before, after) = (file(a).is_some(), file(b).is_some());
                out.push(Changed { path: path.clone(), before, after });
            }
            if out.len() > MAX_FILES {
                return Err(RepoError::BadTree { path: path.clone(), what: "too many files".into() });
            }
        }
        Ok(())
    }
}
