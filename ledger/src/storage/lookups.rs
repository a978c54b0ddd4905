//! What a full segment is looked up by, in a file beside it: leaves, places and kinds of its entries.
//!
//! It is derived from the segment and never the source of anything. Leaves are read a tile at a time
//! and must hash to the segment's root; a place must hold a frame whose entry has that leaf; the kinds
//! have a checksum. So nothing is read whole to be trusted, and nothing of it can show another entry
//! than the one that stands under the root.

use crate::error::LedgerError;
use crate::format::hash::Hash;
use crate::storage::disk::DiskFile;
use crate::storage::kinds::Kinds;
use crate::tree::merkle::{Nodes as _, Tree};
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

const MARKER: &[u8; 8] = b"ASYLKUP1";
const HEAD: usize = 8 + 8 + 8 + 8 + 4 + 4;
/// Leaves below the nodes that are read when it is opened: those of a tile.
pub const TOP_LEVEL: u32 = 8;

/// Where the bytes are.
#[derive(Debug)]
enum Body {
    File(Box<dyn DiskFile>),
    /// There is no file, and there may be none: a folder that is only read.
    Memory(Vec<u8>),
}

/// The lookups of one full segment.
#[derive(Debug)]
pub struct Lookups {
    body: Body,
    count: u64,
    end: u64,
    kinds_len: usize,
    kinds_crc: u32,
    /// The tree over the roots of its tiles.
    root: Hash,
    tops: OnceLock<Tree>,
    /// The tile that was read last, verified.
    tile: Mutex<Option<(u64, Arc<Vec<Hash>>)>>,
}

/// What lookups are made from.
#[derive(Debug)]
pub struct Contents<'a> {
    /// Sequence number of the first entry.
    pub first: u64,
    /// Leaves and the nodes over them.
    pub tree: &'a Tree,
    /// Offset of each frame in the segment.
    pub offsets: &'a [u64],
    /// Kind of each entry.
    pub kinds: &'a Kinds,
    /// Length of the segment's file.
    pub end: u64,
}

/// The bytes of a lookup file.
pub fn encode(c: &Contents<'_>) -> Vec<u8> {
    let kinds = c.kinds.encode();
    let mut out = MARKER.to_vec();
    for word in [c.first, c.offsets.len() as u64, c.end] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    out.extend_from_slice(&(kinds.len() as u32).to_be_bytes());
    out.extend_from_slice(&crc32fast::hash(&kinds).to_be_bytes());
    let nodes = |level: usize| c.tree.level(level).iter().flat_map(|h| h.0);
    out.extend(nodes(TOP_LEVEL as usize));
    out.extend(nodes(0));
    out.extend(c.offsets.iter().flat_map(|o| o.to_be_bytes()));
    out.extend(kinds);
    out
}

fn hashes(bytes: &[u8]) -> impl Iterator<Item = Hash> + '_ {
    bytes.chunks_exact(32).filter_map(Hash::from_slice)
}

impl Lookups {
    /// Opens the lookups of the segment that begins at `first` with `count` entries, `end` bytes and this
    /// root; nothing when they are not those.
    pub fn open(file: Box<dyn DiskFile>, first: u64, count: u64, end: u64, root: &Hash) -> Option<Lookups> {
        Lookups::of(Body::File(file), first, count, end, root)
    }

    /// Lookups that stay in memory.
    pub fn in_memory(bytes: Vec<u8>, first: u64, count: u64, end: u64, root: &Hash) -> Option<Lookups> {
        Lookups::of(Body::Memory(bytes), first, count, end, root)
    }

