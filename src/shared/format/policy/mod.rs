//! The text of a policy. A policy is hashed as it stands in the repository, byte for byte; what is
//! written here is the text of a new one.

pub mod v1;
pub mod v2;

use super::{FormatError, number};
use crate::policy::Policy;

/// The version that is written.
pub const CURRENT: u32 = 2;
/// The largest policy.
pub const MAX_TEXT: usize = 262_144;

impl Policy {
    /// Reads and checks a policy of any version. Floors are enforced here, in code: at least one
    /// approval by somebody else, and enough people to reach every threshold.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn parse(text: &str) -> Result<Policy, FormatError> {
        if text.len() > MAX_TEXT {
            return Err(FormatError::TooLong { limit: MAX_TEXT });
        }
        let policy = match number(text)? {
            1 => v1::read(text)?,
            2 => toml::from_str(text).map_err(|e| FormatError::toml(&e))?,
            found => return Err(FormatError::Unknown { found, newest: CURRENT }),
        };
        policy.check()?;
        Ok(policy)
    }

    /// The policy as text.
    pub fn text(&self) -> String {
        v2::text(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/format/policy/golden/v2.toml");
        let old = Policy::parse(include_str!("golden/v1.toml")).unwrap();
        assert_eq!((old.format, old.people.len(), old.origins.len()), (1, 2, 1));
        let text = old.text();
        if std::env::var_os("ASSAY_BLESS").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        assert_eq!(text, std::fs::read_to_string(path).unwrap());
        assert_eq!(Policy::parse(&text).unwrap(), Policy { format: CURRENT, ..old });
    }
}
