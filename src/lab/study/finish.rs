//! Pruned trials of a closed study, run to their end: what was thrown away early is part of what the study chose from.

use super::opened::Opened;
use super::recorded::recorded;
use super::run::same_build;
use crate::error::LabError;
use crate::folder::Lab;
use assay_research::ThreadPool;
use assay_research::study::{Evaluator, finish};
use assay_shared::event::{Event, PrunedTrialFinished};
use assay_shared::recount::Case;

/// Pruned trials that are finished and recorded at a time.
const GROUP: usize = 64;

/// Runs the pruned trials of a study that have not been finished, and records what they would have been. Gives how
/// many they were. What was recorded before a stop stays.
///
/// # Errors
/// A study that is not complete, or of another build; a ledger that cannot be written.
pub fn finish_pruned(lab: &Lab, opened: &Opened, threads: usize) -> Result<usize, LabError> {
    let record = recorded(&lab.log()?, opened.id)?;
    let name = &opened.study.name;
    if !record.closed {
        let hint = format!("finish it with `assay study resume {name}`");
        return Err(LabError::usage(format!("the study '{name}' is not complete"), hint));
    }
    let open: Vec<_> = record.finished.iter().filter(|f| f.pruned && f.blocks.is_none()).collect();
    if open.is_empty() {
        return Ok(0);
    }
    same_build(opened)?;
    let session = &lab.session;
    let no_threads = |e| LabError::could_not(format!("cannot start threads: {e}"));
    let pool = assay_research::thread_pool(threads).map_err(no_threads)?;
    let _watched = session.stop.watch();
    let evaluator = opened.evaluator()?;
    let mut writer = lab.writer()?;
    for (done, group) in open.chunks(GROUP).enumerate() {
        let Some(events) = finish(&pool, &evaluator, opened.id, group, || session.stop.requested()) else {
            writer.publish()?;
            let done = done * GROUP;
            let words =
                format!("{done} of {} pruned trials are finished; go on with `assay study finish {name}`", open.len());
            return Err(LabError::Stopped(words));
        };
        writer.record(&events)?;
    }
    writer.publish()?;
    lab.refresh_mirror()?;
    Ok(open.len())
}

/// Pruned trials that were run to their ends later, once more; of those that were drawn, or all.
///
/// # Errors
/// The first one that ends otherwise.
pub(crate) fn ends_again(
    lab: &Lab,
    pool: &ThreadPool,
    evaluator: &Evaluator<'_>,
    case: &Case,
    chosen: Option<&[u32]>,
) -> Result<(), LabError> {
    let wanted = |number: &u32| chosen.is_none_or(|chosen| chosen.contains(number));
    let ends: Vec<_> = case.ends.iter().filter(|(_, e)| wanted(&e.number)).collect();
    let trial = |(_, e): &&(u64, PrunedTrialFinished)| case.finished.iter().find(|f| f.number == e.number);
    let trials: Vec<_> = ends.iter().filter_map(trial).collect();
    let stop = || lab.session.stop.requested();
    let _watched = lab.session.stop.watch();
    for (some, said) in trials.chunks(GROUP).zip(ends.chunks(GROUP)) {
        let events = finish(pool, evaluator, case.fact.study_id, some, stop)
            .ok_or_else(|| LabError::Stopped("nothing was signed".into()))?;
        let differs = events.iter().zip(said).find(|(event, (_, said))| **event != Event::from(said.clone()));
        if let Some((_, (seq, said))) = differs {
            let (number, what) = (said.number, "its end after it was pruned is another one here");
            let what = format!("not reproduced: trial {number}: {what} (ledger entry {seq})");
            return Err(LabError::Verification(what));
        }
    }
    Ok(())
}
