//! Stopping a strategy, which needs neither git nor the ledger, and going on, which needs several people.

use crate::error::LabError;
use crate::host::{halts_said, repo_of};
use crate::session::{Notice, Session};
use assay_ledger::Signer;
use assay_ledger::keys::sshsig;
use assay_production::deploy::halts::{
    Halt, NAMESPACE, Word, halt_statement, in_force, resume_statement, signed_by, votes,
};
use assay_production::deploy::{LiveTable, open};
use assay_production::gate::Host;
use assay_shared::policy::Policy;
use assay_shared::time::format_us;
use std::collections::BTreeMap;
use std::path::Path;

fn table(host: &Host) -> Result<Box<dyn LiveTable>, LabError> {
    Ok(open(&host.settings.live, &host.settings.genesis_policy_sha256.to_string())?)
}

fn now() -> i64 {
    assay_ledger::log::system_clock() as i64
}

/// Halts a strategy at once. Without a key it stops all the same, and is reported as unsigned.
///
/// # Errors
/// A live table that cannot be reached, a key that cannot be read; and, though the halt stands, a strategy that is not
/// live.
pub fn halt(
    host: &Host,
    strategy: &str,
    person: &str,
    reason: &str,
    key: Option<&Path>,
    session: &Session,
) -> Result<Halt, LabError> {
    if strategy.chars().chain(reason.chars()).chain(person.chars()).any(char::is_control) {
        return Err(LabError::usage("a name or a reason holds a control character", "write it in one line"));
    }
    let mut table = table(host)?;
    let at_us = now();
    let statement = halt_statement(strategy, at_us, person, reason);
    let signer = key.map(|key| Signer::read(key, &|path| session.observer.passphrase(path))).transpose()?;
    let signature = signer.map(|s| sshsig::sign(&s, NAMESPACE, statement.as_bytes())).transpose()?.unwrap_or_default();
    // Whose key it is the policy knows, where it can be reached.
    let known = policy(host).ok().filter(|_| !signature.is_empty());
    let signer = known.as_ref().map(|p| signed_by(p, &statement, &signature));
    let by = signer.clone().flatten().unwrap_or_else(|| person.into());
    let row = Halt { strategy: strategy.into(), word: Word::Halt, at_us, person: by, statement, signature };
    table.put_halt(&row)?;
    if in_force(&table.halts()?, strategy).is_none() {
        let what = format!("the halt of '{strategy}' was written and does not hold: somebody's row stands behind it");
        return Err(LabError::Verification(what));
    }
    if signer == Some(None) {
        session.notice(&Notice::Pending("the key belongs to nobody of the policy: the halt counts as unsigned".into()));
    }
    // It stands either way; but whoever mistypes a name must not believe that something stopped.
    let live: Vec<String> = table.rows()?.into_iter().map(|r| r.strategy).collect();
    if !live.contains(&row.strategy) {
        let live = if live.is_empty() { "nothing".into() } else { live.join(", ") };
        let what = format!("the halt stands, but no strategy '{strategy}' is live: nothing that trades has stopped");
        return Err(LabError::usage(what, format!("live is: {live}")));
    }
    Ok(row)
}

/// How going on stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumed {
    /// Who is for it.
    pub people: Vec<String>,
    /// How many it takes.
    pub need: u32,
    /// Whether the strategy trades again.
    pub done: bool,
}

/// Votes for going on after the halt that is in force; with enough votes the strategy goes on.
///
/// # Errors
/// A strategy that is not halted, a key of nobody in the policy, or a table that cannot be reached.
pub fn resume(host: &Host, strategy: &str, key: &Path, session: &Session) -> Result<Resumed, LabError> {
    let mut table = table(host)?;
    let policy = policy(host)?;
    let rows = table.halts()?;
    let none = || LabError::usage(format!("'{strategy}' is not halted"), "see `assay halt --list`");
    let halted = in_force(&rows, strategy).ok_or_else(none)?.clone();
    let signer = Signer::read(key, &|path| session.observer.passphrase(path))?;
    let statement = resume_statement(&halted);
    let signature = sshsig::sign(&signer, NAMESPACE, statement.as_bytes())?;
    let stranger = || LabError::Refused(format!("the key {} belongs to nobody of the policy", signer.public().id()));
    let person = signed_by(&policy, &statement, &signature).ok_or_else(stranger)?;
    let vote = Halt { strategy: strategy.into(), word: Word::Vote, at_us: now(), person, statement, signature };
    if !votes(&rows, &halted, &policy).contains(&vote.person) {
        table.put_halt(&vote)?;
    }
    // One approval beside the author's own proposal is two people.
    let need = policy.thresholds.approvals + 1;
    let people: Vec<String> = votes(&table.halts()?, &halted, &policy).into_iter().collect();
    let done = people.len() as u32 >= need;
    if done {
        table.put_halt(&Halt { word: Word::Resume, at_us: now(), signature: String::new(), ..vote })?;
    }
    Ok(Resumed { people, need, done })
}

