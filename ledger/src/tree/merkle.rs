//! The RFC 6962 tree over SHA-256: roots, inclusion and consistency proofs.
//!
//! Source: RFC 6962 section 2.1 and RFC 9162 section 2.1 (verification algorithms).

use crate::error::LedgerError;
use crate::format::hash::Hash;

/// Leaf hash: SHA-256(0x00 || entry).
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Hash::of_parts(&[&[0], entry])
}

/// Node hash: SHA-256(0x01 || left || right).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut buf = [1u8; 65];
    buf[1..33].copy_from_slice(&left.0);
    buf[33..].copy_from_slice(&right.0);
    Hash::of(&buf)
}

/// The root of the empty tree: SHA-256 of nothing.
pub fn empty_root() -> Hash {
    Hash::of(b"")
}

/// A tree whose full nodes can be looked up: level 0 are the leaves, level l node i covers leaves
/// `i * 2^l .. (i + 1) * 2^l`.
pub trait Nodes {
    /// Number of leaves.
    fn len(&self) -> u64;

    /// A full node.
    ///
    /// # Errors
    /// When it is not full yet, or cannot be read.
    fn node(&self, level: u32, index: u64) -> Result<Hash, LedgerError>;

    /// True without leaves.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The leaf hash at `index`.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    fn leaf(&self, index: u64) -> Result<Hash, LedgerError> {
        self.node(0, index)
    }

    /// Root of all leaves.
    ///
    /// # Errors
    /// When nodes cannot be read.
    fn root(&self) -> Result<Hash, LedgerError> {
        self.root_at(self.len())
    }

    /// Root of the first `size` leaves.
    ///
    /// # Errors
    /// When there are fewer, or nodes cannot be read.
    fn root_at(&self, size: u64) -> Result<Hash, LedgerError> {
        if size == 0 { Ok(empty_root()) } else { self.range(0, size) }
    }

    /// MTH of leaves `start..end`; full subtrees are looked up, not computed.
    ///
    /// # Errors
    /// When there are no such leaves, or nodes cannot be read.
    fn range(&self, start: u64, end: u64) -> Result<Hash, LedgerError> {
        if start >= end || end > self.len() {
            return Err(malformed(format!("no leaves {start} to {end} (the log has {})", self.len())));
        }
        let n = end - start;
        if n.is_power_of_two() && start.is_multiple_of(n) {
            let level = n.trailing_zeros();
            return self.node(level, start >> level);
        }
        let split = split(n);
        Ok(node_hash(&self.range(start, start + split)?, &self.range(start + split, end)?))
    }

    /// Inclusion proof of leaf `index` in the tree of the first `size` leaves: leaf sibling first.
    ///
    /// # Errors
    /// When there are fewer leaves than `size`, or `index` is not below `size`.
    fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, LedgerError> {
        if index >= size || size > self.len() {
            return Err(malformed(format!("no leaf {index} in a tree of {size} (the log has {})", self.len())));
        }
        let mut proof = Vec::new();
        let (mut start, mut end) = (0, size);
        while end - start > 1 {
            let k = split(end - start);
            if index < start + k {
                proof.push(self.range(start + k, end)?);
                end = start + k;
            } else {
                proof.push(self.range(start, start + k)?);
                start += k;
            }
        }
        proof.reverse();
        Ok(proof)
    }

    /// Consistency proof between the trees of the first `old` and `new` leaves.
    ///
    /// # Errors
    /// When `old` is zero or over `new`, or there are fewer leaves than `new`.
    fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, LedgerError> {
        if old == 0 || old > new || new > self.len() {
            return Err(malformed(format!("no consistency proof from {old} to {new} (the log has {})", self.len())));
        }
        let mut proof = Vec::new();
        let (mut start, mut end, mut whole) = (0, new, true);
        while old < end {
            let k = split(end - start);
            if old <= start + k {
                proof.push(self.range(start + k, end)?);
                end = start + k;
            } else {
                proof.push(self.range(start, start + k)?);
                start += k;
                whole = false;
            }
        }
        if !whole {
            proof.push(self.range(start, end)?);
        }
        proof.reverse();
        Ok(proof)
    }
}

/// A growing tree that keeps every full node in memory: 64 bytes a leaf.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// An empty tree.
    pub fn new() -> Tree {
        Tree::default()
    }

    /// A tree over the given leaf hashes.
    pub fn from_leaves(leaves: impl IntoIterator<Item = Hash>) -> Tree {
        let mut tree = Tree::new();
        for leaf in leaves {
            tree.push(leaf);
        }
        tree
    }

    /// Forgets every leaf, and keeps the memory.
    pub fn clear(&mut self) {
        self.levels.iter_mut().for_each(Vec::clear);
    }

    /// Adds a leaf hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            self.levels[level].push(node);
            let n = self.levels[level].len();
            if !n.is_multiple_of(2) {
                return;
            }
            node = node_hash(&self.levels[level][n - 2], &self.levels[level][n - 1]);
        }
    }

    /// Full nodes of one level, left to right.
    pub fn level(&self, level: usize) -> &[Hash] {
        self.levels.get(level).map_or(&[], Vec::as_slice)
    }
}

