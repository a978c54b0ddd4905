//! What the table of halts says: what is in force, what counts, what is gone from it.
//!
//! A row counts by the policy of its time: of one that the host has recorded that is when it did so, and nobody who has
//! left since takes it back. A row that nobody recorded yet counts by the policy of today, whatever time it says.

use crate::error::LabError;
use crate::host::{halts_said, repo_of};
pub use crate::lawful::Halted;
use crate::lawful::{Policies, ended_unlawfully, halted, read, recorded, said_before, without};
use crate::table::{asked, look};
use assay_production::deploy::halts::{Halt, by_strategy, in_force, signed_by};
use assay_production::gate::Host;
use assay_production::repository::Repo;
use assay_shared::policy::Policy;
use std::collections::{BTreeMap, BTreeSet};

/// What there is to say about the table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Odd {
    /// Strategies that go on without enough votes for it: nobody may write that.
    pub wrong: Vec<String>,
    /// Halts in force that nobody of the policy signed: anybody may stop a strategy, and somebody should ask who did.
    pub unsigned: Vec<String>,
}

/// Those of a host's deploy branch.
fn policies(host: &Host) -> Result<Policies, LabError> {
    let repo = repo_of(host)?;
    let tip = tip(&repo, host)?;
    Policies::until(&repo, &tip)
}

fn tip(repo: &Repo, host: &Host) -> Result<String, LabError> {
    repo.tip(&host.deploy_reference()).ok_or_else(|| LabError::could_not("the deploy branch has no policy"))
}

/// The policy in force.
pub(crate) fn policy(host: &Host) -> Result<Policy, LabError> {
    let repo = repo_of(host)?;
    read(&repo, &tip(&repo, host)?)
}

fn rows(host: &Host) -> Result<Vec<Halt>, LabError> {
    Ok(look(host)?.halts()?)
}

/// All that was said, oldest first, each with whether somebody of the policy signed it: that needs the repository,
/// and is unknown without it.
///
/// # Errors
/// A table that cannot be reached.
pub fn list(host: &Host) -> Result<Vec<(Halt, Option<bool>)>, LabError> {
    let (rows, policies) = (asked(host)?.halts()?, policies(host).ok());
    let said = halts_said(host).unwrap_or_default();
    let signed = |at: usize, r: &Halt, p: &Policies| {
        signed_by(p.at(recorded(&said, r)), &r.statement, &r.signature).is_some() && !said_before(&rows, at, &said, p)
    };
    Ok(rows.iter().enumerate().map(|(at, r)| (r.clone(), policies.as_ref().map(|p| signed(at, r, p)))).collect())
}

/// The strategies that whoever reads the table does not trade: what it says, whoever said it.
///
/// # Errors
/// A table that cannot be reached.
pub fn stopped(host: &Host) -> Result<BTreeSet<String>, LabError> {
    Ok(by_strategy(&rows(host)?).into_keys().collect())
}

/// The halts in force, by strategy.
///
/// # Errors
/// A table that cannot be reached.
pub fn standing(host: &Host) -> Result<BTreeMap<String, Halted>, LabError> {
    stood(host, None)
}

/// The same at a time, microseconds since 1970.
///
/// # Errors
/// A table that cannot be reached.
pub fn stood(host: &Host, at_us: Option<u64>) -> Result<BTreeMap<String, Halted>, LabError> {
    let rows = rows(host)?;
    if rows.is_empty() {
        return Ok(BTreeMap::new());
    }
    // Where git cannot be reached, what the table says stops all the same.
    Ok(match (policies(host), halts_said(host)) {
        (Ok(policies), Ok(said)) => halted(&rows, &said, &policies, at_us),
        _ => {
            let row = |(strategy, halt): (String, Halt)| {
                let since_us = halt.at_us.unsigned_abs();
                (strategy, Halted { since_us, by: halt.person, signed: false, goes_on: false })
            };
            by_strategy(&rows).into_iter().map(row).collect()
        }
    })
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
    let (policies, said) = (policies(host)?, halts_said(host)?);
    for (at, row) in
        rows.iter().enumerate().filter(|(_, r)| in_force(&rows, &r.strategy).is_some_and(|h| std::ptr::eq(h, *r)))
    {
        if said_before(&rows, at, &said, &policies) {
            let what = "is halted by words that were said before: nobody signed them again";
            out.unsigned.push(format!("'{}' {what}", row.strategy));
        } else if signed_by(policies.at(recorded(&said, row)), &row.statement, &row.signature).is_none() {
            out.unsigned.push(format!("'{}' is halted by somebody who did not sign it", row.strategy));
        }
    }
    let ended = ended_unlawfully(&rows, &said, &policies);
    out.wrong.extend(ended.iter().map(|(halt, need)| without(&halt.strategy, *need)));
    Ok(out)
}
