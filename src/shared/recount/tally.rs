//! How much was ever tried on prices that overlap: in one log, and over several.
//!
//! The same prices come under many hashes: with other fields, other symbols, finer bars, a day more. So a study is
//! counted beside another one when both trade a symbol in common at a time in common, whatever the interval and the
//! snapshot. Each opening counts its whole budget of trials, run or not, since whoever opens it could have looked.

use super::counts::{Counted, Counts, Scope, largest};
use super::finished::Finished;
use super::later_run::Run;
use super::lineage::Lineage;
use super::sharpes::{Sharpes, Widest};
use crate::event::Event;
use crate::event::kinds::Digest;
use crate::event::snapshot::SnapshotFact;
use crate::strategy::Strategy;
use crate::study::Study;
use crate::time::DAY_MS;
use std::collections::BTreeMap;

/// A study as its events so far have it.
#[derive(Debug, Clone, PartialEq)]
struct Asked {
    seq: u64,
    last: u64,
    data_hash: Digest,
    strategy_hash: Digest,
    /// What it looks at, where that was registered before it, as it should be.
    scope: Option<(u64, Scope)>,
    budget: u64,
    trials: u64,
    vault_days: u32,
    later: Vec<Run>,
    sharpes: Sharpes,
    /// The widest that it was before an extension.
    widest: Option<Widest>,
}

impl Asked {
    fn widest(&self) -> Option<Widest> {
        Widest::wider(self.widest, Widest::of(self.trials.max(self.budget), &self.sharpes))
    }
}

/// The studies of a log, and what they were made on.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tally {
    /// The snapshots, with where they were registered first.
    covers: BTreeMap<Digest, (u64, SnapshotFact)>,
    /// The same with each rule book that they were bound to.
    bound: BTreeMap<(Digest, Digest), SnapshotFact>,
    books: BTreeMap<Digest, u64>,
    /// The texts, with where they were registered first.
    strategies: BTreeMap<Digest, (u64, String)>,
    studies: BTreeMap<[u8; 16], Asked>,
    /// What was tried elsewhere.
    declared: Vec<Counted>,
}

impl Tally {
    /// Whether events of a kind say anything about studies; of the others a reader need not look at more.
    pub fn reads(kind: &str) -> bool {
        matches!(
            kind,
            "RulebookRegistered"
                | "SnapshotRegistered"
                | "StrategyRegistered"
                | "StudyOpened"
                | "StudySeeded"
                | "StudyExtended"
                | "StudyClosed"
                | "TrialCompleted"
                | "TrialPruned"
                | "TrialFailed"
                | "PrunedTrialFinished"
                | "WalkForwardCompleted"
                | "VaultOpened"
                | "ForwardRunCompleted"
                | "ParityVerified"
                | "TrialsDeclared"
        )
    }

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
                    let read = Study::recorded(&f.text);
                    let (budget, vault_days) =
                        read.map_or((0, 0), |s| (u64::from(s.trials), s.splits.vault_days.unwrap_or(0)));
                    let scope = self.scope_of(&f.data_hash, &f.strategy_hash).filter(|(at, _)| *at < seq);
                    let asked = Asked {
                        seq,
                        last: seq,
                        data_hash: f.data_hash,
                        strategy_hash: f.strategy_hash,
                        scope: scope.filter(|_| self.strategies.contains_key(&f.strategy_hash)),
                        budget,
                        trials: 0,
                        vault_days,
                        later: Vec::new(),
                        sharpes: Sharpes::default(),
                        widest: None,
                    };
                    self.studies.entry(f.study_id).or_insert(asked);
                }
            }
            Event::TrialsDeclared(e) => self.declared.push(Counted::declared(seq, e)),
            Event::StudyExtended(e) => {
                if let Some(study) = self.studies.get_mut(&e.study_id) {
                    study.widest = study.widest();
                    study.budget = study.budget.saturating_add(u64::from(e.trials));
                    study.last = seq;
                }
            }
            event => {
                if let Some(run) = event.later() {
                    if let Some(study) = self.studies.get_mut(&run.study_id) {
                        study.later.push((run.number, run.first_ms, run.last_ms));
                        study.last = seq;
                    }
                } else if let Some(f) = event.snapshot() {
                    if let Some(book) = f.rulebook_hash {
                        self.bound.entry((f.data_hash, book)).or_insert_with(|| f.clone());
                    }
                    self.covers.entry(f.data_hash).or_insert((seq, f));
                } else if let Some((of, _)) = event.trial_key()
                    && let Some(study) = self.studies.get_mut(&of)
                {
                    study.trials += 1;
                    study.last = seq;
                    // One that no market gives is cut: a single figure must not decide the spread of all.
                    if let Some(sharpe) = Finished::sharpe_of(event) {
                        let most = largest(study.scope.as_ref().map_or(3_600_000, |(_, scope)| scope.interval_ms));
                        study.sharpes.push(sharpe.clamp(-most, most));
                    }
                }
            }
        }
    }

    /// A snapshot.
    pub fn cover(&self, data_hash: &Digest) -> Option<&SnapshotFact> {
        self.covers.get(data_hash).map(|(_, fact)| fact)
    }

    /// A snapshot as it was registered with a rule book; where it never was, as it was registered first.
    pub fn cover_with(&self, data_hash: &Digest, rulebook_hash: &Digest) -> Option<&SnapshotFact> {
        self.bound.get(&(*data_hash, *rulebook_hash)).or_else(|| self.cover(data_hash))
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
        self.scope_of_study(self.studies.get(study_id)?).map(|(_, scope)| scope)
    }

    fn scope_of_study(&self, study: &Asked) -> Option<(u64, Scope)> {
        study.scope.clone().or_else(|| self.scope_of(&study.data_hash, &study.strategy_hash))
    }

    fn scope_of(&self, data_hash: &Digest, strategy_hash: &Digest) -> Option<(u64, Scope)> {
        // Bars without a length are none.
        let (at, cover) = self.covers.get(data_hash).filter(|(_, c)| c.interval_ms > 0)?;
        let text = self.strategies.get(strategy_hash);
        // Of a strategy that cannot be read, all symbols count.
        let symbols = match text.and_then(|(_, text)| Strategy::recorded(text).ok()) {
            Some(strategy) => strategy.file.symbols.iter().cloned().collect(),
            None => cover.symbols.iter().cloned().collect(),
        };
        let known = text.map_or(*at, |(seq, _)| *at.max(seq));
        Some((known, Scope { symbols, span: (cover.first_ms, cover.last_ms), interval_ms: cover.interval_ms }))
    }

    /// The studies so far as they count for others.
    pub fn counts(&self) -> Counts {
        let counted = |(id, study): (&[u8; 16], &Asked)| {
            let scope = self.scope_of_study(study);
            let vault_ms = i64::from(study.vault_days) * DAY_MS;
            Counted {
                study_id: *id,
                seq: study.seq,
                last: study.last,
                searched: scope.as_ref().map(|(_, s)| (s.span.0, s.span.1.saturating_sub(vault_ms))),
                later: study.later.clone(),
                scope,
                budget: study.budget,
                trials: study.trials,
                sharpes: study.sharpes,
                widest: study.widest(),
                declared: false,
            }
        };
        let mut studies: Vec<Counted> = self.studies.iter().map(counted).chain(self.declared.iter().cloned()).collect();
        studies.sort_by_key(|s| s.seq);
        Counts(studies)
    }

    /// What this log has that overlaps with a scope.
    pub fn lineage(&self, scope: &Scope) -> Lineage {
        self.counts().lineage(scope)
    }
}
