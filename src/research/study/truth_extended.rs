//! Extended studies in a log: points and further trials are computed again like all others, and an extension that comes
//! where none can is found.

use super::run::run;
use super::tests::{STRATEGY, STUDY, Stage, stage};
use super::truth::{DATA, findings, honest, read};
use crate::thread_pool;
use assay_shared::event::study::recorded_params;
use assay_shared::event::{Event, StudyClosed, StudyClosedV2, StudyExtended};
use assay_shared::recount::{Case, Finished, Wrong, close};
use assay_shared::strategy::Params;

/// The log of a study that went on after its close: ten trials more, of which the first tries the point of trial 3.
fn extended() -> (Stage, Vec<Event>) {
    let mut s = stage(STRATEGY, STUDY);
    let mut log = honest(&s);
    let case = read(&log).1.unwrap().unwrap();
    let (id, point) = (case.fact.study_id, case.finished[3].seen.params.clone());
    log.push(StudyExtended { study_id: id, round: 1, trials: 10, points: vec![recorded_params(&point)] }.into());
    s.study.trials += 10;
    s.study.queued.insert(30, point);
    again(&s, &mut log, id, 1);
    (s, log)
}

/// Runs what is wanting, and closes it.
fn again(s: &Stage, log: &mut Vec<Event>, id: [u8; 16], round: u32) {
    let (evaluator, pool) = (s.evaluator().unwrap(), thread_pool(2).unwrap());
    let mut finished: Vec<Finished> = log.iter().filter_map(Finished::of).collect();
    let tell = |events: Vec<Event>| -> Result<(), ()> {
        log.extend(events);
        Ok(())
    };
    run(&pool, &evaluator, id, &mut finished, tell, |_| (), || false).unwrap();
    let (tally, _) = read(log);
    let lineage = tally.lineage(&tally.scope(&id).unwrap());
    let StudyClosed { study_id, trials, best, statistics } =
        close(id, &finished, evaluator.out_of_sample().len(), &lineage);
    log.push(match round {
        0 => StudyClosed { study_id, trials, best, statistics }.into(),
        _ => StudyClosedV2 { study_id, round, trials, best, statistics }.into(),
    });
}

fn case(log: &[Event]) -> Case {
    read(log).1.unwrap().unwrap()
}

#[test]
fn an_extended_study_is_computed_whole() {
    let (_, log) = extended();
    assert_eq!(findings(&log), []);
    let case = case(&log);
    assert_eq!((case.trials.len(), case.study.trials, case.rounds, case.closed.is_some()), (40, 40, 1, true));
    assert_eq!(case.finished[30].seen.params, case.finished[3].seen.params, "the point that was asked for");
    let (tally, _) = read(&log);
    assert_eq!(tally.lineage(&tally.scope(&case.fact.study_id).unwrap()).trials, 40, "each further trial counts");
    // A third time.
    let (mut s, mut log) = extended();
    log.push(StudyExtended { study_id: case.fact.study_id, round: 2, trials: 5, points: vec![] }.into());
    s.study.trials += 5;
    again(&s, &mut log, case.fact.study_id, 2);
    assert_eq!(findings(&log), []);
}

/// Points of one's own at the opening come first, and the sampler loses none of its own by them.
#[test]
fn points_at_the_opening() {
    let mut s = stage(STRATEGY, STUDY);
    let whole = honest(&s);
    let id = case(&whole).fact.study_id;
    let point = case(&whole).finished[20].seen.params.clone();
    let mut log: Vec<Event> = whole[..4].to_vec();
    log.push(StudyExtended { study_id: id, round: 0, trials: 0, points: vec![recorded_params(&point)] }.into());
    s.study.queued.insert(0, point.clone());
    again(&s, &mut log, id, 0);
    assert_eq!(findings(&log), []);
    let (with, without) = (case(&log), case(&whole));
    assert_eq!(with.finished[0].seen.params, point);
    // The random beginning is the same, one later.
    let params = |c: &Case, n: usize| -> Params { c.finished[n].seen.params.clone() };
    assert!((0..3).all(|n| params(&with, n + 1) == params(&without, n)));
}

fn changed(change: impl Fn(&mut StudyExtended)) -> Vec<Wrong> {
    let (_, mut log) = extended();
    let found = log.iter_mut().find_map(|e| match e {
        Event::StudyExtended(e) => Some(e),
        _ => None,
    });
    change(found.unwrap());
    findings(&log).into_iter().map(|f| f.wrong).collect()
}

#[test]
fn what_no_extension_can_be() {
    for change in [
        (|e| e.round = 0) as fn(&mut StudyExtended),
        |e| e.round = 2,
        |e| {
            e.points[0].pop();
        },
        |e| e.points = vec![e.points[0].clone(); 11],
        |e| (e.trials, e.points) = (0, vec![]),
        |e| e.points[0][0].1 = assay_shared::event::ParamV2::Int(1_000_000),
    ] {
        assert!(changed(change).contains(&Wrong::Order));
    }
    // Fewer trials than were run, and another point than the one that was tried.
    assert!(changed(|e| e.trials = 9).contains(&Wrong::Order));
    assert!(changed(|e| e.points.clear()).contains(&Wrong::Suggestion));
    // After more trials than the study has: found, and nothing is counted below zero.
    let (_, mut log) = extended();
    let twice: Vec<Event> = log.iter().filter(|e| e.trial_key().is_some()).cloned().collect();
    let at = log.iter().position(|e| matches!(e, Event::StudyClosed(_))).unwrap();
    log.splice(at..at, twice);
    assert!(findings(&log).iter().any(|f| f.wrong == Wrong::Order));
    // In the middle of the trials, after which it is one of neither place.
    let (_, mut log) = extended();
    let at = log.iter().position(|e| matches!(e, Event::StudyExtended(_))).unwrap();
    let extension = log.remove(at);
    log.insert(10, extension);
    assert!(findings(&log).iter().any(|f| f.wrong == Wrong::Order && f.what.contains("neither right after")));
    // The first close is still computed, by what was there then.
    let (_, mut log) = extended();
    for event in &mut log {
        if let Event::StudyClosed(c) = event {
            c.statistics[0].1 = assay_shared::event::codec::Real(31.0);
        }
    }
    assert_eq!(findings(&log).iter().map(|f| f.wrong).collect::<Vec<_>>(), [Wrong::Closing]);
    // A second close of the first version.
    let (_, mut log) = extended();
    let Some(Event::StudyClosedV2(c)) = log.pop() else { panic!() };
    let StudyClosedV2 { study_id, trials, best, statistics, .. } = c;
    log.push(StudyClosed { study_id, trials, best, statistics }.into());
    assert!(findings(&log).iter().any(|f| f.wrong == Wrong::Closing));
    assert!(log.iter().all(|e| e.study().is_none_or(|s| s.data_hash == DATA)));
}
