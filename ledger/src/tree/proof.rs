//! C2SP tlog-proof files: one entry proven under one checkpoint, offline.

use crate::error::LedgerError;
use crate::format::hash::Hash;
use crate::keys::note::Verifier;
use crate::tree::checkpoint::Checkpoint;
use crate::tree::merkle::{Nodes, verify_inclusion};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const HEAD: &str = "c2sp.org/tlog-proof@v1";
/// A proof holds at most one hash for each bit of a size.
const MAX_HASHES: usize = 63;

/// An inclusion proof with the signed checkpoint it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Position of the entry.
    pub index: u64,
    /// Hashes, leaf sibling first.
    pub hashes: Vec<Hash>,
    /// The checkpoint, a signed note, byte for byte.
    pub checkpoint: Vec<u8>,
    /// The `extra` line: for us the entry itself, so that one file is enough. Nothing vouches for
    /// it but the proof.
    pub extra: Option<Vec<u8>>,
}

impl Proof {
    /// Proves an entry under a checkpoint of `size` entries.
    ///
    /// # Errors
    /// When the entry is not under it.
    pub fn new(tree: &impl Nodes, index: u64, size: u64, checkpoint: &[u8]) -> Result<Proof, LedgerError> {
        Ok(Proof { index, hashes: tree.inclusion(index, size)?, checkpoint: checkpoint.to_vec(), extra: None })
    }

    /// Takes the entry's bytes along.
    pub fn with_entry(mut self, entry: Vec<u8>) -> Proof {
        self.extra = Some(entry);
        self
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let extra = self.extra.as_ref().map_or(String::new(), |e| format!("extra {}\n", STANDARD.encode(e)));
        let mut text = format!("{HEAD}\n{extra}index {}\n", self.index);
        for hash in &self.hashes {
            text += &STANDARD.encode(hash.0);
            text.push('\n');
        }
        text.push('\n');
        let mut out = text.into_bytes();
        out.extend_from_slice(&self.checkpoint);
        out
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Proof, LedgerError> {
        let bad = |why: &str| LedgerError::Malformed { what: "tlog-proof", why: why.into() };
        let text = std::str::from_utf8(bytes).map_err(|_| bad("not UTF-8"))?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or_else(|| bad("no empty line before the checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEAD) {
            return Err(bad("it does not begin with c2sp.org/tlog-proof@v1"));
        }
        let extra = lines.next_if(|l| l.starts_with("extra ")).map(|l| STANDARD.decode(&l[6..]));
        let extra = extra.transpose().map_err(|_| bad("its extra line is not base64"))?;
        let index = lines.next().and_then(|l| l.strip_prefix("index ")).ok_or_else(|| bad("no index"))?;
        let plain = index == "0" || (!index.starts_with('0') && index.bytes().all(|b| b.is_ascii_digit()));
        let index = index.parse().ok().filter(|_| plain).ok_or_else(|| bad("its index is not a plain number"))?;
        let hash = |l: &str| {
            STANDARD.decode(l).ok().and_then(|b| Hash::from_slice(&b)).ok_or_else(|| bad("a hash is not 32 bytes"))
        };
        let hashes = lines.map(hash).collect::<Result<Vec<_>, _>>()?;
        if hashes.len() > MAX_HASHES {
            return Err(bad("over 63 hashes"));
        }
        Ok(Proof { index, hashes, checkpoint: checkpoint.as_bytes().to_vec(), extra })
    }

    /// Verifies that `entry` stands at the proof's index under its checkpoint, signed by `log`.
    ///
    /// # Errors
    /// [`LedgerError::Unverified`] or malformed parts.
    pub fn verify(&self, entry: &[u8], log: &Verifier) -> Result<Checkpoint, LedgerError> {
        let checkpoint = Checkpoint::open(&self.checkpoint, log)?;
        verify_inclusion(
            &crate::tree::merkle::leaf_hash(entry),
            self.index,
            checkpoint.size,
            &self.hashes,
            &checkpoint.root,
        )?;
        Ok(checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::signer::Signer;
    use crate::tree::merkle::Tree;

    /// P-02: another leaf, index, a missing or an extra hash, a foreign log: all refused.
    #[test]
    fn p02_proofs() {
        let signer = Signer::from_seed([3; 32]);
        let entries: Vec<Vec<u8>> = (0..20u8).map(|i| vec![i; 9]).collect();
        let tree = Tree::from_leaves(entries.iter().map(|e| crate::tree::merkle::leaf_hash(e)));
        let c = Checkpoint { origin: "x.example/log".into(), size: 20, root: tree.root().unwrap() };
        let note = c.sign(&signer).unwrap();
        let log = Verifier::new("x.example/log", signer.public()).unwrap();
        let proof = Proof::new(&tree, 13, 20, note.as_bytes()).unwrap();
        assert_eq!(Proof::parse(&proof.to_bytes()).unwrap(), proof);
        let whole = proof.clone().with_entry(entries[13].clone());
        assert_eq!(Proof::parse(&whole.to_bytes()).unwrap(), whole);
        assert_eq!(proof.verify(&entries[13], &log).unwrap(), c);
        assert!(proof.verify(&entries[12], &log).is_err());
        for index in [12, 14, 20, u64::MAX] {
            assert!(Proof { index, ..proof.clone() }.verify(&entries[13], &log).is_err(), "index {index}");
        }
        for size in [13, 14, 40] {
            let note = Checkpoint { size, ..c.clone() }.sign(&signer).unwrap().into_bytes();
            assert!(Proof { checkpoint: note, ..proof.clone() }.verify(&entries[13], &log).is_err(), "size {size}");
        }
        // A hash of 31 bytes, in the file.
        let text = String::from_utf8(proof.to_bytes()).unwrap();
        let hash = STANDARD.encode(proof.hashes[0].0);
        let short = text.replacen(&hash, &STANDARD.encode(&proof.hashes[0].0[..31]), 1);
        assert!(short != text && Proof::parse(short.as_bytes()).is_err());
        assert!(Proof { hashes: proof.hashes[1..].to_vec(), ..proof.clone() }.verify(&entries[13], &log).is_err());
        let longer = [proof.hashes.clone(), vec![Hash::ZERO]].concat();
        assert!(Proof { hashes: longer, ..proof.clone() }.verify(&entries[13], &log).is_err());
        // A longer path to a root of a larger tree proves nothing about a smaller one.
        let (a, b) = (crate::tree::merkle::leaf_hash(b"a"), crate::tree::merkle::leaf_hash(b"b"));
        let two = crate::tree::merkle::node_hash(&a, &b);
        verify_inclusion(&b, 1, 2, &[a], &two).unwrap();
        assert!(verify_inclusion(&b, 0, 1, &[a], &two).is_err());
        let other = Verifier::new("x.example/log", Signer::from_seed([4; 32]).public()).unwrap();
        assert!(proof.verify(&entries[13], &other).is_err());
    }
}
