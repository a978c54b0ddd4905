//! What a full segment is looked up by, in a file beside it: leaves, places and ids of its entries.
//!
//! It is derived from the segment and never the source of anything: its checksum is compared when
//! a log is opened, and a missing or damaged one is built again from the segment. It keeps
//! reopening and memory independent of how long a log is.

use crate::error::LedgerError;
use crate::format::entry::EventId;
use crate::format::hash::Hash;
use crate::storage::disk::DiskFile;
use crate::tree::merkle::{Tree, node_hash};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::io;

const MARKER: &[u8; 8] = b"ASYINDX1";
const HEAD: usize = 8 + 4 + 8 + 8 + 8 + 8 + 32;
const ID: usize = 16 + 4;
/// Bits of the filter for each id: about one false answer in a thousand.
const FILTER_BITS: usize = 16;
const FILTER_PROBES: u64 = 6;
/// Ids that are read on either side of where one is expected.
const NEAR: u64 = 256;
/// Leaves below the nodes that are kept in memory.
pub const TOP_LEVEL: u32 = 8;

/// Where a sidecar's bytes are.
#[derive(Debug)]
enum Body {
    File(Box<dyn DiskFile>),
    /// It could not be written: a folder that may only be read.
    Memory(Vec<u8>),
}

/// The lookups of one full segment.
#[derive(Debug)]
pub struct Sidecar {
    body: Body,
    count: u64,
    /// Length of the segment's file.
    pub end: u64,
    /// Content hash of its last entry.
    pub head: Hash,
    /// Time of its last entry.
    pub time_us: u64,
    filter: Vec<u8>,
    tops: Vec<Hash>,
}

/// What a sidecar is made from.
#[derive(Debug)]
pub struct Contents<'a> {
    /// Sequence number of the first entry.
    pub first: u64,
    /// Leaves and the nodes over them.
    pub tree: &'a Tree,
    /// Offset of each frame in the segment.
    pub offsets: &'a [u64],
    /// Position of each id in the segment.
    pub ids: &'a HashMap<EventId, u32>,
    /// Length of the segment's file.
    pub end: u64,
    /// Content hash of the last entry.
    pub head: Hash,
    /// Time of the last entry.
    pub time_us: u64,
}

/// What the bits of an id in a filter are made from.
#[derive(Debug, Clone, Copy)]
pub struct Probe(u64, u64);

impl Probe {
    /// Of an id.
    pub fn of(id: &EventId) -> Probe {
        let half = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&id.0[at..at + 8]);
            u64::from_be_bytes(word)
        };
        Probe(half(0), half(8) | 1)
    }

    /// The `i`th bit in a filter of `bits`, a power of two: segments are.
    fn bit(self, i: u64, bits: usize) -> usize {
        self.0.wrapping_add(self.1.wrapping_mul(i)) as usize & (bits - 1)
    }
}

/// The bytes of a sidecar file.
pub fn encode(c: &Contents<'_>) -> Vec<u8> {
    let count = c.offsets.len();
    let mut filter = vec![0u8; count * FILTER_BITS / 8];
    for id in c.ids.keys() {
        for i in 0..FILTER_PROBES {
            let bit = Probe::of(id).bit(i, count * FILTER_BITS);
            filter[bit / 8] |= 1 << (bit % 8);
        }
    }
    let mut out = MARKER.to_vec();
    out.extend_from_slice(&[0; 4]);
    for word in [c.first, count as u64, c.end, c.time_us] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    out.extend_from_slice(&c.head.0);
    out.extend_from_slice(&filter);
    let nodes = |level: usize| c.tree.level(level).iter().flat_map(|h| h.0);
    out.extend(nodes(TOP_LEVEL as usize));
    out.extend(nodes(0));
    out.extend(c.offsets.iter().flat_map(|o| o.to_be_bytes()));
    let mut ids: Vec<_> = c.ids.iter().collect();
    ids.sort_unstable();
    for (id, place) in ids {
        out.extend_from_slice(&id.0);
        out.extend_from_slice(&place.to_be_bytes());
    }
    let crc = crc32fast::hash(&out[12..]);
    out[8..12].copy_from_slice(&crc.to_be_bytes());
    out
}

impl Sidecar {
    /// Opens a sidecar file of the segment that begins at `first` with `count` entries and `end`
    /// bytes; nothing when it is not that, whole.
    pub fn open(file: Box<dyn DiskFile>, first: u64, count: u64, end: u64) -> Option<Sidecar> {
        let bytes = file.read_from(0).ok()?;
        let mut sidecar = Sidecar::parse(&bytes, first, count).filter(|s| s.end == end)?;
        sidecar.body = Body::File(file);
        Some(sidecar)
    }

    /// A sidecar that stays in memory.
    pub fn in_memory(bytes: Vec<u8>, first: u64, count: u64) -> Option<Sidecar> {
        let mut sidecar = Sidecar::parse(&bytes, first, count)?;
        sidecar.body = Body::Memory(bytes);
        Some(sidecar)
    }

