//! A log from its tiles in git: replayed in full, or on from a pinned checkpoint.

use super::log::{Logs, Tiles, VerifiedLog};
use super::pins::{Host, Pin};
use super::refusal::{Code, GateError, refuse};
use super::studies::Follower;
use super::{memory, paths, recount};
use crate::repository::evidence::ledger_branch;
use crate::repository::folder::Unhashed;
use crate::repository::git::{Repo, is_zero};
use assay_ledger::audit::{Auditor, is_chunk};
use assay_ledger::keys::note::Verifier;
use assay_ledger::tree::tile::WIDTH;
use assay_ledger::tree::tile_check::TileCheck;
use assay_ledger::{Bytes, Checkpoint, LedgerError, Reason};
use assay_shared::policy::Policy;
use std::sync::mpsc::{SyncSender, channel, sync_channel};

/// Replays the log at `commit`: chain, authors, signatures, tree, checkpoint, hash tiles; and that
/// it continues the pin and the branch's earlier checkpoint.
///
/// # Errors
/// The first finding, with its sequence number and reason.
pub fn verify<'r>(
    repo: &'r Repo,
    commit: &str,
    old: Option<&str>,
    policy: &Policy,
    host: &Host,
) -> Result<VerifiedLog<'r>, GateError> {
    replay(repo, commit, old, &|origin| policy.verifier(origin), Some(host))
}

/// The host's own log as it stands on its branch, replayed in full. Its key is the one that it names itself: whoever
/// runs the host holds it, and a clone that was made before would show that it was rewritten.
///
/// # Errors
/// A log that does not verify, or is another's.
pub fn host_log<'r>(repo: &'r Repo, host: &Host) -> Result<Option<VerifiedLog<'r>>, GateError> {
    let origin = host.origin();
    let Some(tip) = repo.tip(&format!("refs/heads/{}", ledger_branch(&origin))) else { return Ok(None) };
    let named = repo.file(&tip, "log.vkey")?.unwrap_or_default();
    let named = String::from_utf8_lossy(&named).trim().parse::<Verifier>().ok().filter(|v| v.name == origin);
    replay(repo, &tip, None, &|name| named.clone().filter(|v| v.name == name), None).map(Some)
}

/// All logs of a policy that a repository has, each replayed in full and without pins: for who only looks.
///
/// # Errors
/// A log that does not verify.
pub fn logs<'r>(repo: &'r Repo, policy: &Policy) -> Result<Logs<'r>, GateError> {
    logs_beside(repo, policy, "")
}

/// The same without the log of this origin, which whoever asks has already.
///
/// # Errors
/// A log that does not verify.
pub fn logs_beside<'r>(repo: &'r Repo, policy: &Policy, own: &str) -> Result<Logs<'r>, GateError> {
    let mut out = Logs::new();
    let known = policy.origins.iter().filter_map(|o| o.vkey.parse::<Verifier>().ok());
    for verifier in known.filter(|verifier| verifier.name != own) {
        if let Some(tip) = repo.tip(&format!("refs/heads/{}", ledger_branch(&verifier.name))) {
            let log = replay(repo, &tip, None, &|origin| policy.verifier(origin), None)?;
            // Another's branch may hold a copy of it.
            if log.origin != own {
                out.insert(verifier.name, log);
            }
        }
    }
    Ok(out)
}

