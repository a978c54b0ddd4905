//! The library and public strategies against plain loops, written from their descriptions: the same bits.

use super::{market, parse, same};
use assay_shared::indicator::Function;
use assay_shared::market::Field::{Close, High, Low, Volume};
use assay_shared::market::Market;
use assay_shared::strategy::read::Named;
use assay_shared::strategy::space::defaults;

/// What a strategy around some text names, for the first symbol.
pub fn named(m: &Market, text: &str) -> Vec<Named> {
    let whole = format!(
        "name = \"x\"\ninterval = \"1h\"\nsymbols = [\"BTCUSDT\", \"ETHUSDT\", \"XRPUSDT\"]\n{text}\n\
         [signals]\nlong_entry = \"close > open\"\n[sizing]\nmargin_fraction = 0.1\nleverage = 1\n"
    );
    let s = parse(&whole);
    let mut all = s.named(&defaults(&s.file.parameters), m).unwrap();
    all.retain(|n| n.symbol == 0);
    all
}

pub fn ta(name: &str, inputs: &[&[f64]], options: &[f64]) -> Vec<f64> {
    Function::find(name).unwrap().columns(inputs, options).unwrap().swap_remove(0)
}

/// That a named column is what a loop gives.
#[track_caller]
pub fn equal(found: &[Named], name: &str, wanted: &[f64]) {
    let column = &found.iter().find(|n| n.name == name).unwrap_or_else(|| panic!("no {name}")).values;
    let known = wanted.iter().filter(|v| !v.is_nan()).count();
    assert!(known * 2 > wanted.len(), "{name}: only {known} of {} are known", wanted.len());
    for (t, (is, wanted)) in column.iter().zip(wanted).enumerate() {
        assert!(same(*is, *wanted), "{name} at {t}: {is} {wanted}");
    }
}

pub struct Prices<'m> {
    pub high: &'m [f64],
    pub low: &'m [f64],
    pub close: &'m [f64],
    pub volume: &'m [f64],
}

pub fn prices(m: &Market) -> Prices<'_> {
    let get = |field| m.columns[0].get(field);
    Prices { high: get(High), low: get(Low), close: get(Close), volume: get(Volume) }
}

/// A line that only rises or only falls while `hold` says so: the ratchet of most stops.
pub fn ratchet(values: &[f64], hold: impl Fn(usize, f64) -> Option<bool>, up: bool) -> Vec<f64> {
    let mut last = f64::NAN;
    let mut out = Vec::new();
    for (t, v) in values.iter().enumerate() {
        let next = match if last.is_nan() { Some(false) } else { hold(t, last) } {
            Some(true) if up => last.max(*v),
            Some(true) => last.min(*v),
            Some(false) => *v,
            None => f64::NAN,
        };
        last = if next.is_nan() { last } else { next };
        out.push(last);
    }
    out
}

/// A side that turns where the first or the second is true; it begins long.
pub fn sides(n: usize, turns: impl Fn(usize, f64) -> Option<f64>) -> Vec<f64> {
    let mut side = 1.0;
    let step = |t| {
        side = if t == 0 { side } else { turns(t, side).unwrap_or(side) };
        side
    };
    (0..n).map(step).collect()
}

fn known(pairs: &[f64]) -> Option<()> {
    pairs.iter().all(|v| !v.is_nan()).then_some(())
}

#[test]
fn range_filter_and_ut_bot() {
    let m = market(1500, 5);
    let p = prices(&m);
    let found = named(
        &m,
        "import = [\"range_filter\", \"ut_bot\"]\n[indicators]\nf = \"range_filter(50, 3)\"\nu = \"ut_bot(2, 10)\"",
    );
    let moves: Vec<f64> =
        (0..m.len()).map(|t| if t == 0 { f64::NAN } else { (p.close[t] - p.close[t - 1]).abs() }).collect();
    let range: Vec<f64> = ta("EMA", &[&ta("EMA", &[&moves], &[50.0])], &[99.0]).iter().map(|v| 3.0 * v).collect();
    let (mut line, mut rising, mut falling) = (vec![p.close[0]], vec![0.0], vec![0.0]);
    for t in 1..m.len() {
        let last = line[t - 1];
        let next = match (range[t].is_nan(), p.close[t] > last) {
            (true, _) => last,
            (_, true) => last.max(p.close[t] - range[t]),
            (_, false) => last.min(p.close[t] + range[t]),
        };
        line.push(next);
        let (up, down) = (rising[t - 1], falling[t - 1]);
        rising.push(if next > last {
            up + 1.0
        } else if next < last {
            0.0
        } else {
            up
        });
        falling.push(if next < last {
            down + 1.0
        } else if next > last {
            0.0
        } else {
            down
        });
    }
    equal(&found, "f.line", &line);
    equal(&found, "f.rising", &rising);
    equal(&found, "f.falling", &falling);
    let away: Vec<f64> = ta("ATR", &[p.high, p.low, p.close], &[10.0]).iter().map(|v| 2.0 * v).collect();
    let mut last = f64::NAN;
    let line: Vec<f64> = (0..m.len())
        .map(|t| {
            let (close, away) = (p.close[t], away[t]);
            if last.is_nan() {
                last = close - away;
            } else {
                let before = p.close[t - 1];
                last = if close > last && before > last {
                    last.max(close - away)
                } else if close < last && before < last {
                    last.min(close + away)
                } else if close > last {
                    close - away
                } else {
                    close + away
                };
            }
            last
        })
        .collect();
    equal(&found, "u.line", &line);
}

