//! Files and branches as objects.

use super::git::is_zero;
use super::{Files, Repo, RepoError};
use tempfile::TempDir;

fn files(list: &[(&str, &str)]) -> Files {
    list.iter().map(|(p, t)| ((*p).to_string(), t.as_bytes().to_vec())).collect()
}

fn repo() -> (TempDir, Repo) {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::init(&dir.path().join("r.git"), true).unwrap();
    repo.commit("main", &files(&[("a", "1"), ("d/b", "2")]), "ana", "one").unwrap();
    (dir, repo)
}

#[test]
fn files_are_read_from_objects() {
    let (dir, repo) = repo();
    let tip = repo.tip("refs/heads/main").unwrap();
    assert_eq!(repo.file(&tip, "d/b").unwrap().as_deref(), Some(&b"2"[..]));
    assert_eq!(repo.file(&tip, "d/none").unwrap(), None);
    assert_eq!(repo.list(&tip).unwrap().keys().collect::<Vec<_>>(), ["a", "d/b"]);
    assert_eq!(repo.parent(&tip).unwrap(), None);
    assert!(repo.tip("refs/heads/none").is_none() && is_zero(&"0".repeat(40)) && !is_zero(&tip));
    assert!(matches!(repo.file(&"1".repeat(40), "a"), Err(RepoError::NotVisible { .. })));
    assert!(Repo::init(&dir.path().join("r.git"), true).is_err(), "never over another");
    assert!(Repo::open(&dir.path().join("none")).unwrap_err().to_string().contains("none"));
    assert_eq!(repo.dir().canonicalize().unwrap(), dir.path().join("r.git").canonicalize().unwrap());
}

#[test]
fn branches_grow_merge_and_go_back() {
    let (_dir, repo) = repo();
    let one = repo.tip("refs/heads/main").unwrap();
    let side = repo.commit_from("promote/x", Some(&one), &files(&[("d/b", "3")]), "ana", "side").unwrap();
    assert_eq!(repo.branches("promote/").unwrap(), ["promote/x"]);
    assert!(repo.follows(&side, &one).unwrap() && !repo.follows(&one, &side).unwrap());
    let merged = repo.merge("promote/x", "main", "ben").unwrap();
    repo.move_to("main", &merged).unwrap();
    assert_eq!(repo.file(&merged, "d/b").unwrap().as_deref(), Some(&b"3"[..]));
    assert_eq!(repo.parent(&merged).unwrap(), Some(one.clone()), "the first parent is main");
    assert_eq!(repo.line(&one, &merged).unwrap(), Some(vec![one.clone(), merged.clone()]));
    assert_eq!(repo.line(&side, &merged).unwrap(), None, "the side is no first parent");
    // A branch that does not stand on top is not merged.
    let late = repo.commit_from("promote/y", Some(&one), &files(&[("a", "9")]), "ana", "late").unwrap();
    assert!(repo.merge("promote/y", "main", "ben").unwrap_err().to_string().contains("propose again"));
    assert!(repo.merge("promote/none", "main", "ben").unwrap_err().to_string().contains("no such branch"));
    repo.move_to("main", &one).unwrap();
    assert_eq!(repo.tip("refs/heads/main"), Some(one));
    assert_ne!(late, side);
}

#[test]
fn pushes_say_what_the_other_side_said() {
    let (dir, repo) = repo();
    let other = dir.path().join("other.git");
    Repo::init(&other, true).unwrap();
    repo.push(&other, &["refs/heads/main".into()]).unwrap();
    assert_eq!(Repo::open(&other).unwrap().tip("refs/heads/main"), repo.tip("refs/heads/main"));
    let missing = repo.push(&dir.path().join("none.git"), &["refs/heads/main".into()]).unwrap_err();
    assert!(matches!(missing, RepoError::Push { .. }) || missing.to_string().contains("none.git"), "{missing}");
    let hook = other.join("hooks/pre-receive");
    std::fs::create_dir_all(other.join("hooks")).unwrap();
    std::fs::write(&hook, "#!/bin/sh\necho no, not today >&2\nexit 1\n").unwrap();
    let mut mode = std::fs::metadata(&hook).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o755);
    std::fs::set_permissions(&hook, mode).unwrap();
    repo.commit("main", &files(&[("a", "2")]), "ana", "two").unwrap();
    let refused = repo.push(&other, &["refs/heads/main".into()]).unwrap_err();
    assert!(refused.to_string().contains("no, not today"), "{refused}");
}
