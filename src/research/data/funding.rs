//! Funding settlements of a symbol, put to the bars at whose opening they settle.

use super::quality::{Place, Quality};
use super::rows::Settlement;
use super::treat::Treatments;
use assay_shared::time::{format_ms, interval_text};
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
            let Some(stands) = out.get_mut(&row.ms).filter(|s| s.rate != row.rate) else {
                out.entry(row.ms).or_insert(row);
                continue;
            };
            let way = treatments.of("duplicate-funding", symbol, row.ms).map(|t| t.way);
            let detail = format!("{name}:{}: {} stands twice with two rates", row.line, format_ms(row.ms));
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

/// The rates at the bars of an even index; NaN where nothing settles.
pub(super) fn column(
    symbol: &str,
    settled: &[Settlement],
    (times, step): (&[i64], i64),
    treatments: &Treatments,
    quality: &mut Quality,
) -> Vec<f64> {
    let mut column = vec![f64::NAN; times.len()];
    let (Some(first), Some(last)) = (times.first().copied(), times.last().copied()) else { return column };
    let way = |code: &str, ms: i64| treatments.of(code, symbol, ms).map(|t| t.way);
    let inside = settled.iter().filter(|s| (first..last + step).contains(&s.ms));
    let (mut previous, mut within): (Option<&Settlement>, Vec<i64>) = (None, Vec::new());
    let gap = |from: i64, to: i64, words: String, quality: &mut Quality| {
        quality.problem("funding-gap", &Place { symbol, from, to }, words, way("funding-gap", from));
    };
    let apart = |s: &Settlement| (s.interval_hours.unwrap_or(8.0) * HOUR_MS) as i64;
    for s in inside {
        let at = ((s.ms - first) / step) as usize;
        column[at] = if column[at].is_nan() { s.rate } else { column[at] + s.rate };
        if (s.ms - first) % step != 0 {
            within.push(s.ms);
        }
        let before = previous.map_or(first, |p| p.ms);
        if s.ms - before > apart(s).max(step) + 1000 {
            let words = format!("no settlement between {} and {}", format_ms(before), format_ms(s.ms));
            gap(before, s.ms, words, quality);
        }
        previous = Some(s);
    }
    match previous {
        None => {
            let place = Place { symbol, from: first, to: last };
            let words = "no funding settlement in the whole window".into();
            quality.problem("no-funding", &place, words, way("no-funding", first));
        }
        Some(p) if last - p.ms > apart(p) + step => {
            gap(p.ms, last, format!("no settlement after {}", format_ms(p.ms)), quality);
        }
        Some(_) => {}
    }
    if let (Some(from), Some(to)) = (within.first().copied(), within.last().copied()) {
        let words = format!(
            "{} settlements fall inside {} bars, the first at {}: a position that is closed in such a bar would pay for \
             what came after it",
            within.len(),
            interval_text(step),
            format_ms(from)
        );
        let place = Place { symbol, from, to };
        quality.problem("funding-inside-bar", &place, words, way("funding-inside-bar", from));
    }
    column
}
