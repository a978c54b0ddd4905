//! From files to an aligned market: one index for all symbols, every oddity a finding.

use super::error::DataError;
use super::quality::{Quality, look_over};
use super::rows::{Kline, Settlement, klines, settlements};
use super::source::{Holds, SourceFile, read};
use assay_shared::market::{Columns, Field, Market};
use assay_shared::time::{format_ms, interval_ms, interval_text};
use std::collections::BTreeMap;

/// How findings are treated. Each is off unless the import names it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Treatments {
    /// Keep the longest stretch without a gap in any symbol.
    pub gaps_longest: bool,
    /// Of rows with the same time, keep the first.
    pub duplicates_first: bool,
    /// Where there is no mark price, use the traded price.
    pub mark_from_last: bool,
    /// Where no funding is recorded, assume none.
    pub funding_zero: bool,
}

impl Treatments {
    /// The names of those that are on, for the record.
    pub fn names(&self) -> Vec<String> {
        let all = [
            (self.gaps_longest, "gaps=longest"),
            (self.duplicates_first, "duplicates=first"),
            (self.mark_from_last, "missing-mark=last-price"),
            (self.funding_zero, "missing-funding=zero"),
        ];
        all.iter().filter(|(on, _)| *on).map(|(_, n)| (*n).to_string()).collect()
    }
}

/// What to import.
#[derive(Debug, Clone)]
pub struct Request {
    /// Symbols in order; empty for all that have candles.
    pub symbols: Vec<String>,
    /// Bar interval, such as `1h`.
    pub interval: String,
    /// First time, milliseconds since 1970, if cut.
    pub from_ms: Option<i64>,
    /// Time before which it ends, if cut.
    pub to_ms: Option<i64>,
    /// Treatments.
    pub treatments: Treatments,
}

struct Series {
    last: BTreeMap<i64, Kline>,
    mark: BTreeMap<i64, Kline>,
    funding: BTreeMap<i64, Settlement>,
}

/// Reads the files and aligns them. The market is usable only if the report has no errors.
///
/// # Errors
/// Unreadable files and rows, no data at all, or symbols without a common stretch of time.
pub fn assemble(
    files: &[SourceFile],
    request: &Request,
    progress: &dyn Fn(&str),
) -> Result<(Market, Quality), DataError> {
    let step = interval_ms(&request.interval).unwrap_or(3_600_000);
    let mut quality = Quality::default();
    let mut all: BTreeMap<String, Series> = BTreeMap::new();
    for file in files {
        let wanted = request.symbols.is_empty() || request.symbols.contains(&file.symbol);
        let right = file.holds == Holds::Funding || file.interval == request.interval;
        if !wanted || !right || file.holds == Holds::Brackets {
            continue;
        }
        progress(&file.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default());
        let series = all.entry(file.symbol.clone()).or_insert_with(|| Series {
            last: BTreeMap::new(),
            mark: BTreeMap::new(),
            funding: BTreeMap::new(),
        });
        take_file(file, series, step, request, &mut quality)?;
    }
    all.retain(|_, s| !s.last.is_empty());
    let dir = files.first().and_then(|f| f.path.parent()).map(std::path::Path::to_path_buf).unwrap_or_default();
    if let Some(missing) = request.symbols.iter().find(|s| !all.contains_key(*s)) {
        return Err(DataError::bad(&dir, None, format!("no {} candles of {missing}", request.interval)));
    }
    let symbols: Vec<String> =
        if request.symbols.is_empty() { all.keys().cloned().collect() } else { request.symbols.clone() };
    let series: Vec<&Series> = symbols.iter().filter_map(|s| all.get(s)).collect();
    let times = common_index(&symbols, &series, step, request, &mut quality).ok_or(DataError::Nothing { path: dir })?;
    let columns =
        symbols.iter().zip(&series).map(|(name, s)| columns(name, s, &times, step, request, &mut quality)).collect();
    let market = Market { interval_ms: step, times, symbols, columns, generated: false };
    look_over(&market, &mut quality);
    Ok((market, quality))
}

