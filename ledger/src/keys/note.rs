//! C2SP signed notes: a text, an empty line, and signature lines.
//!
//! Source: C2SP signed-note.md and golang.org/x/mod/sumdb/note.

use crate::error::LedgerError;
use crate::format::hash::{Hash, hex};
use crate::keys::public::PublicKey;
use crate::keys::signer::Signer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::str::FromStr;

const MAX_SIGNATURES: usize = 100;
const MAX_NOTE: usize = 1_000_000;

fn bad(why: impl Into<String>) -> LedgerError {
    LedgerError::Malformed { what: "signed note", why: why.into() }
}

fn valid_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('+') && !name.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// A name and a key for signatures of one algorithm: `name+hash+base64(algorithm || key)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedKey<const ALGORITHM: u8> {
    pub(crate) name: String,
    pub(crate) key: PublicKey,
}

impl<const ALGORITHM: u8> NamedKey<ALGORITHM> {
    pub(crate) fn new(name: &str, key: PublicKey) -> Result<Self, LedgerError> {
        if valid_name(name) {
            return Ok(NamedKey { name: name.into(), key });
        }
        let why = format!("'{name}' is empty or holds a space or '+'");
        Err(LedgerError::Malformed { what: "key name", why })
    }

    /// SHA-256(name || 0x0A || algorithm || key), first four bytes.
    pub(crate) fn id(name: &str, key: &PublicKey) -> [u8; 4] {
        let h = Hash::of_parts(&[name.as_bytes(), b"\n", &[ALGORITHM], &key.to_bytes()]).0;
        [h[0], h[1], h[2], h[3]]
    }

    pub(crate) fn write(name: &str, key: &PublicKey) -> String {
        let id = Self::id(name, key);
        format!("{name}+{}+{}", hex(&id), STANDARD.encode([&[ALGORITHM][..], &key.to_bytes()].concat()))
    }

    pub(crate) fn read(text: &str, what: &'static str) -> Result<Self, LedgerError> {
        let bad = |why: &str| LedgerError::Malformed { what, why: why.into() };
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(hash), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad("it is not name+hash+key"));
        };
        let key = STANDARD.decode(key).map_err(|_| bad("its key is not base64"))?;
        let Some((_, key)) = key.split_first().filter(|(algorithm, _)| **algorithm == ALGORITHM) else {
            return Err(bad(&format!("its key is not of algorithm {ALGORITHM}")));
        };
        let key =
            <&[u8; 32]>::try_from(key).ok().and_then(PublicKey::from_bytes).ok_or_else(|| bad("not an ed25519 key"))?;
        if hex(&Self::id(name, &key)) != hash {
            return Err(bad("its hash does not fit its name and key"));
        }
        Self::new(name, key)
    }
}

/// The algorithm of a log's own signatures.
type LogKey = NamedKey<1>;

/// A named verifier key: `name+hash+base64(0x01 || key)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    /// Key name; for a log, its origin.
    pub name: String,
    /// The ed25519 key.
    pub key: PublicKey,
}

impl Verifier {
    /// A verifier of a name and key.
    ///
    /// # Errors
    /// When the name is empty or holds a space or a plus sign.
    pub fn new(name: &str, key: PublicKey) -> Result<Verifier, LedgerError> {
        LogKey::new(name, key).map(|k| Verifier { name: k.name, key: k.key })
    }

    fn id(&self) -> [u8; 4] {
        LogKey::id(&self.name, &self.key)
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&LogKey::write(&self.name, &self.key))
    }
}

impl FromStr for Verifier {
    type Err = LedgerError;
    fn from_str(text: &str) -> Result<Verifier, LedgerError> {
        LogKey::read(text, "verifier key").map(|k| Verifier { name: k.name, key: k.key })
    }
}

/// A parsed note: the text that is signed, and the signature lines, not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The signed text; it ends with a newline.
    pub text: String,
    /// `(name, key id, signature)` of each line.
    pub signatures: Vec<(String, [u8; 4], Vec<u8>)>,
}

