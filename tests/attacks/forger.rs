//! The forger: holds all of the researcher's keys, and signs the log anew with other numbers in it.

use crate::desk::{Desk, SYMBOLS, Said, write_market};
use assay_ledger::keys::sshsig;
use assay_ledger::{Hash, Log, Signer};
use assay_production::repository::evidence::{commit_tiles, event_ref, files};
use assay_production::repository::{Files, Repo};
use assay_shared::event::codec::Real;
use assay_shared::event::study::study_id;
use assay_shared::event::{Event, MetricCode, StudyOpenedV2, TrialCompletedV2, VaultOpened, WalkForwardCompleted};
use assay_shared::format::config::{
    APPROVAL_NAMESPACE, LedgerRef, LiveConfig, NAMESPACE, REPRODUCTION_NAMESPACE, approval_statement, evidence_dir,
};
use assay_shared::format::reproduction::Reproduction;
use assay_shared::market::Field::{Close, High, Low, MarkClose, MarkHigh, MarkLow, MarkOpen, Open};
use assay_shared::market::Market;
use assay_shared::metric::Metric;
use assay_shared::policy::Policy;
use std::path::Path;

/// One that trades often, so that the default policy's gates are kept.
const STRATEGY: &str = r#"
name = "trend"
description = "two averages"
interval = "1h"
symbols = ["BTCUSDT", "ETHUSDT", "XRPUSDT", "SOLUSDT"]
constraints = ["fast * 2 <= slow"]
[parameters]
fast = { type = "int", low = 10, high = 40, default = 20 }
slow = { type = "int", low = 60, high = 200, default = 100 }
leverage = { type = "int", low = 2, high = 3, default = 2 }
[indicators]
fast_ma = "EMA(close, fast)"
slow_ma = "EMA(close, slow)"
[signals]
long_entry = "crosses_above(fast_ma, slow_ma)"
long_exit = "crosses_below(fast_ma, slow_ma)"
short_entry = "crosses_below(fast_ma, slow_ma)"
short_exit = "crosses_above(fast_ma, slow_ma)"
[sizing]
margin_fraction = 0.1
leverage = "leverage"
[risk]
margin_mode = "isolated"
max_concurrent_positions = 4
"#;

/// A market that rises and falls in long waves, so that a rule that follows trends has an edge.
fn swinging() -> Market {
    let mut market = assay_research::data::generate::market(&SYMBOLS.map(String::from), 24 * 420, 3);
    let wave = |symbol: usize, t: usize| (0.35 * (t as f64 / (24.0 * 3.0 + 9.0 * symbol as f64)).sin()).exp();
    for (symbol, c) in market.columns.iter_mut().enumerate() {
        for (field, at) in
            [(Open, 0), (High, 1), (Low, 2), (Close, 3), (MarkOpen, 0), (MarkHigh, 1), (MarkLow, 2), (MarkClose, 3)]
        {
            for (t, price) in c.get_mut(field).iter_mut().enumerate() {
                let (from, to) = (wave(symbol, t), wave(symbol, t + 1));
                *price *= [from, from.max(to), from.min(to), to][at];
            }
        }
    }
    Market::new(market.interval_ms, market.times, market.symbols, market.columns, market.generated)
}

/// An honest lab with a proposal that its reviewer reproduced, and everything that the researcher holds.
pub struct Forger {
    pub desk: Desk,
    pub branch: String,
    pub events: Vec<Event>,
    config: LiveConfig,
    ana: Signer,
    ben: Signer,
    log_key: Signer,
    n: u32,
    /// This event gets an id of its own instead of the one that it should have.
    pub odd: Option<usize>,
    /// What the config is made to refer to instead of what it should.
    pub pointing: Option<fn(&Log, &mut LedgerRef)>,
    /// What is said of the reproduction that was never made.
    pub stated: fn(&mut Reproduction),
}

