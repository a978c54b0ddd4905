//! From files to an aligned market: one index for all symbols, every oddity a finding.

use super::cells::Named;
use super::error::DataError;
use super::funding;
use super::layout::{Holds, SourceFile};
use super::quality::{Place, Quality, look_over};
use super::rows::{Kline, Settlement};
use super::series::Making;
use super::source::{Found, candles, settlements};
use super::treat::Treatments;
use assay_shared::market::{Columns, Field, Market};
use assay_shared::time::{format_ms, interval_ms, interval_text};
use std::collections::{BTreeMap, BTreeSet};

/// What to import.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Symbols in order; empty for all that have candles.
    pub symbols: Vec<String>,
    /// Bar interval, such as `1h`.
    pub interval: String,
    /// First time, milliseconds since 1970, if cut.
    pub from_ms: Option<i64>,
    /// Time before which it ends, if cut.
    pub to_ms: Option<i64>,
    /// How findings are treated.
    pub treatments: Treatments,
    /// Columns under other names than the usual ones.
    pub columns: Named,
}

impl Request {
    fn holds(&self, ms: i64) -> bool {
        self.from_ms.is_none_or(|f| ms >= f) && self.to_ms.is_none_or(|t| ms < t)
    }

    fn wants(&self, symbol: &str) -> bool {
        self.symbols.is_empty() || self.symbols.iter().any(|s| s == symbol)
    }

    fn way(&self, code: &str, symbol: &str, ms: i64) -> Option<&'static str> {
        self.treatments.of(code, symbol, ms).map(|t| t.way)
    }
}

/// What was made of files.
#[derive(Debug)]
pub struct Assembled {
    /// The market, usable only if the report has no errors.
    pub market: Market,
    /// What is odd.
    pub quality: Quality,
    /// The files that were used, and those that were not, with reasons.
    pub found: Found,
}

struct Series {
    last: Vec<Kline>,
    mark: Vec<Kline>,
    funding: Vec<Settlement>,
}

/// Reads the files and aligns them. The market is usable only if the report has no errors.
///
/// # Errors
/// Unreadable files and rows, no data of what was asked for, or symbols without a common stretch of time.
pub fn assemble(found: Found, request: &Request, progress: &dyn Fn(&str)) -> Result<Assembled, DataError> {
    let step = interval_ms(&request.interval)
        .ok_or_else(|| DataError::bad(&found.root, None, format!("'{}' is no bar interval", request.interval)))?;
    let (mut found, mut quality) = (found, Quality::default());
    let symbols = choose(&mut found, request)?;
    let mut all = Vec::new();
    for symbol in &symbols {
        let series = read_symbol(&mut found, symbol, step, request, &mut quality, progress)?;
        if series.last.is_empty() {
            return Err(outside(&found, symbol, request));
        }
        all.push(series);
    }
    let times = common_index(&symbols, &all, step, request, &mut quality);
    let times = times.ok_or_else(|| {
        let spans = symbols.iter().zip(&all).filter_map(|(name, s)| {
            Some(format!("{name} {} to {}", format_ms(s.last.first()?.ms), format_ms(s.last.last()?.ms)))
        });
        let what = format!("the symbols share no time: {}", spans.collect::<Vec<_>>().join(", "));
        DataError::bad(&found.root, None, what)
    })?;
    let mut columns = Vec::new();
    for (name, series) in symbols.iter().zip(all) {
        columns.push(aligned(name, &series, &times, step, request, &mut quality));
    }
    let market = Market { interval_ms: step, times, symbols, columns, generated: false };
    look_over(&market, &mut quality);
    Ok(Assembled { market, quality, found })
}

/// The symbols that are asked for and have candles of the interval. Files of others are put aside.
fn choose(found: &mut Found, request: &Request) -> Result<Vec<String>, DataError> {
    let bad = |found: &Found, what: String| DataError::bad(&found.root, None, what);
    if let Some(twice) = request.symbols.iter().enumerate().find(|(n, s)| request.symbols[..*n].contains(s)) {
        return Err(bad(found, format!("{} is named twice", twice.1)));
    }
    let there = |found: &Found| {
        let bars = found.used.iter().filter(|f| f.holds == Holds::Klines);
        let names: BTreeSet<String> = bars.map(|f| format!("{} {}", f.symbol, f.interval).trim_end().into()).collect();
        let shown: Vec<String> = names.iter().take(12).cloned().collect();
        let more = if names.len() > 12 { format!(" and {} more", names.len() - 12) } else { String::new() };
        shown.join(", ") + &more
    };
    let have = there(found);
    found.drop_where(|f| {
        let right = f.interval.is_empty() || f.interval == request.interval;
        (!right).then(|| format!("its bars are {}, not {}", f.interval, request.interval))
    });
    let candles: BTreeSet<&str> =
        found.used.iter().filter(|f| f.holds == Holds::Klines).map(|f| f.symbol.as_str()).collect();
    if let Some(missing) = request.symbols.iter().find(|s| !candles.contains(s.as_str())) {
        return Err(bad(found, format!("no {} candles of {missing}; there are {have}", request.interval)));
    }
    if candles.is_empty() {
        let what = if have.is_empty() {
            "no candles of traded prices".into()
        } else {
            format!("no {} candles; there are {have}", request.interval)
        };
        return Err(bad(found, what));
    }
    let symbols: Vec<String> = match request.symbols.is_empty() {
        true => candles.iter().map(|s| (*s).to_string()).collect(),
        false => request.symbols.clone(),
    };
    let with_candles: BTreeSet<String> = candles.into_iter().map(str::to_string).collect();
    found.drop_where(|f| {
        let why = match () {
            () if f.holds == Holds::Brackets => return None,
            () if !request.wants(&f.symbol) => "its symbol is not asked for",
            () if !with_candles.contains(&f.symbol) => "there are no candles of its symbol",
            () => return None,
        };
        Some(why.into())
    });
    Ok(symbols)
}

