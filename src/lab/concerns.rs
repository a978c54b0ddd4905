//! What speaks against a proposal, in sentences: facts that a reviewer must not miss, whatever the policy allows.

use crate::review::Review;
use crate::written::written;
use assay_production::gate::Figures;
use assay_shared::format::reproduction::Origin;
use assay_shared::metric::Metric;
use assay_shared::strategy::Strategy;
use assay_shared::strategy::space::Range;
use assay_shared::study::Study;
use assay_shared::time::{DAY_MS, format_date, parse_us};
use serde::Serialize;

/// Deflated Sharpe ratios below it are called weak.
const WEAK: f64 = 0.95;
/// Folds of which a median says something.
const FOLDS: usize = 4;
/// Times its equity that a strategy has at work, of which a fall of a third is ruin.
const GROSS: f64 = 3.0;
/// Share of a range that is its edge.
const EDGE: f64 = 0.02;
/// Days after which prices are old.
const STALE_DAYS: i64 = 180;
/// Leverage of which a few percent against it are a liquidation.
const HIGH: f64 = 5.0;

fn share(v: f64) -> String {
    format!("{:.1} %", v * 100.0)
}

/// What kind of thing speaks against a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum About {
    /// Prices that are made up, or a policy that protects nobody.
    Never,
    /// It may ruin the account.
    Ruin,
    /// It may be nothing but luck.
    Chance,
    /// Its prices, or what was computed from them, are somebody's word.
    Data,
    /// What the policy asks for, or does not.
    Policy,
    /// What is still to be done.
    Open,
}

impl About {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            About::Never => "never",
            About::Ruin => "ruin",
            About::Chance => "chance",
            About::Data => "data",
            About::Policy => "policy",
            About::Open => "still open",
        }
    }
}

/// What speaks against a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Concern {
    /// Of what kind.
    pub about: About,
    /// In a sentence.
    pub words: String,
}

/// What is gathered.
#[derive(Default)]
struct Against(Vec<Concern>);

impl Against {
    fn push(&mut self, about: About, words: impl Into<String>) {
        self.0.push(Concern { about, words: words.into() });
    }
}

/// What speaks against a proposal; the gravest kind first.
pub fn concerns(r: &Review) -> Vec<Concern> {
    let mut out = Against::default();
    let p = &r.proposal.config.promotion;
    if p.generated_data {
        out.push(About::Never, "GENERATED DATA: never trade it");
    }
    if r.single_person {
        out.push(About::Never, "SINGLE-PERSON POLICY: one person alone may decide what goes live");
    }
    for why in r.preview.limits.iter().filter_map(|l| l.broken.as_ref()) {
        out.push(About::Policy, format!("the policy refuses it: {why}"));
    }
    // Limits stand above, and what people have still to do below.
    let refused = r.preview.checks.iter().filter(|c| !matches!(c.name, "gates" | "approvals" | "reproductions"));
    for (name, why) in refused.filter_map(|c| Some((c.name, c.outcome.as_ref().err()?))) {
        out.push(About::Policy, format!("the gate refuses it ({name}): {why}"));
    }
    if !r.grandfathered.is_empty() {
        let words =
            "it was in force before and is judged by the policy of then; a new promotion would be refused today";
        out.push(About::Policy, format!("{words}: {}", r.grandfathered.join("; ")));
    }
    if let Some(f) = &r.preview.figures {
        losses(r, f, &mut out);
        later(f, &mut out);
        if !p.generated_data {
            chance(f, &mut out);
            prices(r, f, &mut out);
            if f.data.rulebook_hash.is_some_and(|book| book != p.rulebook_hash.0) {
                out.push(
                    About::Data,
                    "its rule book (fees, filters, brackets) is another than its data were registered with",
                );
            }
        }
        let text = &r.proposal.config.strategy_text;
        written(text).into_iter().for_each(|words| out.push(About::Chance, words));
        chosen(p.trial_id, f, &mut out);
        edges(r, &mut out);
    }
    if r.preview.figures.is_some() && r.preview.reproduced.is_empty() {
        out.push(About::Open, "nobody has run it again yet: all figures are its author's");
    } else if r.preview.reproduced.values().all(|o| *o == Origin::Proposer) && !r.preview.reproduced.is_empty() {
        out.push(
            About::Data,
            "it was reproduced with its author's own copy of the data, or of the exchange's rules, only",
        );
    }
    if r.proposal.config.environment.source_commit.ends_with("-dirty") {
        out.push(About::Data, "it was computed by a program that was built from sources that no commit holds");
    }
    if !r.looser.is_empty() {
        out.push(About::Policy, format!("the policy asks for less than a new one does: {}", r.looser.join(", ")));
    }
    out.0.sort_by_key(|c| c.about);
    out.0
}

