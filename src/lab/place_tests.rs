//! Places that somebody names, the hooks' place, and where keys are.

use crate::place::{beside, free, read_text, write_all};
use crate::session::Session;
use crate::tests::stage;
use crate::{Kind, LabError, hooks, install, keys, live};
use assay_ledger::Hash;
use assay_production::deploy::Row;
use assay_production::gate::Host;
use std::os::unix::fs::symlink;
use std::path::Path;

#[test]
fn texts_are_read_with_a_limit() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str, bytes: &[u8]| {
        std::fs::write(dir.path().join(name), bytes).unwrap();
        read_text(&dir.path().join(name), 10)
    };
    assert_eq!(at("a", b"0123456789").unwrap(), "0123456789");
    assert!(at("b", b"0123456789x").unwrap_err().to_string().contains("over 10 bytes"));
    assert!(at("c", &[0xff, 0xfe]).unwrap_err().to_string().contains("not UTF-8"));
    assert_eq!(read_text(&dir.path().join("none"), 10).unwrap_err().kind(), Kind::CouldNot);
    assert_eq!(read_text(Path::new("/dev/zero"), 10).unwrap_err().kind(), Kind::Usage, "what never ends");
}

#[test]
fn only_what_is_ours_is_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let ours = |path: &Path| std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"ours"));
    let write = |names: &[&str], force| {
        let files: Vec<_> = names.iter().map(|n| (at(n), b"ours, new".to_vec())).collect();
        write_all(&files, force, "is not ours", ours)
    };
    write(&["a", "deep/er/b"], false).unwrap();
    write(&["a", "deep/er/b"], false).unwrap();
    std::fs::write(at("theirs"), "theirs").unwrap();
    assert!(matches!(write(&["c", "theirs"], false), Err(LabError::Occupied { .. })));
    assert!(!at("c").exists(), "all or none");
    symlink(at("a"), at("link")).unwrap();
    assert!(write(&["link"], false).is_err(), "a link is never ours");
    write(&["theirs", "link"], true).unwrap();
    assert!(!at("link").is_symlink() && std::fs::read(at("a")).unwrap() == b"ours, new");
    assert!(free(dir.path(), false, "is a folder", |_| true).is_err());
    assert_eq!(beside(Path::new("a/b.c"), "-wal"), Path::new("a/b.c-wal"));
    // A leftover of somebody's with the name that is written first is not followed.
    std::fs::write(at("outside"), "theirs").unwrap();
    symlink(at("outside"), at("d.tmp")).unwrap();
    assert!(write(&["d"], false).is_err());
    assert_eq!(std::fs::read(at("outside")).unwrap(), b"theirs");
}

