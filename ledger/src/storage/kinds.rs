//! The kinds of consecutive entries: a table of names, and a byte for each entry.

/// Stands for a kind that found no place in the table: the entry itself says which.
const OTHER: u8 = u8::MAX;

/// A kind for each of some consecutive entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kinds {
    names: Vec<String>,
    column: Vec<u8>,
}

/// What a column says of an entry's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// It is this one.
    Yes,
    /// It is another one.
    No,
    /// The entry has to be read.
    Perhaps,
}

impl Kinds {
    /// Adds the kind of the next entry.
    pub fn push(&mut self, kind: &str) {
        let known = self.names.iter().rposition(|n| n == kind);
        let at = known.unwrap_or_else(|| {
            if self.names.len() < usize::from(OTHER) {
                self.names.push(kind.into());
                self.names.len() - 1
            } else {
                usize::from(OTHER)
            }
        });
        self.column.push(at as u8);
    }

    /// Forgets them all.
    pub fn clear(&mut self) {
        self.names.clear();
        self.column.clear();
    }

    /// The number of entries.
    pub fn count(&self) -> usize {
        self.column.len()
    }

    /// The names that occur.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// What is said of each entry's being of a kind, in order.
    pub fn are(&self, kind: &str) -> impl DoubleEndedIterator<Item = Said> + ExactSizeIterator + '_ {
        let wanted = self.names.iter().position(|n| n == kind);
        self.column.iter().map(move |at| match *at {
            OTHER => Said::Perhaps,
            at if Some(usize::from(at)) == wanted => Said::Yes,
            _ => Said::No,
        })
    }

    /// The entries from `from` on, as kinds of their own.
    pub fn since(&self, from: usize) -> Kinds {
        let mut out = Kinds::default();
        for at in self.column.iter().skip(from) {
            match self.names.get(usize::from(*at)) {
                Some(name) => out.push(name),
                None => out.column.push(OTHER),
            }
        }
        out
    }

    /// Adds those of the entries that follow.
    pub fn extend(&mut self, other: &Kinds) {
        for at in &other.column {
            match other.names.get(usize::from(*at)) {
                Some(name) => self.push(name),
                None => self.column.push(OTHER),
            }
        }
    }

    /// As bytes: u8 number of names, each as u8 length and text; then the column.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.names.len() as u8];
        for name in &self.names {
            out.push(name.len() as u8);
            out.extend_from_slice(name.as_bytes());
        }
        out.extend_from_slice(&self.column);
        out
    }

    /// Reads `count` kinds back.
    pub fn decode(bytes: &[u8], count: usize) -> Option<Kinds> {
        let (number, mut rest) = bytes.split_first()?;
        let mut names = Vec::new();
        for _ in 0..*number {
            let (len, after) = rest.split_first()?;
            let (name, after) = after.split_at_checked(usize::from(*len))?;
            names.push(std::str::from_utf8(name).ok()?.to_string());
            rest = after;
        }
        let fits = |at: &u8| *at == OTHER || usize::from(*at) < names.len();
        let whole = rest.len() == count && rest.iter().all(fits);
        whole.then(|| Kinds { names, column: rest.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_kinds_than_a_byte_can_name() {
        let mut kinds = Kinds::default();
        (0..300).for_each(|n| kinds.push(&format!("K{}", n % 270)));
        assert_eq!((kinds.count(), kinds.names().count()), (300, 255));
        let said = |kind: &str| kinds.are(kind).enumerate().filter(|s| s.1 != Said::No).collect::<Vec<_>>();
        let perhaps: Vec<_> = (255..270).map(|n| (n, Said::Perhaps)).collect();
        assert_eq!(said("K7"), [&[(7, Said::Yes)][..], &perhaps, &[(277, Said::Yes)]].concat());
        assert_eq!(said("K260"), perhaps);
        let back = Kinds::decode(&kinds.encode(), 300).unwrap();
        assert_eq!(back, kinds);
        let mut joined = Kinds::default();
        joined.extend(&Kinds::decode(&kinds.encode(), 300).unwrap());
        joined.extend(&kinds.since(290));
        assert_eq!((joined.count(), joined.are("K29").filter(|s| *s == Said::Yes).count()), (310, 3));
        for (bytes, count) in [(&b""[..], 0), (&[1, 3, b'a'], 0), (&[0, 0], 1), (&[1, 1, b'a', 0], 2)] {
            assert!(Kinds::decode(bytes, count).is_none(), "{bytes:?}");
        }
    }
}
