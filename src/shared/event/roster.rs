//! Who may record what, position by position: the log's own key events decide, not clocks.

use super::{Event, EventError, KeyRotated, rotation_message};
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
    /// All roles.
    pub const ALL: [Role; 3] = [Role::Admin, Role::Researcher, Role::Deployer];

    /// Its name, as key events have it.
    pub fn name(self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::Researcher => "researcher",
            Role::Deployer => "deployer",
        }
    }

    /// Reads a role's name.
    pub fn parse(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|r| r.name() == name)
    }

    /// The names of all roles, for messages.
    pub fn list() -> String {
        Role::ALL.map(Role::name).join(", ")
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
    /// The first event of a kind or version that is not known here: nothing is promoted after it.
    pub unknown: Option<u64>,
}

type Refusal = (Reason, String);

fn needed(event: &Event) -> Role {
    match event {
        Event::LabCreated(_) | Event::KeyAdded(_) | Event::KeyRevoked(_) | Event::KeyRotated(_) => Role::Admin,
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

    /// A roster of these keys, as it was read together before.
    pub fn of(members: Vec<Member>, log_key: Option<[u8; 32]>, unknown: Option<u64>) -> Roster {
        Roster { members: members.into_iter().map(|m| (m.key.id(), m)).collect(), log_key, unknown }
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
        let own = member.key.to_bytes();
        let own_key = match event {
            Some(Event::KeyRevoked(e)) => e.key == own,
            Some(Event::KeyRotated(e)) => e.old == own,
            _ => false,
        };
        if let Some(role) = event.map(needed)
            && !member.roles.contains(&role)
            && !own_key
        {
            return Err((Reason::RoleNotAllowed, format!("{} is no {role:?}", member.person)));
        }
        Ok(member.key)
    }

    /// Whether an event by a key would be admitted at the next position: what a writer asks before
    /// it records anything.
    ///
    /// # Errors
    /// The refusal that verification would end with.
    pub fn would_admit(&self, key: &KeyId, seq: u64, origin: &str, event: &Event) -> Result<(), Refusal> {
        self.allows(key, Some(event))?;
        match event {
            Event::KeyAdded(_) | Event::KeyRevoked(_) | Event::KeyRotated(_) | Event::LabCreated(_) => {
                self.clone().observe(seq, origin, event)
            }
            _ => Ok(()),
        }
    }

    /// Whether somebody could still add keys if `key` counted no more.
    fn admin_besides(&self, key: &KeyId) -> bool {
        let counts = |m: &Member| m.revoked_at.is_none() && m.roles.contains(&Role::Admin);
        self.members.iter().any(|(id, m)| id != key && counts(m))
    }

    fn rotate(&mut self, seq: u64, origin: &str, e: &KeyRotated) -> Result<(), Refusal> {
        let bad = |what: &str| Err((Reason::BadPayload, what.to_string()));
        let (old, new) = (key_of(&e.old)?, key_of(&e.new)?);
        if new.verify_strict(&rotation_message(origin, &e.old, &e.new), &e.proof).is_err() {
            return bad("the new key did not sign the rotation");
        }
        if self.members.contains_key(&new.id()) {
            return bad("the new key is known already");
        }
        let Some(member) = self.members.get_mut(&old.id()).filter(|m| m.revoked_at.is_none()) else {
            return bad("the old key is unknown or counts no more");
        };
        let next = Member { key: new, ..member.clone() };
        member.revoked_at = Some(seq);
        self.members.insert(new.id(), next);
        Ok(())
    }

    fn observe(&mut self, seq: u64, origin: &str, event: &Event) -> Result<(), Refusal> {
        match event {
            Event::KeyRotated(e) => return self.rotate(seq, origin, e),
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
                if !self.admin_besides(&key.id()) {
                    return Err((Reason::BadPayload, "it would leave nobody who may add keys".into()));
                }
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
            Err(EventError::Unsupported { .. }) => {
                self.unknown.get_or_insert(entry.seq);
                None
            }
            Err(e) => return Err((Reason::BadPayload, e.to_string())),
        };
        let key = self.allows(&entry.author, event.as_ref())?;
        event.map_or(Ok(()), |e| self.observe(entry.seq, entry.origin(), &e))?;
        Ok(key)
    }

    fn log_key(&self) -> Option<[u8; 32]> {
        self.log_key
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

    /// A log founded by key 1, with key 9 for its checkpoints.
    struct Stage {
        _dir: tempfile::TempDir,
        log: Log,
    }

    fn stage() -> Stage {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::create(&dir.path().join("l"), "t.example/lab", &signer(9)).unwrap();
        let mut stage = Stage { _dir: dir, log };
        let (key, log_key) = (raw(1), raw(9));
        stage.put(LabCreated { lab: "t".into(), founder: "ana".into(), key, log_key, engine_version: "0".into() }, 1);
        stage
    }

    impl Stage {
        fn put(&mut self, event: impl Into<Event>, by: u8) {
            self.log.append(&[event.into().draft().unwrap()], &signer(by)).unwrap();
        }

        fn add(&mut self, person: &str, role: &str, key: u8) {
            self.put(KeyAdded { person: person.into(), roles: vec![role.into()], key: raw(key) }, 1);
        }

        fn fact(&mut self, n: u8, by: u8) {
            self.put(StudyClosed { study_id: [n; 16], trials: 0, best: None, statistics: vec![] }, by);
        }

        fn rotate(&mut self, old: u8, new: u8, by: u8, origin: &str) {
            let proof = signer(new).sign(&rotation_message(origin, &raw(old), &raw(new))).unwrap();
            self.put(KeyRotated { old: raw(old), new: raw(new), proof }, by);
        }

        fn findings(&self) -> Vec<(u64, Reason)> {
            let mut roster = Roster::new();
            let mut auditor = Auditor::new("t.example/lab", &mut roster);
            auditor.push((0..self.log.len()).map(|s| self.log.entry_bytes(s).unwrap()).collect());
            auditor.finish().unwrap();
            auditor.findings.iter().map(|f| (f.seq, f.reason)).collect()
        }
    }

    /// K-05, L-13: revocation counts from its position; roles and unknown keys are refused.
    #[test]
    fn k05_l13_keys_count_by_position() {
        let mut s = stage();
        s.add("cyd", "researcher", 2);
        s.fact(1, 2);
        s.put(KeyAdded { person: "eve".into(), roles: vec!["admin".into()], key: raw(3) }, 2);
        s.put(KeyRevoked { key: raw(2), reason: "left".into() }, 1);
        s.fact(2, 2);
        s.fact(3, 4);
        assert_eq!(s.findings(), [(3, Reason::RoleNotAllowed), (5, Reason::RevokedKey), (6, Reason::UnknownKey)]);
    }

    /// K-07: a key may revoke itself without being an admin's; nobody else's without.
    #[test]
    fn k07_who_may_revoke() {
        let mut s = stage();
        s.add("cyd", "researcher", 2);
        s.add("dan", "researcher", 3);
        s.put(KeyRevoked { key: raw(3), reason: "spite".into() }, 2);
        s.put(KeyRevoked { key: raw(2), reason: "leaked".into() }, 2);
        s.fact(1, 3);
        s.fact(2, 2);
        assert_eq!(s.findings(), [(3, Reason::RoleNotAllowed), (6, Reason::RevokedKey)]);
    }

    /// K-08: a new key is introduced by the old one and by itself, or not at all.
    #[test]
    fn k08_rotation() {
        let mut s = stage();
        s.add("cyd", "researcher", 2);
        s.rotate(2, 5, 5, "t.example/lab");
        s.rotate(2, 6, 2, "other.example/lab");
        s.rotate(2, 4, 2, "t.example/lab");
        s.fact(1, 4);
        s.fact(2, 2);
        s.rotate(1, 7, 4, "t.example/lab");
        let expected =
            [(2, Reason::UnknownKey), (3, Reason::BadPayload), (6, Reason::RevokedKey), (7, Reason::RoleNotAllowed)];
        assert_eq!(s.findings(), expected);
    }

    /// K-10: the last admin's key cannot be revoked, only rotated.
    #[test]
    fn k10_the_last_admin_stays() {
        let mut s = stage();
        s.add("cyd", "researcher", 2);
        s.put(KeyRevoked { key: raw(1), reason: "oops".into() }, 1);
        s.rotate(1, 5, 1, "t.example/lab");
        s.put(KeyAdded { person: "dan".into(), roles: vec!["admin".into()], key: raw(6) }, 5);
        s.put(KeyRevoked { key: raw(5), reason: "left".into() }, 6);
        assert_eq!(s.findings(), [(2, Reason::BadPayload)]);
    }
}
