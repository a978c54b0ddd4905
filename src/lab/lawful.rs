//! Whether a strategy that was halted goes on by enough people, each halt judged by the policy of its time.

use crate::error::LabError;
use crate::lost::same;
use assay_production::deploy::halts::{Halt, Word, signed_by, votes};
use assay_production::deploy::{Change, LiveTable};
use assay_production::repository::Repo;
use assay_shared::event::HaltSaid;
use assay_shared::policy::{PATH, Policy};
use std::collections::BTreeMap;

/// Policies of the deploy branch, the newest first, each with since when it is in force.
pub(crate) struct Policies(Vec<(u64, Policy)>);

impl Policies {
    /// Those of a branch up to its `tip`.
    pub(crate) fn until(repo: &Repo, tip: &str) -> Result<Policies, LabError> {
        let mut out = Policies(vec![(0, read(repo, tip)?)]);
        let (mut at, mut text) = (tip.to_string(), repo.file(tip, PATH)?);
        // From when the newest commit that has another one is left behind, the one after it is in force.
        while let Some(before) = repo.parent(&at)? {
            let there = repo.file(&before, PATH)?;
            if there != text {
                if let Some(newest) = out.0.last_mut() {
                    newest.0 = repo.time_us(&at)?;
                }
                let Ok(policy) = read(repo, &before) else { break };
                out.0.push((0, policy));
                text = there;
            }
            at = before;
        }
        Ok(out)
    }

    /// The one of a time; none is today's.
    pub(crate) fn at(&self, time_us: Option<u64>) -> &Policy {
        let then = time_us.and_then(|t| self.0.iter().find(|(since, _)| *since <= t));
        &then.unwrap_or(&self.0[0]).1
    }
}

/// The policy of a commit.
pub(crate) fn read(repo: &Repo, commit: &str) -> Result<Policy, LabError> {
    let bytes = repo.file(commit, PATH)?.ok_or_else(|| LabError::could_not("the deploy branch has no policy"))?;
    Policy::parse(&String::from_utf8_lossy(&bytes)).map_err(LabError::format("the policy"))
}

/// When the host recorded a row; none when it has not.
pub(crate) fn recorded(said: &[(u64, Halt)], row: &Halt) -> Option<u64> {
    said.iter().find(|(_, s)| same(s, row)).map(|(time, _)| *time)
}

/// Halts that somebody ended without enough people for it, each with how many it takes: nobody may do that, and the
/// strategy is halted in truth. `said` is what the host recorded.
pub(crate) fn ended_unlawfully(rows: &[Halt], said: &[(u64, Halt)], policies: &Policies) -> Vec<(Halt, usize)> {
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate().filter(|(_, r)| r.word == Word::Halt) {
        last.insert(&row.strategy, at);
    }
    let ends = |(strategy, halt): (&str, usize)| {
        let need = |r: &Halt| policies.at(recorded(said, r)).thresholds.approvals as usize + 1;
        let after = |(at, r): &(usize, &Halt)| *at > halt && r.strategy == strategy && r.word == Word::Resume;
        let resumes: Vec<(usize, &Halt)> = rows.iter().enumerate().filter(after).collect();
        let lawful = |(at, r): &(usize, &Halt)| {
            votes(&rows[..*at], &rows[halt], policies.at(recorded(said, r))).len() >= need(r)
        };
        let first = resumes.first().filter(|_| !resumes.iter().any(lawful))?;
        Some((rows[halt].clone(), need(first.1)))
    };
    last.into_iter().filter_map(ends).collect()
}

