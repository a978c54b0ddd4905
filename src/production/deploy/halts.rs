//! Halts: an append-only table beside the live one. Whoever trades reads both, and trades no strategy whose last word
//! here is a halt. A halt always stops, also one that nobody signed; that one is reported.

use crate::gate::approvals::signers;
use assay_shared::policy::{Policy, Role};
use assay_shared::time::format_us;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// SSHSIG namespace of halts, and of the votes to go on.
pub const NAMESPACE: &str = "halt@assay";

/// What a row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    /// Stop.
    Halt,
    /// Somebody is for going on.
    Vote,
    /// Enough people are: go on.
    Resume,
}

impl Word {
    /// As it stands in the table.
    pub fn name(self) -> &'static str {
        match self {
            Word::Halt => "halt",
            Word::Vote => "vote",
            Word::Resume => "resume",
        }
    }

    /// Reads it; whatever else stands there is taken for a halt.
    pub fn parse(text: &str) -> Word {
        [Word::Vote, Word::Resume].into_iter().find(|w| w.name() == text).unwrap_or(Word::Halt)
    }
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Halt {
    /// The strategy.
    pub strategy: String,
    /// What is said.
    pub word: Word,
    /// When, microseconds since 1970.
    pub at_us: i64,
    /// By whom, as they say.
    pub person: String,
    /// What was signed.
    pub statement: String,
    /// SSHSIG over it; empty when nobody signed.
    pub signature: String,
}

/// Longest name, and longest statement or signature, that a log records as it stands.
const NAME: usize = 200;
const TEXT: usize = 8000;

/// A text of the live table as a log records it: whoever writes there cannot make it too long for the log. A longer one
/// is named by its beginning, its length and its hash.
pub fn recordable(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.into();
    }
    let cut = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}… ({} bytes, SHA-256 {})", &text[..cut], text.len(), assay_ledger::Hash::of(text.as_bytes()))
}

/// A name of the live table as a log records it.
pub fn recordable_name(name: &str) -> String {
    recordable(name, NAME)
}

impl Halt {
    /// As the host's log records it.
    pub fn recordable(&self) -> Halt {
        Halt {
            strategy: recordable_name(&self.strategy),
            word: self.word,
            at_us: self.at_us,
            person: recordable_name(&self.person),
            statement: recordable(&self.statement, TEXT),
            signature: recordable(&self.signature, TEXT),
        }
    }
}

/// What whoever halts a strategy signs.
pub fn halt_statement(strategy: &str, at_us: i64, person: &str, reason: &str) -> String {
    let at = format_us(at_us.unsigned_abs());
    format!("assay halt v1\nstrategy {strategy}\nat {at}\nby {person}\nreason {reason}\n")
}

/// What whoever is for going on signs: it names the very halt.
pub fn resume_statement(halt: &Halt) -> String {
    let of = assay_ledger::Hash::of(halt.statement.as_bytes());
    format!("assay resume v1\nstrategy {}\nhalt {of}\n", halt.strategy)
}

/// The halt that is in force for a strategy, if one is.
pub fn in_force<'a>(rows: &'a [Halt], strategy: &str) -> Option<&'a Halt> {
    let last = rows.iter().rfind(|r| r.strategy == strategy && r.word != Word::Vote)?;
    (last.word == Word::Halt).then_some(last)
}

/// The halts in force, by strategy.
pub fn by_strategy(rows: &[Halt]) -> BTreeMap<String, Halt> {
    let last = |row: &Halt| in_force(rows, &row.strategy).map(|halt| (row.strategy.clone(), halt.clone()));
    rows.iter().filter_map(last).collect()
}

/// Whoever of the policy signed something, in whatever role.
pub fn signed_by(policy: &Policy, statement: &str, signature: &str) -> Option<String> {
    let files = [(String::new(), signature.as_bytes().to_vec())];
    Role::ALL
        .into_iter()
        .find_map(|role| signers(&files, NAMESPACE, statement.as_bytes(), policy, role).into_iter().next())
        .map(|s| s.person)
}

/// The people whose votes to go on after a halt count.
pub fn votes(rows: &[Halt], halt: &Halt, policy: &Policy) -> BTreeSet<String> {
    let statement = resume_statement(halt);
    let counts = |r: &&Halt| r.word == Word::Vote && r.strategy == halt.strategy && r.statement == statement;
    rows.iter().filter(counts).filter_map(|r| signed_by(policy, &statement, &r.signature)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts() {
        let row = |word: Word, at_us: i64| Halt {
            strategy: "s".into(),
            word,
            at_us,
            person: "ana".into(),
            statement: halt_statement("s", at_us, "ana", "r"),
            signature: String::new(),
        };
        let mut rows = vec![row(Word::Halt, 1)];
        assert_eq!(in_force(&rows, "s").map(|h| h.at_us), Some(1));
        assert_eq!(in_force(&rows, "t"), None);
        rows.push(row(Word::Vote, 2));
        assert!(in_force(&rows, "s").is_some(), "a vote is none yet");
        rows.push(row(Word::Resume, 3));
        assert_eq!(in_force(&rows, "s"), None);
        rows.push(row(Word::parse("anything"), 4));
        assert_eq!(in_force(&rows, "s").map(|h| h.at_us), Some(4), "what is not understood stops");
        assert_ne!(resume_statement(&rows[0]), resume_statement(&rows[3]), "a vote is for one halt");
    }
}
