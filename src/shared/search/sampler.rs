//! Which sampler, with its settings. Name and version are part of a study.

use serde::{Deserialize, Serialize};

/// A sampler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase", deny_unknown_fields)]
pub enum Sampler {
    /// Independent uniform draws.
    Random {},
    /// All points of the space, in an order that spreads over it.
    Grid {
        /// Points of a range that has no steps, or very many.
        #[serde(default = "points")]
        points: u32,
    },
    /// Owen-scrambled Sobol sequence: spreads more evenly than random draws.
    Sobol {},
    /// Evolution strategy with an adapted covariance matrix (CMA-ES); choices are drawn evenly.
    #[serde(rename = "cma-es")]
    CmaEs {},
    /// Genetic search for the Pareto front of several objectives (NSGA-II).
    #[serde(rename = "nsga-ii")]
    Nsga {
        /// Trials of a generation. Fewer than Optuna's 50: over a few hundred trials more generations find more.
        #[serde(default = "population")]
        population: u32,
    },
    /// Tree-structured Parzen estimator.
    Tpe {
        /// Random trials before the model is used.
        #[serde(default = "startup")]
        startup_trials: u32,
        /// Candidates drawn for each suggestion.
        #[serde(default = "candidates")]
        candidates: u32,
        /// Whether parameters are modelled together, or each alone; by default two trials of three together: neither
        /// is better on every space, and this is near the better one on each that was measured.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        multivariate: Option<bool>,
    },
}

fn points() -> u32 {
    5
}

fn population() -> u32 {
    20
}

fn startup() -> u32 {
    10
}

fn candidates() -> u32 {
    24
}

impl Sampler {
    /// Its name in a study.
    pub fn name(&self) -> &'static str {
        match self {
            Sampler::Random {} => "random",
            Sampler::Grid { .. } => "grid",
            Sampler::Sobol {} => "sobol",
            Sampler::CmaEs {} => "cma-es",
            Sampler::Nsga { .. } => "nsga-ii",
            Sampler::Tpe { .. } => "tpe",
        }
    }

    /// How many points it takes of a range that has no steps, of one that takes so many.
    pub fn points(&self) -> Option<u32> {
        if let Sampler::Grid { points } = self { Some(*points) } else { None }
    }

    /// Whether what it asks depends on the results of earlier trials.
    pub fn learns(&self) -> bool {
        !matches!(self, Sampler::Random {} | Sampler::Grid { .. } | Sampler::Sobol {})
    }
}

impl Default for Sampler {
    fn default() -> Sampler {
        Sampler::Tpe { startup_trials: startup(), candidates: candidates(), multivariate: None }
    }
}
