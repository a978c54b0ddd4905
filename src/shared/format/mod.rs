//! Frozen texts: every text that is hashed or signed has a number in it, a reader for each number, and
//! a canonical writer of our own.
//!
//! A text without a number is of version 1, which release 0.1.0 wrote; it is read for ever. Version 2
//! is the current one. The working types live in the rooms that work with them; what is written here
//! is only how they look as text. Golden files hold each version to its bytes.

mod assumed;
pub mod config;
pub mod flat;
pub mod plain;
pub mod policy;
pub mod reproduction;
pub mod rulebook;
pub mod strategy;
pub mod study;
pub mod tree;

pub use assumed::costs_text;

use crate::strategy::diagnostic::near;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Why a text is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// It is longer than any text of its kind may be.
    #[error("it is over {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// It is not UTF-8.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// It does not read.
    #[error("{what}")]
    Malformed {
        /// What is wrong, in words.
        what: String,
        /// Where, in bytes, if that is known.
        span: Option<Range<usize>>,
    },
    /// A number that this release does not know.
    #[error("it is of format {found}; this release reads 1 to {newest}: use a newer one")]
    Unknown {
        /// The number found.
        found: u32,
        /// The newest that is known.
        newest: u32,
    },
    /// It reads, but not as its canonical writer writes it.
    #[error("it is not in its canonical form: the first difference is in line {line}")]
    NotCanonical {
        /// Line, from 1.
        line: usize,
    },
    /// It reads, but contradicts itself or a rule.
    #[error("{0}")]
    Wrong(String),
}

impl FormatError {
    /// What the TOML reader says.
    pub(crate) fn toml(e: &toml::de::Error) -> FormatError {
        FormatError::Malformed { what: plainly(e.message()), span: e.span() }
    }

    /// What the JSON reader says.
    pub(crate) fn json(e: &serde_json::Error) -> FormatError {
        FormatError::Malformed { what: e.to_string(), span: None }
    }
}

/// A reader's message without the words of a programming language.
fn plainly(message: &str) -> String {
    if let Some(name) = message.trim_end().strip_prefix("missing field ") {
        return format!("{} is missing", name.replace('`', "'"));
    }
    let Some((before, wanted)) = message.rsplit_once(", expected ") else { return message.into() };
    if let Some((what, name)) = before.rsplit_once(" `").filter(|(what, _)| what.starts_with("unknown ")) {
        let name = name.trim_end_matches('`');
        // `a`, `b` or one of them; a comma stands inside no name.
        let known: Vec<&str> = wanted.split('`').skip(1).step_by(2).collect();
        let all = format!("there {} {}", if known.len() == 1 { "is" } else { "are" }, known.join(", "));
        let what = if what == "unknown variant" { "unknown word" } else { what };
        return match near(name, known.iter().copied()) {
            Some(meant) => format!("{what} '{name}': did you mean '{meant}'? {all}"),
            None => format!("{what} '{name}': {all}"),
        };
    }
    let words = match wanted.trim_end() {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" => "a text in quotes",
        other if other.starts_with("struct ") => "a table",
        _ => return message.into(),
    };
    format!("{before}, expected {words}")
}

/// Reads settings, and says in plain words what is wrong with them.
///
/// # Errors
/// [`FormatError::Malformed`].
pub fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, FormatError> {
    toml::from_str(text).map_err(|e| FormatError::toml(&e))
}

/// Whether a TOML text has one of these keys at its top.
pub fn has_any(text: &str, keys: &[&str]) -> bool {
    DeTable::parse(text).is_ok_and(|table| table.get_ref().keys().any(|key| keys.contains(&&**key.get_ref())))
}

/// No text of ours holds a number that is none: neither `inf` nor `nan`, nor one that overflows.
pub(crate) fn finite(text: &str) -> Result<(), FormatError> {
    table(text).map(drop)
}

