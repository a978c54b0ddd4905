//! A lab from the inside, without a command line: what a page or a worker would do.

#[path = "people_tests.rs"]
mod people;

use crate::create::{NewLab, create};
use crate::data::{Import, Origin, generated, read, register};
use crate::rules;
use crate::session::{Notice, Observer, Progress, Session, Stop};
use crate::study::{Ended, Seed, jobs, open, parse_strategy, parse_study, recorded, reopen, run, with_symbols};
use crate::{
    Kind, Lab, LabError, audit, doctor, exchange, folder, mirror, parity, promote, proof, proposal, report, review,
    rollback, trial, verify,
};
use assay_ledger::{Hash, Signer};
use assay_research::data::Request;
use assay_research::mirror::query::Order;
use assay_shared::event::roster::Role;
use assay_shared::event::{Event, PromotionProposed};
use assay_shared::format::config::{LedgerRef, LiveConfig};
use assay_shared::metric::Metric;
use assay_shared::policy::{self, PATH, Policy};
use assay_shared::rulebook::book::{Between, Wanted};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

const STUDY: &str = r#"
name = "inside"
trials = 24
seed = 3
batch = 4
[sampler]
name = "random"
[splits]
mode = "tile"
in_sample_days = 40
out_of_sample_days = 20
warmup_bars = 240
[objective]
figure = "sharpe"
degradation_weight = 0.2
[guardrails]
min_trades = 1
max_liquidations = 3
[assumptions]
initial_cash_usdt = 10000.0
slippage_bps = 1.0
"#;

const STRATEGY: &str = include_str!("../../configs/strategies/trend.toml");

/// Counts what it hears; says stop after so many trials.
#[derive(Default)]
struct Ear {
    trials: AtomicU64,
    ended: AtomicU64,
    stop_at: AtomicU64,
    stop: Stop,
    notices: Mutex<Vec<Notice>>,
}

impl Observer for Ear {
    fn notice(&self, notice: &Notice) {
        self.notices.lock().unwrap().push(notice.clone());
    }

    fn progress(&self, progress: &Progress<'_>) {
        match progress {
            Progress::Trials(p) => {
                self.trials.store(u64::from(p.done), Ordering::SeqCst);
                let at = self.stop_at.load(Ordering::SeqCst);
                if at > 0 && u64::from(p.done) >= at {
                    self.stop.request();
                }
            }
            Progress::Ended => drop(self.ended.fetch_add(1, Ordering::SeqCst)),
            Progress::Files { .. } => {}
        }
    }

    fn passphrase(&self, _: &Path) -> Option<String> {
        Some("open sesame".into())
    }
}

pub(crate) struct Stage {
    dir: TempDir,
    pub(crate) lab: Lab,
    ear: Arc<Ear>,
}

fn new_lab(dir: &Path) -> NewLab {
    NewLab {
        dir: dir.join("lab"),
        person: "ana".into(),
        origin: "t.example/ana".into(),
        reviewers: Vec::new(),
        witnesses: Vec::new(),
        deploy: None,
        genesis: None,
        live: None,
        encrypt: false,
        follows: None,
        allow_generated: true,
    }
}

/// A lab with a generated market.
pub(crate) fn stage() -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let ear = Arc::new(Ear::default());
    let memory = Some(dir.path().join("state"));
    let session = Session { observer: ear.clone(), stop: ear.stop.clone(), memory };
    let lab = create(&new_lab(dir.path()), &session).unwrap().lab;
    generated(&lab, &["BTCUSDT", "ETHUSDT"].map(String::from), 24 * 150, 9).unwrap().register(&lab).unwrap();
    Stage { dir, lab, ear }
}

impl Stage {
    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn open(&self, change: fn(&mut assay_shared::study::Study)) -> Result<crate::study::Opened, LabError> {
        let strategy = parse_strategy(STRATEGY, "trend")?;
        let strategy = with_symbols(&strategy, &["BTCUSDT".into(), "ETHUSDT".into()])?;
        let mut study = parse_study(STUDY, "inside")?;
        change(&mut study);
        open(&self.lab, strategy, study, Seed::Named, None, None, &[])
    }