/// How its trial was chosen.
fn chosen(own: u32, f: &Figures, out: &mut Against) {
    if f.given.contains(&own) {
        out.push(About::Chance, "its parameters were given by hand: the sampler did not find it");
    } else if !f.given.is_empty() {
        let words = format!("{} of the {} trials of its study were given by hand", f.given.len(), f.trials);
        out.push(About::Chance, words);
    }
    if let Some(best) = f.standing.best.filter(|best| *best != own) {
        out.push(
            About::Chance,
            format!("it is not the best of its study by the score, trial {best}: somebody chose it"),
        );
    }
    if let Ok(study) = Study::recorded(&f.study) {
        let g = &study.guardrails;
        let fall = g.drawdown.iter().map(|d| d.max_drawdown).fold(0.0, f64::max);
        if fall > 0.6 || g.max_liquidations > 0 {
            let words = format!(
                "its study let trials fall by {} and be liquidated {} times in a window",
                share(fall),
                g.max_liquidations
            );
            out.push(About::Ruin, words);
        }
    }
}

/// Parameters that lie where the search ended: what is better may lie beyond.
fn edges(r: &Review, out: &mut Against) {
    let Ok(strategy) = Strategy::recorded(&r.proposal.config.strategy_text) else { return };
    let edge = |(name, range): (&String, &Range)| {
        let value = r.proposal.config.parameters.get(name)?;
        let (low, high) = match range {
            Range::Int { low, high, .. } => (*low as f64, *high as f64),
            Range::Float { low, high, .. } => (*low, *high),
            _ => return None,
        };
        let at = (range.number(value) - low) / (high - low);
        (!(EDGE..=1.0 - EDGE).contains(&at) && at.is_finite()).then(|| format!("{name} {value} of {low} to {high}"))
    };
    let found: Vec<String> = strategy.file.parameters.iter().filter_map(edge).collect();
    if !found.is_empty() {
        out.push(About::Chance, format!("at the edge of what was searched: {}", found.join(", ")));
    }
}

/// Where its prices come from, and how old they are.
fn prices(r: &Review, f: &Figures, out: &mut Against) {
    if f.data.files.is_none_or(|(_, checked)| checked == 0) {
        let words = "none of its data files was compared with the vendor's checksums: the prices are its author's word";
        out.push(About::Data, words);
    }
    let proposed = parse_us(&r.proposal.config.promotion.promotion_timestamp).map(|us| us / 1000);
    let days = proposed.map_or(0, |ms| (ms - f.data.last_ms) / DAY_MS);
    if days > STALE_DAYS {
        let end = format_date(f.data.last_ms);
        out.push(About::Data, format!("its prices end on {end}, {days} days before it was proposed"));
    }
}

/// What it lost on the way, and how it is held.
fn losses(r: &Review, f: &Figures, out: &mut Against) {
    let get = |m: Metric| f.metrics.get(m.name()).copied();
    if let Some(fell) = get(Metric::MaxDrawdown).filter(|d| *d < -0.5) {
        out.push(
            About::Ruin,
            format!("out of sample it lost more than half of its money on the way: {}", share(-fell)),
        );
    }
    if let (Some(n), Some(trades)) = (get(Metric::Liquidations).filter(|n| *n > 0.0), get(Metric::Trades)) {
        out.push(About::Ruin, format!("{n} of its {trades} trades out of sample were liquidated"));
    }
    let config = &r.proposal.config;
    if let Some((strategy, terms)) = Strategy::recorded(&config.strategy_text)
        .ok()
        .and_then(|s| s.bind(&config.parameters).ok().map(|bound| (s, bound.terms())))
    {
        let leverage = terms.highest_leverage();
        if leverage > HIGH {
            let words = format!(
                "it trades with leverage {leverage}: {} against a position take its margin",
                share(1.0 / leverage)
            );
            out.push(About::Ruin, words);
        }
        let at_once = terms.max_positions.min(terms.symbols.len()) as f64;
        let gross = terms.margin_fraction * leverage * at_once;
        if strategy.file.sizing.margin_fraction.is_some() && gross > GROSS {
            let fraction = share(terms.margin_fraction);
            let words = format!(
                "up to {gross:.1} times its equity is at work: {fraction} of it as margin x leverage {leverage} x {at_once} positions"
            );
            out.push(About::Ruin, words);
        }
    }
    let cash = Study::recorded(&f.study).ok().map(|s| s.assumptions.initial_cash_usdt);
    if let Some((fees, cash)) = get(Metric::FeesUsdt).zip(cash).filter(|(fees, cash)| fees > cash) {
        let times = fees / cash;
        let words =
            format!("its fees are {times:.1} times what it began with: it lives on costs being as they were assumed");
        out.push(About::Ruin, words);
    }
}

