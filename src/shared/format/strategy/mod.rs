//! The canonical text of a strategy: what its file says, without comments and layout.

pub mod v1;
pub mod v2;
pub mod v3;

use super::{FormatError, canonical, number};
use crate::strategy::file::StrategyFile;
use assay_ledger::Hash;

/// The version that is written.
pub const CURRENT: u32 = 3;
/// The largest strategy file.
pub const MAX_TEXT: usize = 65_536;

/// A strategy's canonical text with its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canonical {
    /// The format.
    pub format: u32,
    /// The text.
    pub text: String,
}

impl Canonical {
    /// The current text of a file.
    pub fn of(file: &StrategyFile) -> Canonical {
        // What the second format can say keeps its text and its hash.
        let format = if v3::needed(file) { 3 } else { 2 };
        Canonical { format, text: v2::text(file, format) }
    }

    /// SHA-256 of the text, with its kind and version in front.
    pub fn hash(&self) -> Hash {
        let domain = format!("assay/strategy/v{}\0", self.format);
        Hash::of_parts(&[domain.as_bytes(), self.text.as_bytes()])
    }
}

/// Reads a recorded text of any version. Only a canonical text is accepted.
///
/// # Errors
/// [`FormatError`].
pub fn read(text: &str) -> Result<(Canonical, StrategyFile), FormatError> {
    if text.len() > 2 * MAX_TEXT {
        return Err(FormatError::TooLong { limit: 2 * MAX_TEXT });
    }
    let format = number(text)?;
    let (file, written) = match format {
        1 => {
            let frozen = v1::StrategyV1::read(text)?;
            (frozen.file(), frozen.text())
        }
        2 | 3 => {
            let file = crate::strategy::text::read(text).map_err(|(_, problems)| {
                let first = problems.into_iter().next();
                let (what, span) = first.map_or_else(Default::default, |d| (d.to_string(), Some(d.span)));
                FormatError::Malformed { what, span }
            })?;
            let written = Canonical::of(&file).text;
            (file, written)
        }
        found => return Err(FormatError::Unknown { found, newest: CURRENT }),
    };
    canonical(text, &written)?;
    Ok((Canonical { format, text: written }, file))
}
