//! One symbol's columns and settlements.

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
    /// For each bar the number of the first settlement in or after it, and the number of all; empty where it was not
    /// counted.
    pub first: Vec<u32>,
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

    /// The settlements in a bar that opens at a time.
    pub(super) fn settled_in(&self, bar: usize, from_ms: i64, to_ms: i64) -> &[Settlement] {
        match self.first.get(bar..bar + 2) {
            Some([from, to]) => self.settlements.get(*from as usize..*to as usize).unwrap_or_default(),
            _ => self.settled(from_ms, to_ms),
        }
    }

    /// Finds the span and the funding column from what was filled in.
    pub(super) fn seal(&mut self, times: &[i64], interval_ms: i64) {
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
        let mut before = 0;
        let ends = times.iter().map(|ms| ms + interval_ms);
        let first = times.first().map(|ms| self.settlements.partition_point(|s| s.ms < *ms));
        self.first = first.into_iter().map(|n| n as u32).collect();
        before += first.unwrap_or_default();
        for end in ends {
            before += self.settlements[before..].iter().take_while(|s| s.ms < end).count();
            self.first.push(before as u32);
        }
    }

    pub(super) fn slice(&self, from: usize, to: usize) -> Columns {
        let cut = |c: &Vec<f64>| if c.is_empty() { Vec::new() } else { c[from..to].to_vec() };
        let inside = |at: usize| at.clamp(from, to) - from;
        let span = inside(self.span.start)..inside(self.span.end);
        let begin = self.first.get(from).copied().unwrap_or_default();
        let first = self.first.get(from..=to).unwrap_or_default().iter().map(|n| n - begin).collect();
        Columns { fields: std::array::from_fn(|i| cut(&self.fields[i])), settlements: Vec::new(), span, first }
    }
}
