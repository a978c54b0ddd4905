//! Pushes judged without git's hooks: what each reference, path, policy and config is refused for.

use super::proposals_tests::{proposals_are_somebodys, proposals_stay, reference};
use super::{Code, GateError, GateSettings, Host, Update, judge};
use crate::repository::{Files, Repo};
use assay_ledger::keys::sshsig;
use assay_ledger::{Hash, Signer};
use assay_shared::account::Assumptions;
use assay_shared::format::config::{
    APPROVAL_NAMESPACE, LiveConfig, NAMESPACE, Promotion, REPRODUCTION_NAMESPACE, Versions, approval_statement,
    evidence_dir,
};
use assay_shared::policy::{self, Gates, Origin, PATH, Person, Policy, Role, Thresholds};
use assay_shared::strategy::Params;
use tempfile::TempDir;

pub(super) const ZERO: &str = "0000000000000000000000000000000000000000";

pub(super) fn key(n: u8) -> Signer {
    Signer::from_seed([n; 32])
}

fn first() -> Policy {
    let person = |name: &str, roles: &[Role], n: u8| Person {
        name: name.into(),
        roles: roles.to_vec(),
        keys: vec![key(n).public()],
    };
    let log = assay_ledger::keys::note::Verifier::new("lab.example/ana", key(9).public()).unwrap();
    Policy {
        format: 2,
        version: 1,
        name: "p".into(),
        single_person: true,
        thresholds: Thresholds {
            approvals: 1,
            policy: 1,
            witnesses: 0,
            reproductions: 0,
            reproductions_from_vendor: 0,
        },
        gates: Gates {
            min_trades: 1,
            max_leverage: 5.0,
            max_drawdown: 0.5,
            min_dsr: None,
            max_pbo: None,
            engine_versions: vec!["x".into()],
            max_evidence_age_days: 30,
            track_record: false,
            witnessed_seed: false,
            max_count_age_days: 7,
            allow_generated: false,
        },
        people: vec![person("ana", &[Role::Researcher, Role::Root], 1), person("ben", &[Role::Reviewer], 2)],
        origins: vec![Origin { vkey: log.to_string() }],
        witnesses: vec![],
    }
}

/// A gate under the first policy.
pub(super) struct Stage {
    _dir: TempDir,
    pub(super) repo: Repo,
    host: Host,
}

pub(super) fn files(list: &[(&str, &str)]) -> Files {
    list.iter().map(|(p, t)| ((*p).to_string(), t.as_bytes().to_vec())).collect()
}

fn stage() -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::init(&dir.path().join("d.git"), true).unwrap();
    let text = first().text();
    let settings = GateSettings {
        deploy_branch: "main".into(),
        genesis_policy_sha256: Hash::of(text.as_bytes()),
        live: "sqlite:none".into(),
    };
    let host = Host::create(&dir.path().join("gate"), &settings).unwrap();
    repo.commit("main", &files(&[(PATH, &text)]), "ana", "policy").unwrap();
    Stage { _dir: dir, repo, host }
}

impl Stage {
    pub(super) fn main(&self) -> String {
        self.repo.tip("refs/heads/main").unwrap()
    }

    /// Pushes a commit with these files on top of main; gives the code of its refusal.
    fn push(&self, list: &[(&str, &str)]) -> Result<(), Code> {
        let (main, n) = (self.main(), self.repo.branches("side/").unwrap().len());
        let new = self.repo.commit_from(&format!("side/{n}"), Some(&main), &files(list), "ana", "change").unwrap();
        self.update(&main, &new, "refs/heads/main")
    }

    pub(super) fn update(&self, old: &str, new: &str, reference: &str) -> Result<(), Code> {
        let update = Update { old: old.into(), new: new.into(), reference: reference.into() };
        match judge(&self.repo, &[update], &self.host) {
            Ok(_) => Ok(()),
            Err(GateError::Refused(r)) => Err(r.code),
            Err(e) => panic!("{e}"),
        }
    }
}

/// A config with its signature by a key, as files to push.
fn signed(config: &LiveConfig, by: &Signer) -> (String, String) {
    let text = config.text();
    let signature = sshsig::sign(by, NAMESPACE, text.as_bytes()).unwrap();
    (text, signature)
}

