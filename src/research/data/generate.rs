//! A generated market, for demonstrations and tests. It is labelled wherever it shows.

use assay_shared::market::{Columns, Field, Market, Settlement};

const START: i64 = 1_646_092_800_000;
const HOUR_MS: i64 = 3_600_000;

/// SplitMix64: a counter becomes a random number, so any bar can be made alone.
fn random(seed: u64, counter: u64) -> f64 {
    let mut z = seed.wrapping_add(counter.wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

/// Hourly bars from 2022-03-01: a common factor with slow regimes, each symbol's own noise, marks
/// near trades, funding every eight hours that leans with the trend.
pub fn market(symbols: &[String], bars: usize, seed: u64) -> Market {
    let noise = |stream: u64, t: usize| {
        // The sum of four uniforms is close enough to normal, and the same on every machine.
        let base = (stream << 40) + t as u64 * 4;
        (0..4).map(|i| random(seed, base + i)).sum::<f64>() - 2.0
    };
    let mut regime = 0.0;
    let factor: Vec<f64> = (0..bars)
        .map(|t| {
            if t % 240 == 0 {
                regime = noise(1, t) * 0.0012;
            }
            regime + noise(2, t) * 0.0055
        })
        .collect();
    let columns = (0..symbols.len()).map(|s| one(s, &factor, &|k, t| noise(8 + s as u64 * 8 + k, t))).collect();
    let times = (0..bars as i64).map(|t| START + t * HOUR_MS).collect();
    Market::new(HOUR_MS, times, symbols.to_vec(), columns, true)
}

fn one(s: usize, factor: &[f64], noise: &dyn Fn(u64, usize) -> f64) -> Columns {
    let mut c = Columns::default();
    let mut price = [40_000.0, 2_500.0, 0.6, 0.45, 90.0][s % 5];
    let mut trend = 0.0;
    for (t, common) in factor.iter().enumerate() {
        let open = price;
        let r = common * (0.9 + 0.1 * s as f64) + noise(0, t) * 0.003;
        price *= 1.0 + r.clamp(-0.2, 0.2);
        trend = trend * 0.98 + r * 0.02;
        let wick = |k: u64| 1.0 + noise(k, t).abs() * 0.003;
        let (high, low) = (open.max(price) * wick(1), open.min(price) / wick(2));
        let volume = 1000.0 * (1.0 + noise(3, t).abs() + r.abs() * 80.0);
        let mark = |p: f64| p * (1.0 + noise(4, t) * 0.0002);
        let (mark_open, mark_close) = (mark(open), mark(price));
        let (mark_high, mark_low) =
            (mark(high).max(mark_open).max(mark_close), mark(low).min(mark_open).min(mark_close));
        let row = [open, high, low, price, volume, mark_open, mark_high, mark_low, mark_close];
        c.fields.iter_mut().zip(row).for_each(|(column, v)| column.push(v));
        if t % 8 == 0 {
            let rate = (0.0001 + trend * 0.2).clamp(-0.003, 0.003);
            c.settlements.push(Settlement { ms: START + t as i64 * HOUR_MS, rate, mark: f64::NAN });
        }
    }
    debug_assert!(c.get(Field::Close).iter().all(|v| *v > 0.0));
    c
}
