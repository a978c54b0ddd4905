//! What a log has that counts beside a study: kept small, so that a gate can remember it instead of reading a log again.

use super::later_run::Run;
use super::lineage::Lineage;
use super::sharpes::{Sharpes, Widest};
use crate::event::TrialsDeclared;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The largest Sharpe ratio that counts as it is: of an hour 1, which is 94 a year.
const LARGEST: f64 = 1.0;
const HOUR_MS: f64 = 3_600_000.0;

/// The largest Sharpe ratio per bar that counts as it is, whatever the bars.
pub(super) fn largest(interval_ms: i64) -> f64 {
    LARGEST * (interval_ms.max(1) as f64 / HOUR_MS).sqrt()
}

/// What a study looks at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scope {
    pub(super) symbols: BTreeSet<String>,
    pub(super) span: (i64, i64),
    pub(super) interval_ms: i64,
}

impl Scope {
    /// Whether both have a symbol in common at a time.
    fn meets(&self, other: &Scope) -> bool {
        let (from, to) = (self.span.0.max(other.span.0), self.span.1.min(other.span.1));
        from <= to && !self.symbols.is_disjoint(&other.symbols)
    }
}

/// A study as it counts for others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Counted {
    /// Its id.
    pub study_id: [u8; 16],
    /// Where it was opened.
    pub seq: u64,
    /// Where the last of its trials stands, and of what was seen after them.
    pub last: u64,
    /// What it looks at, and from where on its log says so; none of a study whose snapshot is not registered.
    pub(super) scope: Option<(u64, Scope)>,
    pub(super) budget: u64,
    pub(super) trials: u64,
    /// The bars that it searched on, by the openings of the first and the last; none of data that are not known.
    #[serde(default)]
    pub(super) searched: Option<(i64, i64)>,
    /// Its trials over other bars.
    #[serde(default)]
    pub(super) later: Vec<Run>,
    pub(super) sharpes: Sharpes,
    /// The widest that it was, before an extension or after all.
    #[serde(default)]
    pub(super) widest: Option<Widest>,
    /// Whether it is no study, but trials that were declared.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) declared: bool,
}

impl Counted {
    /// Trials that were made elsewhere: they count as a study whose figures are not known. What they gave is not taken into the
    /// spread of all, since whoever declares them could make it narrow.
    pub(super) fn declared(seq: u64, e: &TrialsDeclared) -> Counted {
        let span = (e.first_ms, e.last_ms);
        // It belongs to no study: none of its log has a number for an id.
        let mut study_id = [0; 16];
        study_id[8..].copy_from_slice(&seq.to_be_bytes());
        Counted {
            study_id,
            seq,
            last: seq,
            scope: Some((seq, Scope { symbols: e.symbols.iter().cloned().collect(), span, interval_ms: 1 })),
            budget: e.trials,
            trials: 0,
            searched: Some(span),
            later: Vec::new(),
            sharpes: Sharpes::default(),
            widest: None,
            declared: true,
        }
    }
}

/// The studies of a log, in the order in which they were opened.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Counts(pub(super) Vec<Counted>);

impl Counts {
    /// What a study looks at.
    pub fn scope(&self, study_id: &[u8; 16]) -> Option<&Scope> {
        self.0.iter().find(|s| s.study_id == *study_id)?.scope.as_ref().map(|(_, scope)| scope)
    }

    /// The same of the first `size` entries only; none where that cannot be told from this, since a study has trials
    /// on both sides.
    pub fn at(&self, size: u64) -> Option<Counts> {
        let before = || self.0.iter().filter(|s| s.seq < size);
        let whole = before().all(|s| s.last < size && s.scope.as_ref().is_none_or(|(known, _)| *known < size));
        whole.then(|| Counts(before().cloned().collect()))
    }

