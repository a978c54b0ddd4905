//! Witnesses asked over HTTP (C2SP tlog-witness) for their cosignature of the ledger's checkpoint.

use crate::error::LabError;
use crate::folder::Lab;
use crate::proof::prove_since;
use crate::proposal::policy;
use assay_ledger::keys::cosign::{Witness, cosigners};
use assay_ledger::log::system_seconds;
use assay_ledger::{Checkpoint, Log};
use std::time::Duration;

/// How long a witness may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of an answer at most.
const ANSWER: u64 = 64 << 10;

/// What a witness answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigned {
    /// Where it was asked.
    pub url: String,
    /// Names on the signature lines that it gave.
    pub names: Vec<String>,
    /// Those of them whose key is known and whose signature verifies.
    pub verified: Vec<String>,
}

struct Reply {
    status: u16,
    body: String,
}

fn post(url: &str, body: &[u8]) -> Result<Reply, LabError> {
    let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false);
    let agent: ureq::Agent = config.max_redirects(0).build().into();
    let failed = |e: ureq::Error| LabError::CouldNot {
        message: format!("the witness at {url} cannot be asked: {e}"),
        hint: Some("look whether it runs and can be reached; nothing was changed".into()),
    };
    let address = format!("{}/add-checkpoint", url.trim_end_matches('/'));
    let mut answer = agent.post(&address).send(body).map_err(failed)?;
    let status = answer.status().as_u16();
    let body = answer.body_mut().with_config().limit(ANSWER).read_to_string().map_err(failed)?;
    Ok(Reply { status, body })
}

/// Asks a witness to cosign. It says itself what it saw last, when that is not what was assumed.
fn ask(lab: &Lab, url: &str) -> Result<String, LabError> {
    let mut old = 0;
    for _ in 0..3 {
        let reply = post(url, &prove_since(lab, old)?.to_bytes())?;
        let said = reply.body.trim_end();
        match reply.status {
            200 => return Ok(reply.body),
            409 => {
                let wrong = || {
                    LabError::Verification(format!("the witness at {url} answered 409 with '{said}', which is no size"))
                };
                old = said.parse().map_err(|_| wrong())?;
            }
            404 => {
                let message = format!("the witness at {url} does not know this ledger");
                return Err(LabError::CouldNot { message, hint: Some("give its keeper the line of log.vkey".into()) });
            }
            status => {
                let said: String = said.chars().filter(|c| !c.is_control()).take(200).collect();
                return Err(LabError::Verification(format!("the witness at {url} refused ({status}): {said}")));
            }
        }
    }
    Err(LabError::could_not(format!("the witness at {url} keeps changing what it saw; ask again")))
}

/// The keys that may vouch for an answer: those given, else the policy's.
fn keys(lab: &Lab, given: &[String]) -> Result<Vec<Witness>, LabError> {
    let read = |text: &String| {
        text.parse::<Witness>().map_err(|e| LabError::usage(e.to_string(), "give the line that `assay witness` prints"))
    };
    if !given.is_empty() {
        return given.iter().map(read).collect();
    }
    Ok(lab.repo().and_then(|repo| policy(&repo)).map(|p| p.0.witnesses()).unwrap_or_default())
}

/// Asks witnesses to cosign the published checkpoint, and puts what they sign beside the log's own
/// signature. An answer that does not verify by a known key of its name is not taken.
///
/// # Errors
/// The first witness that cannot be asked, or refuses; those before it are kept.
pub fn witness(lab: &Lab, urls: &[String], given: &[String]) -> Result<Vec<Cosigned>, LabError> {
    let known = keys(lab, given)?;
    let mut out = Vec::new();
    for url in urls {
        let mut log: Log = lab.log()?;
        let lines = ask(lab, url)?;
        let note = [log.checkpoint_note(), lines.as_bytes()].concat();
        Checkpoint::open(&note, log.verifier())?;
        let names: Vec<String> =
            lines.lines().filter_map(|l| Some(l.strip_prefix("\u{2014} ")?.split_once(' ')?.0.to_string())).collect();
        let theirs: Vec<Witness> = known.iter().filter(|w| names.contains(&w.name)).cloned().collect();
        let verified = cosigners(&note, &theirs, theirs.len(), system_seconds()).map_err(|_| {
            LabError::Verification(format!("what the witness at {url} signed does not verify by its key"))
        })?;
        log.attach(&note)?;
        let verified = verified.into_iter().map(|c| c.name).collect();
        out.push(Cosigned { url: url.clone(), names, verified });
    }
    Ok(out)
}