/// Why there are no bars of a symbol: the files hold another time.
fn outside(found: &Found, symbol: &str, request: &Request) -> DataError {
    let side = |ms: Option<i64>, none: &str| ms.map_or(none.to_string(), format_ms);
    let (from, to) = (side(request.from_ms, "the beginning"), side(request.to_ms, "the end"));
    DataError::bad(&found.root, None, format!("no {} bars of {symbol} from {from} to {to}", request.interval))
}

/// The distance of most bars of a file.
fn usual_step(rows: &[Kline]) -> Option<i64> {
    let mut apart: BTreeMap<i64, usize> = BTreeMap::new();
    rows.windows(2).for_each(|w| *apart.entry((w[1].ms - w[0].ms).abs()).or_default() += 1);
    apart.iter().max_by_key(|(_, count)| **count).map(|(ms, _)| *ms)
}

/// Everything of one symbol.
fn read_symbol(
    found: &mut Found,
    symbol: &str,
    step: i64,
    request: &Request,
    quality: &mut Quality,
    progress: &dyn Fn(&str),
) -> Result<Series, DataError> {
    let (mut last, mut mark, mut funding) = (Vec::new(), Vec::new(), Vec::new());
    let (mut other_step, mut sure) = (BTreeMap::new(), false);
    let mine: Vec<SourceFile> = found.used.iter().filter(|f| f.symbol == symbol).cloned().collect();
    for file in mine {
        let name = file.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        progress(&name);
        if file.holds == Holds::Funding {
            let mut rows = settlements(&file, &request.columns)?;
            rows.retain(|r| request.holds(r.ms));
            funding.push((name, rows));
            continue;
        }
        let mut rows = candles(&file, &request.columns)?;
        if let Some(apart) = usual_step(&rows).filter(|apart| file.interval.is_empty() && *apart != step) {
            other_step.insert(file.path, apart);
            continue;
        }
        rows.retain(|r| request.holds(r.ms));
        sure |= file.named;
        if file.holds == Holds::Klines { last.push((name, rows)) } else { mark.push((name, rows)) }
    }
    found.drop_where(|f| {
        other_step.get(&f.path).map(|apart| format!("its bars are {}, not {}", interval_text(*apart), request.interval))
    });
    let making = |kind| Making { symbol, kind, step, treatments: &request.treatments };
    let mut last = making("").series(last, quality);
    let mark = making("mark").series(mark, quality);
    let funding = funding::merged(symbol, funding, &request.treatments, quality);
    if let (Some(first), Some(end)) = (last.first(), last.last())
        && !sure
        && last.len() > 1
        && last.iter().all(|r| r.volume == 0.0)
    {
        let place = Place { symbol, from: first.ms, to: end.ms };
        let words = "no bar has any volume, and no folder says that these are traded prices: mark and index prices look like this";
        quality.problem("all-zero-volume", &place, words.into(), request.way("all-zero-volume", symbol, first.ms));
    }
    end_at_settlement(symbol, &mut last, step, request, quality);
    Ok(Series { last, mark, funding })
}

/// Bars without trading at the end: the exchange goes on with them after a contract was settled.
fn end_at_settlement(symbol: &str, last: &mut Vec<Kline>, step: i64, request: &Request, quality: &mut Quality) {
    let dead = |r: &Kline| r.volume == 0.0 && r.prices.iter().all(|p| *p == r.prices[0]);
    let alive = last.iter().rposition(|r| !dead(r)).map_or(0, |at| at + 1);
    let count = last.len() - alive;
    let (Some(first), Some(end)) = (last.get(alive), last.last()) else { return };
    if count < 2 || end.ms - first.ms + step < 86_400_000 {
        return;
    }
    let place = Place { symbol, from: first.ms, to: end.ms };
    let words = format!("{count} bars without trading at the end, from {} on: was it settled?", format_ms(first.ms));
    let way = request.way("ended", symbol, first.ms);
    quality.problem("ended", &place, words, way);
    if way == Some("cut") {
        last.truncate(alive);
    }
}

