//! A witness: it cosigns what continues what it saw, and signs seeds for openings that it cosigned. By
//! file, and as the answers to requests whatever carries them (C2SP tlog-witness).

use crate::error::LabError;
use crate::session::Session;
use crate::verify::verifier;
use assay_ledger::audit::export::Export;
use assay_ledger::audit::witness::{WitnessError, memory};
use assay_ledger::keys::cosign::{Witness, cosigners};
use assay_ledger::keys::note::Verifier;
use assay_ledger::keys::seed::sign_seed;
use assay_ledger::log::system_seconds;
use assay_ledger::storage::disk::RealDisk;
use assay_ledger::tree::consistency::Continuation;
use assay_ledger::tree::merkle::{Nodes as _, verify_consistency};
use assay_ledger::tree::proof::Proof;
use assay_ledger::{Checkpoint, Entry, LedgerError, Signer};
use std::path::{Path, PathBuf};

/// Who witnesses, and what they remember.
#[derive(Debug)]
pub struct Witnessing<'a> {
    /// The log's verifier key.
    pub vkey: &'a str,
    /// The witness's private key file.
    pub key: &'a Path,
    /// The witness's name.
    pub name: &'a str,
    /// Where it remembers.
    pub memory: &'a Path,
    /// The size it saw last, as the caller believes.
    pub old: Option<u64>,
}

/// Cosigns an exported ledger's checkpoint, if it continues the last one seen. Gives the cosigned
/// note, the checkpoint and the witness's verifier key.
///
/// # Errors
/// A rollback or a fork, of which both notes are kept in the memory; an export that cannot be read.
pub fn cosign(
    export: &Path,
    by: &Witnessing<'_>,
    session: &Session,
) -> Result<(Vec<u8>, Checkpoint, Witness), LabError> {
    let log = verifier(by.vkey)?;
    let signer = Signer::read(by.key, &|path| session.observer.passphrase(path))?;
    let witness = Witness::new(by.name, signer.public())?;
    let export = Export::open(&RealDisk, export, Some(log.clone()))?;
    let proof = |old, new| {
        let tree = export.tree();
        // The tiles must be those of the checkpoint before they may prove anything about it.
        if tree.root_at(new)? == export.checkpoint.root {
            return tree.consistency(old, new);
        }
        let why = "its hash tiles have another root than its checkpoint".to_string();
        Err(LedgerError::Unverified { what: "the export", why })
    };
    let refusal = |e| match e {
        WitnessError::Ledger(e) => LabError::from(e),
        other => LabError::Verification(other.to_string()),
    };
    let key = (by.name, &signer, system_seconds());
    let cosigned = memory(&RealDisk, by.memory).observe(&export.note, &log, by.old, proof, key).map_err(refusal)?;
    Ok((cosigned, export.checkpoint, witness))
}

/// A witness that answers requests.
#[derive(Debug)]
pub struct Service {
    name: String,
    signer: Signer,
    memory: PathBuf,
    logs: Vec<Verifier>,
}

/// An answer: a status of HTTP, and a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// As in C2SP tlog-witness.
    pub status: u16,
    /// The type of the body.
    pub media: &'static str,
    /// The body.
    pub body: String,
}

const TEXT: &str = "text/plain; charset=utf-8";

fn answer(status: u16, body: impl Into<String>) -> Answer {
    Answer { status, media: TEXT, body: body.into() }
}

/// Cosigns an entry's proof or refuses: what was asked for cannot be had.
type Refused = Answer;

impl Service {
    /// A witness under a name, with a key, a memory, and the logs that it knows.
    ///
    /// # Errors
    /// A key that cannot be read, a name or a log's key that is none, two keys for one log.
    pub fn new(name: &str, key: &Path, place: &Path, logs: &[String], session: &Session) -> Result<Service, LabError> {
        let signer = Signer::read(key, &|path| session.observer.passphrase(path))?;
        Witness::new(name, signer.public())?;
        let logs = logs.iter().map(|vkey| verifier(vkey)).collect::<Result<Vec<_>, _>>()?;
        if let Some(twice) = logs.iter().enumerate().find(|(n, log)| logs[..*n].iter().any(|l| l.name == log.name)) {
            let message = format!("the log {} is named twice", twice.1.name);
            return Err(LabError::usage(message, "a log has one key"));
        }
        // Where nothing can be remembered, nothing is cosigned; better said now than to whoever asks.
        memory(&RealDisk, place).prepare()?;
        for log in &logs {
            memory(&RealDisk, place).last(log)?;
        }
        Ok(Service { name: name.into(), signer, memory: place.into(), logs })
    }

