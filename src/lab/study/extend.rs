//! A study that goes on: further trials, and points of one's own that are tried before the sampler is asked.

use super::opened::{Opened, most_trials};
use super::queue::{apply, event};
use super::recorded::recorded;
use super::run::same_build;
use crate::error::LabError;
use crate::folder::Lab;
use crate::proposal::in_force;
use crate::trial;
use crate::values::with;
use assay_shared::strategy::space::defaults;
use assay_shared::strategy::{Params, Strategy};

/// More trials than this no study has.
const MOST: u32 = 1_000_000;

/// Points as they are said: `fast=12,slow=96`, `best:STUDY` for the best trial of another study, or `live` for what is
/// live of the strategy. What is not named has its default.
///
/// # Errors
/// Values outside the space, or that break a constraint; no such study, or nothing live.
pub fn points(lab: &Lab, strategy: &Strategy, said: &[String]) -> Result<Vec<Params>, LabError> {
    said.iter().map(|text| point(lab, strategy, text)).collect()
}

fn point(lab: &Lab, strategy: &Strategy, text: &str) -> Result<Params, LabError> {
    let params = if let Some(study) = text.strip_prefix("best:") {
        let row = trial::study(&lab.mirror()?, Some(study))?;
        let none = || LabError::usage(format!("the study '{study}' has no feasible trial"), "name a point: fast=12");
        let raw = row.best.ok_or_else(none)?;
        let (_, t) = trial::pick(lab, Some(&row.study_id), Some(raw))?;
        t.params
    } else if text == "live" {
        let none = || LabError::usage(format!("nothing is live of '{}'", strategy.file.name), "name a point: fast=12");
        in_force(&lab.repo()?, &strategy.file.name)?.ok_or_else(none)?.0.parameters
    } else {
        let pair = |part: &str| {
            let wrong = || LabError::usage(format!("'{part}' sets nothing"), "write it as fast=12,slow=96");
            part.split_once('=').map(|(k, v)| (k.trim().to_string(), v.trim().to_string())).ok_or_else(wrong)
        };
        with(strategy, &text.split(',').map(pair).collect::<Result<Vec<_>, _>>()?)?
    };
    let ranges = &strategy.file.parameters;
    // Of another study or an earlier version, parameters may have come or gone.
    let mut out = defaults(ranges);
    for (name, value) in params.into_iter().filter(|(name, _)| ranges.contains_key(name)) {
        if !ranges[&name].contains(&value) {
            let what = format!("the point {text} has {name} = {value}, which is not in its range");
            return Err(LabError::usage(what, ranges[&name].words()));
        }
        out.insert(name, value);
    }
    // What does not count says nothing: the point is the same without it.
    strategy.settle(&mut out);
    match strategy.allows(&out) {
        true => Ok(out),
        false => Err(LabError::usage(
            format!("the point {text} breaks a constraint of the strategy"),
            "values that belong together are under `constraints` in its file",
        )),
    }
}

/// Records further trials of a complete study, with points that come first.
///
/// # Errors
/// A study that is not complete, or of another build; more trials than a study may have.
pub fn extend(lab: &Lab, opened: &mut Opened, trials: u32, points: &[Params]) -> Result<(), LabError> {
    same_build(opened)?;
    let mut writer = lab.writer()?;
    // Nobody else may close or extend it in between.
    writer.keep()?;
    let record = recorded(&writer.log, opened.id)?;
    let name = &opened.study.name;
    if !record.closed {
        let hint = format!("finish it with `assay study resume {name}`");
        return Err(LabError::usage(format!("the study '{name}' is not complete"), hint));
    }
    if trials == 0 || opened.study.trials.checked_add(trials).is_none_or(|all| all > MOST) {
        return Err(LabError::usage(format!("{trials} further trials"), "a study has 1 to 1,000,000 in all"));
    }
    if points.len() > trials as usize {
        return Err(LabError::usage(
            format!("{} points for {trials} trials", points.len()),
            "give it as many trials at least: --trials",
        ));
    }
    let given = opened.study.queued.len() + points.len();
    let most = most_trials(&opened.strategy, &opened.study, given);
    let left = most.map_or(trials, |most| most.saturating_sub(opened.study.trials));
    if left < trials {
        let what = format!("{trials} further trials, and {left} points that were not asked yet");
        return Err(LabError::usage(what, "a point that is tried again says nothing, and counts: ask for fewer"));
    }
    writer.record_one(event(opened.id, record.case.rounds + 1, trials, points))?;
    writer.release();
    writer.publish()?;
    let base = opened.study.trials;
    apply(&mut opened.study, base, trials, points.iter().cloned());
    lab.refresh_mirror()
}