impl Forger {
    pub fn new() -> Forger {
        let desk = Desk::new();
        desk.assay(&["key", "new", "--out", "ben", "--comment", "ben"]).ok();
        desk.assay(&["init", "lab", "--person", "ana", "--reviewer", "ben=ben.pub"]).ok();
        write_market(&desk.path("market"), &swinging());
        desk.assay(&["data", "import", "market", "--assume-brackets-from", "2020-01-01"]).ok();
        desk.strategy_and_study(24);
        std::fs::write(desk.path("trend.toml"), STRATEGY).unwrap();
        let study = std::fs::read_to_string(desk.path("study.toml")).unwrap();
        std::fs::write(
            desk.path("study.toml"),
            study
                .replace("min_trades = 5", "min_trades = 5\nprune_below_median = true")
                .replace("vault_days = 0", "vault_days = 10"),
        )
        .unwrap();
        desk.assay(&["study", "run", "trend.toml", "study.toml"]).ok();
        desk.assay(&["study", "vault"]).ok();
        desk.assay(&["parity"]).ok();
        let branch = desk.assay(&["promote"]).ok().out.trim().to_string();
        let key = |path: &str| Signer::read(&desk.path(path), &|_| None).unwrap();
        let (ana, ben, log_key) = (key("lab/keys/ana"), key("ben"), key("lab/keys/log"));
        let log = Log::open(&desk.path("lab/ledger")).unwrap();
        let events = (0..log.len()).map(|seq| Event::of(&log.entry(seq).unwrap()).unwrap()).collect();
        let repo = Repo::open(&desk.path("lab/repo.git")).unwrap();
        let tip = repo.tip(&format!("refs/heads/{branch}")).unwrap();
        let config = LiveConfig::parse(&repo.file(&tip, "configs/live/trend.toml").unwrap().unwrap()).unwrap();
        Forger { desk, branch, events, config, ana, ben, log_key, n: 0, odd: None, pointing: None, stated: |_| () }
    }

    /// The number of the promoted trial.
    pub fn promoted(&self) -> u32 {
        self.config.promotion.trial_id
    }

    /// Pushes a proposal from a log with other events; ben is made to sign whatever lies there, and to state a
    /// reproduction if he `ran` it.
    pub fn push(&mut self, ran: bool, change: impl Fn(&mut Vec<Event>, &mut LiveConfig)) -> Said {
        self.n += 1;
        let (mut events, mut config) = (self.events.clone(), self.config.clone());
        change(&mut events, &mut config);
        let path = |name: &str| self.desk.path(&format!("forged{}/{name}", self.n));
        let repo = copy_of(&self.desk.path("lab/repo.git"), &path("repo.git"));
        config.ledger = None;
        let core = config.core_sha256();
        let seqs = place(&mut events, &config, core);
        let log = self.signed(&path("ledger"), &events);
        // What states a time states the one of its event.
        let at = |seq: usize| event_ref(&log, seq as u64).unwrap();
        let checkpoint = log.checkpoint().unwrap();
        config.ledger = Some(LedgerRef {
            origin: log.origin().into(),
            size: checkpoint.size,
            root: checkpoint.root,
            study: at(seqs[0]),
            trial: at(seqs[1]),
            closed: at(seqs[2]),
            walk_forward: at(seqs[3]),
            parity: at(seqs[4]),
            proposal: at(seqs[5]),
            counted: vec![],
        });
        // The evidence is of what it points at, or, where nothing can prove that, of what it should point at.
        let honest = config.ledger.clone();
        if let (Some(point), Some(reference)) = (self.pointing, config.ledger.as_mut()) {
            point(&log, reference);
        }
        let commit = self.evidence(&repo, &log, &config, honest.as_ref().unwrap(), ran);
        repo.commit_from("forged", Some(&repo.tip("refs/heads/main").unwrap()), &commit, "ana", "promote").unwrap();
        let branch = commit_tiles(&repo, &log, "ana").unwrap();
        let target = self.desk.path("lab/deploy.git");
        let dir = path("repo.git");
        self.desk.git(&[
            "--git-dir",
            dir.to_str().unwrap(),
            "push",
            target.to_str().unwrap(),
            "forged:main",
            &format!("{branch}:{branch}"),
        ])
    }