impl Note {
    /// Takes a note apart.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Note, LedgerError> {
        if bytes.len() > MAX_NOTE {
            return Err(bad("over a million bytes"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| bad("not UTF-8"))?;
        if text.bytes().any(|b| b < 0x20 && b != b'\n') {
            return Err(bad("it holds control characters"));
        }
        let at = text.rfind("\n\n").ok_or_else(|| bad("no empty line before the signatures"))?;
        let (body, lines) = (&text[..=at], &text[at + 2..]);
        let lines = lines.strip_suffix('\n').ok_or_else(|| bad("no newline at its end"))?;
        let signatures = lines.split('\n').map(parse_line).collect::<Result<Vec<_>, _>>()?;
        if signatures.len() > MAX_SIGNATURES {
            return Err(bad(format!("over {MAX_SIGNATURES} signatures")));
        }
        Ok(Note { text: body.into(), signatures })
    }

    /// Verifies against known keys. Unknown keys are ignored; a known key whose signature fails
    /// rejects the note.
    ///
    /// # Errors
    /// [`LedgerError::Unverified`] when a known signature is wrong or none is known.
    pub fn verify(&self, known: &[Verifier]) -> Result<Vec<String>, LedgerError> {
        let fail = |why: String| LedgerError::Unverified { what: "the signed note", why };
        let mut seen = Vec::new();
        for (name, id, signature) in &self.signatures {
            let Some(key) = known.iter().find(|v| v.name == *name && v.id() == *id) else { continue };
            if seen.contains(name) {
                continue;
            }
            key.key
                .verify_strict(self.text.as_bytes(), signature)
                .map_err(|_| fail(format!("the signature of {name} is wrong")))?;
            seen.push(name.clone());
        }
        if seen.is_empty() { Err(fail("no signature by a known key".into())) } else { Ok(seen) }
    }
}

fn parse_line(line: &str) -> Result<(String, [u8; 4], Vec<u8>), LedgerError> {
    let rest = line.strip_prefix("\u{2014} ").ok_or_else(|| bad("a signature line does not begin with an em dash"))?;
    let (name, payload) = rest.split_once(' ').ok_or_else(|| bad("a signature line without a signature"))?;
    let bytes = STANDARD.decode(payload).map_err(|_| bad("a signature is not base64"))?;
    if !valid_name(name) || bytes.len() < 5 {
        return Err(bad("a signature line with a bad name or no signature"));
    }
    let (id, signature) = bytes.split_at(4);
    Ok((name.into(), [id[0], id[1], id[2], id[3]], signature.to_vec()))
}

/// Signs a text as a note.
///
/// # Errors
/// When the text does not end with a newline or the name is not allowed.
pub fn sign(text: &str, name: &str, signer: &Signer) -> Result<String, LedgerError> {
    let verifier = Verifier::new(name, signer.public())?;
    if !text.ends_with('\n') || text.bytes().any(|b| b < 0x20 && b != b'\n') {
        return Err(bad("the text must end with a newline and hold no control characters"));
    }
    let mut payload = verifier.id().to_vec();
    payload.extend_from_slice(&signer.sign(text.as_bytes())?);
    Ok(format!("{text}\n\u{2014} {name} {}\n", STANDARD.encode(payload)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P-08: names, ids, unknown and wrong signatures.
    #[test]
    fn p08_notes() {
        let signer = Signer::from_seed([1; 32]);
        let note = sign("hello\nworld\n", "example.com/log", &signer).unwrap();
        let v: Verifier = Verifier::new("example.com/log", signer.public()).unwrap();
        assert_eq!(v.to_string().parse::<Verifier>().unwrap(), v);
        let parsed = Note::parse(note.as_bytes()).unwrap();
        assert_eq!(parsed.text, "hello\nworld\n");
        assert!(parsed.verify(std::slice::from_ref(&v)).is_ok());
        assert!(parsed.verify(&[Verifier::new("example.com/other", signer.public()).unwrap()]).is_err());
        assert!(Note::parse(note.replace("hello", "hullo").as_bytes()).unwrap().verify(&[v]).is_err());
        assert!(sign("no newline", "a", &signer).is_err() && sign("x\n", "a b", &signer).is_err());
        assert!(Note::parse(b"text\n").is_err() && Note::parse(&[0xff]).is_err());
    }
}
