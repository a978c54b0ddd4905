//! A trial judged by bars that no trial of its study saw: the vault, and bars that are younger than the study.

use super::opened::{Opened, chosen, prices};
use super::recorded::{Record, recorded};
use super::run::{same_build, same_results};
use crate::data::rulebook_of;
use crate::environment::environment;
use crate::error::LabError;
use crate::folder::Lab;
use crate::proposal::policy;
use assay_ledger::format::hash::unhex;
use assay_ledger::{EventId, Hash};
use assay_production::gate;
use assay_research::study::{Later, later};
use assay_shared::event::later::LaterFact;
use assay_shared::event::{Event, ForwardRunCompleted, VaultOpened};
use assay_shared::market::Market;
use assay_shared::recount::blocks::BLOCKS;
use assay_shared::recount::{Case, LaterRun, Looked, best};
use assay_shared::strategy::Params;
use assay_shared::time::format_ms;
use std::ops::Range;

/// What was seen of a trial afterwards.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The run.
    pub run: LaterRun,
    /// Who looked at the same bars, in this log and in those of the policy.
    pub looked: Looked,
    /// Whether its study is on data that were made up.
    pub generated: bool,
}

/// Opens the vault of a study for a trial, its best without a number: runs the trial over the last bars, which no trial
/// saw, and records what came of it. What is recorded already is only read.
///
/// # Errors
/// A study that is not complete, that has no vault, or is of another build; a trial without a score.
pub fn open_vault(lab: &Lab, opened: &Opened, number: Option<u32>) -> Result<Seen, LabError> {
    let record = complete(lab, opened)?;
    let number = scored(&record, number)?;
    if let Some(run) = record.case.later.iter().find(|l| l.fact.forward.is_none() && l.fact.number == number) {
        return seen(lab, &record, run);
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
    let hash = chosen(lab, &opened.strategy, data)?;
    let (data_hash, market) = prices(lab, &hash, &opened.strategy)?;
    let same =
        |l: &&LaterRun| l.fact.number == number && l.fact.forward.as_ref().is_some_and(|e| e.data_hash == data_hash.0);
    if let Some(run) = record.case.later.iter().find(same) {
        return seen(lab, &record, run);
    }
    same_results(opened)?;
    let bars = younger(lab, opened, &market, &hash[..12])?;
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
fn younger(lab: &Lab, opened: &Opened, market: &Market, name: &str) -> Result<Range<usize>, LabError> {
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
            "the snapshot {name} has {} bars that began after the study was opened ({}) and are none of its own; {BLOCKS} are needed",
            market.len() - first,
            format_ms(opened_ms)
        );
        let hint =
            "wait, fetch what came since with `assay data fetch`, and import it; name another snapshot with --data";
        return Err(LabError::usage(what, hint));
    }
    let now_ms = (assay_ledger::log::system_clock() / 1000) as i64;
    if let Some(t) = market.times.last().filter(|t| !market.generated && **t + market.interval_ms > now_ms) {
        let what =
            format!("the snapshot {name} goes to {}, and that bar has not ended: nobody has such data", format_ms(*t));
        return Err(LabError::usage(what, "look where its files come from, and at this machine's clock"));
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
        None => {
            let there = record.finished.iter().any(|f| f.number == number);
            let what = if there { "has no score: it was pruned, or failed" } else { "is not one of the study's" };
            Err(LabError::usage(format!("trial {number} {what}"), "`assay trials STUDY --all` lists them with reasons"))
        }
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
    let record = recorded(&writer.log, id)?;
    let lost = || LabError::could_not("the run is not recorded");
    seen(lab, &record, record.case.later.iter().find(|run| run.fact == fact).ok_or_else(lost)?)
}

/// A run with who looked at its bars, in this log and in those of the policy that the repository has.
fn seen(lab: &Lab, record: &Record, run: &LaterRun) -> Result<Seen, LabError> {
    let case = &record.case;
    let symbols = case.strategy.file.symbols.iter().cloned().collect();
    let (id, this) = (case.fact.study_id, (run.fact.number, run.fact.first_ms, run.fact.last_ms));
    let mut looked = record.counts.looked(&symbols, &id, this);
    let repo = lab.repo()?;
    if repo.tip("refs/heads/main").is_some() {
        let (policy, _) = policy(&repo)?;
        let own = lab.config.origin.as_str();
        for other in gate::logs_beside(&repo, &policy, own)?.into_values() {
            looked.add(&gate::counted_of(&other)?.looked(&symbols, &id, this));
        }
    }
    Ok(Seen { run: run.clone(), looked, generated: case.fact.generated })
}

/// What was seen of a study's trials afterwards, in the order of the log.
///
/// # Errors
/// A ledger without the study.
pub fn seen_later(lab: &Lab, study_id: &str) -> Result<Vec<Seen>, LabError> {
    let id = unhex(study_id).and_then(|raw| raw.try_into().ok());
    let unknown = || LabError::Verification(format!("the ledger has no study {study_id}"));
    let record = recorded(&lab.log()?, id.ok_or_else(unknown)?)?;
    record.case.later.iter().map(|run| seen(lab, &record, run)).collect()
}

/// That everything that was seen of a trial afterwards is what it gives here, on data that are here too.
///
/// # Errors
/// Data that are not here; the first figure that is another.
pub(crate) fn later_again(lab: &Lab, opened: &Opened, case: &Case, number: u32) -> Result<usize, LabError> {
    let lost = || LabError::Verification(format!("not reproduced: trial {number} is not recorded"));
    let (_, trial) = case.trials.iter().find(|(_, t)| t.number == number).ok_or_else(lost)?;
    let mut ran = 0;
    for LaterRun { seq, fact: was, .. } in case.later.iter().filter(|l| l.fact.number == number) {
        let now = match &was.forward {
            None => run(opened, &trial.params, (&opened.market, &opened.book), vault(opened)?)?,
            Some(elsewhere) => {
                let (data, book) = (Hash(elsewhere.data_hash), Hash(elsewhere.rulebook_hash));
                let missing = |e: LabError| {
                    let what = format!(
                        "the data {} of a forward run of trial {number} cannot be read here: {e}",
                        data.short()
                    );
                    LabError::usage(
                        what,
                        "import the same files as for the study, or name a store of theirs: `snapshots` in assay.toml",
                    )
                };
                let (_, market) = prices(lab, &data.to_string(), &opened.strategy).map_err(missing)?;
                let book = lab.rulebook(&book.to_string()).map_err(missing)?;
                let at = |ms: i64| market.times.binary_search(&ms).ok();
                let (Some(first), Some(last)) = (at(was.first_ms), at(was.last_ms)) else {
                    return Err(LabError::Verification(format!(
                        "not reproduced: a forward run of trial {number} is of bars that its data do not have (ledger entry {seq})"
                    )));
                };
                run(opened, &trial.params, (&market, &book), first..last + 1)?
            }
        };
        compare(was, &now, *seq)?;
        ran += 1;
    }
    Ok(ran)
}

fn compare(was: &LaterFact, now: &Later, seq: u64) -> Result<(), LabError> {
    let again: Event = VaultOpened {
        study_id: was.study_id,
        number: was.number,
        first_ms: now.times.0,
        last_ms: now.times.1,
        bars: now.bars,
        metrics: now.metrics.clone(),
        blocks: now.blocks.clone(),
        stream_hash: now.stream_hash.0,
    }
    .into();
    let Some(now) = again.later().map(|l| LaterFact { forward: was.forward.clone(), ..l }) else { return Ok(()) };
    if now == *was {
        return Ok(());
    }
    let kind = if was.forward.is_some() { "a forward run" } else { "the vault" };
    let differs = was.metrics.iter().find(|(name, value)| now.metrics.get(*name) != Some(value));
    let what = match differs {
        Some((name, value)) => {
            let here = now.metrics.get(name).map_or("absent".into(), ToString::to_string);
            format!("{name} is {value} as recorded, and {here} here")
        }
        None if was.stream_hash != now.stream_hash => {
            let (was, now) = (Hash(was.stream_hash).short(), Hash(now.stream_hash).short());
            format!("its stream is {was} as recorded, and {now} here")
        }
        None => "it is of other bars, or has other returns".into(),
    };
    Err(LabError::Verification(format!("not reproduced: {kind} of trial {}: {what} (ledger entry {seq})", was.number)))
}
