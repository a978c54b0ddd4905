//! Folders as they are read: looked over once, then kept; and reading without git's own check of what is checked
//! otherwise.

use super::git::{Repo, RepoError, git};
use git2::{ObjectType, Oid, Tree, TreeEntry};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of the largest tree that is read: a hundred thousand names.
const MAX_TREE: usize = 4 << 20;
/// Most entries of all folders that are kept.
const MAX_KEPT: usize = 100_000;

/// What stands in a folder.
#[derive(Debug)]
pub(super) struct Entry {
    name: Vec<u8>,
    /// The object.
    pub(super) oid: Oid,
    /// What it is.
    pub(super) kind: Option<ObjectType>,
}

impl Entry {
    /// Its name; only plain ones are asked for.
    pub(super) fn name(&self) -> &str {
        std::str::from_utf8(&self.name).unwrap_or_default()
    }
}

/// A folder in which each name stands once, by name: of two entries of one name one reader would take the first and
/// another the last, so that they would see different files.
#[derive(Debug, Default)]
pub(super) struct Listing {
    entries: Vec<Entry>,
    /// The first entry that is more than a plain file or folder, and what it is.
    odd: Option<(String, &'static str)>,
}

impl Listing {
    fn of(tree: &Tree<'_>) -> Result<Listing, &'static str> {
        let mut out = Listing { entries: Vec::with_capacity(tree.len()), odd: None };
        let (mut names, mut before) = (HashSet::with_capacity(tree.len()), Vec::new());
        for entry in tree {
            let mut name = entry.name_bytes().to_vec();
            if !names.insert(name.clone()) {
                return Err("a name stands twice in a folder");
            }
            if out.odd.is_none() {
                out.odd = odd(&entry).map(|what| (String::from_utf8_lossy(&name).into_owned(), what));
            }
            out.entries.push(Entry { name: name.clone(), oid: entry.id(), kind: entry.kind() });
            // Git puts a folder where its name with a stroke behind it would stand.
            if entry.kind() == Some(ObjectType::Tree) {
                name.push(b'/');
            }
            if before >= name {
                return Err("a folder is not in git's order");
            }
            before = name;
        }
        out.entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(out)
    }

    fn get(&self, name: &str) -> Option<&Entry> {
        let found = self.entries.binary_search_by(|entry| entry.name.as_slice().cmp(name.as_bytes()));
        found.ok().map(|at| &self.entries[at])
    }

    /// Its entries by name, if all are plain files (mode 100644) and folders: no links, no programs, no submodules, no
    /// odd names.
    pub(super) fn plain(&self, dir: &str) -> Result<&[Entry], RepoError> {
        match &self.odd {
            Some((name, what)) => Err(RepoError::BadTree { path: format!("{dir}{name}"), what: (*what).into() }),
            None if self.entries.is_empty() && !dir.is_empty() => {
                Err(RepoError::BadTree { path: dir.into(), what: "a folder without any file".into() })
            }
            None => Ok(&self.entries),
        }
    }
}

fn odd(entry: &TreeEntry<'_>) -> Option<&'static str> {
    let Ok(name) = entry.name() else { return Some("a name is not UTF-8") };
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-@".contains(&b)) && !name.starts_with('.');
    match (plain, entry.kind(), entry.filemode()) {
        (false, _, _) => Some("a name has characters other than letters, digits, '.', '_', '-', '@'"),
        (_, Some(ObjectType::Tree), 0o040_000) | (_, Some(ObjectType::Blob), 0o100_644) => None,
        _ => Some("only plain files (mode 100644) may be deployed"),
    }
}

/// Folders that were looked over: two commits share most of theirs.
#[derive(Debug, Default)]
pub(super) struct Listings {
    kept: HashMap<Oid, Arc<Listing>>,
    entries: usize,
}

impl Repo {
    /// The folder of a tree.
    pub(super) fn listing(&self, oid: Oid) -> Result<Arc<Listing>, RepoError> {
        if let Some(kept) = self.listings.borrow().kept.get(&oid) {
            return Ok(kept.clone());
        }
        let bad = |what: String| RepoError::BadTree { path: oid.to_string(), what };
        // Its size is asked for before it is unpacked.
        let odb = self.inner.odb().map_err(git("read objects"))?;
        if odb.read_header(oid).is_ok_and(|(size, _)| size > MAX_TREE) {
            return Err(bad(format!("a folder is over {MAX_TREE} bytes")));
        }
        let tree = self.inner.find_tree(oid).map_err(|_| RepoError::NotVisible { oid: oid.to_string() })?;
        let listing = Arc::new(Listing::of(&tree).map_err(|what| bad(what.into()))?);
        let mut listings = self.listings.borrow_mut();
        if listings.entries > MAX_KEPT {
            *listings = Listings::default();
        }
        listings.entries += listing.entries.len();
        listings.kept.insert(oid, listing.clone());
        Ok(listing)
    }

    /// What lies at a path of a commit.
    pub(super) fn at(&self, commit: &str, path: &str) -> Result<Option<(Oid, ObjectType)>, RepoError> {
        let mut found = (self.root(commit)?, ObjectType::Tree);
        for part in path.split('/') {
            if found.1 != ObjectType::Tree {
                return Ok(None);
            }
            let listing = self.listing(found.0)?;
            match named(&listing, part) {
                Some(next) => found = next,
                None => return Ok(None),
            }
        }
        Ok(Some(found))
    }

    /// A folder of a commit, of which many files are read.
    ///
    /// # Errors
    /// No such commit, or a folder that is no good one.
    pub fn folder(&self, commit: &str, path: &str) -> Result<Option<Folder<'_>>, RepoError> {
        let Some((oid, _)) = self.at(commit, path)?.filter(|(_, kind)| *kind == ObjectType::Tree) else {
            return Ok(None);
        };
        Ok(Some(Folder { repo: self, listing: self.listing(oid)?, path: path.into() }))
    }
}

fn named(listing: &Listing, name: &str) -> Option<(Oid, ObjectType)> {
    let entry = listing.get(name)?;
    Some((entry.oid, entry.kind?))
}

/// A folder of a commit.
pub struct Folder<'r> {
    repo: &'r Repo,
    listing: Arc<Listing>,
    path: String,
}

impl std::fmt::Debug for Folder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Folder({})", self.path)
    }
}

impl Folder<'_> {
    /// One of its files.
    ///
    /// # Errors
    /// An object that is missing or too large.
    pub fn file(&self, name: &str) -> Result<Option<Vec<u8>>, RepoError> {
        let Some((oid, _)) = named(&self.listing, name).filter(|(_, kind)| *kind == ObjectType::Blob) else {
            return Ok(None);
        };
        self.repo.blob(oid, &format!("{}/{name}", self.path)).map(Some)
    }
}

/// While one lives, this process reads objects without computing their SHA-1 again, which takes longer than anything
/// else of reading them: for what is held against a signed SHA-256 tree anyway.
#[derive(Debug)]
pub struct Unhashed(());

static UNHASHED: AtomicUsize = AtomicUsize::new(0);

impl Unhashed {
    /// Begins.
    pub fn begin() -> Unhashed {
        if UNHASHED.fetch_add(1, Ordering::SeqCst) == 0 {
            git2::opts::strict_hash_verification(false);
        }
        Unhashed(())
    }
}

impl Drop for Unhashed {
    fn drop(&mut self) {
        if UNHASHED.fetch_sub(1, Ordering::SeqCst) == 1 {
            git2::opts::strict_hash_verification(true);
        }
    }
}
