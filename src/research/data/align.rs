//! The rows of one symbol as columns over its own bars.

use super::funding;
use super::quality::{Place, Quality};
use super::request::Request;
use super::rows::{Kline, Settlement};
use super::snapshot::Own;
use assay_shared::market::{FIELDS, Field, STORED};
use assay_shared::time::format_ms;

/// Everything of one symbol, as rows.
pub(super) struct Series {
    pub(super) last: Vec<Kline>,
    pub(super) mark: Vec<Kline>,
    pub(super) funding: Vec<Settlement>,
    /// Its end was found and cut: nobody asks why it ends.
    pub(super) ended: bool,
}

/// Bars without trading at the end: the exchange goes on with them after a contract was settled. Gives whether
/// they were cut.
pub(super) fn end_at_settlement(
    symbol: &str,
    last: &mut Vec<Kline>,
    step: i64,
    request: &Request,
    quality: &mut Quality,
) -> bool {
    let dead = |r: &Kline| r.volume == 0.0 && r.prices.iter().all(|p| *p == r.prices[0]);
    let alive = last.iter().rposition(|r| !dead(r)).map_or(0, |at| at + 1);
    let count = last.len() - alive;
    let (Some(first), Some(end)) = (last.get(alive), last.last()) else { return false };
    if count < 2 || end.ms - first.ms + step < 86_400_000 {
        return false;
    }
    let place = Place { symbol, from: first.ms, to: end.ms };
    let words = format!("{count} bars without trading at the end, from {} on: was it settled?", format_ms(first.ms));
    let way = request.way("ended", symbol, first.ms);
    quality.problem("ended", &place, words, way);
    if way == Some("cut") && alive > 0 {
        last.truncate(alive);
    }
    way == Some("cut")
}

/// The stretch of a symbol's bars that is taken: all of them, or, where a gap is not to be filled, the longest
/// one without a gap.
fn stretch(name: &str, last: &[Kline], step: i64, request: &Request, quality: &mut Quality) -> (i64, i64) {
    let (Some(first), Some(end)) = (last.first(), last.last()) else { return (0, 0) };
    if request.is_finer {
        return (first.ms, end.ms + step);
    }
    let mut cuts = vec![first.ms];
    for w in last.windows(2).filter(|w| w[1].ms - w[0].ms > step) {
        let missing: Vec<i64> = (w[0].ms + step..w[1].ms).step_by(step as usize).collect();
        for part in request.parts("gap", name, &missing) {
            let (from, to, way) = (part[0], part[part.len() - 1], request.way("gap", name, part[0]));
            quality.problem("gap", &Place { symbol: name, from, to }, bars_missing("", part), way);
            if way == Some("longest") {
                cuts.extend([from, to + step]);
            }
        }
    }
    cuts.push(end.ms + step);
    let longest = cuts.chunks_exact(2).max_by_key(|w| (w[1] - w[0], -w[0]));
    let (from, to) = longest.map_or((first.ms, end.ms + step), |w| (w[0], w[1]));
    if cuts.len() > 2 {
        let left = last.iter().filter(|r| !(from..to).contains(&r.ms)).count();
        let words = format!("only {} to {} is taken: {left} bars are left out", format_ms(from), format_ms(to - step));
        quality.note("longest", &Place { symbol: name, from, to: to - step }, words);
    }
    (from, to)
}

/// A symbol's columns over its own bars.
pub(super) fn aligned(name: &str, s: Series, step: i64, request: &Request, quality: &mut Quality) -> Own {
    let (from, to) = stretch(name, &s.last, step, request, quality);
    let mut out = Own { name: name.into(), first_ms: from, ..Own::default() };
    let bars = ((to - from) / step) as usize;
    let with_mark = request.takes("mark") && s.mark.iter().any(|r| (from..to).contains(&r.ms));
    let with_volume = request.takes("volume") && s.last.iter().any(|r| !r.volume.is_nan());
    let wanted = |i: usize| match FIELDS[i].0 {
        Field::Volume => with_volume,
        Field::MarkOpen | Field::MarkHigh | Field::MarkLow | Field::MarkClose => with_mark,
        _ => true,
    };
    (0..STORED).filter(|i| wanted(*i)).for_each(|i| out.fields[i].reserve_exact(bars));
    // One after the other, so that rows of both and all columns never stand beside each other.
    let mut rows = s.last.iter().peekable();
    let mut held = if request.is_finer { f64::NAN } else { 0.0 };
    for ms in (from..to).step_by(step as usize) {
        while rows.next_if(|r| r.ms < ms).is_some() {}
        // A gap that is not treated is an error already; the held close only keeps columns even.
        let there = rows.next_if(|r| r.ms == ms);
        let (prices, volume) =
            there.map_or(([held; 4], if request.is_finer { f64::NAN } else { 0.0 }), |r| (r.prices, r.volume));
        if there.is_none() {
            out.held.push(((ms - from) / step) as usize);
        }
        if !request.is_finer {
            held = prices[3];
        }
        let row = prices.into_iter().chain([if volume.is_nan() && !request.is_finer { 0.0 } else { volume }]);
        out.fields.iter_mut().zip(row).enumerate().filter(|(i, _)| wanted(*i)).for_each(|(_, (c, v))| c.push(v));
    }
    drop(s.last);
    let (mut rows, mut no_mark) = (s.mark.iter().peekable(), Vec::new());
    let first = Field::MarkOpen as usize;
    for (bar, ms) in (from..to).step_by(step as usize).enumerate() {
        while rows.next_if(|r| r.ms < ms).is_some() {}
        let marked = rows.next_if(|r| r.ms == ms).map(|r| r.prices);
        if marked.is_none() {
            no_mark.push(ms);
        }
        // Where it is missing, the traded price stands for it.
        let traded = |i: usize| if request.is_finer { f64::NAN } else { out.fields[i][bar] };
        let prices = marked.unwrap_or_else(|| std::array::from_fn(traded));
        out.fields.iter_mut().skip(first).zip(prices).filter(|_| with_mark).for_each(|(c, v)| c.push(v));
    }
    drop(s.mark);
    for run in runs(&no_mark, step).into_iter().filter(|_| request.takes("mark") && !request.is_finer) {
        for part in request.parts("no-mark", name, run) {
            let place = Place { symbol: name, from: part[0], to: part[part.len() - 1] };
            let way = request.way("no-mark", name, part[0]);
            quality.problem("no-mark", &place, bars_missing("mark prices of ", part), way);
        }
    }
    if request.takes("funding") {
        let keep = request.takes("funding_mark");
        out.settlements = funding::checked(name, &s.funding, (from, to, step), keep, &request.treatments, quality);
    }
    out
}

/// What is missing, in words.
fn bars_missing(what: &str, times: &[i64]) -> String {
    match times {
        [one] => format!("{what}1 bar is missing at {}", format_ms(*one)),
        [first, .., last] => {
            format!("{what}{} bars are missing from {} to {}", times.len(), format_ms(*first), format_ms(*last))
        }
        [] => String::new(),
    }
}

/// Stretches of times that follow each other.
fn runs(times: &[i64], step: i64) -> Vec<&[i64]> {
    times.chunk_by(|a, b| b - a == step).collect()
}
