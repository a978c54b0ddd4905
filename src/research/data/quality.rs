//! The quality report: what is odd about the data, and whether it must be treated.

use assay_shared::market::{Field, Market};
use assay_shared::time::{format_ms, interval_text};
use serde::Serialize;

/// One oddity.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Oddity {
    /// Stable code, such as `gap`.
    pub code: &'static str,
    /// Symbol, or empty.
    pub symbol: String,
    /// Where and how much, in words.
    pub detail: String,
    /// True when the data cannot be used unless the import names a treatment.
    pub error: bool,
    /// The treatment that was named, if any.
    pub treated: Option<String>,
}

/// The report of an import.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Quality {
    /// Everything found.
    #[serde(rename = "findings")]
    pub oddities: Vec<Oddity>,
}

impl Quality {
    pub(super) fn note(&mut self, code: &'static str, symbol: &str, detail: String) {
        self.oddities.push(Oddity { code, symbol: symbol.into(), detail, error: false, treated: None });
    }

    pub(super) fn problem(&mut self, code: &'static str, symbol: &str, detail: String, treated: Option<&str>) {
        let treated = treated.map(str::to_string);
        self.oddities.push(Oddity { code, symbol: symbol.into(), detail, error: treated.is_none(), treated });
    }

    /// Findings that no treatment covers.
    pub fn errors(&self) -> impl Iterator<Item = &Oddity> {
        self.oddities.iter().filter(|f| f.error)
    }
}

/// An hourly move this large on little volume is worth a look.
const JUMP: f64 = 0.10;

/// Looks over aligned data for what is legal but odd: frozen marks, empty bars, jumps, marks far
/// from trades.
pub fn look_over(market: &Market, out: &mut Quality) {
    for (symbol, c) in market.symbols.iter().zip(&market.columns) {
        let (open, high, low, close) = (c.get(Field::Open), c.get(Field::High), c.get(Field::Low), c.get(Field::Close));
        let volume = c.get(Field::Volume);
        let empty = volume.iter().filter(|v| **v == 0.0).count();
        if empty > 0 {
            out.note("no-volume", symbol, format!("{empty} bars without volume"));
        }
        let flat = |h: &[f64], l: &[f64]| (0..h.len()).filter(|t| h[*t] == l[*t]).collect::<Vec<_>>();
        let frozen = flat(c.get(Field::MarkHigh), c.get(Field::MarkLow));
        if let Some(first) = frozen.first() {
            let when = format_ms(market.times[*first]);
            out.note(
                "frozen-mark",
                symbol,
                format!("{} bars with an unmoving mark price, the first at {when}", frozen.len()),
            );
        }
        let flat_trades = flat(high, low);
        if !flat_trades.is_empty() {
            out.note("flat-bar", symbol, format!("{} bars with one price only", flat_trades.len()));
        }
        let jumps: Vec<usize> = (0..close.len()).filter(|t| (close[*t] / open[*t] - 1.0).abs() > JUMP).collect();
        if let Some(largest) = jumps.iter().max_by(|a, b| {
            let size = |t: usize| (close[t] / open[t] - 1.0).abs();
            size(**a).total_cmp(&size(**b))
        }) {
            let (t, n) = (*largest, jumps.len());
            let percent = (close[t] / open[t] - 1.0) * 100.0;
            let bar = interval_text(market.interval_ms);
            out.note(
                "jump",
                symbol,
                format!("{n} {bar} moves over 10 %, the largest {percent:+.1} % at {}", format_ms(market.times[t])),
            );
        }
        let mark = c.get(Field::MarkClose);
        let apart = (0..close.len()).map(|t| (mark[t] / close[t] - 1.0).abs()).fold(0.0, f64::max);
        if apart > 0.05 {
            out.note("mark-apart", symbol, format!("mark and last price up to {:.1} % apart", apart * 100.0));
        }
    }
}
