//! A trial judged by bars that no trial of its study saw: the vault, and bars that are younger than the study.

use super::opened::{Opened, chosen, prices};
use super::recorded::{Record, recorded};
use super::run::same_build;
use crate::data::rulebook_of;
use crate::environment::environment;
use crate::error::LabError;
use crate::folder::Lab;
use assay_ledger::format::hash::unhex;
use assay_ledger::{EventId, Hash};
use assay_research::study::{Later, later};
use assay_shared::RESULTS;
use assay_shared::event::later::LaterFact;
use assay_shared::event::{Event, ForwardRunCompleted, VaultOpened};
use assay_shared::market::Market;
use assay_shared::recount::best;
use assay_shared::recount::blocks::BLOCKS;
use assay_shared::strategy::Params;
use assay_shared::time::format_ms;
use std::ops::Range;

/// What was seen of a trial afterwards.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The run.
    pub fact: LaterFact,
    /// How often a vault was opened on prices that overlap, in this log, this one included.
    pub vaults: u64,
}

/// Opens the vault of a study for a trial, its best without a number: runs the trial over the last bars, which no trial
/// saw, and records what came of it. What is recorded already is only read.
///
/// # Errors
/// A study that is not complete, that has no vault, or is of another build; a trial without a score.
pub fn open_vault(lab: &Lab, opened: &Opened, number: Option<u32>) -> Result<Seen, LabError> {
    let record = complete(lab, opened)?;
    let number = scored(&record, number)?;
    if let Some((_, fact)) = record.case.later.iter().find(|(_, l)| l.forward.is_none() && l.number == number) {
        return Ok(Seen { fact: fact.clone(), vaults: record.lineage.vaults });
    }
    same_build(opened)?;
    let bars = vault(opened)?;
    let found = run(opened, params(&record, number)?, (&opened.market, &opened.book), bars)?;
    let event: Event = VaultOpened {
        study_id: opened.id,
        number,
        first_ms: found.times.0,
        last_ms: found.times.1,
        bars: found.bars,
        metrics: found.metrics,
        blocks: found.blocks,
        stream_hash: found.stream_hash.0,
    }
    .into();
    keep(lab, event, opened.id)
}

/// The bars of the vault.
pub(crate) fn vault(opened: &Opened) -> Result<Range<usize>, LabError> {
    let bars = opened.study.splits.vault_bars(opened.market.interval_ms);
    if bars < BLOCKS {
        let what = format!("the study '{}' has no vault, or one of fewer than {BLOCKS} bars", opened.study.name);
        return Err(LabError::usage(what, "a study keeps one back with `vault_days` in its [splits]"));
    }
    Ok(opened.market.len() - bars..opened.market.len())
}

/// Runs a trial over those bars of a snapshot, the newest without one, that began after its study was opened, and
/// records what came of it.
///
/// # Errors
/// A study that is not complete, or results of another version; too few such bars; a trial without a score.
pub fn forward(lab: &Lab, opened: &Opened, number: Option<u32>, data: Option<&str>) -> Result<Seen, LabError> {
    let record = complete(lab, opened)?;
    let number = scored(&record, number)?;
    let hash = chosen(lab, data)?;
    let (data_hash, market) = prices(lab, &hash, &opened.strategy)?;
    let same = |(_, l): &&(u64, LaterFact)| {
        l.number == number && l.forward.as_ref().is_some_and(|e| e.data_hash == data_hash.0)
    };
    if let Some((_, fact)) = record.case.later.iter().find(same) {
        return Ok(Seen { fact: fact.clone(), vaults: record.lineage.vaults });
    }
    if opened.environment.results != Some(RESULTS) {
        let what = format!("the study has results of another version than {RESULTS}, which this build computes");
        return Err(LabError::usage(what, "use a build of its version"));
    }
    let bars = younger(lab, opened, &market)?;
    let book = rulebook_of(lab, &data_hash)?;
    let found = run(opened, params(&record, number)?, (&market, &book), bars)?;
    let event: Event = ForwardRunCompleted {
        study_id: opened.id,
        number,
        data_hash: data_hash.0,
        rulebook_hash: book.hash().0,
        environment: environment().recorded(),
        first_ms: found.times.0,
        last_ms: found.times.1,
        bars: found.bars,
        metrics: found.metrics,
        blocks: found.blocks,
        stream_hash: found.stream_hash.0,
    }
    .into();
    keep(lab, event, opened.id)
}

