//! The canonical text of a rule book: what is stored under its hash.

pub mod v1;
mod v2;

use super::{FormatError, number};
use crate::format::tree;
use crate::rulebook::{Rulebook, RulebookError};
use assay_ledger::Hash;

/// The version that is written for a new book.
pub const CURRENT: u32 = 2;

impl Rulebook {
    /// Reads and checks a rule book of any version.
    ///
    /// # Errors
    /// [`RulebookError`] with the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Rulebook, RulebookError> {
        let book = read(text).map_err(|e| RulebookError::Malformed(e.to_string()))?;
        book.check()?;
        Ok(book)
    }

    /// The canonical text: what is stored and hashed.
    pub fn text(&self) -> String {
        match self.format {
            1 => tree::text(&v1::table(self)),
            _ => tree::text(&v2::table(self)),
        }
    }

    /// SHA-256 of the canonical text.
    pub fn hash(&self) -> Hash {
        Hash::of(self.text().as_bytes())
    }
}

fn read(text: &str) -> Result<Rulebook, FormatError> {
    match number(text)? {
        1 => v1::read(text),
        2 => toml::from_str(text).map_err(|e| FormatError::toml(&e)),
        found => Err(FormatError::Unknown { found, newest: CURRENT }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What version 1 does not have is written and read back.
    #[test]
    fn assumptions_and_own_fees() {
        let mut book = Rulebook::parse(include_str!("golden/v2.toml")).unwrap();
        book.assumptions = vec!["fees: seen \"late\"".into(), "filters".into()];
        if let Some(filters) = book.rules[0].symbols.values_mut().next() {
            filters.liquidation_fee = Some(0.01);
        }
        assert_eq!(Rulebook::parse(&book.text()).unwrap(), book);
        let plain = Rulebook::parse(include_str!("golden/v2.toml")).unwrap();
        assert_ne!(plain.hash(), book.hash());
    }

    /// Version 1 writes back to the byte, so its hash is the one that is recorded.
    #[test]
    fn golden() {
        let old = include_str!("golden/v1.toml");
        let book = Rulebook::parse(old).unwrap();
        assert_eq!(book.text(), old);
        assert_eq!(book.hash().to_string(), "19ee0ab0759fa0f0c3b7e75a60dac8a8a1f3a01ee7cae7735eee7de7ec384a4d");
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/format/rulebook/golden/v2.toml");
        let text = Rulebook { format: CURRENT, ..book.clone() }.text();
        if std::env::var_os("ASSAY_BLESS").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        assert_eq!(text, std::fs::read_to_string(path).unwrap());
        assert_eq!(Rulebook::parse(&text).unwrap(), Rulebook { format: CURRENT, ..book });
    }
}
