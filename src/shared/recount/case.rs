//! A study as a log has it, gathered event by event.

use super::finished::{Finished, equal};
use super::later_run::LaterRun;
use super::lineage::Lineage;
use super::tally::Tally;
use crate::event::snapshot::SnapshotFact;
use crate::event::study::{StudyFact, TrialFact, blocks_v2, study_id};
use crate::event::{Event, PrunedTrialFinished, SeedGrade, StudyClosed, StudySeeded};
use crate::statistic::Blocks;
use crate::strategy::Strategy;
use crate::study::Study;
use assay_ledger::keys::cosign::Witness;
use assay_ledger::keys::seed::seed_of;
use assay_ledger::{Entry, Hash, LedgerError};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;

/// What is wrong with a study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wrong {
    /// Its opening contradicts what it names, or comes before it.
    Opening,
    /// Its trials are not all there, or not in order.
    Order,
    /// A trial is not the one that the sampler asks for.
    Suggestion,
    /// A figure contradicts others of the same trial.
    Figure,
    /// A trial was pruned that should not be, or the other way round.
    Pruning,
    /// Its closing is not what its trials give.
    Closing,
    /// Its vault, or a forward run, is not what it can be.
    Later,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Wrong::Opening => "opening",
            Wrong::Order => "order",
            Wrong::Suggestion => "suggestion",
            Wrong::Figure => "figure",
            Wrong::Pruning => "pruning",
            Wrong::Closing => "closing",
            Wrong::Later => "later",
        })
    }
}

/// Something that a log contradicts itself in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("entry {seq}: {what}")]
pub struct Finding {
    /// The entry.
    pub seq: u64,
    /// Of what kind.
    pub wrong: Wrong,
    /// In words, with the number that is false.
    pub what: String,
}

pub(super) fn finding(seq: u64, wrong: Wrong, what: impl Into<String>) -> Finding {
    Finding { seq, wrong, what: what.into() }
}

/// The seed that the hash of a witness's signature gives: its first 63 bits.
pub fn number_of(seed: &Hash) -> u64 {
    seed.0.first_chunk().map_or(0, |first| u64::from_be_bytes(*first) >> 1)
}

/// A study with all its events.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its opening, and where that stands.
    pub fact: StudyFact,
    /// Where it was opened.
    pub seq: u64,
    /// What is searched and how.
    pub study: Study,
    /// The strategy.
    pub strategy: Strategy,
    /// The registration of its data.
    pub snapshot: SnapshotFact,
    /// Its trials in the order of the log.
    pub trials: Vec<(u64, TrialFact)>,
    /// The same, as samplers and statistics see them; pruned ones that were finished later with their returns.
    pub finished: Vec<Finished>,
    /// Pruned trials that were run to their ends later, as they are recorded: the probability of overfitting rests on
    /// them.
    pub ends: Vec<(u64, PrunedTrialFinished)>,
    /// Its closing, with what was tried when it was closed.
    pub closed: Option<(u64, StudyClosed, Lineage)>,
    /// The witness whose note gave its seed, by its verifier key.
    pub seeded: Option<String>,
    /// Its log, and the leaf of its opening: what a witness's note must be over.
    opening: Option<(String, Hash)>,
    /// When it was opened, by its log; microseconds since 1970.
    pub opened_us: Option<u64>,
    /// What the log's clock says of the event that comes.
    pub(super) now_us: Option<u64>,
    /// Trials whose walk-forward is recorded.
    pub walked: BTreeSet<u32>,
    /// How often it was extended, and closed before that.
    pub(super) extended: u32,
    /// How often it was closed and opened again.
    pub rounds: u32,
    /// What was seen of its trials afterwards: the vault, and forward runs.
    pub later: Vec<LaterRun>,
    /// What was found while it was gathered.
    pub(super) findings: Vec<Finding>,
}

