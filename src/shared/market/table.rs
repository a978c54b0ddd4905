//! Several symbols over one index.

use super::columns::Columns;

/// Several symbols over one index.
#[derive(Debug, Clone, PartialEq)]
pub struct Market {
    /// Milliseconds between bars.
    pub interval_ms: i64,
    /// Opening times in milliseconds since 1970, evenly spaced.
    pub times: Vec<i64>,
    /// Symbols in order.
    pub symbols: Vec<String>,
    /// Their columns, in the order of `symbols`.
    pub columns: Vec<Columns>,
    /// True for a generated market: it must be labelled wherever it shows.
    pub generated: bool,
    /// Finer bars of the same symbols, where there are some.
    pub detail: Option<Box<Detail>>,
}

impl Market {
    /// A market of columns whose stored fields and settlements are filled in.
    pub fn new(
        interval_ms: i64,
        times: Vec<i64>,
        symbols: Vec<String>,
        mut columns: Vec<Columns>,
        generated: bool,
    ) -> Market {
        columns.iter_mut().for_each(|c| c.seal(&times, interval_ms));
        Market { interval_ms, times, symbols, columns, generated, detail: None }
    }

    /// Number of bars.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// True without bars.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Position of a symbol.
    pub fn symbol(&self, name: &str) -> Option<usize> {
        self.symbols.iter().position(|s| s == name)
    }

    /// The opening time of the bar after one.
    pub fn end_of(&self, bar: usize) -> i64 {
        self.times[bar] + self.interval_ms
    }

    /// The opening time of a symbol's first bar; none where it has no bars.
    pub fn anchor(&self, symbol: usize) -> Option<i64> {
        let span = &self.columns[symbol].span;
        if span.is_empty() { None } else { self.times.get(span.start).copied() }
    }

    /// The bars `from..to` of all symbols, with what settles in them.
    pub fn slice(&self, from: usize, to: usize) -> Market {
        let times = self.times[from..to].to_vec();
        let cut = |c: &Columns| {
            let inside = times.first().zip(times.last()).map(|(a, b)| c.settled(*a, *b + self.interval_ms).to_vec());
            Columns { settlements: inside.unwrap_or_default(), ..c.slice(from, to) }
        };
        let detail = self.detail_between(from, to);
        Market { columns: self.columns.iter().map(cut).collect(), times, detail, ..self.head() }
    }

    /// The same market with only the given symbols, in that order, over the time of their bars; `None` if one
    /// is missing.
    pub fn select(&self, symbols: &[String]) -> Option<Market> {
        let at: Vec<usize> = symbols.iter().map(|s| self.symbol(s)).collect::<Option<_>>()?;
        let columns: Vec<Columns> = at.iter().map(|i| self.columns[*i].clone()).collect();
        let from = columns.iter().map(|c| c.span.start).min().unwrap_or(0);
        let to = columns.iter().map(|c| c.span.end).max().unwrap_or(0);
        let head = Market { times: self.times.clone(), symbols: symbols.to_vec(), columns, ..self.head() };
        let finer = self.detail.as_ref().and_then(|d| d.market.select(symbols));
        // What divided all of it divides a part.
        let chosen = match finer {
            Some(finer) => head.clone().with_detail(finer).unwrap_or(head),
            None => head,
        };
        Some(if (from, to) == (0, self.len()) { chosen } else { chosen.slice(from, to) })
    }

    fn head(&self) -> Market {
        Market {
            interval_ms: self.interval_ms,
            times: Vec::new(),
            symbols: self.symbols.clone(),
            columns: Vec::new(),
            generated: self.generated,
            detail: None,
        }
    }
}

/// Finer bars of a market's symbols, in the same order.
#[derive(Debug, Clone, PartialEq)]
pub struct Detail {
    /// The finer bars; it has none finer itself.
    pub market: Market,
    /// How many of them one bar has.
    pub(super) per: usize,
    /// For each symbol and bar whether all of its finer bars are known.
    pub(super) whole: Vec<Vec<bool>>,
}
