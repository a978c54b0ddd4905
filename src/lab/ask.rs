//! Witnesses asked over HTTP (C2SP tlog-witness) for their cosignature of the ledger's checkpoint.

use crate::error::LabError;
use crate::folder::Lab;
use crate::proof::{prove, prove_since};
use crate::proposal::policy;
use assay_ledger::keys::cosign::{Witness, cosigners};
use assay_ledger::keys::seed::seed_of;
use assay_ledger::log::system_seconds;
use assay_ledger::{Hash, Log};
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
    /// The names under which it signed; each signature verifies.
    pub names: Vec<String>,
}

struct Reply {
    status: u16,
    body: String,
}

fn post(url: &str, path: &str, body: &[u8]) -> Result<Reply, LabError> {
    let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false);
    let agent: ureq::Agent = config.max_redirects(0).build().into();
    let failed = |e: ureq::Error| LabError::CouldNot {
        message: format!("the witness at {url} cannot be asked: {e}"),
        hint: Some("look whether it runs and can be reached; nothing was changed".into()),
    };
    let address = format!("{}/{path}", url.trim_end_matches('/'));
    let mut answer = agent.post(&address).send(body).map_err(failed)?;
    let status = answer.status().as_u16();
    let body = answer.body_mut().with_config().limit(ANSWER).read_to_string().map_err(failed)?;
    Ok(Reply { status, body })
}

/// Asks a witness to cosign. It says itself what it saw last, when that is not what was assumed.
fn ask(lab: &Lab, url: &str) -> Result<String, LabError> {
    let mut old = 0;
    for _ in 0..3 {
        let reply = post(url, "add-checkpoint", &prove_since(lab, old)?.to_bytes())?;
        let said = reply.body.trim_end();
        match reply.status {
            200 => return Ok(reply.body),
            409 => {
                let wrong = || {
                    LabError::Verification(format!("the witness at {url} answered 409 with '{said}', which is no size"))
                };
                old = said.parse().map_err(|_| wrong())?;
                let have = lab.log()?.checkpoint()?.size;
                if old > have {
                    return Err(LabError::Verification(format!(
                        "the witness at {url} says that it saw {old} entries, {have} are published here: one of the two is wrong"
                    )));
                }
            }
            404 => {
                let message = format!("the witness at {url} does not know this ledger");
                return Err(LabError::CouldNot { message, hint: Some("give its keeper the line of log.vkey".into()) });
            }
            status => return Err(refused(url, status, said)),
        }
    }
    Err(LabError::could_not(format!("the witness at {url} keeps changing what it saw; ask again")))
}

fn refused(url: &str, status: u16, said: &str) -> LabError {
    let said: String = said.chars().filter(|c| *c == ' ' || c.is_ascii_graphic()).take(200).collect();
    LabError::Verification(format!("the witness at {url} refused ({status}): {said}"))
}

/// Asks a witness for the seed of a study whose opening stands at `seq`: it cosigns the checkpoint over the opening
/// first. Gives the witness, its note and the hash that is the seed.
///
/// # Errors
/// A witness that cannot be asked, refuses, or whose key is not known; a note that is not over this opening.
pub fn seed(lab: &Lab, url: &str, seq: u64, given: &[String]) -> Result<(Witness, String, Hash), LabError> {
    let known = keys(lab, given)?;
    let names = witness(lab, &[url.to_string()], given)?.remove(0).names;
    let (proof, _, entry) = prove(lab, &seq.to_string())?;
    let reply = post(url, "study-seed", &proof.with_entry(entry).to_bytes())?;
    if reply.status != 200 {
        return Err(refused(url, reply.status, reply.body.trim_end()));
    }
    let (log, mut wrong) = (lab.log()?, None);
    let (origin, leaf) = (log.origin().to_string(), log.entry(seq)?.leaf_hash());
    for witness in known.into_iter().filter(|w| names.contains(&w.name)) {
        match seed_of(reply.body.as_bytes(), &origin, &leaf, &witness) {
            Ok(seed) => return Ok((witness, reply.body, seed)),
            Err(e) => wrong = Some(e),
        }
    }
    let wrong = wrong.map_or("nobody known signed it".into(), |e| e.to_string());
    Err(LabError::Verification(format!("the seed that the witness at {url} gave does not verify: {wrong}")))
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

/// Of the lines that a witness gave those that a known key signed, and the names on them. What nobody can
/// check would stand in every proof from then on.
fn checked(note: &[u8], lines: &str, known: &[Witness], url: &str) -> Result<(String, Vec<String>), LabError> {
    let text = String::from_utf8_lossy(note);
    let body = text.rsplit_once("\n\n").map_or("", |(body, _)| body);
    let (mut kept, mut names) = (String::new(), Vec::new());
    for line in lines.split_inclusive('\n') {
        let found = cosigners(format!("{body}\n\n{line}").as_bytes(), known, 1, system_seconds());
        if let Some(by) = found.ok().and_then(|mut found| found.pop()) {
            kept += line;
            names.push(by.name);
        }
    }
    if !names.is_empty() {
        return Ok((kept, names));
    }
    let theirs: Vec<&str> =
        lines.lines().filter_map(|l| Some(l.strip_prefix("\u{2014} ")?.split_once(' ')?.0)).collect();
    if theirs.iter().any(|name| known.iter().any(|w| w.name == *name)) {
        return Err(LabError::Verification(format!("what the witness at {url} signed does not verify by its key")));
    }
    let message = format!("the witness at {url} signs as '{}', whose key nobody named", theirs.join("', '"));
    Err(LabError::usage(
        message,
        "give the line that its keeper has from `assay witness serve`: --key VKEY (of `study run`: --witness-key), or `witnesses = [\"VKEY\"]` in assay.toml",
    ))
}

/// Asks witnesses to cosign the published checkpoint, and puts what they sign beside the log's own
/// signature: only what verifies by a known key.
///
/// # Errors
/// The first witness that cannot be asked, refuses, or whose key is not known; those before it are kept.
pub fn witness(lab: &Lab, urls: &[String], given: &[String]) -> Result<Vec<Cosigned>, LabError> {
    if let Some(url) = urls.iter().find(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
        return Err(LabError::usage(format!("'{url}' is no address"), "write it like http://witness.example:8042"));
    }
    let known = keys(lab, given)?;
    let mut out = Vec::new();
    for url in urls {
        let mut log: Log = lab.log()?;
        let (lines, names) = checked(log.checkpoint_note(), &ask(lab, url)?, &known, url)?;
        log.attach(&[log.checkpoint_note(), lines.as_bytes()].concat())?;
        out.push(Cosigned { url: url.clone(), names });
    }
    Ok(out)
}
