//! The frames of a segment: u32 length, u32 place in its group, u32 CRC-32 of both and of the
//! entry, then the entry's bytes (see `FORMAT.md`, "Folder").
//!
//! A group is synced before it is acknowledged and before the next one begins, so a frame says more
//! than its entry: everything before its group's first frame was durable when it was written.

use crate::format::entry::{Entry, MARKER, MAX_ENTRY};
use bytes::Bytes;

/// Bytes before an entry.
pub const HEAD: usize = 12;
/// Bytes of the longest frame.
pub const LONGEST: usize = HEAD + MAX_ENTRY;
/// Bytes of the shortest: an entry with an origin and a kind of one character and no payload.
pub const SHORTEST: usize = HEAD + 174;

fn crc(head: &[u8], entry: &[u8]) -> u32 {
    let mut h = crc32fast::Hasher::new();
    h.update(head);
    h.update(entry);
    h.finalize()
}

/// Adds an entry's frame to a buffer.
pub fn push(buffer: &mut Vec<u8>, place: u32, entry: &[u8]) {
    let at = buffer.len();
    buffer.extend_from_slice(&(entry.len() as u32).to_be_bytes());
    buffer.extend_from_slice(&place.to_be_bytes());
    let crc = crc(&buffer[at..], entry);
    buffer.extend_from_slice(&crc.to_be_bytes());
    buffer.extend_from_slice(entry);
}

/// What stands at a place of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<B> {
    /// An entry, and its place in its group.
    Whole {
        /// Its bytes.
        entry: B,
        /// Its place in its group, from 0.
        place: u32,
    },
    /// The end of the file.
    End,
    /// No frame, and why.
    Bad(&'static str),
}

/// Reads the frame at the beginning of `bytes`.
pub fn next(bytes: &[u8]) -> Frame<&[u8]> {
    if bytes.is_empty() {
        return Frame::End;
    }
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() else { return Frame::Bad("a torn frame head") };
    let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let len = word(0) as usize;
    if len == 0 || len > MAX_ENTRY {
        return Frame::Bad("an impossible frame length");
    }
    let Some(entry) = rest.get(..len) else { return Frame::Bad("a torn frame") };
    if crc(&head[..8], entry) != word(8) {
        return Frame::Bad("a frame whose checksum is wrong");
    }
    Frame::Whole { entry, place: word(4) }
}

/// The next whole frame at or after `from` whose entry decodes: its offset, entry and place.
pub fn resync(bytes: &[u8], from: usize) -> Option<(usize, Entry, u32)> {
    let mut at = from;
    while let Some(found) = bytes.get(at + HEAD..).and_then(|b| b.windows(4).position(|w| w == MARKER)) {
        at += found;
        if let Frame::Whole { entry, place } = next(&bytes[at..])
            && let Ok(entry) = Entry::decode(Bytes::copy_from_slice(entry))
        {
            return Some((at, entry, place));
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::entry::{Draft, EventId, Place};
    use crate::format::hash::Hash;
    use proptest::prelude::*;

    #[test]
    fn the_shortest_frame() {
        let draft = Draft { id: EventId([0; 16]), kind: "K".into(), version: 1, payload: vec![] };
        let place = Place { origin: "o", seq: 0, prev: Hash::ZERO, time_us: 0 };
        assert_eq!(HEAD + crate::testing::stage::sealed(&draft, &place).len(), SHORTEST);
    }

    proptest! {
        /// Any bytes end in a verdict; what was framed comes back, and no flipped bit goes unseen.
        #[test]
        fn frames_round_trip(entry in proptest::collection::vec(any::<u8>(), 1..400), place: u32, flip: usize, junk: Vec<u8>) {
            let mut bytes = Vec::new();
            push(&mut bytes, place, &entry);
            prop_assert_eq!(next(&bytes), Frame::Whole { entry: &entry[..], place });
            let bit = flip % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            let unseen = matches!(next(&bytes), Frame::Whole { .. });
            prop_assert!(!unseen);
            let _ = next(&junk);
            let _ = resync(&junk, 0);
        }
    }
}
