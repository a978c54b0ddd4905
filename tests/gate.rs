//! Real pushes with real git through the real hooks: attacks must be refused and leave no trace.

use crate::desk::{Desk, Said};
use assay_ledger::keys::cosign::Witness;
use assay_ledger::{Draft, EventId, Log, Signer};

struct Attack<'a> {
    desk: &'a Desk,
    n: u32,
}

impl Attack<'_> {
    /// Clones the lab's repository, lets `change` work in it, commits, and pushes.
    fn push(&mut self, base: &str, change: impl Fn(&Desk, &str), refspec: &str) -> Said {
        self.n += 1;
        let dir = format!("attack{}", self.n);
        let d = self.desk;
        d.git(&["clone", "-q", "-b", base, "lab/repo.git", &dir]).ok();
        change(d, &dir);
        d.git(&["-C", &dir, "add", "-A"]).ok();
        if base.starts_with("promote/") {
            // As one step on top of main: the gate judges steps.
            d.git(&["-C", &dir, "reset", "-q", "--soft", "origin/main"]).ok();
        }
        d.git(&["-C", &dir, "commit", "-q", "--allow-empty", "-m", "attack"]).ok();
        let target = d.path("lab/deploy.git");
        d.git(&["-C", &dir, "push", target.to_str().unwrap(), refspec])
    }

    /// The push must be refused with this code, and nothing may have moved.
    #[track_caller]
    fn refused(&mut self, base: &str, change: impl Fn(&Desk, &str), refspec: &str, code: &str) {
        let tips = |d: &Desk| d.git(&["--git-dir", "lab/deploy.git", "for-each-ref"]).ok().out;
        let before = (tips(self.desk), self.desk.assay(&["active", "--json"]).ok().out);
        let said = self.push(base, change, refspec);
        assert_ne!(said.code, 0, "{code}: the push was accepted");
        assert!(said.err.contains(code), "{code} is not in:\n{}", said.err);
        assert_eq!((tips(self.desk), self.desk.assay(&["active", "--json"]).ok().out), before, "{code}");
    }
}

fn edit(desk: &Desk, file: String, f: impl Fn(String) -> String) {
    let path = desk.path(&file);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, f(text)).unwrap();
}

/// A fourth version, proposed and not yet approved; gives its branch.
fn proposal(desk: &Desk) -> String {
    desk.assay(&["rollback", "trend", "--to", "2", "--reason", "test"]).ok().out.trim().to_string()
}

#[test]
fn attacks_on_the_deploy_branch_are_refused() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let branch = proposal(&desk);
    let ledger = "refs/heads/ledger/demo.assay.invalid_ana";
    desk.git(&["--git-dir", "lab/repo.git", "push", "lab/deploy.git", ledger]).ok();
    let mut a = Attack { desk: &desk, n: 0 };
    let live = "configs/live/trend.toml";
    let remove = |d: &Desk, f: String| std::fs::remove_file(d.path(&f)).unwrap();
    // G-01, G-02: unsigned, other bytes, whitespace only.
    a.refused("main", |d, c| remove(d, format!("{c}/{live}.sig")), "HEAD:main", "unsigned");
    a.refused(&branch, |d, c| remove(d, format!("{c}/{live}.sig")), "HEAD:main", "unsigned");
    a.refused(
        &branch,
        |d, c| edit(d, format!("{c}/{live}"), |t| t.replacen("leverage = ", "leverage =  ", 1)),
        "HEAD:main",
        "bad-config",
    );
    a.refused(
        &branch,
        |d, c| edit(d, format!("{c}/{live}"), |t| t.replacen('\n', "\r\n", 1)),
        "HEAD:main",
        "bad-config",
    );
    a.refused(
        &branch,
        |d, c| edit(d, format!("{c}/{live}"), |t| t.replacen("trial_id = ", "trial_id = 1", 1)),
        "HEAD:main",
        "bad-signature",
    );
    // What is no number is refused with its code, and stops nobody: not the hook, not a reviewer.
    for (from, to) in [("slippage_bps = ", "slippage_bps = inf #"), ("leverage = ", "leverage = nan #")] {
        let change = |t: String| t.replacen(from, to, 1);
        a.refused(&branch, |d, c| edit(d, format!("{c}/{live}"), change), "HEAD:main", "bad-config");
    }
    // G-13: unknown keys, duplicate keys.
    a.refused(&branch, |d, c| edit(d, format!("{c}/{live}"), |t| t + "\n[extra]\nx = 1\n"), "HEAD:main", "bad-config");
    // What people would sign is what lies there: it must be the statement of this config.
    let stated = |t: String| t.replacen("trend", "trent", 1);
    a.refused(
        &branch,
        |d, c| edit(d, format!("{c}/evidence/trend/v4/statement"), stated),
        "HEAD:main",
        "bad-statement",
    );
    // G-17: nobody approved; G-14: an approval of another config does not count.
    a.refused(&branch, |_, _| (), "HEAD:main", "approvals");
    let old = |d: &Desk, c: &str| {
        let to = d.path(&format!("{c}/evidence/trend/v4/approvals"));
        std::fs::create_dir_all(&to).unwrap();
        std::fs::copy(d.path(&format!("{c}/evidence/trend/v3/approvals/ben.sig")), to.join("ben.sig")).unwrap();
    };
    a.refused(&branch, old, "HEAD:main", "approvals");
    history_attacks(&mut a, &branch);
    policy_attacks(&mut a, &branch);
    ledger_attacks(&mut a, ledger);
    the_honest_way(&desk, &branch);
}

