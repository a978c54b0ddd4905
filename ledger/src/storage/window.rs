//! A segment read front to back, a piece at a time: memory does not depend on how long it is.
//!
//! The length is taken once, and only ever shrinks. What another process appends while this one reads
//! is not seen, so a half-written frame at the end cannot look like damage before whole ones. Of a file that
//! is longer than the longest segment nothing is read behind that.

use crate::format::entry::Entry;
use crate::format::frame::{self, Frame, LONGEST, SHORTEST};
use crate::storage::disk::DiskFile;
use crate::storage::segment::MARKER;
use bytes::Bytes;
use std::io;
use std::ops::Range;

/// Bytes that are read at once.
const BLOCK: usize = 1 << 20;

/// A view of a segment's file that moves.
#[derive(Debug)]
pub struct Window<'a> {
    file: &'a dyn DiskFile,
    /// Numbers that entries of the segment may have: a payload may hold frames too, of anything.
    numbers: Range<u64>,
    end: u64,
    start: u64,
    block: Bytes,
}

impl<'a> Window<'a> {
    /// A view of a file as long as it is now, whose entries have some of these `numbers`.
    ///
    /// # Errors
    /// The system's.
    pub fn of(file: &'a dyn DiskFile, numbers: Range<u64>) -> io::Result<Window<'a>> {
        let longest = numbers.end.saturating_sub(numbers.start).saturating_mul(LONGEST as u64) + MARKER.len() as u64;
        // One byte more, so that a longer file does not look whole.
        Ok(Window {
            file,
            end: file.len()?.min(longest.max(2 * BLOCK as u64) + 1),
            numbers,
            start: 0,
            block: Bytes::new(),
        })
    }

    /// Bytes of the file.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The bytes at `at`: enough for the longest frame, unless the file ends before.
    ///
    /// # Errors
    /// The system's.
    pub fn bytes(&mut self, at: u64) -> io::Result<Bytes> {
        let wanted = self.end.saturating_sub(at).min(LONGEST as u64) as usize;
        let held = at.checked_sub(self.start).map_or(0, |skip| self.block.len().saturating_sub(skip as usize));
        if held < wanted {
            self.block = Bytes::from(self.read(at)?);
            self.start = at;
        }
        let skip = at.saturating_sub(self.start) as usize;
        Ok(self.block.slice(self.block.len().min(skip)..))
    }

    fn read(&mut self, at: u64) -> io::Result<Vec<u8>> {
        let len = |end: u64| end.saturating_sub(at).min(BLOCK as u64) as usize;
        match self.file.read_at(at, len(self.end)) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                // A writer cut a torn tail in the meantime.
                self.end = self.file.len()?.min(self.end);
                self.file.read_at(at, len(self.end))
            }
            other => other,
        }
    }

    /// The frame at `at`.
    ///
    /// # Errors
    /// The system's.
    pub fn next(&mut self, at: u64) -> io::Result<Frame<Bytes>> {
        let bytes = self.bytes(at)?;
        Ok(match frame::next(&bytes) {
            Frame::Whole { entry, place } => Frame::Whole { entry: bytes.slice_ref(entry), place },
            Frame::End => Frame::End,
            Frame::Bad(what) => Frame::Bad(what),
        })
    }

    /// The next whole frame at or after `from` whose entry decodes and may stand in this segment: its
    /// offset, entry and place.
    ///
    /// # Errors
    /// The system's.
    pub fn resync(&mut self, from: u64) -> io::Result<Option<(u64, Entry, u32)>> {
        let mut from = from;
        while from < self.end {
            let bytes = self.bytes(from)?;
            let last = from + bytes.len() as u64 >= self.end;
            // Where a frame that begins further on might be cut off by the end of this piece.
            let unsure = if last { bytes.len() } else { bytes.len() - LONGEST + 1 };
            match frame::resync(&bytes, 0) {
                Some((at, entry, _)) if at < unsure && !self.may_stand(entry.seq, from + at as u64) => {
                    from += at as u64 + 1;
                }
                Some((at, entry, place)) if at < unsure => return Ok(Some((from + at as u64, entry, place))),
                _ => from += unsure.max(1) as u64,
            }
        }
        Ok(None)
    }

    /// Whether an entry of this number may stand here: in this segment, and with room for those before it.
    fn may_stand(&self, seq: u64, at: u64) -> bool {
        self.numbers.contains(&seq) && (seq - self.numbers.start) <= at / SHORTEST as u64
    }

    /// Whether the bad frame at `bad`, where entry `next` should stand, was durable once: a whole
    /// frame after it belongs to a later group, which was begun after everything before it was synced.
    ///
    /// # Errors
    /// The system's.
    pub fn was_durable(&mut self, bad: u64, next: u64) -> io::Result<bool> {
        let mut at = bad;
        while let Some((found, entry, place)) = self.resync(at)? {
            if entry.seq.checked_sub(u64::from(place)).is_none_or(|group| group > next) {
                return Ok(true);
            }
            at = found + (frame::HEAD + entry.bytes().len()) as u64;
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::entry::{Draft, EventId, Place};
    use crate::format::hash::Hash;
    use crate::testing::stage::sealed;

    fn entry(seq: u64, payload: usize) -> Vec<u8> {
        let draft = Draft { id: EventId([seq as u8; 16]), kind: "T".into(), version: 1, payload: vec![65; payload] };
        let place = Place { origin: "o", seq, prev: Hash::ZERO, time_us: 0 };
        sealed(&draft, &place)
    }

    /// A whole frame inside an entry that crosses the end of a piece is not taken for the next one.
    #[test]
    fn a_frame_within_an_entry() {
        let (mut inner, mut bytes) = (Vec::new(), vec![0; BLOCK - 600]);
        frame::push(&mut inner, 0, &entry(7, 0));
        let payload = [&inner[..], &[9; 2000]].concat();
        let draft = Draft { id: EventId([1; 16]), kind: "T".into(), version: 1, payload };
        let outer = sealed(&draft, &Place { origin: "o", seq: 3, prev: Hash::ZERO, time_us: 0 });
        frame::push(&mut bytes, 0, &outer);
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("s"), &bytes).unwrap();
        let file = std::fs::File::open(dir.path().join("s")).unwrap();
        let found = Window::of(&file, 0..10).unwrap().resync(0).unwrap();
        assert_eq!(found.map(|(at, e, _)| (at, e.seq)), Some((BLOCK as u64 - 600, 3)));
        // The outer one torn, the inner one is of no number that may stand here.
        bytes[BLOCK - 600] ^= 1;
        std::fs::write(dir.path().join("s"), &bytes).unwrap();
        let file = std::fs::File::open(dir.path().join("s")).unwrap();
        let mut window = Window::of(&file, 0..7).unwrap();
        assert_eq!(window.resync(0).unwrap().map(|f| f.1.seq), None);
        assert!(!window.was_durable(BLOCK as u64 - 600, 3).unwrap());
    }

    /// Frames of every length come back across the edges of the pieces, also after damage, and
    /// exactly as from one piece.
    #[test]
    fn pieces_change_nothing() {
        let mut bytes = vec![0; 8];
        let mut places = Vec::new();
        let lengths = [0, 65_000, 1, 40_000, 64_999, 0, 300];
        while bytes.len() < 3 * BLOCK {
            let seq = places.len() as u64;
            places.push(bytes.len());
            let entry = entry(seq, lengths[places.len() % lengths.len()]);
            frame::push(&mut bytes, (seq % 3) as u32, &entry);
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        for hole in [None, Some(3), Some(17), Some(places.len() - 1)] {
            let mut bytes = bytes.clone();
            if let Some(n) = hole {
                bytes[places[n] + 20] ^= 1;
            }
            std::fs::write(&path, &bytes).unwrap();
            let file = std::fs::File::open(&path).unwrap();
            let mut window = Window::of(&file, 0..1000).unwrap();
            for (n, at) in places.iter().enumerate() {
                let here = window.next(*at as u64).unwrap();
                match (frame::next(&bytes[*at..]), here) {
                    (Frame::Whole { entry: a, place: p }, Frame::Whole { entry: b, place: q }) => {
                        assert!(a == &b[..] && p == q && hole != Some(n), "frame {n}");
                    }
                    (a, b) => assert!(matches!((a, b), (Frame::Bad(a), Frame::Bad(b)) if a == b) && hole == Some(n)),
                }
            }
            assert_eq!(window.next(bytes.len() as u64).unwrap(), Frame::End);
            if let Some(n) = hole {
                let from = places[n] as u64 + 1;
                let found = window.resync(from).unwrap().map(|(at, e, place)| (at, e.seq, place));
                let whole = frame::resync(&bytes, from as usize).map(|(at, e, place)| (at as u64, e.seq, place));
                assert_eq!(found, whole);
                assert_eq!(found.map(|f| f.1), places.get(n + 1).map(|_| n as u64 + 1));
                // Groups of three: a later one follows any hole but one in the last group.
                assert_eq!(window.was_durable(places[n] as u64, n as u64).unwrap(), places.len() / 3 * 3 > n + 1);
            }
        }
    }
}
