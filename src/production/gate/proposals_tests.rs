//! What a proposal's branch may bring, and what may come to it.

use super::Code;
use super::tests::{Stage, ZERO, files, key};
use assay_ledger::Hash;
use assay_ledger::keys::sshsig;
use assay_shared::format::config::{APPROVAL_NAMESPACE, NAMESPACE};

/// The branch of a proposal whose config is `x`.
pub(super) fn reference(strategy: &str, version: u64) -> String {
    format!("refs/heads/promote/{strategy}-v{version}-{}", Hash::of(b"x").short())
}

/// A branch that proposes nothing, or what no researcher signed, is in everybody's way and nobody's: it does not lie here.
/// Nor does anything that was put in and taken out again on the way.
pub(super) fn proposals_are_somebodys(s: &Stage, main: &str, own: &[(&str, &str)]) {
    assert_eq!(s.update(ZERO, main, &reference("s", 1)), Err(Code::WrongBranch), "nothing of its own");
    let by_ben = sshsig::sign(&key(2), NAMESPACE, b"x").unwrap();
    for (n, signature) in ["x", &by_ben].into_iter().enumerate() {
        let list: Vec<_> =
            own.iter().map(|(p, t)| (*p, if p.ends_with("toml.sig") { signature } else { *t })).collect();
        let new = s.repo.commit_from(&format!("side/by{n}"), Some(main), &files(&list), "eve", "m").unwrap();
        assert_eq!(s.update(ZERO, &new, &reference("s", 1)), Err(Code::WrongBranch));
    }
    let new = s.repo.commit_from("side/named", Some(main), &files(own), "ana", "m").unwrap();
    // Words without end, a commit of nothing, a history of its own.
    let main_commit = |n: usize, words: &str, list: &[(&str, &str)]| {
        s.repo.commit_from(&format!("side/odd{n}"), Some(&new), &files(list), "eve", words).unwrap()
    };
    let long = main_commit(0, &"w".repeat(70_000), &[("evidence/s/v1/checkpoint", "x")]);
    assert_eq!(s.update(ZERO, &long, &reference("s", 1)), Err(Code::TooLarge));
    let idle = main_commit(1, "nothing", &[]);
    assert_eq!(s.update(ZERO, &idle, &reference("s", 1)), Err(Code::TooLarge));
    let root = s.repo.commit_from("side/root", None, &files(own), "eve", "m").unwrap();
    s.repo.commit_from("side/joined", Some(main), &files(own), "ana", "m").unwrap();
    s.repo.join("side/joined", &root, "eve").unwrap();
    let joined = s.repo.tip("refs/heads/side/joined").unwrap();
    assert_eq!(s.update(ZERO, &joined, &reference("s", 1)), Err(Code::NotFirstParent));
    for other in ["refs/heads/promote/s-v1-x", "refs/heads/promote/s", "refs/heads/promote/s-v1-000000000000"] {
        assert_eq!(s.update(ZERO, &new, other), Err(Code::WrongBranch), "{other}");
    }
    // A heap, and a commit that takes it away again: as a proposal, and as what a step of the deploy branch brings.
    let large = "x".repeat(300_000);
    for (n, (path, code)) in [("junk", Code::PathNotAllowed), ("README.md", Code::TooLarge)].into_iter().enumerate() {
        let heap = s.repo.commit_from(&format!("side/heap{n}"), Some(main), &files(&[(path, &large)]), "eve", "m");
        let side = format!("side/clean{n}");
        s.repo.commit_from(&side, Some(main), &files(own), "ana", "m").unwrap();
        s.repo.join(&side, &heap.unwrap(), "eve").unwrap();
        let tip = s.repo.tip(&format!("refs/heads/{side}")).unwrap();
        assert_eq!(s.update(ZERO, &tip, &reference("s", 1)), Err(code), "{path}");
        let side = format!("side/step{n}");
        s.repo.commit_from(&side, Some(main), &files(&[("README.md", "words")]), "eve", "m").unwrap();
        let tip_of = |branch: &str| s.repo.tip(&format!("refs/heads/{branch}")).unwrap();
        s.repo.join(&side, &tip_of(&format!("side/heap{n}")), "eve").unwrap();
        assert_eq!(s.update(main, &tip_of(&side), "refs/heads/main"), Err(code), "{path}");
    }
}

/// What was proposed stays what it is: words come to it, and nobody takes away or changes what they are about.
pub(super) fn proposals_stay(s: &Stage, main: &str, own: &[(&str, &str)]) {
    let first = s.repo.commit_from("side/first", Some(main), &files(own), "ana", "m").unwrap();
    let mut n = 0;
    let mut after = |list: &[(&str, &str)]| {
        n += 1;
        let new = s.repo.commit_from(&format!("side/after{n}"), Some(&first), &files(list), "eve", "m").unwrap();
        s.update(&first, &new, &reference("s", 1))
    };
    let by = |n: u8| sshsig::sign(&key(n), APPROVAL_NAMESPACE, b"x").unwrap();
    assert_eq!(after(&[("evidence/s/v1/approvals/ben.sig", &by(2))]), Ok(()));
    for junk in [&by(1), "x", &sshsig::sign(&key(2), NAMESPACE, b"x").unwrap()] {
        assert_eq!(after(&[("evidence/s/v1/approvals/ben.sig", junk)]), Err(Code::PathNotAllowed));
    }
    for path in ["configs/live/s.toml", "configs/live/s.toml.sig", "evidence/s/v1/statement"] {
        assert_eq!(after(&[(path, "y")]), Err(Code::EvidenceChanged), "{path}");
    }
    let other = s.repo.commit_from("side/wrong", Some(main), &files(own), "ana", "m").unwrap();
    assert_eq!(s.update(ZERO, &other, &reference("t", 1)), Err(Code::WrongBranch));
    let empty = s.repo.commit_from("side/empty", None, &files(&[("README.md", "x")]), "eve", "m").unwrap();
    s.repo.join("side/empty", &first, "eve").unwrap();
    let emptied = s.repo.tip("refs/heads/side/empty").unwrap();
    assert_ne!(emptied, empty);
    assert!(s.update(&first, &emptied, &reference("s", 1)).is_err());
}
