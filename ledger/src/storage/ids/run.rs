//! One run: a file of sorted ids over consecutive segments.
//!
//! Head and hash of the filter; a hash for each page of the directory; the directory of buckets by the ids'
//! first bits, each with its place and its hash; a filter of 64-byte blocks, in the order of the ids; then
//! records of an id and its place. All of it is written front to back from sorted ids. The log's key signs
//! the hash of what stands before the directory, so that whatever is read is compared with what was signed,
//! though only a page and a bucket of it are read.

use crate::error::LedgerError;
use crate::format::entry::EventId;
use crate::format::hash::Hash;
use crate::storage::disk::DiskFile;
use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock, PoisonError};

const MARKER: &[u8; 8] = b"ASYIDSX2";
const HEAD: usize = 8 + 8 + 8 + 8 + 4;
const HASH: usize = 32;
const RECORD: usize = 16 + 4;
/// Ids of a bucket, about.
const BUCKET: u64 = 128;
/// Of a bucket in the directory: number of its first record, number of its records, hash over them.
pub(super) const ENTRY: usize = 8 + 4 + HASH;
/// Buckets of a page of the directory.
pub(super) const PAGE: u64 = 64;
pub(super) const BLOCK: usize = 64;
/// Blocks of the filter for each bucket, which holds 128 to 256 ids: 16 to 32 bits for one, so fewer than one
/// false answer in two thousand. Each costs the reading of a page and a bucket.
pub(super) const BLOCKS: u64 = 8;
pub(super) const PROBES: u32 = 9;
/// A bucket of more records is searched without being read whole each time.
const CROWD: u64 = 4096;
/// Bytes that are written at a time.
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
        (self.low.wrapping_add(step.wrapping_mul(u64::from(i))) >> 20) as usize % (BLOCK * 8)
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

/// Where the parts of a file begin, and where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) pages: u64,
    pub(super) directory: u64,
    pub(super) filter: u64,
    pub(super) records: u64,
    pub(super) end: u64,
}

impl Parts {
    pub(super) fn of(count: u64) -> Parts {
        let buckets = 1u64 << bucket_bits(count);
        let pages = (HEAD + HASH) as u64;
        let directory = pages + buckets.div_ceil(PAGE) * HASH as u64;
        let filter = directory + buckets * ENTRY as u64;
        let records = filter + buckets * BLOCKS * BLOCK as u64;
        Parts { pages, directory, filter, records, end: records + count * RECORD as u64 }
    }
}

pub(super) fn head(first: u64, segments: u64, count: u64) -> [u8; HEAD] {
    let mut out = [0; HEAD];
    out[..8].copy_from_slice(MARKER);
    for (at, word) in [(8, first), (16, segments), (24, count)] {
        out[at..at + 8].copy_from_slice(&word.to_be_bytes());
    }
    out[32..].copy_from_slice(&bucket_bits(count).to_be_bytes());
    out
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
    parts: Parts,
    /// What the log's key signs of it.
    pub hash: Hash,
    filter_hash: Hash,
    /// Hashes of the directory's pages.
    pages: Vec<u8>,
    filter: OnceLock<Vec<u8>>,
    /// Crowded buckets that were compared with their hash.
    crowds: Mutex<BTreeSet<u64>>,
    /// This process wrote it: nothing of it is compared again while it is open.
    pub mine: bool,
}

/// A bucket, as the directory has it.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    begin: u64,
    count: u64,
    hash: Hash,
}

