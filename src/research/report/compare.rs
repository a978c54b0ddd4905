//! Trials beside each other, on the days that all of them have out of sample.

use super::Report;
use super::days::{Days, Figure};
use crate::mirror::query::TrialRow;
use assay_shared::strategy::Value;
use serde::Serialize;
use std::collections::BTreeMap;

/// One of those that are compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Side {
    /// What it was asked for by.
    pub name: String,
    /// Its study and number.
    pub study: String,
    /// Number in its study.
    pub number: u32,
    /// Hashes of what it ran, and on what.
    pub strategy_hash: String,
    /// Hash of its data.
    pub data_hash: String,
    /// Whether those are made up.
    pub generated: bool,
    /// What became of it: `complete`, `infeasible`, `pruned` or `fail`, and why.
    pub state: String,
    /// When its account could not trade any more.
    pub ruined_ms: Option<i64>,
    /// Its score.
    pub score: Option<f64>,
    /// Its recorded figures out of sample.
    pub metrics: BTreeMap<String, f64>,
    /// Its deflated Sharpe ratio.
    pub dsr: Option<f64>,
    /// Its parameters.
    pub params: BTreeMap<String, Value>,
    /// Returns of the days that all have.
    pub days: Days,
    /// Figures of those.
    pub figures: Vec<Figure>,
}

/// Trials beside each other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// In the order in which they were asked for.
    pub sides: Vec<Side>,
    /// Correlations of their days, by side and side; none where one of the two stood still.
    pub correlations: Vec<Vec<Option<f64>>>,
}

fn state(t: &TrialRow) -> String {
    match (&t.reason, t.violation) {
        (Some(reason), _) => format!("{}: {reason}", t.state.to_lowercase()),
        (None, Some(by)) if by > 0.0 => "infeasible: it breaks a guardrail".into(),
        _ => t.state.to_lowercase(),
    }
}

impl Comparison {
    /// Of reports, by the names under which they are shown.
    pub fn of(reports: Vec<(String, Report)>) -> Comparison {
        let mut returns: Vec<BTreeMap<i64, f64>> = Vec::new();
        for (_, r) in &reports {
            returns.push(r.sheet.tested.whole().collect());
        }
        let common = |ms: &&i64| returns.iter().all(|of| of.contains_key(*ms));
        let days_ms: Vec<i64> = returns.first().into_iter().flat_map(BTreeMap::keys).filter(common).copied().collect();
        let side = |((name, r), of): ((String, Report), &BTreeMap<i64, f64>)| {
            let returns = days_ms.iter().map(|ms| of[ms]).collect();
            let days = Days { returns, days_ms: days_ms.clone(), cut: (false, false) };
            Side {
                name,
                study: r.study.name,
                number: r.trial.number,
                strategy_hash: r.study.strategy_hash,
                data_hash: r.study.data_hash,
                generated: r.study.generated,
                state: state(&r.trial),
                ruined_ms: r.ruined_ms,
                score: r.trial.score,
                metrics: r.trial.metrics,
                dsr: r.statistics.filter(|_| !r.generated_data).and_then(|s| s.dsr),
                params: r.trial.params,
                figures: days.figures(),
                days,
            }
        };
        let sides: Vec<Side> = reports.into_iter().zip(&returns).map(side).collect();
        let with = |a: &Side| sides.iter().map(|b| a.days.beside(&b.days).map(|(_, c)| c)).collect();
        Comparison { correlations: sides.iter().map(with).collect(), sides }
    }

    /// First and last of the days that all have.
    pub fn span(&self) -> Option<(i64, i64)> {
        let days = &self.sides.first()?.days.days_ms;
        days.first().copied().zip(days.last().copied())
    }

    /// Names of all parameters that one of them has.
    pub fn parameters(&self) -> Vec<&String> {
        let mut names: Vec<&String> = self.sides.iter().flat_map(|s| s.params.keys()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// What one would be worth before the first day, and at the end of each.
    pub fn growth(&self, side: usize) -> Vec<f64> {
        let mut worth = 1.0;
        let grown = |r: &f64| {
            worth *= 1.0 + r;
            worth
        };
        let Some(side) = self.sides.get(side).filter(|s| !s.days.returns.is_empty()) else { return Vec::new() };
        std::iter::once(1.0).chain(side.days.returns.iter().map(grown)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::compare_page::html;
    use crate::report::tests::report;

    #[test]
    fn days_that_all_have() {
        let (a, b) = (report("a", false, 3), report("<b>", true, 8));
        let mut late = report("late", false, 3);
        late.sheet.tested.days_ms.drain(..10);
        late.sheet.tested.returns.drain(..10);
        let c = Comparison::of(vec![("a".into(), a.clone()), ("<b>".into(), b), ("late".into(), late.clone())]);
        assert_eq!(c.span().map(|s| s.0), Some(late.sheet.tested.days_ms[0]));
        assert_eq!(c.sides[0].days, c.sides[2].days, "the same days of the same run");
        assert_eq!(c.sides[0].days.returns, a.sheet.tested.returns[10..]);
        for (i, with) in c.correlations.iter().enumerate() {
            assert!((with[i].unwrap() - 1.0).abs() < 1e-12 && with[1] == c.correlations[1][i]);
        }
        assert!((c.correlations[0][2].unwrap() - 1.0).abs() < 1e-12);
        let grown = *c.growth(0).last().unwrap();
        assert!((grown - 1.0 - c.sides[0].figures[0].value.unwrap()).abs() < 1e-9, "{grown}");
        assert!(c.sides[1].generated && c.sides[1].dsr.is_none() && c.sides[0].dsr.is_some());
        let page = html(&c);
        assert!(page.contains("&lt;b&gt;") && !page.contains("<script") && page.contains("GENERATED DATA"));
        assert_eq!(page.matches("<polyline").count(), 3);
        assert!(crate::report::compare_page::is_one(&page));

        // Of those that share no day nothing is said of days, and nothing breaks.
        late.sheet.tested.days_ms.iter_mut().for_each(|ms| *ms += 1_000_000 * 86_400_000);
        let c = Comparison::of(vec![("a".into(), a), ("late".into(), late)]);
        assert!(
            c.span().is_none() && c.correlations[0][1].is_none() && c.growth(0).is_empty() && c.growth(9).is_empty()
        );
        assert!(html(&c).contains("no day is out of sample in all of them"));
        assert!(
            Comparison::of(Vec::new()).parameters().is_empty()
                && html(&Comparison::of(Vec::new())).ends_with("</html>\n")
        );
    }
}