/// Removal, odd paths, rewritten history, other references, lines that are not ours.
fn history_attacks(a: &mut Attack<'_>, branch: &str) {
    let live = "configs/live/trend.toml";
    let remove = |d: &Desk, f: String| std::fs::remove_file(d.path(&f)).unwrap();
    // G-11, D-17: removal. G-09: links and odd paths. G-03, G-04: history and other references.
    a.refused("main", |d, c| remove(d, format!("{c}/{live}")), "HEAD:main", "config-removed");
    a.refused(
        "main",
        |d, c| std::os::unix::fs::symlink("/etc/passwd", d.path(&format!("{c}/configs/live/x.toml"))).unwrap(),
        "HEAD:main",
        "mode 100644",
    );
    a.refused(
        "main",
        |d, c| std::fs::write(d.path(&format!("{c}/run.sh")), "x").unwrap(),
        "HEAD:main",
        "path-not-allowed",
    );
    a.refused(
        "main",
        |d, c| {
            d.git(&["-C", c, "reset", "-q", "--hard", "HEAD~1"]).ok();
        },
        "+HEAD:main",
        "non-fast-forward",
    );
    a.refused("main", |_, _| (), ":main", "deletion");
    a.refused("main", |_, _| (), "HEAD:refs/tags/v1", "reference-not-allowed");
    a.refused("main", |_, _| (), "HEAD:refs/notes/x", "reference-not-allowed");
    // A step without approvals on the way is refused, and so is a line that is not ours.
    a.refused(
        "main",
        |d, c| {
            d.git(&["-C", c, "merge", "-q", "--ff-only", &format!("origin/{branch}")]).ok();
        },
        "HEAD:main",
        "approvals",
    );
    let foreign = |d: &Desk, c: &str| {
        d.git(&["-C", c, "checkout", "-q", "--orphan", "mine"]).ok();
        d.git(&["-C", c, "commit", "-q", "-m", "mine"]).ok();
        d.git(&["-C", c, "merge", "-q", "--allow-unrelated-histories", "-s", "ours", "-m", "m", "origin/main"]).ok();
    };
    a.refused("main", foreign, "HEAD:main", "not-first-parent");
    // Evidence comes with its version only, and nothing else lies there.
    let planted = |d: &Desk, c: &str| {
        std::fs::create_dir_all(d.path(&format!("{c}/evidence/trend/v4"))).unwrap();
        std::fs::write(d.path(&format!("{c}/evidence/trend/v4/statement")), "x").unwrap();
    };
    a.refused("main", planted, "HEAD:main", "path-not-allowed");
    // Evidence that was deployed stays as it is.
    a.refused(
        "main",
        |d, c| std::fs::write(d.path(&format!("{c}/evidence/trend/v1/statement")), "x").unwrap(),
        "HEAD:main",
        "evidence-changed",
    );
}