fn config() -> LiveConfig {
    let text = || "x".to_string();
    LiveConfig {
        format: 2,
        promotion: Promotion {
            strategy: "s".into(),
            version: 1,
            replaces_sha256: Hash::ZERO,
            author: "ana".into(),
            study_id: text(),
            study_name: text(),
            trial_id: 0,
            strategy_hash: Hash::ZERO,
            data_hash: Hash::ZERO,
            rulebook_hash: Hash::ZERO,
            stream_hash: Hash::ZERO,
            promotion_timestamp: "2026-01-01 00:00:00 UTC".into(),
            generated_data: false,
            restores_version: None,
            retired: false,
        },
        environment: Versions {
            engine_version: text(),
            talib_version: text(),
            source_commit: text(),
            cargo_lock_sha256: text(),
            rustc: text(),
            target: text(),
            results: Some(2),
        },
        anchors: [("BTCUSDT".to_string(), "2024-01-01T00:00:00Z".to_string())].into(),
        assumptions: Assumptions { initial_cash_usdt: 1.0, ..Assumptions::default() },
        parameters: Params::new(),
        strategy_text: "format = 2\n".into(),
        ledger: None,
    }
}

#[test]
fn references() {
    let s = stage();
    let main = s.main();
    let side = s.repo.commit_from("side/a", Some(&main), &files(&[("README.md", "x")]), "ana", "m").unwrap();
    assert_eq!(s.update(&main, &side, "refs/heads/other"), Err(Code::ReferenceNotAllowed));
    assert_eq!(s.update(ZERO, &side, "refs/tags/v1"), Err(Code::ReferenceNotAllowed));
    assert_eq!(s.update(&main, ZERO, "refs/heads/main"), Err(Code::Deletion));
    assert_eq!(s.update(ZERO, &side, "refs/heads/main"), Err(Code::Recreated));
    assert_eq!(s.update(&side, &main, "refs/heads/main"), Err(Code::Stale));
    let unrelated = s.repo.commit_from("side/b", None, &files(&[(PATH, "x")]), "ana", "m").unwrap();
    assert_eq!(s.update(&main, &unrelated, "refs/heads/main"), Err(Code::NonFastForward));
    let mut n = 0;
    let mut propose = |list: &[(&str, &str)]| {
        n += 1;
        let new = s.repo.commit_from(&format!("side/p{n}"), Some(&main), &files(list), "ana", "m").unwrap();
        s.update(ZERO, &new, &reference("s", 1))
    };
    let by_ana = sshsig::sign(&key(1), NAMESPACE, b"x").unwrap();
    let own =
        [("configs/live/s.toml", "x"), ("configs/live/s.toml.sig", by_ana.as_str()), ("evidence/s/v1/statement", "x")];
    assert_eq!(propose(&own), Ok(()), "proposals may come and go");
    proposals_are_somebodys(&s, &main, &own);
    let by = |n: u8| sshsig::sign(&key(n), REPRODUCTION_NAMESPACE, b"x").unwrap();
    // What is no part of one does not lie there for everybody to fetch.
    let large = "x".repeat(300_000);
    for (other, code) in [
        (("junk", "x"), Code::PathNotAllowed),
        (("README.md", "x"), Code::PathNotAllowed),
        (("evidence/s/v1/notes", "x"), Code::PathNotAllowed),
        (("configs/live/t.toml", "x"), Code::PathNotAllowed),
        (("evidence/t/v1/statement", "x"), Code::PathNotAllowed),
        (("evidence/s/v1/checkpoint", &large), Code::TooLarge),
        (("evidence/s/v1/reproductions/ben.txt", "x"), Code::PathNotAllowed),
        (("evidence/s/v1/reproductions/ben.sig", &by(1)), Code::PathNotAllowed),
    ] {
        assert_eq!(propose(&[&own[..], &[other]].concat()), Err(code), "{}", other.0);
    }
    // What lies there as somebody's, they signed.
    for (n, expected) in [(1, Err(Code::PathNotAllowed)), (2, Ok(()))] {
        let pair = [("evidence/s/v1/reproductions/ben.txt", "x"), ("evidence/s/v1/reproductions/ben.sig", &by(n))];
        assert_eq!(propose(&[&own[..], &pair].concat()), expected);
    }
    proposals_stay(&s, &main, &own);
    // A second root would make the question for the first one ambiguous for good.
    let foreign = s.repo.commit_from("side/foreign", None, &files(&[(PATH, "x")]), "eve", "m").unwrap();
    let side = s.repo.commit_from("side/c", Some(&main), &files(&[("README.md", "x")]), "ana", "m").unwrap();
    s.repo.join("side/c", &foreign, "eve").unwrap();
    let joined = s.repo.tip("refs/heads/side/c").unwrap();
    assert_eq!(s.update(&main, &joined, "refs/heads/main"), Err(Code::NotFirstParent));
    assert_eq!(s.update(&main, &side, "refs/heads/main"), Err(Code::Unsigned), "words that nobody signed");
    for bad in ["", "a b", "zz yy refs/heads/main", &format!("{ZERO} {ZERO} ")] {
        assert_eq!(Update::parse(bad), None, "{bad}");
    }
}

