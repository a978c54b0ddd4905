//! A trial proposed for production: a signed config with its evidence, on a branch.

use crate::error::LabError;
use crate::folder::Lab;
use crate::proposal::{Behind, Proposed, finish, in_force, now};
use crate::writer::Writer;
use crate::{study, trial};
use assay_ledger::Hash;
use assay_shared::event::{Event, PromotionProposed};
use assay_shared::format::config::{LiveConfig, Promotion, Versions};

/// Proposes a trial of a study by number (or its best).
///
/// # Errors
/// A study that is not complete, a trial without a parity proof, or a lab that cannot be written.
pub fn propose(lab: &Lab, wanted: Option<&str>, number: Option<u32>) -> Result<Proposed, LabError> {
    let (s, t) = trial::pick(lab, wanted, number)?;
    if !s.closed {
        return Err(LabError::usage(
            format!("the study '{}' is not complete", s.name),
            format!("finish it with `assay study resume {}`", s.name),
        ));
    }
    let opened = study::reopen(lab, &s.study_id)?;
    let trial = trial::recorded(lab, t.seq)?;
    let repo = lab.repo()?;
    let name = &opened.strategy.file.name;
    let before = in_force(&repo, name)?;
    let evaluator = opened.evaluator()?;
    let mut writer = lab.writer()?;
    let walk = study::walk_forward(&opened, &evaluator, &trial)?;
    let stream = Hash(walk.stream_hash);
    let walk_at = writer.record_one(walk)?;
    let parity_at = parity_of(&writer, opened.id, trial.number)?;
    let config = LiveConfig {
        format: assay_shared::format::config::CURRENT,
        promotion: Promotion {
            strategy: name.clone(),
            version: before.as_ref().map_or(0, |b| b.0.promotion.version) + 1,
            replaces_sha256: before.as_ref().map_or(Hash::ZERO, |b| Hash::of(&b.1)),
            author: lab.config.person.clone(),
            study_id: s.study_id.clone(),
            study_name: s.name.clone(),
            trial_id: trial.number,
            strategy_hash: opened.strategy.hash(),
            data_hash: opened.data_hash,
            rulebook_hash: opened.book.hash(),
            stream_hash: stream,
            promotion_timestamp: now(&writer),
            generated_data: opened.market.generated,
            restores_version: None,
        },
        environment: Versions::from(&opened.environment),
        assumptions: opened.study.assumptions,
        parameters: trial.seen.params.clone(),
        strategy_text: opened.strategy.canonical().into(),
        ledger: None,
    };
    let p = &config.promotion;
    let proposal: Event = PromotionProposed {
        strategy: name.clone(),
        version: p.version,
        core_sha256: config.core_sha256().0,
        replaces_sha256: p.replaces_sha256.0,
        study_id: opened.id,
        number: trial.number,
    }
    .into();
    let behind = Behind::find(&writer, opened.id, trial.number, walk_at.seq, parity_at)?;
    finish(lab, &repo, writer, config, proposal, behind)
}

fn parity_of(writer: &Writer, id: [u8; 16], number: u32) -> Result<u64, LabError> {
    let mut found = None;
    writer.log.scan(0, |entry| {
        if entry.kind() == "ParityVerified"
            && let Event::ParityVerified(e) = Event::of(&entry)?
            && (e.study_id, e.number) == (id, number)
        {
            found = Some(entry.seq);
        }
        Ok::<(), LabError>(())
    })?;
    found.ok_or_else(|| {
        LabError::usage(format!("trial {number} has no parity proof"), format!("run `assay parity {number}` first"))
    })
}
