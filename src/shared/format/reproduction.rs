//! What somebody states who ran a promoted trial and its study again. A statement is signed as it stands, with
//! `ssh-keygen -Y sign -n reproduction@assay` or by `assay reproduce`.

use super::{FormatError, canonical};
use assay_ledger::Hash;
use assay_ledger::format::hash::unhex;
use std::collections::BTreeMap;

/// The first line of version 1.
const HEAD: &str = "assay reproduction v1";
/// The largest statement.
pub const MAX_TEXT: usize = 4096;

/// Where the data of a reproduction came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Imported by the reproducer from files whose checksums the vendor's archive said to them.
    Vendor,
    /// Imported by the reproducer, from files that nothing confirms.
    Import,
    /// A copy of the proposer's own.
    Proposer,
}

impl Origin {
    const ALL: [Origin; 3] = [Origin::Vendor, Origin::Import, Origin::Proposer];

    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Origin::Vendor => "vendor",
            Origin::Import => "import",
            Origin::Proposer => "proposer",
        }
    }
}

/// A reproduction as it is stated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reproduction {
    /// The strategy, and the version that is proposed.
    pub strategy: String,
    /// See `strategy`.
    pub version: u64,
    /// SHA-256 of the config.
    pub config: Hash,
    /// Hash of the data, and where they came from.
    pub data: Hash,
    /// See `data`.
    pub origin: Origin,
    /// The study, in hex.
    pub study: String,
    /// The promoted trial.
    pub trial: u32,
    /// Trials that were run again.
    pub ran: u32,
    /// Trials of the study.
    pub trials: u32,
    /// Version of the results.
    pub results: u32,
    /// Hash of the promoted trial's stream, as both engines gave it.
    pub stream: Hash,
    /// SHA-256 over the reproducer's public key and the whole stream, which nobody has who did not run it.
    pub keyed: Hash,
    /// The build that ran it.
    pub engine: String,
}

impl Reproduction {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!(
            "{HEAD}\nstrategy {}\nversion {}\nconfig {}\ndata {}\norigin {}\nstudy {}\ntrial {}\nran {}\ntrials {}\nresults {}\n\
             stream {}\nkeyed {}\nengine {}\n",
            self.strategy,
            self.version,
            self.config,
            self.data,
            self.origin.name(),
            self.study,
            self.trial,
            self.ran,
            self.trials,
            self.results,
            self.stream,
            self.keyed,
            self.engine
        )
    }

    /// Reads a statement. Only the text that [`Reproduction::text`] would write is accepted.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn parse(bytes: &[u8]) -> Result<Reproduction, FormatError> {
        if bytes.len() > MAX_TEXT {
            return Err(FormatError::TooLong { limit: MAX_TEXT });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| FormatError::NotUtf8)?;
        let mut lines = text.lines();
        if lines.next() != Some(HEAD) {
            return Err(FormatError::Wrong(format!("it does not begin with '{HEAD}'")));
        }
        let rows: BTreeMap<&str, &str> = lines.filter_map(|line| line.split_once(' ')).collect();
        let wrong = |key: &str| FormatError::Wrong(format!("it says no '{key}'"));
        let word = |key: &str| rows.get(key).copied().ok_or_else(|| wrong(key));
        let number = |key: &str| word(key)?.parse::<u32>().map_err(|_| wrong(key));
        let hash = |key: &str| {
            let raw = unhex(word(key)?).and_then(|raw| <[u8; 32]>::try_from(raw).ok());
            raw.map(Hash).ok_or_else(|| wrong(key))
        };
        let origin = word("origin")?;
        let found = Reproduction {
            strategy: word("strategy")?.into(),
            version: word("version")?.parse().map_err(|_| wrong("version"))?,
            config: hash("config")?,
            data: hash("data")?,
            origin: Origin::ALL.into_iter().find(|o| o.name() == origin).ok_or_else(|| wrong("origin"))?,
            study: word("study")?.into(),
            trial: number("trial")?,
            ran: number("ran")?,
            trials: number("trials")?,
            results: number("results")?,
            stream: hash("stream")?,
            keyed: hash("keyed")?,
            engine: word("engine")?.into(),
        };
        canonical(text, &found.text())?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Reproduction {
        let hash = |n: u8| Hash([n; 32]);
        Reproduction {
            strategy: "trend".into(),
            version: 3,
            config: hash(1),
            data: hash(2),
            origin: Origin::Vendor,
            study: "00ff".into(),
            trial: 7,
            ran: 240,
            trials: 240,
            results: 3,
            stream: hash(3),
            keyed: hash(4),
            engine: "0.2.0 abc x86_64-unknown-linux-gnu".into(),
        }
    }

    #[test]
    fn golden() {
        let text = sample().text();
        let hex = |n: &str| n.repeat(32);
        let golden = format!(
            "assay reproduction v1\nstrategy trend\nversion 3\nconfig {}\ndata {}\norigin vendor\nstudy 00ff\ntrial 7\n\
             ran 240\ntrials 240\nresults 3\nstream {}\nkeyed {}\nengine 0.2.0 abc x86_64-unknown-linux-gnu\n",
            hex("01"),
            hex("02"),
            hex("03"),
            hex("04")
        );
        assert_eq!(text, golden);
        assert_eq!(Reproduction::parse(text.as_bytes()).unwrap(), sample());
        for (from, to) in
            [("v1", "v2"), ("ran 240", "ran x"), ("vendor", "moon"), ("config 01", "config 1"), ("\n", "\r\n")]
        {
            assert!(Reproduction::parse(text.replacen(from, to, 1).as_bytes()).is_err(), "{to}");
        }
        assert!(Reproduction::parse((text.clone() + "more x\n").as_bytes()).is_err());
        assert!(Reproduction::parse(&text.as_bytes()[..40]).is_err());
    }
}
