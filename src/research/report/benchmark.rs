//! What simply holding would have given: the first symbol, and all of them in equal parts.

use super::days::{Days, Figure};
use serde::Serialize;

/// Days beside which a run is held.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Benchmark {
    /// What was held.
    pub name: String,
    /// Value at each close of the bars out of sample, over what it was worth before them.
    #[serde(skip)]
    pub worth: Vec<f64>,
    /// Its days.
    pub days: Days,
    /// Slope and correlation of the run's days on its own.
    pub beside: Option<(f64, f64)>,
}

/// The figures of a run's days and of what simply holding gave.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sheet {
    /// Days of the whole run.
    pub whole: Days,
    /// Days out of sample.
    pub tested: Days,
    /// Their figures.
    pub whole_figures: Vec<Figure>,
    /// Figures out of sample.
    pub tested_figures: Vec<Figure>,
    /// Bought at the last close in sample, without leverage, fees or funding, and held.
    pub benchmarks: Vec<Benchmark>,
}

/// Closes over the last one before the bars from `from` on, the last known one where there is none; none before it is no
/// benchmark.
fn held(closes: &[f64], from: usize) -> Option<Vec<f64>> {
    let known = |v: &f64| v.is_finite() && *v > 0.0;
    let base = match from {
        0 => closes.first().copied(),
        from => closes[..from.min(closes.len())].last().copied(),
    };
    let base = base.filter(known)?;
    let mut last = base;
    let worth = |v: &f64| {
        last = if known(v) { *v } else { last };
        last / base
    };
    Some(closes[from.min(closes.len())..].iter().map(worth).collect())
}

impl Sheet {
    /// Of a run over bars that open at these times, out of sample from the bar `from` on; `closes` by symbol.
    pub fn of(
        times_ms: &[i64],
        equity: &[f64],
        initial: f64,
        from: usize,
        symbols: &[String],
        closes: &[Vec<f64>],
    ) -> Sheet {
        let from = from.min(equity.len());
        let before = if from == 0 { initial } else { equity[from - 1] };
        let times = &times_ms[from.min(times_ms.len())..];
        let (whole, tested) = (Days::of(times_ms, equity, initial), Days::of(times, &equity[from..], before));
        let each: Vec<(&String, Vec<f64>)> =
            symbols.iter().zip(closes).filter_map(|(s, c)| Some((s, held(c, from)?))).collect();
        let mut worths: Vec<(String, Vec<f64>)> = Vec::new();
        worths.extend(each.first().map(|(s, worth)| (format!("{s} held"), worth.clone())));
        if each.len() > 1 {
            let mean = |i: usize| each.iter().map(|(_, w)| w[i]).sum::<f64>() / each.len() as f64;
            worths.push((format!("{} symbols held in equal parts", each.len()), (0..times.len()).map(mean).collect()));
        }
        let benchmark = |(name, worth): (String, Vec<f64>)| {
            let days = Days::of(times, &worth, 1.0);
            Benchmark { name, beside: tested.beside(&days), days, worth }
        };
        let benchmarks = worths.into_iter().map(benchmark).collect();
        Sheet { whole_figures: whole.figures(), tested_figures: tested.figures(), benchmarks, whole, tested }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holding_begins_at_the_last_close_before() {
        let (a, b) = (vec![10.0, 20.0, 30.0, f64::NAN, 40.0], vec![f64::NAN, f64::NAN, 1.0, 1.0, 1.0]);
        let times: Vec<i64> = (0..5).map(|i| i * 86_400_000).collect();
        let names = ["A".to_string(), "B".to_string(), "C".to_string()];
        let all = |from| {
            Sheet::of(&times, &[1.0, 2.0, 2.0, 1.0, 3.0], 1.0, from, &names, &[a.clone(), b.clone(), vec![5.0; 5]])
        };
        let sheet = all(2);
        // B is not listed yet at that close.
        assert_eq!(sheet.benchmarks[0].worth, [1.5, 1.5, 2.0]);
        assert_eq!(
            (sheet.benchmarks[1].name.as_str(), &sheet.benchmarks[1].worth[..]),
            ("2 symbols held in equal parts", &[1.25, 1.25, 1.5][..])
        );
        assert_eq!((sheet.tested.returns, sheet.whole.returns.len()), (vec![0.0, -0.5, 2.0], 5));
        // From the first bar on, behind the last, and with nothing known.
        assert_eq!(all(0).benchmarks[0].worth[0], 1.0);
        assert!(all(5).tested.returns.is_empty() && all(9).tested.returns.is_empty());
        assert!(Sheet::of(&times, &[1.0; 5], 1.0, 2, &names[..1], &[b]).benchmarks.is_empty());
    }
}
