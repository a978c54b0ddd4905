//! Trials that have ended, as far as a study needs them.

use super::blocks::{self, BLOCKS};
use crate::event::Event;
use crate::event::study::{Ended, FoldFact, TrialFact};
use crate::metric::Metric;
use crate::search::Observation;
use crate::statistic::Blocks;

/// A recorded trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// Number in the study.
    pub number: u32,
    /// What the sampler sees.
    pub seen: Observation,
    /// Folds; only completed trials count for pruning.
    pub folds: Vec<FoldFact>,
    /// Sharpe ratio per bar, skewness and kurtosis out of sample, of completed trials, if defined.
    pub observed: Option<(f64, f64, f64)>,
    /// Sharpe ratio per bar of completed trials, and of pruned ones as far as they went, if defined.
    pub sharpe: Option<f64>,
    /// Returns in equal blocks, of completed trials, and of pruned ones that were finished later.
    pub blocks: Option<Blocks>,
    /// Whether it was pruned.
    pub pruned: bool,
    /// Hash of its stream, of completed trials.
    pub stream_hash: Option<[u8; 32]>,
}

impl Finished {
    /// Reads a trial's event back; other events are none.
    pub fn of(event: &Event) -> Option<Finished> {
        Some(Finished::of_fact(event.trial()?))
    }

    /// A trial as it was recorded.
    pub fn of_fact(t: TrialFact) -> Finished {
        let violation = t.violation();
        let pruned = matches!(t.ended, Ended::Pruned { .. });
        let (score, also, observed, stream_hash) = match &t.ended {
            Ended::Completed { score, also, metrics, stream_hash, .. } => {
                let get = |metric: Metric| metrics.get(metric.name()).copied();
                let observed = get(Metric::SharpePerBar).zip(get(Metric::Skew)).zip(get(Metric::Kurtosis));
                (Some(*score), also.clone(), observed.map(|((s, k), q)| (s, k, q)), Some(*stream_hash))
            }
            Ended::Pruned { .. } | Ended::Failed { .. } => (None, Vec::new(), None, None),
        };
        let so_far = || blocks::observed(&t.blocks).filter(|_| pruned).map(|o| o.sharpe);
        let sharpe = observed.map(|o| o.0).or_else(so_far);
        let blocks = score.map(|_| equal(&t.blocks));
        let seen = Observation { params: t.params, score, violation, also };
        Finished { number: t.number, seen, folds: t.folds, observed, sharpe, blocks, pruned, stream_hash }
    }
}

/// The equal blocks among recorded ones.
pub(super) fn equal(blocks: &[crate::event::study::BlockFact]) -> Blocks {
    Blocks { sums: blocks.iter().take(BLOCKS).map(|b| b.sums).collect() }
}

/// The best feasible trial: highest score, earliest among equals.
pub fn best(finished: &[Finished]) -> Option<(u32, f64)> {
    Best::default().of(finished)
}

/// The best feasible trial of a list that grows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Best {
    seen: usize,
    best: Option<(u32, f64)>,
}

impl Best {
    /// The best of a list that begins with what was seen of it before.
    pub fn of(&mut self, finished: &[Finished]) -> Option<(u32, f64)> {
        let new = finished.get(self.seen..).unwrap_or_default();
        self.seen = finished.len();
        let feasible =
            new.iter().filter(|f| f.seen.violation <= 0.0).filter_map(|f| f.seen.score.map(|s| (f.number, s)));
        self.best = feasible.fold(self.best, |best, (n, s)| match best {
            Some((_, b)) if b >= s => best,
            _ => Some((n, s)),
        });
        self.best
    }
}
