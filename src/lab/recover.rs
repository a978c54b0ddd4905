//! Ways out: a journal made again, an index thrown away, planted entries set aside, a checkpoint that
//! is still to be published.

use crate::error::LabError;
use crate::folder::Lab;
use crate::history;
use crate::session::Notice;
use assay_ledger::audit::export::Export;
use assay_ledger::keys::note::Verifier;
use assay_ledger::log::rebuild::{self, Rebuilt, Source};
use assay_ledger::log::{Home, read_verifier};
use assay_ledger::storage::disk::RealDisk;
use assay_ledger::{Checkpoint, Log};
use assay_production::repository::Repo;
use assay_production::repository::evidence::ledger_branch;
use assay_shared::event::roster::Roster;
use std::path::{Path, PathBuf};

/// Makes a damaged or outdated journal again, from the index (`sled`), an exported folder, or a
/// repository that carries the log's branch.
///
/// # Errors
/// Sources that disagree, do not verify, add nothing, or lack something that was acknowledged.
pub fn rebuild_journal(ledger: &Path, from: &Path) -> Result<Rebuilt, LabError> {
    let home = Home::of(ledger);
    if from == Path::new("sled") {
        return Ok(rebuild::rebuild(&home, &Source::Index, &mut Roster::new())?);
    }
    let own = read_verifier(&RealDisk, ledger)?;
    let unpacked = if from.join("HEAD").exists() { Some(unpack(from, &own.name)?) } else { None };
    let folder = unpacked.as_ref().map_or(from, |dir| dir.path());
    let source = Export::open(&RealDisk, folder, Some(own))?;
    Ok(rebuild::rebuild(&home, &Source::Export(&source), &mut Roster::new())?)
}

/// Makes a ledger from the branch of its log in a repository, verifying everything first. `own` is its verifier.
///
/// # Errors
/// A branch that is not there or does not verify, or a place where a ledger stands already.
pub(crate) fn from_branch(ledger: &Path, repo: &Path, own: Verifier) -> Result<(), LabError> {
    let unpacked = unpack(repo, &own.name)?;
    let source = Export::open(&RealDisk, unpacked.path(), Some(own))?;
    rebuild::import(&Home::of(ledger), &source, &mut Roster::new())?;
    Ok(())
}

/// The tiles that a repository's branch of a log carries, in a folder that goes when it is dropped.
fn unpack(repo: &Path, origin: &str) -> Result<tempfile::TempDir, LabError> {
    let (opened, branch) = (Repo::open(repo)?, ledger_branch(origin));
    let none = || LabError::usage(format!("{} has no branch {branch}", repo.display()), "name another source");
    let tip = opened.tip(&format!("refs/heads/{branch}")).ok_or_else(none)?;
    let dir = tempfile::tempdir().map_err(LabError::io("create a folder beside", repo))?;
    for path in opened.list(&tip)?.into_keys() {
        // The names of tiles are plain; what else stands there is nothing of a log's.
        if path.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
            continue;
        }
        let target = dir.path().join(&path);
        let parent = target.parent().unwrap_or(dir.path());
        std::fs::create_dir_all(parent).map_err(LabError::io("create", parent))?;
        let bytes = opened.file(&tip, &path)?.unwrap_or_default();
        std::fs::write(&target, bytes).map_err(LabError::io("write", &target))?;
    }
    Ok(dir)
}

/// Throws the index of a ledger away and makes it again from the journal. Gives its entries.
///
/// # Errors
/// A journal that is damaged; then the index stays.
pub fn renew_index(ledger: &Path) -> Result<u64, LabError> {
    let mut log = Log::open(ledger)?;
    crate::standing::follow(&mut log)?;
    Ok(log.renew_index()?)
}

/// Sets aside what nobody signed, from the first entry above the checkpoint that does not verify on.
/// Gives how many entries remain, and where the others lie.
///
/// # Errors
/// A ledger that verifies; one whose checkpoint covers what does not, or a lab where a later checkpoint
/// was seen: what it covers is damaged then, not planted.
pub fn cut(ledger: &Path, lab: Option<&Lab>) -> Result<(u64, PathBuf), LabError> {
    let mut log = Log::open(ledger)?;
    let seen = lab.map_or(Ok(Vec::new()), |lab| history::sightings(lab, log.verifier()))?;
    if let Some(s) = seen.iter().max_by_key(|s| s.checkpoint.size).filter(|s| s.checkpoint.size > log.vouched()) {
        let (size, own) = (s.checkpoint.size, log.vouched());
        let message =
            format!("rollback: the checkpoint here covers {own} entries, one over {size} was seen in {}", s.place);
        return Err(LabError::Rollback { message, hint: s.way_back.clone() });
    }
    Ok(log.cut_untrusted(&mut Roster::new())?)
}

/// Publishes what is recorded and not published yet, and brings the mirror up to it. The ledger's
/// verifier key and checkpoint are made again where they are lost.
///
/// # Errors
/// As [`Lab::writer`].
pub fn publish(lab: &Lab) -> Result<Checkpoint, LabError> {
    let seen = |verifier: &Verifier| {
        let seen = history::sightings(lab, verifier).unwrap_or_default();
        seen.into_iter().map(|sighting| sighting.checkpoint).collect()
    };
    for path in Log::renew_heads(&Home::of(&lab.ledger_dir()), &lab.config.origin, &lab.log_signer()?, seen)? {
        lab.session.notice(&Notice::Ledger(format!("{} was lost and is made again", path.display())));
    }
    let published = lab.writer()?.publish()?;
    lab.refresh_mirror()?;
    Ok(published)
}
