//! A tree of which only the right edge is kept: enough for its root, however many leaves.

use crate::format::hash::Hash;
use crate::tree::merkle::{empty_root, node_hash};
use std::collections::BTreeMap;

/// A growing tree that keeps only its right edge, and the roots at sizes named beforehand.
#[derive(Debug, Clone, Default)]
pub struct Frontier {
    len: u64,
    /// Roots of the full subtrees, largest first: one for each bit of the length.
    peaks: Vec<Hash>,
    watched: BTreeMap<u64, Option<Hash>>,
}

impl Frontier {
    /// An empty tree.
    pub fn new() -> Frontier {
        Frontier::default()
    }

    /// Number of leaves.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// True without leaves.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Remembers the root when the tree has `size` leaves.
    pub fn watch(&mut self, size: u64) {
        let root = (size == self.len).then(|| self.root());
        self.watched.entry(size).or_insert(root);
    }

    /// The root at a watched size that was reached.
    pub fn root_at(&self, size: u64) -> Option<Hash> {
        if size == self.len { Some(self.root()) } else { self.watched.get(&size).copied().flatten() }
    }

    /// Adds a leaf hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        for _ in 0..self.len.trailing_ones() {
            // One peak for each trailing one bit: there are that many.
            node = self.peaks.pop().map_or(node, |left| node_hash(&left, &node));
        }
        self.peaks.push(node);
        self.len += 1;
        if self.watched.contains_key(&self.len) {
            let root = self.root();
            self.watched.insert(self.len, Some(root));
        }
    }

    /// Root of all leaves.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return empty_root() };
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::merkle::{Nodes as _, Tree, leaf_hash};

    #[test]
    fn the_right_edge_has_the_same_roots() {
        let (mut edge, mut tree) = (Frontier::new(), Tree::new());
        for size in [0, 1, 7, 64] {
            edge.watch(size);
        }
        for i in 0..70u8 {
            assert_eq!(edge.root(), tree.root().unwrap());
            edge.push(leaf_hash(&[i]));
            tree.push(leaf_hash(&[i]));
        }
        for size in [0, 1, 7, 64, 70] {
            assert_eq!(edge.root_at(size).unwrap(), tree.root_at(size).unwrap());
        }
        assert_eq!((edge.root_at(8), edge.root_at(71)), (None, None));
    }
}
