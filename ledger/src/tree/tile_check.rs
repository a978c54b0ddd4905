//! The hash tiles of a tiled log compared with its leaves, as they come: memory stays constant.

use crate::error::LedgerError;
use crate::format::hash::Hash;
use crate::tree::merkle::node_hash;
use crate::tree::tile::{WIDTH, hash_path};

/// Compares hash tiles with leaves (P-18). `R` gives a file's bytes by path.
#[derive(Debug)]
pub struct TileCheck<R> {
    read: R,
    /// The tile of each level that is being filled, and how many were full before it.
    levels: Vec<(u64, Vec<Hash>)>,
    wrong: Vec<(u64, String)>,
    failed: Option<LedgerError>,
}

impl<R: FnMut(&str) -> Result<Vec<u8>, LedgerError>> TileCheck<R> {
    /// Nothing compared yet.
    pub fn new(read: R) -> Self {
        TileCheck { read, levels: Vec::new(), wrong: Vec::new(), failed: None }
    }

    /// Takes the next leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push((0, Vec::new()));
            }
            self.levels[level].1.push(node);
            if (self.levels[level].1.len() as u64) < WIDTH {
                return;
            }
            self.compare(level);
            let (count, full) = &mut self.levels[level];
            *count += 1;
            node = root(std::mem::take(full));
        }
    }

    fn compare(&mut self, level: usize) {
        let (n, hashes) = &self.levels[level];
        let path = hash_path(level as u32, *n, hashes.len() as u64);
        let first = (n * WIDTH) << (8 * level);
        let expected: Vec<u8> = hashes.iter().flat_map(|h| h.0).collect();
        match (self.read)(&path) {
            Ok(bytes) if bytes == expected => {}
            Ok(_) => self.wrong.push((first, format!("{path} does not fit the entries under it"))),
            Err(e @ LedgerError::Io { .. }) => self.failed = self.failed.take().or(Some(e)),
            Err(e) => self.wrong.push((first, e.to_string())),
        }
    }

    /// Compares the partial tiles too, and gives what does not fit: the first entry under each tile,
    /// and what is wrong.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn finish(mut self) -> Result<Vec<(u64, String)>, LedgerError> {
        for level in 0..self.levels.len() {
            if !self.levels[level].1.is_empty() {
                self.compare(level);
            }
        }
        self.failed.map_or(Ok(self.wrong), Err)
    }
}

/// Root over a full tile.
fn root(mut row: Vec<Hash>) -> Hash {
    while row.len() > 1 {
        row = row.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
    }
    row.pop().unwrap_or(Hash::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::merkle::{Nodes as _, Tree, leaf_hash};
    use crate::tree::tile::{changed, hash_tile};
    use std::collections::BTreeMap;

    /// P-18: as many leaves as fill a tile of the second level and carry into the third: every tile fits
    /// the tree, and a spoiled one is named by its first entry on each level.
    #[test]
    fn p18_three_levels() {
        let size = 65_536 + 300u64;
        let tree = Tree::from_leaves((0..size).map(|i| leaf_hash(&i.to_be_bytes())));
        let mut files = BTreeMap::new();
        for level in 0..3 {
            for (n, width) in changed(level, 0, size) {
                files.insert(hash_path(level, n, width), hash_tile(&tree, level, n, width).unwrap());
            }
        }
        let wrong = |files: &BTreeMap<String, Vec<u8>>| {
            let missing = |path: &str| LedgerError::Malformed { what: "tile", why: path.into() };
            let mut check = TileCheck::new(|path: &str| files.get(path).cloned().ok_or_else(|| missing(path)));
            (0..size).for_each(|i| check.push(tree.leaf(i).unwrap()));
            check.finish().unwrap().into_iter().map(|w| w.0).collect::<Vec<_>>()
        };
        assert_eq!((files.len(), wrong(&files)), (258 + 2 + 1, vec![]));
        let spoiled =
            [("tile/0/257.p/44", 65_792), ("tile/1/000", 0), ("tile/1/001.p/1", 65_536), ("tile/2/000.p/1", 0)];
        for (path, first) in spoiled {
            let mut bad = files.clone();
            bad.get_mut(path).unwrap()[31] ^= 1;
            assert_eq!(wrong(&bad), [first], "{path}");
        }
    }
}
