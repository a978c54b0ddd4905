//! Columns, bars and hashes; and the markets that the crate's tests use.

use super::*;
use std::ops::Range;

const HOUR: i64 = 3_600_000;
const START: i64 = 1_600_000_000_000 / HOUR * HOUR;

/// A small random walk for the crate's tests.
pub(crate) fn walk(bars: usize, symbols: usize, seed: u64) -> Market {
    let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut rand = move || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut columns = Vec::new();
    for s in 0..symbols {
        let mut c = Columns::default();
        let mut price = 100.0 * (s + 1) as f64;
        for t in 0..bars {
            let open = price;
            price *= 1.0 + (rand() - 0.5) * 0.04;
            let (hi, lo) = (open.max(price) * (1.0 + rand() * 0.01), open.min(price) * (1.0 - rand() * 0.01));
            let funding = if t % 8 == 0 { (rand() - 0.4) * 1e-3 } else { f64::NAN };
            let row = [open, hi, lo, price, 1000.0 * rand() + 1.0, open, hi, lo, price];
            for (column, v) in c.fields.iter_mut().zip(row) {
                column.push(v);
            }
            if !funding.is_nan() {
                c.settlements.push(Settlement { ms: START + t as i64 * HOUR, rate: funding, mark: f64::NAN });
            }
        }
        columns.push(c);
    }
    let times = (0..bars as i64).map(|t| START + t * HOUR).collect();
    let symbols = (0..symbols).map(|s| format!("S{s}USDT")).collect();
    Market::new(HOUR, times, symbols, columns, true)
}

/// The same market, with a symbol that has the bars of `span` only.
pub(crate) fn young(mut m: Market, symbol: usize, span: Range<usize>) -> Market {
    let (from, to) = (m.times[span.start], m.end_of(span.end - 1));
    let c = &mut m.columns[symbol];
    for column in c.fields.iter_mut().take(STORED) {
        column.iter_mut().enumerate().filter(|(t, _)| !span.contains(t)).for_each(|(_, v)| *v = f64::NAN);
    }
    c.settlements.retain(|s| (from..to).contains(&s.ms));
    Market::new(m.interval_ms, m.times, m.symbols, m.columns, m.generated)
}

#[test]
fn the_hash_is_of_values_and_index() {
    let m = walk(50, 2, 1);
    let hash = m.data_hash();
    assert_eq!(hash, m.slice(0, 50).data_hash());
    let mut others = vec![m.slice(0, 49), m.slice(1, 50), Market { generated: false, ..m.clone() }];
    let mut change = |change: &dyn Fn(&mut Market)| {
        let mut other = m.clone();
        change(&mut other);
        others.push(other);
    };
    change(&|m| m.columns[1].get_mut(Field::Close)[7] += 1e-9);
    change(&|m| m.columns[0].settlements[2].rate += 1e-9);
    change(&|m| m.columns[0].settlements[2].ms += 1000);
    change(&|m| m.columns[0].settlements[2].mark = 1.0);
    change(&|m| m.columns[0].get_mut(Field::Volume).clear());
    change(&|m| m.symbols[0] = "S9USDT".into());
    change(&|m| m.columns.swap(0, 1));
    change(&|m| m.interval_ms *= 2);
    for (n, other) in others.iter().enumerate() {
        assert_ne!(hash, other.data_hash(), "{n}");
    }
    let swapped = m.select(&["S1USDT".into(), "S0USDT".into()]).unwrap();
    assert_eq!(hash, swapped.data_hash(), "the order of symbols is not part of it");
}

/// Rows outside a symbol's own bars are no part of it, however long the index of the others is.
#[test]
fn a_young_symbol_keeps_its_series() {
    let m = young(walk(50, 2, 1), 1, 20..45);
    assert_eq!(m.columns[1].span, 20..45);
    let alone = |m: &Market| m.select(&["S1USDT".into()]).unwrap().data_hash();
    assert_eq!(alone(&m), alone(&m.slice(20, 45)));
    assert_eq!(m.slice(30, 50).columns[1].span, 0..15);
    assert!(m.columns[1].settlements.iter().all(|s| (m.times[20]..m.times[45]).contains(&s.ms)));
}

/// What settles inside a bar belongs to it, with its own time; the column shows the last of several.
#[test]
fn settlements_belong_to_the_bar_in_which_they_are() {
    let mut m = walk(3, 1, 1);
    let at = |minutes: i64, rate: f64| Settlement { ms: START + minutes * 60_000, rate, mark: f64::NAN };
    m.columns[0].settlements = vec![at(0, 0.1), at(59, 0.2), at(60, 0.3), at(180, 0.9)];
    let m = Market::new(m.interval_ms, m.times, m.symbols, m.columns, true);
    let of = |index: usize| MarketBar { market: &m, index }.settlements(0).iter().map(|s| s.rate).collect::<Vec<_>>();
    assert_eq!((of(0), of(1), of(2)), (vec![0.1, 0.2], vec![0.3], vec![]));
    assert_eq!(m.columns[0].get(Field::Funding)[..2], [0.2, 0.3]);
    assert_eq!(m.slice(1, 3).columns[0].settlements.len(), 1);
    let bare = MarketBar { market: &m, index: 0 };
    assert_eq!(LiveBar::of(&bare, 1).settlements(0).len(), bare.settlements(0).len());
}

/// The hash that version 0.1.0 took of the same values.
#[test]
fn the_first_hash_stays() {
    assert_eq!(
        walk(50, 2, 1).data_hash_v1().to_string(),
        "67094cb325a2711bfc8fc7c4cf3036adc47097ad27464f77e663f4c6e629a4e4"
    );
    assert_eq!(
        walk(50, 2, 1).data_hash().to_string(),
        "babc0ebab6f2c0720beda29b1bd69a2894f7da4b0b4a2520ca5bca2911a686cd"
    );
}
