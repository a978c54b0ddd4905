//! What travels with a promotion: the tiles of the log, and beside the config each event with its
//! proof, so that an auditor can check it with nothing but a clone.

use super::git::{Files, Repo, RepoError};
use assay_ledger::keys::note::Note;
use assay_ledger::tree::checkpoint::merge;
use assay_ledger::tree::merkle::Nodes as _;
use assay_ledger::tree::proof::Proof;
use assay_ledger::{Checkpoint, LedgerError, Log, tree::tile};
use assay_shared::format::config::{EventRef, LedgerRef, evidence_dir};

/// The branch that carries a log's tiles. The origin's characters outside a plain set become `_`.
pub fn ledger_branch(origin: &str) -> String {
    let plain: String =
        origin.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect();
    format!("ledger/{plain}")
}

/// Why evidence could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The repository.
    #[error(transparent)]
    Repo(#[from] RepoError),
}

/// Commits what the log has published since the branch's last checkpoint. Gives the branch.
///
/// # Errors
/// An unreadable log or repository.
pub fn commit_tiles(repo: &Repo, log: &Log, author: &str) -> Result<String, EvidenceError> {
    let branch = ledger_branch(log.origin());
    let new = log.checkpoint()?;
    let tip = repo.tip(&format!("refs/heads/{branch}"));
    let old_note = match &tip {
        Some(tip) => repo.file(tip, "checkpoint")?,
        None => None,
    };
    let old = old_note.as_ref().map(|bytes| Checkpoint::open(bytes, log.verifier())).transpose()?;
    let old_size = old.as_ref().map_or(0, |c| c.size);
    // A cosigned checkpoint of the same size is news too.
    if tip.is_some() && old_note.as_deref() == Some(log.checkpoint_note()) {
        return Ok(branch);
    }
    // A log never publishes what does not continue what it published before.
    if old.is_some_and(|c| log.tree().root_at(c.size).ok() != Some(c.root)) {
        let why = format!("the branch {branch} holds another history of this log");
        return Err(LedgerError::Unverified { what: "the published log", why }.into());
    }
    let mut files = Files::new();
    tile::files_since(
        log.tree(),
        old_size,
        new.size,
        |range| log.bundle(range),
        |path, bytes| {
            files.insert(path, bytes);
            Ok(())
        },
    )?;
    files.insert("checkpoint".into(), log.checkpoint_note().to_vec());
    files.insert("log.vkey".into(), format!("{}\n", log.verifier()).into_bytes());
    repo.commit(&branch, &files, author, &format!("ledger: {} entries", new.size))?;
    Ok(branch)
}

/// Lets the branch of one's own log follow where it stands elsewhere, `theirs`: somebody else may have brought a part of
/// it there. What stands there must be of this very log.
///
/// # Errors
/// [`LedgerError::Unverified`] when it is another history.
pub fn follow_tiles(repo: &Repo, log: &Log, theirs: &str, author: &str) -> Result<(), EvidenceError> {
    let branch = ledger_branch(log.origin());
    let ours = repo.tip(&format!("refs/heads/{branch}"));
    if ours.as_ref().is_none_or(|ours| repo.follows(ours, theirs).unwrap_or(false)) {
        return Ok(());
    }
    let note = repo.file(theirs, "checkpoint")?.unwrap_or_default();
    let there = Checkpoint::open(&note, log.verifier())?;
    if log.tree().root_at(there.size).ok() != Some(there.root) {
        let why = format!("the branch {branch} holds another history of this log elsewhere");
        return Err(LedgerError::Unverified { what: "the published log", why }.into());
    }
    Ok(repo.join(&branch, theirs, author)?)
}

