//! How much was ever tried on prices that overlap: in one log, and over several.
//!
//! The same prices come under many hashes: with other fields, other symbols, finer bars, a day more. So a study is
//! counted beside another one when both trade a symbol in common at a time in common, whatever the interval and the
//! snapshot. Each opening counts its whole budget of trials, run or not, since whoever opens it could have looked.

use super::finished::Finished;
use crate::event::Event;
use crate::event::kinds::Digest;
use crate::event::snapshot::SnapshotFact;
use crate::strategy::Strategy;
use crate::study::Study;
use std::collections::{BTreeMap, BTreeSet};

/// The largest Sharpe ratio per bar that counts as it is: of hours 94 a year.
const LARGEST: f64 = 1.0;

/// Sharpe ratios: how many, their mean, and the sum of the squares of their distances from it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
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

/// A study as it counts for others.
#[derive(Debug, Clone, PartialEq)]
struct Asked {
    seq: u64,
    data_hash: Digest,
    strategy_hash: Digest,
    budget: u64,
    trials: u64,
    sharpes: Sharpes,
}

/// The studies of a log, and what they were made on.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tally {
    covers: BTreeMap<Digest, SnapshotFact>,
    books: BTreeMap<Digest, u64>,
    /// The texts, with where they were registered first.
    strategies: BTreeMap<Digest, (u64, String)>,
    studies: BTreeMap<[u8; 16], Asked>,
}

/// What a study looks at.
#[derive(Debug, Clone, PartialEq)]
pub struct Scope {
    symbols: BTreeSet<String>,
    span: (i64, i64),
    interval_ms: i64,
}

impl Scope {
    /// Whether both have a symbol in common at a time.
    fn meets(&self, other: &Scope) -> bool {
        let (from, to) = (self.span.0.max(other.span.0), self.span.1.min(other.span.1));
        from <= to && !self.symbols.is_disjoint(&other.symbols)
    }
}

/// What was tried on prices that overlap with a study's.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Lineage {
    /// Trials: of each study its budget, or what it recorded, if that is more.
    pub trials: u64,
    /// Studies.
    pub studies: u64,
    /// Sharpe ratios per bar of the study that is looked at.
    pub sharpes: Sharpes,
}

impl Lineage {
    /// The variance of the Sharpe ratios, never below that of chance over so many observations.
    pub fn variance(&self, observations: f64) -> f64 {
        let chance = if observations > 1.0 { 1.0 / (observations - 1.0) } else { 1.0 };
        self.sharpes.variance().unwrap_or(0.0).max(chance)
    }

    /// With what another log has.
    pub fn add(&mut self, other: &Lineage) {
        self.trials += other.trials;
        self.studies += other.studies;
        self.sharpes.merge(&other.sharpes, 1.0);
    }
}

impl Tally {
    /// Takes the next event of the log, which stands at `seq`.
    pub fn push(&mut self, seq: u64, event: &Event) {
        match event {
            Event::RulebookRegistered(e) => {
                self.books.entry(e.hash).or_insert(seq);
            }
            Event::StrategyRegistered(e) => {
                self.strategies.entry(e.hash).or_insert_with(|| (seq, e.canonical.clone()));
            }
            Event::StudyOpened(_) | Event::StudyOpenedV2(_) => {
                if let Some(f) = event.study() {
                    let budget = Study::recorded(&f.text).map_or(0, |s| u64::from(s.trials));
                    let (data_hash, strategy_hash) = (f.data_hash, f.strategy_hash);
                    let asked = Asked { seq, data_hash, strategy_hash, budget, trials: 0, sharpes: Sharpes::default() };
                    self.studies.entry(f.study_id).or_insert(asked);
                }
            }
            event => {
                if let Some(f) = event.snapshot() {
                    self.covers.entry(f.data_hash).or_insert(f);
                } else if let Some((of, _)) = event.trial_key()
                    && let Some(study) = self.studies.get_mut(&of)
                {
                    study.trials += 1;
                    // One that no market gives is cut: a single figure must not decide the spread of all.
                    if let Some(sharpe) = Finished::of(event).and_then(|f| f.sharpe) {
                        study.sharpes.push(sharpe.clamp(-LARGEST, LARGEST));
                    }
                }
            }
        }
    }

    /// A snapshot.
    pub fn cover(&self, data_hash: &Digest) -> Option<&SnapshotFact> {
        self.covers.get(data_hash)
    }

    /// Where a rule book was registered first.
    pub fn rulebook(&self, hash: &Digest) -> Option<u64> {
        self.books.get(hash).copied()
    }

    /// The text of a strategy, and where it was registered first.
    pub fn strategy(&self, hash: &Digest) -> Option<(u64, &str)> {
        self.strategies.get(hash).map(|(seq, text)| (*seq, text.as_str()))
    }

    /// What a study looks at: the symbols that its strategy trades, over the whole of its snapshot.
    pub fn scope(&self, study_id: &[u8; 16]) -> Option<Scope> {
        self.scope_of(self.studies.get(study_id)?)
    }

    fn scope_of(&self, study: &Asked) -> Option<Scope> {
        // Bars without a length are none.
        let cover = self.covers.get(&study.data_hash).filter(|c| c.interval_ms > 0)?;
        let text = self.strategies.get(&study.strategy_hash);
        // Of a strategy that cannot be read, all symbols count.
        let symbols = match text.and_then(|(_, text)| Strategy::recorded(text).ok()) {
            Some(strategy) => strategy.file.symbols.iter().cloned().collect(),
            None => cover.symbols.iter().cloned().collect(),
        };
        Some(Scope { symbols, span: (cover.first_ms, cover.last_ms), interval_ms: cover.interval_ms })
    }

    /// What this log has that overlaps with a scope. Sharpe ratios are brought to the scope's interval. A study
    /// whose snapshot is unknown counts as overlapping.
    pub fn lineage(&self, scope: &Scope) -> Lineage {
        let mut studies: Vec<&Asked> = self.studies.values().collect();
        studies.sort_by_key(|s| s.seq);
        let mut out = Lineage::default();
        for study in studies {
            let own = self.scope_of(study);
            if own.as_ref().is_some_and(|own| !own.meets(scope)) {
                continue;
            }
            out.studies += 1;
            out.trials += study.trials.max(study.budget);
            // A bar that is four times as long has twice the Sharpe ratio.
            let factor = own.map_or(1.0, |own| (scope.interval_ms as f64 / own.interval_ms as f64).sqrt());
            out.sharpes.merge(&study.sharpes, factor);
        }
        out
    }
}
