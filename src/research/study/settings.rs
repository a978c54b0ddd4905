//! The study file: what is searched, how it is judged, and what is recorded of it.

use super::objective::Objective;
use super::split::Splits;
use assay_shared::account::Assumptions;
use serde::{Deserialize, Serialize};

/// A study as its file says it. Recorded whole before the first trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Name of the study.
    pub name: String,
    /// Number of trials.
    pub trials: u32,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Trials asked at a time. Part of the result: all of a batch know the same history.
    #[serde(default = "batch")]
    pub batch: u32,
    /// The sampler.
    pub sampler: Sampler,
    /// Walk-forward windows.
    pub splits: Splits,
    /// What is maximised.
    pub objective: Objective,
    /// What a trial must keep.
    pub guardrails: Guardrails,
    /// Cash and slippage.
    pub assumptions: Assumptions,
}

fn batch() -> u32 {
    8
}

/// Which sampler, with its settings. Name and version are part of the study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase", deny_unknown_fields)]
pub enum Sampler {
    /// Independent uniform draws.
    Random,
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

/// What a trial must keep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guardrails {
    /// Fewest trades over all out-of-sample windows; a constraint.
    pub min_trades: u32,
    /// Most liquidations in any window; a constraint.
    pub max_liquidations: u32,
    /// Largest drawdown by leverage; beyond it a trial fails. The entry with the highest leverage
    /// that is not above the trial's counts.
    #[serde(default)]
    pub drawdown: Vec<DrawdownLimit>,
    /// Stop a trial after a fold when it is below the median of earlier trials at that fold.
    #[serde(default)]
    pub prune_below_median: bool,
}

/// A drawdown limit from a leverage on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrawdownLimit {
    /// Leverage from which it holds.
    pub leverage: f64,
    /// Largest drawdown, a positive fraction.
    pub max_drawdown: f64,
}

impl Guardrails {
    /// The limit for a leverage.
    pub fn drawdown_limit(&self, leverage: f64) -> Option<f64> {
        let below = self.drawdown.iter().filter(|d| d.leverage <= leverage);
        let found = below.max_by(|a, b| a.leverage.total_cmp(&b.leverage));
        let lowest = || self.drawdown.iter().min_by(|a, b| a.leverage.total_cmp(&b.leverage));
        found.or_else(lowest).map(|d| d.max_drawdown)
    }
}

impl Settings {
    /// Reads and checks a study file.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &str) -> Result<Settings, String> {
        let s: Settings = toml::from_str(text).map_err(|e| e.to_string())?;
        let ok = |good: bool, what: &str| if good { Ok(()) } else { Err(what.to_string()) };
        ok(!s.name.is_empty() && s.name.len() <= 128, "a study needs a name of at most 128 bytes")?;
        ok((1..=1_000_000).contains(&s.trials), "trials must be 1 to 1,000,000")?;
        ok((1..=1024).contains(&s.batch), "batch must be 1 to 1024")?;
        if let Sampler::Tpe { startup_trials, candidates } = s.sampler {
            ok(
                startup_trials >= 1 && (1..=1000).contains(&candidates),
                "TPE needs startup_trials and 1 to 1000 candidates",
            )?;
        }
        let a = &s.assumptions;
        ok(a.initial_cash_usdt.is_finite() && a.initial_cash_usdt > 0.0, "initial_cash_usdt must be positive")?;
        ok((0.0..1000.0).contains(&a.slippage_bps), "slippage_bps must be 0 to 1000")?;
        let fraction = |d: &DrawdownLimit| d.max_drawdown > 0.0 && d.max_drawdown <= 1.0 && d.leverage >= 1.0;
        ok(s.guardrails.drawdown.iter().all(fraction), "a drawdown limit is a fraction above 0, at a leverage from 1")?;
        s.splits.check()?;
        s.objective.check()?;
        Ok(s)
    }

    /// Canonical JSON: what is recorded, and read again on resume.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
