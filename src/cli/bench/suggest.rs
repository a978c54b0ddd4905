//! Suggestions: what one costs after so many trials, of eight parameters.

use super::figure::{Figure, Goal};
use assay_lab::LabError;
use assay_shared::search::{Observation, Sampler, Search, Space};
use assay_shared::strategy::Params;
use assay_shared::strategy::space::Range;
use std::time::Instant;

/// Trials that were told, and suggestions that a median is of.
const TOLD: [u32; 4] = [100, 1_000, 5_000, 20_000];
const ASKED: u32 = 101;
/// A suggestion takes so many milliseconds at most, however much was told.
const MOST: f64 = 0.3;

fn space() -> Space {
    let float = |log| Range::Float { low: 0.01, high: 10.0, step: None, log, default: 1.0 };
    let int = |step| Range::Int { low: 4, high: 400, step, log: false, default: 8 };
    let ranges = [float(false), float(true), int(1), int(4), float(false), int(8), float(true), int(2)];
    ranges.into_iter().enumerate().map(|(i, range)| (format!("p{i}"), range)).collect()
}

/// Measures.
pub fn measure(out: &mut Vec<Figure>) -> Result<(), LabError> {
    let (space, any) = (space(), |_: &Params| true);
    let tpe = Sampler::default();
    for (name, sampler) in
        [("tpe", &tpe), ("cma-es", &Sampler::CmaEs {}), ("nsga-ii", &Sampler::Nsga { population: 20 })]
    {
        let mut search = Search::new(sampler, &space, 3, &any);
        let mut number = 0;
        let told = |search: &mut Search<'_>, params: Params| {
            let score = Some(-params.values().map(|v| (v.number() - 3.0).abs()).sum::<f64>());
            search.tell(&Observation { params, score, also: vec![1.0], ..Observation::default() });
        };
        let drawn = Search::new(&Sampler::Random {}, &space, 5, &any).ask(0, &[]);
        for upto in TOLD {
            while number + ASKED < upto {
                // Most of what was told is drawn, so that only what is measured takes time.
                let params = Search::new(&Sampler::Random {}, &space, 5, &any).ask(number, &[]);
                told(&mut search, params);
                number += 1;
            }
            let mut times = Vec::new();
            for _ in 0..ASKED {
                let start = Instant::now();
                let params = search.ask(number, std::slice::from_ref(&drawn));
                times.push(start.elapsed().as_secs_f64() * 1e3);
                told(&mut search, params);
                number += 1;
            }
            times.sort_by(f64::total_cmp);
            let figure =
                Figure::new(format!("a suggestion of {name} after {upto} trials"), times[times.len() / 2], "ms");
            out.push(figure.goal(Goal::AtMost(MOST)));
        }
    }
    Ok(())
}
