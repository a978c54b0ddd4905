//! Pushes that are odd in shape: too many references or files, trees that git itself would not make, several at once,
//! a verifier that dies, objects that lie elsewhere.

use crate::desk::{Desk, Said};
use std::process::Stdio;

fn tips(desk: &Desk) -> String {
    desk.git(&["--git-dir", "lab/deploy.git", "for-each-ref"]).ok().out
}

fn clone(desk: &Desk, dir: &str) {
    desk.git(&["clone", "-q", "-b", "main", "lab/deploy.git", dir]).ok();
}

fn push(desk: &Desk, dir: &str, more: &[&str]) -> Said {
    let target = desk.path("lab/deploy.git");
    desk.git(&[&["-C", dir, "push", "-q", target.to_str().unwrap()][..], more].concat())
}

/// An approved rollback, merged in a clone of its own. Gives the clone.
fn merged(desk: &Desk, dir: &str, reason: &str) -> String {
    let branch = desk.assay(&["rollback", "trend", "--to", "2", "--reason", reason]).ok().out.trim().to_string();
    desk.approve(&branch, "lab/people/ben").ok();
    clone(desk, dir);
    desk.git(&["-C", dir, "pull", "-q", "--no-ff", "--no-edit", desk.path("lab/repo.git").to_str().unwrap(), &branch])
        .ok();
    desk.git(&[
        "-C",
        dir,
        "fetch",
        "-q",
        desk.path("lab/repo.git").to_str().unwrap(),
        "+refs/heads/ledger/*:refs/heads/ledger/*",
    ])
    .ok();
    branch
}

/// Makes a git object from its raw content, as no git command would. Gives its name.
fn object(desk: &Desk, dir: &str, kind: &str, content: &[u8]) -> String {
    std::fs::write(desk.path("raw"), content).unwrap();
    let raw = desk.path("raw");
    let args = ["-C", dir, "hash-object", "-w", "--literally", "-t", kind, raw.to_str().unwrap()];
    desk.git(&args).ok().out.trim().to_string()
}

/// G-10, G-12, G-32: trees with a name twice or out of order, heaps of references, files and bytes, names that are no
/// object's. Each is refused soon, and nothing moves.
#[test]
fn g10_g12_odd_and_huge_pushes() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let before = tips(&desk);
    clone(&desk, "c");
    let blob: Vec<u8> = {
        let name = desk.git(&["-C", "c", "rev-parse", "HEAD:configs/policy.toml"]).ok().out;
        (0..20).map(|i| u8::from_str_radix(&name[2 * i..2 * i + 2], 16).unwrap()).collect()
    };
    let entry = |name: &str| [b"100644 ", name.as_bytes(), b"\0", &blob].concat();
    for (n, tree) in [[entry("a"), entry("a")].concat(), [entry("b"), entry("a")].concat()].into_iter().enumerate() {
        let tree = object(&desk, "c", "tree", &tree);
        let args = ["-C", "c", "commit-tree", &tree, "-p", "HEAD", "-m", "odd"];
        let commit = desk.git(&args).ok().out.trim().to_string();
        let said = push(&desk, "c", &[&format!("{commit}:refs/heads/promote/odd-v1-{n}")]);
        assert!(said.code != 0 && said.err.contains("remote rejected"), "{}", said.err);
    }
    // Folders without a file, ten in each, deep in each other: eight objects, and no end to look into.
    let mut tree = object(&desk, "c", "tree", b"");
    for _ in 0..14 {
        let bytes: Vec<u8> = (0..20).map(|i| u8::from_str_radix(&tree[2 * i..2 * i + 2], 16).unwrap()).collect();
        let ten = (b'a'..=b'j').flat_map(|name| [b"40000 ", &[name][..], b"\0", &bytes].concat());
        tree = object(&desk, "c", "tree", &ten.collect::<Vec<u8>>());
    }
    let commit = desk.git(&["-C", "c", "commit-tree", &tree, "-p", "HEAD", "-m", "deep"]).ok().out.trim().to_string();
    for reference in ["main", "promote/deep-v1-0"] {
        let said = push(&desk, "c", &[&format!("{commit}:refs/heads/{reference}")]);
        assert!(said.code != 0 && said.err.contains("too deep"), "{}", said.err);
    }
    desk.git(&["-C", "c", "commit-tree", &object(&desk, "c", "tree", b""), "-m", "x"]).ok();
    let empty = object(&desk, "c", "tree", b"");
    let listing = desk.git(&["-C", "c", "ls-tree", "HEAD"]).ok().out;
    std::fs::write(desk.path("listing"), format!("{listing}040000 tree {empty}\tzz\n")).unwrap();
    let tree = desk.run("sh", &["-c", "git -C c mktree < listing"]).ok().out.trim().to_string();
    let commit = desk.git(&["-C", "c", "commit-tree", &tree, "-p", "HEAD", "-m", "empty"]).ok().out.trim().to_string();
    let said = push(&desk, "c", &[&format!("{commit}:main")]);
    assert!(said.code != 0 && said.err.contains("without any file"), "{}", said.err);
    let many: Vec<String> = (0..300).map(|n| format!("HEAD:refs/heads/promote/many-v1-{n:012}")).collect();
    let said = push(&desk, "c", &many.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(said.code != 0 && said.err.contains("300 references in one push"), "{}", said.err);
    std::fs::create_dir_all(desk.path("c/x")).unwrap();
    for n in 0..20_050 {
        std::fs::write(desk.path(&format!("c/x/{n}")), n.to_string()).unwrap();
    }
    desk.git(&["-C", "c", "checkout", "-q", "-b", "files"]).ok();
    desk.git(&["-C", "c", "add", "-A"]).ok();
    desk.git(&["-C", "c", "commit", "-q", "-m", "files"]).ok();
    let said = push(&desk, "c", &["files:refs/heads/promote/files-v1-0"]);
    assert!(said.code != 0 && said.err.contains("too-large"), "{}", said.err);
    let said = push(&desk, "c", &["files:main"]);
    assert!(said.code != 0 && said.err.contains("refused ["), "{}", said.err);
    assert_eq!(tips(&desk), before);
}

