//! Which sampler, with its settings. Name and version are part of a study.

use serde::{Deserialize, Serialize};

/// A sampler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase", deny_unknown_fields)]
pub enum Sampler {
    /// Independent uniform draws.
    Random {},
    /// Tree-structured Parzen estimator, multivariate.
    Tpe {
        /// Random trials before the model is used.
        #[serde(default = "startup")]
        startup_trials: u32,
        /// Candidates drawn for each suggestion.
        #[serde(default = "candidates")]
        candidates: u32,
    },
}

fn startup() -> u32 {
    24
}

fn candidates() -> u32 {
    24
}
