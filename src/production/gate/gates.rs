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

pub(super) fn verify(
    config: &LiveConfig,
    evidence: &Evidence,
    judgement: Judgement,
    g: &Gates,
    path: &str,
) -> Result<(), GateError> {
    let (f, strategy) = (&evidence.facts, &evidence.strategy);
    let fail = |what: String| refuse(Code::Gate, path, what);
    let walk = |name: &str| find(&f.walk.metrics, name);
    let trades = walk("trades").unwrap_or(0.0);
    if trades < f64::from(g.min_trades) {
        return fail(format!("{trades} out-of-sample trades, fewer than {}", g.min_trades));
    }
    // What was in force, caps included: what the account really did.
    let leverage = match strategy.bind(&config.parameters) {
        Ok(bound) => bound.terms().highest_leverage(),
        Err(d) => return refuse(Code::BadStrategy, path, d.to_string()),
    };
    if leverage > g.max_leverage {
        return fail(format!("leverage {leverage} is over {}", g.max_leverage));
    }
    let drawdown = walk("max_drawdown").map_or(1.0, |d| -d);
    if drawdown > g.max_drawdown {
        return fail(format!(
            "out-of-sample drawdown {:.1} % is over {:.1} %",
            drawdown * 100.0,
            g.max_drawdown * 100.0
        ));
    }
    if let Some((at, by)) = f.constraints.iter().enumerate().find(|(_, by)| **by > 0.0) {
        let which = constraint(&f.study.text, at);
        return fail(format!("the trial breaks a constraint of its study by {by:.4}: {which}"));
    }
    if let Some(verdict) = of(f, judgement) {
        overfitting(&verdict, g, path)?;
    }
    if !g.engine_versions.contains(&config.environment.engine_version) {
        return fail(format!("engine version {} is not allowed", config.environment.engine_version));
    }
    if config.promotion.generated_data && !g.allow_generated {
        return fail("the result comes from generated data".into());
    }
    let age_days = f.proposed_us.saturating_sub(f.closed_us) / 86_400_000_000;
    if age_days > u64::from(g.max_evidence_age_days) {
        return fail(format!(
            "the study was closed {age_days} days before the proposal, over {}",
            g.max_evidence_age_days
        ));
    }
    Ok(())
}

fn overfitting(s: &Verdict, g: &Gates, path: &str) -> Result<(), GateError> {
    let fail = |what: String| refuse(Code::Gate, path, what);
    let show = |v: Option<f64>| v.map_or("undefined".into(), |v| format!("{v:.4}"));
    if let Some(min) = g.min_dsr.filter(|min| s.dsr.is_none_or(|v| v < *min)) {
        return fail(format!("the trial's deflated Sharpe ratio {} is below {min}", show(s.dsr)));
    }
    if let Some(max) = g.max_pbo.filter(|max| s.pbo.is_none_or(|v| v > *max)) {
        return fail(format!("the study's probability of overfitting {} is over {max}", show(s.pbo)));
    }
    match s.track_record {
        Some(need) if g.track_record && s.bars < need => {
            fail(format!("{} bars out of sample, and the minimum track record is {need:.0}", s.bars))
        }
        None if g.track_record => fail("the trial has no minimum track record".into()),
        _ => Ok(()),
    }
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
