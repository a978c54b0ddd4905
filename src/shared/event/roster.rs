//! Who may record what, position by position: the log's own key events decide, not clocks.

use super::change::{Change, Changed};
use super::{Event, EventError, rotation_message};
use assay_ledger::{Authority, Entry, KeyId, PublicKey, Reason};
use std::collections::{BTreeMap, BTreeSet};

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
    /// How many admins a change of who counts needs.
    pub threshold: u32,
}

type Refusal = (Reason, String);

fn needed(event: &Event) -> Role {
    match event {
        Event::LabCreated(_) | Event::KeyThresholdSet(_) | Event::LogFollowed(_) => Role::Admin,
        event if Change::of(event).is_some() => Role::Admin,
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
    pub fn of(members: Vec<Member>, log_key: Option<[u8; 32]>, unknown: Option<u64>, threshold: u32) -> Roster {
        Roster { members: members.into_iter().map(|m| (m.key.id(), m)).collect(), log_key, unknown, threshold }
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
        let own_key = event.and_then(Change::of).is_some_and(|change| change.leaves() == Some(own));
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
        let about_keys =
            Change::of(event).is_some() || matches!(event, Event::LabCreated(_) | Event::KeyThresholdSet(_));
        if about_keys { self.clone().observe(seq, origin, key, event) } else { Ok(()) }
    }

    /// Whether somebody could still add keys if `key` counted no more.
    fn admin_besides(&self, key: &KeyId) -> bool {
        let counts = |m: &Member| m.revoked_at.is_none() && m.roles.contains(&Role::Admin);
        self.members.iter().any(|(id, m)| id != key && counts(m))
    }

    /// Whether a change is one of those that need several admins: it could make or unmake one, or takes
    /// away from somebody else.
    fn is_weighty(&self, author: &KeyId, change: &Change<'_>) -> bool {
        let of = |raw: &[u8; 32]| PublicKey::from_bytes(raw).and_then(|key| self.members.get(&key.id()));
        match change.what {
            Changed::Added { roles, .. } => roles.iter().any(|r| Role::parse(r) == Some(Role::Admin)),
            Changed::Revoked { key } => of(key).is_none_or(|m| m.key.id() != *author),
            Changed::Rotated { old, .. } => of(old).is_none_or(|m| m.roles.contains(&Role::Admin)),
        }
    }

    /// The people who count as admins now.
    fn admins(&self) -> BTreeSet<&str> {
        let counts = |m: &&Member| m.revoked_at.is_none() && m.roles.contains(&Role::Admin);
        self.members.values().filter(counts).map(|m| m.person.as_str()).collect()
    }

    /// Enough admins agree to a change: its author, and those whose consents stand in it.
    fn agreed(&self, origin: &str, author: &KeyId, change: &Change<'_>) -> Result<(), Refusal> {
        let admins = self.admins();
        let need = (self.threshold as usize).min(admins.len());
        if need <= 1 || !self.is_weighty(author, change) {
            return Ok(());
        }
        let mut people: BTreeSet<&str> = self.person(author).filter(|p| admins.contains(p)).into_iter().collect();
        for key in change.consented(origin) {
            people.extend(self.members.get(&key.id()).filter(|m| m.revoked_at.is_none()).map(|m| m.person.as_str()));
        }
        let have = people.intersection(&admins).count();
        if have >= need {
            return Ok(());
        }
        Err((Reason::RoleNotAllowed, format!("it needs {need} of the log's admins, {have} agreed")))
    }

    fn rotate(&mut self, seq: u64, origin: &str, old: &[u8; 32], new: &[u8; 32], proof: &[u8]) -> Result<(), Refusal> {
        let bad = |what: &str| Err((Reason::BadPayload, what.to_string()));
        let (old_key, new_key) = (key_of(old)?, key_of(new)?);
        if new_key.verify_strict(&rotation_message(origin, old, new), proof).is_err() {
            return bad("the new key did not sign the rotation");
        }
        if self.members.contains_key(&new_key.id()) {
            return bad("the new key is known already");
        }
        let Some(member) = self.members.get_mut(&old_key.id()).filter(|m| m.revoked_at.is_none()) else {
            return bad("the old key is unknown or counts no more");
        };
        let next = Member { key: new_key, ..member.clone() };
        member.revoked_at = Some(seq);
        self.members.insert(new_key.id(), next);
        Ok(())
    }

    fn observe(&mut self, seq: u64, origin: &str, author: &KeyId, event: &Event) -> Result<(), Refusal> {
        let bad = |what: &str| Err((Reason::BadPayload, what.to_string()));
        match event {
            Event::LabCreated(_) => return bad("a log is created once"),
            Event::KeyThresholdSet(e) => {
                if e.admins < self.threshold.max(1) || e.admins as usize > self.admins().len() {
                    return bad("a threshold only rises, and not above the number of admins");
                }
                self.threshold = e.admins;
            }
            _ => {}
        }
        let Some(change) = Change::of(event) else { return Ok(()) };
        // First what is wrong with it whoever agrees.
        let mut changed = self.clone();
        changed.apply(seq, origin, &change)?;
        self.agreed(origin, author, &change)?;
        *self = changed;
        Ok(())
    }

    fn apply(&mut self, seq: u64, origin: &str, change: &Change<'_>) -> Result<(), Refusal> {
        match change.what {
            Changed::Rotated { old, new, proof } => return self.rotate(seq, origin, old, new, proof),
            Changed::Added { person, roles, key } => {
                let roles = roles.iter().filter_map(|r| Role::parse(r)).collect();
                let key = key_of(key)?;
                if self.members.contains_key(&key.id()) {
                    return Err((Reason::BadPayload, format!("the key {} is known already", key.id())));
                }
                self.members.insert(key.id(), Member { person: person.into(), roles, key, revoked_at: None });
            }
            Changed::Revoked { key } => {
                let key = key_of(key)?;
                if !self.admin_besides(&key.id()) {
                    return Err((Reason::BadPayload, "it would leave nobody who may add keys".into()));
                }
                let unknown = || (Reason::BadPayload, "it revokes an unknown key".to_string());
                self.members.get_mut(&key.id()).ok_or_else(unknown)?.revoked_at.get_or_insert(seq);
            }
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
        event.map_or(Ok(()), |e| self.observe(entry.seq, entry.origin(), &entry.author, &e))?;
        Ok(key)
    }

    fn log_key(&self) -> Option<[u8; 32]> {
        self.log_key
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{
        CONSENT_NAMESPACE, Consent, KeyAdded, KeyAddedV2, KeyRevoked, KeyRevokedV2, KeyRotated, KeyRotatedV2,
        KeyThresholdSet, LabCreated, StudyClosed, change_statement,
    };
    use assay_ledger::audit::Auditor;
    use assay_ledger::format::hash::hex;
    use assay_ledger::keys::sshsig::signed_data;
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

    /// Several admins: who counts is changed by as many as the threshold says; consents count by person,
    /// for this change in this log, from admins who count.
    #[test]
    fn changes_need_several_admins() {
        const ORIGIN: &str = "t.example/lab";
        let consent = |by: u8, origin: &str, change: String| {
            let data = signed_data(CONSENT_NAMESPACE, change_statement(origin, &change).as_bytes()).unwrap();
            Consent { key: raw(by), signature: signer(by).sign(&data).unwrap() }
        };
        let revoke = |key: u8, consents: Vec<Consent>| KeyRevokedV2 { key: raw(key), reason: "x".into(), consents };
        let words = |key: u8| format!("revoke {}", hex(&raw(key)));
        let mut s = stage();
        s.put(KeyThresholdSet { admins: 4 }, 1);
        s.add("ben", "admin", 2);
        s.add("cyd", "admin", 3);
        s.add("eve", "researcher", 4);
        s.put(KeyThresholdSet { admins: 2 }, 1);
        let base = s.findings();
        assert_eq!(base, [(1, Reason::BadPayload)], "more than there are admins");
        // Refused, each with its number.
        s.put(KeyRevoked { key: raw(4), reason: "alone".into() }, 1);
        s.put(revoke(4, vec![consent(1, ORIGIN, words(4))]), 1);
        s.put(revoke(4, vec![consent(4, ORIGIN, words(4))]), 1);
        s.put(revoke(4, vec![consent(2, "other.example/lab", words(4))]), 1);
        s.put(revoke(4, vec![consent(2, ORIGIN, words(3))]), 1);
        s.put(KeyAdded { person: "mal".into(), roles: vec!["admin".into()], key: raw(6) }, 1);
        s.rotate(1, 7, 1, ORIGIN);
        s.put(KeyThresholdSet { admins: 1 }, 1);
        let refused: Vec<u64> = s.findings().iter().skip(1).map(|f| f.0).collect();
        assert_eq!(refused, (6..14).collect::<Vec<_>>());
        // Taken: by two people, and what weighs nothing by one.
        s.put(KeyAdded { person: "dan".into(), roles: vec!["researcher".into()], key: raw(5) }, 1);
        s.put(revoke(4, vec![consent(2, ORIGIN, words(4))]), 1);
        s.put(KeyRevoked { key: raw(3), reason: "my own".into() }, 3);
        let statement = format!("add {} fay admin", hex(&raw(8)));
        let consents = vec![consent(2, ORIGIN, statement)];
        s.put(KeyAddedV2 { person: "fay".into(), roles: vec!["admin".into()], key: raw(8), consents }, 1);
        let change = format!("rotate {} {}", hex(&raw(1)), hex(&raw(7)));
        let proof = signer(7).sign(&rotation_message(ORIGIN, &raw(1), &raw(7))).unwrap();
        let consents = vec![consent(8, ORIGIN, change)];
        s.put(KeyRotatedV2 { old: raw(1), new: raw(7), proof, consents }, 1);
        s.put(KeyThresholdSet { admins: 3 }, 7);
        assert_eq!(s.findings().len(), 9, "{:?}", s.findings());
        // A name that could be read in two ways is agreed to by nobody.
        let statement = format!("add {} g x admin", hex(&raw(9)));
        let consents = vec![consent(2, ORIGIN, statement.clone()), consent(8, ORIGIN, statement)];
        s.put(KeyAddedV2 { person: "g x".into(), roles: vec!["admin".into()], key: raw(9), consents }, 7);
        assert_eq!(s.findings().len(), 10);
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
