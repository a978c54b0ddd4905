//! A study's seed given by a witness, out of the researcher's reach.

use super::opened::{Opened, Seed, given};
use crate::ask;
use crate::error::LabError;
use crate::folder::Lab;
use assay_ledger::EventId;
use assay_shared::event::StudySeeded;

/// That the witness at `url` (or the lab's) answers, knows this log, and has a key that is known: before a study is
/// opened that is to have its seed from it, and counts from then on.
///
/// # Errors
/// No witness, or why it would not do.
pub fn ready(lab: &Lab, url: Option<&str>, keys: &[String]) -> Result<(), LabError> {
    let url = url.or(lab.config.witness.as_deref()).map(String::from);
    let none = || LabError::usage("no witness is named", "name it: --witness URL, or `witness` in assay.toml");
    ask::witness(lab, &[url.ok_or_else(none)?], &known(lab, keys)).map(|_| ())
}

fn known(lab: &Lab, keys: &[String]) -> Vec<String> {
    if keys.is_empty() { lab.config.witnesses.clone() } else { keys.to_vec() }
}

/// Asks the witness at `url` (or the lab's) for the seed of a study that wants one, and records it. Asking again is
/// useless: the same opening gets the same answer. Gives what was asked, or nothing where the seed is there.
///
/// # Errors
/// A lab that knows no witness, and a witness that cannot be asked or refuses: the study waits, and goes on with
/// `assay study resume`.
pub fn seeded(lab: &Lab, opened: &mut Opened, url: Option<&str>, keys: &[String]) -> Result<Option<String>, LabError> {
    if opened.seed != Seed::Wanting {
        return Ok(None);
    }
    let Some(url) = url.or(lab.config.witness.as_deref()) else {
        let what = format!("a witness is to give the study '{}' its seed, and none is named", opened.study.name);
        return Err(LabError::usage(what, "name it: --witness URL, or `witness` in assay.toml"));
    };
    let log = lab.log()?;
    let opening = log.find(&EventId::derived(&[b"study", &opened.id]))?;
    let opening = opening.ok_or_else(|| LabError::Verification("the ledger lacks the study's opening".into()))?;
    let name = &opened.study.name;
    let waits = |e: LabError| match e {
        LabError::CouldNot { message, .. } => LabError::CouldNot {
            message,
            hint: Some(format!("the study is open and its trials count; go on with `assay study resume {name}`")),
        },
        e => e,
    };
    let (witness, note, _) = ask::seed(lab, url, opening, &known(lab, keys)).map_err(waits)?;
    let mut writer = lab.writer()?;
    writer.record_one(StudySeeded { study_id: opened.id, witness: witness.to_string(), note })?;
    writer.publish()?;
    given(&lab.log()?, opened)?;
    lab.refresh_mirror()?;
    Ok(Some(witness.name))
}