    fn of(body: Body, first: u64, count: u64, end: u64, root: &Hash) -> Option<Lookups> {
        let head = read(&body, 0, HEAD).ok()?;
        let word = |at: usize| head.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_be_bytes);
        let half = |at: usize| head.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes);
        if !head.starts_with(MARKER) || (word(8)?, word(16)?, word(24)?) != (first, count, end) {
            return None;
        }
        let (kinds_len, kinds_crc) = (half(32)? as usize, half(36)?);
        let (root, tops, tile) = (*root, OnceLock::new(), Mutex::new(None));
        Some(Lookups { body, count, end, kinds_len, kinds_crc, root, tops, tile })
    }

    /// The nodes from the tiles' roots up, which must lead to the segment's root: read when the first leaf is.
    fn tops(&self) -> Result<&Tree, LedgerError> {
        if let Some(tops) = self.tops.get() {
            return Ok(tops);
        }
        let tops = Tree::from_leaves(hashes(&self.read(HEAD as u64, 32 * (self.count as usize >> TOP_LEVEL))?));
        if tops.root()? != self.root {
            return Err(spoiled("its tiles do not lead to the segment's root".into()));
        }
        Ok(self.tops.get_or_init(|| tops))
    }

    /// Where the leaves, the offsets and the kinds begin.
    fn parts(&self) -> [u64; 3] {
        let leaves = HEAD as u64 + 32 * (self.count >> TOP_LEVEL);
        [leaves, leaves + 32 * self.count, leaves + 40 * self.count]
    }

    fn read(&self, at: u64, len: usize) -> Result<Vec<u8>, LedgerError> {
        read(&self.body, at, len).map_err(|e| spoiled(e.to_string()))
    }

    /// Where a frame begins and ends in the segment. Whoever reads it compares its leaf.
    ///
    /// # Errors
    /// [`LedgerError::Index`].
    pub fn frame(&self, place: u64) -> Result<(u64, u64), LedgerError> {
        let last = place + 1 == self.count;
        let bytes = self.read(self.parts()[1] + 8 * place, if last { 8 } else { 16 })?;
        let mut words = bytes.chunks_exact(8).filter_map(|b| b.try_into().ok()).map(u64::from_be_bytes);
        let start = words.next().unwrap_or_default();
        let end = words.next().unwrap_or(self.end);
        if start < end && end <= self.end { Ok((start, end)) } else { Err(spoiled("its offsets do not fit".into())) }
    }

    /// A full node of the segment's own tree.
    ///
    /// # Errors
    /// [`LedgerError::Index`] for leaves that do not hash to the segment's root.
    pub fn node(&self, level: u32, index: u64) -> Result<Hash, LedgerError> {
        if level >= TOP_LEVEL {
            return self.tops()?.node(level - TOP_LEVEL, index);
        }
        let (tile, inside) = (index >> (TOP_LEVEL - level), index & ((1 << (TOP_LEVEL - level)) - 1));
        let leaves = self.tile(tile)?;
        let part = leaves.iter().skip((inside << level) as usize).take(1 << level).copied();
        Tree::from_leaves(part).root()
    }

    /// Some consecutive leaves.
    ///
    /// # Errors
    /// As [`Lookups::node`].
    pub fn leaves(&self, range: std::ops::Range<u64>) -> Result<Vec<Hash>, LedgerError> {
        let mut out = Vec::with_capacity((range.end - range.start) as usize);
        let mut at = range.start;
        while at < range.end {
            let (tile, inside) = (at >> TOP_LEVEL, at & ((1 << TOP_LEVEL) - 1));
            let take = (range.end - at).min((1 << TOP_LEVEL) - inside);
            out.extend(self.tile(tile)?.iter().skip(inside as usize).take(take as usize));
            at += take;
        }
        Ok(out)
    }

    /// The leaves of a tile, verified.
    fn tile(&self, tile: u64) -> Result<Arc<Vec<Hash>>, LedgerError> {
        let mut cached = self.tile.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.as_ref().is_none_or(|c| c.0 != tile) {
            let bytes = self.read(self.parts()[0] + ((32 * tile) << TOP_LEVEL), 32 << TOP_LEVEL)?;
            let leaves: Vec<Hash> = hashes(&bytes).collect();
            if Tree::from_leaves(leaves.iter().copied()).root()? != self.tops()?.node(0, tile)? {
                return Err(spoiled(format!("the leaves of its tile {tile} are not those of the segment")));
            }
            *cached = Some((tile, Arc::new(leaves)));
        }
        Ok(cached.as_ref().map(|c| c.1.clone()).unwrap_or_default())
    }

    /// The kinds of its entries.
    ///
    /// # Errors
    /// [`LedgerError::Index`].
    pub fn kinds(&self, expected: &Hash) -> Result<Kinds, LedgerError> {
        // A kind is a byte, names are few: more than this is not what was written.
        if self.kinds_len as u64 > self.count + (256 * 256) {
            return Err(spoiled("its kinds are damaged".into()));
        }
        let bytes = self.read(self.parts()[2], self.kinds_len)?;
        let whole = crc32fast::hash(&bytes) == self.kinds_crc && Hash::of(&bytes) == *expected;
        let kinds = Kinds::decode(&bytes, self.count as usize).filter(|_| whole);
        kinds.ok_or_else(|| spoiled("its kinds are damaged".into()))
    }
}

