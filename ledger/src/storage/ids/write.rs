//! A run written front to back from sorted ids.

use super::run::{BITS, BLOCK, BLOCKS, ENTRY, PIECE, PROBES, Probe, bucket_bits, file_name, head, parts};
use crate::format::entry::EventId;
use crate::storage::disk::{Disk, DiskFile, Open};
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
    temp: PathBuf,
    pub(super) first: u64,
    pub(super) segments: u64,
    count: u64,
    bits: u32,
    written: u64,
    bucket: u64,
    /// The records of the bucket that is being filled.
    filling: Vec<u8>,
    blocks: u64,
    block: [u8; BLOCK],
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
        let [directory, filter, records, _] = parts(count);
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
            filling: Vec::new(),
            blocks: 0,
            block: [0; BLOCK],
            directory: cursor(directory),
            filter: cursor(filter),
            records: cursor(records),
        })
    }

    fn close_buckets(&mut self, upto: u64) -> io::Result<()> {
        while self.bucket < upto {
            let mut entry = [0; ENTRY];
            entry[..8].copy_from_slice(&self.written.to_be_bytes());
            entry[8..].copy_from_slice(&crc32fast::hash(&self.filling).to_be_bytes());
            self.records.put(&*self.file, &self.filling)?;
            self.filling.clear();
            self.directory.put(&*self.file, &entry)?;
            self.bucket += 1;
        }
        Ok(())
    }

    fn close_blocks(&mut self, upto: u64) -> io::Result<()> {
        while self.blocks < upto {
            let crc = crc32fast::hash(&self.block[..BITS]);
            self.block[BITS..].copy_from_slice(&crc.to_be_bytes());
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
        self.directory.flush(&*self.file)?;
        self.filter.flush(&*self.file)?;
        self.records.flush(&*self.file)?;
        self.file.write_at(0, &head(self.first, self.segments, self.count))?;
        self.file.sync()?;
        let path = dir.join(file_name(self.first, self.segments));
        disk.rename(&self.temp, &path)?;
        Ok(path)
    }
}
