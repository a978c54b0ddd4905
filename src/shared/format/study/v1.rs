//! Version 1 of a recorded study, as release 0.1.0 wrote it: JSON with sorted keys. Frozen, and only
//! read: a study goes on only with the build that opened it.

use crate::account::Assumptions;
use crate::format::FormatError;
use crate::search::Sampler;
use crate::study::{DrawdownLimit, Figure, Guardrails, Mode, Objective, Splits, Study};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    sampler_version: u32,
    settings: Settings,
    /// The same as in the strategy's text.
    #[serde(rename = "space")]
    _space: serde_json::Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    name: String,
    trials: u32,
    seed: u64,
    batch: u32,
    sampler: SamplerV1,
    splits: SplitsV1,
    objective: ObjectiveV1,
    guardrails: GuardrailsV1,
    assumptions: AssumptionsV1,
}

#[derive(Deserialize)]
#[serde(tag = "name", rename_all = "lowercase", deny_unknown_fields)]
enum SamplerV1 {
    Random,
    Tpe { startup_trials: u32, candidates: u32 },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SplitsV1 {
    mode: ModeV1,
    in_sample_days: u32,
    out_of_sample_days: u32,
    purge_bars: u32,
    warmup_bars: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ModeV1 {
    Tile,
    Anchored,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ObjectiveV1 {
    figure: FigureV1,
    degradation_weight: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FigureV1 {
    CagrCalmarWinrate,
    Sharpe,
    Sortino,
    Calmar,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GuardrailsV1 {
    min_trades: u32,
    max_liquidations: u32,
    drawdown: Vec<DrawdownV1>,
    prune_below_median: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DrawdownV1 {
    leverage: f64,
    max_drawdown: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AssumptionsV1 {
    initial_cash_usdt: f64,
    slippage_bps: f64,
}

/// Reads the text into the working form.
pub(super) fn read(text: &str) -> Result<Study, FormatError> {
    let Recorded { sampler_version, settings: s, _space } =
        serde_json::from_str(text).map_err(|e| FormatError::json(&e))?;
    let limit = |d: DrawdownV1| DrawdownLimit { leverage: d.leverage, max_drawdown: d.max_drawdown };
    Ok(Study {
        declared: None,
        queued: std::collections::BTreeMap::new(),
        format: Some(1),
        name: s.name,
        trials: s.trials,
        seed: s.seed,
        batch: s.batch,
        sampler_version,
        sampler: match s.sampler {
            SamplerV1::Random => Sampler::Random {},
            SamplerV1::Tpe { startup_trials, candidates } => {
                Sampler::Tpe { startup_trials, candidates, multivariate: Some(true) }
            }
        },
        splits: Splits {
            mode: match s.splits.mode {
                ModeV1::Tile => Mode::Tile,
                ModeV1::Anchored => Mode::Anchored,
            },
            in_sample_days: s.splits.in_sample_days,
            out_of_sample_days: s.splits.out_of_sample_days,
            purge_bars: s.splits.purge_bars,
            warmup_bars: s.splits.warmup_bars,
            vault_days: None,
        },
        objective: Objective {
            figure: match s.objective.figure {
                FigureV1::CagrCalmarWinrate => Figure::CagrCalmarWinrate,
                FigureV1::Sharpe => Figure::Sharpe,
                FigureV1::Sortino => Figure::Sortino,
                FigureV1::Calmar => Figure::Calmar,
            },
            stability_weight: None,
            degradation_weight: s.objective.degradation_weight,
            also: Vec::new(),
        },
        guardrails: Guardrails {
            max_undecided_bars: 0,
            min_trades: s.guardrails.min_trades,
            max_liquidations: s.guardrails.max_liquidations,
            drawdown: s.guardrails.drawdown.into_iter().map(limit).collect(),
            prune_below_median: s.guardrails.prune_below_median,
            pruning: None,
            require: Vec::new(),
        },
        assumptions: Assumptions {
            initial_cash_usdt: s.assumptions.initial_cash_usdt,
            slippage_bps: s.assumptions.slippage_bps,
            ..Assumptions::default()
        },
    })
}