/// G-15: what is changed after it was approved is not what was approved.
#[test]
fn g15_a_change_voids_the_approvals() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    merged(&desk, "c", "honest");
    let path = desk.path("c/configs/live/trend.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let leverage = text.lines().find(|l| l.starts_with("leverage = ") && !l.contains('"')).unwrap().to_string();
    std::fs::write(&path, text.replacen(&leverage, "leverage = 3", 1)).unwrap();
    let sign = "ssh-keygen -q -Y sign -n promotion@assay -f lab/keys/ana c/configs/live/trend.toml 2>/dev/null";
    desk.run("sh", &["-c", &format!("rm c/configs/live/trend.toml.sig; {sign}")]).ok();
    desk.git(&["-C", "c", "commit", "-q", "-a", "--amend", "--no-edit"]).ok();
    let said = push(&desk, "c", &["main", "refs/heads/ledger/*"]);
    assert!(said.code != 0 && said.err.contains("refused ["), "{}", said.err);
    assert_eq!(desk.assay(&["active", "--json"]).ok().json()[0]["version"], 3);
}

/// G-25, G-26: two who push at the same moment, and two versions in one push: one update, one record, all or nothing.
#[test]
fn g25_g26_several_at_once() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    merged(&desk, "c", "one");
    merged(&desk, "d", "two");
    let target = desk.path("lab/deploy.git");
    let both: Vec<_> = ["c", "d"]
        .into_iter()
        .map(|dir| {
            let mut git = desk.hermetic("git");
            git.args(["-C", dir, "push", "-q", "--atomic", target.to_str().unwrap(), "main", "refs/heads/ledger/*"]);
            git.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let said: Vec<_> = both.into_iter().map(|run| run.wait_with_output().unwrap()).collect();
    let landed = said.iter().filter(|s| s.status.success()).count();
    assert_eq!(landed, 1, "{said:?}");
    desk.assay(&["reconcile"]).ok();
    let history = desk.assay(&["active", "--history", "--json"]).ok().json();
    assert_eq!(history.as_array().unwrap().len(), 4, "one version more");
    // A good one and one without approvals, in one push: neither.
    merged(&desk, "e", "three");
    let bare = desk.assay(&["rollback", "trend", "--to", "1", "--reason", "four"]).ok().out.trim().to_string();
    desk.git(&["-C", "e", "pull", "-q", "--no-ff", "--no-edit", "-X", "theirs", "../lab/repo.git", &bare]).ok();
    let before = tips(&desk);
    let said = push(&desk, "e", &["main", "refs/heads/ledger/*"]);
    assert!(said.code != 0 && said.err.contains("refused ["), "{}", said.err);
    assert_eq!(tips(&desk), before);
    assert_eq!(desk.assay(&["active", "--json"]).ok().json()[0]["version"], 4);
    desk.assay(&["audit", "--full"]).ok();
}

/// G-27, G-34: a verifier that dies, or says yes and dies, and objects that lie elsewhere: nothing is accepted.
#[test]
fn g27_g34_a_verifier_that_dies_and_borrowed_objects() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    merged(&desk, "c", "honest");
    let before = tips(&desk);
    let hook = std::fs::read_dir(desk.path("lab/deploy.git")).unwrap().map(|f| f.unwrap().path());
    let hook = hook.map(|dir| dir.join("pre-receive")).find(|f| f.exists()).unwrap();
    let good = std::fs::read_to_string(&hook).unwrap();
    for bad in ["#!/bin/sh\nkill -9 $$\n", "#!/bin/sh\necho assay: trend v4 >&2\nkill -9 $$\n", "#!/bin/sh\nexit 7\n"] {
        std::fs::write(&hook, bad).unwrap();
        let said = push(&desk, "c", &["main", "refs/heads/ledger/*"]);
        assert!(said.code != 0, "{bad}");
        assert_eq!(tips(&desk), before);
    }
    std::fs::write(&hook, good).unwrap();
    let alternates = desk.path("lab/deploy.git/objects/info/alternates");
    std::fs::create_dir_all(alternates.parent().unwrap()).unwrap();
    std::fs::write(&alternates, format!("{}\n", desk.path("c/.git/objects").display())).unwrap();
    let said = push(&desk, "c", &["main", "refs/heads/ledger/*"]);
    assert!(said.code != 0 && said.err.contains("borrow"), "{}", said.err);
    desk.assay(&["reconcile"]).fails(3, "borrow");
    assert_eq!(tips(&desk), before);
    std::fs::remove_file(&alternates).unwrap();
    let said = push(&desk, "c", &["main", "refs/heads/ledger/*"]).ok();
    assert!(said.err.contains("trend v4 is live"), "{}", said.err);
}

