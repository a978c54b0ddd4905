//! What lies in a commit's tree, and what differs between two: subtrees that are the same are not looked into, so
//! that a step costs what it changes, however much lies there.

use super::git::{Repo, RepoError};
use super::listing::{Entry, Listing};
use git2::{ObjectType, Oid};
use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

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

impl Repo {
    /// All files of a commit by path with their object names.
    ///
    /// # Errors
    /// [`RepoError::BadTree`] for anything but plain files, for odd names, and for too many.
    pub fn list(&self, commit: &str) -> Result<BTreeMap<String, String>, RepoError> {
        let (mut out, root) = (BTreeMap::new(), self.root(commit)?);
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
        let listing = self.look_into(Some(tree), dir, looked)?;
        for entry in entries(&listing, dir)? {
            let path = format!("{dir}{}", entry.name());
            match entry.kind {
                Some(ObjectType::Tree) => self.gather(entry.oid, &format!("{path}/"), looked, out)?,
                _ if out.len() >= MAX_FILES => {
                    return Err(RepoError::BadTree { path, what: "too many files".into() });
                }
                _ => drop(out.insert(path, entry.oid.to_string())),
            }
        }
        Ok(())
    }

    fn look_into(&self, tree: Option<Oid>, dir: &str, looked: &Looked) -> Result<Option<Arc<Listing>>, RepoError> {
        let Some(oid) = tree else { return Ok(None) };
        looked.into(dir)?;
        self.listing(oid).map(Some)
    }

    /// Whether two commits hold the same files.
    ///
    /// # Errors
    /// An object that cannot be seen.
    pub fn same(&self, old: &str, new: &str) -> Result<bool, RepoError> {
        Ok(self.root(old)? == self.root(new)?)
    }

    /// The files that differ between two commits, by path. What is new has plain names and modes only.
    ///
    /// # Errors
    /// As [`Repo::list`].
    pub fn changes(&self, old: &str, new: &str) -> Result<Vec<Changed>, RepoError> {
        let (old, new) = (self.root(old)?, self.root(new)?);
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
        let (before, after) = (self.look_into(pair.0, dir, looked)?, self.look_into(pair.1, dir, looked)?);
        for (a, b) in differences(entries(&before, dir)?, entries(&after, dir)?) {
            let Some(name) = a.or(b).map(Entry::name) else { continue };
            let is = |entry: Option<&Entry>, kind| entry.filter(|e| e.kind == Some(kind)).map(|e| e.oid);
            let folders = (is(a, ObjectType::Tree), is(b, ObjectType::Tree));
            self.compare(folders, &format!("{dir}{name}/"), looked, out)?;
            let (before, after) = (is(a, ObjectType::Blob), is(b, ObjectType::Blob));
            if before != after {
                out.push(Changed { path: format!("{dir}{name}"), before: before.is_some(), after: after.is_some() });
            }
            if out.len() > MAX_FILES {
                return Err(RepoError::BadTree { path: format!("{dir}{name}"), what: "too many files".into() });
            }
        }
        Ok(())
    }
}

/// The entries of a folder, if all are plain; none where there is none.
fn entries<'a>(listing: &'a Option<Arc<Listing>>, dir: &str) -> Result<&'a [Entry], RepoError> {
    let Some(listing) = listing else { return Ok(&[]) };
    match listing.odd() {
        Some((name, what)) => Err(RepoError::BadTree { path: format!("{dir}{name}"), what: (*what).into() }),
        None if listing.entries().is_empty() && !dir.is_empty() => {
            Err(RepoError::BadTree { path: dir.into(), what: "a folder without any file".into() })
        }
        None => Ok(listing.entries()),
    }
}

/// What two folders hold by name, where it is not the same.
fn differences<'a>(
    mut before: &'a [Entry],
    mut after: &'a [Entry],
) -> impl Iterator<Item = (Option<&'a Entry>, Option<&'a Entry>)> {
    let pairs = std::iter::from_fn(move || {
        let order = match (before.first(), after.first()) {
            (Some(a), Some(b)) => a.name().cmp(b.name()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return None,
        };
        Some((take(&mut before, order != Ordering::Greater), take(&mut after, order != Ordering::Less)))
    });
    pairs.filter(|(a, b): &(Option<&Entry>, Option<&Entry>)| a.map(|e| (e.oid, e.kind)) != b.map(|e| (e.oid, e.kind)))
}

fn take<'a>(entries: &mut &'a [Entry], whether: bool) -> Option<&'a Entry> {
    if whether { entries.split_off_first() } else { None }
}
