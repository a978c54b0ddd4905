//! Finer bars beside a snapshot's bars: what of them can be believed.

use super::error::DataError;
use super::quality::{Place, Quality};
use super::request::{EXTRAS, Request};
use super::snapshot::{Contents, Draft, Own};
use assay_shared::market::{FIELDS, Field, STORED, SeriesSum};
use assay_shared::time::{format_ms, interval_ms};
use std::collections::BTreeSet;

/// What is asked for of the finer bars.
///
/// # Errors
/// An interval that does not divide that of the bars.
pub(super) fn request(request: &Request, bars: &Contents) -> Result<Request, DataError> {
    let interval = request.detail.clone().unwrap_or_default();
    let step = interval_ms(&interval).filter(|step| *step < bars.interval_ms && bars.interval_ms % step == 0);
    if step.is_none() {
        let what = format!(
            "--detail {interval} is no part of --interval {}: finer bars are shorter, and a whole number of them makes one bar",
            request.interval
        );
        return Err(DataError::Asked { what });
    }
    let extras = || EXTRAS.iter().map(|(name, _)| *name).collect();
    let mut fields: BTreeSet<&str> = request.fields.clone().unwrap_or_else(extras);
    // The path is one of prices: nobody looks at the volumes inside a bar.
    fields.retain(|name| *name == "mark");
    // Marks without any of the bars themselves would be another truth.
    if bars.series.iter().all(|s| !s.names().contains(&"mark_open")) {
        fields.remove("mark");
    }
    let (symbols, fields) = (Vec::new(), Some(fields));
    Ok(Request { interval, symbols, fields, detail: None, is_finer: true, ..request.clone() })
}

/// Notes a symbol that has none.
pub(super) fn missing(series: &SeriesSum, bars: &Contents, interval: &str, quality: &mut Quality) {
    let to = series.first_ms + (series.bars as i64 - 1) * bars.interval_ms;
    let place = Place { symbol: &series.name, from: series.first_ms, to };
    quality.note(
        "no-detail",
        &place,
        format!("there are no bars of {interval}: the path inside its bars is not known"),
    );
}

/// Leaves out what does not show the whole path of a bar, and what says other prices than the bar.
pub(super) fn fit(
    own: &mut Own,
    step: i64,
    (draft, bars): (&Draft, &Contents),
    asked: &Request,
    quality: &mut Quality,
) -> Result<(), DataError> {
    let Some(series) = bars.series.iter().find(|s| s.name == own.name) else { return Ok(()) };
    let per = (bars.interval_ms / step) as usize;
    let mut fits = Fit { bars: series.bars as usize, first: series.first_ms, per, step, own };
    fits.widen();
    let mark = fits.own.fields[Field::MarkOpen as usize].is_empty();
    if mark && series.names().contains(&"mark_open") {
        let what = format!(
            "the {} bars of {} have no mark prices, and its bars have: put those files there too, or leave marks out with --fields volume,funding",
            asked.interval, own.name
        );
        return Err(DataError::Asked { what });
    }
    let torn: Vec<usize> = (0..fits.bars).filter(|bar| !fits.is_whole(*bar)).collect();
    let mut wrong: BTreeSet<usize> = BTreeSet::new();
    for field in [Field::Open, Field::High, Field::Low, Field::Close, Field::MarkHigh, Field::MarkLow] {
        if let Some((_, column)) = draft.column(&series.name, field)? {
            wrong.extend((0..fits.bars).filter(|bar| fits.is_whole(*bar) && !fits.agrees(*bar, field, column[*bar])));
        }
    }
    torn.iter().chain(&wrong).for_each(|bar| fits.forget(*bar));
    fits.trim();
    quality.paths.0 += series.bars - (torn.len() + wrong.len()) as u64;
    let time = |bar: usize| series.first_ms + bar as i64 * bars.interval_ms;
    let wrong: Vec<usize> = wrong.into_iter().collect();
    for (code, which, what) in [
        ("detail-missing", &torn, "whose path finer bars do not show as a whole"),
        ("detail-differs", &wrong, "whose finer bars say other prices; those are left out"),
    ] {
        let (Some(first), Some(last)) = (which.first(), which.last()) else { continue };
        let place = Place { symbol: &series.name, from: time(*first), to: time(*last) };
        let words = format!("{} of {} bars {what}, the first at {}", which.len(), series.bars, format_ms(time(*first)));
        // Some will always differ. Many are of another market, or of another time.
        if code == "detail-differs" && which.len() as u64 * MANY > series.bars - torn.len() as u64 {
            let way = asked.treatments.of(code, &series.name, time(*first)).map(|t| t.way);
            quality.problem(code, &place, words, way);
        } else {
            quality.note(code, &place, words);
        }
    }
    Ok(())
}

/// More than one in so many bars that differ is an error.
const MANY: u64 = 50;

/// A symbol's finer bars against its bars.
struct Fit<'a> {
    bars: usize,
    first: i64,
    per: usize,
    step: i64,
    own: &'a mut Own,
}

impl Fit<'_> {
    /// Puts the finer bars over the time of the bars: what is missing is unknown.
    fn widen(&mut self) {
        let lead = ((self.own.first_ms - self.first) / self.step) as usize;
        for column in self.own.fields.iter_mut().filter(|c| !c.is_empty()) {
            column.splice(..0, std::iter::repeat_n(f64::NAN, lead));
            column.resize(self.bars * self.per, f64::NAN);
        }
        self.own.first_ms = self.first;
        self.own.held.clear();
    }

    fn of(&self, bar: usize, field: Field) -> &[f64] {
        self.own.fields[field as usize].get(bar * self.per..(bar + 1) * self.per).unwrap_or_default()
    }

    fn is_whole(&self, bar: usize) -> bool {
        let known = |i: usize| self.of(bar, FIELDS[i].0).iter().all(|v| !v.is_nan());
        !self.of(bar, Field::Close).is_empty() && (0..STORED).all(known)
    }

    /// Whether the finer bars give a bar's price: those of trades exactly, marks within the bar's extremes.
    fn agrees(&self, bar: usize, field: Field, value: f64) -> bool {
        let own = self.of(bar, field);
        let most = |than: fn(f64, f64) -> f64| own.iter().copied().reduce(than).unwrap_or(value);
        match field {
            Field::Open => own.first() == Some(&value),
            Field::Close => own.last() == Some(&value),
            Field::High => most(f64::max) == value,
            Field::Low => most(f64::min) == value,
            Field::MarkHigh => most(f64::max) <= value,
            Field::MarkLow => most(f64::min) >= value,
            _ => true,
        }
    }

    fn forget(&mut self, bar: usize) {
        for column in self.own.fields.iter_mut().filter(|c| !c.is_empty()) {
            column[bar * self.per..(bar + 1) * self.per].fill(f64::NAN);
        }
    }

    /// Cuts what is unknown at both ends.
    fn trim(&mut self) {
        let known = |v: &f64| !v.is_nan();
        let close = &self.own.fields[Field::Close as usize];
        let first = close.iter().position(known).unwrap_or(close.len());
        let end = close.iter().rposition(known).map_or(first, |last| last + 1);
        for column in self.own.fields.iter_mut().filter(|c| !c.is_empty()) {
            column.truncate(end);
            column.drain(..first);
        }
        self.own.first_ms += first as i64 * self.step;
    }
}
