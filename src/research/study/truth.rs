//! A study's log against itself: an honest one has no findings, and none of its numbers can be changed alone.

use super::tests::{STRATEGY, STUDY, Stage, stage};
use assay_shared::event::codec::Real;
use assay_shared::event::study::study_id;
use assay_shared::event::{
    BlockV2, Event, PrunedTrialFinished, RulebookRegistered, SeedGrade, SnapshotRegisteredV2, StrategyRegistered,
    StudyOpenedV2, TrialCompletedV2, TrialFailedV2, TrialPrunedV2,
};
use assay_shared::recount::{Case, Finding, Finished, Lineage, Tally, Wrong, close, figures};

pub(super) const DATA: [u8; 32] = [7; 32];

/// The log of a whole study: what it stands on, its opening, its trials, its closing.
pub(super) fn honest(s: &Stage) -> Vec<Event> {
    logged(s, DATA).0
}

/// The same on data of this hash, with the study's id.
pub(super) fn logged(s: &Stage, data: [u8; 32]) -> (Vec<Event>, [u8; 16]) {
    let (text, book, strategy) = (s.study.text(), s.book.hash().0, s.strategy.hash().0);
    let id = study_id(&text, &strategy, &data, &book, &s.environment);
    let mut log: Vec<Event> = vec![
        RulebookRegistered { hash: book, name: "b".into(), source: "t".into() }.into(),
        SnapshotRegisteredV2 {
            data_hash: data,
            file_sha256: data,
            rulebook_hash: book,
            symbols: s.market.symbols.clone(),
            interval_ms: s.market.interval_ms,
            first_ms: s.market.times[0],
            last_ms: s.market.times[s.market.len() - 1],
            bars: s.market.len() as u64,
            generated: true,
            source: "t".into(),
            treatments: vec![],
            assumptions: vec![],
            findings: 0,
            files: 0,
            vendor_checked: 0,
            files_sha256: data,
        }
        .into(),
        StrategyRegistered { name: "swing".into(), hash: strategy, canonical: s.strategy.canonical().into() }.into(),
        StudyOpenedV2 {
            study_id: id,
            name: s.study.name.clone(),
            strategy: "swing".into(),
            strategy_hash: strategy,
            data_hash: data,
            rulebook_hash: book,
            text,
            environment: s.environment.recorded(),
            generated: true,
            seed: SeedGrade::Named,
        }
        .into(),
    ];
    log.extend(s.trials(2, &[]).into_iter().map(|event| of_study(event, id)));
    (closed(s, id, log), id)
}

fn closed(s: &Stage, id: [u8; 16], mut log: Vec<Event>) -> Vec<Event> {
    let (tally, _) = read(&log);
    let finished: Vec<Finished> = log.iter().filter_map(Finished::of).collect();
    let bars = s.evaluator().unwrap().out_of_sample().len();
    log.push(close(id, &finished, bars, &tally.lineage(&tally.scope(&id).unwrap())).into());
    log
}

pub(super) fn of_study(mut event: Event, id: [u8; 16]) -> Event {
    match &mut event {
        Event::TrialCompletedV2(t) => t.study_id = id,
        Event::TrialPrunedV2(t) => t.study_id = id,
        Event::TrialFailedV2(t) => t.study_id = id,
        _ => {}
    }
    event
}

pub(super) fn read(log: &[Event]) -> (Tally, Option<Result<Case, Finding>>) {
    let (mut tally, mut case) = (Tally::default(), None);
    for (seq, event) in (0..).zip(log) {
        if event.opens_study().is_some() && case.is_none() {
            case = Some(Case::open(seq, event, &tally));
        }
        if let Some(Ok(case)) = &mut case {
            case.push(seq, event, &tally);
        }
        tally.push(seq, event);
    }
    (tally, case)
}

pub(super) fn findings(log: &[Event]) -> Vec<Finding> {
    match read(log).1.unwrap() {
        Ok(case) => case.check().into_iter().chain(case.suggestions(0..case.trials.len())).collect(),
        Err(finding) => vec![finding],
    }
}