    /// The witness's verifier key.
    ///
    /// # Errors
    /// Never: the name was checked.
    pub fn witness(&self) -> Result<Witness, LabError> {
        Ok(Witness::new(&self.name, self.signer.public())?)
    }

    fn log_of(&self, note: &[u8]) -> Result<&Verifier, Refused> {
        let text = String::from_utf8_lossy(note);
        let origin = text.split('\n').next().unwrap_or_default();
        self.logs.iter().find(|log| log.name == origin).ok_or_else(|| answer(404, "this log is not known here\n"))
    }

    /// Answers `POST /add-checkpoint`.
    pub fn add_checkpoint(&self, body: &[u8]) -> Answer {
        self.cosign(body).unwrap_or_else(|refused| refused)
    }

    fn cosign(&self, body: &[u8]) -> Result<Answer, Refused> {
        let asked = Continuation::parse(body).map_err(|e| answer(400, format!("{e}\n")))?;
        let log = self.log_of(&asked.note)?;
        let new = Checkpoint::open(&asked.note, log).map_err(|e| match e {
            LedgerError::Malformed { .. } => answer(400, format!("{e}\n")),
            _ => answer(403, format!("{e}\n")),
        })?;
        if asked.old > new.size {
            return Err(answer(400, "the old size is above the checkpoint's\n"));
        }
        if (asked.old == 0 || asked.old == new.size) && !asked.proof.is_empty() {
            return Err(answer(422, "nothing needs to be proven between these sizes\n"));
        }
        // A wrong proof of whoever asks says nothing about the log: it is no evidence.
        let known =
            memory(&RealDisk, &self.memory).last(log).map_err(|_| answer(500, "the witness cannot remember\n"))?;
        if let Some((old, _)) = known.filter(|(old, _)| old.size > 0 && old.size == asked.old && old.size < new.size) {
            verify_consistency((old.size, &old.root), (new.size, &new.root), &asked.proof)
                .map_err(|e| answer(422, format!("{e}\n")))?;
        }
        let by = (&*self.name, &self.signer, system_seconds());
        let proof = |_, _| Ok(asked.proof.clone());
        let cosigned = memory(&RealDisk, &self.memory).observe(&asked.note, log, Some(asked.old), proof, by);
        let note = cosigned.map_err(|e| match e {
            WitnessError::Conflict { known, .. } => {
                Answer { status: 409, media: "text/x.tlog.size", body: format!("{known}\n") }
            }
            WitnessError::Rollback { .. } | WitnessError::Fork { .. } => {
                answer(422, "it does not continue what was seen\n")
            }
            // What went wrong here is for whoever runs it.
            WitnessError::Ledger(_) => answer(500, "the witness cannot remember\n"),
        })?;
        let text = String::from_utf8_lossy(&note).into_owned();
        let line = text.trim_end().rsplit('\n').next().unwrap_or_default();
        Ok(answer(200, format!("{line}\n")))
    }

    /// Answers `POST /study-seed`: the body is a `.tlog-proof` with the opening of a study inside, of a
    /// checkpoint that this witness cosigned.
    pub fn study_seed(&self, body: &[u8]) -> Answer {
        self.seed(body).unwrap_or_else(|refused| refused)
    }

    fn seed(&self, body: &[u8]) -> Result<Answer, Refused> {
        let malformed = |e: LedgerError| answer(400, format!("{e}\n"));
        let proof = Proof::parse(body).map_err(malformed)?;
        let entry = proof.extra.clone().ok_or_else(|| answer(400, "the proof does not hold its entry\n"))?;
        let log = self.log_of(&proof.checkpoint)?;
        proof.verify(&entry, log).map_err(|e| answer(403, format!("{e}\n")))?;
        let own = self.witness().map_err(|e| answer(500, format!("{e}\n")))?;
        // By this witness's own clock it cannot have signed a later time.
        cosigners(&proof.checkpoint, std::slice::from_ref(&own), 1, system_seconds())
            .map_err(|_| answer(403, "this witness did not cosign that checkpoint\n"))?;
        let entry = Entry::decode(entry).map_err(malformed)?;
        if entry.kind() != "StudyOpened" {
            return Err(answer(422, format!("a {} is not the opening of a study\n", entry.kind())));
        }
        let note = sign_seed(&log.name, &entry.leaf_hash(), &self.name, &self.signer).map_err(malformed)?;
        Ok(answer(200, note))
    }
}
