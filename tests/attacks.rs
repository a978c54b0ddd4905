//! A forger with all of the researcher's keys in hand: signs the log anew with other numbers in it, and proposes what
//! it then says. A forgery that contradicts its log is refused with a code that names it; one that is consistent stops
//! at somebody else's reproduction.

use crate::desk::{Desk, SYMBOLS, Said, write_market};
use assay_ledger::keys::sshsig;
use assay_ledger::{Hash, Log, Signer};
use assay_production::repository::evidence::{commit_tiles, event_ref, files};
use assay_production::repository::{Files, Repo};
use assay_shared::event::codec::Real;
use assay_shared::event::study::study_id;
use assay_shared::event::{
    BlockV2, Event, MetricCode, ParamV2, StudyOpenedV2, TrialCompletedV2, TrialFailedV2, WalkForwardCompleted,
};
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
struct Forger {
    desk: Desk,
    branch: String,
    events: Vec<Event>,
    config: LiveConfig,
    ana: Signer,
    ben: Signer,
    log_key: Signer,
    n: u32,
}

impl Forger {
    fn new() -> Forger {
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
            study.replace("min_trades = 5", "min_trades = 5\nprune_below_median = true"),
        )
        .unwrap();
        desk.assay(&["study", "run", "trend.toml", "study.toml"]).ok();
        desk.assay(&["parity"]).ok();
        let branch = desk.assay(&["promote"]).ok().out.trim().to_string();
        let key = |path: &str| Signer::read(&desk.path(path), &|_| None).unwrap();
        let (ana, ben, log_key) = (key("lab/keys/ana"), key("ben"), key("lab/keys/log"));
        let log = Log::open(&desk.path("lab/ledger")).unwrap();
        let events = (0..log.len()).map(|seq| Event::of(&log.entry(seq).unwrap()).unwrap()).collect();
        let repo = Repo::open(&desk.path("lab/repo.git")).unwrap();
        let tip = repo.tip(&format!("refs/heads/{branch}")).unwrap();
        let config = LiveConfig::parse(&repo.file(&tip, "configs/live/trend.toml").unwrap().unwrap()).unwrap();
        Forger { desk, branch, events, config, ana, ben, log_key, n: 0 }
    }

    /// The number of the promoted trial.
    fn promoted(&self) -> u32 {
        self.config.promotion.trial_id
    }

    /// Pushes a proposal from a log with other events; ben is made to sign whatever lies there, and to state a
    /// reproduction if he `ran` it.
    fn push(&mut self, ran: bool, change: impl Fn(&mut Vec<Event>, &mut LiveConfig)) -> Said {
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
        let commit = self.evidence(&repo, &log, &config, ran);
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

    /// The log with these events, every one signed by the researcher.
    fn signed(&self, dir: &Path, events: &[Event]) -> Log {
        let mut log = Log::create(dir, "assay.invalid/ana", &self.log_key).unwrap();
        let drafts: Vec<_> = events.iter().map(|e| e.draft().unwrap()).collect();
        for draft in &drafts {
            log.append(std::slice::from_ref(draft), &self.ana).unwrap();
        }
        log.publish(&self.log_key).unwrap();
        log
    }

    fn evidence(&self, repo: &Repo, log: &Log, config: &LiveConfig, ran: bool) -> Files {
        let (p, text) = (&config.promotion, config.text());
        let sha256 = Hash::of(text.as_bytes());
        let tip = repo.tip("refs/heads/main").unwrap();
        let policy = repo.file(&tip, "configs/policy.toml").unwrap().unwrap();
        let dir = evidence_dir(&p.strategy, p.version);
        let mut commit = files(log, config.ledger.as_ref().unwrap(), &p.strategy, p.version).unwrap();
        let statement = approval_statement(config, &sha256, &Policy::hash_of(&policy));
        let approval = sshsig::sign(&self.ben, APPROVAL_NAMESPACE, statement.as_bytes()).unwrap();
        commit.insert(format!("{dir}/statement"), statement.into_bytes());
        commit.insert(format!("{dir}/approvals/ben.sig"), approval.into_bytes());
        if ran {
            let honest = Reproduction {
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
            let text = honest.text();
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
    fn refused(&mut self, code: &str, change: impl Fn(&mut Vec<Event>, &mut LiveConfig)) {
        let said = self.push(true, change);
        assert_ne!(said.code, 0, "{code}: it went live");
        assert!(said.err.contains(&format!("[{code}]")), "{code} is not in:\n{}", said.err);
        let live = self.desk.assay(&["active", "--json"]).ok().json();
        assert_eq!(live, serde_json::json!([]), "{code}");
    }

    /// The same for a change of the promoted trial alone.
    #[track_caller]
    fn figure(&mut self, code: &str, change: impl Fn(&mut TrialCompletedV2)) {
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

fn completed(events: &mut [Event], number: u32) -> &mut TrialCompletedV2 {
    let found = events.iter_mut().find_map(|e| match e {
        Event::TrialCompletedV2(t) if t.number == number => Some(t),
        _ => None,
    });
    found.expect("the trial")
}

fn walk(events: &mut [Event]) -> &mut WalkForwardCompleted {
    let found = events.iter_mut().rev().find_map(|e| match e {
        Event::WalkForwardCompleted(w) => Some(w),
        _ => None,
    });
    found.expect("the walk-forward")
}

fn opened(events: &mut [Event]) -> &mut StudyOpenedV2 {
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
fn reopened(events: &mut [Event], config: &mut LiveConfig, change: impl Fn(&mut StudyOpenedV2)) {
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
            Event::ParityVerified(p) => p.study_id = id,
            Event::PromotionProposed(p) => p.study_id = id,
            _ => {}
        }
    }
}

fn set(metrics: &mut [(MetricCode, Real)], metric: Metric, change: impl Fn(f64) -> f64) {
    let found = metrics.iter_mut().find(|(code, _)| code.0 == metric.code()).unwrap();
    found.1 = Real(change(found.1.0));
}

fn is_trial(event: &Event) -> bool {
    event.trial().is_some()
}

/// Figures of one trial, each changed alone or with those that show it.
fn figures(f: &mut Forger) {
    f.figure("figure-differs", |t| set(&mut t.metrics, Metric::Sharpe, |_| 9.0));
    f.figure("figure-differs", |t| set(&mut t.metrics, Metric::TotalReturn, |r| r * 3.0));
    f.figure("figure-differs", |t| t.scores[0] = Real(99.0));
    f.figure("figure-differs", |t| t.folds[0].out_of_sample[0] = Some(Real(50.0)));
    f.figure("figure-differs", |t| t.constraints[0] = Real(-500.0));
    f.figure("figure-differs", |t| t.blocks[0].powers[0] = Real(0.9));
    f.figure("figure-differs", |t| t.blocks.iter_mut().for_each(|b: &mut BlockV2| b.bars *= 4));
    f.figure("figure-differs", |t| t.stream_hash = [9; 32]);
    let number = f.promoted();
    // In trial and walk-forward alike.
    f.refused("figure-differs", |events, _| {
        for metric in [Metric::Sharpe, Metric::SharpePerBar] {
            set(&mut completed(events, number).metrics, metric, |v| v * 2.0);
            let value = walk(events).metrics.iter_mut().find(|(name, _)| name == metric.name()).unwrap();
            value.1 = Real(value.1.0 * 2.0);
        }
    });
    f.refused("figure-differs", |events, _| {
        let value = walk(events).metrics.iter_mut().find(|(name, _)| name == "max_drawdown").unwrap();
        value.1 = Real(-0.01);
    });
    f.refused("no-parity", |events, _| walk(events).stream_hash = [9; 32]);
}

/// Trials left out, moved, added, exchanged, pruned or failed as it suits.
fn trials(f: &mut Forger) {
    let number = f.promoted();
    let other = move |e: &Event| e.trial_key().is_some_and(|(_, n)| n != number);
    f.refused("trial-order", |events, _| {
        let at = events.iter().position(other).unwrap();
        events.remove(at);
    });
    // Left out, and the others counted anew.
    f.refused("suggestion-differs", |events, _| {
        let at = events.iter().position(|e| is_trial(e) && other(e)).unwrap();
        let (first, last) = (events[at].trial_key().unwrap().1, 23);
        // The last one twice, so that their number is right.
        for n in first..last {
            let from = events.iter().position(|e| e.trial_key().is_some_and(|(_, m)| m == n + 1)).unwrap();
            let mut moved = events[from].clone();
            renumber(&mut moved, n);
            let to = events.iter().position(|e| e.trial_key().is_some_and(|(_, m)| m == n)).unwrap();
            if n != number && n + 1 != number {
                events[to] = moved;
            }
        }
    });
    f.refused("trial-order", |events, _| {
        let at: Vec<usize> = events.iter().enumerate().filter(|(_, e)| is_trial(e)).map(|(i, _)| i).take(2).collect();
        events.swap(at[0], at[1]);
    });
    f.refused("trial-order", |events, _| {
        let at = events.iter().position(other).unwrap();
        let late = events.remove(at);
        events.insert(events.len() - 1, late);
    });
    f.refused("suggestion-differs", |events, _| {
        let found = events.iter_mut().find_map(|e| match e {
            Event::TrialCompletedV2(t) if t.number != number => Some(t),
            _ => None,
        });
        found.unwrap().params[0].1 = ParamV2::Int(11);
    });
    f.refused("figure-differs", |events, _| {
        let at = events.iter().position(|e| matches!(e, Event::TrialCompletedV2(t) if t.number != number)).unwrap();
        let Event::TrialCompletedV2(t) = events[at].clone() else { return };
        let TrialCompletedV2 { study_id, number, params, identity, folds, .. } = t;
        let reason = "infeasible: fast * 2 <= slow does not hold".into();
        events[at] = TrialFailedV2 { study_id, number, params, identity, folds, reason }.into();
    });
}

fn renumber(event: &mut Event, n: u32) {
    match event {
        Event::TrialCompletedV2(t) => t.number = n,
        Event::TrialPrunedV2(t) => t.number = n,
        Event::TrialFailedV2(t) => t.number = n,
        _ => {}
    }
}

/// The study itself: its seed, its sampler, what it stands on, what it says at its end.
fn studies(f: &mut Forger) {
    for (from, to) in [("seed = ", "seed = 1"), ("startup_trials = 10", "startup_trials = 9")] {
        f.refused("suggestion-differs", |events, config| {
            reopened(events, config, |o| {
                assert!(o.text.contains(from));
                o.text = o.text.replacen(from, to, 1);
            });
        });
    }
    // More was to be tried than there is.
    f.refused("trial-order", |events, config| {
        reopened(events, config, |o| o.text = o.text.replacen("trials = 24", "trials = 30", 1));
    });
    for kind in ["SnapshotRegistered", "RulebookRegistered", "StrategyRegistered"] {
        f.refused("study-opening", |events, _| events.retain(|e| e.kind() != kind));
    }
    // Registered, but only after the study was opened.
    f.refused("study-opening", |events, _| {
        let at = events.iter().position(|e| e.kind() == "SnapshotRegistered").unwrap();
        let snapshot = events.remove(at);
        let trial = events.iter().position(is_trial).unwrap();
        events.insert(trial, snapshot);
    });
    f.refused("study-opening", |events, _| {
        for event in events {
            if let Event::SnapshotRegisteredV2(s) = event {
                s.symbols = vec!["DOGEUSDT".into()];
            }
        }
    });
    f.refused("results-version", |events, config| {
        reopened(events, config, |o| o.environment.results = 2);
        config.environment.results = Some(2);
    });
    f.refused("gate", |events, config| {
        reopened(events, config, |o| o.environment.engine_version = "9.9.9".into());
        config.environment.engine_version = "9.9.9".into();
    });
    f.refused("closing-differs", |events, _| closing(events, |c| c.0.iter_mut().for_each(|s| s.1 = Real(0.5))));
    f.refused("closing-differs", |events, _| {
        closing(events, |c| *c.1 = Some(0).filter(|n| c.1.as_ref() != Some(n)).or(Some(1)))
    });
}

type Closing<'a> = (&'a mut Vec<(String, Real)>, &'a mut Option<u32>);

fn closing(events: &mut [Event], change: impl Fn(Closing<'_>)) {
    for event in events {
        if let Event::StudyClosed(c) = event {
            change((&mut c.statistics, &mut c.best));
        }
    }
}

/// What the config says beside the log.
fn claims(f: &mut Forger) {
    f.refused("claim-differs", |_, config| config.promotion.stream_hash = Hash([7; 32]));
    f.refused("claim-differs", |_, config| config.promotion.data_hash = Hash([7; 32]));
    f.refused("claim-differs", |_, config| {
        if let Some(value) = config.parameters.get_mut("leverage") {
            *value = assay_shared::strategy::Value::Int(1);
        }
    });
    f.refused("claim-differs", |_, config| config.assumptions.slippage_bps = 0.0);
    f.refused("not-restored", |_, config| config.promotion.restores_version = Some(1));
}

/// Everything invented so that it agrees: returns, figures, folds and score of the promoted trial, and the closing
/// computed from them. No sum shows it; running it does.
fn invented(f: &mut Forger) {
    let number = f.promoted();
    let forge = |events: &mut Vec<Event>, _: &mut LiveConfig| {
        // An account that pays no fees: only a figure that nothing else contains.
        set(&mut completed(events, number).metrics, Metric::FeesUsdt, |_| 0.0);
        let value = walk(events).metrics.iter_mut().find(|(name, _)| name == "fees_usdt").unwrap();
        value.1 = Real(0.0);
    };
    let said = f.push(false, forge);
    assert!(said.code != 0 && said.err.contains("[reproductions]"), "{}", said.err);
}

#[test]
fn none_of_a_forgers_numbers_goes_live() {
    let mut f = Forger::new();
    figures(&mut f);
    trials(&mut f);
    studies(&mut f);
    claims(&mut f);
    invented(&mut f);
    // The honest proposal of the same lab goes live, once somebody else has run it.
    let branch = f.branch.clone();
    f.desk.assay(&["approve", &branch, "--key", "ben"]).ok();
    f.desk.assay(&["deploy", &branch]).fails(4, "reproductions");
    f.desk.assay(&["reproduce", &branch, "--key", "lab/keys/ana"]).fails(4, "own reproduction");
    let said = f.desk.assay(&["reproduce", &branch, "--key", "ben"]).ok();
    assert!(said.out.contains("24 of 24 trials"), "{}", said.out);
    assert!(said.err.contains("the proposer's own copy"), "{}", said.err);
    assert!(f.desk.assay(&["deploy", &branch]).ok().out.contains("trend v1 is live"));
    f.desk.assay(&["audit", "--full"]).ok();
}
