//! A run written front to back from sorted ids.

use super::run::{BLOCK, BLOCKS, PAGE, PIECE, PROBES, Parts, Probe, bucket_bits, file_name, head};
use crate::format::entry::EventId;
use crate::format::hash::Hash;
use crate::storage::disk::{Disk, DiskFile, Open};
use sha2::{Digest as _, Sha256};
use std::io;
use std::path::{Path, PathBuf};

/// A part of a file that is written front to back.
#[derive(Debug)]
struct Cursor {
    at: u64,
    buffer: Vec<u8>,
}

impl Cursor {
    fn put(&mut self, file: &dyn DiskFile, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE { self.flush(file) } else { Ok(()) }
    }

    fn flush(&mut self, file: &dyn DiskFile) -> io::Result<()> {
        file.write_at(self.at, &self.buffer)?;
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// Writes a run from sorted ids.
#[derive(Debug)]
pub struct Writer {
    file: Box<dyn DiskFile>,
    pub(super) temp: PathBuf,
    pub(super) first: u64,
    pub(super) segments: u64,
    count: u64,
    bits: u32,
    written: u64,
    bucket: u64,
    /// Number of the first record of the bucket that is being filled.
    begun: u64,
    /// The records of the bucket that is being filled.
    filling: Vec<u8>,
    blocks: u64,
    block: [u8; BLOCK],
    /// The page of the directory that is being filled, and the hashes of those before it.
    page: Vec<u8>,
    pages: Vec<u8>,
    filter_hash: Sha256,
    directory: Cursor,
    filter: Cursor,
    records: Cursor,
}

impl Writer {
    /// Begins a run of `count` ids.
    ///
    /// # Errors
    /// The system's.
    pub fn create(disk: &dyn Disk, dir: &Path, first: u64, segments: u64, count: u64) -> io::Result<Writer> {
        let temp = dir.join(format!("{}-{}", file_name(first, segments), std::process::id()));
        let file = disk.open(&temp, Open::Replace)?;
        let Parts { directory, filter, records, .. } = Parts::of(count);
        let cursor = |at| Cursor { at, buffer: Vec::new() };
        Ok(Writer {
            file,
            temp,
            first,
            segments,
            count,
            bits: bucket_bits(count),
            written: 0,
            bucket: 0,
            begun: 0,
            filling: Vec::new(),
            blocks: 0,
            block: [0; BLOCK],
            page: Vec::new(),
            pages: Vec::new(),
            filter_hash: Sha256::new(),
            directory: cursor(directory),
            filter: cursor(filter),
            records: cursor(records),
        })
    }

    fn close_buckets(&mut self, upto: u64) -> io::Result<()> {
        while self.bucket < upto {
            let count = self.written - self.begun;
            self.page.extend_from_slice(&self.begun.to_be_bytes());
            self.page.extend_from_slice(&(count as u32).to_be_bytes());
            self.page.extend_from_slice(&Hash::of(&self.filling).0);
            self.records.put(&*self.file, &self.filling)?;
            self.filling.clear();
            (self.begun, self.bucket) = (self.written, self.bucket + 1);
            if self.bucket.is_multiple_of(PAGE) {
                self.close_page()?;
            }
        }
        Ok(())
    }

    fn close_page(&mut self) -> io::Result<()> {
        if !self.page.is_empty() {
            self.pages.extend_from_slice(&Hash::of(&self.page).0);
            self.directory.put(&*self.file, &self.page)?;
            self.page.clear();
        }
        Ok(())
    }

    fn close_blocks(&mut self, upto: u64) -> io::Result<()> {
        while self.blocks < upto {
            self.filter_hash.update(self.block);
            self.filter.put(&*self.file, &self.block)?;
            self.block = [0; BLOCK];
            self.blocks += 1;
        }
        Ok(())
    }

    /// Adds the next id, which is not before the last one.
    ///
    /// # Errors
    /// The system's.
    pub fn push(&mut self, id: &EventId, place: u32) -> io::Result<()> {
        let probe = Probe::of(id);
        self.close_buckets(probe.bucket(self.bits))?;
        self.close_blocks(probe.block(self.bits))?;
        for i in 0..PROBES {
            let bit = probe.bit(i);
            self.block[bit / 8] |= 1 << (bit % 8);
        }
        self.filling.extend_from_slice(&id.0);
        self.filling.extend_from_slice(&place.to_be_bytes());
        self.written += 1;
        Ok(())
    }

    /// Puts the run in its place.
    ///
    /// # Errors
    /// The system's; ids that are not as many as were said.
    pub fn finish(mut self, disk: &dyn Disk, dir: &Path) -> io::Result<PathBuf> {
        if self.written != self.count {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.close_buckets(1 << self.bits)?;
        self.close_blocks(BLOCKS << self.bits)?;
        self.close_page()?;
        self.directory.flush(&*self.file)?;
        self.filter.flush(&*self.file)?;
        self.records.flush(&*self.file)?;
        let mut signed = head(self.first, self.segments, self.count).to_vec();
        signed.extend_from_slice(&self.filter_hash.finalize());
        signed.extend_from_slice(&self.pages);
        self.file.write_at(0, &signed)?;
        self.file.sync()?;
        let path = dir.join(file_name(self.first, self.segments));
        disk.rename(&self.temp, &path)?;
        Ok(path)
    }
}
