//! That one checkpoint continues another one, as a file: the body of C2SP tlog-witness's
//! `add-checkpoint`.
//!
//! Source: C2SP tlog-witness.md: `old SIZE`, up to 63 hashes in base64, an empty line, the checkpoint.

use crate::error::LedgerError;
use crate::format::hash::Hash;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A proof of more hashes is none: a tree has at most 2^63 leaves.
const MAX_HASHES: usize = 63;

/// A checkpoint, and the proof that it continues the one of an older size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Continuation {
    /// The older size.
    pub old: u64,
    /// The consistency proof; empty from size zero and between equal sizes.
    pub proof: Vec<Hash>,
    /// The newer checkpoint as the signed note it is.
    pub note: Vec<u8>,
}

fn bad(why: impl Into<String>) -> LedgerError {
    LedgerError::Malformed { what: "consistency proof", why: why.into() }
}

impl Continuation {
    /// As bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = format!("old {}\n", self.old);
        for hash in &self.proof {
            out.push_str(&STANDARD.encode(hash.0));
            out.push('\n');
        }
        out.push('\n');
        [out.as_bytes(), &self.note].concat()
    }

    /// Reads one; only what [`Continuation::to_bytes`] would write is accepted. The note is not verified.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Continuation, LedgerError> {
        let blank = bytes.windows(2).position(|w| w == b"\n\n").ok_or_else(|| bad("no empty line after the proof"))?;
        let head = std::str::from_utf8(&bytes[..blank]).map_err(|_| bad("not UTF-8"))?;
        let mut lines = head.split('\n');
        let size =
            lines.next().and_then(|l| l.strip_prefix("old ")).ok_or_else(|| bad("it does not begin with 'old'"))?;
        let old: u64 = size.parse().map_err(|_| bad("its old size is not a number"))?;
        let hash = |line: &str| {
            let bytes = STANDARD.decode(line).ok().and_then(|b| Hash::from_slice(&b));
            bytes.ok_or_else(|| bad(format!("'{}' is no hash", line.chars().take(60).collect::<String>())))
        };
        let proof = lines.map(hash).collect::<Result<Vec<_>, _>>()?;
        if old.to_string() != size || old > crate::format::entry::MAX_SEQ || proof.len() > MAX_HASHES {
            return Err(bad("its old size is not plain, or it has over 63 hashes"));
        }
        Ok(Continuation { old, proof, note: bytes[blank + 2..].to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_refused() {
        let good = b"old 3\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\nnote";
        assert_eq!(Continuation::parse(good).unwrap().to_bytes(), good);
        assert_eq!(Continuation::parse(b"old 0\n\nn").unwrap().proof, []);
        for text in ["", "old 3", "old 03\n\nn", "old +3\n\nn", "old -1\n\nn", "old 3\nxyz\n\nn", "new 3\n\nn"] {
            assert!(Continuation::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Continuation::parse(b"old 9223372036854775808\n\nn").is_err());
        let hash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
        assert!(Continuation::parse(format!("old 3\n{}\nn", hash.repeat(64)).as_bytes()).is_err());
    }

    proptest! {
        /// Any bytes end in a verdict, and what is read comes back.
        #[test]
        fn there_and_back(old in 0u64..1 << 62, proof in proptest::collection::vec(any::<[u8; 32]>(), 0..63), note: Vec<u8>, junk: Vec<u8>) {
            let c = Continuation { old, proof: proof.into_iter().map(Hash).collect(), note };
            prop_assert_eq!(Continuation::parse(&c.to_bytes()).unwrap(), c);
            let _ = Continuation::parse(&junk);
        }
    }
}
