//! The limits of the policy on what a trial's evidence shows.

use super::facts::{Evidence, Facts};
use super::refusal::{Code, GateError, refuse};
use super::verdict::{Judgement, Verdict};
use assay_shared::event::codec::Real;
use assay_shared::format::config::LiveConfig;
use assay_shared::policy::Gates;
use assay_shared::study::Study;

/// The constraint of a study with this number, in its words.
fn constraint(study: &str, at: usize) -> String {
    let plain = ["min_trades", "max_liquidations", "max_undecided_bars"];
    let required = |k: usize| {
        let study = Study::recorded(study).ok()?;
        study.guardrails.require.get(k).map(|r| format!("{} does not hold", r.text()))
    };
    match plain.get(at) {
        Some(name) => (*name).to_string(),
        None => required(at - plain.len()).unwrap_or_else(|| "what it requires".into()),
    }
}

/// A limit of the policy on what a trial's evidence shows.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Limit {
    /// What is limited, in words.
    pub name: &'static str,
    /// What the policy asks for.
    pub asked: String,
    /// What a new policy asks for.
    pub usual: String,
    /// What the evidence shows.
    pub found: String,
    /// Why it is refused, when it is.
    pub broken: Option<String>,
}

/// Refuses the first limit that is not kept.
pub(super) fn verify(limits: &[Limit], path: &str) -> Result<(), GateError> {
    match limits.iter().find_map(|limit| limit.broken.clone()) {
        Some(what) => refuse(Code::Gate, path, what),
        None => Ok(()),
    }
}

/// Every limit beside what the evidence shows.
pub(super) fn limits(
    config: &LiveConfig,
    evidence: &Evidence,
    judgement: Judgement,
    g: &Gates,
    path: &str,
) -> Result<Vec<Limit>, GateError> {
    let (f, strategy) = (&evidence.facts, &evidence.strategy);
    let walk = |name: &str| find(&f.walk.metrics, name);
    let share = |v: f64| format!("{:.1} %", v * 100.0);
    let mut out = Vec::new();
    let new = Gates::usual(config.environment.engine_version.clone(), config.promotion.generated_data);
    let mut limit = |name, asked: &dyn Fn(&Gates) -> String, found: String, broken: Option<String>| {
        out.push(Limit { name, asked: asked(g), usual: asked(&new), found, broken });
    };
    let trades = walk("trades").unwrap_or(0.0);
    let few = trades < f64::from(g.min_trades);
    let words = few.then(|| format!("{trades} out-of-sample trades, fewer than {}", g.min_trades));
    limit("trades out of sample", &|g| format!("at least {}", g.min_trades), trades.to_string(), words);
    // What was in force, caps included: what the account really did.
    let leverage = match strategy.bind(&config.parameters) {
        Ok(bound) => bound.terms().highest_leverage(),
        Err(d) => return refuse(Code::BadStrategy, path, d.to_string()),
    };
    let words = (leverage > g.max_leverage).then(|| format!("leverage {leverage} is over {}", g.max_leverage));
    limit("leverage", &|g| format!("at most {}", g.max_leverage), leverage.to_string(), words);
    let drawdown = walk("max_drawdown").map_or(1.0, |d| -d);
    let words = (drawdown > g.max_drawdown)
        .then(|| format!("out-of-sample drawdown {} is over {}", share(drawdown), share(g.max_drawdown)));
    limit("drawdown out of sample", &|g| format!("at most {}", share(g.max_drawdown)), share(drawdown), words);
    let broken = f.constraints.iter().enumerate().find(|(_, by)| **by > 0.0);
    let words = broken.map(|(at, by)| {
        let which = constraint(&f.study.text, at);
        format!("the trial breaks a constraint of its study by {by:.4}: {which}")
    });
    let found = if words.is_some() { "broken" } else { "kept" };
    limit("constraints of its study", &|_| "kept".into(), found.into(), words);
    if let Some(verdict) = of(f, judgement) {
        overfitting(&verdict, g, &mut limit);
    }
    let engine = &config.environment.engine_version;
    let words = (!g.engine_versions.contains(engine)).then(|| format!("engine version {engine} is not allowed"));
    limit("engine", &|g| g.engine_versions.join(", "), engine.clone(), words);
    if config.promotion.generated_data {
        let words = (!g.allow_generated).then(|| "the result comes from generated data".into());
        limit("data", &|g| if g.allow_generated { "any" } else { "real" }.into(), "generated".into(), words);
    }
    let days = f.proposed_us.saturating_sub(f.closed_us) / 86_400_000_000;
    let most = g.max_evidence_age_days;
    let words =
        (days > u64::from(most)).then(|| format!("the study was closed {days} days before the proposal, over {most}"));
    limit("age of the study", &|g| format!("at most {} days", g.max_evidence_age_days), format!("{days} days"), words);
    Ok(out)
}

fn overfitting(
    s: &Verdict,
    g: &Gates,
    limit: &mut impl FnMut(&'static str, &dyn Fn(&Gates) -> String, String, Option<String>),
) {
    let show = |v: Option<f64>| v.map_or("undefined".into(), |v| format!("{v:.4}"));
    let asked = |word: &str, v: Option<f64>| v.map_or("not asked for".into(), |v| format!("{word} {v}"));
    let words = g.min_dsr.filter(|min| s.dsr.is_none_or(|v| v < *min));
    let words = words.map(|min| format!("the trial's deflated Sharpe ratio {} is below {min}", show(s.dsr)));
    limit("deflated Sharpe ratio", &|g| asked("at least", g.min_dsr), show(s.dsr), words);
    let words = g.max_pbo.filter(|max| s.pbo.is_none_or(|v| v > *max));
    let words = words.map(|max| format!("the study's probability of overfitting {} is over {max}", show(s.pbo)));
    limit("probability of overfitting", &|g| asked("at most", g.max_pbo), show(s.pbo), words);
    let words = match s.track_record {
        Some(need) if g.track_record && s.bars < need => {
            Some(format!("{} bars out of sample, and the minimum track record is {need:.0}", s.bars))
        }
        None if g.track_record => Some("the trial has no minimum track record".into()),
        _ => None,
    };
    let asked = |g: &Gates| match g.track_record {
        true => format!("at most {} bars, as there are", s.bars),
        false => "not asked for".into(),
    };
    let found = s.track_record.map_or("undefined".into(), |v| format!("{v:.0} bars"));
    limit("minimum track record", &asked, found, words);
}

/// The figures that count: computed again; of what release 0.1.0 promoted, as it recorded them; none of what was
/// judged before.
fn of(f: &Facts, judgement: Judgement) -> Option<Verdict> {
    let recorded = |name: &str| find(&f.closed.statistics, name);
    match judgement {
        Judgement::Computed(verdict) => Some(verdict),
        Judgement::Recorded => Some(Verdict {
            trials: f.closed.trials,
            seeded: None,
            bars: recorded("out_of_sample_bars").unwrap_or_default(),
            dsr: recorded("dsr"),
            pbo: recorded("pbo"),
            track_record: recorded("min_track_record_bars"),
        }),
        Judgement::Before => None,
    }
}

fn find(list: &[(String, Real)], name: &str) -> Option<f64> {
    list.iter().find(|(k, _)| k == name).map(|(_, v)| v.0)
}
