//! What a study file says: what is searched, how it is cut, judged and guarded.

pub mod formula;
pub mod objective;
pub mod pruning;
pub mod split;

pub use formula::{Formula, Requirement};
pub use objective::{Figure, Full, Objective, Stability};
pub use pruning::Pruning;
pub use split::{FoldBars, Mode, Splits};

use crate::account::{Assumptions, Impact};
use crate::format::FormatError;
use crate::search::{self, Sampler, Search};
use crate::strategy::Params;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A study. Recorded whole before the first trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Study {
    /// Format of its text; absent in a file that a person wrote.
    #[serde(default)]
    pub format: Option<u32>,
    /// Name of the study.
    pub name: String,
    /// What is thought before anything is tried: recorded with the opening, which stands before the first trial.
    #[serde(default)]
    pub declared: Option<Declared>,
    /// Number of trials.
    #[serde(default = "trials")]
    pub trials: u32,
    /// Seed of all random numbers.
    #[serde(default = "seed")]
    pub seed: u64,
    /// Trials asked at a time. Part of the result: all of a batch know the same history.
    #[serde(default = "batch")]
    pub batch: u32,
    /// Version of the samplers; the current one in a file that a person wrote.
    #[serde(default = "current_sampler")]
    pub sampler_version: u32,
    /// The sampler.
    #[serde(default)]
    pub sampler: Sampler,
    /// Walk-forward windows.
    #[serde(default)]
    pub splits: Splits,
    /// What is maximised.
    #[serde(default)]
    pub objective: Objective,
    /// What a trial must keep.
    #[serde(default)]
    pub guardrails: Guardrails,
    /// Cash and slippage.
    #[serde(default = "Assumptions::of_a_study")]
    pub assumptions: Assumptions,
    /// Points that are tried instead of the sampler's, by trial: events of their own, no part of the text.
    #[serde(skip)]
    pub queued: BTreeMap<u32, Params>,
}

/// A search that was declared before it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declared {
    /// Why the strategy should earn anything.
    pub hypothesis: String,
    /// What would show that it does not.
    pub refuted_if: String,
}

/// Most bytes of what is declared, each.
const DECLARED: usize = 2000;

fn trials() -> u32 {
    200
}

fn seed() -> u64 {
    1
}

fn batch() -> u32 {
    8
}

fn current_sampler() -> u32 {
    search::VERSION
}

/// What a trial must keep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guardrails {
    /// Fewest trades over all out-of-sample windows; a constraint.
    #[serde(default = "min_trades")]
    pub min_trades: u32,
    /// Most liquidations in any window; a constraint.
    #[serde(default)]
    pub max_liquidations: u32,
    /// Most bars of which nobody knows whether a cross account survived them, over the whole run; a constraint.
    #[serde(default)]
    pub max_undecided_bars: u32,
    /// Largest drawdown by leverage; beyond it a trial fails. The entry with the highest leverage
    /// that is not above the trial's counts.
    #[serde(default)]
    pub drawdown: Vec<DrawdownLimit>,
    /// Stop a trial after a fold when it is below the median of earlier trials at that fold.
    #[serde(default)]
    pub prune_below_median: bool,
    /// Another rule by which a trial is stopped after a fold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pruning: Option<Pruning>,
    /// What figures out of sample must keep, `profit_factor >= 1.2`; constraints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub require: Vec<Requirement>,
}

fn min_trades() -> u32 {
    30
}

impl Default for Guardrails {
    fn default() -> Guardrails {
        Guardrails {
            min_trades: min_trades(),
            max_liquidations: 0,
            max_undecided_bars: 0,
            drawdown: Vec::new(),
            prune_below_median: false,
            pruning: None,
            require: Vec::new(),
        }
    }
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
    /// The rule by which trials are stopped, if any.
    pub fn stops(&self) -> Option<Pruning> {
        self.pruning.or(self.prune_below_median.then_some(Pruning::Median {}))
    }

    /// The limit for a leverage.
    pub fn drawdown_limit(&self, leverage: f64) -> Option<f64> {
        let below = self.drawdown.iter().filter(|d| d.leverage <= leverage);
        let found = below.max_by(|a, b| a.leverage.total_cmp(&b.leverage));
        let lowest = || self.drawdown.iter().min_by(|a, b| a.leverage.total_cmp(&b.leverage));
        found.or_else(lowest).map(|d| d.max_drawdown)
    }
}

