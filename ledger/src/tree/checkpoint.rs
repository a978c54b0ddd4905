//! C2SP tlog-checkpoints: origin, size and root, signed as a note.

use crate::error::LedgerError;
use crate::format::hash::Hash;
use crate::keys::note::{self, Note, Verifier};
use crate::keys::signer::Signer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What a log commits to: its origin, how many entries, and the root over them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// RFC 6962 root over them.
    pub root: Hash,
}

fn bad(why: impl Into<String>) -> LedgerError {
    LedgerError::Malformed { what: "checkpoint", why: why.into() }
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root.0))
    }

    /// Signs it as a note by the log's key.
    ///
    /// # Errors
    /// When the origin cannot be a key name.
    pub fn sign(&self, signer: &Signer) -> Result<String, LedgerError> {
        note::sign(&self.text(), &self.origin, signer)
    }

    /// Reads the text of a checkpoint. Extension lines, which other logs may have, are signed with the
    /// rest and say nothing here; ours has none.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`].
    pub fn parse(text: &str) -> Result<Checkpoint, LedgerError> {
        let lines: Vec<&str> =
            text.strip_suffix('\n').ok_or_else(|| bad("no newline at its end"))?.split('\n').collect();
        let [origin, size, root, ref extensions @ ..] = lines[..] else {
            return Err(bad("it has fewer than three lines"));
        };
        if extensions.iter().any(|line| line.is_empty()) {
            return Err(bad("an extension line is empty"));
        }
        if origin.is_empty() {
            return Err(bad("no origin"));
        }
        let canonical =
            size == "0" || (!size.starts_with('0') && !size.is_empty() && size.bytes().all(|b| b.is_ascii_digit()));
        let size = size
            .parse()
            .ok()
            .filter(|size| canonical && *size <= crate::format::entry::MAX_SEQ)
            .ok_or_else(|| bad("its size is not a plain number"))?;
        let root = STANDARD
            .decode(root)
            .ok()
            .and_then(|b| Hash::from_slice(&b))
            .ok_or_else(|| bad("its root is not 32 bytes"))?;
        Ok(Checkpoint { origin: origin.into(), size, root })
    }

    /// Opens a signed checkpoint with the log's verifier key; the origin must be the key's name.
    ///
    /// # Errors
    /// Malformed or unverified notes, and another log's origin (P-10).
    pub fn open(bytes: &[u8], log: &Verifier) -> Result<Checkpoint, LedgerError> {
        let note = Note::parse(bytes)?;
        note.verify(std::slice::from_ref(log))?;
        let checkpoint = Checkpoint::parse(&note.text)?;
        if checkpoint.origin != log.name {
            let why = format!("origin mismatch: it is for '{}', not '{}'", checkpoint.origin, log.name);
            return Err(LedgerError::Unverified { what: "the checkpoint", why });
        }
        Ok(checkpoint)
    }
}

/// A checkpoint's note with the signature lines of another note of the same checkpoint added; lines
/// that stand there already stay.
///
/// # Errors
/// [`LedgerError::Unverified`] when it is another checkpoint.
pub fn merge(mine: &[u8], theirs: &[u8], verifier: &Verifier) -> Result<Vec<u8>, LedgerError> {
    let (new, now) = (Checkpoint::open(theirs, verifier)?, Checkpoint::open(mine, verifier)?);
    if new != now {
        let why = format!("it is of size {}, the other one of size {}", new.size, now.size);
        return Err(LedgerError::Unverified { what: "the cosigned checkpoint", why });
    }
    let (mine, theirs) = (String::from_utf8_lossy(mine), String::from_utf8_lossy(theirs));
    let body = |text: &str| text.rsplit_once("\n\n").map_or(String::new(), |(body, _)| body.to_string());
    if body(&mine) != body(&theirs) {
        let why = "its extension lines are others".to_string();
        return Err(LedgerError::Unverified { what: "the cosigned checkpoint", why });
    }
    let lines = |text: &str| text.rsplit_once("\n\n").map_or(String::new(), |(_, lines)| lines.to_string());
    let had = lines(&mine);
    let more: String = lines(&theirs).split_inclusive('\n').filter(|l| !had.contains(*l)).collect();
    let merged = format!("{mine}{more}").into_bytes();
    Checkpoint::open(&merged, verifier)?;
    Ok(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P-06, P-10: canonical sizes; another log's origin with the same key.
    #[test]
    fn p10_origin_and_canonical_size() {
        let signer = Signer::from_seed([2; 32]);
        let log = Verifier::new("a.example/log", signer.public()).unwrap();
        let c = Checkpoint { origin: "a.example/log".into(), size: 0, root: crate::tree::merkle::empty_root() };
        assert!(c.text().contains("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="));
        assert_eq!(Checkpoint::open(c.sign(&signer).unwrap().as_bytes(), &log).unwrap(), c);
        let text = c.text().replace("a.example", "b.example");
        let forged = note::sign(&text, "a.example/log", &signer).unwrap();
        assert!(Checkpoint::open(forged.as_bytes(), &log).unwrap_err().to_string().contains("origin mismatch"));
        assert!(Checkpoint::parse(&c.text().replace("\n0\n", "\n00\n")).is_err());
        assert!(Checkpoint::parse(&c.text().replace("\n0\n", "\n+1\n")).is_err());
        let extended = format!("{}extension one\ntwo\n", c.text());
        assert_eq!(Checkpoint::parse(&extended).unwrap(), c);
        assert!(Checkpoint::parse(&format!("{}\n", c.text())).is_err() && Checkpoint::parse("a\n0\n").is_err());
        // They are under the signature, and cosignatures of another text are not merged.
        let signed = note::sign(&extended, "a.example/log", &signer).unwrap();
        assert_eq!(Checkpoint::open(signed.as_bytes(), &log).unwrap(), c);
        assert!(Checkpoint::open(signed.replace("two", "owt").as_bytes(), &log).is_err());
        assert!(merge(signed.as_bytes(), c.sign(&signer).unwrap().as_bytes(), &log).is_err());
    }
}