    /// Puts a policy on the main branch, as `init --reviewer` and a push would.
    fn policy(&self, reviewer: &Signer) {
        let ana = self.lab.signer().unwrap().public().to_openssh();
        let vkey = self.lab.log().unwrap().verifier().to_string();
        let text = include_str!("../shared/format/policy/golden/v2.toml");
        let mut policy = Policy::parse(text).unwrap();
        policy.people[0].keys = vec![ana.parse().unwrap()];
        policy.people[1].keys = vec![reviewer.public()];
        policy.origins[0].vkey = vkey;
        let files = [(PATH.to_string(), policy.text().into_bytes())].into_iter().collect();
        self.lab.repo().unwrap().commit("main", &files, "ana", "policy").unwrap();
    }
}

#[test]
fn a_study_is_run_stopped_and_gone_on_with() {
    let s = stage();
    let opened = s.open(|_| ()).unwrap();
    s.ear.stop_at.store(8, Ordering::SeqCst);
    let stopped = run(&s.lab, &opened, 2).unwrap_err();
    assert!(
        matches!(stopped.kind(), Kind::Stopped) && stopped.to_string().contains("study resume inside"),
        "{stopped}"
    );
    let log = s.lab.log().unwrap();
    let part = recorded(&log, opened.id).unwrap();
    assert!((8..24).contains(&part.finished.len()) && !part.closed && part.lineage.trials == 24);
    assert!(matches!(promote::propose(&s.lab, None, None), Err(LabError::Usage { .. })), "not complete");
    // Another session, where nobody says stop.
    let lab = Lab::open(&s.lab.dir, &Session::silent()).unwrap();
    let again = reopen(&lab, &trial::study(&lab.mirror().unwrap(), None).unwrap().study_id).unwrap();
    assert_eq!(
        (again.id, again.strategy.hash(), again.study.text()),
        (opened.id, opened.strategy.hash(), opened.study.text())
    );
    assert_eq!(run(&lab, &again, 1).unwrap(), Ended::Complete);
    assert_eq!(run(&lab, &again, 1).unwrap(), Ended::Already);
    let whole = recorded(&lab.log().unwrap(), opened.id).unwrap();
    assert_eq!(
        (whole.finished.len(), whole.closed, !whole.case.walked.is_empty(), whole.lineage.trials),
        (24, true, true, 24)
    );
    assert_eq!(whole.finished[..part.finished.len()], part.finished[..]);
    assert!(s.ear.ended.load(Ordering::SeqCst) >= 1 && s.ear.trials.load(Ordering::SeqCst) >= 8);
    assert_eq!((jobs(Some(0)), jobs(Some(9))), (1, 9));
    // A name stands once; the very same study is the one that stands.
    let other = s.open(|study| study.seed = 4).unwrap_err();
    assert!(matches!(&other, LabError::Usage { hint: Some(h), .. } if h.contains("--name")), "{other}");
    assert_eq!(s.open(|_| ()).unwrap().id, opened.id);
    assert!(reopen(&lab, "none").unwrap_err().to_string().contains("no study none"));
    let mut newer = again;
    newer.environment.results = Some(999);
    assert!(run(&lab, &newer, 1).unwrap_err().to_string().contains("build it was opened with"));
}