fn take_file(
    file: &SourceFile,
    series: &mut Series,
    step: i64,
    request: &Request,
    quality: &mut Quality,
) -> Result<(), DataError> {
    let bytes = read(&file.path)?;
    let name = file.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let inside = |ms: i64| request.from_ms.is_none_or(|f| ms >= f) && request.to_ms.is_none_or(|t| ms < t);
    let first_only = request.treatments.duplicates_first.then_some("kept the first");
    if file.holds == Holds::Funding {
        for row in settlements(&file.path, &bytes)?.into_iter().filter(|r| inside(r.ms)) {
            if series.funding.insert(row.ms, row).is_some_and(|old| old.rate != row.rate) {
                let detail = format!("{name}:{}: {} stands twice with two rates", row.line, format_ms(row.ms));
                quality.problem("duplicate-funding", &file.symbol, detail, None);
            }
        }
        return Ok(());
    }
    let target = if file.holds == Holds::Klines { &mut series.last } else { &mut series.mark };
    let mut before = i64::MIN;
    // One finding a file and code, with the first place and the count.
    let mut odd: BTreeMap<&'static str, (usize, String)> = BTreeMap::new();
    for row in klines(&file.path, &bytes)?.into_iter().filter(|r| inside(r.ms)) {
        let mut note = |code, what: String| {
            let detail = || format!("{name}:{}: {} {what}", row.line, format_ms(row.ms));
            odd.entry(code).or_insert_with(|| (0, detail())).0 += 1;
        };
        let [open, high, low, close] = row.prices;
        if row.ms % step != 0 {
            note("off-grid", format!("is not on the {} grid", interval_text(step)));
            continue;
        }
        if low <= 0.0 || low > open.min(close) || high < open.max(close) || row.volume < 0.0 {
            note("impossible-bar", format!("open {open} high {high} low {low} close {close}"));
        }
        if row.ms < before {
            note("disordered", format!("stands after {}", format_ms(before)));
        }
        before = row.ms;
        if let std::collections::btree_map::Entry::Vacant(v) = target.entry(row.ms) {
            v.insert(row);
        } else {
            note("duplicate", "stands twice".into());
        }
    }
    for (code, (count, first)) in odd {
        let more = if count > 1 { format!(", and {} more", count - 1) } else { String::new() };
        let treated = if code == "duplicate" { first_only } else { None };
        quality.problem(code, &file.symbol, first + &more, treated);
    }
    Ok(())
}

/// The evenly spaced times that all symbols share.
fn common_index(
    symbols: &[String],
    series: &[&Series],
    step: i64,
    request: &Request,
    quality: &mut Quality,
) -> Option<Vec<i64>> {
    let first = series.iter().filter_map(|s| s.last.keys().next()).max().copied()?;
    let last = series.iter().filter_map(|s| s.last.keys().next_back()).min().copied()?;
    for (name, s) in symbols.iter().zip(series) {
        let (a, b) = (s.last.keys().next()?, s.last.keys().next_back()?);
        if *a < first || *b > last {
            let detail = format!(
                "its {} to {} was cut to the common {} to {}",
                format_ms(*a),
                format_ms(*b),
                format_ms(first),
                format_ms(last)
            );
            quality.note("trimmed", name, detail);
        }
    }
    let treated = request.treatments.gaps_longest.then_some("kept the longest stretch without a gap");
    let mut holes: Vec<i64> = Vec::new();
    for (name, s) in symbols.iter().zip(series) {
        let mut next = first;
        for ms in s.last.range(first..=last).map(|(ms, _)| *ms).chain([last + step]) {
            if ms > next {
                let missing = (ms - next) / step;
                quality.problem("gap", name, format!("{missing} bars are missing from {}", format_ms(next)), treated);
                holes.extend((next..ms).step_by(step as usize));
            }
            next = ms + step;
        }
    }
    if treated.is_none() || holes.is_empty() {
        return (first <= last).then(|| (first..=last).step_by(step as usize).collect());
    }
    holes.sort_unstable();
    let edges: Vec<i64> = [first - step].into_iter().chain(holes).chain([last + step]).collect();
    let best = edges.windows(2).max_by_key(|w| (w[1] - w[0], -w[0]))?;
    let times: Vec<i64> = (best[0] + step..best[1]).step_by(step as usize).collect();
    (!times.is_empty()).then_some(times)
}

