//! Who may record what, position by position.

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
    // Another key under a second admin's name is no second admin; and whose key is replaced is asked too.
    s.put(KeyAdded { person: "ben".into(), roles: vec!["researcher".into()], key: raw(20) }, 1);
    s.put(revoke(4, vec![consent(20, ORIGIN, words(4))]), 1);
    s.rotate(4, 21, 1, ORIGIN);
    let refused: Vec<u64> = s.findings().iter().skip(1).map(|f| f.0).collect();
    assert_eq!(refused, (6..14).chain(15..17).collect::<Vec<_>>());
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
    assert_eq!(s.findings().len(), 11, "{:?}", s.findings());
    // A name that could be read in two ways is agreed to by nobody.
    let statement = format!("add {} g x admin", hex(&raw(9)));
    let consents = vec![consent(2, ORIGIN, statement.clone()), consent(8, ORIGIN, statement)];
    s.put(KeyAddedV2 { person: "g x".into(), roles: vec!["admin".into()], key: raw(9), consents }, 7);
    assert_eq!(s.findings().len(), 12);
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
