//! A folder of which many files are read, and reading without git's own check of what is checked otherwise.

use super::git::{Repo, RepoError, git};
use super::listing::Listing;
use git2::{ObjectType, Oid};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of the largest tree that is read: a hundred thousand names.
const MAX_TREE: usize = 4 << 20;

impl Repo {
    /// The folder of a tree.
    pub(super) fn listing(&self, oid: Oid) -> Result<Arc<Listing>, RepoError> {
        if let Some(kept) = self.listings.borrow().get(oid) {
            return Ok(kept);
        }
        let bad = |what: String| RepoError::BadTree { path: oid.to_string(), what };
        // Its size is asked for before it is unpacked.
        let odb = self.inner.odb().map_err(git("read objects"))?;
        if odb.read_header(oid).is_ok_and(|(size, _)| size > MAX_TREE) {
            return Err(bad(format!("a folder is over {MAX_TREE} bytes")));
        }
        let tree = self.inner.find_tree(oid).map_err(|_| RepoError::NotVisible { oid: oid.to_string() })?;
        let listing = Arc::new(Listing::of(&tree).map_err(|what| bad(what.into()))?);
        self.listings.borrow_mut().keep(oid, listing.clone());
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
