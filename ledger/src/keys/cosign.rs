//! C2SP cosignatures: a witness signs that it saw a checkpoint, and when.
//!
//! Source: C2SP tlog-cosignature.md (`cosignature/v1`, algorithm 0x04).

use crate::error::LedgerError;
use crate::keys::note::{NamedKey, Note};
use crate::keys::public::PublicKey;
use crate::keys::signer::Signer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::str::FromStr;

/// A name and a key for cosignatures.
type CosignKey = NamedKey<4>;

/// A witness: its name and key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Its name.
    pub name: String,
    /// Its key, which serves no other purpose.
    pub key: PublicKey,
}

/// That a witness saw a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosignature {
    /// The witness.
    pub name: String,
    /// When, in seconds since 1970, by its clock.
    pub time_s: u64,
}

impl Witness {
    /// A witness of a name and key.
    ///
    /// # Errors
    /// When the name is empty or holds a space or a plus sign.
    pub fn new(name: &str, key: PublicKey) -> Result<Witness, LedgerError> {
        CosignKey::new(name, key).map(|k| Witness { name: k.name, key: k.key })
    }

    fn id(&self) -> [u8; 4] {
        CosignKey::id(&self.name, &self.key)
    }
}

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&CosignKey::write(&self.name, &self.key))
    }
}

impl FromStr for Witness {
    type Err = LedgerError;
    fn from_str(text: &str) -> Result<Witness, LedgerError> {
        CosignKey::read(text, "witness key").map(|k| Witness { name: k.name, key: k.key })
    }
}

fn message(body: &str, time_s: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {time_s}\n{body}").into_bytes()
}

/// A checkpoint's note with a witness's signature line added.
///
/// # Errors
/// A malformed note or witness name.
pub fn cosign(note: &[u8], name: &str, signer: &Signer, time_s: u64) -> Result<Vec<u8>, LedgerError> {
    let (witness, parsed) = (Witness::new(name, signer.public())?, Note::parse(note)?);
    let mut payload = witness.id().to_vec();
    payload.extend_from_slice(&time_s.to_be_bytes());
    payload.extend_from_slice(&signer.sign(&message(&parsed.text, time_s))?);
    let line = format!("\u{2014} {name} {}\n", STANDARD.encode(payload));
    Ok([note, line.as_bytes()].concat())
}

/// Seconds that a witness's clock may be ahead of ours.
const SKEW_S: u64 = 60;

/// The witnesses whose cosignature stands under a note. A key counts once under however many
/// names; a signature that does not verify counts for nothing, nor does one of a time after `now_s`.
///
/// # Errors
/// [`LedgerError::Unverified`] when they are fewer than `quorum`.
pub fn cosigners(
    note: &[u8],
    witnesses: &[Witness],
    quorum: usize,
    now_s: u64,
) -> Result<Vec<Cosignature>, LedgerError> {
    let note = Note::parse(note)?;
    let mut keys = Vec::new();
    let mut out = Vec::new();
    for (name, id, payload) in &note.signatures {
        let Some(witness) = witnesses.iter().find(|w| w.name == *name && w.id() == *id) else { continue };
        let Some((time, signature)) = payload.split_first_chunk::<8>() else { continue };
        let time_s = u64::from_be_bytes(*time);
        let good = time_s <= now_s.saturating_add(SKEW_S)
            && witness.key.verify_strict(&message(&note.text, time_s), signature).is_ok();
        if good && !keys.contains(&witness.key) {
            keys.push(witness.key);
            out.push(Cosignature { name: name.clone(), time_s });
        }
    }
    if out.len() >= quorum {
        return Ok(out);
    }
    let why = format!("{} of {quorum} witnesses cosigned it", out.len());
    Err(LedgerError::Unverified { what: "the checkpoint", why })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;
    use crate::keys::note;

    /// P-17: another origin, a wrong time, one witness under two names: not counted.
    #[test]
    fn p17_what_does_not_count() {
        let (log, one, two) = (Signer::from_seed([1; 32]), Signer::from_seed([2; 32]), Signer::from_seed([3; 32]));
        let body = "a.example/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
        let signed = note::sign(body, "a.example/log", &log).unwrap();
        let w = |name: &str, s: &Signer| Witness::new(name, s.public()).unwrap();
        assert_eq!(w("w.example/1", &one).to_string().parse::<Witness>().unwrap(), w("w.example/1", &one));
        let once = cosign(signed.as_bytes(), "w.example/1", &one, 1_700_000_000).unwrap();
        let twice = cosign(&once, "w.example/2", &two, 1_700_000_001).unwrap();
        let both = [w("w.example/1", &one), w("w.example/2", &two)];
        assert_eq!(cosigners(&twice, &both, 2, NOW).unwrap()[1].time_s, 1_700_000_001);
        assert!(cosigners(&once, &both, 2, NOW).is_err());
        let alias = cosign(&once, "w.example/3", &one, 1_700_000_000).unwrap();
        assert!(
            cosigners(&alias, &[w("w.example/1", &one), w("w.example/3", &one)], 2, NOW).is_err(),
            "one key, one witness"
        );
        let ahead = cosign(&once, "w.example/2", &two, NOW + 3600).unwrap();
        assert!(cosigners(&ahead, &both, 2, NOW).is_err(), "a time that has not come");
        assert_eq!(cosigners(&ahead, &both, 2, NOW + 3600).unwrap().len(), 2);
        let moved = String::from_utf8(once.clone()).unwrap().replace("a.example", "b.example");
        assert!(cosigners(moved.as_bytes(), &both, 1, NOW).is_err(), "another origin");
        let text = String::from_utf8(once).unwrap();
        let (head, payload) = text.trim_end().rsplit_once(' ').unwrap();
        let mut bytes = STANDARD.decode(payload).unwrap();
        bytes[11] ^= 1;
        let late = format!("{head} {}\n", STANDARD.encode(bytes));
        assert!(cosigners(late.as_bytes(), &both, 1, NOW).is_err(), "another time");
    }
}