#[test]
fn trends_that_turn_at_their_own_stops() {
    let m = market(1500, 6);
    let p = prices(&m);
    let found = named(
        &m,
        "import = [\"ott\", \"pmax\", \"qqe\"]\n[indicators]\no = \"ott(close, 2, 0.014)\"\np = \"pmax(10, 14, 3)\"\nq = \"qqe(14, 5, 4.236)\"",
    );
    // OTT: an average paced by the absolute momentum of nine bars.
    let change = |t: usize| p.close[t] - p.close[t - 1];
    let ups: Vec<f64> = (0..m.len()).map(|t| if t == 0 { f64::NAN } else { change(t).max(0.0) }).collect();
    let downs: Vec<f64> = (0..m.len()).map(|t| if t == 0 { f64::NAN } else { (-change(t)).max(0.0) }).collect();
    let (up, down) = (ta("SUM", &[&ups], &[9.0]), ta("SUM", &[&downs], &[9.0]));
    let mut average = vec![p.close[0]];
    for t in 1..m.len() {
        let momentum = ((up[t] - down[t]) / (up[t] + down[t])).abs();
        let pace = 2.0 / (2.0 + 1.0) * if momentum.is_nan() { 0.0 } else { momentum };
        average.push(pace * p.close[t] + (1.0 - pace) * average[t - 1]);
    }
    let (below, above): (Vec<f64>, Vec<f64>) = average.iter().map(|a| (a * (1.0 - 0.014), a * (1.0 + 0.014))).unzip();
    let long = ratchet(&below, |t, last| Some(average[t] > last), true);
    let short = ratchet(&above, |t, last| Some(average[t] < last), false);
    let side = sides(m.len(), |t, _| {
        if average[t] > short[t - 1] {
            Some(1.0)
        } else if average[t] < long[t - 1] {
            Some(-1.0)
        } else {
            None
        }
    });
    equal(&found, "o.average", &average);
    equal(&found, "o.side", &side);
    // PMax: the same ratchet, average ranges away.
    let middle: Vec<f64> = (0..m.len()).map(|t| (p.high[t] + p.low[t]) / 2.0).collect();
    let average = ta("EMA", &[&middle], &[10.0]);
    let range = ta("ATR", &[p.high, p.low, p.close], &[14.0]);
    let (below, above): (Vec<f64>, Vec<f64>) =
        average.iter().zip(&range).map(|(a, r)| (a - 3.0 * r, a + 3.0 * r)).unzip();
    let long = ratchet(&below, |t, last| known(&[average[t], last, below[t]]).map(|()| average[t] > last), true);
    let short = ratchet(&above, |t, last| known(&[average[t], last, above[t]]).map(|()| average[t] < last), false);
    let side = sides(m.len(), |t, side| {
        known(&[average[t], short[t - 1], long[t - 1]])?;
        match side < 0.0 {
            true if average[t] > short[t - 1] => Some(1.0),
            false if average[t] < long[t - 1] => Some(-1.0),
            _ => None,
        }
    });
    equal(&found, "p.side", &side);
    equal(&found, "p.line", &(0..m.len()).map(|t| if side[t] > 0.0 { long[t] } else { short[t] }).collect::<Vec<_>>());
    assert!(side.windows(2).filter(|w| w[0] != w[1]).count() > 5, "it turns");
    // QQE: bands that look at where the average was on the bar before.
    let average = ta("EMA", &[&ta("RSI", &[p.close], &[14.0])], &[5.0]);
    let moves: Vec<f64> =
        (0..m.len()).map(|t| if t == 0 { f64::NAN } else { (average[t] - average[t - 1]).abs() }).collect();
    let away: Vec<f64> = ta("EMA", &[&ta("EMA", &[&moves], &[27.0])], &[27.0]).iter().map(|v| 4.236 * v).collect();
    let (below, above): (Vec<f64>, Vec<f64>) = average.iter().zip(&away).map(|(a, w)| (a - w, a + w)).unzip();
    let long = ratchet(&below, |t, last| Some(average[t - 1] > last && average[t] > last), true);
    let short = ratchet(&above, |t, last| Some(average[t - 1] < last && average[t] < last), false);
    let side = sides(m.len(), |t, _| {
        if average[t] > short[t - 1] {
            Some(1.0)
        } else if average[t] < long[t - 1] {
            Some(-1.0)
        } else {
            None
        }
    });
    equal(&found, "q.side", &side);
}

