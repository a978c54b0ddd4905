//! Signatures that wait to be verified, and the keys that made them.
//!
//! A key that signed often gets a table of its multiples; one that signed a few entries is used as
//! it is, and there is an end to the tables: a log of many keys costs no more memory than its bytes.

use crate::format::entry::signed_message;
use crate::format::hash::Hash;
use crate::keys::bulk::{PreparedKey, verify_all};
use crate::keys::public::{KeyId, PublicKey};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// From so many entries on a key is worth a table of its multiples,
const WORTH: u32 = 16;
/// and so many tables are kept: 640 KB each.
const TABLES: usize = 32;

/// How often each key signed, and the tables of those that did often.
#[derive(Debug, Default)]
pub(crate) struct Authors {
    keys: BTreeMap<KeyId, (u32, Option<Arc<PreparedKey>>)>,
    tables: usize,
}

impl Authors {
    /// The key as the next signature by it is verified.
    pub(crate) fn key(&mut self, key: &PublicKey) -> AuthorKey {
        let (uses, table) = self.keys.entry(key.id()).or_default();
        *uses = uses.saturating_add(1);
        if table.is_none() && *uses >= WORTH && self.tables < TABLES {
            *table = PreparedKey::new(key).map(Arc::new);
            self.tables += 1;
        }
        table.clone().map_or(AuthorKey::Plain(Box::new(*key)), AuthorKey::Prepared)
    }
}

/// An entry whose signature is still to be verified.
pub(crate) struct Unverified {
    pub(crate) seq: u64,
    pub(crate) content: Hash,
    pub(crate) signature: Option<[u8; 64]>,
    pub(crate) key: AuthorKey,
}

/// The key that must have signed: as it is, or with its table.
pub(crate) enum AuthorKey {
    Plain(Box<PublicKey>),
    Prepared(Arc<PreparedKey>),
}

impl std::fmt::Debug for Unverified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Unverified({})", self.seq)
    }
}

/// The entries whose signature is not the author's over their content.
pub(crate) fn bad_signatures(entries: &[Unverified]) -> Vec<u64> {
    let check = |chunk: &[Unverified]| {
        let (mut items, mut seqs, mut bad) = (Vec::with_capacity(chunk.len()), Vec::new(), Vec::new());
        for e in chunk {
            match (&e.key, e.signature) {
                (AuthorKey::Prepared(key), Some(signature)) => {
                    items.push((&**key, signed_message(&e.content), signature));
                    seqs.push(e.seq);
                }
                (AuthorKey::Plain(key), Some(signature))
                    if key.verify_strict(&signed_message(&e.content), &signature).is_ok() => {}
                _ => bad.push(e.seq),
            }
        }
        bad.extend(seqs.into_iter().zip(verify_all(&items)).filter(|(_, good)| !good).map(|(seq, _)| seq));
        bad
    };
    entries.par_chunks(64).flat_map_iter(check).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::signer::Signer;

    /// Whether a key has a table or not, and however many keys there are, the verdict is the same.
    #[test]
    fn few_tables_and_the_same_verdict() {
        let mut authors = Authors::default();
        let (mut waiting, mut expected) = (Vec::new(), Vec::new());
        for n in 0..u64::from(WORTH) * (TABLES as u64 + 4) * 2 {
            let signer = Signer::from_seed([(n % (TABLES as u64 + 4)) as u8; 32]);
            let content = Hash::of(&n.to_be_bytes());
            let mut signature = signer.sign(&signed_message(&content)).unwrap();
            if n % 7 == 3 {
                signature[(n % 64) as usize] ^= 1;
                expected.push(n);
            }
            let key = authors.key(&signer.public());
            waiting.push(Unverified { seq: n, content, signature: Some(signature), key });
        }
        let mut bad = bad_signatures(&waiting);
        bad.sort_unstable();
        assert_eq!((bad, authors.tables), (expected, TABLES));
        let prepared = waiting.iter().filter(|w| matches!(w.key, AuthorKey::Prepared(_))).count();
        assert!(prepared > waiting.len() / 3 && prepared < waiting.len(), "{prepared}");
    }
}