fn read(body: &Body, at: u64, len: usize) -> io::Result<Vec<u8>> {
    match body {
        Body::File(file) => file.read_at(at, len),
        Body::Memory(bytes) => {
            let part = bytes.get(at as usize..).and_then(|b| b.get(..len));
            part.map(<[u8]>::to_vec).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
        }
    }
}

fn spoiled(what: String) -> LedgerError {
    LedgerError::Index { path: "a segment's lookups".into(), what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::merkle::leaf_hash;

    /// Everything that is looked up is right or refused, whatever byte of the file was flipped.
    #[test]
    fn right_or_refused() {
        let n = 1024u32;
        let tree = Tree::from_leaves((0..n).map(|i| leaf_hash(&i.to_be_bytes())));
        let offsets: Vec<u64> = (0..u64::from(n)).map(|i| 8 + 100 * i).collect();
        let mut kinds = Kinds::default();
        (0..n).for_each(|i| kinds.push(if i % 3 == 0 { "A" } else { "B" }));
        let c = Contents { first: 2048, tree: &tree, offsets: &offsets, kinds: &kinds, end: 110_000 };
        let (bytes, root) = (encode(&c), tree.root().unwrap());
        let said = Hash::of(&kinds.encode());
        let open = |bytes: Vec<u8>| Lookups::in_memory(bytes, 2048, 1024, 110_000, &root);
        let s = open(bytes.clone()).unwrap();
        for level in 0..=10 {
            for i in 0..1024 >> level {
                assert_eq!(s.node(level, i).unwrap(), tree.node(level, i).unwrap(), "{level} {i}");
            }
        }
        assert!(s.node(11, 0).is_err() && s.node(0, 1024).is_err());
        assert_eq!((s.frame(0).unwrap(), s.frame(1023).unwrap()), ((8, 108), (102_308, 110_000)));
        assert_eq!(s.kinds(&said).unwrap(), kinds);
        assert!(Lookups::in_memory(bytes.clone(), 0, 1024, 110_000, &root).is_none(), "of another segment");
        let other = Lookups::in_memory(bytes.clone(), 2048, 1024, 110_000, &Hash::ZERO).unwrap();
        assert!(other.node(0, 0).is_err() && other.leaves(0..1).is_err(), "of another root");
        for at in (0..bytes.len()).step_by(61) {
            let mut bad = bytes.clone();
            bad[at] ^= 4;
            let Some(s) = open(bad) else { continue };
            for i in (0..1024).step_by(7) {
                assert!(
                    s.node(0, i).is_ok_and(|h| h == tree.node(0, i).unwrap()) || s.node(0, i).is_err(),
                    "byte {at}"
                );
            }
            assert!(s.kinds(&said).is_ok_and(|k| k == kinds) || s.kinds(&said).is_err(), "byte {at}");
        }
        let cut = open(bytes[..bytes.len() - 1].to_vec()).unwrap();
        assert!(cut.kinds(&said).is_err());
    }
}
