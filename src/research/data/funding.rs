//! Funding settlements of a symbol, each at its own time.

use super::quality::{Place, Quality};
use super::rows::Settlement;
use super::treat::Treatments;
use assay_shared::market;
use assay_shared::time::format_ms;
use std::collections::BTreeMap;

const HOUR_MS: f64 = 3_600_000.0;

/// The settlements of files, each with its name, in order of time.
pub(super) fn merged(
    symbol: &str,
    files: Vec<(String, Vec<Settlement>)>,
    treatments: &Treatments,
    quality: &mut Quality,
) -> Vec<Settlement> {
    let mut out: BTreeMap<i64, Settlement> = BTreeMap::new();
    for (name, rows) in files {
        for row in rows {
            let stands = out.entry(row.ms).or_insert(row);
            if stands.rate == row.rate && (stands.mark == row.mark || stands.mark.is_none() || row.mark.is_none()) {
                // Of rows that agree, one may know more.
                stands.mark = stands.mark.or(row.mark);
                stands.interval_hours = stands.interval_hours.or(row.interval_hours);
                continue;
            }
            let way = treatments.of("duplicate-funding", symbol, row.ms).map(|t| t.way);
            let detail = format!("{name}:{}: {} stands twice, with different values", row.line, format_ms(row.ms));
            quality.problem("duplicate-funding", &Place { symbol, from: row.ms, to: row.ms }, detail, way);
            if way == Some("last") {
                *stands = row;
            }
        }
    }
    let mut out: Vec<Settlement> = out.into_values().collect();
    // Where no file says how far settlements are apart, most of them do.
    let mut apart: BTreeMap<i64, usize> = BTreeMap::new();
    out.windows(2).for_each(|w| *apart.entry(w[1].ms - w[0].ms).or_default() += 1);
    let usual = apart.iter().max_by_key(|(_, count)| **count).map_or(8.0, |(ms, _)| *ms as f64 / HOUR_MS);
    out.iter_mut().for_each(|s| s.interval_hours = s.interval_hours.or(Some(usual)));
    out
}

/// The settlements from the opening of the first bar until the end of the last one; what is missing is a finding.
pub(super) fn checked(
    symbol: &str,
    settled: &[Settlement],
    (first, end, step): (i64, i64, i64),
    with_mark: bool,
    treatments: &Treatments,
    quality: &mut Quality,
) -> Vec<market::Settlement> {
    let way = |code: &str, ms: i64| treatments.of(code, symbol, ms).map(|t| t.way);
    let inside: Vec<&Settlement> = settled.iter().filter(|s| (first..end).contains(&s.ms)).collect();
    let gap = |from: i64, to: i64, words: String, quality: &mut Quality| {
        quality.problem("funding-gap", &Place { symbol, from, to }, words, way("funding-gap", from));
    };
    let apart = |s: &Settlement| (s.interval_hours.unwrap_or(8.0) * HOUR_MS) as i64;
    let (mut before, mut allowed) = (first, 0);
    for s in &inside {
        // Where the interval changes, the longer one of both may still be under way.
        allowed = apart(s).max(allowed);
        if s.ms - before > allowed.max(step) + 1000 {
            let words = format!("no settlement between {} and {}", format_ms(before), format_ms(s.ms));
            gap(before, s.ms, words, quality);
        }
        (before, allowed) = (s.ms, apart(s));
    }
    match inside.last() {
        None => {
            let place = Place { symbol, from: first, to: end - step };
            let words = "no funding settlement in the whole window".into();
            quality.problem("no-funding", &place, words, way("no-funding", first));
        }
        Some(s) if end - step - s.ms > apart(s) + step => {
            gap(s.ms, end - step, format!("no settlement after {}", format_ms(s.ms)), quality);
        }
        Some(_) => {}
    }
    for s in inside.iter().filter(|s| s.rate.abs() > 0.1) {
        let words = format!("a rate of {} %, at {}", s.rate * 100.0, format_ms(s.ms));
        quality.problem("odd-funding", &Place { symbol, from: s.ms, to: s.ms }, words, way("odd-funding", s.ms));
    }
    let mark = |s: &Settlement| s.mark.filter(|_| with_mark).unwrap_or(f64::NAN);
    inside.into_iter().map(|s| market::Settlement { ms: s.ms, rate: s.rate, mark: mark(s) }).collect()
}