#[test]
fn from_a_trial_to_an_approved_proposal() {
    let s = stage();
    let opened = s.open(|_| ()).unwrap();
    run(&s.lab, &opened, 2).unwrap();
    let best = trial::board(&s.lab, Some("inside"), Order::Best, 3).unwrap();
    let (row, t) = trial::pick(&s.lab, None, None).unwrap();
    assert_eq!((row.best, Some(t.number)), (best.study.best, best.study.best));
    assert_ne!(trial::second_best(&s.lab, "inside").unwrap(), t.number);
    for (study, number, words) in [(Some("none"), None, "no study 'none'"), (None, Some(999), "no trial 999")] {
        assert!(trial::pick(&s.lab, study, number).unwrap_err().to_string().contains(words));
    }
    assert!(promote::propose(&s.lab, None, None).unwrap_err().to_string().contains("no parity proof"));
    let (event, trades) = parity::prove(&s.lab, None, None).unwrap();
    assert!(event.research_stream == event.production_stream && trades > 0);
    assert!(promote::propose(&s.lab, None, None).unwrap_err().to_string().contains("has no policy"));
    let ben = Signer::from_seed([8; 32]);
    ben.write(&s.path("ben"), "ben", None).unwrap();
    s.policy(&ben);
    let proposed = promote::propose(&s.lab, None, None).unwrap();
    assert_eq!(review::proposals(&s.lab.repo().unwrap(), true).unwrap(), std::slice::from_ref(&proposed.branch));
    let seen = review::review(&s.lab.repo().unwrap(), &proposed.branch).unwrap();
    assert_eq!((seen.proposal.sha256, seen.before.is_none()), (proposed.sha256, true));
    assert!(seen.changes.iter().all(|c| c.before.is_none()) && seen.changes.len() > 30, "everything is new");
    for name in ["strategy.risk.margin_mode", "assumptions.slippage_bps", "environment.rustc", "promotion.data_hash"] {
        assert!(seen.changes.iter().any(|c| c.name == name), "{name}");
    }
    let said = |r: &review::Review| format!("{:?} {:?}", r.preview.checks, r.preview.figures);
    assert!(seen.preview.figures.is_some() && seen.preview.approved.is_empty(), "{}", said(&seen));
    // What a reviewer sees and what is promoted come from the ledger: a spoiled mirror changes nothing.
    let mirror = std::fs::read(s.lab.mirror_path()).unwrap();
    std::fs::write(s.lab.mirror_path(), vec![7; 9000]).unwrap();
    s.ear.notices.lock().unwrap().clear();
    assert_eq!(said(&review::review(&s.lab.repo().unwrap(), &proposed.branch).unwrap()), said(&seen));
    assert_eq!(*s.ear.notices.lock().unwrap(), [], "it was not even looked at");
    std::fs::write(s.lab.mirror_path(), mirror).unwrap();
    // Only a reviewer, never the author, approves.
    let own = s.lab.dir.join("keys/ana");
    let reviewed = proposed.sha256.to_string();
    assert!(matches!(review::approve(&s.lab, &proposed.branch, &own, &reviewed), Err(LabError::Refused(_))));
    let other = review::approve(&s.lab, &proposed.branch, &s.path("ben"), &Hash::ZERO.to_string());
    assert!(other.unwrap_err().to_string().contains("was reviewed"), "only what was reviewed is signed");
    assert_eq!(review::approve(&s.lab, &proposed.branch, &s.path("ben"), &reviewed).unwrap(), "ben");
    assert_eq!(review::review(&s.lab.repo().unwrap(), &proposed.branch).unwrap().preview.approved, ["ben"]);
    assert!(review::read(&s.lab.repo().unwrap(), "promote/none-v1-x").unwrap_err().to_string().contains("no branch"));
    // Merged by hand: in force from here on, and what a rollback finds.
    let repo = s.lab.repo().unwrap();
    let merged = repo.merge(&proposed.branch, "main", "ana").unwrap();
    repo.move_to("main", &merged).unwrap();
    let (current, text) = proposal::in_force(&repo, "trend").unwrap().unwrap();
    assert_eq!((current.promotion.version, Hash::of(&text)), (1, proposed.sha256));
    assert!(
        rollback::propose(&s.lab, "trend", rollback::To::Version(1), "r")
            .unwrap_err()
            .to_string()
            .contains("not earlier")
    );
    assert!(
        rollback::propose(&s.lab, "none", rollback::To::Version(1), "r").unwrap_err().to_string().contains("not live")
    );
    let [json, html, ..] = report::write(&s.lab, None, None, Some(&s.path("out")), false).unwrap();
    let shown: serde_json::Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    assert_eq!(shown["figures"].as_array().unwrap().len(), Metric::ALL.len());
    assert!(std::fs::read_to_string(html).unwrap().contains("GENERATED DATA"));
}

