//! What a host remembers of a log that it has verified, so that a push is judged without reading the log again: its
//! keys, its studies as they count for others, and the studies that were computed again without a finding.
//!
//! It is named by the commit of the log's branch, whose files are what was verified, and by this program's version,
//! since another one may check more. What is torn or altered is forgotten: the log is read again.

use super::checked::Checked;
use super::log::{Tiles, VerifiedLog};
use super::pins::{Host, Pin};
use super::studies::Course;
use crate::repository::git::Repo;
use assay_ledger::keys::note::Verifier;
use assay_ledger::storage::disk::{RealDisk, replace};
use assay_ledger::{Checkpoint, Hash, PublicKey};
use assay_shared::RESULTS;
use assay_shared::event::roster::{Member, Role, Roster};
use assay_shared::recount::Counts;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    vkey: String,
    commit: String,
    size: u64,
    root: Hash,
    members: Vec<KeptMember>,
    log_key: Option<[u8; 32]>,
    unknown: Option<u64>,
    threshold: u32,
    counts: Counts,
    checked: Vec<Checked>,
    odd: Option<(u64, String)>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptMember {
    person: String,
    roles: Vec<String>,
    key: PublicKey,
    revoked_at: Option<u64>,
}

impl KeptMember {
    fn of(m: &Member) -> KeptMember {
        let roles = m.roles.iter().map(|r| r.name().to_string()).collect();
        KeptMember { person: m.person.clone(), roles, key: m.key, revoked_at: m.revoked_at }
    }

    fn member(self) -> Option<Member> {
        let roles = self.roles.iter().map(|r| Role::parse(r)).collect::<Option<Vec<_>>>()?;
        Some(Member { person: self.person, roles, key: self.key, revoked_at: self.revoked_at })
    }
}

fn path(host: &Host, origin: &str) -> PathBuf {
    let key = [b"assay/log/v2\0", &RESULTS.to_be_bytes()[..], env!("CARGO_PKG_VERSION").as_bytes(), origin.as_bytes()];
    host.dir().join("logs").join(format!("{}.json", Hash::of(&key.concat()).short()))
}

/// The text behind its own hash, so that what was altered is told from what was written.
fn read(host: &Host, origin: &str) -> Option<Kept> {
    let text = std::fs::read_to_string(path(host, origin)).ok().filter(|_| !host.full)?;
    let (sum, text) = text.split_once('\n')?;
    (Hash::of(text.as_bytes()).to_string() == sum).then(|| serde_json::from_str(text).ok()).flatten()
}

/// A log as it was verified, if it was at this very commit.
pub(super) fn recall<'r>(
    repo: &'r Repo,
    host: &Host,
    commit: &str,
    checkpoint: &Checkpoint,
    verifier: &Verifier,
) -> Option<VerifiedLog<'r>> {
    let kept = read(host, &verifier.name)?;
    let same = kept.commit == commit
        && kept.vkey == verifier.to_string()
        && (kept.size, kept.root) == (checkpoint.size, checkpoint.root);
    let members = kept.members.into_iter().map(KeptMember::member).collect::<Option<Vec<_>>>().filter(|_| same)?;
    let revoked = members.iter().filter(|m| m.revoked_at.is_some()).map(|m| m.key).collect();
    let origin = verifier.name.clone();
    Some(VerifiedLog {
        pin: Pin { origin: origin.clone(), size: kept.size, root: kept.root, revoked },
        origin,
        roster: Roster::of(members, kept.log_key, kept.unknown, kept.threshold),
        counts: kept.counts,
        checked: kept.checked,
        odd: kept.odd,
        tiles: Tiles::new(repo, commit, kept.size),
    })
}

/// The studies that were computed again in what a log continues, as far as nothing came to them since.
pub(super) fn still(log: &VerifiedLog<'_>, host: &Host, courses: &BTreeMap<[u8; 16], Course>) -> Vec<Checked> {
    let kept = read(host, &log.origin).filter(|kept| log.root_at(kept.size) == Some(kept.root));
    let mut checked = kept.map(|kept| kept.checked).unwrap_or_default();
    checked.retain(|c| courses.iter().any(|(id, course)| c.is(id, course)));
    checked
}

/// Remembers a log, unless the host is only looked at. A host whose folder cannot be written reads it again.
pub(super) fn keep(host: &Host, log: &VerifiedLog<'_>, verifier: &Verifier) {
    let kept = Kept {
        vkey: verifier.to_string(),
        commit: log.tiles.commit().into(),
        size: log.pin.size,
        root: log.pin.root,
        members: log.roster.members().map(KeptMember::of).collect(),
        log_key: log.roster.log_key,
        unknown: log.roster.unknown,
        threshold: log.roster.threshold,
        counts: log.counts.clone(),
        checked: log.checked.clone(),
        odd: log.odd.clone(),
    };
    let path = path(host, &log.origin);
    let made = !host.looks && path.parent().is_some_and(|dir| std::fs::create_dir_all(dir).is_ok());
    if let (true, Ok(text)) = (made, serde_json::to_string(&kept)) {
        let _ = replace(&RealDisk, &path, format!("{}\n{text}", Hash::of(text.as_bytes())).as_bytes());
    }
}