#[test]
fn halftrend_and_ssl() {
    let m = market(1500, 7);
    let p = prices(&m);
    let found = named(&m, "import = [\"halftrend\", \"ssl\"]\n[indicators]\nh = \"halftrend(2)\"\ns = \"ssl(10)\"");
    let (high_mean, low_mean) = (ta("SMA", &[p.high], &[2.0]), ta("SMA", &[p.low], &[2.0]));
    let (mut waits_down, mut side, mut low_mark, mut high_mark) = (false, 1.0, f64::NAN, f64::NAN);
    let mut out = vec![1.0];
    for t in 1..m.len() {
        let (top, bottom) = (p.high[t].max(p.high[t - 1]), p.low[t].min(p.low[t - 1]));
        let (low_try, high_try) = (bottom.max(low_mark), top.min(high_mark));
        let marked = !low_mark.is_nan();
        let turn_down = marked && waits_down && high_mean[t] < low_try && p.close[t] < p.low[t - 1];
        let turn_up = marked && !waits_down && low_mean[t] > high_try && p.close[t] > p.high[t - 1];
        if marked {
            (low_mark, high_mark) = (
                if waits_down {
                    low_try
                } else if turn_up {
                    bottom
                } else {
                    low_mark
                },
                if !waits_down {
                    high_try
                } else if turn_down {
                    top
                } else {
                    high_mark
                },
            );
        } else {
            (low_mark, high_mark) = (p.low[t - 1], p.high[t - 1]);
        }
        if turn_down {
            (waits_down, side) = (false, -1.0);
        } else if turn_up {
            (waits_down, side) = (true, 1.0);
        }
        out.push(side);
    }
    equal(&found, "h", &out);
    let (above, below) = (ta("SMA", &[p.high], &[10.0]), ta("SMA", &[p.low], &[10.0]));
    let mut last = f64::NAN;
    let side: Vec<f64> = (0..m.len())
        .map(|t| {
            last = if p.close[t] > above[t] {
                1.0
            } else if p.close[t] < below[t] {
                -1.0
            } else {
                last
            };
            last
        })
        .collect();
    equal(&found, "s.side", &side);
    equal(
        &found,
        "s.up",
        &(0..m.len())
            .map(|t| {
                if side[t] < 0.0 {
                    below[t]
                } else if side[t].is_nan() {
                    f64::NAN
                } else {
                    above[t]
                }
            })
            .collect::<Vec<_>>(),
    );
}

/// Days, sessions and the day before, by a plain grouping of the bars.
#[test]
fn sessions_and_days() {
    let m = market(24 * 60, 8).slice(7, 24 * 60);
    let p = prices(&m);
    let found = named(
        &m,
        "import = [\"session_vwap\", \"opening_range\", \"pivots\"]\n[indicators]\nv = \"session_vwap()\"\nr = \"opening_range(4)\"\np = \"pivots()\"",
    );
    let day = |t: usize| m.times[t].div_euclid(86_400_000);
    let hour = |t: usize| m.times[t].rem_euclid(86_400_000) / 3_600_000;
    let first = |t: usize| (0..=t).rev().find(|k| *k == 0 || day(*k - 1) != day(t)).unwrap();
    let vwap: Vec<f64> = (0..m.len())
        .map(|t| {
            let (mut paid, mut traded) = (0.0, 0.0);
            for k in first(t)..=t {
                let price = (p.high[k] + p.low[k] + p.close[k]) / 3.0;
                (paid, traded) = (paid + price * p.volume[k], traded + p.volume[k]);
            }
            paid / traded
        })
        .collect();
    equal(&found, "v", &vwap);
    let mut top = f64::NAN;
    let tops: Vec<f64> = (0..m.len())
        .map(|t| {
            top = if t == 0 || first(t) == t && t > 0 {
                p.high[t]
            } else if hour(t) < 4 {
                top.max(p.high[t])
            } else {
                top
            };
            top
        })
        .collect();
    equal(&found, "r.top", &tops);
    // The day before, whole; what the beginning cut off is none.
    let pivot: Vec<f64> = (0..m.len())
        .map(|t| {
            // At the close of a day's last bar that day is over.
            let over = if hour(t) == 23 { day(t) } else { day(t) - 1 };
            let bars: Vec<usize> = (0..=t).filter(|k| day(*k) == over).collect();
            if bars.len() < 24 {
                return f64::NAN;
            }
            let high = bars.iter().map(|k| p.high[*k]).fold(f64::MIN, f64::max);
            let low = bars.iter().map(|k| p.low[*k]).fold(f64::MAX, f64::min);
            (high + low + p.close[*bars.last().unwrap()]) / 3.0
        })
        .collect();
    equal(&found, "p.pivot", &pivot);
}
