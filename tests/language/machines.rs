//! Machines of the market against plain loops: counters with a look-back by a value, a supertrend by a plain mean, a
//! trailing buy whose eight names need each other.

use super::loops::{equal, named, prices, ratchet, sides, ta};
use super::{market, same};

const TEXT: &str = r#"
[functions.trend]
arguments = ["length", "factor"]
range = "SMA(TRANGE(high, low, close), length)"
upper = { start = "(high + low) / 2 + factor * range", next = "if(prev(close) > self, (high + low) / 2 + factor * range, min(self, (high + low) / 2 + factor * range))" }
lower = { start = "(high + low) / 2 - factor * range", next = "if(prev(close) < self, (high + low) / 2 - factor * range, max(self, (high + low) / 2 - factor * range))" }
side  = { start = "1", next = "if(close > prev(upper), 1, if(close < prev(lower), -1, self))" }
outputs = ["side"]
[states]
run = { start = "0", next = "if(close < prev(close, 4), self + 1, 0)" }
waiting = { start = "0", next = "if(bounce or give_up, 0, if(self == 1 or signal, 1, 0))" }
age = { start = "0", next = "if(prev(waiting) == 1, self + 1, 0)" }
begin = { start = "close", next = "if(waiting == 1 and prev(waiting) == 0, close, self)" }
limit = { start = "close", next = "if(prev(waiting) == 0, close * 1.005, min(self, close * (1 + gap)))" }
[indicators]
low_3 = "at(low, run - 3, 60)"
side = "trend(8, 2).side"
signal = "close < SMA(close, 20) * 0.99 and RSI(close, 14) < 40"
depth = "known((prev(begin) - close) / prev(begin), 0)"
gap = "if(depth > 0.06, 0.02, if(depth > 0.03, 0.01, 0.005))"
bounce = "prev(waiting) == 1 and close >= prev(limit) and close < prev(begin)"
give_up = "prev(waiting) == 1 and (close > prev(begin) * 1.02 or age > 6)"
"#;

#[test]
fn counters_and_trends() {
    let m = market(2500, 9);
    let p = prices(&m);
    let found = named(&m, TEXT);
    let mut run = 0.0;
    let runs: Vec<f64> = (0..m.len())
        .map(|t| {
            run = if t < 4 {
                run
            } else if p.close[t] < p.close[t - 4] {
                run + 1.0
            } else {
                0.0
            };
            run
        })
        .collect();
    equal(&found, "run", &runs);
    let back = |t: usize| (runs[t] >= 3.0).then(|| p.low.get(t + 3 - runs[t] as usize).copied()).flatten();
    let column = &found.iter().find(|n| n.name == "low_3").unwrap().values;
    assert!((0..m.len()).all(|t| same(column[t], back(t).unwrap_or(f64::NAN))));
    let range = ta("SMA", &[&ta("TRANGE", &[p.high, p.low, p.close], &[])], &[8.0]);
    let middle = |t: usize| (p.high[t] + p.low[t]) / 2.0;
    let above: Vec<f64> = (0..m.len()).map(|t| middle(t) + 2.0 * range[t]).collect();
    let below: Vec<f64> = (0..m.len()).map(|t| middle(t) - 2.0 * range[t]).collect();
    let upper = ratchet(&above, |t, last| Some(p.close[t - 1] <= last), false);
    let lower = ratchet(&below, |t, last| Some(p.close[t - 1] >= last), true);
    let side = sides(m.len(), |t, _| {
        if p.close[t] > upper[t - 1] {
            Some(1.0)
        } else if p.close[t] < lower[t - 1] {
            Some(-1.0)
        } else {
            None
        }
    });
    equal(&found, "side", &side);
}

#[test]
fn a_trailing_buy() {
    let m = market(2500, 9);
    let p = prices(&m);
    let found = named(&m, TEXT);
    let (mean, rsi) = (ta("SMA", &[p.close], &[20.0]), ta("RSI", &[p.close], &[14.0]));
    let (mut waiting, mut age, mut begin, mut limit) = (false, 0, p.close[0], p.close[0]);
    let mut waits = vec![0.0];
    for t in 1..m.len() {
        let close = p.close[t];
        let signal = close < mean[t] * 0.99 && rsi[t] < 40.0;
        let depth = (begin - close) / begin;
        let gap = if depth > 0.06 {
            0.02
        } else if depth > 0.03 {
            0.01
        } else {
            0.005
        };
        age = if waiting { age + 1 } else { 0 };
        let bounce = waiting && close >= limit && close < begin;
        let give_up = waiting && (close > begin * 1.02 || age > 6);
        let next = !(bounce || give_up) && (waiting || signal);
        limit = if waiting { limit.min(close * (1.0 + gap)) } else { close * 1.005 };
        begin = if next && !waiting { close } else { begin };
        waiting = next;
        waits.push(f64::from(u8::from(waiting)));
    }
    assert!(waits.iter().sum::<f64>() > 20.0, "it waits now and then");
    equal(&found, "waiting", &waits);
}