#[test]
fn hooks_are_in_force_or_it_is_said_why_not() {
    let s = stage();
    let repo = s.lab.deploy_path();
    assert!(hooks::check(&repo).is_err(), "there is none yet");
    let live = "sqlite:live.sqlite";
    install::install(&repo, Some(Hash::of(b"policy")), Some(live), false, &s.lab.session).unwrap();
    hooks::check(&repo).unwrap();
    let hook = repo.join("hooks/pre-receive");
    let text = std::fs::read_to_string(&hook).unwrap();
    let says = |words: &str| {
        let e = hooks::check(&repo).unwrap_err();
        assert!(e.to_string().contains(words) && e.hint().unwrap().contains("hook install"), "{e}");
        assert_eq!(e.kind(), Kind::CouldNot);
    };
    for (from, to, words) in [
        ("assay='", "assay='/nowhere", "is no program here"),
        ("--gate '", "--gate '/nowhere", "asks the gate in"),
        ("--gate", "--gat", "asks the gate in ''"),
    ] {
        std::fs::write(&hook, text.replacen(from, to, 1)).unwrap();
        says(words);
    }
    std::fs::remove_file(&hook).unwrap();
    says("cannot be read");
    let settings = install::install(&repo, None, None, false, &s.lab.session).unwrap();
    hooks::check(&repo).unwrap();
    assert_eq!(Some(std::fs::read_to_string(&hook).unwrap()), Some(text), "the same hooks again");
    // What stands is kept; another root of trust is only taken by force.
    let other = Hash::of(b"another policy");
    assert!(install::install(&repo, Some(other), None, false, &s.lab.session).is_err());
    assert_eq!(Host::open(&s.lab.gate_dir()).unwrap().settings.genesis_policy_sha256, settings.genesis_policy_sha256);
    assert_eq!(install::install(&repo, Some(other), None, true, &s.lab.session).unwrap().genesis_policy_sha256, other);
    assert!(install::install(&s.path("new.git"), Some(other), None, false, &s.lab.session).is_err(), "no live table");
    assert!(install::install(&s.path("new.git"), None, Some("sqlite:x"), false, &s.lab.session).is_err(), "no policy");
    assert!(!s.path("new.git").exists());
    // Any name of a folder survives in the hook's text.
    let odd = s.path("it's $(x) \"odd\"");
    install::install(&odd, Some(other), Some(live), false, &s.lab.session).unwrap();
    hooks::check(&odd).unwrap();
    std::fs::rename(&odd, s.path("moved")).unwrap();
    assert!(hooks::check(&s.path("moved")).unwrap_err().to_string().contains("git looks for them in"));
    install::install(&s.path("moved"), None, None, false, &s.lab.session).unwrap();
    hooks::check(&s.path("moved")).unwrap();
}

/// A key inside the lab is named from the lab's folder, one outside by its whole path.
#[test]
fn keys_move_with_their_lab() {
    let mut s = stage();
    let inside = s.lab.dir.join("keys/next");
    keys::rotate(&mut s.lab, &inside, false, &[]).unwrap();
    assert_eq!(s.lab.config.key, Path::new("keys/next"));
    let outside = s.path("outside");
    keys::rotate(&mut s.lab, &outside, false, &[]).unwrap();
    assert!(s.lab.config.key.is_absolute());
    let back = crate::Lab::open(&s.lab.dir, &Session::silent()).unwrap();
    assert_eq!(back.signer().unwrap().id(), s.lab.signer().unwrap().id());
    for name in ["ana.lopez", "a-1", "z_9"] {
        keys::check_name(name).unwrap();
    }
    for name in ["", "Ana", "a b", "../x", "..", ".a", "-a", "9a", "log", "deploy", "ä"] {
        assert_eq!(keys::check_name(name).unwrap_err().kind(), Kind::Usage, "{name}");
    }
    // `ana` and `ana.lopez` are two people with two files each.
    let (a, b) = (s.path("ana"), s.path("ana.lopez"));
    keys::new_key(&a, "", false, &s.lab.session).unwrap();
    keys::new_key(&b, "", false, &s.lab.session).unwrap();
    assert!(s.path("ana.pub").exists() && s.path("ana.lopez.pub").exists());
    std::fs::write(s.path("half.pub"), "mine").unwrap();
    assert!(keys::new_key(&s.path("half"), "", false, &s.lab.session).is_err());
    assert!(!s.path("half").exists(), "no half of a pair is left");
}

/// What was live at a time: from its deployment on, until the next one.
#[test]
fn history_answers_when() {
    let row = |strategy: &str, version: i64, deployed_us: i64| Row {
        strategy: strategy.into(),
        version,
        cells: Vec::new(),
        deployed_us,
    };
    let history = [row("a", 1, 100), row("b", 1, 150), row("a", 2, 200), row("a", 3, 300)];
    let at = |us| live::as_of(&history, us).into_iter().map(|r| (r.strategy, r.version)).collect::<Vec<_>>();
    let pair = |a: i64| vec![("a".to_string(), a), ("b".to_string(), 1)];
    assert_eq!((at(99), at(100), at(149)), (vec![], vec![("a".to_string(), 1)], vec![("a".to_string(), 1)]));
    assert_eq!((at(150), at(199), at(200), at(299), at(300)), (pair(1), pair(1), pair(2), pair(2), pair(3)));
}
