//! Trials of a lab, found by study and number.

use crate::error::LabError;
use crate::folder::Lab;
use assay_research::mirror::Mirror;
use assay_research::mirror::query::{Order, StudyRow, TrialRow};
use assay_shared::event::Event;
use assay_shared::recount::Finished;
use serde::Serialize;

/// A study with some of its trials.
#[derive(Debug, Clone, Serialize)]
pub struct Board {
    /// The study.
    pub study: StudyRow,
    /// Trials, in the order that was asked for.
    pub trials: Vec<TrialRow>,
}

/// A study by name or id (or the newest).
///
/// # Errors
/// None of that name, or several.
pub fn study(mirror: &Mirror, wanted: Option<&str>) -> Result<StudyRow, LabError> {
    let studies = mirror.studies()?;
    let found: Vec<&StudyRow> = match wanted {
        None => studies.iter().take(1).collect(),
        Some(w) => {
            let named = studies.iter().filter(|s| s.name == w).collect::<Vec<_>>();
            let by_id = |s: &&StudyRow| s.study_id == w || (w.len() >= 6 && s.study_id.starts_with(w));
            if named.is_empty() { studies.iter().filter(by_id).collect() } else { named }
        }
    };
    match found[..] {
        [one] => Ok(one.clone()),
        [] => {
            let names: Vec<&str> = studies.iter().map(|s| s.name.as_str()).collect();
            let hint = if names.is_empty() {
                "run one with `assay study run`".into()
            } else {
                format!("there are: {}", names.join(", "))
            };
            let what = wanted.map_or("there is no study".into(), |w| format!("there is no study '{w}'"));
            Err(LabError::usage(what, hint))
        }
        _ => {
            let ids: Vec<&str> = found.iter().map(|s| &s.study_id[..12]).collect();
            let what = format!("'{}' stands for {} studies", wanted.unwrap_or_default(), found.len());
            Err(LabError::usage(what, format!("name one by its id: {}", ids.join(", "))))
        }
    }
}

/// A study's trials.
///
/// # Errors
/// No such study, or a mirror that cannot be read.
pub fn board(lab: &Lab, wanted: Option<&str>, order: Order, limit: u32) -> Result<Board, LabError> {
    let mirror = lab.mirror()?;
    let study = study(&mirror, wanted)?;
    let trials = mirror.trials(&study.study_id, order, limit)?;
    Ok(Board { study, trials })
}

/// A trial of a study by number (or its best), and the study.
///
/// # Errors
/// No such study or trial, or no feasible one.
pub fn pick(lab: &Lab, wanted: Option<&str>, number: Option<u32>) -> Result<(StudyRow, TrialRow), LabError> {
    let mirror = lab.mirror()?;
    let s = study(&mirror, wanted)?;
    let none = || {
        LabError::usage(
            format!("the study '{}' has no feasible trial", s.name),
            "see `assay trials --all` for the reasons",
        )
    };
    let number = number.or(s.best).ok_or_else(none)?;
    let missing =
        || LabError::usage(format!("the study '{}' has no trial {number}", s.name), format!("it has {}", s.trials));
    let t = mirror.trial(&s.study_id, number)?.ok_or_else(missing)?;
    Ok((s, t))
}

/// The second of the feasible trials, best first: for the demonstration of a second promotion.
///
/// # Errors
/// A study without one.
pub fn second_best(lab: &Lab, wanted: &str) -> Result<u32, LabError> {
    let board = board(lab, Some(wanted), Order::Best, 2)?;
    let feasible = board.trials.iter().filter(|t| t.violation == Some(0.0)).nth(1);
    let none = || LabError::usage("the study has no second feasible trial", "ask for more with --trials");
    feasible.map(|t| t.number).ok_or_else(none)
}

/// A recorded trial as a study knows it.
///
/// # Errors
/// An entry that is no trial.
pub fn recorded(lab: &Lab, seq: u64) -> Result<Finished, LabError> {
    let event = Event::of(&lab.log()?.entry(seq)?)?;
    Finished::of(&event)
        .ok_or_else(|| LabError::Verification(format!("entry {seq} is not a trial; rebuild the mirror")))
}