fn replay<'r>(
    repo: &'r Repo,
    commit: &str,
    old: Option<&str>,
    known: &dyn Fn(&str) -> Option<Verifier>,
    host: Option<&Host>,
) -> Result<VerifiedLog<'r>, GateError> {
    let (checkpoint, verifier) = checkpoint(repo, commit, known)?;
    let origin = verifier.name.clone();
    let pin = host.map(|host| host.pin(&origin)).transpose()?.flatten();
    let kept = host.filter(|_| old.is_none()).and_then(|h| memory::recall(repo, h, commit, &checkpoint, &verifier));
    if let Some(log) = kept {
        continues(&log, pin.as_ref())?;
        return Ok(log);
    }
    let verified = match &pin {
        Some(pin) if host.is_some_and(|host| !host.full) => pin.size.min(checkpoint.size),
        _ => 0,
    };
    let Follower { roster, gathering } = entries(repo, commit, &checkpoint, &origin, verified)?;
    if roster.log_key != Some(verifier.key.to_bytes()) {
        return refuse(Code::LogKey, origin, "the log's first entry names another checkpoint key than the policy");
    }
    let revoked = roster.members().filter(|m| m.revoked_at.is_some()).map(|m| m.key).collect();
    let mut log = VerifiedLog {
        pin: Pin { origin: origin.clone(), size: checkpoint.size, root: checkpoint.root, revoked },
        origin,
        roster,
        counts: gathering.tally.counts(),
        checked: Vec::new(),
        odd: gathering.odd.clone(),
        tiles: Tiles::new(repo, commit, checkpoint.size),
    };
    continues(&log, pin.as_ref())?;
    if let Some(old) = old {
        pushed(repo, (commit, old), &log, &verifier)?;
    }
    if let Some(host) = host {
        log.checked = memory::still(&log, host, &gathering.courses);
        log.checked.extend(recount::worth(&log, &gathering)?);
        memory::keep(host, &log, &verifier);
    }
    Ok(log)
}

/// The checkpoint of a branch, by the key that its log is known by.
fn checkpoint(
    repo: &Repo,
    commit: &str,
    known: &dyn Fn(&str) -> Option<Verifier>,
) -> Result<(Checkpoint, Verifier), GateError> {
    let Some(note) = repo.file(commit, "checkpoint")? else {
        return refuse(Code::NoCheckpoint, commit, "the branch has no checkpoint");
    };
    let origin = String::from_utf8_lossy(&note).lines().next().unwrap_or_default().to_string();
    let Some(verifier) = known(&origin) else {
        return refuse(Code::UnknownOrigin, origin, "the policy does not list this log");
    };
    match Checkpoint::open(&note, &verifier) {
        Ok(checkpoint) => Ok((checkpoint, verifier)),
        Err(e) => refuse(Code::BadCheckpoint, origin, e.to_string()),
    }
}

/// Verifies every entry, the tree, the checkpoint and the hash tiles, of the first `verified` entries all but the
/// signatures. One thread reads what the others verify, and no more of the log is in memory than they are at.
fn entries(
    repo: &Repo,
    commit: &str,
    checkpoint: &Checkpoint,
    origin: &str,
    verified: u64,
) -> Result<Follower, GateError> {
    let _held_against_its_tree = Unhashed::begin();
    // Of what is read so nothing is kept for the questions that are asked later.
    let (reader, checker) = (repo.again()?, repo.again()?);
    let tiles = Tiles::new(&checker, commit, checkpoint.size);
    let mut follower = Follower::default();
    let (give, leaves) = channel();
    let mut check = TileCheck::new(|path: &str| tiles.file(path));
    let mut auditor = Auditor::new(origin, &mut follower).leaves_to(move |leaf| {
        let _ = give.send(leaf);
    });
    auditor.expect(checkpoint.clone());
    let reading = std::thread::scope(|scope| {
        let (give, chunks) = sync_channel::<Vec<Bytes>>(1);
        let reading = scope.spawn(move || read(&Tiles::new(&reader, commit, checkpoint.size), &give));
        for mut chunk in chunks {
            let old = verified.saturating_sub(auditor.len()).min(chunk.len() as u64) as usize;
            let new = chunk.split_off(old);
            auditor.push_verified(chunk);
            auditor.push(new);
            leaves.try_iter().for_each(|leaf| check.push(leaf));
        }
        reading.join()
    });
    let lost = || GateError::Host { what: "a log could not be read".into() };
    if let Err(e) = reading.map_err(|_| lost())? {
        return refuse(Code::BadTiles, origin, e.to_string());
    }
    auditor.finish()?;
    if let Some(f) = auditor.findings.iter().min_by_key(|f| f.seq) {
        return refuse(code(f.reason), format!("{origin} entry {}", f.seq), f.detail.clone());
    }
    drop(auditor);
    leaves.try_iter().for_each(|leaf| check.push(leaf));
    match check.finish()?.first() {
        Some((_, what)) => refuse(Code::BadTiles, origin, what.clone()),
        None => Ok(follower),
    }
}