/// The evenly spaced times that all symbols share.
fn common_index(
    symbols: &[String],
    all: &[Series],
    step: i64,
    request: &Request,
    quality: &mut Quality,
) -> Option<Vec<i64>> {
    let ends = |s: &Series| Some((s.last.first()?.ms, s.last.last()?.ms));
    let spans: Vec<(i64, i64)> = all.iter().map(ends).collect::<Option<_>>()?;
    let first = spans.iter().map(|s| s.0).max()?;
    let last = spans.iter().map(|s| s.1).min()?;
    let whole = spans.iter().map(|s| s.1).max()? - spans.iter().map(|s| s.0).min()? + step;
    if first > last {
        return None;
    }
    shorter(symbols, &spans, (first, last), whole, (step, request), quality);
    let mut holes: BTreeSet<i64> = BTreeSet::new();
    for (name, s) in symbols.iter().zip(all) {
        let mut next = first;
        for ms in s.last.iter().map(|r| r.ms).filter(|ms| (first..=last).contains(ms)).chain([last + step]) {
            if ms > next {
                let way = request.way("gap", name, next);
                let words = format!(
                    "{} bars are missing from {} to {}",
                    (ms - next) / step,
                    format_ms(next),
                    format_ms(ms - step)
                );
                quality.problem("gap", &Place { symbol: name, from: next, to: ms - step }, words, way);
                if way == Some("longest") {
                    holes.extend((next..ms).step_by(step as usize));
                }
            }
            next = ms + step;
        }
    }
    let edges: Vec<i64> = [first - step].into_iter().chain(holes).chain([last + step]).collect();
    let best = edges.windows(2).max_by_key(|w| (w[1] - w[0], -w[0]))?;
    let times: Vec<i64> = (best[0] + step..best[1]).step_by(step as usize).collect();
    (!times.is_empty()).then_some(times)
}

/// Who cuts the others, when the common time is much shorter than the whole.
fn shorter(
    symbols: &[String],
    spans: &[(i64, i64)],
    (first, last): (i64, i64),
    whole: i64,
    (step, request): (i64, &Request),
    quality: &mut Quality,
) {
    let much = (last - first + step) * 50 < whole * 49;
    for (name, (a, b)) in symbols.iter().zip(spans) {
        // Who has exactly the common beginning or end brought it about, unless all have it.
        let late = *a == first && spans.iter().any(|s| s.0 < first);
        let early = *b == last && spans.iter().any(|s| s.1 > last);
        if !late && !early {
            continue;
        }
        let place = Place { symbol: name, from: *a, to: *b };
        let words = format!(
            "its bars go from {} to {}, others' further: all would be cut to the {} to {} that they share",
            format_ms(*a),
            format_ms(*b),
            format_ms(first),
            format_ms(last)
        );
        match much {
            true => quality.problem("shorter", &place, words, request.way("shorter", name, *a)),
            false => quality.note("shorter", &place, words),
        }
    }
}

fn aligned(name: &str, s: &Series, times: &[i64], step: i64, request: &Request, quality: &mut Quality) -> Columns {
    let mut out = Columns::default();
    let fields = [Field::Open, Field::High, Field::Low, Field::Close];
    let marks = [Field::MarkOpen, Field::MarkHigh, Field::MarkLow, Field::MarkClose];
    let (mut last, mut mark) = (s.last.iter().peekable(), s.mark.iter().peekable());
    let (mut held, mut no_mark) = (0.0, Vec::new());
    for ms in times {
        while last.next_if(|r| r.ms < *ms).is_some() {}
        while mark.next_if(|r| r.ms < *ms).is_some() {}
        // A gap that is not treated is an error already; the held close only keeps columns even.
        let (prices, volume) = last.next_if(|r| r.ms == *ms).map_or(([held; 4], 0.0), |r| (r.prices, r.volume));
        held = prices[3];
        let marked = mark.next_if(|r| r.ms == *ms).map(|r| r.prices);
        if marked.is_none() {
            no_mark.push(*ms);
        }
        for i in 0..4 {
            out.get_mut(fields[i]).push(prices[i]);
            out.get_mut(marks[i]).push(marked.unwrap_or(prices)[i]);
        }
        out.get_mut(Field::Volume).push(volume);
    }
    for run in runs(&no_mark, step) {
        let (from, to, count) = (run[0], run[run.len() - 1], run.len());
        let words = format!("{count} bars without a mark price, from {} to {}", format_ms(from), format_ms(to));
        let place = Place { symbol: name, from, to };
        quality.problem("no-mark", &place, words, request.way("no-mark", name, from));
    }
    *out.get_mut(Field::Funding) = funding::column(name, &s.funding, (times, step), &request.treatments, quality);
    out
}

/// Stretches of times that follow each other.
fn runs(times: &[i64], step: i64) -> Vec<&[i64]> {
    times.chunk_by(|a, b| b - a == step).collect()
}
