//! The end of a study: its best trial and its overfitting statistics.

use super::blocks::BLOCKS;
use super::evaluate::Evaluator;
use super::finished::{Finished, best};
use assay_shared::event::StudyClosed;
use assay_shared::event::codec::Real;
use assay_shared::metric::moments;
use assay_shared::statistic::{Blocks, Observed, dsr, expected_max, min_track_record, pbo, psr};

/// The closing event: the best trial and its overfitting statistics. `lineage` is the number of
/// trials ever asked for on the same data, this study's included.
pub fn close(evaluator: &Evaluator<'_>, study_id: [u8; 16], finished: &[Finished], lineage: u64) -> StudyClosed {
    let best = best(finished);
    let mut statistics: Vec<(String, Real)> = Vec::new();
    let mut put = |name: &str, value: Option<f64>| {
        if let Some(v) = value.filter(|v| v.is_finite()) {
            statistics.push((name.into(), Real(v)));
        }
    };
    let bars: usize = evaluator.folds().iter().map(|f| f.out_of_sample.len()).sum();
    put("trials_lineage", Some(lineage as f64));
    put("out_of_sample_bars", Some(bars as f64));
    let sharpes: Vec<f64> = finished.iter().filter_map(|f| f.observed.map(|o| o.0)).collect();
    let variance = moments(&sharpes).map(|m| m.std * m.std);
    let winner = best.and_then(|(n, _)| finished.iter().find(|f| f.number == n)).and_then(|f| f.observed);
    if let Some((sharpe, skew, kurtosis)) = winner {
        let o = Observed { sharpe, n: bars as f64, skew, kurtosis };
        let trials = lineage as f64;
        put("sharpe_per_bar", Some(sharpe));
        put("psr", psr(&o, 0.0));
        put("sharpe_variance", variance);
        put("expected_max_sharpe_per_bar", variance.map(|v| expected_max(trials, v)));
        put("dsr", variance.and_then(|v| dsr(&o, trials, v)));
        put("min_track_record_bars", min_track_record(&o, 0.0, 0.05));
    }
    let blocks: Vec<Blocks> = finished.iter().filter_map(|f| f.blocks.clone()).collect();
    // Every split visits every configuration: beyond a thousand the best of them stand for all.
    put("pbo", pbo(&strongest(blocks, 1000), bars / BLOCKS));
    StudyClosed { study_id, trials: finished.len() as u32, best: best.map(|b| b.0), statistics }
}

/// The `n` configurations with the highest sums, in their order.
fn strongest(blocks: Vec<Blocks>, n: usize) -> Vec<Blocks> {
    if blocks.len() <= n {
        return blocks;
    }
    let total = |b: &Blocks| b.sums.iter().map(|s| s.0).sum::<f64>();
    let mut order: Vec<usize> = (0..blocks.len()).collect();
    order.sort_by(|a, b| total(&blocks[*b]).total_cmp(&total(&blocks[*a])).then(a.cmp(b)));
    order.truncate(n);
    order.sort_unstable();
    order.into_iter().map(|i| blocks[i].clone()).collect()
}