    fn parse(bytes: &[u8], first: u64, count: u64) -> Option<Sidecar> {
        let (head, rest) = bytes.split_at_checked(HEAD)?;
        let word = |at: usize| head.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_be_bytes);
        let crc = u32::from_be_bytes(head[8..12].try_into().ok()?);
        if !head.starts_with(MARKER) || crc32fast::hash(&bytes[12..]) != crc {
            return None;
        }
        if (word(12)?, word(20)?) != (first, count) || bytes.len() as u64 != file_len(count) {
            return None;
        }
        let (filter, rest) = rest.split_at(count as usize * FILTER_BITS / 8);
        let tops = rest[..32 * (count as usize >> TOP_LEVEL)].chunks_exact(32).filter_map(Hash::from_slice).collect();
        let (end, time_us) = (word(28)?, word(36)?);
        let head = Hash::from_slice(&head[44..])?;
        Some(Sidecar { body: Body::Memory(Vec::new()), count, end, head, time_us, filter: filter.to_vec(), tops })
    }

    fn read(&self, at: u64, len: usize) -> Result<Vec<u8>, LedgerError> {
        let fail = |e: io::Error| LedgerError::Index { path: "a segment's index".into(), what: e.to_string() };
        match &self.body {
            Body::File(file) => file.read_at(at, len).map_err(fail),
            Body::Memory(bytes) => {
                let part = bytes.get(at as usize..).and_then(|b| b.get(..len));
                part.map(<[u8]>::to_vec).ok_or_else(|| fail(io::ErrorKind::UnexpectedEof.into()))
            }
        }
    }

    /// Where the leaves, the offsets and the ids begin.
    fn parts(&self) -> [u64; 3] {
        let leaves = HEAD as u64 + self.count * FILTER_BITS as u64 / 8 + 32 * (self.count >> TOP_LEVEL);
        [leaves, leaves + 32 * self.count, leaves + 40 * self.count]
    }

    /// Where a frame begins and ends in the segment.
    ///
    /// # Errors
    /// [`LedgerError::Index`].
    pub fn frame(&self, place: u64) -> Result<(u64, u64), LedgerError> {
        let last = place + 1 == self.count;
        let bytes = self.read(self.parts()[1] + 8 * place, if last { 8 } else { 16 })?;
        let mut words = bytes.chunks_exact(8).filter_map(|b| b.try_into().ok()).map(u64::from_be_bytes);
        let start = words.next().unwrap_or_default();
        Ok((start, words.next().unwrap_or(self.end)))
    }

    /// A full node of the segment's own tree.
    ///
    /// # Errors
    /// [`LedgerError::Index`].
    pub fn node(&self, level: u32, index: u64) -> Result<Hash, LedgerError> {
        let mut row: Vec<Hash> = if level >= TOP_LEVEL {
            let width = 1usize << (level - TOP_LEVEL);
            self.tops.iter().skip(index as usize * width).take(width).copied().collect()
        } else {
            let bytes = self.read(self.parts()[0] + ((32 * index) << level), 32 << level)?;
            bytes.chunks_exact(32).filter_map(Hash::from_slice).collect()
        };
        while row.len() > 1 {
            row = row.chunks_exact(2).map(|p| node_hash(&p[0], &p[1])).collect();
        }
        row.pop().ok_or_else(|| LedgerError::Index { path: "a segment's index".into(), what: "no such node".into() })
    }

    /// Leaves those of the numbered ids that may be in the segment; the others are not.
    ///
    /// Without branches that depend on a bit, so that many bits are fetched at once.
    pub fn retain_possible(&self, probes: &[Probe], possible: &mut Vec<usize>) {
        for i in 0..FILTER_PROBES {
            let mut kept = 0;
            for at in 0..possible.len() {
                let n = possible[at];
                let bit = probes[n].bit(i, self.filter.len() * 8);
                possible[kept] = n;
                kept += usize::from(self.filter[bit / 8] >> (bit % 8) & 1);
            }
            possible.truncate(kept);
        }
    }

    /// The place of an event id among the segment's sorted ones, whatever the filter says.
    ///
    /// # Errors
    /// [`LedgerError::Index`].
    pub fn find(&self, id: &EventId) -> Result<Option<u64>, LedgerError> {
        // Most ids are hashes, so the place is close to the id's share of all ids: one read finds it.
        let mut high_bits = [0; 8];
        high_bits.copy_from_slice(&id.0[..8]);
        let guess = ((u128::from(u64::from_be_bytes(high_bits)) * u128::from(self.count)) >> 64) as u64;
        let (low, high) = (guess.saturating_sub(NEAR), (guess + NEAR).min(self.count));
        let records = self.read(self.parts()[2] + ID as u64 * low, (high - low) as usize * ID)?;
        let records: Vec<&[u8]> = records.chunks_exact(ID).collect();
        let below = records.partition_point(|r| r[..16] < id.0[..]);
        match records.get(below) {
            Some(r) if r[..16] == id.0[..] => Ok(place(r)),
            Some(_) if below > 0 || low == 0 => Ok(None),
            Some(_) => self.search(id, 0, low),
            None if high == self.count => Ok(None),
            None => self.search(id, high, self.count),
        }
    }

    /// Searches an id among the sorted ones from `low` to `high`.
    fn search(&self, id: &EventId, mut low: u64, mut high: u64) -> Result<Option<u64>, LedgerError> {
        while low < high {
            let middle = low.midpoint(high);
            let found = self.read(self.parts()[2] + ID as u64 * middle, ID)?;
            match found[..16].cmp(&id.0[..]) {
                Ordering::Equal => return Ok(place(&found)),
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        Ok(None)
    }
}

/// The place that stands behind an id.
fn place(record: &[u8]) -> Option<u64> {
    record[16..].try_into().ok().map(|p| u64::from(u32::from_be_bytes(p)))
}

/// Bytes of a sidecar of `count` entries.
fn file_len(count: u64) -> u64 {
    HEAD as u64 + count * (FILTER_BITS as u64 / 8 + 32 + 8 + ID as u64) + 32 * (count >> TOP_LEVEL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::merkle::{Nodes as _, leaf_hash};

    /// A sidecar of ids that stand in one corner is searched past where they are expected.
    #[test]
    fn ids_that_are_no_hashes() {
        let n = 4096u32;
        let tree = Tree::from_leaves((0..n).map(|i| leaf_hash(&i.to_be_bytes())));
        let offsets: Vec<u64> = (0..u64::from(n)).collect();
        for corner in [0, 1, 2048, 4095, 4096] {
            let id = |i: u32| if i < corner { u128::from(i) * 2 } else { u128::MAX - u128::from(i) * 2 };
            let ids: HashMap<EventId, u32> = (0..n).map(|i| (EventId(id(i).to_be_bytes()), i)).collect();
            let contents = Contents {
                first: 0,
                tree: &tree,
                offsets: &offsets,
                ids: &ids,
                end: u64::from(n),
                head: Hash::ZERO,
                time_us: 7,
            };
            let s = Sidecar::in_memory(encode(&contents), 0, 4096).unwrap();
            for (id, place) in &ids {
                assert_eq!(s.find(id).unwrap(), Some(u64::from(*place)));
                let beside = EventId((u128::from_be_bytes(id.0) ^ 1).to_be_bytes());
                assert_eq!(s.find(&beside).unwrap(), None);
            }
        }
    }

    #[test]
    fn lookups_and_any_flipped_byte() {
        let n = 512u32;
        let tree = Tree::from_leaves((0..n).map(|i| leaf_hash(&i.to_be_bytes())));
        let offsets: Vec<u64> = (0..u64::from(n)).map(|i| 8 + 100 * i).collect();
        let ids: HashMap<EventId, u32> = (0..n).map(|i| (EventId::derived(&[&i.to_be_bytes()]), i)).collect();
        let contents = Contents {
            first: 1024,
            tree: &tree,
            offsets: &offsets,
            ids: &ids,
            end: 9000,
            head: Hash::ZERO,
            time_us: 7,
        };
        let bytes = encode(&contents);
        let s = Sidecar::in_memory(bytes.clone(), 1024, 512).unwrap();
        for level in 0..=9 {
            for i in 0..512 >> level {
                assert_eq!(s.node(level, i).unwrap(), tree.node(level, i).unwrap());
            }
        }
        for (id, place) in &ids {
            assert_eq!(s.find(id).unwrap(), Some(u64::from(*place)));
        }
        // The filter keeps everything that is there, and hardly anything else.
        let mine: Vec<Probe> = ids.keys().map(Probe::of).collect();
        let others: Vec<Probe> =
            (0..10_000u32).map(|i| Probe::of(&EventId::derived(&[b"x", &i.to_be_bytes()]))).collect();
        let kept = |probes: &[Probe]| {
            let mut possible = (0..probes.len()).collect();
            s.retain_possible(probes, &mut possible);
            possible.len()
        };
        assert_eq!(kept(&mine), mine.len());
        assert!(kept(&others) < 40, "{}", kept(&others));
        assert_eq!(s.find(&EventId::derived(&[b"none"])).unwrap(), None);
        for none in [[0; 16], [255; 16], [7; 16]] {
            assert_eq!(s.find(&EventId(none)).unwrap(), None);
        }
        assert_eq!((s.frame(0).unwrap(), s.frame(511).unwrap()), ((8, 108), (51_108, 9000)));
        for at in (0..bytes.len()).step_by(97) {
            let mut bad = bytes.clone();
            bad[at] ^= 4;
            assert!(Sidecar::in_memory(bad, 1024, 512).is_none(), "byte {at}");
        }
        assert!(Sidecar::in_memory(bytes[..bytes.len() - 1].to_vec(), 1024, 512).is_none());
    }
}
