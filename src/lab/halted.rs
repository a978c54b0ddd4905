//! What the table of halts says: what is in force, what counts, what is gone from it.
//!
//! A row counts by the policy of its time: of one that the host has recorded that is when it did so, and nobody who has
//! left since takes it back. A row that nobody recorded yet counts by the policy of today, whatever time it says.

use crate::error::LabError;
use crate::host::{halts_said, repo_of};
use assay_production::deploy::halts::{Halt, Word, in_force, signed_by, votes};
use assay_production::deploy::{Change, look};
use assay_production::gate::Host;
use assay_production::repository::Repo;
use assay_shared::event::{DriftDetected, DriftHealed, Event};
use assay_shared::policy::{PATH, Policy};
use assay_shared::time::format_us;
use std::collections::BTreeMap;

/// What there is to say about the table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Odd {
    /// Strategies that go on without enough votes for it: nobody may write that.
    pub wrong: Vec<String>,
    /// Halts in force that nobody of the policy signed: anybody may stop a strategy, and somebody should ask who did.
    pub unsigned: Vec<String>,
}

/// Policies of the deploy branch, the newest first, each with since when it is in force.
struct Policies(Vec<(u64, Policy)>);

impl Policies {
    fn of(host: &Host) -> Result<Policies, LabError> {
        let repo = repo_of(host)?;
        let tip = tip(&repo, host)?;
        let mut out = Policies(vec![(0, read(&repo, &tip)?)]);
        let (mut at, mut text) = (tip.clone(), repo.file(&tip, PATH)?);
        // From when the newest commit that has another one is left behind, the one after it is in force.
        while let Some(before) = repo.parent(&at)? {
            let there = repo.file(&before, PATH)?;
            if there != text {
                if let Some(newest) = out.0.last_mut() {
                    newest.0 = repo.time_us(&at)?;
                }
                let Ok(policy) = read(&repo, &before) else { break };
                out.0.push((0, policy));
                text = there;
            }
            at = before;
        }
        Ok(out)
    }

    /// The one of a time; none is today's.
    fn at(&self, time_us: Option<u64>) -> &Policy {
        let then = time_us.and_then(|t| self.0.iter().find(|(since, _)| *since <= t));
        &then.unwrap_or(&self.0[0]).1
    }
}

fn tip(repo: &Repo, host: &Host) -> Result<String, LabError> {
    repo.tip(&host.deploy_reference()).ok_or_else(|| LabError::could_not("the deploy branch has no policy"))
}

fn read(repo: &Repo, commit: &str) -> Result<Policy, LabError> {
    let bytes = repo.file(commit, PATH)?.ok_or_else(|| LabError::could_not("the deploy branch has no policy"))?;
    Policy::parse(&String::from_utf8_lossy(&bytes)).map_err(LabError::format("the policy"))
}

/// The policy in force.
pub(crate) fn policy(host: &Host) -> Result<Policy, LabError> {
    let repo = repo_of(host)?;
    read(&repo, &tip(&repo, host)?)
}

fn rows(host: &Host) -> Result<Vec<Halt>, LabError> {
    Ok(look(&host.settings.live, &host.settings.genesis_policy_sha256.to_string())?.halts()?)
}

/// Whether a row of the table is what the host has recorded.
fn same(row: &Halt, said: &Halt) -> bool {
    let row = row.recordable();
    (&row.strategy, row.word, row.at_us, &row.statement) == (&said.strategy, said.word, said.at_us, &said.statement)
}

/// When the host recorded a row; none when it has not.
fn recorded(said: &[(u64, Halt)], row: &Halt) -> Option<u64> {
    said.iter().find(|(_, s)| same(s, row)).map(|(time, _)| *time)
}

/// All that was said, oldest first, each with whether somebody of the policy signed it: that needs the repository,
/// and is unknown without it.
///
/// # Errors
/// A table that cannot be reached.
pub fn list(host: &Host) -> Result<Vec<(Halt, Option<bool>)>, LabError> {
    let (rows, policies) = (rows(host)?, Policies::of(host).ok());
    let said = halts_said(host).unwrap_or_default();
    let signed = |r: &Halt, p: &Policies| signed_by(p.at(recorded(&said, r)), &r.statement, &r.signature).is_some();
    Ok(rows.into_iter().map(|r| (r.clone(), policies.as_ref().map(|p| signed(&r, p)))).collect())
}

/// The halts in force, by strategy.
///
/// # Errors
/// A table that cannot be reached.
pub fn standing(host: &Host) -> Result<BTreeMap<String, Halt>, LabError> {
    let rows = rows(host)?;
    let last = |row: &Halt| in_force(&rows, &row.strategy).map(|halt| (row.strategy.clone(), halt.clone()));
    Ok(rows.iter().filter_map(last).collect())
}

/// What there is to say about the table.
///
/// # Errors
/// A table or a policy that cannot be read.
pub fn odd(host: &Host) -> Result<Odd, LabError> {
    let (rows, mut out) = (rows(host)?, Odd::default());
    if rows.is_empty() {
        return Ok(out);
    }
    let (policies, said) = (Policies::of(host)?, halts_said(host)?);
    for (at, row) in rows.iter().enumerate().filter(|(_, r)| r.word != Word::Vote) {
        let policy = policies.at(recorded(&said, row));
        let need = policy.thresholds.approvals as usize + 1;
        let before = rows[..at].iter().rfind(|r| r.strategy == row.strategy && r.word != Word::Vote);
        let signed = || signed_by(policy, &row.statement, &row.signature).is_some();
        let enough = || before.is_some_and(|halt| votes(&rows[..at], halt, policy).len() >= need);
        match row.word {
            Word::Halt if in_force(&rows, &row.strategy) == Some(row) && !signed() => {
                out.unsigned.push(format!("'{}' is halted by somebody who did not sign it", row.strategy));
            }
            Word::Resume if !enough() => {
                out.wrong.push(format!("'{}' was made to go on without {need} people for it", row.strategy));
            }
            _ => {}
        }
    }
    Ok(out)
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

/// As what somebody did behind the host's back.
pub(crate) fn drift(row: &Halt, now_us: u64) -> Event {
    DriftDetected { strategy: row.strategy.clone(), detail: words(row), at_ms: (now_us / 1000) as i64 }.into()
}

/// And that it was set right.
pub(crate) fn healed(row: &Halt, now_us: u64) -> Event {
    DriftHealed { strategy: row.strategy.clone(), version: 0, at_ms: (now_us / 1000) as i64 }.into()
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
                table.extend(gone(&table, &said));
                let (before, after) = (in_force(&all, "s").is_some(), in_force(&table, "s").is_some());
                assert!(after || !before, "{len} {lost:b}: it goes on");
                assert!(gone(&table, &said).is_empty(), "{len} {lost:b}: put back twice");
                let end = lost.trailing_zeros().min(len as u32);
                if lost >> end == (1u32 << (len as u32 - end)) - 1 {
                    assert_eq!(table, all, "{len} {lost:b}");
                }
            }
        }
        assert!(gone(&[row("t", H, 1)], &[(1, row("t", H, 1))]).is_empty());
    }
}
