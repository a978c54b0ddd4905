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
}