    /// What an honest reproduction of a proposal from a log with other events says, in a lab that holds nothing else.
    pub fn reproduced(&mut self, change: impl Fn(&mut Vec<Event>, &mut LiveConfig)) -> Said {
        self.push(false, change);
        let (lab, forged) = (format!("lab{}", self.n), format!("forged{}/repo.git", self.n));
        self.desk.run("cp", &["-r", "lab", &lab]).ok();
        std::fs::remove_dir_all(self.desk.path(&format!("{lab}/repo.git"))).unwrap();
        self.desk.run("mv", &[&forged, &format!("{lab}/repo.git")]).ok();
        let repo = self.desk.path(&format!("{lab}/repo.git"));
        let reference = format!("refs/heads/{}", self.branch);
        self.desk.git(&["--git-dir", repo.to_str().unwrap(), "update-ref", &reference, "refs/heads/forged"]).ok();
        self.desk.assay(&["--lab", &lab, "reproduce", &self.branch, "--key", "ben"])
    }

    /// The log with these events, every one signed by the researcher.
    fn signed(&self, dir: &Path, events: &[Event]) -> Log {
        let mut log = Log::create(dir, "assay.invalid/ana", &self.log_key).unwrap();
        let mut drafts: Vec<_> = events.iter().map(|e| e.draft().unwrap()).collect();
        if let Some(at) = self.odd {
            drafts[at].id = assay_ledger::EventId([7; 16]);
        }
        for draft in &drafts {
            log.append(std::slice::from_ref(draft), &self.ana).unwrap();
        }
        log.publish(&self.log_key).unwrap();
        log
    }

    fn evidence(&self, repo: &Repo, log: &Log, config: &LiveConfig, shown: &LedgerRef, ran: bool) -> Files {
        let (p, text) = (&config.promotion, config.text());
        let sha256 = Hash::of(text.as_bytes());
        let tip = repo.tip("refs/heads/main").unwrap();
        let policy = repo.file(&tip, "configs/policy.toml").unwrap().unwrap();
        let dir = evidence_dir(&p.strategy, p.version);
        let pointed = files(log, config.ledger.as_ref().unwrap(), &p.strategy, p.version);
        let mut commit = pointed.or_else(|_| files(log, shown, &p.strategy, p.version)).unwrap();
        let statement = approval_statement(config, &sha256, &Policy::hash_of(&policy));
        let approval = sshsig::sign(&self.ben, APPROVAL_NAMESPACE, statement.as_bytes()).unwrap();
        commit.insert(format!("{dir}/statement"), statement.into_bytes());
        commit.insert(format!("{dir}/approvals/ben.sig"), approval.into_bytes());
        if ran {
            let mut stated = Reproduction {
                strategy: p.strategy.clone(),
                version: p.version,
                config: sha256,
                data: p.data_hash,
                origin: assay_shared::format::reproduction::Origin::Vendor,
                study: p.study_id.clone(),
                trial: p.trial_id,
                ran: 24,
                trials: 24,
                results: assay_shared::RESULTS,
                stream: p.stream_hash,
                keyed: Hash::ZERO,
                engine: "x".into(),
            };
            (self.stated)(&mut stated);
            let text = stated.text();
            let signature = sshsig::sign(&self.ben, REPRODUCTION_NAMESPACE, text.as_bytes()).unwrap();
            commit.insert(format!("{dir}/reproductions/ben.txt"), text.into_bytes());
            commit.insert(format!("{dir}/reproductions/ben.sig"), signature.into_bytes());
        }
        let path = LiveConfig::path(&p.strategy);
        commit.insert(format!("{path}.sig"), sshsig::sign(&self.ana, NAMESPACE, text.as_bytes()).unwrap().into_bytes());
        commit.insert(path, text.into_bytes());
        commit
    }

    /// The forgery is refused with this code, and nothing goes live.
    #[track_caller]
    pub fn refused(&mut self, code: &str, change: impl Fn(&mut Vec<Event>, &mut LiveConfig)) {
        let said = self.push(true, change);
        assert_ne!(said.code, 0, "{code}: it went live");
        assert!(said.err.contains(&format!("[{code}]")), "{code} is not in:\n{}", said.err);
        let live = self.desk.assay(&["active", "--json"]).ok().json();
        assert_eq!(live, serde_json::json!([]), "{code}");
    }