/// Gives the entries bundle by bundle, enough at once to keep the others busy.
fn read(tiles: &Tiles<'_>, give: &SyncSender<Vec<Bytes>>) -> Result<(), LedgerError> {
    let mut chunk = Vec::new();
    for n in 0..tiles.size().div_ceil(WIDTH) {
        chunk.extend(tiles.bundle(n)?);
        if is_chunk(&chunk) && give.send(std::mem::take(&mut chunk)).is_err() {
            break;
        }
    }
    let _ = give.send(chunk);
    Ok(())
}

/// What only a push of a log's branch must keep: that it holds nothing else, that it continues what stood there, and
/// that this release knows all that is new.
fn pushed(
    repo: &Repo,
    (commit, old): (&str, &str),
    log: &VerifiedLog<'_>,
    verifier: &Verifier,
) -> Result<(), GateError> {
    paths::tiles(repo, commit, &verifier.to_string())?;
    let before = if is_zero(old) { None } else { repo.file(old, "checkpoint")? };
    let before = before.map(|bytes| Checkpoint::open(&bytes, verifier)).transpose()?;
    let size = before.as_ref().map_or(0, |c| c.size);
    let origin = &log.origin;
    let before = before.map(|c| Pin { origin: origin.clone(), size: c.size, root: c.root, revoked: Vec::new() });
    continues(log, before.as_ref())?;
    // Once it stands here, nothing could be promoted after it any more: say so before.
    if let Some(at) = log.roster.unknown.filter(|at| *at >= size) {
        let what = "an event of a kind or version that this release does not know; update this host first";
        return refuse(Code::UnsupportedEvent, format!("{origin} entry {at}"), what);
    }
    // The same of one that is not what it should be: nobody could promote beside it.
    if let Some((at, what)) = log.odd.as_ref().filter(|(at, _)| *at >= size) {
        return refuse(Code::MalformedEvent, format!("{origin} entry {at}"), what.clone());
    }
    Ok(())
}

/// That a log continues an earlier checkpoint: no rollback, no fork.
fn continues(log: &VerifiedLog<'_>, pin: Option<&Pin>) -> Result<(), GateError> {
    let Some(pin) = pin else { return Ok(()) };
    if pin.size > log.len() {
        return refuse(Code::Rollback, &log.origin, format!("size {} < last seen {}", log.len(), pin.size));
    }
    if log.root_at(pin.size) != Some(pin.root) {
        let what = format!("its first {} entries are not the ones that were verified before", pin.size);
        return refuse(Code::Fork, &log.origin, what);
    }
    Ok(())
}

/// The branch a log must stand on.
pub fn branch_of(origin: &str) -> String {
    ledger_branch(origin)
}

fn code(reason: Reason) -> Code {
    match reason {
        Reason::BadEncoding => Code::BadEncoding,
        Reason::WrongOrigin => Code::WrongOrigin,
        Reason::WrongSequence => Code::WrongSequence,
        Reason::ChainBreak => Code::ChainBreak,
        Reason::BadSignature => Code::BadSignature,
        Reason::UnknownKey => Code::UnknownKey,
        Reason::RevokedKey => Code::RevokedKey,
        Reason::RoleNotAllowed => Code::RoleNotAllowed,
        Reason::TimeRegressed => Code::TimeRegressed,
        Reason::DuplicateId => Code::DuplicateId,
        Reason::BadPayload => Code::BadPayload,
        Reason::ShorterThanCheckpoint => Code::ShorterThanCheckpoint,
        Reason::RootMismatch => Code::RootMismatch,
        Reason::BadCheckpoint => Code::BadCheckpoint,
        Reason::JournalDamaged => Code::JournalDamaged,
        Reason::IndexDiffers => Code::IndexDiffers,
        Reason::BadTile => Code::BadTiles,
    }
}