    /// How many trials do not overlap with a scope, and of how many studies.
    pub fn elsewhere(&self, scope: &Scope) -> (u64, u64) {
        let apart = |s: &&Counted| s.scope.as_ref().is_some_and(|(_, own)| !own.meets(scope));
        let mut out = (0u64, 0u64);
        for study in self.0.iter().filter(apart) {
            out.0 = out.0.saturating_add(study.trials.max(study.budget));
            out.1 += 1;
        }
        out
    }

    /// What overlaps with a scope. Sharpe ratios are brought to the scope's interval. A study whose snapshot is
    /// unknown counts as overlapping.
    pub fn lineage(&self, scope: &Scope) -> Lineage {
        let mut out = Lineage::default();
        for study in &self.0 {
            let own = study.scope.as_ref().map(|(_, own)| own);
            if own.is_some_and(|own| !own.meets(scope)) {
                continue;
            }
            out.studies += u64::from(!study.declared);
            out.declared = out.declared.saturating_add(if study.declared { study.budget } else { 0 });
            out.trials = out.trials.saturating_add(study.trials.max(study.budget));
            // A bar that is four times as long has twice the Sharpe ratio.
            let factor = own.map_or(1.0, |own| (scope.interval_ms as f64 / own.interval_ms as f64).sqrt());
            let mut own = Sharpes::default();
            own.merge(&study.sharpes, factor);
            out.sharpes.merge(&own, 1.0);
            if !study.declared {
                out.parts.push((study.trials.max(study.budget), own));
            }
            let scaled = study.widest.map(|w| Widest { variance: w.variance * factor * factor, ..w });
            out.widest = Widest::wider(out.widest, scaled);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(seq: u64, symbols: &[&str], span: (i64, i64), trials: u64) -> Counted {
        let symbols = symbols.iter().map(ToString::to_string).collect();
        let (first_ms, last_ms) = span;
        let e = TrialsDeclared { symbols, first_ms, last_ms, trials, source: "a grid".into(), file_sha256: [0; 32] };
        Counted::declared(seq, &e)
    }

    /// However many trials that differ in nothing come beside a wide search, in a study of their own or after an extension
    /// of the same one, what the best has by chance is never less than that search alone has.
    #[test]
    fn padding_narrows_nothing() {
        let scope = Scope { symbols: ["A".to_string()].into(), span: (100, 200), interval_ms: 60_000 };
        let study = |n: u64, spread: f64| {
            let mut out = Counted { declared: false, ..declared(n, &["A"], (100, 200), n) };
            out.scope = Some((n, scope.clone()));
            (0..n).for_each(|i| out.sharpes.push(spread * ((i * 37 % 19) as f64 - 9.0)));
            out.widest = Widest::of(n, &out.sharpes);
            out
        };
        let wide = Counts(vec![study(60, 0.01)]).lineage(&scope);
        let padded = Counts(vec![study(60, 0.01), study(3000, 1e-9)]).lineage(&scope);
        let bars = 10_000.0;
        assert!(padded.variance(bars) < wide.variance(bars) / 10.0, "the spread of all is narrow");
        assert!(padded.expected_max(bars) >= wide.expected_max(bars));
        let mut other = Counts(vec![study(3000, 1e-9)]).lineage(&scope);
        other.add(&wide);
        assert!(other.expected_max(bars) >= wide.expected_max(bars), "wherever it stands");
        // Another wide one beside it is more.
        let both = Counts(vec![study(60, 0.01), study(600, 0.01)]).lineage(&scope);
        assert!(both.expected_max(bars) > wide.expected_max(bars));
        // Several that are wide only together, and what is narrow before, between or after them.
        let shifted = |n: u64, by: f64| {
            let mut out = study(n, 0.01);
            out.sharpes = Sharpes::default();
            (0..n).for_each(|i| out.sharpes.push(by + 0.01 * ((i * 37 % 19) as f64 - 9.0)));
            out
        };
        let (low, high) = (shifted(40, -0.2), shifted(30, 0.2));
        let together = Counts(vec![low.clone(), high.clone()]).lineage(&scope).expected_max(bars);
        assert!(together > Counts(vec![low.clone()]).lineage(&scope).expected_max(bars));
        for at in 0..3 {
            let mut all = vec![low.clone(), high.clone()];
            all.insert(at, study(4000, 1e-9));
            assert!(Counts(all).lineage(&scope).expected_max(bars) >= together, "at {at}");
        }
        let mut apart = Counts(vec![study(4000, 1e-9), low.clone()]).lineage(&scope);
        apart.add(&Counts(vec![high.clone(), study(500, 1e-9)]).lineage(&scope));
        assert!(apart.expected_max(bars) >= together, "in several logs");
        assert!(apart.as_it_was().expected_max(bars) < together);
        // Whatever comes later, also what is between them, takes nothing away.
        let mut all = vec![low, high];
        let mut most = together;
        for (n, by) in [(900, 0.0), (3, 0.5), (5000, 0.01), (7, -0.4)] {
            all.push(shifted(n, by));
            let now = Counts(all.clone()).lineage(&scope).expected_max(bars);
            assert!(now >= most, "{n} at {by}: {now} after {most}");
            most = now;
        }
        // A number without end is a number.
        let all = Lineage { trials: u64::MAX, ..wide.clone() };
        assert!(all.expected_max(bars).is_finite() && all.expected_max(bars) > wide.expected_max(bars));
    }

    /// A Sharpe ratio that no market gives is cut at the same one a year, whatever the bars are said to be.
    #[test]
    fn no_interval_makes_a_ratio_large() {
        for interval_ms in [1i64, 60_000, 3_600_000, 86_400_000] {
            let a_year = largest(interval_ms) * (365.0 * 86_400_000.0 / interval_ms as f64).sqrt();
            assert!((a_year - 8760f64.sqrt()).abs() < 1e-9, "{interval_ms}: {a_year}");
        }
    }

    /// Trials that are declared make a finding less likely and never more: their number counts where prices overlap, and the
    /// spread of the others stays what it was.
    #[test]
    fn what_is_declared_counts_and_narrows_nothing() {
        let scope = Scope { symbols: ["A".to_string()].into(), span: (100, 200), interval_ms: 60_000 };
        let mut study = Counted { declared: false, ..declared(1, &["A"], (100, 200), 40) };
        [0.1, -0.2, 0.4].into_iter().for_each(|s| study.sharpes.push(s));
        let alone = Counts(vec![study.clone()]).lineage(&scope);
        let others = [
            declared(5, &["B", "A"], (200, 300), 7),
            declared(6, &["B"], (100, 200), 1000),
            declared(7, &["A"], (201, 300), 1000),
            declared(8, &[], (100, 200), 1000),
            declared(9, &["A"], (200, 100), 1000),
        ];
        let all = Counts(std::iter::once(study).chain(others).collect());
        let beside = all.lineage(&scope);
        assert_eq!((beside.trials, beside.studies, beside.declared), (47, 1, 7));
        assert_eq!(beside.variance(50.0).to_bits(), alone.variance(50.0).to_bits());
        // Before it stood there it did not count.
        assert_eq!(all.at(5).unwrap().lineage(&scope).trials, 40);
        assert_eq!(all.at(6).unwrap().lineage(&scope).trials, 47);
        // Each has a place of its own, and what cannot be added up is the largest number there is.
        let most = Counts(vec![declared(2, &["A"], (0, 150), u64::MAX), declared(3, &["A"], (0, 150), 9)]);
        assert_ne!(most.0[0].study_id, most.0[1].study_id);
        let mut lineage = most.lineage(&scope);
        assert_eq!(lineage.trials, u64::MAX);
        lineage.add(&beside);
        assert_eq!((lineage.trials, lineage.studies, lineage.declared), (u64::MAX, 1, u64::MAX));
        let looked = most.looked(&scope.symbols, &[1; 16], (0, 100, 120));
        assert_eq!((looked.trials, looked.studies, looked.runs), (u64::MAX, 2, 0));
    }
}
