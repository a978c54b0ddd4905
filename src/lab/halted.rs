//! What the table of halts says: what is in force, what counts, what is gone from it.
//!
//! A row counts by the policy of its time: of one that the host has recorded that is when it did so, and nobody who has
//! left since takes it back. A row that nobody recorded yet counts by the policy of today, whatever time it says.

use crate::error::LabError;
use crate::host::{halts_said, repo_of};
use crate::lost::same;
use assay_production::deploy::halts::{Halt, Word, in_force, signed_by, votes};
use assay_production::deploy::look;
use assay_production::gate::Host;
use assay_production::repository::Repo;
use assay_shared::policy::{PATH, Policy};
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