/// What was verified once must still be there; what is written goes where it belongs.
#[test]
fn verified_exported_proven_and_rolled_back() {
    let s = stage();
    let depth = verify::Depth { deep: true, new: false };
    assert_eq!(verify::own(&s.lab, depth).unwrap().findings, []);
    let out = s.path("out");
    assert_eq!(exchange::export_to(&s.lab, &out, false).unwrap().size, 3);
    assert_eq!(exchange::export_to(&s.lab, &out, false).unwrap().from, 3, "brought up, not refused");
    let vkey = s.lab.log().unwrap().verifier().to_string();
    assert_eq!(verify::exported(&out, Some(&vkey), &s.lab.session).unwrap().findings, []);
    verify::exported(&out, None, &s.lab.session).unwrap();
    assert!(s.ear.notices.lock().unwrap().contains(&Notice::OwnKey));
    std::fs::create_dir(s.path("theirs")).unwrap();
    std::fs::write(s.path("theirs/x"), "x").unwrap();
    assert!(matches!(exchange::export_to(&s.lab, &s.path("theirs"), false), Err(LabError::Occupied { .. })));
    let occupied = mirror::copy(&s.lab, &s.path("theirs/x"), false).unwrap_err();
    assert!(occupied.kind() == Kind::Usage && occupied.hint().unwrap().contains("--force"));
    mirror::copy(&s.lab, &s.path("copy.sqlite"), false).unwrap();
    mirror::copy(&s.lab, &s.path("copy.sqlite"), false).unwrap();
    let (proof, seq, entry) = proof::prove(&s.lab, "1").unwrap();
    assert_eq!(seq, 1);
    proof.verify(&entry, s.lab.log().unwrap().verifier()).unwrap();
    assert!(proof::prove(&s.lab, "99").is_err() && proof::prove(&s.lab, "zz").is_err());
    let log = exchange::import(&s.path("restored"), &out, Some(&vkey), &s.lab.session).unwrap();
    assert_eq!(log.len(), 3);
    assert!(exchange::import(&s.path("restored"), &out, Some(&vkey), &s.lab.session).is_err(), "never over another");
    // An older copy of the ledger in place of the newer one.
    crate::keys::add(&s.lab, "eve", &[Role::Researcher], &Signer::from_seed([5; 32]).public(), &[]).unwrap();
    verify::own(&s.lab, verify::Depth::default()).unwrap();
    std::fs::remove_dir_all(s.lab.ledger_dir()).unwrap();
    std::fs::rename(s.path("restored"), s.lab.ledger_dir()).unwrap();
    assert!(matches!(s.lab.writer(), Err(LabError::Rollback { .. })));
    std::fs::write(s.lab.verified_path(), "junk").unwrap();
    assert!(s.lab.writer().unwrap_err().to_string().contains("spoiled"));
}

#[test]
fn what_is_wrong_is_found_before_anything_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let session = Session::silent();
    let reviewer = ("ben".to_string(), Signer::from_seed([8; 32]).public());
    let wrong: [fn(&mut NewLab); 4] = [
        |n| n.live = Some("mysql://x".into()),
        |n| n.witnesses = vec!["junk".into()],
        |n| n.person = "Ana Smith".into(),
        |n| n.reviewers[0].0 = "ana".into(),
    ];
    for change in wrong {
        let mut new = NewLab { reviewers: vec![reviewer.clone()], ..new_lab(dir.path()) };
        change(&mut new);
        let e = create(&new, &session).unwrap_err();
        assert_eq!(e.kind(), Kind::Usage, "{e}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "{e}");
    }
    let lab = create(&new_lab(dir.path()), &session).unwrap().lab;
    assert!(create(&new_lab(dir.path()), &session).unwrap_err().to_string().contains("is a lab already"));
    std::fs::remove_file(lab.dir.join("assay.toml")).unwrap();
    assert!(create(&new_lab(dir.path()), &session).unwrap_err().to_string().contains("holds 'ledger' already"));
    assert!(Lab::open(&lab.dir, &session).unwrap_err().to_string().contains("there is no lab"));
    std::fs::write(lab.dir.join("assay.toml"), "name = 3").unwrap();
    assert_eq!(Lab::open(&lab.dir, &session).unwrap_err().kind(), Kind::Usage);
    assert_eq!(folder::find(Some(Path::new("x"))).unwrap(), Path::new("x"));
    assert!(folder::absolute(Path::new("x")).starts_with('/'));
}

