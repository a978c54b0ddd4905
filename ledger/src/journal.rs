//! The journal: plain append-only segment files, one `fdatasync` per group of entries.
//!
//! An acknowledgement comes from here. Segment `N.seg` begins with eight marker bytes; each frame
//! is u32 length, u32 CRC-32 of length and bytes, then the entry's bytes (see `FORMAT.md`).

use crate::entry::MAX_ENTRY;
use crate::error::LedgerError;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// The first bytes of a segment.
pub const SEGMENT_MARKER: &[u8; 8] = b"ASYJRNL1";
/// A segment that has grown past this is followed by a new one.
pub const SEGMENT_BYTES: u64 = 64 << 20;
const FRAME_HEAD: usize = 8;

/// Where an entry's bytes lie.
#[derive(Debug, Clone, Copy)]
struct Place {
    segment: u32,
    offset: u32,
    len: u32,
}

/// What reading the segments found at their end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tail {
    /// The last frame is whole.
    Clean,
    /// The last frame is torn: this many bytes after the last whole one.
    Torn(u64),
}

/// The segment files of one log and where each entry lies in them.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    segments: Vec<PathBuf>,
    places: Vec<Place>,
    /// Length of the valid part of the last segment.
    end: u64,
    writer: Option<File>,
    segment_bytes: u64,
}

fn segment_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.seg"))
}

fn crc(len: &[u8; 4], bytes: &[u8]) -> u32 {
    let mut h = crc32fast::Hasher::new();
    h.update(len);
    h.update(bytes);
    h.finalize()
}

/// One step of reading a segment.
enum Frame<'a> {
    Whole(&'a [u8]),
    End,
    Bad(&'static str),
}

fn next_frame(bytes: &[u8]) -> Frame<'_> {
    if bytes.is_empty() {
        return Frame::End;
    }
    let Some((head, rest)) = bytes.split_first_chunk::<FRAME_HEAD>() else { return Frame::Bad("a torn frame head") };
    let len_bytes = [head[0], head[1], head[2], head[3]];
    let len = u32::from_be_bytes(len_bytes) as usize;
    if len == 0 || len > MAX_ENTRY {
        return Frame::Bad("an impossible frame length");
    }
    let Some(entry) = rest.get(..len) else { return Frame::Bad("a torn frame") };
    if crc(&len_bytes, entry).to_be_bytes() != head[4..] {
        return Frame::Bad("a frame whose checksum is wrong");
    }
    Frame::Whole(entry)
}

/// True when whole frames follow damage: then it is damage in the middle, not a torn tail.
fn frames_follow(bytes: &[u8]) -> bool {
    (1..bytes.len().min(2 * MAX_ENTRY)).any(|at| {
        bytes[at..].get(FRAME_HEAD..FRAME_HEAD + 4) == Some(crate::entry::MARKER)
            && matches!(next_frame(&bytes[at..]), Frame::Whole(_))
    })
}

impl Journal {
    /// Makes an empty journal in a new folder.
    ///
    /// # Errors
    /// [`LedgerError::Io`].
    pub fn create(dir: &Path) -> Result<Journal, LedgerError> {
        std::fs::create_dir(dir).map_err(LedgerError::io("create", dir))?;
        if let Some(parent) = dir.parent() {
            sync_dir(parent)?;
        }
        Ok(Journal::empty(dir))
    }

    fn empty(dir: &Path) -> Journal {
        Journal {
            dir: dir.into(),
            segments: Vec::new(),
            places: Vec::new(),
            end: 0,
            writer: None,
            segment_bytes: SEGMENT_BYTES,
        }
    }

    /// Sets the size at which a new segment begins.
    pub fn with_segment_bytes(mut self, bytes: u64) -> Journal {
        self.segment_bytes = bytes;
        self
    }

    /// A journal whose segments are still to be read with [`Journal::read_on`].
    ///
    /// # Errors
    /// [`LedgerError::Missing`] when there is no such folder.
    pub fn unread(dir: &Path) -> Result<Journal, LedgerError> {
        if dir.is_dir() { Ok(Journal::empty(dir)) } else { Err(LedgerError::Missing { path: dir.into() }) }
    }

