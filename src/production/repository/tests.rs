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
    // One that does not stand on top goes there where nothing of its own has moved.
    let late = repo.commit_from("promote/y", Some(&one), &files(&[("d/b", "9")]), "ana", "late").unwrap();
    assert!(repo.merge("promote/y", "main", "ben").unwrap_err().to_string().contains("propose again"));
    let other = files(&[("configs/live/b.toml", "b"), ("evidence/b/v1/x", "1")]);
    repo.commit_from("promote/b", Some(&one), &other, "ana", "b").unwrap();
    let both = repo.merge("promote/b", "main", "ben").unwrap();
    let text = |path: &str| repo.file(&both, path).unwrap().map(|b| String::from_utf8(b).unwrap());
    assert_eq!((text("d/b").as_deref(), text("configs/live/b.toml").as_deref()), (Some("3"), Some("b")));
    assert_eq!(repo.parent(&both).unwrap(), Some(merged.clone()));
    // Of one strategy any file that moved is in the way, and a policy for everybody.
    for moved in ["evidence/b/v1/y", "configs/live/b.toml.sig", "configs/policy.toml"] {
        repo.commit("main", &files(&[(moved, "2")]), "ana", "moved").unwrap();
        assert!(repo.merge("promote/b", "main", "ben").unwrap_err().to_string().contains("propose again"), "{moved}");
        repo.move_to("main", &merged).unwrap();
    }
    // Two people sign the same proposal at once.
    let start = repo.tip("refs/heads/promote/b").unwrap();
    let hers = repo.commit("promote/b", &files(&[("evidence/b/v1/approvals/ben.sig", "b")]), "ben", "ben").unwrap();
    repo.point("refs/heads/promote/b", &start).unwrap();
    let his = repo.commit("promote/b", &files(&[("evidence/b/v1/approvals/cleo.sig", "c")]), "cleo", "cleo").unwrap();
    repo.point("refs/heads/promote/b", &hers).unwrap();
    let tip = repo.put_on_top("promote/b", &his, "ben").unwrap();
    assert!(repo.follows(&tip, &his).unwrap());
    let signed: Vec<_> = repo.list(&tip).unwrap().into_keys().filter(|p| p.contains("approvals")).collect();
    assert_eq!(signed.len(), 2, "{signed:?}");
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

/// A branch follows the other repository's where it can: behind it comes forward, ahead it stays,
/// and where the two have parted it says so and moves neither.
#[test]
fn a_branch_catches_up() {
    let dir = tempfile::tempdir().unwrap();
    let (here_at, there_at) = (dir.path().join("here.git"), dir.path().join("there.git"));
    let (here, there) = (Repo::init(&here_at, true).unwrap(), Repo::init(&there_at, true).unwrap());
    let main = "refs/heads/main";
    let write = |repo: &Repo, text: &str| {
        let files: Files = [("a".to_string(), text.as_bytes().to_vec())].into_iter().collect();
        repo.commit("main", &files, "ana", text).unwrap()
    };
    here.catch_up(&there_at, "main").unwrap();
    assert_eq!(here.tip(main), None, "nothing there, nothing here");
    let one = write(&there, "one");
    here.catch_up(&there_at, "main").unwrap();
    assert_eq!(here.tip(main), Some(one.clone()), "from nothing");
    let two = write(&there, "two");
    here.catch_up(&there_at, "main").unwrap();
    here.catch_up(&there_at, "main").unwrap();
    assert_eq!(here.tip(main), Some(two.clone()), "behind, then equal");
    assert!(here.file(&two, "a").unwrap().is_some(), "with its objects");
    let three = write(&here, "three");
    here.catch_up(&there_at, "main").unwrap();
    assert_eq!(here.tip(main), Some(three.clone()), "ahead");
    write(&there, "another three");
    let parted = here.catch_up(&there_at, "main").unwrap_err();
    assert!(matches!(&parted, RepoError::Parted { branch, .. } if branch == "main"), "{parted}");
    assert_eq!(here.tip(main), Some(three));
    assert!(here.catch_up(&dir.path().join("none.git"), "main").is_err());
    let merged = there.merge("main", "main", "ana");
    assert!(merged.unwrap_err().to_string().contains("already"), "a branch is part of itself");
    // A push to where nothing is fails before anybody could refuse it.
    let nowhere = here.push(&dir.path().join("none.git"), &[main.to_string()]).unwrap_err();
    assert!(matches!(nowhere, RepoError::Unreached { .. }), "{nowhere}");
    let behind = here.push(&there_at, &[main.to_string()]).unwrap_err();
    assert!(matches!(behind, RepoError::Push { .. }), "{behind}");
    assert_eq!(there.setting("core.bare").as_deref(), Some("true"));
    assert_eq!(there.setting("core.nothing"), None);
}

