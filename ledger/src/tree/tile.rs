//! C2SP tlog-tiles: paths, hash tiles, entry bundles; writing a log into a folder and reading it back.

use crate::error::LedgerError;
use crate::format::entry::MAX_ENTRY;
use crate::format::hash::Hash;
#[cfg(test)]
use crate::tree::merkle::Tree;
use crate::tree::merkle::{Nodes, node_hash};
use bytes::Bytes;
use std::ops::Range;

/// Hashes or entries in a full tile.
pub const WIDTH: u64 = 256;

/// `1234067` as `x001/x234/067`.
pub fn index_path(n: u64) -> String {
    let mut parts = vec![format!("{:03}", n % 1000)];
    let mut rest = n / 1000;
    while rest > 0 {
        parts.push(format!("x{:03}", rest % 1000));
        rest /= 1000;
    }
    parts.reverse();
    parts.join("/")
}

fn with_width(path: String, width: u64) -> String {
    if width == WIDTH { path } else { format!("{path}.p/{width}") }
}

/// Path of a hash tile; `width` is 256 for a full one.
pub fn hash_path(level: u32, n: u64, width: u64) -> String {
    with_width(format!("tile/{level}/{}", index_path(n)), width)
}

/// Path of an entry bundle.
pub fn entries_path(n: u64, width: u64) -> String {
    with_width(format!("tile/entries/{}", index_path(n)), width)
}

/// The tiles of a level that change when a log grows from `old` to `new` entries: `(n, width)`.
pub fn changed(level: u32, old: u64, new: u64) -> Vec<(u64, u64)> {
    let per = 1u64.checked_shl(8 * level).unwrap_or(u64::MAX);
    let (old, new) = (old / per, new / per);
    if new == old {
        return Vec::new();
    }
    let last = (new - 1) / WIDTH;
    (old / WIDTH..=last).map(|n| (n, (new - n * WIDTH).min(WIDTH))).collect()
}

/// The bytes of a hash tile: `width` hashes of tile level `level` (tree level `8 * level`).
///
/// # Errors
/// When the tree has no such nodes.
pub fn hash_tile(tree: &impl Nodes, level: u32, n: u64, width: u64) -> Result<Vec<u8>, LedgerError> {
    let mut out = Vec::with_capacity(32 * width as usize);
    for i in n * WIDTH..n * WIDTH + width {
        out.extend_from_slice(&tree.node(8 * level, i)?.0);
    }
    Ok(out)
}

/// Appends one entry to a bundle: u16 length, then its bytes.
pub fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) {
    assert!(entry.len() <= MAX_ENTRY, "entries are limited when appended");
    bundle.extend_from_slice(&(entry.len() as u16).to_be_bytes());
    bundle.extend_from_slice(entry);
}

/// Takes a bundle apart into entries.
///
/// # Errors
/// When it does not hold exactly `width` whole entries.
pub fn split_bundle(bundle: &[u8], width: u64) -> Result<Vec<&[u8]>, LedgerError> {
    let out = split_any(bundle)?;
    if out.len() as u64 == width {
        return Ok(out);
    }
    Err(LedgerError::Malformed { what: "entry bundle", why: format!("{} entries instead of {width}", out.len()) })
}

/// Takes a bundle of any number of entries apart.
///
/// # Errors
/// When an entry in it is not whole.
pub fn split_any(bundle: &[u8]) -> Result<Vec<&[u8]>, LedgerError> {
    let bad = |why: String| LedgerError::Malformed { what: "entry bundle", why };
    let mut out = Vec::new();
    let mut rest = bundle;
    while !rest.is_empty() {
        let Some((len, tail)) = rest.split_first_chunk::<2>() else { return Err(bad("a torn length".into())) };
        let len = usize::from(u16::from_be_bytes(*len));
        if tail.len() < len {
            return Err(bad(format!("entry {} ends early", out.len())));
        }
        out.push(&tail[..len]);
        rest = &tail[len..];
    }
    Ok(out)
}

/// Gives `each` the hash tiles and entry bundles that are new or wider when the log grew from `old`
/// to `new` entries, with their paths. `bundle` gives the bundle of a range of entries.
///
/// # Errors
/// Whatever `bundle` or `each` fails with.
pub fn files_since(
    tree: &impl Nodes,
    old: u64,
    new: u64,
    mut bundle: impl FnMut(Range<u64>) -> Result<Vec<u8>, LedgerError>,
    mut each: impl FnMut(String, Vec<u8>) -> Result<(), LedgerError>,
) -> Result<(), LedgerError> {
    for (n, width) in changed(0, old, new) {
        each(entries_path(n, width), bundle(n * WIDTH..n * WIDTH + width)?)?;
    }
    for level in 0..8 {
        for (n, width) in changed(level, old, new) {
            each(hash_path(level, n, width), hash_tile(tree, level, n, width)?)?;
        }
    }
    Ok(())
}

/// The tree of a tiled log, looked up in its hash tiles. What it gives is only as good as the
/// tiles: compare a root or a proof with a checkpoint.
#[derive(Debug)]
pub struct TileTree<R> {
    /// Number of entries.
    pub size: u64,
    /// Gives a file's bytes by path.
    pub read: R,
}

