//! What the host's own log says and the live table has no more: words of the table of halts, and versions of the history.
//! A database may have been lost, restored from a backup that is older, or cut by whoever owns it.

use crate::error::LabError;
use assay_ledger::{Hash, Log};
use assay_production::deploy::halts::{Halt, Word, in_force};
use assay_production::deploy::{Change, LiveTable, Row};
use assay_production::repository::Repo;
use assay_shared::event::{DriftDetected, DriftHealed, Event, PromotionDeployed};
use assay_shared::format::config::LiveConfig;
use assay_shared::time::format_us;
use std::collections::{BTreeMap, BTreeSet};

/// Whether a row of the table is what the host has recorded.
pub(crate) fn same(row: &Halt, said: &Halt) -> bool {
    let row = row.recordable();
    (&row.strategy, row.word, row.at_us, &row.statement) == (&said.strategy, said.word, said.at_us, &said.statement)
}

/// What the host recorded and the table has no more, and what has to go back into it. Where the table ends before what is
/// gone, as after a restored backup, that is all of it in its order; where other rows stand behind it, only a halt that
/// nothing recorded has ended: whatever became of the table, what was stopped stays stopped.
pub(crate) fn gone(rows: &[Halt], said: &[(u64, Halt)]) -> Vec<Halt> {
    let mut missing: BTreeMap<&str, Vec<&Halt>> = BTreeMap::new();
    for (_, row) in said.iter().filter(|(_, s)| !rows.iter().any(|r| same(r, s))) {
        missing.entry(&row.strategy).or_default().push(row);
    }
    let mut out: Vec<Halt> = Vec::new();
    for (strategy, missing) in missing {
        let here = || rows.iter().filter(|r| r.strategy == strategy);
        let newest = here().map(|r| r.at_us).max();
        if newest.is_none_or(|t| missing.iter().all(|m| m.at_us > t)) {
            out.extend(missing.into_iter().cloned());
            continue;
        }
        let last = missing.iter().rfind(|m| m.word == Word::Halt);
        let ended = |halt: &Halt| {
            let after = |r: &Halt| r.word == Word::Resume && r.at_us >= halt.at_us;
            said.iter().any(|(_, s)| s.strategy == strategy && after(s)) || here().any(after)
        };
        out.extend(last.filter(|halt| in_force(rows, strategy).is_none() && !ended(halt)).map(|h| (*h).clone()));
    }
    // In the order in which they were said, whatever the strategy.
    out.sort_by_key(|row| said.iter().position(|(_, s)| same(row, s)));
    out
}

fn words(row: &Halt) -> String {
    let at = format_us(row.at_us.unsigned_abs());
    format!("a {} of '{}' at {at} is gone from the table of halts", row.word.name(), row.strategy)
}

/// As a change that has to be made.
pub(crate) fn change(row: &Halt) -> Change {
    Change::PutBack { strategy: row.strategy.clone(), detail: words(row) }
}

/// What somebody changed in the shape of the live table, as a change that has to be made: whoever trades reads its views.
pub(crate) fn shape(words: String) -> Change {
    Change::PutBack { strategy: "the live table".into(), detail: words }
}

/// As what somebody did behind the host's back.
pub(crate) fn drift(change: &Change, now_us: u64) -> Event {
    let (strategy, detail) = match change {
        Change::PutBack { strategy, detail } => (strategy.clone(), detail.clone()),
        other => (other.strategy().to_string(), String::new()),
    };
    DriftDetected { strategy, detail, at_ms: (now_us / 1000) as i64 }.into()
}

/// And that it was set right.
pub(crate) fn healed(change: &Change, now_us: u64) -> Event {
    DriftHealed { strategy: change.strategy().into(), version: 0, at_ms: (now_us / 1000) as i64 }.into()
}