/// What came of it where it was not searched.
fn later(f: &Figures, out: &mut Against) {
    if f.later.is_empty() {
        let words = "nobody has seen it on bars that its search did not see: neither its vault was opened nor was it run forward";
        out.push(About::Chance, words);
    }
    let tested = f.metrics.get(Metric::Sharpe.name()).copied();
    for (run, looked) in &f.later {
        let l = &run.fact;
        let get = |m: Metric| l.metrics.get(m.name()).copied();
        let place = if l.forward.is_some() { "forward" } else { "in its vault" };
        if l.forward.is_some() && !f.witnessed {
            let words = "that its forward bars are younger than its study is its author's word: no witness's seed stands between";
            out.push(About::Data, words);
        }
        let span = format!("{place}, {} to {}", format_date(l.first_ms), format_date(l.last_ms));
        let sharpe = get(Metric::Sharpe);
        if let Some(total) = get(Metric::TotalReturn).filter(|v| *v < 0.0) {
            let sharpe = sharpe.map_or(String::new(), |s| format!(" (Sharpe ratio {s:.2})"));
            out.push(About::Chance, format!("{span}, it lost {}{sharpe}", share(-total)));
        } else if let Some((was, is)) = tested.zip(sharpe).filter(|(was, is)| *is < was / 2.0) {
            out.push(
                About::Chance,
                format!("{span}, its Sharpe ratio was {is:.2}, and {was:.2} where it was searched"),
            );
        }
        if let Some(fell) = get(Metric::MaxDrawdown).filter(|d| *d < -0.5) {
            out.push(About::Ruin, format!("{span}, it fell by {} on the way", share(-fell)));
        }
        if let Some(n) = get(Metric::Liquidations).filter(|n| *n > 0.0) {
            let trades = get(Metric::Trades).unwrap_or(0.0);
            out.push(About::Ruin, format!("{span}, {n} of its {trades} trades were liquidated"));
        }
        if looked.runs > 0 || looked.studies > 0 {
            let who = if looked.studies > 0 { "searches" } else { "runs" };
            out.push(About::Chance, format!("{span}: other {who} have seen these bars too"));
        }
    }
}

/// What chance would do as well.
fn chance(f: &Figures, out: &mut Against) {
    let Some(s) = &f.statistics else {
        return out.push(About::Chance, "its Sharpe ratio is undefined, and so is every statistic of it");
    };
    if let Some(dsr) = s.dsr.filter(|dsr| *dsr < WEAK) {
        let (n, likely) = (s.trials, share(1.0 - dsr));
        let words = format!(
            "the best of {n} trials without any edge would look as good with a probability of {likely}: its deflated Sharpe ratio is {dsr:.3}"
        );
        out.push(About::Chance, words);
    }
    if let Some(pbo) = f.pbo.filter(|pbo| *pbo > 0.5) {
        let words = format!(
            "what was best on one half of the data was worse than the median on the other more often than not: probability of overfitting {pbo:.2}"
        );
        out.push(About::Chance, words);
    }
    if let Some(need) = s.min_track_record.filter(|need| *need > s.bars) {
        out.push(
            About::Chance,
            format!("its record is too short: {need:.0} bars would be needed, there are {}", s.bars),
        );
    }
    if f.folds.len() < FOLDS {
        out.push(About::Chance, format!("it was judged on {} folds only", f.folds.len()));
    }
}