/// A text's tables, in which every number is one.
fn table(text: &str) -> Result<Spanned<DeTable<'_>>, FormatError> {
    let root = DeTable::parse(text).map_err(|e| FormatError::toml(&e))?;
    let mut left: Vec<&Spanned<DeValue<'_>>> = root.get_ref().iter().map(|(_, value)| value).collect();
    while let Some(value) = left.pop() {
        match value.get_ref() {
            DeValue::Float(v) if !v.as_str().parse().is_ok_and(f64::is_finite) => {
                let what = format!("'{}' is no number", v.as_str());
                return Err(FormatError::Malformed { what, span: Some(value.span()) });
            }
            DeValue::Array(items) => left.extend(items.iter()),
            DeValue::Table(inner) => left.extend(inner.iter().map(|(_, value)| value)),
            _ => {}
        }
    }
    Ok(root)
}

/// The number in a text; 1 when there is none. The first thing that every reader asks.
pub(crate) fn number(text: &str) -> Result<u32, FormatError> {
    let root = table(text)?;
    let Some(found) = root.get_ref().get("format") else { return Ok(1) };
    let number = match found.get_ref() {
        DeValue::Integer(n) => u32::from_str_radix(n.as_str(), n.radix()).ok(),
        _ => None,
    };
    match number {
        // Version 1 never had a number, so a text that says so is not one of its texts.
        Some(1) => Err(FormatError::Malformed { what: "format 1 has no number in its text".into(), span: None }),
        Some(n) => Ok(n),
        None => {
            let what = "the format is a whole number".into();
            Err(FormatError::Malformed { what, span: Some(found.span()) })
        }
    }
}

/// Only the text that its writer would write is accepted.
pub(crate) fn canonical(text: &str, written: &str) -> Result<(), FormatError> {
    if text == written {
        return Ok(());
    }
    let same = text.lines().zip(written.lines()).take_while(|(a, b)| a == b).count();
    Err(FormatError::NotCanonical { line: same + 1 })
}

#[cfg(test)]
mod tests {
    use crate::format::{config::LiveConfig, study};
    use crate::policy::Policy;
    use crate::rulebook::Rulebook;
    use crate::strategy::Strategy;
    use crate::study::Study;

    /// The text with its `n`th number that has a fraction replaced, if it has so many.
    fn replaced(text: &str, n: usize, by: &str) -> Option<String> {
        let number = |word: &str| word.contains('.') && word.parse::<f64>().is_ok();
        let ends = |c: char| c.is_whitespace() || ",[]{}=".contains(c);
        let mut places = text.split(ends).filter(|word| number(word));
        let word = places.nth(n)?;
        let at = word.as_ptr() as usize - text.as_ptr() as usize;
        Some(format!("{}{by}{}", &text[..at], &text[at + word.len()..]))
    }

    /// What a reader makes of a text: the text that it writes for it again.
    type Rewrite = fn(&str) -> Option<String>;

    const CANONICAL: [(&str, Rewrite); 7] = [
        (include_str!("config/golden/v1.toml"), |t| LiveConfig::parse(t.as_bytes()).ok().map(|c| c.text())),
        (include_str!("config/golden/v2.toml"), |t| LiveConfig::parse(t.as_bytes()).ok().map(|c| c.text())),
        (include_str!("strategy/golden/v1.toml"), |t| Strategy::recorded(t).ok().map(|s| s.canonical().into())),
        (include_str!("strategy/golden/v2.toml"), |t| Strategy::recorded(t).ok().map(|s| s.canonical().into())),
        (include_str!("study/golden/v1.json"), |t| Study::recorded(t).ok().map(|_| t.into())),
        (include_str!("study/golden/v2.toml"), |t| Study::recorded(t).ok().map(|s| s.text())),
        (include_str!("rulebook/golden/v2.toml"), |t| Rulebook::parse(t).ok().map(|b| b.text())),
    ];

