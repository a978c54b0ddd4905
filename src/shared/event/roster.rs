//! Who may record what, position by position: the log's own key events decide, not clocks.

use super::{Event, EventError};
use assay_ledger::{Authority, Entry, KeyId, PublicKey, Reason};
use std::collections::BTreeMap;

/// A role in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Adds and revokes keys.
    Admin,
    /// Records research and proposals.
    Researcher,
    /// Records deployments, rejections and drift.
    Deployer,
}

impl Role {
    /// Reads a role's name.
    pub fn parse(name: &str) -> Option<Role> {
        match name {
            "admin" => Some(Role::Admin),
            "researcher" => Some(Role::Researcher),
            "deployer" => Some(Role::Deployer),
            _ => None,
        }
    }
}

/// A key that counts, or counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Whose key it is.
    pub person: String,
    /// What it may record.
    pub roles: Vec<Role>,
    /// The key.
    pub key: PublicKey,
    /// From this position on it counts no more.
    pub revoked_at: Option<u64>,
}

/// The keys of a log as its entries so far say.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    members: BTreeMap<KeyId, Member>,
    /// The raw log key that the first entry names.
    pub log_key: Option<[u8; 32]>,
}

type Refusal = (Reason, String);

fn needed(event: &Event) -> Role {
    match event {
        Event::LabCreated(_) | Event::KeyAdded(_) | Event::KeyRevoked(_) => Role::Admin,
        Event::ApprovalRecorded(_) | Event::PromotionDeployed(_) | Event::DriftDetected(_) | Event::DriftHealed(_) => {
            Role::Deployer
        }
        _ => Role::Researcher,
    }
}

fn key_of(raw: &[u8; 32]) -> Result<PublicKey, Refusal> {
    PublicKey::from_bytes(raw).ok_or_else(|| (Reason::BadPayload, "it names a weak or impossible key".into()))
}

impl Roster {
    /// An empty roster, before the first entry.
    pub fn new() -> Roster {
        Roster::default()
    }

    /// All keys that ever counted.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// The person behind a key that counts now.
    pub fn person(&self, key: &KeyId) -> Option<&str> {
        self.members.get(key).filter(|m| m.revoked_at.is_none()).map(|m| m.person.as_str())
    }

    /// Whether a key may record an event now.
    ///
    /// # Errors
    /// Unknown key, revoked key, or missing role.
    pub fn allows(&self, key: &KeyId, event: Option<&Event>) -> Result<PublicKey, Refusal> {
        let unknown = || (Reason::UnknownKey, format!("nobody vouched for the key {key}"));
        let member = self.members.get(key).ok_or_else(unknown)?;
        if let Some(at) = member.revoked_at {
            return Err((Reason::RevokedKey, format!("the key {key} of {} was revoked at entry {at}", member.person)));
        }
        let own_revocation = matches!(event, Some(Event::KeyRevoked(r)) if r.key == member.key.to_bytes());
        if let Some(role) = event.map(needed)
            && !member.roles.contains(&role)
            && !own_revocation
        {
            return Err((Reason::RoleNotAllowed, format!("{} is no {role:?}", member.person)));
        }
        Ok(member.key)
    }

    fn observe(&mut self, seq: u64, event: &Event) -> Result<(), Refusal> {
        match event {
            Event::KeyAdded(e) => {
                let roles = e.roles.iter().filter_map(|r| Role::parse(r)).collect();
                let key = key_of(&e.key)?;
                if self.members.contains_key(&key.id()) {
                    return Err((Reason::BadPayload, format!("the key {} is known already", key.id())));
                }
                self.members.insert(key.id(), Member { person: e.person.clone(), roles, key, revoked_at: None });
            }
            Event::KeyRevoked(e) => {
                let key = key_of(&e.key)?;
                let member = self
                    .members
                    .get_mut(&key.id())
                    .ok_or((Reason::BadPayload, "it revokes an unknown key".to_string()))?;
                member.revoked_at.get_or_insert(seq);
            }
            Event::LabCreated(_) => return Err((Reason::BadPayload, "a log is created once".into())),
            _ => {}
        }
        Ok(())
    }

    fn found(&mut self, entry: &Entry) -> Result<PublicKey, Refusal> {
        let Ok(Event::LabCreated(e)) = Event::of(entry) else {
            return Err((Reason::BadPayload, "a log begins with LabCreated".into()));
        };
        let key = key_of(&e.key)?;
        if key.id() != entry.author {
            return Err((Reason::UnknownKey, "the first entry must be signed by the founder's key".into()));
        }
        let roles = vec![Role::Admin, Role::Researcher, Role::Deployer];
        self.members.insert(key.id(), Member { person: e.founder, roles, key, revoked_at: None });
        self.log_key = Some(e.log_key);
        Ok(key)
    }
}

impl Authority for Roster {
    fn admit(&mut self, entry: &Entry) -> Result<PublicKey, Refusal> {
        if entry.seq == 0 {
            return self.found(entry);
        }
        let event = match Event::of(entry) {
            Ok(event) => Some(event),
            // Kinds of later releases: chain and signature verify over opaque bytes.
            Err(EventError::Unsupported { .. }) => None,
            Err(e) => return Err((Reason::BadPayload, e.to_string())),
        };
        let key = self.allows(&entry.author, event.as_ref())?;
        event.map_or(Ok(()), |e| self.observe(entry.seq, &e))?;
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{KeyAdded, KeyRevoked, LabCreated, StudyClosed};
    use assay_ledger::audit::Auditor;
    use assay_ledger::{Log, Signer};

    fn signer(n: u8) -> Signer {
        Signer::from_seed([n; 32])
    }

    fn raw(n: u8) -> [u8; 32] {
        signer(n).public().to_bytes()
    }

    /// K-05, L-13: revocation counts from its position; roles and unknown keys are refused.
    #[test]
    fn k05_l13_keys_count_by_position() {
        let dir = std::env::temp_dir().join(format!("assay-roster-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let mut log = Log::create(&dir, "t.example/lab", &signer(9)).unwrap();
        let created = LabCreated {
            lab: "t".into(),
            founder: "ana".into(),
            key: raw(1),
            log_key: raw(9),
            engine_version: "0".into(),
        };
        let fact = |n| StudyClosed { study_id: [n; 16], trials: 0, best: None, statistics: vec![] };
        let mut put = |e: Event, by: u8| log.append(&[e.draft().unwrap()], &signer(by)).unwrap();
        put(created.into(), 1);
        put(KeyAdded { person: "cyd".into(), roles: vec!["researcher".into()], key: raw(2) }.into(), 1);
        put(fact(1).into(), 2);
        put(KeyAdded { person: "eve".into(), roles: vec!["admin".into()], key: raw(3) }.into(), 2);
        put(KeyRevoked { key: raw(2), reason: "left".into() }.into(), 1);
        put(fact(2).into(), 2);
        put(fact(3).into(), 4);
        let mut roster = Roster::new();
        let mut auditor = Auditor::new("t.example/lab", &mut roster);
        auditor.push((0..7).map(|s| log.entry_bytes(s).unwrap()).collect());
        auditor.finish();
        let found: Vec<_> = auditor.findings.iter().map(|f| (f.seq, f.reason)).collect();
        assert_eq!(found, [(3, Reason::RoleNotAllowed), (5, Reason::RevokedKey), (6, Reason::UnknownKey)]);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
