//! Keys of a lab.

use super::*;
use crate::keys;

#[test]
fn keys_of_a_lab() {
    let mut s = stage();
    let cyd = keys::new_key(&s.path("cyd"), "cyd", true, &s.lab.session).unwrap();
    assert!(std::fs::read_to_string(s.path("cyd")).unwrap().contains("OPENSSH"), "encrypted with what was answered");
    assert!(keys::new_key(&s.path("cyd"), "cyd", false, &s.lab.session).is_err(), "never over another");
    assert!(keys::new_key(&s.path("dan"), "dan", true, &Session::silent()).is_err(), "nobody to ask");
    assert_eq!(keys::roles(&["admin".into(), "deployer".into()]).unwrap(), [Role::Admin, Role::Deployer]);
    assert!(keys::roles(&["boss".into()]).unwrap_err().hint().unwrap().contains("admin, researcher, deployer"));
    let public = keys::read_public(&s.path("cyd.pub")).unwrap();
    assert_eq!(public, cyd.public());
    assert!(keys::read_public(&s.path("cyd")).is_err());
    keys::add(&s.lab, "cyd", &[Role::Researcher], &public, &[]).unwrap();
    assert!(
        matches!(keys::add(&s.lab, "eve", &[Role::Admin], &public, &[]), Err(LabError::Refused(_))),
        "known already"
    );
    let at = keys::revoke(&s.lab, &public, "left", &[]).unwrap();
    let (new, _) = keys::rotate(&mut s.lab, &s.dir.path().join("next"), false, &[]).unwrap();
    let members = keys::list(&s.lab).unwrap();
    let of = |key: &assay_ledger::PublicKey| members.iter().find(|m| m.key == *key).unwrap();
    assert_eq!((of(&public).revoked_at, of(&new.public()).revoked_at), (Some(at), None));
    assert_eq!(Lab::open(&s.lab.dir, &s.lab.session).unwrap().signer().unwrap().id(), new.id());
}
