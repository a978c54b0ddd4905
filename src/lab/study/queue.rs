//! What a log says of a study's extensions.

use crate::error::LabError;
use assay_ledger::{EventId, Log};
use assay_shared::event::study::{params_of, recorded_params};
use assay_shared::event::{Event, StudyExtended};
use assay_shared::strategy::Params;
use assay_shared::study::Study;

/// The event that says so.
pub(super) fn event(study_id: [u8; 16], round: u32, trials: u32, points: &[Params]) -> StudyExtended {
    StudyExtended { study_id, round, trials, points: points.iter().map(recorded_params).collect() }
}

/// Puts them into a study: the points are those of the trials from `first` on.
pub(super) fn apply(study: &mut Study, first: u32, trials: u32, points: impl Iterator<Item = Params>) {
    study.queued.extend((first..).zip(points));
    study.trials = study.trials.saturating_add(trials);
}

/// Takes what a log says of a study's extensions.
///
/// # Errors
/// A log that cannot be read.
pub(super) fn extended(log: &Log, id: &[u8; 16], study: &mut Study) -> Result<(), LabError> {
    let mut round: u32 = 0;
    loop {
        let id = EventId::derived(&[b"study-extended", id, &round.to_be_bytes()]);
        match log.find(&id)? {
            Some(seq) => {
                let Event::StudyExtended(e) = Event::of(&log.entry(seq)?)? else { return Ok(()) };
                let first = if round == 0 { 0 } else { study.trials };
                apply(study, first, e.trials, e.points.iter().map(|p| params_of(p)));
            }
            // Without points of its own at the opening there is no such event.
            None if round == 0 => {}
            None => return Ok(()),
        }
        round += 1;
    }
}
