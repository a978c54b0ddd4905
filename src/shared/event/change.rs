//! Changes of a log's keys, whatever version they were recorded in, and who agreed to them.

use super::{CONSENT_NAMESPACE, Consent, Event, change_statement};
use assay_ledger::PublicKey;
use assay_ledger::format::hash::hex;
use assay_ledger::keys::sshsig::signed_data;

/// What a change does.
#[derive(Debug, Clone, Copy)]
pub enum Changed<'a> {
    /// A key counts from here on.
    Added {
        /// Whose it is.
        person: &'a str,
        /// What it may record.
        roles: &'a [String],
        /// The raw key.
        key: &'a [u8; 32],
    },
    /// A key counts no more.
    Revoked {
        /// The raw key.
        key: &'a [u8; 32],
    },
    /// A key counts in the place of another.
    Rotated {
        /// The raw key that goes.
        old: &'a [u8; 32],
        /// The raw key that comes.
        new: &'a [u8; 32],
        /// The new key's signature.
        proof: &'a [u8; 64],
    },
}

/// A change, and the consents that stand with it.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// What it does.
    pub what: Changed<'a>,
    consents: &'a [Consent],
}

impl<'a> Change<'a> {
    /// The change of keys that an event records, if it does.
    pub fn of(event: &'a Event) -> Option<Change<'a>> {
        let change = |what, consents| Some(Change { what, consents });
        match event {
            Event::KeyAdded(e) => change(Changed::Added { person: &e.person, roles: &e.roles, key: &e.key }, &[]),
            Event::KeyAddedV2(e) => {
                change(Changed::Added { person: &e.person, roles: &e.roles, key: &e.key }, &e.consents)
            }
            Event::KeyRevoked(e) => change(Changed::Revoked { key: &e.key }, &[]),
            Event::KeyRevokedV2(e) => change(Changed::Revoked { key: &e.key }, &e.consents),
            Event::KeyRotated(e) => change(Changed::Rotated { old: &e.old, new: &e.new, proof: &e.proof }, &[]),
            Event::KeyRotatedV2(e) => {
                change(Changed::Rotated { old: &e.old, new: &e.new, proof: &e.proof }, &e.consents)
            }
            _ => None,
        }
    }

    /// The key that counts no more after it.
    pub fn leaves(&self) -> Option<[u8; 32]> {
        match self.what {
            Changed::Added { .. } => None,
            Changed::Revoked { key } => Some(*key),
            Changed::Rotated { old, .. } => Some(*old),
        }
    }

    /// What admins sign to agree to it.
    pub fn statement(&self, origin: &str) -> String {
        let change = match self.what {
            Changed::Added { person, roles, key } => format!("add {} {person} {}", hex(key), roles.join(",")),
            Changed::Revoked { key } => format!("revoke {}", hex(key)),
            Changed::Rotated { old, new, .. } => format!("rotate {} {}", hex(old), hex(new)),
        };
        change_statement(origin, &change)
    }

    /// The keys whose consent verifies.
    pub(super) fn consented(&self, origin: &str) -> Vec<PublicKey> {
        // Names that could be read in two ways are agreed to by nobody.
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && b != b',');
        if let Changed::Added { person, roles, .. } = self.what
            && !(plain(person) && roles.iter().all(|r| plain(r)))
        {
            return Vec::new();
        }
        let statement = self.statement(origin);
        let Ok(data) = signed_data(CONSENT_NAMESPACE, statement.as_bytes()) else { return Vec::new() };
        let good = |c: &Consent| {
            let key = PublicKey::from_bytes(&c.key)?;
            key.verify_strict(&data, &c.signature).ok().map(|()| key)
        };
        self.consents.iter().filter_map(good).collect()
    }
}