/// The bars that began after the study was opened, and are none of its own.
fn younger(lab: &Lab, opened: &Opened, market: &Market) -> Result<Range<usize>, LabError> {
    let log = lab.log()?;
    let lacks = || LabError::Verification("the ledger lacks the study".into());
    let seq = log.find(&EventId::derived(&[b"study", &opened.id]))?.ok_or_else(lacks)?;
    let opened_ms = log.entry(seq)?.time_us.div_ceil(1000) as i64;
    let last = opened.market.times.last().copied().unwrap_or(i64::MAX);
    let first = market.times.partition_point(|t| *t < opened_ms || *t <= last);
    if market.interval_ms != opened.market.interval_ms || market.generated != opened.market.generated {
        let what = "the snapshot has another interval than the study's, or one of the two is generated";
        return Err(LabError::usage(what, "name another snapshot with --data"));
    }
    if market.len() < first + BLOCKS {
        let what = format!(
            "the snapshot has {} bars that began after the study was opened ({}), and {BLOCKS} are needed",
            market.len() - first,
            format_ms(opened_ms)
        );
        return Err(LabError::usage(what, "wait, fetch what came since with `assay data fetch`, and import it"));
    }
    Ok(first..market.len())
}

/// A later run made again; whoever reproduces a study compares it with what was recorded.
///
/// # Errors
/// A trial that cannot be simulated.
pub(crate) fn run(
    opened: &Opened,
    params: &Params,
    (market, book): (&Market, &assay_shared::rulebook::Rulebook),
    bars: Range<usize>,
) -> Result<Later, LabError> {
    Ok(later((&opened.strategy, params), market, book, &opened.study.assumptions, bars)?)
}

fn complete(lab: &Lab, opened: &Opened) -> Result<Record, LabError> {
    let record = recorded(&lab.log()?, opened.id)?;
    let name = &opened.study.name;
    if !record.closed {
        let hint = format!("finish it with `assay study resume {name}`");
        return Err(LabError::usage(format!("the study '{name}' is not complete"), hint));
    }
    Ok(record)
}

fn scored(record: &Record, number: Option<u32>) -> Result<u32, LabError> {
    let Some(number) = number.or(best(&record.finished).map(|b| b.0)) else {
        return Err(LabError::usage("no trial of the study is feasible", "name one with --trial"));
    };
    match record.finished.iter().find(|f| f.number == number && f.seen.score.is_some()) {
        Some(_) => Ok(number),
        None => Err(LabError::usage(
            format!("the study has no trial {number} with a score"),
            "list its trials with `assay trials`",
        )),
    }
}

fn params(record: &Record, number: u32) -> Result<&Params, LabError> {
    let found = record.finished.iter().find(|f| f.number == number);
    found.map(|f| &f.seen.params).ok_or_else(|| LabError::could_not("the trial is not recorded"))
}

fn keep(lab: &Lab, event: Event, id: [u8; 16]) -> Result<Seen, LabError> {
    let fact = event.later().ok_or_else(|| LabError::could_not("it is no later run"))?;
    let mut writer = lab.writer()?;
    writer.record(&[event])?;
    writer.publish()?;
    lab.refresh_mirror()?;
    Ok(Seen { vaults: recorded(&lab.log()?, id)?.lineage.vaults, fact })
}

/// What was seen of a study's trials afterwards, in the order of the log, with how often a vault was opened on prices
/// that overlap.
///
/// # Errors
/// A ledger without the study.
pub fn seen_later(lab: &Lab, study_id: &str) -> Result<(Vec<LaterFact>, u64), LabError> {
    let id = unhex(study_id).and_then(|raw| raw.try_into().ok());
    let unknown = || LabError::Verification(format!("the ledger has no study {study_id}"));
    let record = recorded(&lab.log()?, id.ok_or_else(unknown)?)?;
    Ok((record.case.later.into_iter().map(|(_, fact)| fact).collect(), record.lineage.vaults))
}

/// That the vault of a trial, if it is recorded as opened, is what it gives here.
///
/// # Errors
/// The first figure that is another.
pub(crate) fn vault_again(opened: &Opened, case: &assay_shared::recount::Case, number: u32) -> Result<(), LabError> {
    let no = |what: String| LabError::Verification(format!("not reproduced: the vault of trial {number}: {what}"));
    let Some((seq, was)) = case.later.iter().find(|(_, l)| l.forward.is_none() && l.number == number) else {
        return Ok(());
    };
    let lost = || no("the trial is not recorded".into());
    let (_, trial) = case.trials.iter().find(|(_, t)| t.number == number).ok_or_else(lost)?;
    let bars = vault(opened)?;
    let now = run(opened, &trial.params, (&opened.market, &opened.book), bars)?;
    let event: Event = VaultOpened {
        study_id: was.study_id,
        number,
        first_ms: now.times.0,
        last_ms: now.times.1,
        bars: now.bars,
        metrics: now.metrics,
        blocks: now.blocks,
        stream_hash: now.stream_hash.0,
    }
    .into();
    let Some(now) = event.later().filter(|now| now != was) else { return Ok(()) };
    let differs = was.metrics.iter().find(|(name, value)| now.metrics.get(*name) != Some(value));
    let what = match differs {
        Some((name, value)) => {
            let here = now.metrics.get(name).map_or("absent".into(), ToString::to_string);
            format!("{name} is {value} as recorded, and {here} here")
        }
        None => format!(
            "its stream is {} as recorded, and {} here",
            Hash(was.stream_hash).short(),
            Hash(now.stream_hash).short()
        ),
    };
    Err(no(format!("{what} (ledger entry {seq})")))
}