    /// Reads the segments on from where it stands, giving every entry's bytes to `each` in order.
    ///
    /// # Errors
    /// [`LedgerError::JournalDamaged`] for damage that is not a torn tail; whatever `each` fails with.
    pub fn read_on(
        &mut self,
        mut each: impl FnMut(u64, &[u8]) -> Result<(), LedgerError>,
    ) -> Result<Tail, LedgerError> {
        let listed = list_segments(&self.dir)?;
        let mut tail = Tail::Clean;
        for (i, (first, path)) in listed.iter().enumerate() {
            if i + 1 < self.segments.len() {
                continue;
            }
            if i == self.segments.len() {
                if *first != self.places.len() as u64 {
                    let what = format!("it begins at entry {first}, but the one before ends at {}", self.places.len());
                    return Err(self.damaged(path, 0, what));
                }
                self.segments.push(path.clone());
                self.end = 0;
                self.writer = None;
            }
            let last = i + 1 == listed.len();
            tail = self.read_segment(i, last, &mut each)?;
        }
        Ok(tail)
    }

    fn damaged(&self, path: &Path, offset: u64, what: String) -> LedgerError {
        LedgerError::JournalDamaged { path: path.into(), offset, what }
    }

    fn read_segment(
        &mut self,
        index: usize,
        last: bool,
        each: &mut impl FnMut(u64, &[u8]) -> Result<(), LedgerError>,
    ) -> Result<Tail, LedgerError> {
        let path = self.segments[index].clone();
        let mut file = File::open(&path).map_err(LedgerError::io("open", &path))?;
        file.seek(SeekFrom::Start(self.end)).map_err(LedgerError::io("read", &path))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(LedgerError::io("read", &path))?;
        let mut at = 0;
        if self.end == 0 {
            if bytes.len() < SEGMENT_MARKER.len() && last {
                return Ok(Tail::Torn(bytes.len() as u64));
            }
            if !bytes.starts_with(SEGMENT_MARKER) {
                return Err(self.damaged(&path, 0, "it does not begin with the segment marker".into()));
            }
            at = SEGMENT_MARKER.len();
        }
        loop {
            match next_frame(&bytes[at..]) {
                Frame::Whole(entry) => {
                    each(self.places.len() as u64, entry)?;
                    let offset = (self.end + at as u64) as u32 + FRAME_HEAD as u32;
                    self.places.push(Place { segment: index as u32, offset, len: entry.len() as u32 });
                    at += FRAME_HEAD + entry.len();
                }
                Frame::End => break,
                Frame::Bad(what) if !last || frames_follow(&bytes[at..]) => {
                    return Err(self.damaged(&path, self.end + at as u64, what.into()));
                }
                Frame::Bad(_) => {
                    let torn = (bytes.len() - at) as u64;
                    self.end += at as u64;
                    return Ok(Tail::Torn(torn));
                }
            }
        }
        self.end += at as u64;
        Ok(Tail::Clean)
    }

    /// Number of whole entries.
    pub fn len(&self) -> u64 {
        self.places.len() as u64
    }

    /// True without entries.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// An entry's bytes.
    ///
    /// # Errors
    /// [`LedgerError::Io`].
    pub fn get(&self, seq: u64) -> Result<Option<Vec<u8>>, LedgerError> {
        let Some(place) = self.places.get(seq as usize) else { return Ok(None) };
        let path = &self.segments[place.segment as usize];
        let mut bytes = vec![0; place.len as usize];
        let file = File::open(path).map_err(LedgerError::io("open", path))?;
        file.read_exact_at(&mut bytes, u64::from(place.offset)).map_err(LedgerError::io("read", path))?;
        Ok(Some(bytes))
    }

    /// Cuts off a torn tail (its bytes are kept beside the segment as `.torn-N`), so that the next append follows the last whole entry. Only bytes
    /// that were never acknowledged can be torn: an acknowledgement follows the sync of all.
    ///
    /// # Errors
    /// [`LedgerError::Io`].
    pub fn cut_torn_tail(&mut self) -> Result<(), LedgerError> {
        let Some(path) = self.segments.last() else { return Ok(()) };
        let file = OpenOptions::new().write(true).open(path).map_err(LedgerError::io("open", path))?;
        if self.end == 0 {
            // A crash while the segment was created: write the marker again.
            file.write_all_at(SEGMENT_MARKER, 0).map_err(LedgerError::io("write", path))?;
            self.end = SEGMENT_MARKER.len() as u64;
        }
        let mut torn = vec![0; file.metadata().map_or(0, |m| m.len().saturating_sub(self.end)) as usize];
        let reader = File::open(path).map_err(LedgerError::io("open", path))?;
        reader.read_exact_at(&mut torn, self.end).map_err(LedgerError::io("read", path))?;
        let aside = (1..).map(|n| path.with_extension(format!("torn-{n}"))).find(|p| !p.exists());
        if let Some(aside) = aside.filter(|_| !torn.is_empty()) {
            std::fs::write(&aside, &torn).map_err(LedgerError::io("write", &aside))?;
        }
        file.set_len(self.end).and_then(|()| file.sync_all()).map_err(LedgerError::io("cut", path))?;
        self.writer = None;
        Ok(())
    }

