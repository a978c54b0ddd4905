//! What is known of each full segment, 92 bytes of it: root, length, last time, kinds. Derived from the
//! segments, checked by CRC, and made again where it is missing.

use crate::format::hash::Hash;
use crate::storage::disk::{Disk, Open};
use std::io;
use std::path::{Path, PathBuf};

const MARKER: &[u8; 8] = b"ASYCATL2";
const RECORD: usize = 32 + 8 + 8 + 8 + 32 + 4;

/// A full segment, as far as it is known without opening it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    /// Root over its entries.
    pub root: Hash,
    /// Length of its file.
    pub end: u64,
    /// Time of its last entry.
    pub time_us: u64,
    /// A bit for each kind that occurs in it, by [`kind_bit`].
    pub kinds: u64,
    /// Hash over the kinds of its entries as its lookups hold them.
    pub kinds_hash: Hash,
}

/// The bit of a kind in a segment's mask; several kinds may share one.
pub fn kind_bit(kind: &str) -> u64 {
    1 << (crc32fast::hash(kind.as_bytes()) % 64)
}

/// The file.
pub fn path(dir: &Path) -> PathBuf {
    dir.join("catalog")
}

fn encode(s: &Sealed) -> [u8; RECORD] {
    let mut out = [0; RECORD];
    out[..32].copy_from_slice(&s.root.0);
    for (at, word) in [(32, s.end), (40, s.time_us), (48, s.kinds)] {
        out[at..at + 8].copy_from_slice(&word.to_be_bytes());
    }
    out[56..88].copy_from_slice(&s.kinds_hash.0);
    let crc = crc32fast::hash(&out[..RECORD - 4]);
    out[RECORD - 4..].copy_from_slice(&crc.to_be_bytes());
    out
}

fn decode(record: &[u8]) -> Option<Sealed> {
    let word = |at: usize| record.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_be_bytes);
    let sealed = Sealed {
        root: Hash::from_slice(record.get(..32)?)?,
        end: word(32)?,
        time_us: word(40)?,
        kinds: word(48)?,
        kinds_hash: Hash::from_slice(record.get(56..88)?)?,
    };
    (encode(&sealed) == record).then_some(sealed)
}

/// The records up to the first one that is not whole.
pub fn read(disk: &dyn Disk, dir: &Path) -> Vec<Sealed> {
    let bytes = disk.open(&path(dir), Open::Read).and_then(|f| f.read_from(0)).unwrap_or_default();
    let Some(records) = bytes.strip_prefix(MARKER) else { return Vec::new() };
    records.chunks_exact(RECORD).map_while(decode).collect()
}

/// The hash over the records of some segments, for the log's key to sign.
pub fn hash(all: &[Sealed]) -> Hash {
    Hash::of(&[&MARKER[..], &all.iter().flat_map(encode).collect::<Vec<u8>>()].concat())
}

/// The records that have the hash; none when they are not there.
pub fn read_vouched(disk: &dyn Disk, dir: &Path, (segments, expected): (u64, Hash)) -> Vec<Sealed> {
    let mut all = read(disk, dir);
    all.truncate(segments as usize);
    if all.len() as u64 == segments && hash(&all) == expected { all } else { Vec::new() }
}

/// Writes the records from `from` on; those before stand already.
///
/// # Errors
/// The system's.
pub fn write(disk: &dyn Disk, dir: &Path, all: &[Sealed], from: usize) -> io::Result<()> {
    let path = path(dir);
    let file = match from {
        0 => disk.open(&path, Open::Replace)?,
        _ => disk.open(&path, Open::Write)?,
    };
    file.write_at(0, MARKER)?;
    let records: Vec<u8> = all.iter().skip(from).flat_map(encode).collect();
    let at = (MARKER.len() + from * RECORD) as u64;
    file.write_at(at, &records)?;
    file.set_len(at + records.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::disk::RealDisk;

    /// Records come back; after a flipped bit those before it do, and are gone on with.
    #[test]
    fn whole_records_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let record = |n: u64| Sealed {
            root: Hash::of(&n.to_be_bytes()),
            end: n,
            time_us: 2 * n,
            kinds: kind_bit("K"),
            kinds_hash: Hash::of(b"K"),
        };
        let all: Vec<Sealed> = (0..9).map(record).collect();
        assert_eq!(read(&RealDisk, dir.path()), []);
        write(&RealDisk, dir.path(), &all[..4], 0).unwrap();
        write(&RealDisk, dir.path(), &all, 4).unwrap();
        assert_eq!(read(&RealDisk, dir.path()), all);
        let mut bytes = std::fs::read(path(dir.path())).unwrap();
        bytes[MARKER.len() + 5 * RECORD + 11] ^= 8;
        std::fs::write(path(dir.path()), &bytes).unwrap();
        assert_eq!(read(&RealDisk, dir.path()), all[..5]);
        write(&RealDisk, dir.path(), &all, 5).unwrap();
        assert_eq!(read(&RealDisk, dir.path()), all);
        write(&RealDisk, dir.path(), &all[..2], 2).unwrap();
        assert_eq!(read(&RealDisk, dir.path()), all[..2], "what was cut is gone");
        bytes[0] = b'X';
        std::fs::write(path(dir.path()), &bytes).unwrap();
        assert_eq!(read(&RealDisk, dir.path()), []);
    }
}
