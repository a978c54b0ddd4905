//! The lookups of the segment that grows, as far as it was written down: so that opening a log does not
//! read it whole. Chunks are added when a writer lets the lock go.
//!
//! Derived from the segment. Only what was acknowledged is written, and only what the mark promises is
//! taken; leaves are under the checkpoint's root, and whatever is read is compared with its leaf.

use crate::format::entry::EventId;
use crate::format::hash::Hash;
use crate::storage::disk::{Disk, Open};
use crate::storage::kinds::Kinds;
use std::io;
use std::path::Path;

const MARKER: &[u8; 8] = b"ASYTAIL1";
const HEAD: usize = 8 + 8;
const RECORD: usize = 32 + 8 + 16;

/// What is known of consecutive entries.
#[derive(Debug, Default)]
pub struct Known {
    /// Leaf hashes.
    pub leaves: Vec<Hash>,
    /// Offset of each frame.
    pub offsets: Vec<u64>,
    /// Event ids.
    pub ids: Vec<EventId>,
    /// Kinds.
    pub kinds: Kinds,
    /// Where the last frame ends.
    pub end: u64,
    /// Bytes of the file up to here.
    pub len: u64,
}

/// Reads the chunks of the segment that begins at `first`, up to the first one that is not whole or
/// holds more than `limit` entries with those before it.
pub fn read(disk: &dyn Disk, path: &Path, first: u64, limit: u64, (len, hash): (u64, Hash)) -> Known {
    let mut out = Known { len: HEAD as u64, ..Known::default() };
    let open = disk.open(path, Open::Read).ok().filter(|f| f.len().is_ok_and(|there| there >= len));
    let bytes = open.and_then(|f| f.read_at(0, len as usize).ok()).unwrap_or_default();
    // Only what the log's key vouched for: an id or a kind that is left out would be missed by nobody.
    if bytes.get(..HEAD) != Some(&head(first)) || Hash::of(&bytes) != hash {
        return Known::default();
    }
    let mut rest = &bytes[HEAD..];
    while let Some((chunk, after)) = next(rest, limit - out.leaves.len() as u64, &mut out) {
        out.len += chunk as u64;
        rest = after;
    }
    out
}

fn head(first: u64) -> [u8; HEAD] {
    let mut out = [0; HEAD];
    out[..8].copy_from_slice(MARKER);
    out[8..].copy_from_slice(&first.to_be_bytes());
    out
}

/// Takes the next chunk in: u32 length, u32 CRC-32 of the rest; u32 entries, u64 end; records; kinds.
fn next<'a>(bytes: &'a [u8], room: u64, out: &mut Known) -> Option<(usize, &'a [u8])> {
    let half = |b: &[u8]| b.try_into().ok().map(u32::from_be_bytes);
    let (len, crc) = (half(bytes.get(..4)?)? as usize, half(bytes.get(4..8)?)?);
    let body = bytes.get(8..8 + len)?;
    if crc32fast::hash(body) != crc {
        return None;
    }
    let count = half(body.get(..4)?)? as usize;
    let end = u64::from_be_bytes(body.get(4..12)?.try_into().ok()?);
    let (records, kinds) = body.get(12..)?.split_at_checked(count * RECORD)?;
    let kinds = Kinds::decode(kinds, count)?;
    if count as u64 > room {
        return None;
    }
    for record in records.chunks_exact(RECORD) {
        out.leaves.push(Hash::from_slice(&record[..32])?);
        out.offsets.push(u64::from_be_bytes(record[32..40].try_into().ok()?));
        out.ids.push(EventId(record[40..].try_into().ok()?));
    }
    out.kinds.extend(&kinds);
    out.end = end;
    Some((8 + len, &bytes[8 + len..]))
}

/// Writes a chunk at `at`, after what stands there already. Gives where the next one goes.
///
/// # Errors
/// The system's.
pub fn append(disk: &dyn Disk, path: &Path, first: u64, at: u64, new: &Known) -> io::Result<u64> {
    let mut body = (new.leaves.len() as u32).to_be_bytes().to_vec();
    body.extend_from_slice(&new.end.to_be_bytes());
    for ((leaf, offset), id) in new.leaves.iter().zip(&new.offsets).zip(&new.ids) {
        body.extend_from_slice(&leaf.0);
        body.extend_from_slice(&offset.to_be_bytes());
        body.extend_from_slice(&id.0);
    }
    body.extend(new.kinds.encode());
    let fresh = at < HEAD as u64;
    let file = disk.open(path, if fresh { Open::Replace } else { Open::Write })?;
    if fresh {
        file.write_at(0, &head(first))?;
    }
    let at = at.max(HEAD as u64);
    let crc = crc32fast::hash(&body).to_be_bytes();
    let chunk = [&(body.len() as u32).to_be_bytes()[..], &crc, &body].concat();
    file.write_at(at, &chunk)?;
    file.set_len(at + chunk.len() as u64)?;
    Ok(at + chunk.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::disk::RealDisk;

    fn known(range: std::ops::Range<u64>) -> Known {
        let mut out = Known { end: 100 * range.end, ..Known::default() };
        for n in range {
            out.leaves.push(Hash::of(&n.to_be_bytes()));
            out.offsets.push(100 * n);
            out.ids.push(EventId::derived(&[&n.to_be_bytes()]));
            out.kinds.push(if n % 2 == 0 { "Even" } else { "Odd" });
        }
        out
    }

    /// Whole chunks come back up to the limit; a damaged one ends it, and is written over.
    /// What stands there, as if the log's key had signed all of it.
    fn read(disk: &RealDisk, path: &Path, first: u64, limit: u64) -> Known {
        let bytes = std::fs::read(path).unwrap_or_default();
        super::read(disk, path, first, limit, (bytes.len() as u64, Hash::of(&bytes)))
    }

    #[test]
    fn chunks_up_to_the_first_bad_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t");
        assert_eq!(read(&RealDisk, &path, 512, 99).leaves.len(), 0);
        let mut at = 0;
        for range in [0..10, 10..11, 11..40] {
            at = append(&RealDisk, &path, 512, at, &known(range)).unwrap();
        }
        let all = read(&RealDisk, &path, 512, 40);
        assert_eq!((all.leaves, all.offsets, all.ids), {
            let k = known(0..40);
            (k.leaves, k.offsets, k.ids)
        });
        assert_eq!((all.end, all.len, all.kinds.count()), (4000, at, 40));
        let short = read(&RealDisk, &path, 512, 39);
        assert_eq!((short.leaves.len(), short.end), (11, 1100), "no more than the mark promises");
        assert_eq!(read(&RealDisk, &path, 0, 40).leaves.len(), 0, "of another segment");
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 50;
        bytes[last] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let known_now = read(&RealDisk, &path, 512, 40);
        assert_eq!(known_now.leaves.len(), 11);
        append(&RealDisk, &path, 512, known_now.len, &known(11..12)).unwrap();
        assert_eq!(read(&RealDisk, &path, 512, 40).leaves.len(), 12);
    }
}
