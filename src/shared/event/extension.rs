//! A study that goes on: further trials, points of one's own, and the close that comes after them.
//!
//! These structs are frozen like all others.

use super::codec::{Decode, Encode, Real};
use super::kinds::{ParamV2, facts, hex};
use serde::Serialize;

facts! {
    /// A study got further trials, or points that are tried before the sampler is asked: right after its opening, or
    /// after a close, which then is not its last.
    StudyExtended {
        #[serde(serialize_with = "hex")] study_id: [u8; 16],
        /// How often it was closed before.
        round: u32,
        /// Trials beside those that it had.
        trials: u32,
        /// Points that its next trials try, in this order.
        points: Vec<Vec<(String, ParamV2)>>,
    }

    /// A study ended again, version 2: after it was extended.
    StudyClosedV2 {
        #[serde(serialize_with = "hex")] study_id: [u8; 16],
        /// How often it was closed before.
        round: u32,
        trials: u32,
        best: Option<u32>,
        statistics: Vec<(String, Real)>,
    }
}
