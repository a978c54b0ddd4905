//! The end of a study: its best trial and its overfitting statistics.

use super::figures;
use super::finished::{Finished, best};
use super::lineage::Lineage;
use crate::event::StudyClosed;
use crate::event::codec::Real;

/// The closing event: the best trial and its overfitting statistics, as far as the study's own log knows them.
/// `bars` are those out of sample, `lineage` what was tried on prices that overlap, this study included.
pub fn close(study_id: [u8; 16], finished: &[Finished], bars: usize, lineage: &Lineage) -> StudyClosed {
    let best = best(finished);
    let mut statistics: Vec<(String, Real)> = Vec::new();
    let mut put = |name: &str, value: Option<f64>| {
        if let Some(v) = value.filter(|v| v.is_finite()) {
            statistics.push((name.into(), Real(v)));
        }
    };
    put("trials_lineage", Some(lineage.trials as f64));
    put("out_of_sample_bars", Some(bars as f64));
    let winner = best.and_then(|(n, _)| finished.iter().find(|f| f.number == n));
    if let Some(s) = winner.and_then(|f| figures::of(f, bars as f64, lineage)) {
        put("sharpe_per_bar", Some(s.sharpe_per_bar));
        put("psr", s.psr);
        put("sharpe_variance", Some(s.variance));
        put("expected_max_sharpe_per_bar", Some(s.expected_max));
        put("dsr", s.dsr);
        put("min_track_record_bars", s.min_track_record);
    }
    put("pbo", figures::pbo(finished, bars));
    StudyClosed { study_id, trials: finished.len() as u32, best: best.map(|b| b.0), statistics }
}