/// What is found when one event is another one.
fn changed(log: &[Event], change: impl Fn(&mut Event) -> bool) -> Vec<Wrong> {
    let mut log = log.to_vec();
    assert!(log.iter_mut().any(change), "nothing to change");
    findings(&log).into_iter().map(|f| f.wrong).collect()
}

fn completed(log: &[Event], change: impl Fn(&mut TrialCompletedV2)) -> Vec<Wrong> {
    changed(log, |e| match e {
        Event::TrialCompletedV2(t) if t.number > 9 => {
            change(t);
            true
        }
        _ => false,
    })
}

#[test]
fn an_honest_log_has_no_findings_and_a_changed_number_has() {
    let s = stage(STRATEGY, STUDY);
    let log = honest(&s);
    assert_eq!(findings(&log), []);
    // Every figure that the returns give, every fold, the score, each constraint, each block.
    for metric in [3, 4, 10, 15, 16, 17, 20, 21, 22] {
        let found = completed(&log, |t| {
            let value = t.metrics.iter_mut().find(|m| m.0.0 == metric).unwrap();
            value.1 = Real(value.1.0 * 1.01 + 0.01);
        });
        assert!(found.contains(&Wrong::Figure), "metric {metric}: {found:?}");
    }
    let figure = |change: fn(&mut TrialCompletedV2)| {
        let found = completed(&log, change);
        assert!(found.contains(&Wrong::Figure), "{found:?}");
    };
    figure(|t| t.scores[0] = Real(t.scores[0].0 + 1.0));
    figure(|t| t.folds[1].out_of_sample[0] = Some(Real(9.0)));
    figure(|t| t.folds[0].oos_trades += 40);
    figure(|t| drop(t.folds.pop()));
    figure(|t| t.constraints[0] = Real(-100.0));
    figure(|t| t.constraints[2] = Real(-5.0));
    figure(|t| t.constraints.truncate(2));
    figure(|t| t.blocks[3].powers[0] = Real(0.5));
    figure(|t| t.blocks[3].powers[2] = Real(0.5));
    figure(|t| t.blocks[3].bars += 1);
    figure(|t| t.blocks.truncate(12));
    // Parameters: no other ones than the sampler's, and the history decides what it asks for.
    let params = completed(&log, |t| t.params[0].1 = assay_shared::event::ParamV2::Int(4));
    assert!(params.contains(&Wrong::Suggestion), "{params:?}");
}

/// Trials that are left out, doubled, moved, added after the close, or kept from being pruned.
#[test]
fn no_trial_can_be_left_out_or_moved() {
    let s = stage(STRATEGY, STUDY);
    let log = honest(&s);
    let first = log.iter().position(|e| e.trial().is_some()).unwrap();
    let id = log[first].trial_key().unwrap().0;
    for gone in [first, first + 5, log.len() - 2] {
        let mut less = log.clone();
        less.remove(gone);
        assert!(findings(&less).iter().any(|f| f.wrong == Wrong::Order), "{gone}");
    }
    // Left out and closed again, as if there had never been more.
    let mut thin = log[..log.len() - 4].to_vec();
    thin = closed(&s, id, thin);
    assert_eq!(findings(&thin).iter().map(|f| f.wrong).collect::<Vec<_>>(), [Wrong::Order]);
    let mut moved = log.clone();
    moved.swap(first + 2, first + 3);
    assert!(findings(&moved).iter().any(|f| f.wrong == Wrong::Order));
    let mut late = log.clone();
    late.push(log[first].clone());
    assert!(findings(&late).iter().any(|f| f.what.contains("after its study's close")));
    // A trial that was pruned as if it had failed, one that completed as if it had been pruned.
    let failed = changed(&log, |e| match e {
        Event::TrialPrunedV2(t) => {
            let TrialPrunedV2 { study_id, number, params, identity, folds, .. } = t.clone();
            *e = TrialFailedV2 {
                study_id,
                number,
                params,
                identity,
                folds,
                reason: "infeasible: fast < slow does not hold".into(),
            }
            .into();
            true
        }
        _ => false,
    });
    assert!(failed.contains(&Wrong::Figure), "{failed:?}");
    let pruned = changed(&log, |e| match e {
        Event::TrialCompletedV2(t) => {
            let TrialCompletedV2 { study_id, number, params, identity, mut folds, blocks, .. } = t.clone();
            folds.truncate(2);
            let reason = "after fold 2 its mean objective 0.0000 is below the median 1.0000".into();
            *e = TrialPrunedV2 { study_id, number, params, identity, folds, blocks, reason }.into();
            true
        }
        _ => false,
    });
    assert!(pruned.contains(&Wrong::Pruning), "{pruned:?}");
}