#[test]
fn data_and_rule_books() {
    let s = stage();
    let symbols = ["BTCUSDT".to_string()];
    let book = |assume: Option<&str>| {
        let from_ms = assay_shared::time::parse("2022-03-01").unwrap();
        let wanted = Wanted { symbols: &symbols, from_ms, between: Between::Harsher, assume_brackets_from: assume };
        rules::book(&rules::shipped().unwrap(), rules::SOURCE, &wanted).unwrap()
    };
    let (earlier, book) = (book(Some("2020-01-01")), book(None));
    assert_eq!((earlier.assumptions.len(), earlier.hash() == book.hash()), (book.assumptions.len() + 1, false));
    s.lab.keep_rulebook(&earlier).unwrap();
    assert_eq!(s.lab.rulebook(&earlier.hash().to_string()).unwrap(), earlier);
    let file = s.lab.dir.join("rulebooks").join(format!("{}.toml", earlier.hash()));
    std::fs::write(&file, book.text()).unwrap();
    assert_eq!(s.lab.rulebook(&earlier.hash().to_string()).unwrap_err().kind(), Kind::Verification);
    let request = Request { interval: "1h".into(), ..Request::default() };
    let import = Import {
        dir: s.path("empty"),
        request,
        assume_brackets_from: None,
        brackets_seen: None,
        between: Between::Harsher,
    };
    assert!(read(&import, &s.lab, true).is_err(), "no folder");
    std::fs::create_dir(s.path("empty")).unwrap();
    assert!(read(&import, &s.lab, true).unwrap_err().to_string().contains("no market data"));
    let snapshot = &s.lab.mirror().unwrap().snapshots().unwrap()[0];
    let (hash, market) = s.lab.snapshot(&snapshot.data_hash, None).unwrap();
    assert_eq!((hash, market.generated), (market.data_hash(), true));
    assert!(s.lab.snapshot("zz", None).is_err() && s.lab.snapshot(&"0".repeat(64), None).is_err());
    let draft = assay_research::data::Draft::of(Some(&s.lab.snapshot_dir()), &market).unwrap();
    register(&s.lab, &draft, &book, Origin { source: "again".into(), ..Origin::default() }).unwrap();
    let checks = doctor::checks(&s.lab);
    let of = |name: &str| checks.iter().find(|c| c.0 == name).unwrap().1.clone();
    assert!(of("ledger").is_ok() && of("mirror").is_ok() && of("deploy").unwrap().starts_with("none"));
    assert!(!checks.iter().any(|c| c.0 == "hooks"), "where there is nothing, nothing is wrong");
    assert!(audit::audit(&s.lab, false).is_err(), "there is no gate");
}

/// A mirror that is behind, and one of an older release: said, and answered all the same.
#[test]
fn a_stale_mirror_is_said() {
    let s = stage();
    std::fs::remove_file(s.lab.mirror_path()).unwrap();
    assert_eq!(s.lab.mirror().unwrap().snapshots().unwrap().len(), 1);
    assert_eq!(s.ear.notices.lock().unwrap().pop(), Some(Notice::MirrorBehind { entries: 3 }));
    std::fs::write(s.lab.mirror_path(), vec![7; 9000]).unwrap();
    assert_eq!(s.lab.mirror().unwrap().snapshots().unwrap().len(), 1);
    assert!(matches!(s.ear.notices.lock().unwrap().pop(), Some(Notice::MirrorUnreadable { .. })));
    assert!(s.lab.update_mirror().unwrap_err().hint().unwrap().contains("mirror rebuild"));
    assert_eq!(mirror::rebuild(&s.lab).unwrap().cursor().unwrap(), 3);
}

/// The lab writes what the gate reads: a config's core is what its proposal names.
#[test]
fn proposals_name_their_config() {
    let core = |ledger: Option<LedgerRef>| {
        let mut config = LiveConfig::parse(include_bytes!("../shared/format/config/golden/v2.toml")).unwrap();
        config.ledger = ledger.or(config.ledger);
        config.core_sha256()
    };
    let config = LiveConfig::parse(include_bytes!("../shared/format/config/golden/v2.toml")).unwrap();
    let mut moved = config.ledger.clone().unwrap();
    moved.size += 1;
    assert_eq!(core(Some(moved)), core(None), "where the evidence stands is no part of it");
    let p = &config.promotion;
    let event = Event::from(PromotionProposed {
        strategy: p.strategy.clone(),
        version: p.version,
        core_sha256: core(None).0,
        replaces_sha256: p.replaces_sha256.0,
        study_id: [0; 16],
        number: p.trial_id,
    });
    assert_eq!(Event::decode(event.kind(), event.version(), &event.encode().unwrap()).unwrap(), event);
    assert_ne!(policy::NAMESPACE, assay_shared::format::config::NAMESPACE);
}
