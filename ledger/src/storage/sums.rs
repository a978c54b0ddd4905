//! Hashes of what is derived of the segments, for the log's key to sign: who can write beside the segments
//! cannot make a log believe that an id is not there, or that a kind does not occur.

use crate::format::hash::Hash;

/// What the log's key vouched for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    /// Segments in the catalog, and the hash over their records.
    pub catalog: (u64, Hash),
    /// Runs of ids: first entry, segments, hash of the file.
    pub runs: Vec<(u64, u64, Hash)>,
    /// What is written down of the last segment: its first entry, bytes of the file, hash over them.
    pub tail: (u64, u64, Hash),
}

impl Sums {
    /// Lines: `catalog SEGMENTS HASH`, `ids FIRST SEGMENTS HASH` for each run, `tail FIRST BYTES HASH`.
    pub fn text(&self) -> String {
        let mut out = format!("catalog {} {}\n", self.catalog.0, self.catalog.1);
        for (first, segments, hash) in &self.runs {
            out += &format!("ids {first} {segments} {hash}\n");
        }
        out + &format!("tail {} {} {}\n", self.tail.0, self.tail.1, self.tail.2)
    }

    /// Reads the lines back; nothing when they are not just that.
    pub fn parse(text: &str) -> Option<Sums> {
        let mut out = Sums::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["catalog", segments, hash] => out.catalog = (segments.parse().ok()?, hash.parse().ok()?),
                ["ids", first, segments, hash] => {
                    out.runs.push((first.parse().ok()?, segments.parse().ok()?, hash.parse().ok()?));
                }
                ["tail", first, bytes, hash] => {
                    out.tail = (first.parse().ok()?, bytes.parse().ok()?, hash.parse().ok()?);
                }
                _ => return None,
            }
        }
        (out.text() == text).then_some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_nothing_else() {
        let runs = vec![(0, 2, Hash::of(b"a")), (512, 1, Hash::of(b"b"))];
        let sums = Sums { catalog: (3, Hash::of(b"c")), runs, tail: (768, 99, Hash::of(b"d")) };
        let text = sums.text();
        assert_eq!(Sums::parse(&text), Some(sums));
        assert_eq!(Sums::parse(&Sums::default().text()), Some(Sums::default()));
        for bad in [text.replace("ids 0", "ids 00"), text.replace("tail", "head"), format!("{text}x\n"), String::new()]
        {
            assert_eq!(Sums::parse(&bad), None, "{bad}");
        }
    }
}
