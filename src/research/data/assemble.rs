//! From files to an aligned market: one index for all symbols, each of which has its own first and last bar,
//! and every oddity a finding.

use super::align::{Series, aligned, end_at_settlement};
use super::error::DataError;
use super::finer;
use super::funding;
use super::layout::{Holds, SourceFile};
use super::quality::{Place, Quality, look_over};
use super::request::Request;
use super::rows::Kline;
use super::series::{Made, Making};
use super::snapshot::{Draft, Own};
use super::source::{Found, candles, settlements};
use assay_shared::time::{format_ms, interval_ms, interval_text};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

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
    if let (Some(from), Some(to)) = (request.from_ms, request.to_ms)
        && from >= to
    {
        return Err(DataError::Asked { what: "nothing is left: --from is not before --to".into() });
    }
    let (all, mut quality) = (found.clone(), Quality::default());
    let mut draft = Draft::new(dir, step, found.generated);
    let (mut found, mut ends) = (found, Vec::new());
    for symbol in choose(&mut found, request)? {
        let (own, ended) = one(&mut found, &symbol, step, request, &mut quality, progress)?;
        look_over(&own, step, &mut quality);
        ends.push((symbol, own.first_ms, own.first_ms + own.bars() as i64 * step, ended));
        draft.add(&own)?;
    }
    ages(&ends, step, request, &mut quality);
    let made = Assembled { draft, quality, found };
    if request.detail.is_some() { beside(made, all, request, dir, progress) } else { Ok(made) }
}

/// One symbol's columns, and whether its end was cut.
fn one(
    found: &mut Found,
    symbol: &str,
    step: i64,
    request: &Request,
    quality: &mut Quality,
    progress: &dyn Fn(&str),
) -> Result<(Own, bool), DataError> {
    let series = read_symbol(found, symbol, step, request, quality, progress)?;
    if series.last.is_empty() {
        return Err(outside(found, symbol, request));
    }
    let ended = series.ended;
    Ok((aligned(symbol, series, step, request, quality), ended))
}

/// Adds the finer bars that lie among the files. Where they do not show the whole path of a bar, or say other
/// prices than it, they are left out, and it is said.
fn beside(
    made: Assembled,
    all: Found,
    request: &Request,
    dir: Option<&Path>,
    progress: &dyn Fn(&str),
) -> Result<Assembled, DataError> {
    let Assembled { draft, mut quality, mut found } = made;
    let bars = draft.contents();
    let (mut files, finer) = (all, finer::request(request, &bars)?);
    let step = interval_ms(&finer.interval).unwrap_or(1);
    let mut out = Draft::new(dir, step, files.generated);
    let there = choose(&mut files, &Request { symbols: Vec::new(), ..finer.clone() })?;
    for series in &bars.series {
        quality.paths.1 += series.bars;
        if !there.contains(&series.name) {
            finer::missing(series, &bars, &finer.interval, &mut quality);
            continue;
        }
        let own = Request { from_ms: Some(series.first_ms), ..finer.clone() };
        let own = Request { to_ms: Some(series.first_ms + series.bars as i64 * bars.interval_ms), ..own };
        let (mut own, _) = one(&mut files, &series.name, step, &own, &mut quality, progress)?;
        finer::fit(&mut own, step, (&draft, &bars), &finer, &mut quality)?;
        if own.bars() > 0 {
            out.add(&own)?;
        }
    }
    if quality.paths.0 == 0 && quality.errors().next().is_none() {
        let what = format!("the bars of {} show the whole path of no bar: are they all there?", finer.interval);
        return Err(DataError::Asked { what });
    }
    found.join(files, |symbol| bars.series.iter().any(|s| s.name == symbol));
    Ok(Assembled { draft: draft.with_finer(out), quality, found })
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
        && !request.is_finer
        && !sure
        && last.len() > 1
        && last.iter().all(|r| r.volume == 0.0 || r.volume.is_nan())
    {
        let place = Place { symbol, from: first.ms, to: end.ms };
        let words = "no bar has any volume, and no folder says that these are traded prices: mark and index prices look like this";
        quality.problem("all-zero-volume", &place, words.into(), request.way("all-zero-volume", symbol, first.ms));
    }
    let ended = !request.is_finer && end_at_settlement(symbol, &mut last, step, request, quality);
    Ok(Series { last, mark, funding, ended })
}
