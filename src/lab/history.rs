//! A log never signs two histories. A restored backup brings its own marks along, so the highest
//! checkpoint is looked for wherever it can be seen: beside the ledger, in the lab's repositories, and
//! in a small file outside the lab. What was seen once must still be there (L-27).

use crate::error::LabError;
use crate::folder::Lab;
use crate::session::{Notice, Session};
use assay_ledger::keys::note::Verifier;
use assay_ledger::log::{read_verifier, standing};
use assay_ledger::storage::disk::{Disk as _, Open, RealDisk, replace};
use assay_ledger::tree::merkle::Nodes as _;
use assay_ledger::{Checkpoint, Log};
use assay_production::repository::Repo;
use assay_production::repository::evidence::ledger_branch;
use assay_research::mirror::look::Position;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a command waits for another one that remembers a checkpoint.
const PATIENCE: Duration = Duration::from_secs(30);

/// A checkpoint of a log, and where it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// In words.
    pub place: String,
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// How to bring that copy back.
    pub way_back: String,
}

/// The checkpoint that was verified last.
///
/// # Errors
/// One that is there and cannot be read, or is not of this log: then a rollback could not be told.
pub fn verified(lab: &Lab, verifier: &Verifier) -> Result<Option<Checkpoint>, LabError> {
    open(&lab.verified_path(), verifier)
}

fn open(path: &Path, verifier: &Verifier) -> Result<Option<Checkpoint>, LabError> {
    let note = match RealDisk.open(path, Open::Read).and_then(|file| file.read_from(0)) {
        // A link that leads nowhere is no absence: what it led to is out of reach.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && path.symlink_metadata().is_err() => return Ok(None),
        other => other.map_err(LabError::io("read", path))?,
    };
    let could_not = |e| LabError::CouldNot {
        message: format!("{} is spoiled: {e}", path.display()),
        hint: Some("verify the ledger against an export or a witness, then remove the file".into()),
    };
    Checkpoint::open(&note, verifier).map(Some).map_err(could_not)
}

/// The file outside the lab that remembers a log's highest checkpoint, by the log's name and key.
pub fn outside(session: &Session, verifier: &Verifier) -> Option<PathBuf> {
    let vkey = verifier.to_string();
    let mut parts = vkey.splitn(3, '+');
    let (origin, id) = (parts.next()?, parts.next()?);
    let plain = ledger_branch(origin).replacen("ledger/", "", 1);
    Some(session.memory.as_ref()?.join(format!("{plain}+{id}.checkpoint")))
}

/// Every place outside the ledger's own folder where a checkpoint of it can be seen.
///
/// # Errors
/// A place that is there and cannot be read.
pub fn sightings(lab: &Lab, verifier: &Verifier) -> Result<Vec<Sighting>, LabError> {
    let mut out = Vec::new();
    let export =
        "bring the newer copy back, or make the ledger whole with `assay ledger rebuild --from DIR` and a newer export";
    if let Some(checkpoint) = verified(lab, verifier)? {
        let place = format!("{}, which `assay verify` wrote", lab.verified_path().display());
        out.push(Sighting { place, checkpoint, way_back: export.into() });
    }
    for path in [lab.repo_path(), lab.deploy_path()] {
        out.extend(published(&path, verifier)?);
    }
    if let Some(checkpoint) = standing::last_seen(&RealDisk, &lab.ledger_dir(), verifier) {
        let place = format!("{}, a note that the log's key signed", lab.ledger_dir().join("standing").display());
        out.push(Sighting { place, checkpoint, way_back: export.into() });
    }
    out.extend(remembered(&lab.session, verifier)?);
    Ok(out)
}

/// The lab's ledger, which must hold whatever was seen of it anywhere, its mirror included.
///
/// # Errors
/// A ledger that cannot be read or is behind.
pub(crate) fn open_log(lab: &Lab) -> Result<Log, LabError> {
    // Looked for before the ledger is read, which others may go on with in the meantime.
    let seen = sightings(lab, &read_verifier(&RealDisk, &lab.ledger_dir())?)?;
    let mirror = Position::of(&lab.mirror_path());
    let log = lab.log()?;
    refuse_rollback(&log, &seen)?;
    mirror.map_or(Ok(()), |m| m.refuse_rollback(&log))?;
    Ok(log)
}

