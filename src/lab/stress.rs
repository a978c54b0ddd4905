//! A trial with costs that are higher than assumed.

use crate::error::LabError;
use crate::study::Opened;
use assay_research::report::bands::{Costs, Stressed};
use assay_shared::account::Impact;
use assay_shared::metric::{self, Metric, Metrics};
use assay_shared::rulebook::Rulebook;
use assay_shared::strategy::Params;
use assay_shared::study::Study;

/// How many times the costs are tried.
const TIMES: [f64; 6] = [1.0, 1.5, 2.0, 3.0, 5.0, 10.0];
/// Halvings between the last that earns and the first that does not.
const HALVINGS: u32 = 6;

/// Fees, slippage and impact, so many times as high; rebates stay what they are.
fn dearer(opened: &Opened, times: f64) -> (Rulebook, Study) {
    let (mut book, mut study) = (opened.book.clone(), opened.study.clone());
    for rules in &mut book.rules {
        for fee in [&mut rules.taker_fee, &mut rules.maker_fee] {
            *fee = if *fee > 0.0 { *fee * times } else { *fee };
        }
    }
    let a = &mut study.assumptions;
    a.slippage_bps *= times;
    match &mut a.impact {
        Impact::None => {}
        Impact::Range { share } => *share *= times,
        Impact::SquareRoot { factor } => *factor *= times,
    }
    (book, study)
}

fn figures(opened: &Opened, params: &Params, times: f64) -> Result<Metrics, LabError> {
    let (book, study) = dearer(opened, times);
    let run = opened.evaluator_with(&book, &study)?.recorded_run(params)?;
    Ok(metric::of(&run.tested(), opened.market.interval_ms))
}

/// What a trial is worth when trading costs more.
///
/// # Errors
/// A trial that cannot be simulated.
pub fn costs(opened: &Opened, params: &Params) -> Result<Costs, LabError> {
    let earns = |m: &Metrics| m.get(&Metric::TotalReturn).is_some_and(|v| *v > 0.0);
    let mut rows = Vec::new();
    for times in TIMES {
        rows.push(Stressed { times, metrics: figures(opened, params, times)? });
    }
    let Some(first) = rows.iter().position(|r| !earns(&r.metrics)) else {
        return Ok(Costs { rows, gone_at: None });
    };
    let (mut low, mut high) = (if first == 0 { 1.0 } else { rows[first - 1].times }, rows[first].times);
    for _ in 0..if first == 0 { 0 } else { HALVINGS } {
        let middle = (low + high) / 2.0;
        match earns(&figures(opened, params, middle)?) {
            true => low = middle,
            false => high = middle,
        }
    }
    Ok(Costs { rows, gone_at: Some(high) })
}
