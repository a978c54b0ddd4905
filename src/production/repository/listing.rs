//! Folders as they are read: looked over once, then kept.

use git2::{ObjectType, Oid, Tree, TreeEntry};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

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
    /// Of a tree, or what is wrong with it.
    pub(super) fn of(tree: &Tree<'_>) -> Result<Listing, &'static str> {
        let mut out = Listing { entries: Vec::with_capacity(tree.len()), odd: None };
        let (mut names, mut before) = (HashSet::with_capacity(tree.len()), Vec::new());
        for entry in tree {
            let mut name = entry.name_bytes().to_vec();
            if !names.insert(name.clone()) {
                return Err("a name stands twice in a folder");
            }
            if out.odd.is_none() {
                out.odd = odd(&entry).map(|what| (String::from_utf8_lossy(&name).escape_debug().to_string(), what));
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

    /// An entry by its name.
    pub(super) fn get(&self, name: &str) -> Option<&Entry> {
        let found = self.entries.binary_search_by(|entry| entry.name.as_slice().cmp(name.as_bytes()));
        found.ok().map(|at| &self.entries[at])
    }

    /// Its entries, by name.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The first of them that is no plain file (mode 100644) or folder, and what is wrong: a link, a program, a submodule,
    /// an odd name.
    pub(super) fn odd(&self) -> Option<&(String, &'static str)> {
        self.odd.as_ref()
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

impl Listings {
    /// One that was looked over.
    pub(super) fn get(&self, oid: Oid) -> Option<Arc<Listing>> {
        self.kept.get(&oid).cloned()
    }

    /// Keeps one; when there are too many, none of the earlier ones.
    pub(super) fn keep(&mut self, oid: Oid, listing: Arc<Listing>) {
        if self.entries > MAX_KEPT {
            *self = Listings::default();
        }
        self.entries += listing.entries.len();
        self.kept.insert(oid, listing);
    }
}