/// Whether the branch of a log has something for a place where it stands at `theirs`.
///
/// # Errors
/// A repository that cannot be read.
pub fn has_news(repo: &Repo, branch: &str, theirs: Option<&str>) -> Result<bool, EvidenceError> {
    let Some(ours) = repo.tip(&format!("refs/heads/{branch}")) else { return Ok(false) };
    let Some(theirs) = theirs.filter(|tip| repo.has(tip)) else { return Ok(theirs != Some(&ours)) };
    Ok(ours != theirs && !repo.same(theirs, &ours)?)
}

/// Puts a cosigned checkpoint beside the configs that a proposal's branch adds to `main`, and brings
/// the log's branch up to it. Gives the note as it stands there now.
///
/// # Errors
/// [`LedgerError::Unverified`] when the log has no such checkpoint, when it comes before the evidence, or
/// when cosignatures of another size stand there: all witnesses must cosign the same one.
pub fn commit_cosigned(
    repo: &Repo,
    log: &Log,
    branch: &str,
    note: &[u8],
    author: &str,
) -> Result<Vec<u8>, EvidenceError> {
    let cosigned = Checkpoint::open(note, log.verifier())?;
    let refuse = |why: String| LedgerError::Unverified { what: "the cosigned checkpoint", why };
    if log.tree().root_at(cosigned.size).ok() != Some(cosigned.root) {
        return Err(refuse(format!("the log has no such checkpoint of size {}", cosigned.size)).into());
    }
    let tip =
        repo.tip(&format!("refs/heads/{branch}")).ok_or_else(|| refuse(format!("there is no branch {branch}")))?;
    let brought = match repo.tip("refs/heads/main") {
        Some(main) => repo.changes(&main, &tip)?.into_iter().filter(|c| !c.before).map(|c| c.path).collect(),
        None => repo.list(&tip)?.into_keys().collect::<Vec<_>>(),
    };
    let mut files = Files::new();
    for path in brought.into_iter().filter(|p| p.starts_with("evidence/") && p.ends_with("/checkpoint")) {
        let there = repo.file(&tip, &path)?.unwrap_or_default();
        let size = Checkpoint::open(&there, log.verifier())?.size;
        if cosigned.size < size {
            return Err(refuse(format!("it is of size {}, the proposal's of size {size}", cosigned.size)).into());
        }
        if cosigned.size > size && Note::parse(&there)?.signatures.len() > 1 {
            let why = format!("cosignatures of size {size} stand there already; have all witnesses cosign one size");
            return Err(refuse(why).into());
        }
        let merged = if cosigned.size == size { merge(&there, note, log.verifier())? } else { note.to_vec() };
        files.insert(path, merged);
    }
    let Some(now) = files.values().next().cloned() else {
        return Err(refuse(format!("the branch {branch} proposes nothing")).into());
    };
    commit_tiles(repo, log, author)?;
    repo.commit(branch, &files, author, &format!("ledger: a cosigned checkpoint of size {}", cosigned.size))?;
    Ok(now)
}

/// The event at a position.
///
/// # Errors
/// When the log has none.
pub fn event_ref(log: &Log, seq: u64) -> Result<EventRef, LedgerError> {
    Ok(EventRef { seq, leaf: log.tree().leaf(seq)? })
}

/// The evidence files of a version: the checkpoint, and each event with its inclusion proof.
///
/// # Errors
/// When an event is not under the checkpoint.
pub fn files(log: &Log, reference: &LedgerRef, strategy: &str, version: u64) -> Result<Files, LedgerError> {
    let dir = evidence_dir(strategy, version);
    let checkpoint = log.checkpoint_note().to_vec();
    let mut out = Files::new();
    for (name, event) in reference.events() {
        let proof = Proof::new(log.tree(), event.seq, reference.size, &checkpoint)?;
        out.insert(format!("{dir}/{name}.entry"), log.entry_bytes(event.seq)?.to_vec());
        out.insert(format!("{dir}/{name}.tlog-proof"), proof.to_bytes());
    }
    out.insert(format!("{dir}/checkpoint"), checkpoint);
    Ok(out)
}
