//! Studies whose objectives and constraints are expressions, and that prune by other rules: an honest log has no
//! findings, and none of what follows from figures can be changed alone.

use super::tests::{STRATEGY, STUDY, Stage, stage};
use super::truth::{findings, honest, of_study};
use assay_shared::event::codec::Real;
use assay_shared::event::{Event, TrialCompletedV2};
use assay_shared::recount::{Finding, Wrong};

fn several() -> Stage {
    let study = STUDY.replace(
        "prune_below_median = true",
        "require = [\"max_drawdown >= -0.05\", \"profit_factor >= 0.9 / leverage\"]",
    );
    let study = study.replace(
        "figure = \"sharpe\"",
        "figure = \"sharpe / (1 + abs(max_drawdown))\"\nalso = [\"max_drawdown\", \"-volatility * leverage\"]",
    );
    stage(STRATEGY, &study.replace("name = \"tpe\"\nstartup_trials = 8", "name = \"nsga-ii\"\npopulation = 8"))
}

fn changed(log: &[Event], change: impl Fn(&mut TrialCompletedV2)) -> Vec<Finding> {
    let mut log = log.to_vec();
    let last = log.iter_mut().rev().find_map(|e| match e {
        Event::TrialCompletedV2(t) => Some(t),
        _ => None,
    });
    change(last.expect("a complete trial"));
    findings(&log)
}

#[test]
fn further_objectives_and_requirements_follow_from_figures() {
    let s = several();
    let log = honest(&s);
    assert_eq!(findings(&log), []);
    let complete: Vec<&TrialCompletedV2> = log
        .iter()
        .filter_map(|e| match e {
            Event::TrialCompletedV2(t) => Some(t),
            _ => None,
        })
        .collect();
    assert!(complete.len() > 10 && complete.iter().all(|t| t.scores.len() == 3 && t.constraints.len() == 5));
    let at = |t: &TrialCompletedV2, code: u16| t.metrics.iter().find(|m| m.0.0 == code).unwrap().1.0;
    for t in &complete {
        assert_eq!((t.scores[1].0, t.scores[2].0), (at(t, 12), -at(t, 22) * 3.0));
        assert_eq!((t.constraints[3].0, t.constraints[4].0), (-0.05 - at(t, 12), 0.9 / 3.0 - at(t, 13)));
    }
    assert!(complete.iter().any(|t| t.constraints[3].0 > 0.0), "some requirement is broken");
    let wrong = |change: fn(&mut TrialCompletedV2)| {
        let found = changed(&log, change);
        assert!(found.iter().any(|f| f.wrong == Wrong::Figure), "{found:?}");
    };
    wrong(|t| t.scores[1] = Real(-0.001));
    wrong(|t| t.scores.truncate(1));
    wrong(|t| t.scores.push(Real(1.0)));
    wrong(|t| t.constraints[3] = Real(-1.0));
    wrong(|t| t.constraints.truncate(3));
    wrong(|t| t.constraints.push(Real(-1.0)));
}

/// What a study of one objective has no place for is found too.
#[test]
fn nothing_is_added_to_a_plain_study() {
    let log = honest(&stage(STRATEGY, STUDY));
    for change in
        [|t: &mut TrialCompletedV2| t.scores.push(Real(1.0)), |t: &mut TrialCompletedV2| t.constraints.push(Real(-1.0))]
    {
        assert!(changed(&log, change).iter().any(|f| f.wrong == Wrong::Figure));
    }
}

/// Under each rule some trials are stopped, the log has no findings, and a trial that goes on although it should not is
/// found.
#[test]
fn each_rule_of_pruning_is_computed_again() {
    for rule in [
        "{ rule = \"percentile\", keep = 0.25, startup_trials = 4, warmup_folds = 2 }",
        "{ rule = \"halving\", factor = 2 }",
    ] {
        let study = STUDY.replace("prune_below_median = true", &format!("pruning = {rule}"));
        let s = stage(STRATEGY, &study);
        let log = honest(&s);
        assert_eq!(findings(&log), [], "{rule}");
        let pruned = log.iter().filter(|e| matches!(e, Event::TrialPrunedV2(_))).count();
        assert!(pruned > 2, "{rule}: {pruned}");
        let mut other = s.study.clone();
        other.guardrails.pruning = None;
        let free = honest(&Stage { study: other, ..stage(STRATEGY, &study) });
        let id = log.iter().find_map(|e| e.study()).unwrap().study_id;
        let others = free.into_iter().skip(4).map(|event| of_study(event, id));
        let mixed: Vec<Event> = log.iter().take(4).cloned().chain(others).collect();
        let found = findings(&mixed);
        assert!(found.iter().any(|f| f.wrong == Wrong::Pruning), "{rule}: {found:?}");
    }
}
