//! The quality report: what is odd about the data, where and when, and how it can be treated.

use super::snapshot::Own;
use super::treat::ways;
use assay_shared::market::Field;
use assay_shared::time::{format_ms, interval_text};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// One oddity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Oddity {
    /// Stable code, such as `gap`.
    pub code: Cow<'static, str>,
    /// Symbol, or empty.
    pub symbol: String,
    /// Where and how much, in words.
    pub detail: String,
    /// Time of the first bar or row that is odd, UTC.
    pub from: String,
    /// Time of the last one.
    pub to: String,
    /// The stretches of bars that are odd, first and last opening time of each, milliseconds since 1970: the first
    /// 500 of them.
    pub stretches: Vec<(i64, i64)>,
    /// True when the data cannot be used unless the import names a treatment.
    pub error: bool,
    /// The treatment that was named, if any.
    pub treated: Option<String>,
    /// Treatments that can be named.
    pub treatments: Vec<String>,
}

impl Oddity {
    /// The code of one that was found here, not read back.
    #[cfg(test)]
    pub(super) fn found(&self) -> &'static str {
        match self.code {
            Cow::Borrowed(code) => code,
            Cow::Owned(_) => panic!("{self:?} was read back"),
        }
    }

    /// What is to be done about it, in words.
    pub fn verdict(&self) -> String {
        match (&self.treated, self.error) {
            (Some(way), _) => format!("treated: {way}"),
            (None, true) if self.treatments.is_empty() => "ERROR".into(),
            (None, true) => format!("ERROR: --treat {}", self.treatments.join(" or ")),
            (None, false) => "note".into(),
        }
    }
}

/// What a finding is about: a symbol, and the times of the first and the last bar or row.
pub(super) struct Place<'a> {
    pub(super) symbol: &'a str,
    pub(super) from: i64,
    pub(super) to: i64,
}

/// The report of an import.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Quality {
    /// Everything found.
    #[serde(rename = "findings")]
    pub oddities: Vec<Oddity>,
    /// Bars whose path finer bars show as a whole, and all bars, where finer ones were asked for.
    pub paths: (u64, u64),
}

/// Stretches that a finding lists.
const STRETCHES: usize = 500;

impl Quality {
    fn push(&mut self, code: &'static str, place: &Place<'_>, detail: String, error: bool, treated: Option<String>) {
        let ways = if error { ways(code) } else { Vec::new() };
        self.oddities.push(Oddity {
            stretches: vec![(place.from, place.to)],
            code: code.into(),
            symbol: place.symbol.into(),
            detail,
            from: format_ms(place.from),
            to: format_ms(place.to),
            error,
            treated,
            treatments: ways.into_iter().map(|way| format!("{code}={way}")).collect(),
        });
    }

    /// Notes what a rule book does not say of a symbol whose bars begin at a time.
    pub fn uncovered(&mut self, symbol: &str, from: i64, what: &str) {
        let place = Place { symbol, from, to: from };
        self.note(
            "no-rules",
            &place,
            format!("{what}: a study of it will be refused (`assay rules import` brings it)"),
        );
    }

    pub(super) fn note(&mut self, code: &'static str, place: &Place<'_>, detail: String) {
        self.push(code, place, detail, false, None);
    }

    pub(super) fn problem(&mut self, code: &'static str, place: &Place<'_>, detail: String, way: Option<&str>) {
        self.push(code, place, detail, way.is_none(), way.map(|way| format!("{code}={way}")));
    }

    /// Findings that no treatment covers.
    pub fn errors(&self) -> impl Iterator<Item = &Oddity> {
        self.oddities.iter().filter(|f| f.error)
    }
}

/// A move of an hourly bar that is worth a look; of other bars in proportion to the root of their length.
const JUMP: f64 = 0.10;

/// The move of a bar of so many milliseconds that is worth a look.
fn jump(interval_ms: i64) -> f64 {
    (JUMP * (interval_ms as f64 / 3_600_000.0).sqrt()).clamp(0.03, 0.9)
}