/// Git refuses a part of a push after the hook has seen all of it, for whatever reason (a lock, a shallow root): the deploy
/// branch does not move without the log that it was verified with.
#[test]
fn a_part_of_a_push_is_none() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    merged(&desk, "c", "honest");
    let before = tips(&desk);
    let mut logs = before.lines().filter_map(|l| l.split_once("refs/heads/ledger/")).map(|(_, name)| name);
    let ledger = logs.find(|name| name.ends_with("_ana")).unwrap();
    let lock = desk.path(&format!("lab/deploy.git/refs/heads/ledger/{ledger}.lock"));
    std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
    std::fs::write(&lock, "").unwrap();
    let both = ["-C", "c", "push", "../lab/deploy.git", "main", "refs/heads/ledger/*"];
    let said = desk.git(&both);
    assert!(said.code != 0 && said.err.contains("does not stand here"), "{}", said.err);
    assert_eq!(tips(&desk), before);
    desk.assay(&["reconcile", "--check"]).ok();
    std::fs::remove_file(&lock).unwrap();
    assert!(desk.git(&both).ok().err.contains("is live"));
}

/// Whoever can push brings no more to somebody's log than is in it, and whoever keeps it goes on, also where a part of it
/// was brought there by somebody else.
#[test]
fn a_log_that_somebody_else_brings_is_followed() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    desk.assay(&["rollback", "trend", "--to", "1", "--reason", "more entries"]).ok();
    desk.git(&["clone", "-q", "lab/deploy.git", "c"]).ok();
    let ledger =
        desk.git(&["--git-dir", "lab/repo.git", "for-each-ref", "--format=%(refname)", "refs/heads/ledger"]).ok();
    let ledger = ledger.out.lines().find(|l| !l.contains("deploy")).unwrap().to_string();
    let branch = ledger.trim_start_matches("refs/heads/").to_string();
    let there = format!("origin/{branch}");
    let mut as_eve = vec!["-C", "c", "-c", "user.name=eve", "-c", "user.email=eve@x"];
    let base = as_eve.len();
    desk.git(&["-C", "c", "checkout", "-q", "--detach", &there]).ok();
    as_eve.extend(["commit", "-q", "--allow-empty", "-m", "x"]);
    desk.git(&as_eve).ok();
    let to = format!("HEAD:{ledger}");
    let said = desk.git(&["-C", "c", "push", "origin", &to]);
    assert!(said.code != 0 && said.err.contains("adds nothing to the log"), "{}", said.err);
    // What is true may come by anybody: in a commit that its owner does not know.
    desk.git(&["-C", "c", "checkout", "-q", "--detach", &there]).ok();
    desk.git(&["-C", "c", "fetch", "-q", "../lab/repo.git", &ledger]).ok();
    desk.git(&["-C", "c", "checkout", "-q", "FETCH_HEAD", "--", "."]).ok();
    as_eve.truncate(base);
    as_eve.extend(["commit", "-q", "-a", "-m", "brought by eve"]);
    desk.git(&as_eve).ok();
    desk.git(&["-C", "c", "push", "-q", "origin", &to]).ok();
    for reason in ["first", "second"] {
        desk.assay(&["sync"]).ok();
        let proposal = desk.assay(&["rollback", "trend", "--to", "1", "--reason", reason]).ok().out;
        assert!(!proposal.is_empty());
    }
    desk.assay(&["sync"]).ok();
    let (ours, theirs) = (
        desk.git(&["--git-dir", "lab/repo.git", "rev-parse", &ledger]).ok(),
        desk.git(&["--git-dir", "lab/deploy.git", "rev-parse", &ledger]).ok(),
    );
    assert_eq!(ours.out, theirs.out);
    desk.assay(&["verify"]).ok();
}