fn columns(name: &str, s: &Series, times: &[i64], step: i64, request: &Request, quality: &mut Quality) -> Columns {
    let mut out = Columns::default();
    let (mut no_mark, mut held) = (Vec::new(), 0.0);
    let fields = [Field::Open, Field::High, Field::Low, Field::Close];
    let marks = [Field::MarkOpen, Field::MarkHigh, Field::MarkLow, Field::MarkClose];
    for ms in times {
        // A gap that was not treated is an error already; the held close only keeps columns even.
        let bar = s.last.get(ms).copied().unwrap_or(Kline { ms: *ms, prices: [held; 4], volume: 0.0, line: 0 });
        held = bar.prices[3];
        let mark = s.mark.get(ms).map(|m| m.prices);
        if mark.is_none() {
            no_mark.push(*ms);
        }
        for i in 0..4 {
            out.get_mut(fields[i]).push(bar.prices[i]);
            out.get_mut(marks[i]).push(mark.unwrap_or(bar.prices)[i]);
        }
        out.get_mut(Field::Volume).push(bar.volume);
        out.get_mut(Field::Funding).push(f64::NAN);
    }
    if let Some(first) = no_mark.first() {
        let detail = format!("{} bars without a mark price, the first at {}", no_mark.len(), format_ms(*first));
        quality.problem("no-mark", name, detail, request.treatments.mark_from_last.then_some("used the traded price"));
    }
    place_funding(name, s, times, step, request, quality, &mut out);
    out
}

/// Funding settles at the open of the bar that begins at its time. Several settlements inside one
/// bar (a bar longer than the funding interval) add up.
fn place_funding(
    name: &str,
    s: &Series,
    times: &[i64],
    step: i64,
    request: &Request,
    quality: &mut Quality,
    out: &mut Columns,
) {
    let treated = request.treatments.funding_zero.then_some("assumed none");
    let (Some(first), Some(last)) = (times.first().copied(), times.last().copied()) else { return };
    let column = out.get_mut(Field::Funding);
    let mut settled = s.funding.range(first..last + step).map(|(_, f)| *f).peekable();
    if settled.peek().is_none() {
        quality.problem("no-funding", name, "no funding settlement in the whole window".into(), treated);
        return;
    }
    let mut previous: Option<Settlement> = None;
    for f in settled {
        let at = ((f.ms - first) / step) as usize;
        column[at] = if column[at].is_nan() { f.rate } else { column[at] + f.rate };
        let expected = (f.interval_hours * 3_600_000.0) as i64;
        let since = f.ms - previous.map_or(first, |p| p.ms);
        let missing = since > expected.max(step) + 1000;
        if missing {
            let after = format_ms(previous.map_or(first, |p| p.ms));
            quality.problem(
                "funding-gap",
                name,
                format!("no settlement between {after} and {}", format_ms(f.ms)),
                treated,
            );
        }
        previous = Some(f);
    }
    if let Some(p) = previous
        && last - p.ms > (p.interval_hours * 3_600_000.0) as i64 + step
    {
        quality.problem("funding-gap", name, format!("no settlement after {}", format_ms(p.ms)), treated);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn file(dir: &Path, name: &str, rows: &[(i64, f64)]) -> SourceFile {
        let path = dir.join(name);
        let text: String =
            rows.iter().map(|(h, p)| format!("{},{p},{p},{p},{p},1,0\n", 1_580_515_200_000 + h * 3_600_000)).collect();
        std::fs::write(&path, text).unwrap();
        super::super::source::classify(&path).unwrap()
    }

    fn request(treatments: Treatments) -> Request {
        Request { symbols: vec![], interval: "1h".into(), from_ms: None, to_ms: None, treatments }
    }

    #[test]
    fn every_oddity_is_found_and_treatments_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let a = file(dir.path(), "AUSDT-1h.csv", &[(0, 1.0), (1, 1.0), (1, 2.0), (4, 1.0), (5, 1.0), (6, 1.0)]);
        let b =
            file(dir.path(), "BUSDT-1h.csv", &[(1, 1.0), (3, 1.0), (2, 1.0), (4, 1.0), (5, 1.0), (6, 1.0), (7, 1.0)]);
        let files = [a, b];
        let (_, q) = assemble(&files, &request(Treatments::default()), &|_| ()).unwrap();
        let codes: Vec<&str> = q.errors().map(|f| f.code).collect();
        assert_eq!(codes, ["duplicate", "disordered", "gap", "no-mark", "no-funding", "no-mark", "no-funding"]);
        let all = Treatments { gaps_longest: true, duplicates_first: true, mark_from_last: true, funding_zero: true };
        let (m, q) = assemble(&files, &request(all), &|_| ()).unwrap();
        assert_eq!(q.errors().map(|f| f.code).collect::<Vec<_>>(), ["disordered"]);
        assert_eq!((m.len(), m.times[0]), (3, 1_580_515_200_000 + 4 * 3_600_000));
    }
}
