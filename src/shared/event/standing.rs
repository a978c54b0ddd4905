//! What a log has said so far, as far as it binds what comes next: whose keys count, and what names
//! are taken. It follows the log entry by entry, and can be put into a text and read back.

use super::roster::{Member, Role, Roster};
use super::rules::Recorded;
use assay_ledger::format::hash::{hex, unhex};
use assay_ledger::{Authority, Entry, PublicKey, Reason};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The keys and names of a log after so many entries.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// Entries that were followed.
    pub seen: u64,
    /// Whose keys count.
    pub roster: Roster,
    /// What may stand once.
    pub recorded: Recorded,
}

impl Authority for Standing {
    type Note = <Roster as Authority>::Note;

    fn note(entry: &Entry) -> Self::Note {
        Roster::note(entry)
    }

    fn admit(&mut self, entry: &Entry, note: Self::Note) -> Result<PublicKey, (Reason, String)> {
        let key = self.roster.admit(entry, note)?;
        self.recorded.observe(entry);
        self.seen = entry.seq + 1;
        Ok(key)
    }

    fn log_key(&self) -> Option<[u8; 32]> {
        self.roster.log_key
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    seen: u64,
    log_key: Option<String>,
    unknown: Option<u64>,
    #[serde(default)]
    threshold: u32,
    members: Vec<Row>,
    studies: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    person: String,
    roles: Vec<String>,
    key: String,
    revoked_at: Option<u64>,
}

fn raw<const N: usize>(text: &str) -> Option<[u8; N]> {
    unhex(text)?.try_into().ok()
}

impl Standing {
    /// As a text.
    pub fn text(&self) -> String {
        let row = |m: &Member| Row {
            person: m.person.clone(),
            roles: m.roles.iter().map(|r| r.name().into()).collect(),
            key: hex(&m.key.to_bytes()),
            revoked_at: m.revoked_at,
        };
        let text = Text {
            seen: self.seen,
            log_key: self.roster.log_key.map(|k| hex(&k)),
            unknown: self.roster.unknown,
            threshold: self.roster.threshold,
            members: self.roster.members().map(row).collect(),
            studies: self.recorded.studies().map(|(name, id)| (name.into(), hex(&id))).collect(),
        };
        serde_json::to_string(&text).unwrap_or_default()
    }

    /// Reads a text back; none when it is not one of these.
    pub fn parse(text: &[u8]) -> Option<Standing> {
        let text: Text = serde_json::from_slice(text).ok()?;
        let member = |r: &Row| {
            let roles = r.roles.iter().map(|r| Role::parse(r)).collect::<Option<Vec<_>>>()?;
            let key = PublicKey::from_bytes(&raw(&r.key)?)?;
            Some(Member { person: r.person.clone(), roles, key, revoked_at: r.revoked_at })
        };
        let members = text.members.iter().map(member).collect::<Option<Vec<_>>>()?;
        let log_key = text.log_key.map(|k| raw(&k).ok_or(())).transpose().ok()?;
        let studies = text.studies.into_iter().map(|(name, id)| Some((name, raw(&id)?))).collect::<Option<Vec<_>>>()?;
        Some(Standing {
            seen: text.seen,
            roster: Roster::of(members, log_key, text.unknown, text.threshold),
            recorded: Recorded::of(studies),
        })
    }

    /// Whether another one differs in more than how far it followed: then it is worth keeping.
    pub fn differs(&self, other: &Standing) -> bool {
        Standing { seen: 0, ..self.clone() }.text() != Standing { seen: 0, ..other.clone() }.text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_ledger::Signer;

    /// Everything comes back; anything else is refused.
    #[test]
    fn there_and_back() {
        let key = |n: u8| Signer::from_seed([n; 32]).public();
        let member = |n: u8, revoked_at| Member {
            person: format!("p{n} \u{2028}\n\""),
            roles: if n == 1 { vec![Role::Admin, Role::Researcher] } else { vec![] },
            key: key(n),
            revoked_at,
        };
        let whole = Standing {
            seen: 77,
            roster: Roster::of(vec![member(1, None), member(2, Some(5))], Some([9; 32]), Some(70), 2),
            recorded: Recorded::of(vec![("trend one".into(), [3; 16]), ("b".into(), [4; 16])]),
        };
        let text = whole.text();
        assert!(!text.contains('\n'));
        let back = Standing::parse(text.as_bytes()).unwrap();
        assert_eq!((back.text(), back.seen), (text.clone(), 77));
        assert!(back.roster.members().eq(whole.roster.members()));
        assert!(!back.differs(&whole) && !Standing { seen: 3, ..back.clone() }.differs(&whole));
        assert!(Standing { recorded: Recorded::default(), ..back }.differs(&whole));
        assert!(Standing::parse(text.replace("seen", "sean").as_bytes()).is_none());
        assert!(Standing::parse(text.replace("researcher", "emperor").as_bytes()).is_none());
        assert!(Standing::parse(b"{}").is_none());
        assert_eq!(Standing::default().text(), Standing::parse(Standing::default().text().as_bytes()).unwrap().text());
    }
}
