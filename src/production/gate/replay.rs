//! A log from its tiles in git: replayed in full, or on from a pinned checkpoint.

use super::paths;
use super::pins::{Host, Pin};
use super::refusal::{Code, GateError, refuse};
use crate::repository::evidence::ledger_branch;
use crate::repository::git::{Repo, is_zero};
use assay_ledger::audit::Auditor;
use assay_ledger::keys::note::Verifier;
use assay_ledger::tree::merkle::{Nodes as _, Tree};
use assay_ledger::tree::tile_check::TileCheck;
use assay_ledger::{Bytes, Checkpoint, Entry, Hash, LedgerError, Reason, tree::tile};
use assay_shared::event::roster::Roster;
use assay_shared::event::{Event, EventError};
use assay_shared::format::config::EventRef;
use assay_shared::policy::Policy;
use std::collections::BTreeMap;

/// A log whose chain, signatures, roster, tree and checkpoint verified.
#[derive(Debug)]
pub struct VerifiedLog {
    /// The log's name.
    pub origin: String,
    /// Size and root.
    pub pin: Pin,
    entries: Vec<Bytes>,
    tree: Tree,
    /// Its keys.
    pub roster: Roster,
}

/// The logs a judgement may rely on, by origin.
pub type Logs = BTreeMap<String, VerifiedLog>;

impl VerifiedLog {
    /// Number of entries.
    pub fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    /// True without entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// An entry by position.
    ///
    /// # Errors
    /// No such entry.
    pub fn entry(&self, seq: u64) -> Result<Entry, GateError> {
        let place = || format!("{} entry {seq}", self.origin);
        match self.entries.get(seq as usize) {
            Some(bytes) => Ok(Entry::decode(bytes.clone())?),
            None => refuse(Code::EventMissing, place(), "the log has no such entry"),
        }
    }

    /// Root of the first `size` entries.
    pub fn root_at(&self, size: u64) -> Option<Hash> {
        self.tree.root_at(size).ok()
    }

