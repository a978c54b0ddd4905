//! The hash tiles of a tiled log compared with its leaves, as they come: memory stays constant.

use crate::error::LedgerError;
use crate::hash::Hash;
use crate::merkle::node_hash;
use crate::tile::{WIDTH, hash_path};

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