    /// Makes durable what is in the last segment, whoever wrote it: frames that a killed writer left
    /// in the page cache were not synced by anybody.
    ///
    /// # Errors
    /// [`LedgerError::Io`].
    pub fn sync_last(&self) -> Result<(), LedgerError> {
        let Some(path) = self.segments.last() else { return Ok(()) };
        File::open(path).and_then(|f| f.sync_data()).map_err(LedgerError::io("sync", path))?;
        sync_dir(&self.dir)
    }

    /// Appends entries with one write and one `fdatasync`. When this returns, they are durable.
    ///
    /// A crash before the sync leaves a torn tail or nothing; after it, everything.
    ///
    /// # Errors
    /// [`LedgerError::Io`]; after a failed write or sync the journal must not be used again.
    pub fn append(&mut self, entries: &[&[u8]]) -> Result<(), LedgerError> {
        if self.segments.is_empty() || self.end >= self.segment_bytes {
            self.begin_segment()?;
        }
        let segment = self.segments.len() - 1;
        let path = self.segments[segment].clone();
        let mut buffer = Vec::with_capacity(entries.iter().map(|e| e.len() + FRAME_HEAD).sum());
        let mut places = Vec::with_capacity(entries.len());
        for entry in entries {
            let len = (entry.len() as u32).to_be_bytes();
            buffer.extend_from_slice(&len);
            buffer.extend_from_slice(&crc(&len, entry).to_be_bytes());
            let offset = (self.end + buffer.len() as u64) as u32;
            places.push(Place { segment: segment as u32, offset, len: entry.len() as u32 });
            buffer.extend_from_slice(entry);
        }
        let writer = match self.writer.take() {
            Some(writer) => writer,
            None => OpenOptions::new().write(true).open(&path).map_err(LedgerError::io("open", &path))?,
        };
        // Always at our own end: another process may have appended since this file was opened.
        writer.write_all_at(&buffer, self.end).map_err(LedgerError::io("write", &path))?;
        writer.sync_data().map_err(LedgerError::io("sync", &path))?;
        self.writer = Some(writer);
        self.end += buffer.len() as u64;
        self.places.append(&mut places);
        Ok(())
    }

    fn begin_segment(&mut self) -> Result<(), LedgerError> {
        let path = segment_path(&self.dir, self.len());
        let mut file =
            OpenOptions::new().write(true).create_new(true).open(&path).map_err(LedgerError::io("create", &path))?;
        file.write_all(SEGMENT_MARKER).and_then(|()| file.sync_all()).map_err(LedgerError::io("write", &path))?;
        sync_dir(&self.dir)?;
        self.segments.push(path);
        self.end = SEGMENT_MARKER.len() as u64;
        self.writer = Some(file);
        Ok(())
    }

    /// Bytes of all segments.
    pub fn bytes_on_disk(&self) -> u64 {
        self.segments.iter().filter_map(|p| std::fs::metadata(p).ok()).map(|m| m.len()).sum()
    }
}

fn list_segments(dir: &Path) -> Result<Vec<(u64, PathBuf)>, LedgerError> {
    let mut out = Vec::new();
    for item in std::fs::read_dir(dir).map_err(LedgerError::io("list", dir))? {
        let path = item.map_err(LedgerError::io("list", dir))?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if let Some(first) = name.strip_suffix(".seg").filter(|n| n.len() == 20).and_then(|n| n.parse().ok()) {
            out.push((first, path));
        }
    }
    out.sort();
    Ok(out)
}

/// Makes a folder's entries durable.
///
/// # Errors
/// [`LedgerError::Io`].
pub fn sync_dir(dir: &Path) -> Result<(), LedgerError> {
    File::open(dir).and_then(|f| f.sync_all()).map_err(LedgerError::io("sync", dir))
}

/// Replaces a small file so that a crash leaves the old or the new one, never a half: write a
/// temporary file, sync it, rename, sync the folder.
///
/// # Errors
/// [`LedgerError::Io`].
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), LedgerError> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let temp = path.with_extension("tmp");
    let mut file = File::create(&temp).map_err(LedgerError::io("create", &temp))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(LedgerError::io("write", &temp))?;
    std::fs::rename(&temp, path).map_err(LedgerError::io("rename", path))?;
    sync_dir(dir)
}
