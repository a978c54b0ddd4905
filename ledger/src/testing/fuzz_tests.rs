//! Decoders that cannot be hurt: any bytes end in a value or an error, whatever is read is written
//! back as it was, and no error costs more memory than its input.
//!
//! Each property runs on random bytes, and on valid ones that were changed in a few places.
//! `PROPTEST_CASES` sets how often.

use crate::format::entry::{Draft, Entry, EventId, Place, content, seal};
use crate::format::frame;
use crate::format::hash::Hash;
use crate::keys::cosign::{Witness, cosign, cosigners};
use crate::keys::note::{Note, Verifier};
use crate::keys::public::PublicKey;
use crate::keys::signer::Signer;
use crate::keys::sshsig;
use crate::tree::checkpoint::Checkpoint;
use crate::tree::merkle::{Nodes as _, Tree};
use crate::tree::proof::Proof;
use crate::tree::tile::{push_entry, split_any};
use proptest::prelude::*;

fn signer() -> Signer {
    Signer::from_seed([7; 32])
}

fn entry() -> Vec<u8> {
    let draft = Draft { id: EventId([3; 16]), kind: "Fuzz".into(), version: 1, payload: vec![5; 90] };
    let place = Place { origin: "f.example/log", seq: 4, prev: Hash::ZERO, time_us: 9 };
    let bytes = content(&draft, &place, &signer().id());
    let hash = Hash::of(&bytes);
    seal(bytes, &hash, &signer()).unwrap()
}

fn checkpoint() -> Vec<u8> {
    let tree = Tree::from_leaves((0..5u8).map(|i| crate::tree::merkle::leaf_hash(&[i])));
    let c = Checkpoint { origin: "f.example/log".into(), size: 5, root: tree.root().unwrap() };
    cosign(c.sign(&signer()).unwrap().as_bytes(), "w.example/x", &Signer::from_seed([8; 32]), 9).unwrap()
}

fn proof() -> Vec<u8> {
    let tree = Tree::from_leaves((0..5u8).map(|i| crate::tree::merkle::leaf_hash(&[i])));
    Proof::new(&tree, 2, 5, &checkpoint()).unwrap().with_entry(entry()).to_bytes()
}

fn log() -> Verifier {
    Verifier::new("f.example/log", signer().public()).unwrap()
}

/// Random bytes, or `valid` with bytes changed, cut, doubled or put in.
fn near(valid: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let len = valid.len();
    let change = (0..len, any::<u8>(), 0..5u8);
    let changed = proptest::collection::vec(change, 0..4).prop_map(move |changes| {
        let mut bytes = valid.clone();
        for (at, byte, how) in changes {
            let at = at.min(bytes.len().saturating_sub(1));
            match how {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, byte),
                2 => bytes.extend_from_slice(&bytes.clone()[at..]),
                _ if !bytes.is_empty() => bytes[at] = byte,
                _ => {}
            }
        }
        bytes
    });
    prop_oneof![1 => proptest::collection::vec(any::<u8>(), 0..600), 6 => changed]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// L-18: what decodes is written back byte for byte, and only the signed content is good.
    #[test]
    fn l18_entries(bytes in near(entry())) {
        if let Ok(e) = Entry::decode(bytes.clone()) {
            let place = Place { origin: e.origin(), seq: e.seq, prev: e.prev, time_us: e.time_us };
            let mut again = content(&e.draft(), &place, &e.author);
            again.extend_from_slice(e.signature());
            prop_assert_eq!(again, bytes);
        }
    }

    /// Signed notes and checkpoints: accepted only with the text that was signed.
    #[test]
    fn checkpoints(bytes in near(checkpoint())) {
        if let Ok(c) = Checkpoint::open(&bytes, &log()) {
            let text = c.text();
            prop_assert!(bytes.starts_with(text.as_bytes()));
            prop_assert_eq!(c.size, 5);
        }
        let _ = Note::parse(&bytes);
        let witness = Witness::new("w.example/x", Signer::from_seed([8; 32]).public()).unwrap();
        let _ = cosigners(&bytes, &[witness], 1, u64::MAX);
    }

    /// Proof files: what is read is written back, and never proves another entry.
    #[test]
    fn proofs(bytes in near(proof())) {
        if let Ok(p) = Proof::parse(&bytes) {
            prop_assert_eq!(p.to_bytes(), bytes);
            prop_assert!(p.verify(b"another entry", &log()).is_err());
        }
    }

    /// Entry bundles: exactly the entries that they hold.
    #[test]
    fn bundles(bytes in near({ let mut b = Vec::new(); push_entry(&mut b, b"one"); push_entry(&mut b, &entry()); b })) {
        if let Ok(entries) = split_any(&bytes) {
            let mut again = Vec::new();
            entries.iter().for_each(|e| push_entry(&mut again, e));
            prop_assert_eq!(again, bytes);
        }
    }

    /// Keys as text, in each of their spellings.
    #[test]
    fn keys(text in near(signer().public().to_openssh().into_bytes()), vkey in near(log().to_string().into_bytes())) {
        if let Ok(key) = String::from_utf8_lossy(&text).parse::<PublicKey>() {
            prop_assert!(PublicKey::from_bytes(&key.to_bytes()).is_some());
        }
        if let Ok(v) = String::from_utf8_lossy(&vkey).parse::<Verifier>() {
            let text = String::from_utf8_lossy(&vkey).into_owned();
            prop_assert_eq!(v.to_string(), text.trim());
        }
        let _ = String::from_utf8_lossy(&vkey).parse::<Witness>();
    }

    /// SSH signatures: good over one message in one namespace only.
    #[test]
    fn ssh_signatures(bytes in near(sshsig::sign(&signer(), "f@assay", b"yes").unwrap().into_bytes())) {
        prop_assert!(sshsig::verify(&bytes, "f@assay", b"no").is_err());
        prop_assert!(sshsig::verify(&bytes, "g@assay", b"yes").is_err());
        if let Ok(key) = sshsig::verify(&bytes, "f@assay", b"yes") {
            prop_assert_eq!(key, signer().public());
        }
    }

    /// Frames: whatever stands around a damaged one, a whole one is found and read as it was.
    #[test]
    fn resynchronised(junk in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut bytes = junk.clone();
        frame::push(&mut bytes, 3, &entry());
        let (at, found, place) = frame::resync(&bytes, 0).unwrap();
        prop_assert!(at <= junk.len());
        if at == junk.len() {
            prop_assert_eq!((&found.bytes()[..], place), (&entry()[..], 3));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// K-03: private key files, whole and spoiled: a key or a typed error, and never the secret in it.
    #[test]
    fn k03_private_keys(spoil in 0usize..600, byte: u8) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        signer().write(&path, "fuzz", None).unwrap();
        let mut text = std::fs::read(&path).unwrap();
        let at = spoil.min(text.len() - 1);
        text[at] = byte;
        std::fs::write(&path, &text).unwrap();
        if let Err(e) = Signer::read(&path, &|_| None) {
            let said = format!("{e} {e:?}");
            prop_assert!(!said.contains("AAAAC3Nza") && said.len() < 900);
        }
    }
}