#[test]
fn paths_have_a_meaning_or_are_refused() {
    let s = stage();
    for path in ["x", "configs/x.toml", "configs/live/s.txt", "configs/live/a/b.toml", "evidence2/x"] {
        assert_eq!(s.push(&[(path, "x")]), Err(Code::PathNotAllowed), "{path}");
    }
    assert_eq!(s.push(&[("README.md", "words")]), Err(Code::Unsigned), "nobody signed it");
    for (n, expected) in [(2, Ok(())), (7, Err(Code::Unsigned))] {
        let by = move |content: &[u8]| sshsig::sign(&key(n), policy::GIT_NAMESPACE, content).map_err(|e| e.to_string());
        let repo = Repo::open(&s.repo.dir()).unwrap().signed_by(Box::new(by));
        let words = files(&[("README.md", "words")]);
        let new = repo.commit_from(&format!("side/words{n}"), Some(&s.main()), &words, "ben", "words").unwrap();
        assert_eq!(s.update(&s.main(), &new, "refs/heads/main"), expected, "key {n}");
    }
    // Nobody plants evidence for a version that is not there, or a list of signers that the policy does not render.
    for path in ["evidence/s/v1/statement", "evidence/s/v1/approvals/eve.sig", "evidence/s/v2/notes"] {
        assert_eq!(s.push(&[(path, "x")]), Err(Code::PathNotAllowed), "{path}");
    }
    assert_eq!(s.push(&[("configs/allowed_signers", "eve ssh-ed25519 AAAA\n")]), Err(Code::BadSigners));
}

#[test]
fn the_first_push_is_the_pinned_policy_alone() {
    let s = stage();
    let other = tempfile::tempdir().unwrap();
    let repo = Repo::init(&other.path().join("e.git"), true).unwrap();
    let empty = Stage { _dir: other, repo, host: s.host.clone() };
    let text = first().text();
    let first_push = |list: &[(&str, &str)], n: u8| {
        let new = empty.repo.commit_from(&format!("side/{n}"), None, &files(list), "ana", "m").unwrap();
        empty.update(ZERO, &new, "refs/heads/main")
    };
    assert_eq!(first_push(&[("README.md", "x")], 1), Err(Code::NoPolicy));
    assert_eq!(first_push(&[(PATH, "version = 1")], 2), Err(Code::BadPolicy));
    assert_eq!(first_push(&[(PATH, &text.replace("max_leverage = 5.0", "max_leverage = 6.0"))], 3), Err(Code::Genesis));
    assert_eq!(first_push(&[(PATH, &text), ("configs/live/s.toml", "x")], 4), Err(Code::Genesis));
    assert_eq!(first_push(&[(PATH, &text)], 5), Ok(()));
}