/// Somebody else's push lands between the merge of a deployment and its push: it is merged on top of theirs and goes, and
/// one that is refused for what it is stays refused.
#[test]
fn a_deployment_that_comes_second_goes_after_the_first() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let branch = desk.assay(&["rollback", "trend", "--to", "2", "--reason", "race"]).ok().out.trim().to_string();
    clone(&desk, "c");
    std::fs::write(desk.path("c/README.md"), "words").unwrap();
    desk.git(&["-C", "c", "add", "README.md"]).ok();
    let key = desk.path("lab/people/ben");
    let signed = |more: &[&str]| {
        let key = format!("user.signingkey={}", key.display());
        desk.git(&[&["-C", "c", "-c", "gpg.format=ssh", "-c", &key, "commit", "-q", "-S"], more].concat()).ok()
    };
    signed(&["-m", "words"]);
    // Once, just before the lab's own push goes out.
    let hooks = desk.path("lab/repo.git/hooks");
    std::fs::create_dir_all(&hooks).unwrap();
    let (clone, gate) = (desk.path("c"), desk.path("lab/deploy.git"));
    let race = format!(
        "#!/bin/sh\n[ -e {0}/done ] && exit 0\ntouch {0}/done\nunset GIT_DIR\ngit -C {0} push -q {1} main\n",
        clone.display(),
        gate.display()
    );
    std::fs::write(hooks.join("pre-push"), race).unwrap();
    desk.run("chmod", &["+x", hooks.join("pre-push").to_str().unwrap()]).ok();
    desk.assay(&["deploy", &branch]).fails(4, "approvals");
    assert!(desk.path("c/done").exists());
    desk.run("rm", &[desk.path("c/done").to_str().unwrap()]).ok();
    desk.approve(&branch, "lab/people/ben").ok();
    std::fs::write(desk.path("c/README.md"), "other words").unwrap();
    signed(&["-a", "-m", "other words"]);
    let before = desk.git(&["--git-dir", "lab/deploy.git", "rev-list", "--count", "main"]).ok().out;
    assert!(desk.assay(&["deploy", &branch]).ok().out.contains("is live"));
    let after = desk.git(&["--git-dir", "lab/deploy.git", "rev-list", "--count", "--first-parent", "main"]).ok().out;
    assert!(desk.path("c/done").exists() && after != before, "theirs came first");
    let words = desk.git(&["--git-dir", "lab/deploy.git", "show", "main:README.md"]).ok().out;
    assert_eq!(words, "other words");
    assert_eq!(desk.assay(&["active", "--json"]).ok().json()[0]["version"], 4);
    desk.assay(&["audit"]).ok();
}