/// After all attacks the honest way still works, with plain ssh-keygen.
fn the_honest_way(desk: &Desk, branch: &str) {
    approve_with_ssh_keygen(desk, branch);
    assert!(desk.assay(&["deploy", branch]).ok().out.contains("trend v4 is live"));
    desk.assay(&["audit", "--full"]).ok();
}

/// G-19, G-20, G-21: the policy never changes with a config, goes up by one, and is signed.
fn policy_attacks(a: &mut Attack<'_>, branch: &str) {
    let policy = "configs/policy.toml";
    let next = |t: String| t.replacen("version = 1", "version = 2", 1);
    a.refused(branch, |d, c| edit(d, format!("{c}/{policy}"), next), "HEAD:main", "mixed-push");
    a.refused("main", |d, c| edit(d, format!("{c}/{policy}"), next), "HEAD:main", "policy-threshold");
    a.refused(
        "main",
        |d, c| edit(d, format!("{c}/{policy}"), |t| t.replacen("max_leverage = 5.0", "max_leverage = 9.0", 1)),
        "HEAD:main",
        "policy-version",
    );
    // One person's signature is not enough, and no policy goes back to one person.
    let signed = |d: &Desk, c: &str, edit_it: &dyn Fn(String) -> String, keys: &[&str]| {
        edit(d, format!("{c}/{policy}"), edit_it);
        for key in keys {
            d.assay(&["policy", "sign", &format!("{c}/{policy}"), "--key", key]).ok();
        }
    };
    let (ana, ben) = ("lab/keys/ana", "lab/people/ben");
    a.refused("main", |d, c| signed(d, c, &next, &[ana]), "HEAD:main", "policy-threshold");
    let alone = |t: String| next(t).replacen("\n[thresholds]", "single_person = true\n\n[thresholds]", 1);
    a.refused("main", |d, c| signed(d, c, &alone, &[ana, ben]), "HEAD:main", "policy-people");
    let few = |t: String| next(t).replacen("policy = 2", "policy = 1", 1);
    a.refused("main", |d, c| edit(d, format!("{c}/{policy}"), few), "HEAD:main", "bad-policy");
    // What it renders goes with it.
    let stale = |d: &Desk, c: &str| {
        signed(d, c, &next, &[ana, ben]);
        edit(d, format!("{c}/configs/allowed_signers"), |t| t + "eve namespaces=\"approval@assay\" ssh-ed25519 AAAA\n");
    };
    a.refused("main", stale, "HEAD:main", "bad-signers");
    let lower = |t: String| next(t).replacen("approvals = 1", "approvals = 0", 1);
    a.refused("main", |d, c| edit(d, format!("{c}/{policy}"), lower), "HEAD:main", "bad-policy");
}

/// L-08, P-12, P-18: a log that lost its end, or whose tiles changed.
fn ledger_attacks(a: &mut Attack<'_>, ledger: &str) {
    let base = ledger.trim_start_matches("refs/heads/");
    let to = format!("HEAD:{ledger}");
    let flip = |d: &Desk, c: &str| {
        let dir = d.path(&format!("{c}/tile/entries/000.p"));
        let mut files: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|f| f.unwrap().path()).collect();
        files.sort_by_key(|f| f.file_name().unwrap().to_string_lossy().parse::<u32>().unwrap());
        let file = files.pop().unwrap();
        let mut bytes = std::fs::read(&file).unwrap();
        let at = bytes.len() - 30;
        bytes[at] ^= 1;
        std::fs::write(&file, bytes).unwrap();
    };
    a.refused(base, flip, &to, "refused [");
    a.refused(base, |d, c| edit(d, format!("{c}/checkpoint"), |t| t.replacen('\n', "\n1", 1)), &to, "bad-checkpoint");
    let back = |d: &Desk, c: &str| {
        let old = d.git(&["-C", c, "show", "HEAD~2:checkpoint"]).ok().out;
        std::fs::write(d.path(&format!("{c}/checkpoint")), old).unwrap();
    };
    a.refused(base, back, &to, "rollback");
    a.refused(base, |d, c| std::fs::write(d.path(&format!("{c}/notes.txt")), "x").unwrap(), &to, "path-not-allowed");
    a.refused(base, |d, c| std::fs::write(d.path(&format!("{c}/log.vkey")), "x").unwrap(), &to, "path-not-allowed");
}