/// What stands before a study must bear it out, and its closing what its trials give.
#[test]
fn an_opening_and_a_closing_are_computed() {
    let s = stage(STRATEGY, STUDY);
    let log = honest(&s);
    for missing in 0..3 {
        let mut less = log.clone();
        less.remove(missing);
        assert_eq!(findings(&less)[0].wrong, Wrong::Opening, "{missing}");
    }
    let opened = |change: fn(&mut StudyOpenedV2)| {
        let found = changed(&log, |e| match e {
            Event::StudyOpenedV2(o) => {
                change(o);
                true
            }
            _ => false,
        });
        assert_eq!(found, [Wrong::Opening]);
    };
    opened(|o| o.generated = false);
    opened(|o| o.name = "another".into());
    opened(|o| o.strategy = "another".into());
    opened(|o| o.text = o.text.replace("seed = 11", "seed = 12"));
    opened(|o| o.rulebook_hash = [9; 32]);
    opened(|o| o.environment.rustc = "another".into());
    // The seed with its id: then every suggestion is another one.
    let mut seeded = s.study.clone();
    seeded.seed = 12;
    let id = study_id(&seeded.text(), &s.strategy.hash().0, &DATA, &s.book.hash().0, &s.environment);
    let mut reseeded: Vec<Event> = log.iter().cloned().map(|e| of_study(e, id)).collect();
    for event in &mut reseeded {
        match event {
            Event::StudyOpenedV2(o) => (o.study_id, o.text) = (id, seeded.text()),
            Event::StudyClosed(c) => c.study_id = id,
            _ => {}
        }
    }
    assert_eq!(findings(&reseeded).iter().map(|f| f.wrong).collect::<Vec<_>>(), [Wrong::Suggestion]);
    let Event::StudyClosed(end) = log.last().unwrap() else { panic!() };
    for at in 0..end.statistics.len() {
        let found = changed(&log, |e| match e {
            Event::StudyClosed(c) => {
                c.statistics[at].1 = Real(c.statistics[at].1.0 * 0.9);
                true
            }
            _ => false,
        });
        assert_eq!(found, [Wrong::Closing], "{}", end.statistics[at].0);
    }
}

/// A pruned trial that is run to its end later counts for what the study chose from, and nowhere else.
#[test]
fn pruned_trials_are_finished() {
    let s = stage(STRATEGY, STUDY);
    let mut log = honest(&s);
    let evaluator = s.evaluator().unwrap();
    let (tally, case) = read(&log);
    let case = case.unwrap().unwrap();
    assert!(!case.is_finished() && figures::pbo(&case.finished, case.bars()).is_none());
    for f in case.finished.iter().filter(|f| f.pruned) {
        log.push(evaluator.finish(case.fact.study_id, f.number, &f.seen.params));
    }
    let (_, after) = read(&log);
    let after = after.unwrap().unwrap();
    assert!(after.is_finished() && after.check().is_empty(), "{:?}", after.check());
    let pbo = figures::pbo(&after.finished, after.bars()).unwrap();
    assert!((0.0..=1.0).contains(&pbo));
    let scope = tally.scope(&case.fact.study_id).unwrap();
    assert_eq!(tally.lineage(&scope).trials, 30);
    // One that was not pruned, and one with returns of another length.
    let completed = case.finished.iter().find(|f| f.stream_hash.is_some()).unwrap();
    let mut odd = log.clone();
    odd.push(evaluator.finish(case.fact.study_id, completed.number, &completed.seen.params));
    assert!(findings(&odd).iter().any(|f| f.what.contains("was not pruned")));
    let cut = changed(&log, |e| match e {
        Event::PrunedTrialFinished(PrunedTrialFinished { blocks, reason: None, .. }) => {
            blocks.pop();
            true
        }
        _ => false,
    });
    assert!(cut.contains(&Wrong::Figure));
}

