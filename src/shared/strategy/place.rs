//! Where something stands in a TOML text: for problems that point at it.

use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The places of a text's keys.
#[derive(Debug)]
pub(super) struct Places<'a> {
    root: Option<Spanned<DeTable<'a>>>,
    start: Range<usize>,
}

impl<'a> Places<'a> {
    /// Of a text; one that is no TOML has only its start.
    pub(super) fn new(text: &'a str) -> Places<'a> {
        Places { root: DeTable::parse(text).ok(), start: 0..1.min(text.len()) }
    }

    /// Whether a key stands at the top of the text.
    pub(super) fn has(&self, key: &str) -> bool {
        self.root.as_ref().is_some_and(|root| root.get_ref().contains_key(key))
    }

    /// The place of the key at a path; the nearest one above it that is there, else the text's start.
    pub(super) fn of(&self, path: &[&str]) -> Range<usize> {
        let mut found = self.start.clone();
        let mut table = self.root.as_ref().map(Spanned::get_ref);
        for name in path {
            let Some((key, value)) = table.and_then(|t| t.get_key_value(*name)) else { break };
            found = key.span();
            table = match value.get_ref() {
                DeValue::Table(inner) => Some(inner),
                _ => None,
            };
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_where_they_stand() {
        let text = "# a = 1\n[parameters]\nb = { low = 1 }\n\"a\" = 2\n[parameters.c]\nx = 1\n";
        let places = Places::new(text);
        let at = |path: &[&str]| &text[places.of(path)];
        assert_eq!((at(&["parameters", "a"]), at(&["parameters", "b", "low"])), ("\"a\"", "low"));
        assert_eq!(at(&["parameters", "c", "x"]), "x");
        assert_eq!(at(&["parameters", "none"]), "parameters");
        assert_eq!(at(&["none"]), "#");
        assert_eq!(Places::new("= =").of(&["a"]), 0..1);
    }
}
