//! What a log has that counts beside a study: kept small, so that a gate can remember it instead of reading a log again.

use super::later_run::Run;
use crate::event::TrialsDeclared;
use crate::statistic::expected_max;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The largest Sharpe ratio that counts as it is: of an hour 1, which is 94 a year.
const LARGEST: f64 = 1.0;
const HOUR_MS: f64 = 3_600_000.0;

/// The largest Sharpe ratio per bar that counts as it is, whatever the bars.
pub(super) fn largest(interval_ms: i64) -> f64 {
    LARGEST * (interval_ms.max(1) as f64 / HOUR_MS).sqrt()
}

/// Sharpe ratios: how many, their mean, and the sum of the squares of their distances from it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(from = "(u64, u64, u64)", into = "(u64, u64, u64)")]
pub struct Sharpes {
    /// How many.
    pub n: u64,
    mean: f64,
    m2: f64,
}

impl Sharpes {
    /// One more.
    pub fn push(&mut self, sharpe: f64) {
        self.n += 1;
        let d = sharpe - self.mean;
        self.mean += d / self.n as f64;
        self.m2 += d * (sharpe - self.mean);
    }

    /// Those of another set, each times a factor.
    pub fn merge(&mut self, other: &Sharpes, factor: f64) {
        if other.n == 0 {
            return;
        }
        let (a, b) = (self.n as f64, other.n as f64);
        let d = other.mean * factor - self.mean;
        self.m2 += other.m2 * factor * factor + d * d * a * b / (a + b);
        self.mean += d * b / (a + b);
        self.n += other.n;
    }

    /// Their variance with `ddof = 1`; none for fewer than two.
    pub fn variance(&self) -> Option<f64> {
        (self.n > 1).then(|| self.m2 / (self.n - 1) as f64)
    }
}

/// To the bit: whoever remembers them must come to the same variance.
impl From<Sharpes> for (u64, u64, u64) {
    fn from(s: Sharpes) -> Self {
        (s.n, s.mean.to_bits(), s.m2.to_bits())
    }
}

impl From<(u64, u64, u64)> for Sharpes {
    fn from((n, mean, m2): (u64, u64, u64)) -> Self {
        Sharpes { n, mean: f64::from_bits(mean), m2: f64::from_bits(m2) }
    }
}

/// Of several searches the one whose best would have the highest Sharpe ratio by chance: how many trials it had, and
/// their variance. However many trials without any spread come beside it, it stays what it was.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "(u64, u64)", into = "(u64, u64)")]
pub struct Widest {
    /// Trials.
    pub trials: u64,
    /// Variance of their Sharpe ratios.
    pub variance: f64,
}

impl Widest {
    /// So many trials with these Sharpe ratios; none where they have no variance.
    pub fn of(trials: u64, sharpes: &Sharpes) -> Option<Widest> {
        sharpes.variance().map(|variance| Widest { trials: trials.max(sharpes.n), variance })
    }

    /// What the best of them would have by chance.
    pub fn expected_max(&self) -> f64 {
        expected_max(self.trials as f64, self.variance)
    }

    /// The wider of two.
    pub(super) fn wider(a: Option<Widest>, b: Option<Widest>) -> Option<Widest> {
        [a, b].into_iter().flatten().max_by(|a, b| a.expected_max().total_cmp(&b.expected_max()))
    }
}

impl From<Widest> for (u64, u64) {
    fn from(w: Widest) -> Self {
        (w.trials, w.variance.to_bits())
    }
}

impl From<(u64, u64)> for Widest {
    fn from((trials, variance): (u64, u64)) -> Self {
        Widest { trials, variance: f64::from_bits(variance) }
    }
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

/// What was tried on prices that overlap with a study's.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lineage {
    /// Trials: of each study its budget, or what it recorded, if that is more.
    pub trials: u64,
    /// Studies.
    pub studies: u64,
    /// Those of the trials that were made elsewhere and declared.
    pub declared: u64,
    /// Sharpe ratios per bar of the study that is looked at.
    pub sharpes: Sharpes,
    /// The widest search of them, a study or what it was before it was extended.
    pub widest: Option<Widest>,
    /// The studies one by one, each with how many trials it counts for: log by log, in the order in which they were opened.
    pub(super) parts: Vec<(u64, Sharpes)>,
}

impl Lineage {
    /// What the best of all of them would have by chance, over so many observations: of all together, of all that there
    /// were after any one of the studies, or of the widest of them without those that are narrower, whichever is most. So
    /// trials that differ in nothing never make a finding look better, wherever they stand, nor do any that come later.
    pub fn expected_max(&self, observations: f64) -> f64 {
        let all = expected_max(self.trials as f64, self.variance(observations));
        let mut widest_first: Vec<&(u64, Sharpes)> = self.parts.iter().collect();
        widest_first.sort_by(|a, b| b.1.variance().unwrap_or(0.0).total_cmp(&a.1.variance().unwrap_or(0.0)));
        let some = self.widest_of(self.parts.iter()).max(self.widest_of(widest_first.into_iter()));
        self.widest.map_or(all, |widest| all.max(widest.expected_max())).max(some)
    }

    /// The most that any beginning of these studies would have, beside what was declared.
    fn widest_of<'p>(&self, parts: impl Iterator<Item = &'p (u64, Sharpes)>) -> f64 {
        let (mut trials, mut sharpes, mut most) = (self.declared, Sharpes::default(), 0.0_f64);
        for (n, own) in parts {
            trials = trials.saturating_add(*n);
            sharpes.merge(own, 1.0);
            most = most.max(sharpes.variance().map_or(0.0, |variance| expected_max(trials as f64, variance)));
        }
        most
    }

    /// As it counted before the studies were looked at one by one: logs hold what was said then.
    pub(super) fn as_it_was(&self) -> Lineage {
        Lineage { parts: Vec::new(), ..self.clone() }
    }

    /// The variance of the Sharpe ratios, never below that of chance over so many observations.
    pub fn variance(&self, observations: f64) -> f64 {
        let chance = if observations > 1.0 { 1.0 / (observations - 1.0) } else { 1.0 };
        self.sharpes.variance().unwrap_or(0.0).max(chance)
    }

    /// With what another log has.
    pub fn add(&mut self, other: &Lineage) {
        self.trials = self.trials.saturating_add(other.trials);
        self.studies += other.studies;
        self.declared = self.declared.saturating_add(other.declared);
        self.sharpes.merge(&other.sharpes, 1.0);
        self.widest = Widest::wider(self.widest, other.widest);
        self.parts.extend_from_slice(&other.parts);
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