/// The lock that a killed run left on a log's branch is waited for and taken away; one on another branch is said.
#[test]
fn a_lock_that_a_killed_run_left() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::init(&dir.path().join("r.git"), true).unwrap();
    let lock = |branch: &str| {
        let path = repo.dir().join(format!("refs/heads/{branch}.lock"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::File::create(&path).unwrap();
        path
    };
    let files: Files = [("a".to_string(), b"x".to_vec())].into_iter().collect();
    let left = lock("ledger/x");
    repo.commit("ledger/x", &files, "ana", "one").unwrap();
    assert!(!left.exists() && repo.tip("refs/heads/ledger/x").is_some());
    lock("promote/x");
    assert!(repo.commit("promote/x", &files, "ana", "one").unwrap_err().is_locked());
}

/// A folder in which a name stands twice is none: one reader would take the first file of that name, another the last.
#[test]
fn a_name_stands_once_in_a_folder() {
    let (_dir, repo) = repo();
    let tip = repo.tip("refs/heads/main").unwrap();
    let odb = repo.inner.odb().unwrap();
    let blob = |text: &[u8]| odb.write(git2::ObjectType::Blob, text).unwrap();
    let entry = |mode: &str, name: &str, oid: git2::Oid| {
        [mode.as_bytes(), b" ", name.as_bytes(), b"\0", oid.as_bytes()].concat()
    };
    let (evil, good) = (blob(b"evil"), blob(b"good"));
    let twice = [entry("100644", "policy.toml", evil), entry("100644", "policy.toml", good)].concat();
    let inner = odb.write(git2::ObjectType::Tree, &twice).unwrap();
    let mixed = [entry("100644", "a", evil), entry("100644", "a.b", good), entry("40000", "a", inner)].concat();
    let outer = odb.write(git2::ObjectType::Tree, &entry("40000", "configs", inner)).unwrap();
    for (tree, path) in [
        (inner, "policy.toml"),
        (outer, "configs/policy.toml"),
        (odb.write(git2::ObjectType::Tree, &mixed).unwrap(), "a.b"),
    ] {
        let text = format!("tree {tree}\nauthor a <a@a> 1 +0000\ncommitter a <a@a> 1 +0000\n\nx\n");
        let commit = odb.write(git2::ObjectType::Commit, text.as_bytes()).unwrap().to_string();
        let found: [Result<(), RepoError>; 5] = [
            repo.file(&commit, path).map(|_| ()),
            repo.list(&commit).map(|_| ()),
            repo.changes(&tip, &commit).map(|_| ()),
            repo.under(&commit, "configs").map(|_| ()),
            repo.folder(&commit, "configs").map(|_| ()),
        ];
        let twice = |r: &Result<(), RepoError>| r.as_ref().is_err_and(|e| e.to_string().contains("stands twice"));
        assert!(found.iter().all(twice), "{path}: {found:?}");
    }
    // In another order than git's they are none either: who looks a name up would not find what who lists them sees.
    let back = odb.write(git2::ObjectType::Tree, &[entry("100644", "b", good), entry("100644", "a", good)].concat());
    let text = format!("tree {}\nauthor a <a@a> 1 +0000\ncommitter a <a@a> 1 +0000\n\nx\n", back.unwrap());
    let commit = odb.write(git2::ObjectType::Commit, text.as_bytes()).unwrap().to_string();
    assert!(repo.file(&commit, "a").unwrap_err().to_string().contains("order"));
    let large = odb.write(git2::ObjectType::Tree, &entry("100644", "x", good).repeat(160_000)).unwrap();
    let text = format!("tree {large}\nauthor a <a@a> 1 +0000\ncommitter a <a@a> 1 +0000\n\nx\n");
    let commit = odb.write(git2::ObjectType::Commit, text.as_bytes()).unwrap().to_string();
    assert!(repo.list(&commit).unwrap_err().to_string().contains("over"));
}
