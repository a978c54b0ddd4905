//! Columns of symbols over one index.

use std::ops::Range;

/// A field of a symbol's bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// First traded price.
    Open,
    /// Highest traded price.
    High,
    /// Lowest traded price.
    Low,
    /// Last traded price.
    Close,
    /// Traded amount in the base asset.
    Volume,
    /// First mark price.
    MarkOpen,
    /// Highest mark price.
    MarkHigh,
    /// Lowest mark price.
    MarkLow,
    /// Last mark price.
    MarkClose,
    /// The last funding rate that settled from the bar's opening time until before the next one's, or NaN.
    Funding,
}

/// All fields with their names, in canonical order.
pub const FIELDS: [(Field, &str); 10] = [
    (Field::Open, "open"),
    (Field::High, "high"),
    (Field::Low, "low"),
    (Field::Close, "close"),
    (Field::Volume, "volume"),
    (Field::MarkOpen, "mark_open"),
    (Field::MarkHigh, "mark_high"),
    (Field::MarkLow, "mark_low"),
    (Field::MarkClose, "mark_close"),
    (Field::Funding, "funding"),
];

/// The fields that are stored: funding is made from the settlements.
pub const STORED: usize = 9;

impl Field {
    /// The traded price that stands for a mark price where there is none.
    fn traded(self) -> Option<Field> {
        match self {
            Field::MarkOpen => Some(Field::Open),
            Field::MarkHigh => Some(Field::High),
            Field::MarkLow => Some(Field::Low),
            Field::MarkClose => Some(Field::Close),
            _ => None,
        }
    }
}

/// A funding settlement: who holds a long at its moment pays `quantity · mark · rate`, a short gets it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settlement {
    /// When, milliseconds since 1970.
    pub ms: i64,
    /// Rate as a fraction.
    pub rate: f64,
    /// Mark price at that moment, USDT; NaN where the source does not say.
    pub mark: f64,
}

/// One symbol's columns, each as long as the index or, where the source has no such field, empty. Prices
/// in USDT.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Columns {
    /// The columns in the order of [`FIELDS`].
    pub fields: [Vec<f64>; 10],
    /// Funding settlements in order of time.
    pub settlements: Vec<Settlement>,
    /// The bars that the symbol has: the others are unknown.
    pub span: Range<usize>,
}

impl Columns {
    /// A field's column. Where there is no mark price, the traded one stands for it.
    pub fn get(&self, field: Field) -> &[f64] {
        match (&self.fields[field as usize][..], field.traded()) {
            ([], Some(traded)) => &self.fields[traded as usize],
            (column, _) => column,
        }
    }

    /// A field's column, to fill it.
    pub fn get_mut(&mut self, field: Field) -> &mut Vec<f64> {
        &mut self.fields[field as usize]
    }

    /// A field at a bar; NaN where it is unknown.
    #[inline]
    pub fn at(&self, field: Field, bar: usize) -> f64 {
        match (self.fields[field as usize].get(bar), field.traded()) {
            (Some(v), _) => *v,
            (None, Some(traded)) => self.fields[traded as usize].get(bar).copied().unwrap_or(f64::NAN),
            (None, None) => f64::NAN,
        }
    }

    /// Whether the source has a field.
    pub fn has(&self, field: Field) -> bool {
        match field {
            Field::Funding => !self.settlements.is_empty(),
            _ => !self.fields[field as usize].is_empty(),
        }
    }

    /// The settlements from a time until before another.
    pub fn settled(&self, from_ms: i64, to_ms: i64) -> &[Settlement] {
        let at = |ms: i64| self.settlements.partition_point(|s| s.ms < ms);
        &self.settlements[at(from_ms)..at(to_ms)]
    }

    /// Finds the span and the funding column from what was filled in.
    fn seal(&mut self, times: &[i64], interval_ms: i64) {
        let known = |v: &f64| !v.is_nan();
        let close = &self.fields[Field::Close as usize];
        let first = close.iter().position(known).unwrap_or(0);
        self.span = first..close.iter().rposition(known).map_or(first, |last| last + 1);
        let mut funding = vec![f64::NAN; times.len()];
        let begin = times.first().copied().unwrap_or_default();
        for s in self.settled(begin, begin + interval_ms * times.len() as i64) {
            funding[((s.ms - begin) / interval_ms) as usize] = s.rate;
        }
        self.fields[Field::Funding as usize] = funding;
    }

    fn slice(&self, from: usize, to: usize) -> Columns {
        let cut = |c: &Vec<f64>| if c.is_empty() { Vec::new() } else { c[from..to].to_vec() };
        let inside = |at: usize| at.clamp(from, to) - from;
        let span = inside(self.span.start)..inside(self.span.end);
        Columns { fields: std::array::from_fn(|i| cut(&self.fields[i])), settlements: Vec::new(), span }
    }
}

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
        Market { interval_ms, times, symbols, columns, generated }
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

    /// The bars `from..to` of all symbols, with what settles in them.
    pub fn slice(&self, from: usize, to: usize) -> Market {
        let times = self.times[from..to].to_vec();
        let cut = |c: &Columns| {
            let inside = times.first().zip(times.last()).map(|(a, b)| c.settled(*a, *b + self.interval_ms).to_vec());
            Columns { settlements: inside.unwrap_or_default(), ..c.slice(from, to) }
        };
        Market { columns: self.columns.iter().map(cut).collect(), times, ..self.head() }
    }

    /// The same market with only the given symbols, in that order, over the time of their bars; `None` if one
    /// is missing.
    pub fn select(&self, symbols: &[String]) -> Option<Market> {
        let at: Vec<usize> = symbols.iter().map(|s| self.symbol(s)).collect::<Option<_>>()?;
        let columns: Vec<Columns> = at.iter().map(|i| self.columns[*i].clone()).collect();
        let from = columns.iter().map(|c| c.span.start).min().unwrap_or(0);
        let to = columns.iter().map(|c| c.span.end).max().unwrap_or(0);
        let chosen = Market { times: self.times.clone(), symbols: symbols.to_vec(), columns, ..self.head() };
        Some(if (from, to) == (0, self.len()) { chosen } else { chosen.slice(from, to) })
    }

    fn head(&self) -> Market {
        Market {
            interval_ms: self.interval_ms,
            times: Vec::new(),
            symbols: self.symbols.clone(),
            columns: Vec::new(),
            generated: self.generated,
        }
    }
}
