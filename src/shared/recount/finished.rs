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

    /// [`Finished::sharpe`] of an event, without the rest.
    pub fn sharpe_of(event: &Event) -> Option<f64> {
        match event {
            Event::TrialCompleted(_) | Event::TrialCompletedV2(_) => {
                event.figure(Metric::Skew).and(event.figure(Metric::Kurtosis)).and(event.figure(Metric::SharpePerBar))
            }
            event => Finished::of(event)?.sharpe,
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{
        BlockV2, MetricCode, TrialCompleted, TrialCompletedV2, TrialFailedV2, TrialPrunedV2, codec::Real,
    };
    use proptest::prelude::*;

    const WHICH: [Metric; 4] = [Metric::SharpePerBar, Metric::Skew, Metric::Kurtosis, Metric::Cagr];

    /// Both versions, with figures that are missing, foreign or there twice, and trials that were stopped.
    fn events() -> impl Strategy<Value = Event> {
        let figures = proptest::collection::vec((0..WHICH.len(), -9.0..9.0f64), 0..7);
        let returns = proptest::collection::vec(-0.1..0.1f64, 0..60);
        (figures, returns, 0..4).prop_map(|(figures, returns, kind)| {
            let blocks: Vec<BlockV2> = blocks::of(&returns).unwrap_or_default();
            let (study_id, number, identity, stream_hash) = ([1; 16], 3, [2; 32], [3; 32]);
            let (params, folds, scores, constraints) = (Vec::new(), Vec::new(), vec![Real(1.0)], Vec::new());
            let code = |(i, v): &(usize, f64)| (MetricCode(WHICH[*i].code()), Real(*v));
            let name = |(i, v): &(usize, f64)| (WHICH[*i].name().to_string(), Real(*v));
            match kind {
                0 => {
                    let metrics = figures.iter().map(code).collect();
                    TrialCompletedV2 {
                        study_id,
                        number,
                        params,
                        identity,
                        scores,
                        constraints,
                        folds,
                        metrics,
                        blocks,
                        stream_hash,
                    }
                    .into()
                }
                1 => {
                    let (metrics, blocks, params, folds) =
                        (figures.iter().map(name).collect(), Vec::new(), Vec::new(), Vec::new());
                    TrialCompleted {
                        study_id,
                        number,
                        params,
                        identity,
                        score: Real(1.0),
                        constraints,
                        folds,
                        metrics,
                        blocks,
                        stream_hash,
                    }
                    .into()
                }
                2 => TrialPrunedV2 { study_id, number, params, identity, folds, blocks, reason: "x".into() }.into(),
                _ => TrialFailedV2 { study_id, number, params, identity, folds, reason: "x".into() }.into(),
            }
        })
    }

    proptest! {
        #[test]
        fn the_sharpe_ratio_alone_is_that_of_the_whole(event in events()) {
            prop_assert_eq!(Finished::sharpe_of(&event), Finished::of(&event).and_then(|f| f.sharpe));
        }
    }
}
