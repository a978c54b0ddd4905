//! What a study is, said before it runs: its data, its windows, its vault.

use super::output::{counted, grouped, heading, print, say};
use assay_lab::study::{Opened, recorded};
use assay_lab::{Lab, LabError};
use assay_ledger::Hash;
use assay_ledger::format::hash::unhex;
use assay_shared::time::format_date;

/// Folds of which a median and a spread say something.
const FEW: usize = 4;

/// A heading for a study about to run.
pub fn announce(opened: &Opened, threads: usize) -> Result<(), LabError> {
    let evaluator = opened.evaluator()?;
    let (folds, tested) = (evaluator.folds().len(), evaluator.out_of_sample());
    heading(&format!("study {} ({})", opened.study.name, opened.strategy.file.description));
    let bars = grouped((opened.market.len() * opened.market.symbols.len()) as u64);
    say(&format!(
        "{}, {}, {}, {}, {}",
        counted(opened.market.symbols.len(), "symbol"),
        format_args!("{bars} bar-assets"),
        counted(folds, "walk-forward fold"),
        counted(opened.study.trials as usize, "trial"),
        counted(threads, "thread")
    ));
    let times = &opened.market.times;
    if let Some((from, to)) = times.get(tested.start).zip(times.get(tested.end.saturating_sub(1))) {
        let vault = opened.study.splits.vault_days.unwrap_or(0);
        let vault = if vault == 0 { "no vault".into() } else { format!("the last {vault} days are the vault") };
        let (from, to, data) = (format_date(*from), format_date(*to), opened.data_hash.short());
        say(&format!("data {data}, out of sample {from} to {to}, {vault}"));
    }
    if folds < FEW {
        say(&format!(
            "NOTE: {folds} folds are few for a median and a spread: shorter windows ([splits] in_sample_days, out_of_sample_days) give more"
        ));
    }
    if opened.market.generated {
        say("GENERATED DATA: the figures say nothing about real trading");
    }
    Ok(())
}

/// What a study was opened with, as the ledger has it.
pub fn settings(lab: &Lab, study_id: &str) -> Result<(), LabError> {
    let unknown = || LabError::Verification(format!("the ledger has no study {study_id}"));
    let id = unhex(study_id).and_then(|raw| raw.try_into().ok()).ok_or_else(unknown)?;
    let case = recorded(&lab.log()?, id)?.case;
    let short = |hash: [u8; 32]| Hash(hash).short();
    let (strategy, data, book) =
        (short(case.fact.strategy_hash), short(case.fact.data_hash), short(case.fact.rulebook_hash));
    print(&format!("study {study_id} of strategy {strategy}, data {data}, rule book {book}\n"));
    print(&format!("{}\n", case.study.text().trim_end()));
    Ok(())
}