impl<R: Fn(&str) -> Result<Vec<u8>, LedgerError>> Nodes for TileTree<R> {
    fn len(&self) -> u64 {
        self.size
    }

    fn node(&self, level: u32, index: u64) -> Result<Hash, LedgerError> {
        let (tile_level, inside) = (level / 8, level % 8);
        let nodes = self.size.checked_shr(8 * tile_level).unwrap_or(0);
        let first = index << inside;
        let (n, wanted) = (first / WIDTH, 1u64 << inside);
        let bad = |path: &str| LedgerError::Malformed { what: "hash tile", why: format!("{path} is not whole") };
        if first + wanted > nodes {
            return Err(bad(&format!("node {index} at level {level}")));
        }
        let width = (nodes - n * WIDTH).min(WIDTH);
        let path = hash_path(tile_level, n, width);
        let bytes = (self.read)(&path)?;
        if bytes.len() as u64 != 32 * width {
            return Err(bad(&path));
        }
        let start = (first % WIDTH) as usize;
        let mut row: Vec<Hash> =
            bytes.chunks_exact(32).skip(start).take(wanted as usize).filter_map(Hash::from_slice).collect();
        while row.len() > 1 {
            row = row.chunks_exact(2).map(|p| node_hash(&p[0], &p[1])).collect();
        }
        row.pop().ok_or_else(|| bad(&path))
    }
}

/// Reads all entries of a tiled log of `size` entries; `read` gives a file's bytes by path.
///
/// # Errors
/// Missing or malformed bundles.
pub fn read_entries(
    from: u64,
    size: u64,
    mut read: impl FnMut(&str) -> Result<Vec<u8>, LedgerError>,
) -> Result<Vec<Bytes>, LedgerError> {
    let mut out = Vec::new();
    if size == 0 {
        return Ok(out);
    }
    for n in from / WIDTH..=(size - 1) / WIDTH {
        let width = (size - n * WIDTH).min(WIDTH);
        let bundle = Bytes::from(read(&entries_path(n, width))?);
        let skip = from.saturating_sub(n * WIDTH) as usize;
        out.extend(split_bundle(&bundle, width)?.into_iter().skip(skip).map(|e| bundle.slice_ref(e)));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::tile_check::TileCheck;

    /// The worked numbers of C2SP tlog-tiles for 70,000 and 256 entries.
    #[test]
    fn worked_paths_and_widths() {
        assert_eq!(index_path(1_234_067), "x001/x234/067");
        let t0 = changed(0, 0, 70_000);
        assert_eq!((t0.len(), t0[273]), (274, (273, 112)));
        assert_eq!(changed(1, 0, 70_000), vec![(0, 256), (1, 17)]);
        assert_eq!(changed(2, 0, 70_000), vec![(0, 1)]);
        assert_eq!((changed(0, 0, 256), changed(1, 0, 256)), (vec![(0, 256)], vec![(0, 1)]));
        assert_eq!(changed(0, 256, 256), vec![]);
        assert_eq!(hash_path(1, 1, 17), "tile/1/001.p/17");
    }

    #[test]
    fn p18_bundles_and_tiles() {
        let entries: Vec<Vec<u8>> = (0..600u32).map(|i| i.to_be_bytes().to_vec()).collect();
        let tree = Tree::from_leaves(entries.iter().map(|e| crate::tree::merkle::leaf_hash(e)));
        let mut files = std::collections::BTreeMap::new();
        let bundle = |range: Range<u64>| {
            let mut out = Vec::new();
            range.for_each(|s| push_entry(&mut out, &entries[s as usize]));
            Ok(out)
        };
        let put = |path, bytes| {
            files.insert(path, bytes);
            Ok(())
        };
        files_since(&tree, 0, 600, bundle, put).unwrap();
        let read = |p: &str| files.get(p).cloned().ok_or(LedgerError::Malformed { what: "tile", why: p.into() });
        assert_eq!(read_entries(0, 600, read).unwrap(), entries);
        assert_eq!(read_entries(300, 600, read).unwrap(), entries[300..]);
        let wrong = |read: &dyn Fn(&str) -> Result<Vec<u8>, LedgerError>| {
            let mut check = TileCheck::new(read);
            (0..600).for_each(|i| check.push(tree.leaf(i).unwrap()));
            check.finish().unwrap()
        };
        assert_eq!(wrong(&read), vec![]);
        let tiled = TileTree { size: 600, read };
        assert_eq!(tiled.root().unwrap(), tree.root().unwrap());
        assert_eq!(tiled.consistency(123, 600).unwrap(), tree.consistency(123, 600).unwrap());
        let short = |p: &str| {
            read(p).map(|mut b| {
                b.pop();
                b
            })
        };
        let places: Vec<u64> = wrong(&short).iter().map(|w| w.0).collect();
        assert_eq!(places, [0, 256, 512, 0], "every tile is named by its first entry");
        assert!(read_entries(0, 600, short).is_err());
    }
}