/// Versions that this host has deployed and that the history has no more, as they stood there: a database may have been
/// lost, or restored from a backup that is older. Beside them those that cannot be put back, in words.
pub(crate) fn versions(
    recorded: &[(u64, PromotionDeployed)],
    log: &Log,
    repo: &Repo,
    table: &mut dyn LiveTable,
) -> Result<(Vec<Row>, Vec<String>), LabError> {
    let name = |e: &PromotionDeployed| (e.strategy.clone(), e.version, e.config_sha256);
    let distinct: BTreeSet<_> = recorded.iter().map(|(_, e)| name(e)).collect();
    if table.versions()? >= distinct.len() as u64 {
        return Ok((Vec::new(), Vec::new()));
    }
    let stands: BTreeSet<(String, i64, String)> =
        table.history()?.into_iter().map(|r| (r.strategy.clone(), r.version, r.text("config_sha256").into())).collect();
    let (mut out, mut unreadable) = (Vec::new(), Vec::new());
    for (time_us, e) in recorded.iter().rev() {
        let sha256 = Hash(e.config_sha256);
        if stands.contains(&(e.strategy.clone(), e.version as i64, sha256.to_string())) {
            continue;
        }
        match text(repo, e)? {
            Some((config, text)) => {
                let approvers = approved(log, e)?;
                let row = Row::from(&config, &text, &approvers, (&Hash(e.policy_sha256), &e.commit));
                out.push(Row { deployed_us: *time_us as i64, ..row });
            }
            None => unreadable.push(format!(
                "{} v{} is gone from the history and cannot be put back: the commit {} holds no config of its hash",
                e.strategy, e.version, e.commit
            )),
        }
    }
    Ok((out, unreadable))
}

/// The config of a version as its commit holds it, if it is the very one.
fn text(repo: &Repo, of: &PromotionDeployed) -> Result<Option<(LiveConfig, String)>, LabError> {
    let Some(bytes) = repo.file(&of.commit, &LiveConfig::path(&of.strategy))? else { return Ok(None) };
    let same = Hash::of(&bytes) == Hash(of.config_sha256);
    Ok(LiveConfig::parse_again(&bytes).ok().zip(String::from_utf8(bytes).ok()).filter(|_| same))
}

/// Who approved a version, as the host recorded it.
fn approved(log: &Log, of: &PromotionDeployed) -> Result<Vec<String>, LabError> {
    let mut out = Vec::new();
    for seq in log.newest_of("ApprovalRecorded", 0..log.len(), usize::MAX)? {
        if let Event::ApprovalRecorded(e) = Event::of(&log.entry(seq)?)?
            && (&e.strategy, e.version, e.config_sha256) == (&of.strategy, of.version, of.config_sha256)
        {
            out.push(e.person);
        }
    }
    out.sort();
    out.dedup();
    Ok(out)
}

/// A version as a change that has to be made.
pub(crate) fn version(row: &Row) -> Change {
    let detail = format!("version {} of '{}' is gone from the history", row.version, row.strategy);
    Change::PutBack { strategy: row.strategy.clone(), detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_production::deploy::halts::halt_statement;

    fn row(strategy: &str, word: Word, at_us: i64) -> Halt {
        let statement = halt_statement(strategy, at_us, "ana", "r");
        Halt { strategy: strategy.into(), word, at_us, person: "ana".into(), statement, signature: String::new() }
    }

    /// Whatever is lost of a table: after what is put back nothing trades that was halted, and where only the end was
    /// lost it is the table that it was.
    #[test]
    fn what_was_stopped_stays_stopped() {
        use Word::{Halt as H, Resume as R, Vote as V};
        let words = [H, V, R, H, V, V, R, H, H];
        for len in 1..=words.len() {
            let all: Vec<Halt> = (0..len).map(|i| row("s", words[i], i as i64 + 1)).collect();
            let said: Vec<(u64, Halt)> = all.iter().map(|r| (1, r.clone())).collect();
            for lost in 0u32..1 << len {
                let kept = |from: &[Halt]| -> Vec<Halt> {
                    let left = from.iter().enumerate().filter(|(i, _)| lost >> i & 1 == 0);
                    left.map(|(_, r)| r.clone()).collect()
                };
                let mut table = kept(&all);
                // What is behind what came back comes the next time, and then there is nothing more.
                for _ in 0..2 {
                    table.extend(gone(&table, &said));
                }
                let (before, after) = (in_force(&all, "s").is_some(), in_force(&table, "s").is_some());
                assert!(after || !before, "{len} {lost:b}: it goes on");
                assert!(gone(&table, &said).is_empty(), "{len} {lost:b}: again and again");
                assert!(table.iter().all(|r| table.iter().filter(|o| o == &r).count() == 1), "{len} {lost:b}: twice");
                let end = lost.trailing_zeros().min(len as u32);
                if lost >> end == (1u32 << (len as u32 - end)) - 1 {
                    assert_eq!(table, all, "{len} {lost:b}");
                }
            }
        }
        assert!(gone(&[row("t", H, 1)], &[(1, row("t", H, 1))]).is_empty());
    }
}