    /// The same for a change of the promoted trial alone.
    #[track_caller]
    pub fn figure(&mut self, code: &str, change: impl Fn(&mut TrialCompletedV2)) {
        let number = self.promoted();
        self.refused(code, |events, _| change(completed(events, number)));
    }
}

fn copy_of(from: &Path, to: &Path) -> Repo {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    crate::desk::copy_dir(from, to);
    let repo = Repo::open(to).unwrap();
    // The forger's own copy of the branch goes; the host has seen none of it.
    let _ = std::fs::remove_file(to.join("refs/heads/ledger/assay.invalid_ana"));
    repo
}

pub fn completed(events: &mut [Event], number: u32) -> &mut TrialCompletedV2 {
    let found = events.iter_mut().find_map(|e| match e {
        Event::TrialCompletedV2(t) if t.number == number => Some(t),
        _ => None,
    });
    found.expect("the trial")
}

pub fn walk(events: &mut [Event]) -> &mut WalkForwardCompleted {
    let found = events.iter_mut().rev().find_map(|e| match e {
        Event::WalkForwardCompleted(w) => Some(w),
        _ => None,
    });
    found.expect("the walk-forward")
}

pub fn vault(events: &mut [Event]) -> &mut VaultOpened {
    let found = events.iter_mut().find_map(|e| match e {
        Event::VaultOpened(v) => Some(v),
        _ => None,
    });
    found.expect("the vault")
}

pub fn opened(events: &mut [Event]) -> &mut StudyOpenedV2 {
    let found = events.iter_mut().find_map(|e| match e {
        Event::StudyOpenedV2(o) => Some(o),
        _ => None,
    });
    found.expect("the opening")
}

/// Puts the proposal right, and gives where study, trial, closing, walk-forward, parity and proposal stand.
fn place(events: &mut [Event], config: &LiveConfig, core: Hash) -> [usize; 6] {
    let number = config.promotion.trial_id;
    for event in events.iter_mut() {
        if let Event::PromotionProposed(p) = event {
            (p.core_sha256, p.number) = (core.0, number);
        }
    }
    let last = |which: &dyn Fn(&Event) -> bool| events.iter().rposition(which).unwrap();
    [
        last(&|e| matches!(e, Event::StudyOpenedV2(_))),
        last(&|e| matches!(e, Event::TrialCompletedV2(t) if t.number == number)),
        last(&|e| matches!(e, Event::StudyClosed(_))),
        last(&|e| matches!(e, Event::WalkForwardCompleted(_))),
        last(&|e| matches!(e, Event::ParityVerified(_))),
        last(&|e| matches!(e, Event::PromotionProposed(_))),
    ]
}

/// Gives the study another text, with the id that it then has, wherever that stands.
pub fn reopened(events: &mut [Event], config: &mut LiveConfig, change: impl Fn(&mut StudyOpenedV2)) {
    let o = opened(events);
    change(o);
    let environment = o.environment.clone().into();
    let id = study_id(&o.text, &o.strategy_hash, &o.data_hash, &o.rulebook_hash, &environment);
    o.study_id = id;
    config.promotion.study_id = assay_ledger::format::hash::hex(&id);
    for event in events {
        match event {
            Event::TrialCompletedV2(t) => t.study_id = id,
            Event::TrialPrunedV2(t) => t.study_id = id,
            Event::TrialFailedV2(t) => t.study_id = id,
            Event::PrunedTrialFinished(t) => t.study_id = id,
            Event::StudyClosed(c) => c.study_id = id,
            Event::WalkForwardCompleted(w) => w.study_id = id,
            Event::VaultOpened(v) => v.study_id = id,
            Event::ParityVerified(p) => p.study_id = id,
            Event::PromotionProposed(p) => p.study_id = id,
            _ => {}
        }
    }
}

pub fn set(metrics: &mut [(MetricCode, Real)], metric: Metric, change: impl Fn(f64) -> f64) {
    let found = metrics.iter_mut().find(|(code, _)| code.0 == metric.code()).unwrap();
    found.1 = Real(change(found.1.0));
}

pub fn is_trial(event: &Event) -> bool {
    event.trial().is_some()
}
