//! One run: a file of sorted ids over consecutive segments.
//!
//! Head; a directory of buckets by the ids' first bits, each with its end and its checksum; a filter of
//! 64-byte blocks, in the order of the ids, each with a checksum; then records of an id and its place.
//! All of it is written front to back from sorted ids, and read a bucket or a block at a time.

use crate::error::LedgerError;
use crate::format::entry::EventId;
use crate::format::hash::Hash;
use crate::storage::disk::DiskFile;
use std::io;
use std::sync::OnceLock;

const MARKER: &[u8; 8] = b"ASYIDSX1";
const HEAD: u64 = 8 + 8 + 8 + 8 + 4 + 4;
const RECORD: usize = 16 + 4;
/// Ids of a bucket, about.
const BUCKET: u64 = 128;
pub(super) const ENTRY: usize = 8 + 4;
pub(super) const BLOCK: usize = 64;
/// Bytes of a block that hold bits; the rest is its checksum.
pub(super) const BITS: usize = 60;
/// Blocks of the filter for each bucket: about 15 bits for an id, one false answer in some hundreds.
pub(super) const BLOCKS: u64 = 4;
pub(super) const PROBES: u32 = 6;
/// A bucket of more records is searched without being read whole.
const CROWD: u64 = 4096;
/// Bytes that are written or read at a time.
pub(super) const PIECE: usize = 64 << 10;

/// The name of a run's file.
pub fn file_name(first: u64, segments: u64) -> String {
    format!("{first:020}-{segments}.ids")
}

/// Reads the name of a run's file.
pub fn parse_name(name: &str) -> Option<(u64, u64)> {
    let (first, segments) = name.strip_suffix(".ids")?.split_once('-')?;
    let (first, segments) = (first.parse().ok()?, segments.parse().ok()?);
    (segments > 0 && file_name(first, segments) == name).then_some((first, segments))
}

/// What an id is looked for by.
#[derive(Debug, Clone, Copy)]
pub struct Probe {
    high: u64,
    low: u64,
}

impl Probe {
    /// Of an id.
    pub fn of(id: &EventId) -> Probe {
        let half = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&id.0[at..at + 8]);
            u64::from_be_bytes(word)
        };
        Probe { high: half(0), low: half(8) }
    }

    pub(super) fn bucket(&self, bits: u32) -> u64 {
        if bits == 0 { 0 } else { self.high >> (64 - bits) }
    }

    pub(super) fn block(&self, bits: u32) -> u64 {
        self.bucket(bits + BLOCKS.trailing_zeros())
    }

    pub(super) fn bit(&self, i: u32) -> usize {
        // The second half is a hash of its own, and the first one's low bits are not used elsewhere.
        let step = self.high.rotate_left(32) | 1;
        (self.low.wrapping_add(step.wrapping_mul(u64::from(i))) >> 20) as usize % (BITS * 8)
    }

    fn is_in(&self, block: &[u8]) -> bool {
        (0..PROBES).all(|i| {
            let bit = self.bit(i);
            block[bit / 8] >> (bit % 8) & 1 == 1
        })
    }
}

/// Bits by which ids are put into buckets, for so many ids.
pub(super) fn bucket_bits(count: u64) -> u32 {
    (count / BUCKET).max(1).ilog2()
}

/// An open run.
#[derive(Debug)]
pub struct Run {
    file: Box<dyn DiskFile>,
    /// Sequence number of its first entry.
    pub first: u64,
    /// Segments that it covers.
    pub segments: u64,
    /// Ids in it.
    pub count: u64,
    bits: u32,
    filter: OnceLock<Vec<u8>>,
    /// The hash that its file must have.
    pub hash: Hash,
    sound: OnceLock<bool>,
}

/// The hash over a file, read a piece at a time.
///
/// # Errors
/// The system's.
pub fn hash(file: &dyn DiskFile) -> io::Result<Hash> {
    Hash::of_pieces(file.len()?, |at, len| file.read_at(at, len))
}

/// Where the directory, the filter and the records begin, and where the file ends.
pub(super) fn parts(count: u64) -> [u64; 4] {
    let buckets = 1u64 << bucket_bits(count);
    let filter = HEAD + buckets * ENTRY as u64;
    let records = filter + buckets * BLOCKS * BLOCK as u64;
    [HEAD, filter, records, records + count * RECORD as u64]
}

pub(super) fn head(first: u64, segments: u64, count: u64) -> [u8; HEAD as usize] {
    let mut out = [0; HEAD as usize];
    out[..8].copy_from_slice(MARKER);
    for (at, word) in [(8, first), (16, segments), (24, count)] {
        out[at..at + 8].copy_from_slice(&word.to_be_bytes());
    }
    out[32..36].copy_from_slice(&bucket_bits(count).to_be_bytes());
    let crc = crc32fast::hash(&out[..36]);
    out[36..].copy_from_slice(&crc.to_be_bytes());
    out
}

fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_be_bytes)
}

fn half(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_be_bytes)
}

fn record(bytes: &[u8]) -> (EventId, u32) {
    let mut id = [0; 16];
    id.copy_from_slice(&bytes[..16]);
    (EventId(id), half(bytes, 16))
}

fn fail(e: impl ToString) -> LedgerError {
    LedgerError::Index { path: "the ids".into(), what: e.to_string() }
}

fn whole_block(block: &[u8]) -> bool {
    crc32fast::hash(&block[..BITS]) == half(block, BITS)
}

