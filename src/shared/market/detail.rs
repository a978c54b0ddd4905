//! Finer bars of the same symbols: they show the path of prices inside a bar.

use super::columns::{Columns, Field, STORED};
use super::table::{Detail, Market};

impl Detail {
    /// How many finer bars one bar has.
    pub fn per(&self) -> usize {
        self.per
    }

    /// Whether all finer bars of a bar are known.
    pub fn is_whole(&self, symbol: usize, bar: usize) -> bool {
        self.whole[symbol].get(bar).copied().unwrap_or(false)
    }

    /// For each symbol and bar whether all of its finer bars are known.
    pub fn whole(&self) -> &[Vec<bool>] {
        &self.whole
    }
}

impl Market {
    /// The same market with finer bars of its symbols. They need not cover all of it, nor have all symbols; what
    /// settles inside bars settles inside them.
    ///
    /// # Errors
    /// Finer bars that do not divide these.
    pub fn with_detail(self, mut finer: Market) -> Result<Market, UnevenDetail> {
        let (coarse, fine) = (self.interval_ms, finer.interval_ms);
        if fine <= 0 || fine >= coarse || coarse % fine != 0 {
            return Err(UnevenDetail { coarse, fine });
        }
        let begin = self.times.first().copied().unwrap_or_default();
        let per = (coarse / fine) as usize;
        // On the same index, so that a bar's finer ones are found by counting.
        let bars = self.len() * per;
        let mut own = |name: &String, c: &Columns| {
            let Some(of) = finer.symbol(name) else { return Columns::default() };
            let fields = std::array::from_fn(|i| match std::mem::take(&mut finer.columns[of].fields[i]) {
                // The path is one of prices: nobody looks at volumes inside a bar.
                column if i < STORED && i != Field::Volume as usize && !column.is_empty() => {
                    on_index(column, &finer.times, begin, fine, bars)
                }
                _ => Vec::new(),
            });
            Columns { fields, settlements: c.settlements.clone(), ..Columns::default() }
        };
        let columns: Vec<Columns> = self.symbols.iter().zip(&self.columns).map(|(name, c)| own(name, c)).collect();
        let times: Vec<i64> = (0..bars as i64).map(|t| begin + t * fine).collect();
        let known = |c: &Columns, bar: usize| {
            let all = c.fields[Field::Close as usize].get(bar * per..(bar + 1) * per);
            all.is_some_and(|closes| closes.iter().all(|v| !v.is_nan()))
        };
        let whole = columns.iter().map(|c| (0..self.len()).map(|bar| known(c, bar)).collect()).collect();
        let market = Market::new(fine, times, self.symbols.clone(), columns, finer.generated);
        Ok(Market { detail: Some(Box::new(Detail { market, per, whole })), ..self })
    }

    /// The finer bars of `from..to`.
    pub(super) fn detail_between(&self, from: usize, to: usize) -> Option<Box<Detail>> {
        let detail = self.detail.as_ref()?;
        let whole = detail.whole.iter().map(|w| w[from..to].to_vec()).collect();
        let market = detail.market.slice(from * detail.per, to * detail.per);
        Some(Box::new(Detail { market, per: detail.per, whole }))
    }

    /// The market of longer bars that `per` of these make. Bars at its end that make none are left out.
    pub fn coarser(&self, per: usize) -> Market {
        let bars = self.len() / per;
        let fold = |field: Field, column: &[f64]| -> Vec<f64> {
            let one = |values: &[f64]| match field {
                Field::Open | Field::MarkOpen => values[0],
                Field::Close | Field::MarkClose => values[per - 1],
                Field::High | Field::MarkHigh => values.iter().copied().fold(values[0], f64::max),
                Field::Low | Field::MarkLow => values.iter().copied().fold(values[0], f64::min),
                _ => values.iter().sum(),
            };
            column.chunks_exact(per).map(one).collect()
        };
        let own = |c: &Columns| {
            let fields = std::array::from_fn(|i| match super::FIELDS[i].0 {
                Field::Funding => Vec::new(),
                field => fold(field, &c.fields[i]),
            });
            Columns { fields, settlements: c.settlements.clone(), ..Columns::default() }
        };
        let times = (0..bars).map(|t| self.times[t * per]).collect();
        let columns = self.columns.iter().map(own).collect();
        Market::new(self.interval_ms * per as i64, times, self.symbols.clone(), columns, self.generated)
    }
}

/// A column over `bars` bars from a time on: NaN where it has none.
fn on_index(column: Vec<f64>, times: &[i64], begin: i64, step: i64, bars: usize) -> Vec<f64> {
    if times.first() == Some(&begin) && column.len() == bars {
        return column;
    }
    let first = times.first().copied().unwrap_or_default();
    let shift = (first - begin).div_euclid(step);
    let (skip, lead) = ((-shift).max(0) as usize, shift.max(0) as usize);
    let mut out = vec![f64::NAN; lead.min(bars)];
    out.extend(column.iter().skip(skip).take(bars - out.len()));
    out.resize(bars, f64::NAN);
    out
}

/// Finer bars that do not divide the bars that they are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("bars of {fine} ms do not divide bars of {coarse} ms")]
pub struct UnevenDetail {
    /// Milliseconds between bars.
    pub coarse: i64,
    /// Milliseconds between the finer ones.
    pub fine: i64,
}
