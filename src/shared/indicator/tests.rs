//! Batch against stream, lookups, gaps.

use super::*;
use crate::market::tests::walk;

/// Option values inside each function's range, small enough for a short series.
fn sample_options(f: &Function) -> Vec<f64> {
    let of = |(i, o): (usize, OptionInfo)| match (o.integer, o.names.is_empty()) {
        (_, false) => 1.0,
        (true, _) => (6.0 + 2.0 * i as f64).clamp(o.min, o.max),
        (false, _) => (0.3 + 0.1 * i as f64).clamp(o.min, o.max),
    };
    match f.name() {
        "SQZMOM" => vec![20.0, 2.0, 20.0, 2.0, 1.5, 1.0],
        _ => f.options().into_iter().enumerate().map(of).collect(),
    }
}

/// Every function, batch against stream from the same first bar, bit for bit.
#[test]
fn all_functions_stream_as_batch() {
    let m = walk(700, 1, 11);
    let c = &m.columns[0];
    let mut seen = 0;
    for f in Function::all() {
        let options = sample_options(&f);
        let columns: Vec<&[f64]> = f
            .inputs()
            .iter()
            .enumerate()
            .map(|(i, name)| {
                let field = crate::market::FIELDS.iter().find(|(_, n)| n == name).map(|(f, _)| *f);
                c.get(field.unwrap_or([crate::market::Field::Close, crate::market::Field::High][i.min(1)]))
            })
            .collect();
        let periods = vec![7.0; m.len()];
        let columns = if f.name() == "MAVP" { vec![columns[0], &periods[..]] } else { columns };
        let batch = f.columns(&columns, &options).unwrap();
        let mut running = Running::new(f, &options).unwrap();
        let mut out = vec![0.0; f.outputs().len()];
        for t in 0..m.len() {
            let x: Vec<f64> = columns.iter().map(|c| c[t]).collect();
            running.update(&x, &mut out).unwrap();
            for (k, v) in out.iter().enumerate() {
                assert!(v.to_bits() == batch[k][t].to_bits() || v.is_nan() && batch[k][t].is_nan(), "{f:?}.{k} at {t}");
            }
        }
        assert_eq!(out.len(), batch.len());
        seen += 1;
    }
    assert_eq!(seen, 237);
}

#[test]
fn lookups_ranges_and_gaps() {
    let macd = Function::find("MACD").unwrap();
    assert_eq!(macd.outputs(), ["macd", "macdsignal", "macdhist"]);
    assert_eq!(Function::find("ATR").unwrap().inputs(), ["high", "low", "close"]);
    assert!(Function::find("macd").is_none() && Function::find("NOPE").is_none());
    let sma = Function::find("SMA").unwrap();
    assert!(sma.lookback(&[-3.0]).is_err() && sma.lookback(&[2.5]).is_err() && sma.lookback(&[]).is_err());
    let gap = [1.0, 2.0, f64::NAN, 4.0];
    assert!(matches!(sma.columns(&[&gap], &[2.0]), Err(IndicatorError::Gap { .. })));
    let late = [f64::NAN, f64::NAN, 1.0, 3.0, 5.0];
    assert_eq!(sma.columns(&[&late], &[2.0]).unwrap()[0][3..], [2.0, 4.0]);
    let ended = [1.0, 3.0, 5.0, f64::NAN, f64::NAN];
    assert_eq!(
        sma.columns(&[&ended], &[2.0]).unwrap()[0].iter().map(|v| v.is_nan()).collect::<Vec<_>>(),
        [true, false, false, true, true]
    );
    for (inputs, refused) in [(&gap[..], true), (&ended, false), (&late, false)] {
        let mut running = Running::new(sma, &[2.0]).unwrap();
        let mut out = [0.0];
        let said: Vec<f64> =
            inputs.iter().map_while(|x| running.update(&[*x], &mut out).ok().map(|()| out[0])).collect();
        assert_eq!(said.len() < inputs.len(), refused, "{inputs:?}");
        let whole = sma.columns(&[&inputs[..said.len()]], &[2.0]).unwrap();
        assert!(said.iter().zip(&whole[0]).all(|(a, b)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()));
    }
}

/// A function's first output on columns of a walk, by its name.
fn output(name: &str, columns: &[&[f64]], options: &[f64], which: usize) -> Vec<f64> {
    let function = Function::find(name).unwrap();
    function.columns(columns, options).unwrap().remove(which)
}

/// Whether a column is a formula's wherever the formula has a value, and unknown before.
#[track_caller]
fn agrees(name: &str, found: &[f64], formula: impl Fn(usize) -> Option<f64>) {
    for (t, v) in found.iter().enumerate() {
        match formula(t) {
            None => assert!(v.is_nan(), "{name} at {t}: {v} before its first value"),
            Some(want) => assert!((v - want).abs() <= 1e-9 * want.abs().max(1.0), "{name} at {t}: {v}, not {want}"),
        }
    }
}