impl Study {
    /// What a file that a person wrote leaves out of a table that it has, and what counts for it then: another thing than
    /// without the table, as files of release 0.1.0 mean it.
    pub fn left_out(&self) -> Vec<&'static str> {
        let mut out = Vec::new();
        if self.splits.vault_days.is_none() {
            out.push("[splits] names no vault_days, so no bars are kept back from the search; vault_days = 90 keeps the last ninety days");
        }
        if self.objective.stability_weight.is_none() {
            out.push("[objective] names no stability_weight, so the score loses the whole deviation of the folds (\"full\"); stability_weight = 1.0 takes one standard error, as without [objective]");
        }
        out
    }

    /// The point of a trial: one that was queued, or what the sampler asks for. Of the queued ones it learns as of all
    /// others, and loses none of its own by them.
    pub fn asked(&self, search: &mut Search<'_>, number: u32, pending: &[Params]) -> Params {
        match self.queued.get(&number) {
            Some(point) => point.clone(),
            None => search.ask(number - self.queued.range(..number).count() as u32, pending),
        }
    }

    /// Everything that can be checked without data. Whoever changes a field of a study that was read
    /// checks it again.
    ///
    /// # Errors
    /// [`FormatError::Wrong`].
    pub fn check(&self) -> Result<(), FormatError> {
        let ok = |good: bool, what: &str| if good { Ok(()) } else { Err(FormatError::Wrong(what.to_string())) };
        let plain = !self.name.trim().is_empty() && !self.name.chars().any(char::is_control);
        ok(plain && self.name.len() <= 128, "a study needs a name of 1 to 128 bytes without control characters")?;
        let said =
            |t: &str| !t.trim().is_empty() && t.len() <= DECLARED && !t.chars().any(|c| c.is_control() && c != '\n');
        let whole = self.declared.as_ref().is_none_or(|d| said(&d.hypothesis) && said(&d.refuted_if));
        ok(
            whole,
            "[declared] needs a hypothesis and a refuted_if, each of 1 to 2000 bytes without control characters",
        )?;
        ok((1..=1_000_000).contains(&self.trials), "trials must be 1 to 1,000,000")?;
        ok((1..=1024).contains(&self.batch), "batch must be 1 to 1024")?;
        ok(self.seed <= i64::MAX as u64, "seed must be below 2^63")?;
        if let Sampler::Tpe { startup_trials, candidates, .. } = self.sampler {
            ok(
                startup_trials >= 1 && (1..=1000).contains(&candidates),
                "TPE needs startup_trials and 1 to 1000 candidates",
            )?;
        }
        let points = if let Sampler::Grid { points } = self.sampler { points } else { 1 };
        ok((1..=1000).contains(&points), "a grid needs 1 to 1000 points for each range without steps")?;
        let a = &self.assumptions;
        ok(a.initial_cash_usdt.is_finite() && a.initial_cash_usdt > 0.0, "initial_cash_usdt must be positive")?;
        ok((0.0..1000.0).contains(&a.slippage_bps), "slippage_bps must be 0 to 1000")?;
        ok(
            a.max_volume_share.is_none_or(|share| share > 0.0 && share <= 1.0),
            "max_volume_share must be above 0 and at most 1",
        )?;
        ok(!a.carry_over || a.max_volume_share.is_some(), "carry_over needs a max_volume_share to carry over from")?;
        let impact = match a.impact {
            Impact::None => 0.0,
            Impact::Range { share } => share,
            Impact::SquareRoot { factor } => factor,
        };
        ok((0.0..=100.0).contains(&impact), "the impact's share or factor must be 0 to 100")?;
        let fraction = |d: &DrawdownLimit| {
            d.max_drawdown > 0.0 && d.max_drawdown <= 1.0 && d.leverage >= 1.0 && d.leverage.is_finite()
        };
        ok(
            self.guardrails.drawdown.iter().all(fraction),
            "a drawdown limit is a fraction above 0, at a leverage from 1",
        )?;
        self.check_objectives()?;
        self.splits.check()?;
        self.objective.check()
    }

    /// What several objectives, requirements and rules of pruning ask of each other and of the sampler.
    fn check_objectives(&self) -> Result<(), FormatError> {
        let ok = |good: bool, what: &str| if good { Ok(()) } else { Err(FormatError::Wrong(what.to_string())) };
        let count = |n: usize, what: &str| ok(n <= 8, &format!("{what} holds at most 8 expressions"));
        count(self.objective.also.len(), "also")?;
        count(self.guardrails.require.len(), "require")?;
        let mut names: Vec<&str> = self.objective.also.iter().map(Formula::text).collect();
        names.sort_unstable();
        ok(names.windows(2).all(|pair| pair[0] != pair[1]), "an objective is named twice: each counts once")?;
        let several = !self.objective.also.is_empty();
        ok(
            !(self.guardrails.prune_below_median && self.guardrails.pruning.is_some()),
            "prune_below_median and [guardrails.pruning] are two rules: leave one out",
        )?;
        self.guardrails.pruning.map_or(Ok(()), |rule| rule.check())?;
        ok(
            !(several && self.guardrails.stops().is_some()),
            "a study of several objectives prunes nothing, since a fold tells of the first one only: leave out \
             prune_below_median and [guardrails.pruning], or [objective] also",
        )?;
        let nsga = matches!(self.sampler, Sampler::Nsga { .. });
        let one = matches!(self.sampler, Sampler::Tpe { .. } | Sampler::CmaEs {});
        ok(
            !several || !one,
            "tpe and cma-es search for one objective: with several, [sampler] name = \"nsga-ii\", random, sobol or grid",
        )?;
        ok(!nsga || several, "nsga-ii needs several objectives: [objective] also = [\"max_drawdown\"]")?;
        if let Sampler::Nsga { population } = self.sampler {
            ok((4..=1000).contains(&population), "nsga-ii needs a population of 4 to 1000")?;
        }
        Ok(())
    }
}