fn bucket(entry: &[u8]) -> Bucket {
    let hash = Hash::from_slice(&entry[12..]).unwrap_or(Hash::ZERO);
    Bucket { begin: word(entry, 0), count: u64::from(half(entry, 8)), hash }
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

impl Run {
    /// Opens the run that begins at `first` over `segments` segments; nothing when it is not that.
    pub fn open(file: Box<dyn DiskFile>, first: u64, segments: u64, per_segment: u64) -> Option<Run> {
        let count = segments.checked_mul(per_segment)?;
        let parts = Parts::of(count);
        let signed = file.read_at(0, parts.directory as usize).ok()?;
        let whole = signed.starts_with(&head(first, segments, count)) && file.len().ok()? == parts.end;
        whole.then(|| Run {
            file,
            first,
            segments,
            count,
            bits: bucket_bits(count),
            parts,
            hash: Hash::of(&signed),
            filter_hash: Hash::from_slice(&signed[HEAD..HEAD + HASH]).unwrap_or(Hash::ZERO),
            pages: signed[HEAD + HASH..].to_vec(),
            filter: OnceLock::new(),
            crowds: Mutex::new(BTreeSet::new()),
            mine: false,
        })
    }

    /// Bytes of its filter.
    pub fn filter_len(&self) -> usize {
        (self.parts.records - self.parts.filter) as usize
    }

    /// Keeps its filter in memory, if it is the one that was written. Gives whether it is there.
    pub fn load_filter(&self) -> bool {
        if self.filter.get().is_none() {
            let bytes = self.file.read_at(self.parts.filter, self.filter_len()).unwrap_or_default();
            if Hash::of(&bytes) == self.filter_hash {
                let _ = self.filter.set(bytes);
            }
        }
        self.filter.get().is_some()
    }

    /// Whether it may hold an id. Without its filter in memory it may hold any: a bucket is read as fast.
    fn may_hold(&self, probe: &Probe) -> bool {
        let at = probe.block(self.bits) as usize * BLOCK;
        self.filter.get().is_none_or(|filter| probe.is_in(&filter[at..at + BLOCK]))
    }

    /// Adds the numbers of those probes that it may hold.
    pub fn possible(&self, probes: &[Probe], out: &mut Vec<usize>) {
        out.extend(probes.iter().enumerate().filter(|(_, probe)| self.may_hold(probe)).map(|(n, _)| n));
    }

    /// The buckets of a page of the directory.
    fn page(&self, page: u64) -> Result<Vec<u8>, LedgerError> {
        let (first, buckets) = (page * PAGE, 1u64 << self.bits);
        let len = PAGE.min(buckets.saturating_sub(first)) as usize * ENTRY;
        let bytes = self.file.read_at(self.parts.directory + first * ENTRY as u64, len).map_err(fail)?;
        let signed = self.pages.get(page as usize * HASH..(page as usize + 1) * HASH);
        if self.mine || signed == Some(&Hash::of(&bytes).0[..]) {
            return Ok(bytes);
        }
        Err(fail(format!("page {page} of their directory is not the one that was written")))
    }

    /// The records of a bucket.
    fn records_of(&self, b: &Bucket) -> Result<Vec<u8>, LedgerError> {
        let at = self.parts.records + b.begin * RECORD as u64;
        let bytes = self.file.read_at(at, b.count as usize * RECORD).map_err(fail)?;
        if self.mine || Hash::of(&bytes) == b.hash { Ok(bytes) } else { Err(fail(damaged_bucket(b))) }
    }

    /// The place of an id.
    ///
    /// # Errors
    /// [`LedgerError::Index`] for what is not as it was written.
    pub fn find(&self, id: &EventId, probe: &Probe) -> Result<Option<u64>, LedgerError> {
        if !self.may_hold(probe) {
            return Ok(None);
        }
        let number = probe.bucket(self.bits);
        let page = self.page(number / PAGE)?;
        let inside = (number % PAGE) as usize * ENTRY;
        let mine = bucket(&page[inside..inside + ENTRY]);
        if mine.count > CROWD {
            return self.search(id, number, &mine);
        }
        let bytes = self.records_of(&mine)?;
        let (mut low, mut high) = (0, mine.count as usize);
        while low < high {
            let middle = low.midpoint(high);
            if bytes[middle * RECORD..middle * RECORD + 16] < id.0[..] { low = middle + 1 } else { high = middle }
        }
        let found = bytes.get(low * RECORD..(low + 1) * RECORD).map(record);
        Ok(found.filter(|r| r.0 == *id).map(|r| u64::from(r.1)))
    }

    /// Searches an id in a crowded bucket, whose hash is compared once: ids that are no hashes crowd one.
    fn search(&self, id: &EventId, number: u64, b: &Bucket) -> Result<Option<u64>, LedgerError> {
        let begin = self.parts.records + b.begin * RECORD as u64;
        let mut known = self.crowds.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains(&number) {
            let read = |at: u64, len: usize| self.file.read_at(begin + at, len);
            if Hash::of_pieces(b.count * RECORD as u64, read).map_err(fail)? != b.hash {
                return Err(fail(damaged_bucket(b)));
            }
            known.insert(number);
        }
        drop(known);
        let at = |n: u64| self.file.read_at(begin + n * RECORD as u64, RECORD).map(|b| record(&b)).map_err(fail);
        let (mut low, mut high) = (0, b.count);
        while low < high {
            let middle = low.midpoint(high);
            if at(middle)?.0 < *id { low = middle + 1 } else { high = middle }
        }
        if low == b.count {
            return Ok(None);
        }
        let found = at(low)?;
        Ok((found.0 == *id).then_some(u64::from(found.1)))
    }

    /// Its records in order, read a page's buckets at a time.
    pub fn records(&self) -> Records<'_> {
        Records { run: self, page: 0, piece: Vec::new(), at: 0 }
    }
}

fn damaged_bucket(b: &Bucket) -> String {
    format!("their records from {} on are not those that were written", b.begin)
}

/// The records of a run, in order, compared with what was written.
#[derive(Debug)]
pub struct Records<'a> {
    run: &'a Run,
    page: u64,
    piece: Vec<u8>,
    at: usize,
}

impl Records<'_> {
    /// The next one.
    ///
    /// # Errors
    /// [`LedgerError::Index`] for what is not as it was written.
    pub fn next(&mut self) -> Result<Option<(EventId, u32)>, LedgerError> {
        while self.at == self.piece.len() && self.page * PAGE < 1 << self.run.bits {
            self.read()?;
        }
        let found = self.piece.get(self.at..self.at + RECORD).map(record);
        self.at += found.map_or(0, |_| RECORD);
        Ok(found)
    }

    fn read(&mut self) -> Result<(), LedgerError> {
        let page = self.run.page(self.page)?;
        let buckets: Vec<Bucket> = page.chunks_exact(ENTRY).map(bucket).collect();
        let begin = buckets.first().map_or(0, |b| b.begin);
        let count: u64 = buckets.iter().map(|b| b.count).sum();
        let at = self.run.parts.records + begin * RECORD as u64;
        self.piece = self.run.file.read_at(at, count as usize * RECORD).map_err(fail)?;
        for b in &buckets {
            let from = b.begin.saturating_sub(begin) as usize * RECORD;
            let mine = self.piece.get(from..from + b.count as usize * RECORD).unwrap_or_default();
            if !self.run.mine && Hash::of(mine) != b.hash {
                return Err(fail(damaged_bucket(b)));
            }
        }
        (self.page, self.at) = (self.page + 1, 0);
        Ok(())
    }
}