impl Run {
    /// Opens the run that begins at `first` over `segments` segments; nothing when it is not that.
    pub fn open(file: Box<dyn DiskFile>, first: u64, segments: u64, per_segment: u64, hash: Hash) -> Option<Run> {
        let count = segments.checked_mul(per_segment)?;
        let known = file.read_at(0, HEAD as usize).ok()?;
        let whole = known == head(first, segments, count) && file.len().ok()? == parts(count)[3];
        let (filter, sound) = (OnceLock::new(), OnceLock::new());
        whole.then(|| Run { file, first, segments, count, bits: bucket_bits(count), filter, hash, sound })
    }

    /// Whether its file is the one that was vouched for.
    pub fn is_sound(&self) -> bool {
        *self.sound.get_or_init(|| hash(&*self.file).is_ok_and(|hash| hash == self.hash))
    }

    /// Bytes of its filter.
    pub fn filter_len(&self) -> usize {
        let [_, filter, records, _] = parts(self.count);
        (records - filter) as usize
    }

    /// Keeps its filter in memory, if it is whole. Gives whether it is there.
    pub fn load_filter(&self) -> bool {
        if self.filter.get().is_none() {
            let bytes = self.file.read_at(parts(self.count)[1], self.filter_len()).unwrap_or_default();
            let whole = !bytes.is_empty() && bytes.chunks_exact(BLOCK).all(whole_block);
            if whole {
                let _ = self.filter.set(bytes);
            }
        }
        self.filter.get().is_some()
    }

    fn may_hold(&self, probe: &Probe) -> Result<bool, LedgerError> {
        let at = probe.block(self.bits) * BLOCK as u64;
        if let Some(filter) = self.filter.get() {
            return Ok(probe.is_in(&filter[at as usize..at as usize + BLOCK]));
        }
        let block = self.file.read_at(parts(self.count)[1] + at, BLOCK).map_err(fail)?;
        // A filter that is damaged keeps nothing away.
        Ok(!whole_block(&block) || probe.is_in(&block))
    }

    /// Adds the numbers of those probes that it may hold.
    ///
    /// # Errors
    /// [`LedgerError::Index`].
    pub fn possible(&self, probes: &[Probe], out: &mut Vec<usize>) -> Result<(), LedgerError> {
        for (n, probe) in probes.iter().enumerate() {
            if self.may_hold(probe)? {
                out.push(n);
            }
        }
        Ok(())
    }

    /// The place of an id.
    ///
    /// # Errors
    /// [`LedgerError::Index`].
    pub fn find(&self, id: &EventId, probe: &Probe) -> Result<Option<u64>, LedgerError> {
        if !self.may_hold(probe)? {
            return Ok(None);
        }
        let bucket = probe.bucket(self.bits);
        let [directory, _, records, _] = parts(self.count);
        let skip = bucket.saturating_sub(1);
        let entries = self.file.read_at(directory + skip * ENTRY as u64, (bucket - skip + 1) as usize * ENTRY);
        let entries = entries.map_err(fail)?;
        let start = if bucket == 0 { 0 } else { word(&entries, 0) };
        let mine = &entries[entries.len() - ENTRY..];
        let (end, crc) = (word(mine, 0), half(mine, 8));
        if start > end || end > self.count {
            return Err(fail("its directory is damaged"));
        }
        if end - start > CROWD {
            return self.search(id, start, end);
        }
        let bytes =
            self.file.read_at(records + start * RECORD as u64, (end - start) as usize * RECORD).map_err(fail)?;
        if crc32fast::hash(&bytes) != crc {
            return Err(fail(format!("its bucket {bucket} is damaged")));
        }
        let (mut low, mut high) = (0, (end - start) as usize);
        while low < high {
            let middle = low.midpoint(high);
            if bytes[middle * RECORD..middle * RECORD + 16] < id.0[..] { low = middle + 1 } else { high = middle }
        }
        let found = bytes.get(low * RECORD..(low + 1) * RECORD).map(record);
        Ok(found.filter(|r| r.0 == *id).map(|r| u64::from(r.1)))
    }

    /// Searches an id among the records from `low` to `high`: ids that are no hashes crowd one bucket.
    fn search(&self, id: &EventId, mut low: u64, mut high: u64) -> Result<Option<u64>, LedgerError> {
        let records = parts(self.count)[2];
        let at = |n: u64| self.file.read_at(records + n * RECORD as u64, RECORD).map(|b| record(&b)).map_err(fail);
        let end = high;
        while low < high {
            let middle = low.midpoint(high);
            if at(middle)?.0 < *id { low = middle + 1 } else { high = middle }
        }
        if low == end {
            return Ok(None);
        }
        let found = at(low)?;
        Ok((found.0 == *id).then_some(u64::from(found.1)))
    }

    /// Its records in order, read a piece at a time.
    pub fn records(&self) -> Records<'_> {
        Records { run: self, next: 0, piece: Vec::new(), at: 0 }
    }
}

/// The records of a run, in order.
#[derive(Debug)]
pub struct Records<'a> {
    run: &'a Run,
    next: u64,
    piece: Vec<u8>,
    at: usize,
}

impl Records<'_> {
    /// The next one.
    ///
    /// # Errors
    /// The system's.
    pub fn next(&mut self) -> io::Result<Option<(EventId, u32)>> {
        if self.at == self.piece.len() {
            let count = (self.run.count - self.next).min((PIECE / RECORD) as u64);
            let begin = parts(self.run.count)[2] + self.next * RECORD as u64;
            self.piece = self.run.file.read_at(begin, count as usize * RECORD)?;
            (self.next, self.at) = (self.next + count, 0);
        }
        let found = self.piece.get(self.at..self.at + RECORD).map(record);
        self.at += found.map_or(0, |_| RECORD);
        Ok(found)
    }
}
