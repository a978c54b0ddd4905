//! The signals of a strategy that needs no rules: bits for each symbol, and stops where an entry looks at them.

use super::bind::{Bound, Outputs};
use super::kept::Kept;
use super::plan::Id;
use super::sheet::Sheet;
use crate::account::Signals;
use crate::account::coast::{Concerns, Said};
use crate::account::signals::flag;
use crate::indicator::IndicatorError;
use crate::market::Market;
use crate::market::course::{Bits, next_of};
use std::sync::Arc;

/// Signals of all bars of one symbol.
#[derive(Debug, Clone)]
pub struct SymbolSignals<'m> {
    /// For each bit of [`crate::account::signals::flag`], the bars in which it is set.
    flags: [Bits; 4],
    stops: [Option<Id>; 3],
    sheet: Arc<Sheet<'m>>,
}

impl SymbolSignals<'_> {
    /// Bits of [`crate::account::signals::flag`] at the close of a bar.
    pub fn flags(&self, t: usize) -> u8 {
        self.flags.iter().enumerate().fold(0, |flags, (k, bits)| flags | u8::from(bits.at(t)) << k)
    }

    /// The signals at the close of a bar.
    pub fn at(&self, t: usize) -> Signals {
        let stop = |i: usize| self.stops[i].map_or(f64::NAN, |id| self.sheet.at(id, t));
        Signals { flags: self.flags(t), stop_loss: stop(0), take_profit: stop(1), trailing_stop: stop(2) }
    }

    /// A word of bits that concern a symbol with a position of a side.
    #[inline]
    fn word(&self, side: f64, w: usize) -> u64 {
        let [long, leave_long, short, leave_short] =
            std::array::from_fn(|k| self.flags[k].0.get(w).copied().unwrap_or_default());
        // Both entries at once contradict each other.
        match side {
            0.0 => long ^ short,
            1.0 => short & !long | leave_long,
            _ => long & !short | leave_short,
        }
    }
}

impl Concerns for Vec<SymbolSignals<'_>> {
    fn next(&self, symbol: usize, side: f64, from: usize, to: usize) -> usize {
        next_of(from, to, |w| self[symbol].word(side, w))
    }
}

impl Said for Vec<SymbolSignals<'_>> {
    fn at(&self, symbol: usize, bar: usize) -> Signals {
        let said = &self[symbol];
        // A stop is looked at by entries only.
        match said.flags(bar) {
            flags if flags & (flag::LONG_ENTRY | flag::SHORT_ENTRY) == 0 => Signals { flags, ..Signals::NONE },
            _ => said.at(bar),
        }
    }
}

/// What each symbol's signals are made of. The market's symbols must be the strategy's, in its order.
///
/// # Errors
/// An indicator that refuses its input.
pub fn signals<'m>(
    bound: &Bound,
    market: &'m Market,
    kept: Option<&Kept>,
) -> Result<Vec<SymbolSignals<'m>>, IndicatorError> {
    let stops: Vec<Id> = bound.outputs.iter().flat_map(|o| o.stops.into_iter().flatten()).collect();
    let flags: Vec<Id> = bound.outputs.iter().flat_map(|o| o.signals.iter().map(|s| s.1)).collect();
    let sheet = Arc::new(Sheet::new(&bound.plan, market, &stops, &flags, kept)?);
    let of = |outputs: &Outputs| {
        let mut flags: [Bits; 4] = Default::default();
        for (bit, id) in &outputs.signals {
            flags[bit.trailing_zeros() as usize] = sheet.bits(*id);
        }
        SymbolSignals { flags, stops: outputs.stops, sheet: sheet.clone() }
    };
    Ok(bound.outputs.iter().map(of).collect())
}