impl Nodes for Tree {
    fn len(&self) -> u64 {
        self.levels.first().map_or(0, |l| l.len() as u64)
    }

    fn node(&self, level: u32, index: u64) -> Result<Hash, LedgerError> {
        let node = self.level(level as usize).get(index as usize);
        node.copied().ok_or_else(|| malformed(format!("no node {index} at level {level}")))
    }
}

/// The largest power of two below `n` (n > 1).
fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}

fn malformed(why: String) -> LedgerError {
    LedgerError::Malformed { what: "proof request", why }
}

/// Verifies an inclusion proof (RFC 9162, 2.1.3.2).
///
/// # Errors
/// [`LedgerError::Unverified`] with the step that failed.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> Result<(), LedgerError> {
    let fail = |why: &str| Err(LedgerError::Unverified { what: "the inclusion proof", why: why.into() });
    if index >= size {
        return fail("the index is not below the size");
    }
    let (mut f, mut s, mut r) = (index, size - 1, *leaf);
    for p in proof {
        if s == 0 {
            return fail("it is too long");
        }
        if f & 1 == 1 || f == s {
            r = node_hash(p, &r);
            while f & 1 == 0 && f != 0 {
                f >>= 1;
                s >>= 1;
            }
        } else {
            r = node_hash(&r, p);
        }
        f >>= 1;
        s >>= 1;
    }
    if s != 0 {
        return fail("it is too short");
    }
    if r != *root { fail("it leads to another root") } else { Ok(()) }
}

/// Verifies a consistency proof (RFC 9162, 2.1.4.2).
///
/// # Errors
/// [`LedgerError::Unverified`] with the step that failed.
pub fn verify_consistency(old: (u64, &Hash), new: (u64, &Hash), proof: &[Hash]) -> Result<(), LedgerError> {
    let fail = |why: &str| Err(LedgerError::Unverified { what: "the consistency proof", why: why.into() });
    let ((m, root1), (n, root2)) = (old, new);
    if m == 0 || m > n {
        return fail("sizes must be 0 < old <= new");
    }
    if m == n {
        return match (proof.is_empty(), root1 == root2) {
            (true, true) => Ok(()),
            (false, _) => fail("same size, so it must be empty"),
            (true, false) => fail("same size, two roots"),
        };
    }
    let mut path = proof.iter();
    let (mut f, mut s) = (m - 1, n - 1);
    while f & 1 == 1 {
        f >>= 1;
        s >>= 1;
    }
    let first = if m.is_power_of_two() { Some(root1) } else { path.next() };
    let Some(first) = first else { return fail("it is empty") };
    if proof.is_empty() {
        return fail("it is empty");
    }
    let (mut fr, mut sr) = (*first, *first);
    for c in path {
        if s == 0 {
            return fail("it is too long");
        }
        if f & 1 == 1 || f == s {
            fr = node_hash(c, &fr);
            sr = node_hash(c, &sr);
            while f & 1 == 0 && f != 0 {
                f >>= 1;
                s >>= 1;
            }
        } else {
            sr = node_hash(&sr, c);
        }
        f >>= 1;
        s >>= 1;
    }
    if s != 0 {
        return fail("it is too short");
    }
    match (fr == *root1, sr == *root2) {
        (true, true) => Ok(()),
        (false, _) => fail("it does not lead to the old root"),
        (true, false) => fail("it does not lead to the new root"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naive(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [one] => *one,
            _ => {
                let k = split(leaves.len() as u64) as usize;
                node_hash(&naive(&leaves[..k]), &naive(&leaves[k..]))
            }
        }
    }

    #[test]
    fn all_proofs_of_small_trees() {
        let leaves: Vec<Hash> = (0..40u8).map(|i| leaf_hash(&[i])).collect();
        let tree = Tree::from_leaves(leaves.iter().copied());
        for n in 0..=40u64 {
            let root = tree.root_at(n).unwrap();
            assert_eq!(root, naive(&leaves[..n as usize]));
            for i in 0..n {
                let p = tree.inclusion(i, n).unwrap();
                verify_inclusion(&leaves[i as usize], i, n, &p, &root).unwrap();
                assert!(verify_inclusion(&leaves[i as usize], i + 1, n, &p, &root).is_err() || n == 1);
            }
            for m in 1..=n {
                let p = tree.consistency(m, n).unwrap();
                let old = tree.root_at(m).unwrap();
                verify_consistency((m, &old), (n, &root), &p).unwrap();
                let mut long = p.clone();
                long.push(Hash::ZERO);
                assert!(verify_consistency((m, &old), (n, &root), &long).is_err());
            }
        }
    }
}