    /// One meaning has one text: no reader of a hashed text takes another one for it, whichever byte
    /// is changed, left out, doubled or put in.
    #[test]
    fn one_meaning_has_one_text() {
        for (i, (text, rewrite)) in CANONICAL.into_iter().enumerate() {
            // Rule books are known by their bytes, and read in any layout.
            let loose = i == 6;
            assert!(loose || rewrite(text).as_deref() == Some(text), "reader {i}");
            let step = (text.len() / 400).max(1);
            for at in (0..text.len()).step_by(step).filter(|at| text.is_char_boundary(*at)) {
                let after = at + text[at..].chars().next().map_or(0, char::len_utf8);
                let (head, char, tail) = (&text[..at], &text[at..after], &text[after..]);
                let others = [
                    format!("{head}{tail}"),
                    format!("{head}{char}{char}{tail}"),
                    format!("{head} {char}{tail}"),
                    format!("{head}\n{char}{tail}"),
                    format!("{head}7{tail}"),
                    format!("{head}\"{tail}"),
                ];
                for other in others.iter().filter(|_| !loose) {
                    if let Some(again) = rewrite(other) {
                        assert_eq!(&again, other, "reader {i} at byte {at}");
                    }
                }
            }
        }
    }

    /// Cut anywhere, a text is refused in words, by every reader.
    #[test]
    fn cut_texts_are_refused() {
        for (i, (text, rewrite)) in CANONICAL.into_iter().enumerate() {
            let step = (text.len() / 200).max(1);
            let whole = text.trim_end().len();
            for at in (0..whole).step_by(step).filter(|at| text.is_char_boundary(*at)) {
                if let Some(again) = rewrite(&text[..at]) {
                    assert!(i == 6 || again == text[..at], "reader {i}, {at} bytes");
                }
            }
        }
    }

    /// What is no number is refused by every reader, wherever it stands, and stops none of them.
    #[test]
    fn every_reader_wants_numbers() {
        type Reader = fn(&str) -> bool;
        let readers: [(&str, Reader); 10] = [
            (include_str!("config/golden/v1.toml"), |t| LiveConfig::parse(t.as_bytes()).is_ok()),
            (include_str!("config/golden/v2.toml"), |t| LiveConfig::parse(t.as_bytes()).is_ok()),
            (include_str!("strategy/golden/v1.toml"), |t| Strategy::recorded(t).is_ok()),
            (include_str!("strategy/golden/v2.toml"), |t| Strategy::recorded(t).is_ok()),
            (include_str!("strategy/golden/v2.toml"), |t| Strategy::parse(t).is_ok()),
            (include_str!("study/golden/v2.toml"), |t| Study::recorded(t).is_ok()),
            (include_str!("study/golden/v2.toml"), |t| Study::parse(t).is_ok()),
            (include_str!("policy/golden/v1.toml"), |t| Policy::parse(t).is_ok()),
            (include_str!("policy/golden/v2.toml"), |t| Policy::parse(t).is_ok()),
            (include_str!("rulebook/golden/v2.toml"), |t| Rulebook::parse(t).is_ok()),
        ];
        assert_eq!(study::CURRENT, 2);
        for (i, (text, reads)) in readers.into_iter().enumerate() {
            assert!(reads(text) || i == 4, "reader {i}");
            // What stands in a config's strategy is a text in itself, with a reader of its own.
            let own = if i == 1 { text.split("\n[strategy]").next().unwrap_or_default() } else { text };
            let tried = (0..).map_while(|n| replaced(own, n, "inf").map(|_| n)).count();
            assert!(tried > 0, "reader {i} has numbers");
            for (n, by) in (0..tried).flat_map(|n| ["inf", "-inf", "nan", "1e999"].map(|by| (n, by))) {
                let changed = replaced(text, n, by).unwrap_or_default();
                assert!(!reads(&changed), "reader {i}, number {n} as {by}");
            }
        }
    }
}