#[test]
fn a_policy_changes_by_its_own_people() {
    let s = stage();
    let next = |change: fn(&mut Policy)| {
        let mut p = first();
        p.version = 2;
        change(&mut p);
        p.text()
    };
    let push = |text: &str, by: u8, namespace: &str| {
        let signature = sshsig::sign(&key(by), namespace, text.as_bytes()).unwrap();
        s.push(&[(PATH, text), ("configs/policy.sigs/a.sig", &signature)])
    };
    let looser = next(|p| p.gates.max_leverage = 20.0);
    assert_eq!(s.push(&[(PATH, &looser)]), Err(Code::PolicyThreshold), "nobody signed");
    assert_eq!(push(&looser, 2, policy::NAMESPACE), Err(Code::PolicyThreshold), "no root");
    assert_eq!(push(&looser, 1, NAMESPACE), Err(Code::PolicyThreshold), "another namespace");
    assert_eq!(push(&next(|p| p.version = 3), 1, policy::NAMESPACE), Err(Code::PolicyVersion));
    let again = next(|p| (p.version, p.gates.max_leverage) = (1, 9.0));
    assert_eq!(push(&again, 1, policy::NAMESPACE), Err(Code::PolicyVersion));
    assert_eq!(push(&looser.replace("max_leverage", "max_lever"), 1, policy::NAMESPACE), Err(Code::BadPolicy));
    // Signed by the old root, who is none in the new one.
    let handed = next(|p| p.people[0].keys = vec![key(7).public()]);
    assert_eq!(push(&handed, 1, policy::NAMESPACE), Err(Code::PolicyThreshold));
    assert_eq!(push(&looser, 1, policy::NAMESPACE), Ok(()));
    assert_eq!(s.push(&[("configs/policy.sigs/eve.sig", "x")]), Err(Code::PathNotAllowed), "without a policy");
    // Not together with a config, whoever signed.
    let signature = sshsig::sign(&key(1), policy::NAMESPACE, looser.as_bytes()).unwrap();
    let mixed = [(PATH, &looser[..]), ("configs/policy.sigs/a.sig", &signature), ("configs/live/s.toml", "x")];
    assert_eq!(s.push(&mixed), Err(Code::MixedPush));
}

/// A config is asked for its form, author, version, name and approvals before its evidence is.
#[test]
fn configs() {
    let s = stage();
    let path = LiveConfig::path("s");
    let sig = format!("{path}.sig");
    let policy_sha = Policy::hash_of(first().text().as_bytes());
    let push = |config: &LiveConfig, author: u8, approver: Option<u8>| {
        let (text, signature) = signed(config, &key(author));
        let statement = approval_statement(config, &Hash::of(text.as_bytes()), &policy_sha);
        let approval = approver.map(|n| sshsig::sign(&key(n), APPROVAL_NAMESPACE, statement.as_bytes()).unwrap());
        let place = format!("{}/approvals/x.sig", evidence_dir("s", config.promotion.version));
        let mut list = vec![(path.as_str(), text.as_str()), (sig.as_str(), signature.as_str())];
        if let Some(approval) = &approval {
            list.push((&place, approval));
        }
        s.push(&list)
    };
    let with = |change: fn(&mut LiveConfig)| {
        let mut c = config();
        change(&mut c);
        c
    };
    assert_eq!(s.push(&[(&path, "format = 2\n")]), Err(Code::BadConfig));
    let spaced = config().text().replace("version = 1\n", "version = 1 \n");
    assert_eq!(s.push(&[(&path, &spaced)]), Err(Code::BadConfig), "not canonical");
    assert_eq!(s.push(&[(&path, &config().text())]), Err(Code::Unsigned));
    let (_, elsewhere) = signed(&with(|c| c.promotion.trial_id = 7), &key(1));
    assert_eq!(s.push(&[(&path, &config().text()), (&sig, &elsewhere)]), Err(Code::BadSignature));
    assert_eq!(push(&config(), 7, None), Err(Code::UnknownAuthor));
    assert_eq!(push(&config(), 2, None), Err(Code::UnknownAuthor), "a reviewer is no researcher");
    assert_eq!(push(&with(|c| c.promotion.author = "eve".into()), 1, None), Err(Code::AuthorMismatch));
    assert_eq!(push(&with(|c| c.promotion.version = 2), 1, None), Err(Code::Version));
    assert_eq!(push(&with(|c| c.promotion.replaces_sha256 = Hash::of(b"x")), 1, None), Err(Code::Replaces));
    assert_eq!(push(&with(|c| c.promotion.strategy = "t".into()), 1, None), Err(Code::WrongName));
    assert_eq!(push(&config(), 1, None), Err(Code::Approvals));
    assert_eq!(push(&config(), 1, Some(1)), Err(Code::Approvals), "the author's own does not count");
    assert_eq!(push(&config(), 1, Some(7)), Err(Code::Approvals), "nor a stranger's");
    assert_eq!(push(&config(), 1, Some(2)), Err(Code::NoEvidence));
    // A text of version 1 is judged by the same rules.
    assert_eq!(push(&with(|c| c.format = 1), 1, Some(2)), Err(Code::BadConfig), "without a strategy of version 1");
}