/// Studies count beside each other when they trade a symbol in common at a time in common; each with its budget.
#[test]
fn lineages() {
    let s = stage(STRATEGY, STUDY);
    let log = honest(&s);
    let (mut tally, case) = read(&log);
    let id = case.unwrap().unwrap().fact.study_id;
    let scope = tally.scope(&id).unwrap();
    let alone = tally.lineage(&scope);
    assert_eq!((alone.trials, alone.studies), (30, 1));
    assert!(
        alone.variance(1e9) == alone.sharpes.variance().unwrap() && alone.variance(3.0) == 0.5,
        "never below chance"
    );
    // The data cut by a bar, one symbol only: another hash, the same prices; opened and hardly run.
    let Event::SnapshotRegisteredV2(first) = &log[1] else { panic!() };
    let Event::StudyOpenedV2(opened) = &log[3] else { panic!() };
    let step = first.interval_ms;
    let with = |tally: &mut Tally, n: u8, change: &dyn Fn(&mut SnapshotRegisteredV2)| {
        let mut snapshot = SnapshotRegisteredV2 { data_hash: [n; 32], ..first.clone() };
        change(&mut snapshot);
        let study = StudyOpenedV2 { study_id: [n; 16], data_hash: [n; 32], ..opened.clone() };
        tally.push(100 + u64::from(n), &snapshot.into());
        tally.push(101 + u64::from(n), &study.into());
        tally.lineage(&scope)
    };
    let cut = with(&mut tally, 20, &|c| c.first_ms += step);
    assert_eq!((cut.trials, cut.studies), (60, 2), "another hash, the same prices; the whole budget");
    let later = with(&mut tally, 30, &|c| (c.first_ms, c.last_ms) = (c.last_ms + step, c.last_ms + 9 * step));
    assert_eq!((later.trials, later.studies), (60, 2), "another time");
    // Another interval: a trial there has twice the Sharpe ratio per bar of one here.
    let four = with(&mut tally, 40, &|c| c.interval_ms *= 4);
    assert_eq!(four.studies, 3);
    let block = BlockV2 { bars: 1, active: 1, powers: [Real(0.0); 4], lagged: Real(0.0) };
    let metrics = vec![
        (assay_shared::event::MetricCode(16), Real(0.2)),
        (assay_shared::event::MetricCode(17), Real(0.0)),
        (assay_shared::event::MetricCode(10), Real(3.0)),
    ];
    let trial = TrialCompletedV2 {
        study_id: [40; 16],
        number: 0,
        params: vec![],
        identity: [0; 32],
        scores: vec![Real(0.0)],
        constraints: vec![],
        folds: vec![],
        metrics,
        blocks: vec![block],
        stream_hash: [0; 32],
    };
    tally.push(200, &trial.into());
    let mut expected = alone.sharpes;
    expected.push(0.1);
    let found = tally.lineage(&scope).sharpes;
    assert!((found.variance().unwrap() - expected.variance().unwrap()).abs() < 1e-15);
    let mut both = Lineage::default();
    both.add(&alone);
    both.add(&alone);
    assert_eq!((both.trials, both.studies, both.sharpes.n), (60, 2, 2 * alone.sharpes.n));
}
