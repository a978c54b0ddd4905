//! Trials that have ended, as far as a study needs them.

use assay_shared::event::Event;
use assay_shared::event::study::{Ended, FoldFact};
use assay_shared::metric::Metric;
use assay_shared::search::Observation;
use assay_shared::statistic::Blocks;

/// A recorded trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// Number in the study.
    pub number: u32,
    /// What the sampler sees.
    pub seen: Observation,
    /// Folds; only completed trials count for pruning.
    pub folds: Vec<FoldFact>,
    /// Sharpe ratio per bar, skewness and kurtosis out of sample, if defined.
    pub observed: Option<(f64, f64, f64)>,
    /// Returns in blocks, of completed trials.
    pub blocks: Option<Blocks>,
    /// Hash of its stream, of completed trials.
    pub stream_hash: Option<[u8; 32]>,
}

impl Finished {
    /// Reads a trial's event back; other events are none.
    pub fn of(event: &Event) -> Option<Finished> {
        let t = event.trial()?;
        let violation = t.violation();
        let (score, observed, blocks) = match &t.ended {
            Ended::Completed { score, metrics, .. } => {
                let get = |metric: Metric| metrics.get(metric.name()).copied();
                let observed = get(Metric::SharpePerBar).zip(get(Metric::Skew)).zip(get(Metric::Kurtosis));
                let blocks = Blocks { sums: t.blocks.iter().map(|b| b.sums).collect() };
                (Some(*score), observed.map(|((s, k), q)| (s, k, q)), Some(blocks))
            }
            Ended::Pruned { .. } | Ended::Failed { .. } => (None, None, None),
        };
        let stream_hash = match t.ended {
            Ended::Completed { stream_hash, .. } => Some(stream_hash),
            _ => None,
        };
        let seen = Observation { params: t.params, score, violation };
        Some(Finished { number: t.number, seen, folds: t.folds, observed, blocks, stream_hash })
    }
}

/// The best feasible trial: highest score, earliest among equals.
pub fn best(finished: &[Finished]) -> Option<(u32, f64)> {
    let feasible =
        finished.iter().filter(|f| f.seen.violation <= 0.0).filter_map(|f| f.seen.score.map(|s| (f.number, s)));
    feasible.fold(None, |best, (n, s)| match best {
        Some((_, b)) if b >= s => best,
        _ => Some((n, s)),
    })
}
