//! Trials that were made elsewhere, and count here.
//!
//! These structs are frozen like all others.

use super::codec::{Decode, Encode};
use super::kinds::{Digest, facts, hex};
use serde::Serialize;

facts! {
    /// Somebody tried strategies on these prices with other tools, and says so: the trials count beside every study on prices
    /// that overlap. What came of them is not taken, since nobody could check it.
    TrialsDeclared {
        symbols: Vec<String>,
        /// First and last moment of the prices, milliseconds since 1970.
        first_ms: i64,
        last_ms: i64,
        trials: u64,
        /// With what they were made, in words.
        source: String,
        /// SHA-256 of the file that they were counted in; zeros where they were not counted in one.
        #[serde(serialize_with = "hex")] file_sha256: Digest,
    }
}
