//! Seeds that nobody can choose: a witness's signature over an entry that was under a checkpoint before
//! the witness was asked.
//!
//! The message has no time and no number of its own, and ed25519 signatures are deterministic: the same
//! entry gets the same answer, however often somebody asks. It begins unlike any checkpoint, entry or
//! cosignature, so it can be taken for none of them.

use crate::error::LedgerError;
use crate::format::hash::Hash;
use crate::keys::cosign::Witness;
use crate::keys::note::{self, Note, Verifier};
use crate::keys::signer::Signer;

const TITLE: &str = "assay/study-seed/v1";

/// What a witness signs for an entry: its log's origin and its leaf.
fn text(origin: &str, leaf: &Hash) -> String {
    format!("{TITLE}\n{origin}\n{leaf}\n")
}

/// Signs it, as a note under the witness's name.
///
/// # Errors
/// A name that is none, or an agent that refuses.
pub fn sign_seed(origin: &str, leaf: &Hash, name: &str, signer: &Signer) -> Result<String, LedgerError> {
    note::sign(&text(origin, leaf), name, signer)
}

/// The seed that a witness's note gives an entry: SHA-256 of the signature.
///
/// # Errors
/// [`LedgerError::Unverified`] for a note of another entry or by another key.
pub fn seed_of(bytes: &[u8], origin: &str, leaf: &Hash, witness: &Witness) -> Result<Hash, LedgerError> {
    let fail = |why: String| LedgerError::Unverified { what: "the seed", why };
    let note = Note::parse(bytes)?;
    if note.text != text(origin, leaf) {
        return Err(fail("it is for another entry".into()));
    }
    let verifier = Verifier::new(&witness.name, witness.key)?;
    note.verify(std::slice::from_ref(&verifier))?;
    let own = note
        .signatures
        .iter()
        .find(|(name, _, sig)| *name == witness.name && witness.key.verify_strict(note.text.as_bytes(), sig).is_ok());
    own.map(|(_, _, signature)| Hash::of(signature)).ok_or_else(|| fail("no signature by that witness".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The same entry always has the same seed; any other entry, log, name or key has another or none.
        #[test]
        fn one_seed_for_an_entry(leaf: [u8; 32], other: [u8; 32], key in 1u8..9) {
            let signer = Signer::from_seed([key; 32]);
            let witness = Witness::new("w.example/a", signer.public()).unwrap();
            let sign = |origin: &str, leaf: [u8; 32], name: &str| sign_seed(origin, &Hash(leaf), name, &signer).unwrap();
            let note = sign("l.example/x", leaf, "w.example/a");
            prop_assert_eq!(&note, &sign("l.example/x", leaf, "w.example/a"));
            let seed = |note: &str| seed_of(note.as_bytes(), "l.example/x", &Hash(leaf), &witness);
            let first = seed(&note).unwrap();
            prop_assert_eq!(seed(&note).unwrap(), first);
            prop_assert!(seed(&sign("l.example/y", leaf, "w.example/a")).is_err());
            prop_assert!(seed(&sign("l.example/x", leaf, "w.example/b")).is_err());
            prop_assume!(leaf != other);
            prop_assert!(seed(&sign("l.example/x", other, "w.example/a")).is_err());
            let mallory = Signer::from_seed([99; 32]);
            let forged = sign_seed("l.example/x", &Hash(leaf), "w.example/a", &mallory).unwrap();
            prop_assert!(seed(&forged).is_err());
            // No reader of checkpoints takes it for one.
            let verifier = Verifier::new("w.example/a", signer.public()).unwrap();
            prop_assert!(crate::tree::checkpoint::Checkpoint::open(note.as_bytes(), &verifier).is_err());
        }
    }
}
