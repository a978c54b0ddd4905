//! What became of the files of registered snapshots.

use crate::erased::erasures;
use crate::error::LabError;
use crate::folder::Lab;
use assay_ledger::Hash;
use assay_research::data::snapshot::{Contents, contents_path, detail_path, path};
use assay_shared::event::Event;

/// What became of a snapshot's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// All of them are there.
    There,
    /// Some are missing, or are not what they say.
    Damaged,
    /// Nothing is there.
    Gone,
    /// They were destroyed on purpose, as this entry says.
    Erased(u64),
}

/// What became of a snapshot's files, by a look at the names and at what is in them, not at all values; what an older
/// version wrote says nothing of that.
///
/// # Errors
/// A ledger that cannot be read.
pub fn kept(lab: &Lab, data_hash: &str) -> Result<(Kept, Option<Contents>), LabError> {
    let Ok(hash) = data_hash.parse::<Hash>() else { return Ok((Kept::Gone, None)) };
    let dir = lab.snapshot_dir();
    let said = contents_path(&dir, &hash);
    let contents = Contents::read(&said, &hash).ok();
    if !path(&dir, &hash).exists() {
        let erased = erasures(&lab.log()?)?.get(&hash.0).copied();
        return Ok((erased.map_or(Kept::Gone, Kept::Erased), contents));
    }
    let finer_is_gone = contents.as_ref().is_some_and(|c| c.detail.is_some()) && !detail_path(&dir, &hash).exists();
    let damaged = finer_is_gone || contents.is_none() && said.exists();
    Ok((if damaged { Kept::Damaged } else { Kept::There }, contents))
}

/// How many snapshots are registered, and the hashes of those whose files are missing or damaged.
///
/// # Errors
/// A ledger that cannot be read.
pub fn missing(lab: &Lab) -> Result<(usize, Vec<Hash>), LabError> {
    let log = lab.log()?;
    let mut all: Vec<Hash> = Vec::new();
    for seq in log.newest_of("SnapshotRegistered", 0..log.len(), usize::MAX)? {
        let found = Event::of(&log.entry(seq)?).ok().and_then(|event| event.snapshot());
        all.extend(found.map(|s| Hash(s.data_hash)));
    }
    all.sort_unstable();
    all.dedup();
    let mut out = Vec::new();
    for hash in &all {
        if matches!(kept(lab, &hash.to_string())?.0, Kept::Gone | Kept::Damaged) {
            out.push(*hash);
        }
    }
    Ok((all.len(), out))
}