fn window(x: &[f64], t: usize, n: usize) -> Option<&[f64]> {
    (t + 1 >= n).then(|| &x[t + 1 - n..=t])
}

fn mean(w: &[f64]) -> f64 {
    w.iter().sum::<f64>() / w.len() as f64
}

/// Functions of a window, as a textbook has them.
#[test]
fn windows_are_the_textbooks() {
    let m = walk(120, 1, 5);
    let x = m.columns[0].get(crate::market::Field::Close);
    for n in [2_usize, 5, 14, 30] {
        let of = |name: &str| output(name, &[x], &[n as f64], 0);
        agrees("SMA", &of("SMA"), |t| window(x, t, n).map(mean));
        agrees("MAX", &of("MAX"), |t| window(x, t, n).map(|w| w.iter().copied().fold(f64::MIN, f64::max)));
        agrees("MIN", &of("MIN"), |t| window(x, t, n).map(|w| w.iter().copied().fold(f64::MAX, f64::min)));
        agrees("SUM", &of("SUM"), |t| window(x, t, n).map(|w| w.iter().sum()));
        agrees("MOM", &of("MOM"), |t| t.checked_sub(n).map(|b| x[t] - x[b]));
        agrees("ROC", &of("ROC"), |t| t.checked_sub(n).map(|b| (x[t] / x[b] - 1.0) * 100.0));
        agrees("WMA", &of("WMA"), |t| {
            let weighted = |w: &[f64]| w.iter().zip(1..).map(|(v, k)| v * f64::from(k)).sum::<f64>();
            window(x, t, n).map(|w| weighted(w) / (n * (n + 1) / 2) as f64)
        });
        let deviation = |w: &[f64]| (w.iter().map(|v| (v - mean(w)).powi(2)).sum::<f64>() / n as f64).sqrt();
        let found = output("STDDEV", &[x], &[n as f64, 2.0], 0);
        agrees("STDDEV", &found, |t| window(x, t, n).map(|w| 2.0 * deviation(w)));
        let bands = |which| output("BBANDS", &[x], &[n as f64, 2.0, 1.5, 0.0], which);
        agrees("BBANDS upper", &bands(0), |t| window(x, t, n).map(|w| mean(w) + 2.0 * deviation(w)));
        agrees("BBANDS middle", &bands(1), |t| window(x, t, n).map(mean));
        agrees("BBANDS lower", &bands(2), |t| window(x, t, n).map(|w| mean(w) - 1.5 * deviation(w)));
    }
}

/// Functions that go on from their own last value: seeded with the plain mean, as TA-Lib does.
#[test]
fn recursions_are_the_textbooks() {
    let m = walk(120, 1, 6);
    let c = &m.columns[0];
    let field = |f| c.get(f);
    let (x, high, low) =
        (field(crate::market::Field::Close), field(crate::market::Field::High), field(crate::market::Field::Low));
    for n in [2_usize, 7, 14] {
        let smooth = |values: &[f64], first: usize, k: f64| -> Vec<Option<f64>> {
            let mut out = vec![None; values.len()];
            let seed = first + n - 1;
            out[seed] = Some(mean(&values[first..=seed]));
            for t in seed + 1..values.len() {
                out[t] = out[t - 1].map(|last| last + k * (values[t] - last));
            }
            out
        };
        let ema = smooth(x, 0, 2.0 / (n as f64 + 1.0));
        agrees("EMA", &output("EMA", &[x], &[n as f64], 0), |t| ema[t]);
        let wilder = 1.0 / n as f64;
        let change = |t: usize| if t == 0 { 0.0 } else { x[t] - x[t - 1] };
        let ups: Vec<f64> = (0..x.len()).map(|t| change(t).max(0.0)).collect();
        let downs: Vec<f64> = (0..x.len()).map(|t| (-change(t)).max(0.0)).collect();
        let (up, down) = (smooth(&ups, 1, wilder), smooth(&downs, 1, wilder));
        agrees("RSI", &output("RSI", &[x], &[n as f64], 0), |t| {
            up[t].zip(down[t]).map(|(u, d)| if u + d == 0.0 { 0.0 } else { 100.0 * u / (u + d) })
        });
        let ranges: Vec<f64> = (0..x.len())
            .map(|t| {
                let before = x[t.saturating_sub(1)];
                (high[t] - low[t]).max((high[t] - before).abs()).max((low[t] - before).abs())
            })
            .collect();
        let atr = smooth(&ranges, 1, wilder);
        agrees("ATR", &output("ATR", &[high, low, x], &[n as f64], 0), |t| atr[t]);
    }
}