/// What a repository's branch of the log says. A repository that is not there says nothing.
fn published(path: &Path, verifier: &Verifier) -> Result<Option<Sighting>, LabError> {
    if !path.join("HEAD").exists() {
        return Ok(None);
    }
    let repo = Repo::open(path)?;
    let branch = ledger_branch(&verifier.name);
    // Its own branch, and what `sync` fetched of the same one elsewhere.
    let places = ["heads", "assay/deploy", "assay/review"].map(|at| format!("refs/{at}/{branch}"));
    let mut newest: Option<Checkpoint> = None;
    for tip in places.iter().filter_map(|place| repo.tip(place)) {
        let note = repo.file(&tip, "checkpoint")?.unwrap_or_default();
        // One of another key is of another log, whatever it calls itself.
        let found = Checkpoint::open(&note, verifier).ok();
        newest = newest.into_iter().chain(found).max_by_key(|c| c.size);
    }
    let sighting = |checkpoint| Sighting {
        place: format!("the branch {branch} of {}", path.display()),
        checkpoint,
        way_back: format!("bring it back with `assay ledger rebuild --from {}`", path.display()),
    };
    Ok(newest.map(sighting))
}

/// What the file outside the lab says.
pub(crate) fn remembered(session: &Session, verifier: &Verifier) -> Result<Option<Sighting>, LabError> {
    let Some(path) = outside(session, verifier) else { return Ok(None) };
    let sighting = |checkpoint| {
        Sighting {
        place: format!("{}, which remembers what this log published", path.display()),
        checkpoint,
        way_back: "work on in the newer copy of this lab; if it is lost, make the ledger whole with `assay ledger rebuild --from DIR` and a newer export, \
                   and if there is none, found a new log that names this one: `assay init --follows`"
            .into(),
    }
    };
    Ok(open(&path, verifier)?.map(sighting))
}

/// Refuses a ledger that lacks what was seen somewhere: two histories would begin.
///
/// # Errors
/// [`LabError::Rollback`], naming the newest of them.
fn refuse_rollback(log: &Log, seen: &[Sighting]) -> Result<(), LabError> {
    let mut behind: Option<(&Sighting, String)> = None;
    for sighting in seen {
        let (c, place) = (&sighting.checkpoint, &sighting.place);
        let message = if c.size > log.len() {
            format!("rollback: the ledger has {} entries, {} were seen in {place}", log.len(), c.size)
        } else if log.tree().root_at(c.size)? != c.root {
            format!("another history: its first {} entries are not the ones that were seen in {place}", c.size)
        } else {
            continue;
        };
        if behind.as_ref().is_none_or(|b| b.0.checkpoint.size < c.size) {
            behind = Some((sighting, message));
        }
    }
    match behind {
        None => Ok(()),
        Some((sighting, message)) => Err(LabError::Rollback { message, hint: sighting.way_back.clone() }),
    }
}

/// Refuses a ledger that is behind what the file outside the lab remembers.
///
/// # Errors
/// [`LabError::Rollback`]; a file that cannot be read.
pub(crate) fn refuse_behind(log: &Log, session: &Session) -> Result<(), LabError> {
    let seen: Vec<Sighting> = remembered(session, log.verifier())?.into_iter().collect();
    refuse_rollback(log, &seen)
}

/// Remembers a checkpoint outside the lab before anybody sees it, unless a newer one is remembered
/// there: then it must not be published.
///
/// # Errors
/// [`LabError::Rollback`]; a file that is spoiled.
pub(crate) fn remember(log: &Log, checkpoint: &Checkpoint, note: &[u8], session: &Session) -> Result<(), LabError> {
    let Some(path) = outside(session, log.verifier()) else {
        session.notice(&Notice::NotRemembered("neither XDG_STATE_HOME nor HOME is set".into()));
        return Ok(());
    };
    let dir = path.parent().unwrap_or(Path::new("/"));
    // Where nothing can be remembered, work goes on, and that is said.
    let lock = match RealDisk.create_dir(dir).map_err(|e| e.to_string()) {
        Ok(()) => RealDisk.lock_folder(dir, PATIENCE)?,
        Err(why) => {
            session.notice(&Notice::NotRemembered(format!("{}: {why}", dir.display())));
            return Ok(());
        }
    };
    let seen = remembered(session, log.verifier())?;
    refuse_rollback(log, seen.as_slice())?;
    if seen.is_none() && log.checkpoint().is_ok_and(|c| c.size > 0) {
        session.notice(&Notice::FirstRemembered(path.clone()));
    }
    if seen.is_none_or(|s| s.checkpoint.size < checkpoint.size)
        && let Err(e) = replace(&RealDisk, &path, note)
    {
        session.notice(&Notice::NotRemembered(e.to_string()));
    }
    drop(lock);
    Ok(())
}
