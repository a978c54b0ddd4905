//! Where something stands in a TOML text: for problems that point at it.

use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// The place of the key at a path; the nearest one above it that is there, else the text's start.
pub(super) fn of(text: &str, path: &[&str]) -> Range<usize> {
    let start = 0..1.min(text.len());
    let Ok(root) = DeTable::parse(text) else { return start };
    let (mut table, mut found) = (root.get_ref(), start);
    for name in path {
        let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == name) else { break };
        found = key.span();
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_where_they_stand() {
        let text = "# a = 1\n[parameters]\nb = { low = 1 }\n\"a\" = 2\n[parameters.c]\nx = 1\n";
        let at = |path: &[&str]| &text[of(text, path)];
        assert_eq!((at(&["parameters", "a"]), at(&["parameters", "b", "low"])), ("\"a\"", "low"));
        assert_eq!(at(&["parameters", "c", "x"]), "x");
        assert_eq!(at(&["parameters", "none"]), "parameters");
        assert_eq!(at(&["none"]), "#");
        assert_eq!(of("= =", &["a"]), 0..1);
    }
}