/// Whether a halt is one that was said before, word for word, and that enough people have ended since: whoever may write
/// to the table can say it again, and did not sign it. (What too few have ended the host says again itself.)
pub(crate) fn said_before(rows: &[Halt], at: usize, said: &[(u64, Halt)], policies: &Policies) -> bool {
    let row = &rows[at];
    let same = |r: &Halt| r.word == Word::Halt && r.strategy == row.strategy && r.statement == row.statement;
    let Some(first) = rows[..at].iter().position(same).filter(|_| row.word == Word::Halt) else { return false };
    let lawful = |(k, r): (usize, &Halt)| {
        let policy = policies.at(recorded(said, r));
        r.word == Word::Resume
            && r.strategy == row.strategy
            && votes(&rows[..k], &rows[first], policy).len() > policy.thresholds.approvals as usize
    };
    rows[..at].iter().enumerate().skip(first).any(lawful)
}

/// A halt that is in force, or was.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Halted {
    /// Since when, microseconds since 1970: as whoever signed it says, and no later than the host saw it; of one that
    /// nobody signed when the host saw it.
    pub since_us: u64,
    /// By whom, as they say.
    pub by: String,
    /// Whether somebody of the policy signed it.
    pub signed: bool,
    /// Whether the table lets it go on all the same, though too few were for that: whoever reads the table trades it.
    pub goes_on: bool,
}

/// What is halted, by strategy, or was at a time: rows say what they like of their time, and one that too few were for
/// ends nothing.
pub(crate) fn halted(
    rows: &[Halt],
    said: &[(u64, Halt)],
    policies: &Policies,
    at_us: Option<u64>,
) -> BTreeMap<String, Halted> {
    let (now, until) = (assay_ledger::log::system_clock(), at_us.unwrap_or(u64::MAX));
    let mut out: BTreeMap<String, Halted> = BTreeMap::new();
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    for (k, row) in rows.iter().enumerate() {
        let (seen, policy) = (recorded(said, row).unwrap_or(now), policies.at(recorded(said, row)));
        let claimed = u64::try_from(row.at_us).unwrap_or(seen).min(seen);
        match row.word {
            Word::Vote => {}
            Word::Halt => {
                last.insert(&row.strategy, k);
                let signed = signed_by(policy, &row.statement, &row.signature).is_some()
                    && !said_before(rows, k, said, policies);
                let since_us = if signed { claimed } else { seen };
                if since_us <= until {
                    let by = row.person.clone();
                    let halted = Halted { since_us, by, signed, goes_on: false };
                    out.entry(row.strategy.clone()).or_insert(halted).goes_on = false;
                }
            }
            Word::Resume => {
                let enough =
                    |halt: &usize| votes(&rows[..k], &rows[*halt], policy).len() > policy.thresholds.approvals as usize;
                if claimed > until {
                    continue;
                }
                if last.get(row.strategy.as_str()).is_some_and(enough) {
                    out.remove(&row.strategy);
                } else if let Some(halted) = out.get_mut(&row.strategy) {
                    halted.goes_on = true;
                }
            }
        }
    }
    out
}

/// What a host recorded of the table.
pub(crate) fn halt_of(said: HaltSaid) -> Halt {
    let HaltSaid { strategy, word, at_us, person, statement, signature } = said;
    Halt { strategy, word: Word::parse(&word), at_us, person, statement, signature }
}

/// In words.
pub(crate) fn without(strategy: &str, need: usize) -> String {
    format!("'{strategy}' was made to go on without {need} people for it")
}

/// A halt that somebody ended alone, as a change that has to be made.
pub(crate) fn change((halt, need): &(Halt, usize)) -> Change {
    Change::PutBack { strategy: halt.strategy.clone(), detail: without(&halt.strategy, *need) }
}

/// Halts that somebody who may write to the table has ended alone.
///
/// # Errors
/// A table or a policy that cannot be read.
pub(crate) fn ended(
    repo: &Repo,
    head: &str,
    table: &mut dyn LiveTable,
    said: &[(u64, Halt)],
) -> Result<Vec<(Halt, usize)>, LabError> {
    let rows = table.halts()?;
    if !rows.iter().any(|r| r.word == Word::Resume) {
        return Ok(Vec::new());
    }
    Ok(ended_unlawfully(&rows, said, &Policies::until(repo, head)?))
}