/// A reviewer needs no Assay: `ssh-keygen -Y sign` over the statement is enough, and the config's
/// own signature verifies with `ssh-keygen -Y verify`.
fn approve_with_ssh_keygen(desk: &Desk, branch: &str) {
    let statement = desk.assay(&["review", branch, "--statement"]).ok().out;
    std::fs::write(desk.path("statement"), &statement).unwrap();
    desk.run("ssh-keygen", &["-Y", "sign", "-n", "approval@assay", "-f", "lab/people/ben", "statement"]).ok();
    desk.assay(&["approve", branch, "--signature", "statement.sig"]).ok();
    let file = |path: &str| desk.git(&["--git-dir", "lab/repo.git", "show", &format!("{branch}:{path}")]).ok().out;
    std::fs::write(desk.path("allowed"), file("configs/allowed_signers")).unwrap();
    std::fs::write(desk.path("c.toml"), file("configs/live/trend.toml")).unwrap();
    std::fs::write(desk.path("c.sig"), file("configs/live/trend.toml.sig")).unwrap();
    let verify = "ssh-keygen -Y verify -f allowed -I ana -n promotion@assay -s c.sig < c.toml";
    desk.run("sh", &["-c", verify]).ok();
    let wrong = desk.run("sh", &["-c", "ssh-keygen -Y verify -f allowed -I ana -n approval@assay -s c.sig < c.toml"]);
    assert_ne!(wrong.code, 0, "a promotion is no approval");
}

/// K-03, G-17: strangers and authors cannot approve.
#[test]
fn only_reviewers_approve() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let branch = proposal(&desk);
    desk.assay(&["key", "new", "--out", "eve", "--comment", "eve"]).ok();
    desk.approve(&branch, "eve").fails(4, "belongs to no reviewer");
    desk.approve(&branch, "lab/keys/ana").fails(4, "belongs to no reviewer");
    desk.assay(&["approve", "promote/none-v1-000000000000", "--key", "eve"]).fails(2, "there is no branch");
    desk.assay(&["deploy", &branch]).fails(4, "approvals");
    desk.assay(&["reconcile", "--check"]).ok();
}

/// The root people sign a policy that asks for one witness.
fn policy_with_witness(desk: &Desk, vkey: &str) {
    desk.git(&["clone", "-q", "lab/repo.git", "p"]).ok();
    edit(desk, "p/configs/policy.toml".into(), |t| {
        let t = t.replacen("version = 1", "version = 2", 1).replacen("policy = 2", "policy = 2\nwitnesses = 1", 1);
        format!("{t}\n[[witnesses]]\nvkey = \"{vkey}\"\n")
    });
    let policy = "p/configs/policy.toml";
    let said = desk.assay(&["policy", "diff", policy]).ok();
    assert!(said.out.contains("witnesses: 0 -> 1") && said.out.contains("+ witness"), "{}", said.out);
    desk.assay(&["policy", "sign", policy, "--key", "eve"]).fails(4, "no root person");
    for (person, key) in [("ana", "lab/keys/ana"), ("ben", "lab/people/ben")] {
        let said = desk.assay(&["policy", "sign", policy, "--key", key]).ok();
        assert!(said.out.contains(&format!("signed by {person}")), "{}", said.out);
    }
    desk.git(&["-C", "p", "add", "-A"]).ok();
    desk.git(&["-C", "p", "commit", "-q", "-m", "policy: promotions need a witness"]).ok();
    for target in ["lab/deploy.git", "lab/repo.git"] {
        desk.git(&["-C", "p", "push", "-q", desk.path(target).to_str().unwrap(), "HEAD:main"]).ok();
    }
}

