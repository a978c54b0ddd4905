//! The data and the rule book of a proposal, obtained by who runs it again: what this lab has, else what its store has,
//! else what is named.

use crate::data::{Import, read};
use crate::error::LabError;
use crate::folder::Lab;
use crate::place::read_text;
use crate::store::{Store, book};
use assay_ledger::Hash;
use assay_research::data::treat::Treatments;
use assay_research::data::{Request, snapshot};
use assay_shared::event::snapshot::SnapshotFact;
use assay_shared::recount::Case;
use assay_shared::rulebook::book::Between;
use assay_shared::time::interval_text;
use std::path::Path;

/// Bytes of a rule book's file.
const BOOK: usize = 64 << 20;

/// Where the data are to come from.
#[derive(Debug, Clone, Copy, Default)]
pub struct From<'a> {
    /// Files of the exchange (or of whoever), to be imported as the proposer did.
    pub files: Option<&'a Path>,
    /// Somebody's snapshot.
    pub snapshot: Option<&'a Path>,
    /// The rule book's file.
    pub rulebook: Option<&'a Path>,
}

/// Sees to it that this lab has what a study was made on.
///
/// # Errors
/// Data or a rule book that cannot be had, or are others.
pub fn obtain(lab: &Lab, case: &Case, from: &From<'_>) -> Result<(), LabError> {
    let data = Hash(case.fact.data_hash);
    if let Some(dir) = from.files {
        imported(lab, &case.snapshot, dir)?;
    }
    if let Some(file) = from.snapshot {
        copied(lab, &data, file)?;
    }
    let store = Store::of(lab);
    if let Some(store @ Store::Web(_)) = &store
        && !snapshot::path(&lab.snapshot_dir(), &data).exists()
    {
        store.bring(lab, &data)?;
    }
    let wanted = Hash(case.fact.rulebook_hash).to_string();
    if let Some(file) = from.rulebook {
        let text = read_text(file, BOOK)?;
        return lab.keep_rulebook(&book(&text, &wanted, &file.display().to_string())?);
    }
    // A snapshot that was shared has its rule book beside it.
    let beside = from.snapshot.and_then(Path::parent).map(|dir| Store::Folder(dir.into()));
    if lab.rulebook(&wanted).is_err() {
        for store in beside.iter().chain(&store) {
            if let Some(book) = store.rulebook(&wanted)? {
                return lab.keep_rulebook(&book);
            }
        }
    }
    Ok(())
}

/// Somebody's snapshot by a file of it, which has its hash as name.
fn copied(lab: &Lab, data: &Hash, file: &Path) -> Result<(), LabError> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    if !name.starts_with(&data.to_string()) {
        let what = format!("{} is not a file of the snapshot {} that the proposal names", file.display(), data.short());
        return Err(LabError::usage(what, format!("its file is {data}.parquet")));
    }
    if !file.is_file() {
        return Err(LabError::usage(format!("there is no file {}", file.display()), "look at the path"));
    }
    let folder = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Store::Folder(folder.into()).bring(lab, data)
}

/// Files imported as the proposer's were, and registered in this lab, if they have the same hash.
fn imported(lab: &Lab, said: &SnapshotFact, dir: &Path) -> Result<(), LabError> {
    let detail = said.treatments.iter().find_map(|t| t.strip_prefix("detail=")).map(String::from);
    let treatments = said.treatments.iter().map(String::as_str).filter(|t| !t.starts_with("detail="));
    let assumed = said.assumptions.iter().find_map(|a| a.split_once("assumed from ")).map(|(_, day)| day.to_string());
    let import = Import {
        dir: dir.into(),
        request: Request {
            symbols: said.symbols.clone(),
            interval: interval_text(said.interval_ms),
            from_ms: Some(said.first_ms),
            to_ms: Some(said.last_ms + said.interval_ms),
            treatments: Treatments::parse(treatments)?,
            detail,
            ..Request::default()
        },
        assume_brackets_from: assumed.map(|day| day.chars().take(10).collect()),
        brackets_seen: None,
        between: Between::Harsher,
    };
    let read = read(&import, lab, true)?;
    let found = read.draft.contents().data_hash();
    let hash = Hash(said.data_hash);
    if found != hash {
        let what = format!("not reproduced: {} gives the data {}, the study's are {hash}", dir.display(), found);
        return Err(LabError::Verification(what));
    }
    // The same rules are known here: what they assume must have been said. Of other ones the trials will differ.
    let unsaid = read.book.assumptions.iter().find(|a| !said.assumptions.contains(a));
    if let Some(what) = unsaid.filter(|_| said.rulebook_hash == Some(read.book.hash().0)) {
        let what = format!(
            "not reproduced: an import of {} assumes what the study's snapshot does not say: {what}",
            dir.display()
        );
        return Err(LabError::Verification(what));
    }
    read.register(lab).map(|_| ())
}
