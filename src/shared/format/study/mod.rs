//! The canonical text of a study: everything that is recorded of it before its first trial.

pub mod v1;
pub mod v2;

use super::{FormatError, canonical, number};
use crate::study::Study;

/// The version that is written.
pub const CURRENT: u32 = 2;
/// The largest study file.
pub const MAX_TEXT: usize = 16_384;

impl Study {
    /// Reads a study file, as a person wrote it, and checks it.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn parse(text: &str) -> Result<Study, FormatError> {
        if text.len() > MAX_TEXT {
            return Err(FormatError::TooLong { limit: MAX_TEXT });
        }
        let study = read(text)?;
        study.check()?;
        Ok(study)
    }

    /// Reads a study as it was recorded, in any version.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn recorded(text: &str) -> Result<Study, FormatError> {
        if text.len() > 2 * MAX_TEXT {
            return Err(FormatError::TooLong { limit: 2 * MAX_TEXT });
        }
        // Version 1 was JSON.
        if text.starts_with('{') {
            return v1::read(text);
        }
        let study = read(text)?;
        study.check()?;
        canonical(text, &study.text())?;
        Ok(study)
    }

    /// The canonical text.
    pub fn text(&self) -> String {
        v2::text(self)
    }
}

fn read(text: &str) -> Result<Study, FormatError> {
    if let found @ 3.. = number(text)? {
        return Err(FormatError::Unknown { found, newest: CURRENT });
    }
    toml::from_str(text).map_err(|e| FormatError::toml(&e))
}
