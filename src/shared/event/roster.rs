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
        Event::ApprovalRecorded(_)
        | Event::PromotionDeployed(_)
        | Event::DriftDetected(_)
        | Event::DriftHealed(_)
        | Event::HaltSaid(_) => Role::Deployer,
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
            Changed::Rotated { old, .. } => {
                of(old).is_none_or(|m| m.roles.contains(&Role::Admin) || m.key.id() != *author)
            }
        }
    }

    /// The people who count as admins now.
    pub fn admins(&self) -> BTreeSet<&str> {
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
            // The key itself must be an admin's: anybody may be given another key under a person's name.
            let counts = |m: &&Member| m.revoked_at.is_none() && m.roles.contains(&Role::Admin);
            people.extend(self.members.get(&key.id()).filter(counts).map(|m| m.person.as_str()));
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
    type Note = Result<Event, EventError>;

    fn note(entry: &Entry) -> Self::Note {
        Event::of(entry)
    }

    fn admit(&mut self, entry: &Entry, note: Self::Note) -> Result<PublicKey, Refusal> {
        self.admit_with(entry, note, |_| ())
    }

    fn log_key(&self) -> Option<[u8; 32]> {
        self.log_key
    }
}

impl Roster {
    /// [`Authority::admit`], which also gives the event to `each`: what follows a log reads each payload once.
    ///
    /// # Errors
    /// A reason and words.
    pub fn admit_with(
        &mut self,
        entry: &Entry,
        event: Result<Event, EventError>,
        each: impl FnOnce(&Event),
    ) -> Result<PublicKey, Refusal> {
        if entry.seq == 0 {
            return self.found(entry);
        }
        let event = match event {
            Ok(event) => Some(event),
            // Kinds of later releases: chain and signature verify over opaque bytes.
            Err(EventError::Unsupported { .. }) => {
                self.unknown.get_or_insert(entry.seq);
                None
            }
            Err(e) => return Err((Reason::BadPayload, e.to_string())),
        };
        let key = self.allows(&entry.author, event.as_ref())?;
        if let Some(event) = &event {
            self.observe(entry.seq, entry.origin(), &entry.author, event)?;
            each(event);
        }
        Ok(key)
    }
}

#[cfg(test)]
mod tests;