/// P-17: a policy that names witnesses: without their cosignature, with a stranger's, or with the
/// right key under another name, nothing is promoted; with it, it is.
#[test]
fn p17_a_promotion_needs_its_witnesses() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    for key in ["w", "eve"] {
        desk.assay(&["key", "new", "--out", key, "--comment", key]).ok();
    }
    let public = std::fs::read_to_string(desk.path("w.pub")).unwrap();
    let witness = Witness::new("w.example/1", public.parse().unwrap()).unwrap();
    desk.assay(&["init", "other", "--person", "ana", "--witness", "junk"]).fails(2, "witness key");
    assert!(!desk.path("other").exists(), "nothing is made by halves");
    desk.assay(&["bench", "ledger", "--events", "3"]).fails(2, "5000");
    policy_with_witness(&desk, &witness.to_string());
    let branch = proposal(&desk);
    approve_with_ssh_keygen(&desk, &branch);
    desk.assay(&["deploy", &branch]).fails(4, "witness-quorum");
    // The log has gone on: a witness sees a later checkpoint, which has the evidence too.
    desk.assay(&["key", "add", "eve", "--role", "researcher", "--public", "eve.pub"]).ok();
    desk.assay(&["ledger", "export", "out"]).ok();
    let vkey = std::fs::read_to_string(desk.path("out/log.vkey")).unwrap();
    let cosigned_by = |key: &str, name: &str| {
        let args = ["witness", "cosign", "out", "--vkey", vkey.trim(), "--key", key, "--name", name, "--memory", name];
        std::fs::create_dir_all(desk.path(name)).unwrap();
        std::fs::write(desk.path("cosigned"), desk.assay(&args).ok().out).unwrap();
        desk.assay(&["ledger", "attach", "cosigned", "--branch", &branch]).ok();
        desk.assay(&["deploy", &branch])
    };
    cosigned_by("eve", "w.example/1").fails(4, "witness-quorum");
    cosigned_by("w", "w.example/2").fails(4, "witness-quorum");
    assert!(cosigned_by("w", "w.example/1").ok().out.contains("trend v4 is live"));
    desk.assay(&["audit", "--full"]).ok();
}

/// L-20: an event of a later release before the evidence: the log still verifies, nothing is promoted.
#[test]
fn l20_nothing_is_promoted_past_an_unknown_event() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let signer = |name: &str| Signer::read(&desk.path(&format!("lab/keys/{name}")), &|_| None).unwrap();
    let mut log = Log::open(&desk.path("lab/ledger")).unwrap();
    let draft = Draft { id: EventId([9; 16]), kind: "KeyRevoked".into(), version: 9, payload: vec![1, 2, 3] };
    log.append(&[draft], &signer("ana")).unwrap();
    log.publish(&signer("log")).unwrap();
    drop(log);
    desk.assay(&["verify"]).ok();
    // This release's own tools stop at it; a proposal made by another release's does not help.
    let said = desk.assay(&["rollback", "trend", "--to", "2", "--reason", "test"]);
    assert!(said.code != 0 && said.err.contains("KeyRevoked"), "{}", said.err);
    let branches = desk.git(&["--git-dir", "lab/repo.git", "for-each-ref", "--format=%(refname:short)"]).ok().out;
    let branch = branches.lines().find(|b| b.starts_with("promote/trend-v4")).expect("the proposal was committed");
    approve_with_ssh_keygen(&desk, branch);
    desk.assay(&["deploy", branch]).fails(4, "unsupported-event");
}

/// G-29, G-30: a missing verifier, a broken pin or a lost environment refuse the push.
#[test]
fn the_gate_fails_closed() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    let branch = proposal(&desk);
    desk.approve(&branch, "lab/people/ben").ok();
    let hook = desk.path("lab/deploy.git/hooks/pre-receive");
    let text = std::fs::read_to_string(&hook).unwrap();
    std::fs::write(&hook, text.replace(env!("CARGO_BIN_EXE_assay"), "/nowhere/assay")).unwrap();
    let by_hand = desk.git(&["--git-dir", "lab/repo.git", "push", "lab/deploy.git", &format!("{branch}:main")]);
    assert!(by_hand.code != 0 && by_hand.err.contains("the verifier /nowhere/assay is missing"), "{}", by_hand.err);
    desk.assay(&["deploy", &branch]).fails(3, "runs '/nowhere/assay', which is no program here");
    std::fs::write(&hook, text.replace("exec ", "unset GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES; exec "))
        .unwrap();
    desk.assay(&["deploy", &branch]).fails(4, "not visible");
    std::fs::write(&hook, &text).unwrap();
    let gate = desk.path("lab/deploy.git/assay/gate.toml");
    let settings = std::fs::read_to_string(&gate).unwrap();
    std::fs::write(&gate, "nonsense").unwrap();
    desk.assay(&["deploy", &branch]).fails(4, "malformed");
    std::fs::write(&gate, settings).unwrap();
    desk.assay(&["deploy", &branch]).ok();
}
