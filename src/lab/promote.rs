//! A trial proposed for production: a signed config with its evidence, on a branch.

use crate::error::LabError;
use crate::folder::Lab;
use crate::proposal::{Behind, Proposed, finish, in_force, policy, up_to_date};
use crate::{study, trial};
use assay_ledger::format::hash::hex;
use assay_ledger::{Hash, Log};
use assay_shared::event::{Event, PromotionProposed};
use assay_shared::format::config::{LiveConfig, Promotion, Versions};
use assay_shared::recount::{Finished, best};

/// A trial of a complete study as it is recorded, by number (or the best).
fn pick(lab: &Lab, opened: &study::Opened, number: Option<u32>) -> Result<Finished, LabError> {
    let (name, record) = (&opened.study.name, study::recorded(&lab.log()?, opened.id)?);
    if !record.closed {
        let hint = format!("finish it with `assay study resume {name}`");
        return Err(LabError::usage(format!("the study '{name}' is not complete"), hint));
    }
    let hint = format!("see `assay trials '{name}' --all`");
    let none = || LabError::usage(format!("the study '{name}' has no feasible trial"), hint.clone());
    let number = number.or(best(&record.finished).map(|b| b.0)).ok_or_else(none)?;
    let missing = || LabError::usage(format!("the study '{name}' has no trial {number}"), hint.clone());
    record.finished.into_iter().find(|f| f.number == number).ok_or_else(missing)
}

/// Proposes a trial of a study by number (or its best).
///
/// # Errors
/// A study that is not complete, a trial without a parity proof, or a lab that cannot be written.
pub fn propose(lab: &Lab, wanted: Option<&str>, number: Option<u32>) -> Result<Proposed, LabError> {
    // The mirror only says which study is meant; what is promoted is read from the ledger.
    let opened = study::reopen(lab, &trial::study(&lab.mirror()?, wanted)?.study_id)?;
    let trial = pick(lab, &opened, number)?;
    let repo = up_to_date(lab)?;
    let parity_at = parity_of(&lab.log()?, (&opened.study.name, opened.id), trial.number)?;
    if policy(&repo)?.0.gates.max_pbo.is_some() {
        study::finish_pruned(lab, &opened, study::jobs(None))?;
    }
    let name = &opened.strategy.file.name;
    let before = in_force(&repo, name)?;
    let evaluator = opened.evaluator()?;
    let mut writer = lab.writer()?;
    let walk = study::walk_forward(&opened, &evaluator, &trial)?;
    let stream = Hash(walk.stream_hash);
    if trial.stream_hash != Some(stream.0) {
        let what = format!("trial {} gives another run than the one that was recorded", trial.number);
        return Err(LabError::Verification(what));
    }
    let walk_at = writer.record_one(walk)?;
    let config = LiveConfig {
        format: assay_shared::format::config::CURRENT,
        promotion: Promotion {
            strategy: name.clone(),
            version: before.as_ref().map_or(0, |b| b.0.promotion.version) + 1,
            replaces_sha256: before.as_ref().map_or(Hash::ZERO, |b| Hash::of(&b.1)),
            author: lab.config.person.clone(),
            study_id: hex(&opened.id),
            study_name: opened.study.name.clone(),
            trial_id: trial.number,
            strategy_hash: opened.strategy.hash(),
            data_hash: opened.data_hash,
            rulebook_hash: opened.book.hash(),
            stream_hash: stream,
            promotion_timestamp: String::new(),
            generated_data: opened.market.generated,
            restores_version: None,
            retired: false,
        },
        environment: Versions::from(&opened.environment),
        assumptions: opened.study.assumptions,
        parameters: trial.seen.params.clone(),
        anchors: opened.anchors(),
        strategy_text: opened.strategy.canonical().into(),
        ledger: None,
    };
    let proposal = |config: &LiveConfig| -> Event {
        let p = &config.promotion;
        PromotionProposed {
            strategy: name.clone(),
            version: p.version,
            core_sha256: config.core_sha256().0,
            replaces_sha256: p.replaces_sha256.0,
            study_id: opened.id,
            number: trial.number,
        }
        .into()
    };
    let behind = Behind::find(&writer, opened.id, trial.number, walk_at.seq, parity_at)?;
    finish(lab, &repo, writer, config, proposal, behind)
}

fn parity_of(log: &Log, (name, id): (&str, [u8; 16]), number: u32) -> Result<u64, LabError> {
    for seq in log.newest_of("ParityVerified", 0..log.len(), usize::MAX)? {
        if let Event::ParityVerified(e) = Event::of(&log.entry(seq)?)?
            && (e.study_id, e.number) == (id, number)
        {
            return Ok(seq);
        }
    }
    let hint = format!("run `assay parity '{name}:{number}'` first");
    Err(LabError::usage(format!("trial {number} of '{name}' has no parity proof"), hint))
}