impl Case {
    /// A study at its opening, which the events before it must bear out.
    ///
    /// # Errors
    /// What they contradict.
    pub fn open(seq: u64, event: &Event, tally: &Tally) -> Result<Case, Finding> {
        let no = |what: String| finding(seq, Wrong::Opening, what);
        let fact = event.study().ok_or_else(|| no("it opens no study".into()))?;
        let name = &fact.name;
        let study = Study::recorded(&fact.text).map_err(|e| no(format!("the text of study '{name}': {e}")))?;
        let (_, text) = tally
            .strategy(&fact.strategy_hash)
            .ok_or_else(|| no(format!("the strategy of study '{name}' is not registered before it")))?;
        let strategy = Strategy::recorded(text).map_err(|e| no(format!("the strategy of study '{name}': {e}")))?;
        let cover = tally
            .cover_with(&fact.data_hash, &fact.rulebook_hash)
            .ok_or_else(|| no(format!("the data of study '{name}' are not registered before it")))?;
        let missing = strategy.file.symbols.iter().find(|s| !cover.symbols.contains(*s));
        let id = |e: &crate::event::StudyOpenedV2| {
            study_id(&e.text, &fact.strategy_hash, &fact.data_hash, &fact.rulebook_hash, &fact.environment)
        };
        // What is recorded of its data must be possible at all, before anything is made as large as it says.
        let span = cover.last_ms.saturating_sub(cover.first_ms);
        let most = (cover.interval_ms > 0 && span >= 0).then(|| (span / cover.interval_ms) as u64 + 1);
        let wrong = if most.is_none_or(|most| cover.bars > most || cover.bars == 0) {
            "its data are registered with more bars than their time holds".into()
        } else if fact.seed == SeedGrade::Witnessed && study.seed != 0 {
            "a witness gives its seed, and its text names another".into()
        } else if strategy.hash().0 != fact.strategy_hash || strategy.file.name != fact.strategy {
            "its strategy is registered with another text".into()
        } else if study.name != *name {
            "its text has another name".into()
        } else if tally.rulebook(&fact.rulebook_hash).is_none() {
            "its rule book is not registered before it".into()
        } else if cover.generated != fact.generated {
            "whether its data are generated is not what their registration says".into()
        } else if cover.interval_ms != strategy.interval_ms {
            "its strategy has another interval than its data".into()
        } else if let Some(symbol) = missing {
            format!("its data have no {symbol}")
        } else if matches!(event, Event::StudyOpenedV2(e) if id(e) != e.study_id) {
            "its id is not that of its contents".into()
        } else {
            let (trials, finished, findings, closed) = (Vec::new(), Vec::new(), Vec::new(), None);
            let (snapshot, walked, seeded, opening) = (cover.clone(), BTreeSet::new(), None, None);
            return Ok(Case {
                fact,
                seq,
                study,
                strategy,
                snapshot,
                trials,
                finished,
                ends: Vec::new(),
                closed,
                seeded,
                opening,
                opened_us: None,
                now_us: None,
                walked,
                extended: 0,
                rounds: 0,
                later: Vec::new(),
                findings,
            });
        };
        Err(no(format!("study '{name}': {wrong}")))
    }

    /// The same, with the entry of its opening: without it no witness's seed can be told from another.
    pub fn at(mut self, entry: &Entry) -> Case {
        self.opening = Some((entry.origin().into(), entry.leaf_hash()));
        self.opened_us = Some(entry.time_us);
        self
    }

    /// Says when the next event was recorded.
    pub fn comes_at(&mut self, entry: &Entry) {
        self.now_us = Some(entry.time_us);
    }

    /// A witness's note over the opening gives the seed, before the first trial.
    fn seed(&mut self, seq: u64, e: &StudySeeded) {
        let seed = self.opening.as_ref().ok_or("its opening is not known".to_string()).and_then(|(origin, leaf)| {
            let witness: Witness = e.witness.parse().map_err(|e: LedgerError| e.to_string())?;
            seed_of(e.note.as_bytes(), origin, leaf, &witness).map_err(|e| e.to_string())
        });
        let wrong = match seed {
            _ if self.fact.seed != SeedGrade::Witnessed => "its opening names its seed".into(),
            _ if !self.trials.is_empty() => "it has trials already".into(),
            Err(e) => e,
            Ok(seed) => {
                self.study.seed = number_of(&seed);
                return self.seeded = Some(e.witness.clone());
            }
        };
        self.findings.push(finding(
            seq,
            Wrong::Opening,
            format!("a witness's seed that is none of this study: {wrong}"),
        ));
    }