/// What lies in the gate's folder decides, and a folder that does not read refuses everything.
#[test]
fn the_hosts_memory() {
    let s = stage();
    let pin = super::Pin { origin: "lab.example/ana".into(), size: 5, root: Hash::of(b"r"), revoked: Vec::new() };
    assert_eq!(s.host.pin(&pin.origin).unwrap(), None);
    s.host.remember(&pin).unwrap();
    s.host.remember(&super::Pin { size: 3, ..pin.clone() }).unwrap();
    assert_eq!(s.host.pin(&pin.origin).unwrap(), Some(pin.clone()), "it never goes back");
    let file = std::fs::read_dir(s.host.dir().join("pins")).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&file, "origin = 1").unwrap();
    assert!(s.host.pin(&pin.origin).unwrap_err().to_string().contains("malformed"));
    std::fs::write(&file, "origin = \"other\"\nsize = 1\nroot = \"".to_string() + &Hash::ZERO.to_string() + "\"")
        .unwrap();
    assert!(s.host.pin(&pin.origin).unwrap_err().to_string().contains("another log"));
    std::fs::write(s.host.dir().join("gate.toml"), "live = 3").unwrap();
    assert!(Host::open(s.host.dir()).unwrap_err().to_string().contains("malformed"));
    assert!(Host::open(std::path::Path::new("/none")).unwrap_err().to_string().contains("cannot be read"));
}

/// A rollback brings back what was there, field by field, and a retirement what is in force; whoever signed it.
#[test]
fn what_comes_back_is_what_was() {
    let s = stage();
    let v1 = config();
    let mut v2 = config();
    (v2.promotion.version, v2.environment.engine_version) = (2, "y".into());
    for version in [&v1, &v2] {
        s.repo.commit("main", &files(&[("configs/live/s.toml", &version.text())]), "ana", "v").unwrap();
    }
    let main = s.main();
    let says = |config: &LiveConfig, wanted: u64| match super::restore::verify(&s.repo, &main, config, wanted) {
        Ok(()) => Ok(()),
        Err(GateError::Refused(r)) => Err(r.code),
        Err(e) => panic!("{e}"),
    };
    let mut back = v1.clone();
    let p = &mut back.promotion;
    (p.version, p.replaces_sha256, p.author, p.restores_version) = (3, Hash::of(b"v2"), "ben".into(), Some(1));
    assert_eq!(says(&back, 1), Ok(()));
    assert_eq!((says(&back, 2), says(&back, 7)), (Err(Code::NotRestored), Err(Code::NotRestored)));
    let changes: [fn(&mut LiveConfig); 6] = [
        |c| c.strategy_text.push_str("name = \"other\"\n"),
        |c| c.environment.engine_version = "z".into(),
        |c| c.assumptions.initial_cash_usdt = 2.0,
        |c| c.promotion.data_hash = Hash::of(b"other"),
        |c| c.promotion.trial_id = 9,
        |c| c.promotion.generated_data = true,
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let mut other = back.clone();
        change(&mut other);
        assert_eq!(says(&other, 1), Err(Code::NotRestored), "change {n}");
    }
    // What retires a strategy has the content of version 2, and none of another.
    back.promotion.retired = true;
    assert_eq!(says(&back, 1), Err(Code::NotRestored));
    let mut gone = v2.clone();
    (gone.promotion.version, gone.promotion.restores_version, gone.promotion.retired) = (3, Some(2), true);
    assert_eq!(says(&gone, 2), Ok(()));
}
