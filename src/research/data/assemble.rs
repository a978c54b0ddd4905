//! From files to an aligned market: one index for all symbols, each of which has its own first and last bar,
//! and every oddity a finding.

use super::cells::Named;
use super::error::DataError;
use super::funding;
use super::layout::{Holds, SourceFile};
use super::quality::{Place, Quality, look_over};
use super::rows::{Kline, Settlement};
use super::series::{Made, Making};
use super::snapshot::{Draft, Own};
use super::source::{Found, candles, settlements};
use super::treat::Treatments;
use assay_shared::market::{FIELDS, Field, STORED};
use assay_shared::time::{format_ms, interval_ms, interval_text};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

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
    /// Fields beside the traded prices; all that there are when nothing is said.
    pub fields: Option<BTreeSet<&'static str>>,
}

/// What an import can be told to take beside the traded prices: other sources may not have it.
pub const EXTRAS: [(&str, &str); 4] = [
    ("volume", "traded amounts"),
    ("mark", "mark prices"),
    ("funding", "funding settlements"),
    ("funding_mark", "mark prices at the settlements"),
];

/// Reads a list of fields; the traded prices may be named and are always taken.
///
/// # Errors
/// A name that is none.
pub fn fields(names: &[String]) -> Result<BTreeSet<&'static str>, DataError> {
    let mut out = BTreeSet::new();
    for name in names.iter().filter(|n| !["open", "high", "low", "close"].contains(&n.as_str())) {
        let known = EXTRAS.iter().find(|(known, _)| known == name);
        let what = || {
            format!("there is no field '{name}'; there are open, high, low, close, volume, mark, funding, funding_mark")
        };
        out.insert(known.ok_or_else(|| DataError::Asked { what: what() })?.0);
    }
    if out.contains("funding_mark") {
        out.insert("funding");
    }
    Ok(out)
}

impl Request {
    fn holds(&self, ms: i64) -> bool {
        self.from_ms.is_none_or(|f| ms >= f) && self.to_ms.is_none_or(|t| ms < t)
    }

    fn wants(&self, symbol: &str) -> bool {
        self.symbols.is_empty() || self.symbols.iter().any(|s| s == symbol)
    }

    fn takes(&self, field: &str) -> bool {
        self.fields.as_ref().is_none_or(|fields| fields.contains(field))
    }

    /// Times cut where another treatment begins to hold, or none any more.
    fn parts<'t>(&self, code: &str, symbol: &str, times: &'t [i64]) -> Vec<&'t [i64]> {
        let of = |ms: &i64| self.treatments.place(code, symbol, *ms);
        times.chunk_by(|a, b| of(a) == of(b)).collect()
    }

    fn way(&self, code: &str, symbol: &str, ms: i64) -> Option<&'static str> {
        self.treatments.of(code, symbol, ms).map(|t| t.way)
    }
}

/// What was made of files.
#[derive(Debug)]
pub struct Assembled {
    /// The market, usable only if the report has no errors.
    pub draft: Draft,
    /// What is odd.
    pub quality: Quality,
    /// The files that were used, and those that were not, with reasons.
    pub found: Found,
}

struct Series {
    last: Vec<Kline>,
    mark: Vec<Kline>,
    funding: Vec<Settlement>,
    /// Its end was found and cut: nobody asks why it ends.
    ended: bool,
}

/// Reads the files and aligns them, a symbol at a time, into a draft that is kept in `dir`. It is usable only
/// if the report has no errors.
///
/// # Errors
/// Unreadable files and rows, or no data of what was asked for.
pub fn assemble(
    found: Found,
    request: &Request,
    dir: Option<&Path>,
    progress: &dyn Fn(&str),
) -> Result<Assembled, DataError> {
    let step = interval_ms(&request.interval)
        .ok_or_else(|| DataError::bad(&found.root, None, format!("'{}' is no bar interval", request.interval)))?;
    let (mut found, mut quality) = (found, Quality::default());
    let mut draft = Draft::new(dir, step, found.generated);
    let mut ends = Vec::new();
    for symbol in choose(&mut found, request)? {
        let series = read_symbol(&mut found, &symbol, step, request, &mut quality, progress)?;
        if series.last.is_empty() {
            return Err(outside(&found, &symbol, request));
        }
        let ended = series.ended;
        let own = aligned(&symbol, series, step, request, &mut quality);
        look_over(&own, step, &mut quality);
        ends.push((symbol, own.first_ms, own.first_ms + own.bars() as i64 * step, ended));
        draft.add(&own)?;
    }
    ages(&ends, step, request, &mut quality);
    Ok(Assembled { draft, quality, found })
}