    /// Takes an event that stands at `seq`; one of another study is nothing. `tally` has everything before it.
    pub fn push(&mut self, seq: u64, event: &Event, tally: &Tally) {
        let id = self.fact.study_id;
        if seq != self.seq && event.study().is_some_and(|s| s.study_id == id) {
            self.findings.push(finding(seq, Wrong::Opening, "the study is opened a second time"));
        }
        match event {
            Event::StudyClosed(_) | Event::StudyClosedV2(_)
                if event.closing().is_some_and(|(_, c)| c.study_id == id) =>
            {
                let Some((round, e)) = event.closing() else { return };
                if self.closed.is_some() || round != self.rounds {
                    self.findings.push(finding(seq, Wrong::Closing, "the study is closed a second time"));
                }
                let lineage = tally.scope(&id).map(|scope| tally.lineage(&scope)).unwrap_or_default();
                if self.closed.is_none() {
                    self.closed = Some((seq, e, lineage));
                }
            }
            Event::WalkForwardCompleted(e) if e.study_id == id => {
                self.walked.insert(e.number);
            }
            Event::StudyExtended(e) if e.study_id == id => self.extend(seq, e),
            Event::StudySeeded(e) if e.study_id == id => self.seed(seq, e),
            Event::PrunedTrialFinished(e) if e.study_id == id => self.finish(seq, e),
            event if event.later().is_some_and(|l| l.study_id == id) => {
                event.later().into_iter().for_each(|fact| self.saw(seq, fact, tally));
            }
            event => {
                if event.trial_key().is_some_and(|(of, _)| of == id)
                    && let Some(trial) = event.trial()
                {
                    if self.closed.is_some() {
                        let what = format!("trial {} is recorded after its study's close", trial.number);
                        self.findings.push(finding(seq, Wrong::Order, what));
                    }
                    self.finished.push(Finished::of_fact(trial.clone()));
                    self.trials.push((seq, trial));
                }
            }
        }
    }

    /// A pruned trial that was run to its end later gets its returns: none, when it then had no score.
    fn finish(&mut self, seq: u64, e: &PrunedTrialFinished) {
        let bars = self.out_of_sample_bars(e.folds.len());
        let trial = self.finished.iter_mut().find(|f| f.number == e.number && f.pruned);
        let recorded = self.trials.iter().find(|(_, t)| t.number == e.number);
        let (Some(trial), Some((_, recorded))) = (trial, recorded) else {
            let what = format!("trial {} was not pruned, and is finished", e.number);
            return self.findings.push(finding(seq, Wrong::Order, what));
        };
        let blocks = blocks_v2(&e.blocks);
        let begins = crate::event::study::folds_v2(&e.folds);
        let same = recorded.identity == e.identity && begins.starts_with(&recorded.folds);
        let whole = e.reason.is_some() || super::blocks::bars(&blocks) == bars as u64;
        if !same || !whole {
            let what = format!("the pruned trial {} was finished as another one than it began", e.number);
            self.findings.push(finding(seq, Wrong::Figure, what));
        }
        self.ends.push((seq, e.clone()));
        trial.blocks = Some(if e.reason.is_none() { equal(&blocks) } else { Blocks { sums: Vec::new() } });
    }

    /// Bars out of sample of so many folds.
    pub fn out_of_sample_bars(&self, folds: usize) -> usize {
        folds * self.study.splits.out_of_sample_bars(self.strategy.interval_ms)
    }

    /// Bars out of sample of its completed trials.
    pub fn bars(&self) -> usize {
        let completed = self.finished.iter().find(|f| f.seen.score.is_some());
        self.out_of_sample_bars(completed.map_or(0, |f| f.folds.len()))
    }

    /// Whether every pruned trial was finished.
    pub fn is_finished(&self) -> bool {
        self.finished.iter().all(|f| !f.pruned || f.blocks.is_some())
    }
}
