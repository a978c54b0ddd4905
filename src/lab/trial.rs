//! Trials of a lab, found by study and number.

use crate::error::LabError;
use crate::folder::Lab;
use assay_ledger::Log;
use assay_ledger::format::hash::unhex;
use assay_research::mirror::Mirror;
use assay_research::mirror::query::{Order, StudyRow, Title, TrialRow};
use assay_shared::event::{Event, trial_id};
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
    let studies = mirror.titles()?;
    let found: Vec<&Title> = match wanted {
        None => studies.iter().take(1).collect(),
        Some(w) => {
            let named = studies.iter().filter(|s| s.name == w).collect::<Vec<_>>();
            let by_id = |s: &&Title| s.study_id == w || (w.len() >= 6 && s.study_id.starts_with(w));
            if named.is_empty() { studies.iter().filter(by_id).collect() } else { named }
        }
    };
    match found[..] {
        [one] => mirror
            .study(&one.study_id)?
            .ok_or_else(|| LabError::could_not(format!("the study '{}' is not in the mirror any more", one.name))),
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

/// What names a trial: `STUDY`, `NUMBER` or `STUDY:NUMBER`; a study may be named like the last.
pub fn named<'t>(text: &'t str, studies: &[Title]) -> (Option<&'t str>, Option<u32>) {
    let known = |name: &str| studies.iter().any(|s| s.name == name);
    match (text.parse().ok(), text.rsplit_once(':')) {
        _ if known(text) => (Some(text), None),
        (Some(number), _) => (None, Some(number)),
        (None, Some((study, number))) if number.parse::<u32>().is_ok() => (Some(study), number.parse().ok()),
        _ => (Some(text), None),
    }
}

/// The same with a study and a number that were named apart.
///
/// # Errors
/// Two studies, or two numbers.
pub fn chosen(
    lab: &Lab,
    text: Option<&str>,
    study: Option<&str>,
    number: Option<u32>,
) -> Result<(Option<String>, Option<u32>), LabError> {
    let Some(text) = text else { return Ok((study.map(String::from), number)) };
    let (of, own) = named(text, &lab.mirror()?.titles()?);
    let twice = |what: &str| {
        LabError::usage(format!("the {what} is named twice"), "a trial is STUDY:NUMBER, NUMBER or, for its best, STUDY")
    };
    if of.is_some() && study.is_some_and(|study| Some(study) != of) {
        return Err(twice("study"));
    }
    if own.is_some() && number.is_some() {
        return Err(twice("trial"));
    }
    Ok((of.or(study).map(String::from), own.or(number)))
}

/// A study's trials. The mirror says which there are and in which order; what each is comes from the ledger.
///
/// # Errors
/// No such study, a mirror that cannot be read, or one that says other things of a trial than the ledger.
pub fn board(lab: &Lab, wanted: Option<&str>, order: Order, limit: u32) -> Result<Board, LabError> {
    let mirror = lab.mirror()?;
    let mut study = study(&mirror, wanted)?;
    let log = lab.log()?;
    if limit >= study.trials {
        let mut trials = rows(&log, &study)?;
        told(&mut study, &trials);
        if order == Order::Best {
            let rank = |t: &TrialRow| match t.score {
                Some(score) => (u8::from(!t.is_feasible()), -score),
                None => (2, 0.0),
            };
            trials.sort_by(|a, b| {
                let (one, other) = (rank(a), rank(b));
                one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)).then(a.number.cmp(&b.number))
            });
        }
        trials.truncate(limit as usize);
        return Ok(Board { study, trials });
    }
    let shown = mirror.trials(&study.study_id, order, limit)?;
    let trials = shown.iter().map(|t| checked(&log, t)).collect::<Result<_, _>>()?;
    Ok(Board { study, trials })
}

/// A trial of the ledger, by its study and number.
fn row(log: &Log, study_id: &str, number: u32) -> Result<Option<TrialRow>, LabError> {
    let Some(id) = unhex(study_id).and_then(|raw| raw.try_into().ok()) else { return Ok(None) };
    let Some(seq) = log.find(&trial_id(&id, number))? else { return Ok(None) };
    Ok(Event::of(&log.entry(seq)?)?.trial().map(|t| TrialRow::of(seq, &t)))
}

/// All trials of a study, by number, as the ledger has them.
fn rows(log: &Log, study: &StudyRow) -> Result<Vec<TrialRow>, LabError> {
    let mut out = Vec::with_capacity(study.trials as usize);
    while let Some(found) = row(log, &study.study_id, out.len() as u32)? {
        out.push(found);
    }
    Ok(out)
}

/// What follows from a study's trials.
fn told(study: &mut StudyRow, trials: &[TrialRow]) {
    study.trials = trials.len() as u32;
    study.completed = trials.iter().filter(|t| t.score.is_some()).count() as u32;
    let better = |best: Option<(u32, f64)>, (number, score): (u32, f64)| match best {
        Some((_, most)) if most >= score => best,
        _ => Some((number, score)),
    };
    let feasible = trials.iter().filter(|t| t.is_feasible()).filter_map(|t| Some((t.number, t.score?)));
    let best = feasible.fold(None, better);
    (study.best, study.best_score) = (best.map(|b| b.0), best.map(|b| b.1));
}

/// A trial as the ledger has it, if the mirror has it so too.
fn checked(log: &Log, shown: &TrialRow) -> Result<TrialRow, LabError> {
    let found = row(log, &shown.study_id, shown.number)?;
    let near = |a: f64, b: f64| a == b || (a - b).abs() <= 1e-9 * b.abs().max(1e-9);
    let same = |t: &TrialRow| {
        let values = |t: &TrialRow| -> Vec<f64> {
            let own = t.score.iter().chain(&t.violation).chain(&t.also).chain(&t.constraints);
            own.chain(t.metrics.values()).copied().collect()
        };
        let (one, other) = (values(t), values(shown));
        t.state == shown.state && one.len() == other.len() && one.iter().zip(&other).all(|(a, b)| near(*a, *b))
    };
    match found {
        Some(t) if same(&t) => Ok(t),
        _ => Err(LabError::Verification(format!(
            "the mirror says other things of trial {} than the ledger: somebody changed it; make it anew with `assay mirror rebuild`",
            shown.number
        ))),
    }
}

/// A trial of a study by number (or its best), and the study: all of it as the ledger says.
///
/// # Errors
/// No such study or trial, or no feasible one.
pub fn pick(lab: &Lab, wanted: Option<&str>, number: Option<u32>) -> Result<(StudyRow, TrialRow), LabError> {
    let mut s = study(&lab.mirror()?, wanted)?;
    let log = lab.log()?;
    let all = rows(&log, &s)?;
    told(&mut s, &all);
    let none = || {
        LabError::usage(
            format!("the study '{}' has no feasible trial", s.name),
            format!("see `assay trials '{}' --all` for the reasons", s.name),
        )
    };
    let number = number.or(s.best).ok_or_else(none)?;
    let missing = || {
        let hint = match s.trials {
            0 => "it has none yet".into(),
            n => format!("it has trials 0 to {}", n - 1),
        };
        LabError::usage(format!("the study '{}' has no trial {number}", s.name), hint)
    };
    let t = all.into_iter().find(|t| t.number == number).ok_or_else(missing)?;
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
