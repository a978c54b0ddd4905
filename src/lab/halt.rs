//! Stopping a strategy, which needs neither git nor the ledger, and going on, which needs several people.

use crate::error::LabError;
use crate::halted::policy;
use crate::session::{Notice, Session};
use crate::table::open;
use assay_ledger::Signer;
use assay_ledger::keys::sshsig;
use assay_production::deploy::halts::{
    Halt, NAMESPACE, Word, halt_statement, in_force, resume_statement, signed_by, votes,
};
use assay_production::gate::Host;
use std::path::Path;

/// A table that cannot be reached: nothing was stopped, and nothing will be by itself.
fn not_halted(strategy: &str) -> impl FnOnce(LabError) -> LabError {
    let what = format!("NOT HALTED: '{strategy}' trades on");
    move |e| LabError::CouldNot {
        message: format!("{what}: {e}"),
        hint: Some(
            "stop whoever trades it in another way, and say this again once the live table can be reached".into(),
        ),
    }
}

/// Longest name and reason, bytes.
const LONGEST: usize = 2000;

fn now() -> i64 {
    assay_ledger::log::system_clock() as i64
}

/// Halts a strategy at once. Without a key it stops all the same, and is reported as unsigned: gives whether it counts as
/// signed.
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
) -> Result<(Halt, bool), LabError> {
    if reason.trim().is_empty() {
        return Err(LabError::usage("a halt without a reason", "say why, for who has to decide on going on: --reason"));
    }
    if strategy.chars().chain(reason.chars()).chain(person.chars()).any(char::is_control) {
        return Err(LabError::usage("a name or a reason holds a control character", "write it in one line"));
    }
    if strategy.len() + reason.len() + person.len() > LONGEST {
        return Err(LabError::usage(format!("a name and a reason hold at most {LONGEST} bytes"), "say it shorter"));
    }
    let mut table = open(host).map_err(not_halted(strategy))?;
    let at_us = now();
    let statement = halt_statement(strategy, at_us, person, reason);
    let signer = key.map(|key| Signer::read(key, &|path| session.observer.passphrase(path))).transpose()?;
    let signature = signer.map(|s| sshsig::sign(&s, NAMESPACE, statement.as_bytes())).transpose()?.unwrap_or_default();
    // Whose key it is the policy knows, where it can be reached.
    let known = policy(host).ok().filter(|_| !signature.is_empty());
    let signer = known.as_ref().map(|p| signed_by(p, &statement, &signature));
    let by = signer.clone().flatten().unwrap_or_else(|| person.into());
    let row = Halt { strategy: strategy.into(), word: Word::Halt, at_us, person: by, statement, signature };
    table.put_halt(&row).map_err(|e| not_halted(strategy)(e.into()))?;
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
    let signed = !row.signature.is_empty() && signer != Some(None);
    Ok((row, signed))
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
    let mut table = open(host)?;
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