    /// An event by position; its leaf must be the one that is named.
    ///
    /// # Errors
    /// No such entry, another entry, or an event this version does not know.
    pub fn event(&self, name: &str, at: &EventRef) -> Result<(Entry, Event), GateError> {
        let place = format!("{} entry {}", self.origin, at.seq);
        let Some(bytes) = self.entries.get(at.seq as usize) else {
            return refuse(Code::EventMissing, place, format!("the {name} event is not in the log"));
        };
        let entry = Entry::decode(bytes.clone())?;
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

/// Replays the log at `commit`: chain, authors, signatures, tree, checkpoint, hash tiles; and that
/// it continues the pin and the branch's earlier checkpoint.
///
/// # Errors
/// The first finding, with its sequence number and reason.
pub fn verify(
    repo: &Repo,
    commit: &str,
    old: Option<&str>,
    policy: &Policy,
    host: &Host,
) -> Result<VerifiedLog, GateError> {
    replay(repo, commit, old, &|origin| policy.verifier(origin), Some(host))
}

/// The host's own log as it stands on its branch, replayed in full. Its key is the one that it names itself: whoever
/// runs the host holds it, and a clone that was made before would show that it was rewritten.
///
/// # Errors
/// A log that does not verify, or is another's.
pub fn host_log(repo: &Repo, host: &Host) -> Result<Option<VerifiedLog>, GateError> {
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
pub fn logs(repo: &Repo, policy: &Policy) -> Result<Logs, GateError> {
    let mut out = Logs::new();
    for verifier in policy.origins.iter().filter_map(|o| o.vkey.parse::<Verifier>().ok()) {
        if let Some(tip) = repo.tip(&format!("refs/heads/{}", ledger_branch(&verifier.name))) {
            out.insert(verifier.name, replay(repo, &tip, None, &|origin| policy.verifier(origin), None)?);
        }
    }
    Ok(out)
}

fn replay(
    repo: &Repo,
    commit: &str,
    old: Option<&str>,
    known: &dyn Fn(&str) -> Option<Verifier>,
    host: Option<&Host>,
) -> Result<VerifiedLog, GateError> {
    let Some(note) = repo.file(commit, "checkpoint")? else {
        return refuse(Code::NoCheckpoint, commit, "the branch has no checkpoint");
    };
    let origin = String::from_utf8_lossy(&note).lines().next().unwrap_or_default().to_string();
    let Some(verifier) = known(&origin) else {
        return refuse(Code::UnknownOrigin, origin, "the policy does not list this log");
    };
    let checkpoint = match Checkpoint::open(&note, &verifier) {
        Ok(c) => c,
        Err(e) => return refuse(Code::BadCheckpoint, origin, e.to_string()),
    };
    let read = |path: &str| match repo.file(commit, path) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(LedgerError::Malformed { what: "tiled log", why: format!("{path} is missing") }),
        Err(e) => Err(LedgerError::Malformed { what: "tiled log", why: e.to_string() }),
    };
    let entries = match tile::read_entries(0, checkpoint.size, read) {
        Ok(entries) => entries,
        Err(e) => return refuse(Code::BadTiles, origin, e.to_string()),
    };
    let pin = host.map(|host| host.pin(&origin)).transpose()?.flatten();
    let verified =
        if host.is_some_and(|host| host.full) { 0 } else { pin.as_ref().map_or(0, |p| p.size.min(checkpoint.size)) };
    let mut roster = Roster::new();
    let mut tree = Tree::new();
    let mut auditor = Auditor::new(&origin, &mut roster).leaves_to(|leaf| tree.push(leaf));
    auditor.expect(checkpoint.clone());
    auditor.push_verified(entries[..verified as usize].to_vec());
    auditor.push(entries[verified as usize..].to_vec());
    auditor.finish()?;
    if let Some(f) = auditor.findings.iter().min_by_key(|f| f.seq) {
        return refuse(code(f.reason), format!("{origin} entry {}", f.seq), f.detail.clone());
    }
    drop(auditor);
    if roster.log_key != Some(verifier.key.to_bytes()) {
        return refuse(Code::LogKey, origin, "the log's first entry names another checkpoint key than the policy");
    }
    continues(&tree, pin.as_ref(), &origin)?;
    if let Some(old) = old {
        paths::tiles(repo, commit, &verifier.to_string())?;
        let before = if is_zero(old) { None } else { repo.file(old, "checkpoint")? };
        let before = before.map(|bytes| Checkpoint::open(&bytes, &verifier)).transpose()?;
        let size = before.as_ref().map_or(0, |c| c.size);
        let before = before.map(|c| Pin { origin: origin.clone(), size: c.size, root: c.root, revoked: Vec::new() });
        continues(&tree, before.as_ref(), &origin)?;
        // Once it stands here, nothing could be promoted after it any more: say so before.
        if let Some(at) = roster.unknown.filter(|at| *at >= size) {
            let what = "an event of a kind or version that this release does not know; update this host first";
            return refuse(Code::UnsupportedEvent, format!("{origin} entry {at}"), what);
        }
    }
    let mut tiles = TileCheck::new(read);
    for seq in 0..tree.len() {
        tiles.push(tree.leaf(seq)?);
    }
    if let Some((_, what)) = tiles.finish()?.first() {
        return refuse(Code::BadTiles, origin, what.clone());
    }
    let revoked = roster.members().filter(|m| m.revoked_at.is_some()).map(|m| m.key).collect();
    let pin = Pin { origin: origin.clone(), size: checkpoint.size, root: checkpoint.root, revoked };
    Ok(VerifiedLog { origin, pin, entries, tree, roster })
}

/// That the tree continues an earlier checkpoint: no rollback, no fork.
fn continues(tree: &Tree, pin: Option<&Pin>, origin: &str) -> Result<(), GateError> {
    let Some(pin) = pin else { return Ok(()) };
    match tree.root_at(pin.size) {
        Err(_) => refuse(Code::Rollback, origin, format!("size {} < last seen {}", tree.len(), pin.size)),
        Ok(root) if root != pin.root => refuse(
            Code::Fork,
            origin,
            format!("its first {} entries are not the ones that were verified before", pin.size),
        ),
        Ok(_) => Ok(()),
    }
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