/// All that was said, oldest first, each with whether somebody of the policy signed it: that needs the repository,
/// and is unknown without it.
///
/// # Errors
/// A table that cannot be reached.
pub fn list(host: &Host) -> Result<Vec<(Halt, Option<bool>)>, LabError> {
    let rows = assay_production::deploy::look(&host.settings.live, &host.settings.genesis_policy_sha256.to_string())?
        .halts()?;
    let policy = policy(host).ok();
    let signed = |r: &Halt| policy.as_ref().map(|p| signed_by(p, &r.statement, &r.signature).is_some());
    Ok(rows.into_iter().map(|r| (r.clone(), signed(&r))).collect())
}

fn policy(host: &Host) -> Result<Policy, LabError> {
    let repo = repo_of(host)?;
    let reference = host.deploy_reference();
    let none = || LabError::could_not("the deploy branch has no policy");
    let tip = repo.tip(&reference).ok_or_else(none)?;
    let bytes = repo.file(&tip, assay_shared::policy::PATH)?.ok_or_else(none)?;
    Policy::parse(&String::from_utf8_lossy(&bytes)).map_err(LabError::format("the policy"))
}

/// The halts in force, by strategy.
///
/// # Errors
/// A table that cannot be reached.
pub fn standing(host: &Host) -> Result<BTreeMap<String, Halt>, LabError> {
    let rows: Vec<Halt> = list(host)?.into_iter().map(|(row, _)| row).collect();
    let last = |row: &Halt| in_force(&rows, &row.strategy).map(|halt| (row.strategy.clone(), halt.clone()));
    Ok(rows.iter().filter_map(last).collect())
}

/// What is odd in the table: rows that the host recorded and that are gone, halts in force that nobody of the policy signed, and strategies that go on without enough
/// votes for it.
///
/// # Errors
/// A table or a policy that cannot be read.
pub fn odd(host: &Host) -> Result<Vec<String>, LabError> {
    let rows: Vec<Halt> = list(host)?.into_iter().map(|(row, _)| row).collect();
    let mut out = Vec::new();
    for e in halts_said(host)? {
        let there = |r: &Halt| r.strategy == e.strategy && r.at_us == e.at_us && r.word.name() == e.word;
        if !rows.iter().any(there) {
            out.push(format!(
                "a {} of '{}' at {} is gone from the table",
                e.word,
                e.strategy,
                format_us(e.at_us as u64)
            ));
        }
    }
    if rows.is_empty() {
        return Ok(out);
    }
    let policy = policy(host)?;
    let need = policy.thresholds.approvals as usize + 1;
    for (at, row) in rows.iter().enumerate().filter(|(_, r)| r.word != Word::Vote) {
        let before = rows[..at].iter().rfind(|r| r.strategy == row.strategy && r.word != Word::Vote);
        let signed = signed_by(&policy, &row.statement, &row.signature).is_some();
        let enough = || before.is_some_and(|halt| votes(&rows[..at], halt, &policy).len() >= need);
        match row.word {
            Word::Halt if !signed && in_force(&rows, &row.strategy) == Some(row) => {
                out.push(format!("'{}' is halted by somebody who did not sign it", row.strategy));
            }
            Word::Resume if !enough() => {
                out.push(format!("'{}' was made to go on without {need} people for it", row.strategy));
            }
            _ => {}
        }
    }
    Ok(out)
}
