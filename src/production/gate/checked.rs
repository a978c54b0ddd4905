//! A study that was computed again without a finding, and what it came to.

use super::studies::Course;
use assay_shared::recount::{Case, figures};
use serde::{Deserialize, Serialize};

/// A study that was computed again, as its log has it from its last event on up to a size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Checked {
    study_id: [u8; 16],
    /// Where it was opened and closed, and where the last event stands that it was computed from.
    pub seq: u64,
    pub closed: u64,
    last: u64,
    /// The witness that gave its seed.
    pub seeded: Option<String>,
    /// Its trials, and bars out of sample.
    pub trials: u32,
    pub bars: u64,
    /// Bits of its probability of overfitting, unless undefined.
    pbo: Option<u64>,
}

impl Checked {
    /// Of a study without a finding whose last event stands at `last`; none of one that is not closed.
    pub(super) fn of(case: &Case, last: u64) -> Option<Checked> {
        let bars = case.bars();
        Some(Checked {
            study_id: case.fact.study_id,
            seq: case.seq,
            closed: case.closed.as_ref()?.0,
            last,
            seeded: case.seeded.clone(),
            trials: case.study.trials,
            bars: bars as u64,
            pbo: figures::pbo(&case.finished, bars).map(f64::to_bits),
        })
    }

    /// Its probability of overfitting, unless undefined.
    pub(super) fn pbo(&self) -> Option<f64> {
        self.pbo.map(f64::from_bits)
    }

    /// Whether it is a study as it stands in the first `size` entries.
    pub(super) fn stands(&self, study_id: &[u8; 16], size: u64) -> bool {
        self.study_id == *study_id && self.last < size
    }

    /// Whether it is a study as its events so far have it.
    pub(super) fn is(&self, study_id: &[u8; 16], course: &Course) -> bool {
        self.study_id == *study_id && self.last == course.last
    }
}
