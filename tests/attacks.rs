//! A forger with all of the researcher's keys in hand: signs the log anew with other numbers in it, and proposes what
//! it then says. A forgery that contradicts its log is refused with a code that names it; one that is consistent stops
//! at somebody else's reproduction.

mod forger;

use assay_ledger::keys::cosign::Witness;
use assay_ledger::keys::seed::sign_seed;
use assay_ledger::tree::merkle::Nodes as _;
use assay_ledger::{Hash, Log, Signer};
use assay_production::repository::evidence::event_ref;
use assay_shared::event::codec::Real;
use assay_shared::event::{BlockV2, Event, ParamV2, StudySeeded, TrialCompletedV2, TrialFailedV2};
use assay_shared::format::config::{LedgerRef, LiveConfig};
use assay_shared::format::reproduction::Reproduction;
use assay_shared::metric::Metric;
use forger::{Forger, completed, is_trial, opened, reopened, set, vault, walk};

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

/// What is said of bars that no trial saw.
fn vaults(f: &mut Forger) {
    let number = f.promoted();
    f.refused("later-differs", |events, _| set(&mut vault(events).metrics, Metric::Sharpe, |_| 9.0));
    f.refused("later-differs", |events, _| set(&mut vault(events).metrics, Metric::TotalReturn, |r| r + 1.0));
    f.refused("later-differs", |events, _| vault(events).blocks[3].powers[1] = Real(0.5));
    f.refused("later-differs", |events, _| vault(events).bars += 24);
    f.refused("later-differs", |events, _| vault(events).last_ms += 86_400_000);
    f.refused("later-differs", |events, _| vault(events).number = number + 1000);
    f.refused("later-differs", |events, _| {
        let at = events.iter().position(|e| matches!(e, Event::VaultOpened(_))).unwrap();
        let early = events.remove(at);
        let closed = events.iter().position(|e| matches!(e, Event::StudyClosed(_))).unwrap();
        events.insert(closed, early);
    });
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
    // G-23: data, rules or a strategy that no log has.
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

/// The same study opened, run or closed a second time, before it or after it: only one of each is one.
fn twice(f: &mut Forger) {
    let last = f.events.len() - 1;
    // Another strategy's text under the same id, named by the config.
    f.odd = Some(last);
    f.refused("malformed-event", |events, config| {
        let mut again = opened(events).clone();
        again.text = again.text.replacen("slippage_bps = ", "slippage_bps = 0", 1);
        config.assumptions.slippage_bps = 0.0;
        events.insert(last, again.into());
    });
    // A better trial, planted before the opening.
    let number = f.promoted();
    let at = f.events.iter().position(|e| e.study().is_some()).unwrap();
    f.odd = Some(at);
    f.refused("malformed-event", |events, _| {
        let mut better = completed(events, number).clone();
        set(&mut better.metrics, Metric::Cagr, |v| v * 10.0);
        events.insert(at, better.into());
    });
    // With its right id: then the honest one cannot stand beside it.
    f.odd = None;
    f.refused("trial-order", |events, _| {
        let from = events.iter().position(|e| e.trial_key().is_some_and(|(_, n)| n == number)).unwrap();
        let moved = events.remove(from);
        events.insert(at, moved);
    });
}

/// Registrations that cannot be, and a seed that no witness gave.
fn registrations(f: &mut Forger) {
    f.refused("study-opening", |events, _| opened(events).seed = assay_shared::event::SeedGrade::Witnessed);
    // A note that no witness signed over this opening.
    f.refused("study-opening", |events, config| {
        reopened(events, config, |o| {
            let line = o.text.lines().find(|l| l.starts_with("seed = ")).unwrap().to_string();
            o.text = o.text.replacen(&line, "seed = 0", 1);
            o.seed = assay_shared::event::SeedGrade::Witnessed;
        });
        let signer = Signer::from_seed([5; 32]);
        let witness = Witness::new("w.example/own", signer.public()).unwrap().to_string();
        let note = sign_seed("assay.invalid/ana", &Hash([3; 32]), "w.example/own", &signer).unwrap();
        let study_id = opened(events).study_id;
        let at = events.iter().position(|e| matches!(e, Event::StudyOpenedV2(_))).unwrap();
        events.insert(at + 1, StudySeeded { study_id, witness, note }.into());
    });
    let changes: [fn(&mut assay_shared::event::SnapshotRegisteredV2); 4] = [
        |s| s.bars = 1_000_000_000_000,
        |s| s.interval_ms = 0,
        |s| (s.first_ms, s.last_ms) = (s.last_ms, s.first_ms),
        |s| s.generated = true,
    ];
    for change in changes {
        f.refused("study-opening", |events, _| {
            for event in events {
                if let Event::SnapshotRegisteredV2(s) = event {
                    change(s);
                }
            }
        });
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

type Pointing = fn(&Log, &mut LedgerRef);

/// G-22: references to what is not there, is something else, comes after the pin, or stands in another log.
fn references(f: &mut Forger) {
    let pointing: [(&str, Pointing); 9] = [
        ("bad-proof", |log, l| l.proposal.seq = log.len() + 5),
        ("wrong-event", |_, l| l.proposal = l.walk_forward),
        ("bad-proof", |_, l| l.proposal.leaf = Hash([7; 32])),
        ("wrong-event", |_, l| l.trial = l.closed),
        ("wrong-event", |log, l| l.parity = event_ref(log, 0).unwrap()),
        ("bad-proof", |log, l| {
            // Pinned before the proposal.
            l.size = l.proposal.seq;
            l.root = log.tree().root_at(l.size).unwrap();
        }),
        ("checkpoint", |_, l| l.root = Hash([7; 32])),
        ("unknown-origin", |_, l| l.origin = "assay.invalid/other".into()),
        ("checkpoint", |_, l| l.size += 1),
    ];
    for (code, point) in pointing {
        f.pointing = Some(point);
        f.refused(code, |_, _| ());
    }
    f.pointing = None;
}

/// A reproduction of something else, or of too little, counts for nothing.
fn reproductions(f: &mut Forger) {
    let others: [fn(&mut Reproduction); 8] = [
        |r| r.config = Hash([7; 32]),
        |r| r.strategy = "other".into(),
        |r| r.version = 2,
        |r| r.data = Hash([7; 32]),
        |r| r.trial += 1,
        |r| r.stream = Hash([7; 32]),
        |r| r.results += 1,
        |r| r.ran = 1,
    ];
    for other in others {
        f.stated = other;
        f.refused("reproductions", |_, _| ());
    }
    f.stated = |_| ();
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

/// What pruned trials would have been decides the probability of overfitting: other returns agree with everything that
/// can be computed, and running them shows it.
fn ends(f: &mut Forger) {
    let is_end = |e: &Event| matches!(e, Event::PrunedTrialFinished(_));
    assert!(f.events.iter().any(is_end), "the study prunes");
    let worse = |events: &mut Vec<Event>, _: &mut LiveConfig| {
        for event in events {
            if let Event::PrunedTrialFinished(e) = event {
                e.blocks.iter_mut().for_each(|b| b.powers[0] = Real(-b.powers[0].0.abs() - 0.01));
            }
        }
    };
    f.reproduced(worse).fails(1, "its end after it was pruned is another one here");
    let gone = |events: &mut Vec<Event>, _: &mut LiveConfig| {
        for event in events {
            if let Event::PrunedTrialFinished(e) = event {
                (e.blocks, e.reason) = (Vec::new(), Some("infeasible".into()));
            }
        }
    };
    f.reproduced(gone).fails(1, "its end after it was pruned is another one here");
}

/// A log in which an entry has another id than what it records is refused when it is pushed: accepted, it would keep
/// everybody from promoting anything.
fn odd_entries(f: &mut Forger) {
    let closed = f.events.iter().position(|e| e.closing().is_some()).unwrap();
    f.odd = Some(closed);
    let said = f.push(true, |_, _| ());
    assert!(said.code != 0 && said.err.contains("[malformed-event]"), "{}", said.err);
    f.odd = None;
}

#[test]
fn none_of_a_forgers_numbers_goes_live() {
    let mut f = Forger::new();
    figures(&mut f);
    vaults(&mut f);
    trials(&mut f);
    studies(&mut f);
    twice(&mut f);
    registrations(&mut f);
    claims(&mut f);
    references(&mut f);
    reproductions(&mut f);
    invented(&mut f);
    ends(&mut f);
    odd_entries(&mut f);
    // The honest proposal of the same lab goes live, once somebody else has run it.
    let branch = f.branch.clone();
    let against = |words: &str| {
        let review = f.desk.assay(&["review", &branch, "--json"]).ok().json();
        let all = review["concerns"].as_array().unwrap().clone();
        all.into_iter().find(|c| c["words"].as_str().unwrap().contains(words)).map(|c| c["about"].clone())
    };
    assert_eq!(against("nobody has run it again yet"), Some("open".into()));
    assert_eq!(against("compared with the vendor's checksums"), Some("data".into()));
    assert_eq!(against("author's own copy"), None);
    f.desk.approve(&branch, "ben").ok();
    f.desk.assay(&["deploy", &branch]).fails(4, "reproductions");
    f.desk.assay(&["reproduce", &branch, "--key", "lab/keys/ana"]).fails(4, "own reproduction");
    let said = f.desk.assay(&["reproduce", &branch, "--key", "ben"]).ok();
    assert!(said.out.contains("24 of 24 trials"), "{}", said.out);
    assert!(said.err.contains("the proposer's own copy"), "{}", said.err);
    assert_eq!(against("author's own copy"), Some("data".into()));
    assert_eq!(against("nobody has run it again yet"), None);
    assert!(f.desk.assay(&["deploy", &branch]).ok().out.contains("trend v1 is live"));
    f.desk.assay(&["audit", "--full"]).ok();
}