/// The bars of a symbol that are odd in one way, as one note.
struct Noted<'a> {
    own: &'a Own,
    step: i64,
}

impl Noted<'_> {
    fn bars(&self, out: &mut Quality, code: &'static str, at: &[usize], what: &str) {
        let (Some(first), Some(last)) = (at.first(), at.last()) else { return };
        let time = |bar: usize| self.own.first_ms + bar as i64 * self.step;
        let (from, to) = (time(*first), time(*last));
        let when = if first == last {
            format!("at {}", format_ms(from))
        } else {
            format!("from {} to {}", format_ms(from), format_ms(to))
        };
        let count = if at.len() == 1 { "1 bar".into() } else { format!("{} bars", at.len()) };
        out.note(code, &Place { symbol: &self.own.name, from, to }, format!("{count} {what}, {when}"));
        if let Some(note) = out.oddities.last_mut() {
            let runs = at.chunk_by(|a, b| a + 1 == *b).take(STRETCHES);
            note.stretches = runs.map(|run| (time(run[0]), time(run[run.len() - 1]))).collect();
        }
    }
}

/// Looks over a symbol's aligned bars, so many milliseconds apart, for what is legal but odd: frozen marks,
/// empty bars, jumps, marks far from trades.
pub fn look_over(own: &Own, step: i64, out: &mut Quality) {
    let noted = Noted { own, step };
    let column = |field: Field| &own.fields[field as usize][..];
    let real = |t: &usize| own.held.binary_search(t).is_err();
    let which = |odd: &dyn Fn(usize) -> bool| (0..own.bars()).filter(|t| odd(*t)).filter(real).collect::<Vec<_>>();
    let (open, high, low, close) = (column(Field::Open), column(Field::High), column(Field::Low), column(Field::Close));
    let volume = column(Field::Volume);
    if !volume.is_empty() {
        noted.bars(out, "no-volume", &which(&|t| volume[t] == 0.0), "without volume");
    }
    noted.bars(out, "flat-bar", &which(&|t| high[t] == low[t]), "with one price only");
    let move_of = |t: usize| {
        let before = if t == 0 { open[t] } else { close[t - 1] };
        let ends = [
            open[t] / before - 1.0,
            close[t] / open[t] - 1.0,
            high[t] / open[t].max(close[t]) - 1.0,
            low[t] / open[t].min(close[t]) - 1.0,
        ];
        ends.into_iter().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or_default()
    };
    let (size, most) = (|t: usize| move_of(t).abs(), jump(step));
    let jumps = which(&|t| size(t) > most);
    if let Some(largest) = jumps.iter().max_by(|a, b| size(**a).total_cmp(&size(**b))) {
        let percent = move_of(*largest) * 100.0;
        let (bar, when) = (interval_text(step), format_ms(own.first_ms + *largest as i64 * step));
        let largest = match jumps.len() {
            1 => format!("by {percent:+.1} %"),
            _ => format!("over {:.0} %, the largest {percent:+.1} % at {when}", most * 100.0),
        };
        let what = format!("of {bar} that move {largest}");
        noted.bars(out, "jump", &jumps, &what);
    }
    let (mark_high, mark_low, mark) = (column(Field::MarkHigh), column(Field::MarkLow), column(Field::MarkClose));
    if mark.is_empty() {
        return;
    }
    noted.bars(out, "frozen-mark", &which(&|t| mark_high[t] == mark_low[t]), "with an unmoving mark price");
    let apart = |t: usize| (mark[t] / close[t] - 1.0).abs();
    let far = which(&|t| apart(t) > 0.05);
    let most = far.iter().map(|t| apart(*t)).fold(0.0, f64::max);
    noted.bars(out, "mark-apart", &far, &format!("with mark and last price up to {:.1} % apart", most * 100.0));
}
