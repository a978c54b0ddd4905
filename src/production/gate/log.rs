//! A log that was verified, read entry by entry from its branch: no more of it is in memory than is looked at.

use super::checked::Checked;
use super::pins::Pin;
use super::refusal::{Code, GateError, refuse};
use crate::repository::folder::Folder;
use crate::repository::git::{Repo, RepoError};
use assay_ledger::tree::merkle::Nodes as _;
use assay_ledger::tree::tile::{TileTree, WIDTH, entries_path, split_bundle};
use assay_ledger::{Bytes, Entry, Hash, LedgerError};
use assay_shared::event::roster::Roster;
use assay_shared::event::{Event, EventError};
use assay_shared::format::config::EventRef;
use assay_shared::recount::Counts;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Bundles that are kept while entries are looked at: where a study stands, and what it stands on.
const KEPT: usize = 4;

/// The logs a judgement may rely on, by origin.
pub type Logs<'r> = BTreeMap<String, VerifiedLog<'r>>;

/// A log whose chain, signatures, roster, tree and checkpoint verified.
#[derive(Debug)]
pub struct VerifiedLog<'r> {
    /// The log's name.
    pub origin: String,
    /// Size and root.
    pub pin: Pin,
    /// Its keys.
    pub roster: Roster,
    /// Its studies as they count for others.
    pub(super) counts: Counts,
    /// Studies that were computed again without a finding.
    pub(super) checked: Vec<Checked>,
    /// The first event that is not named after what it records, if there is one.
    pub(super) odd: Option<(u64, String)>,
    pub(super) tiles: Tiles<'r>,
}

/// The files of a log's branch.
#[derive(Debug)]
pub(super) struct Tiles<'r> {
    repo: &'r Repo,
    commit: String,
    size: u64,
    /// The bundles that were read last, the newest at the end.
    bundles: RefCell<Vec<(u64, Vec<Bytes>)>>,
    /// The folder that was read last.
    folder: RefCell<Option<(String, Folder<'r>)>>,
}

impl<'r> Tiles<'r> {
    /// Those of a commit that says it has so many entries.
    pub(super) fn new(repo: &'r Repo, commit: &str, size: u64) -> Tiles<'r> {
        Tiles { repo, commit: commit.into(), size, bundles: RefCell::default(), folder: RefCell::default() }
    }

    /// The commit.
    pub(super) fn commit(&self) -> &str {
        &self.commit
    }

    /// How many entries it says to have.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// A file, as tiles are read.
    pub(super) fn file(&self, path: &str) -> Result<Vec<u8>, LedgerError> {
        let bad = |why: String| LedgerError::Malformed { what: "tiled log", why };
        match self.found(path) {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(bad(format!("{path} is missing"))),
            Err(e) => Err(bad(e.to_string())),
        }
    }

    fn found(&self, path: &str) -> Result<Option<Vec<u8>>, RepoError> {
        let Some((folder, name)) = path.rsplit_once('/') else { return self.repo.file(&self.commit, path) };
        let mut last = self.folder.borrow_mut();
        if last.as_ref().is_none_or(|(of, _)| of != folder) {
            *last = self.repo.folder(&self.commit, folder)?.map(|found| (folder.into(), found));
        }
        last.as_ref().map_or(Ok(None), |(_, found)| found.file(name))
    }

    /// The entries of one bundle.
    pub(super) fn bundle(&self, n: u64) -> Result<Vec<Bytes>, LedgerError> {
        let width = (self.size - n * WIDTH).min(WIDTH);
        let bundle = Bytes::from(self.file(&entries_path(n, width))?);
        Ok(split_bundle(&bundle, width)?.into_iter().map(|entry| bundle.slice_ref(entry)).collect())
    }

    fn entry(&self, seq: u64) -> Result<Option<Bytes>, LedgerError> {
        if seq >= self.size {
            return Ok(None);
        }
        let mut kept = self.bundles.borrow_mut();
        let n = seq / WIDTH;
        let found = match kept.iter().position(|(known, _)| *known == n) {
            Some(at) => kept.remove(at),
            None => (n, self.bundle(n)?),
        };
        let entry = found.1.get((seq % WIDTH) as usize).cloned();
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push(found);
        Ok(entry)
    }
}

impl VerifiedLog<'_> {
    /// Number of entries.
    pub fn len(&self) -> u64 {
        self.pin.size
    }

    /// True without entries.
    pub fn is_empty(&self) -> bool {
        self.pin.size == 0
    }

    /// An entry by position.
    ///
    /// # Errors
    /// No such entry.
    pub fn entry(&self, seq: u64) -> Result<Entry, GateError> {
        match self.tiles.entry(seq)? {
            Some(bytes) => Ok(Entry::decode(bytes)?),
            None => refuse(Code::EventMissing, format!("{} entry {seq}", self.origin), "the log has no such entry"),
        }
    }

    /// Root of the first `size` entries.
    pub fn root_at(&self, size: u64) -> Option<Hash> {
        TileTree { size: self.len(), read: |path: &str| self.tiles.file(path) }.root_at(size).ok()
    }

    /// A study that was computed again, if it stands in the first `size` entries as it does in all.
    pub(super) fn checked(&self, study_id: &[u8; 16], size: u64) -> Option<&Checked> {
        self.checked.iter().find(|c| c.stands(study_id, size))
    }

    /// An event by position; its leaf must be the one that is named.
    ///
    /// # Errors
    /// No such entry, another entry, or an event this version does not know.
    pub fn event(&self, name: &str, at: &EventRef) -> Result<(Entry, Event), GateError> {
        let place = format!("{} entry {}", self.origin, at.seq);
        let Some(bytes) = self.tiles.entry(at.seq)? else {
            return refuse(Code::EventMissing, place, format!("the {name} event is not in the log"));
        };
        let entry = Entry::decode(bytes)?;
        if entry.leaf_hash() != at.leaf {
            return refuse(Code::EventDiffers, place, format!("the {name} event is another one than the config names"));
        }
        match Event::of(&entry) {
            Ok(event) => Ok((entry, event)),
            Err(e @ EventError::Unsupported { .. }) => refuse(Code::UnsupportedEvent, place, e.to_string()),
            Err(e) => refuse(Code::MalformedEvent, place, e.to_string()),
        }
    }
}