/// Symbols that begin later or end earlier than others: nobody's bars are cut for them, and it is said. That
/// one ends for good must be said by whoever imports, since files that are missing look the same.
fn ages(ends: &[(String, i64, i64, bool)], step: i64, request: &Request, quality: &mut Quality) {
    let first = ends.iter().map(|e| e.1).min().unwrap_or_default();
    let last = ends.iter().map(|e| e.2).max().unwrap_or_default();
    for (symbol, from, to, ended) in ends {
        let place = Place { symbol, from: *from, to: *to - step };
        if *from > first {
            quality.note("begins-later", &place, format!("its first bar is of {}, others' earlier", format_ms(*from)));
        }
        if *to < last {
            let words = format!("its last bar is of {}, others' later: was it delisted?", format_ms(*to - step));
            let way = if *ended { Some("delisted") } else { request.way("ends-early", symbol, *to - step) };
            quality.problem("ends-early", &place, words, way);
        }
    }
}

/// The symbols that are asked for and have candles of the interval. Files of others are put aside.
fn choose(found: &mut Found, request: &Request) -> Result<Vec<String>, DataError> {
    let bad = |_: &Found, what: String| DataError::Asked { what };
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
            () if f.holds == Holds::MarkKlines && !request.takes("mark") => "mark prices are not asked for",
            () if f.holds == Holds::Funding && !request.takes("funding") => "funding is not asked for",
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
    let root = found.root.display();
    DataError::Asked { what: format!("{root} holds no {} bars of {symbol} from {from} to {to}", request.interval) }
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
    let making = |kind| Making { symbol, kind, step, treatments: &request.treatments };
    let (mut last, mut mark, mut funding) = (Made::default(), Made::default(), Vec::new());
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
        match file.holds {
            Holds::Klines => making("").take(&mut last, name, rows),
            _ => making("mark").take(&mut mark, name, rows),
        }
    }
    found.drop_where(|f| {
        other_step.get(&f.path).map(|apart| format!("its bars are {}, not {}", interval_text(*apart), request.interval))
    });
    let mut last = making("").series(last, quality);
    let mark = making("mark").series(mark, quality);
    let funding = funding::merged(symbol, funding, &request.treatments, quality);
    if let (Some(first), Some(end)) = (last.first(), last.last())
        && !sure
        && last.len() > 1
        && last.iter().all(|r| r.volume == 0.0 || r.volume.is_nan())
    {
        let place = Place { symbol, from: first.ms, to: end.ms };
        let words = "no bar has any volume, and no folder says that these are traded prices: mark and index prices look like this";
        quality.problem("all-zero-volume", &place, words.into(), request.way("all-zero-volume", symbol, first.ms));
    }
    let ended = end_at_settlement(symbol, &mut last, step, request, quality);
    Ok(Series { last, mark, funding, ended })
}

/// Bars without trading at the end: the exchange goes on with them after a contract was settled. Gives whether
/// they were cut.
fn end_at_settlement(symbol: &str, last: &mut Vec<Kline>, step: i64, request: &Request, quality: &mut Quality) -> bool {
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
fn aligned(name: &str, s: Series, step: i64, request: &Request, quality: &mut Quality) -> Own {
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
    let mut held = 0.0;
    for ms in (from..to).step_by(step as usize) {
        while rows.next_if(|r| r.ms < ms).is_some() {}
        // A gap that is not treated is an error already; the held close only keeps columns even.
        let there = rows.next_if(|r| r.ms == ms);
        let (prices, volume) = there.map_or(([held; 4], 0.0), |r| (r.prices, r.volume));
        if there.is_none() {
            out.held.push(((ms - from) / step) as usize);
        }
        held = prices[3];
        let row = prices.into_iter().chain([if volume.is_nan() { 0.0 } else { volume }]);
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
        let prices = marked.unwrap_or_else(|| std::array::from_fn(|i| out.fields[i][bar]));
        out.fields.iter_mut().skip(first).zip(prices).filter(|_| with_mark).for_each(|(c, v)| c.push(v));
    }
    drop(s.mark);
    for run in runs(&no_mark, step).into_iter().filter(|_| request.takes("mark")) {
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
