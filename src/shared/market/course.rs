//! How far the prices of a market went, in blocks: what an account looks at to see that nothing happens.

use super::columns::{Columns, Field};
use super::table::Market;

/// Bars of a block.
pub const BLOCK: usize = 16;

/// The furthest prices of some bars: traded, and marks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extremes {
    /// The lowest traded price.
    pub low: f64,
    /// The highest traded price.
    pub high: f64,
    /// The lowest mark.
    pub mark_low: f64,
    /// The highest mark.
    pub mark_high: f64,
}

impl Extremes {
    const NONE: Extremes =
        Extremes { low: f64::INFINITY, high: f64::NEG_INFINITY, mark_low: f64::INFINITY, mark_high: f64::NEG_INFINITY };

    /// Of both.
    #[must_use]
    pub fn with(self, other: Extremes) -> Extremes {
        Extremes {
            low: self.low.min(other.low),
            high: self.high.max(other.high),
            mark_low: self.mark_low.min(other.mark_low),
            mark_high: self.mark_high.max(other.mark_high),
        }
    }
}

/// Bits, one for each bar.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bits(pub Vec<u64>);

impl Bits {
    /// The bars of which something holds.
    pub fn of(bars: usize, holds: impl Fn(usize) -> bool) -> Bits {
        let word = |w: usize| (w * 64..bars.min(w * 64 + 64)).fold(0, |bits, t| bits | u64::from(holds(t)) << (t % 64));
        Bits((0..bars.div_ceil(64)).map(word).collect())
    }

    /// Whether it holds of a bar.
    pub fn at(&self, bar: usize) -> bool {
        self.0.get(bar / 64).is_some_and(|word| word >> (bar % 64) & 1 == 1)
    }

    /// The first bar from one on of which it holds, or `to`.
    pub fn next(&self, from: usize, to: usize) -> usize {
        next_of(from, to, |w| self.0.get(w).copied().unwrap_or_default())
    }
}

/// The first bar in `from..to` whose bit is set in a word that is made when it is looked at, or `to`.
pub fn next_of(from: usize, to: usize, word: impl Fn(usize) -> u64) -> usize {
    if from >= to {
        return to;
    }
    let mut w = from / 64;
    let mut bits = word(w) & (u64::MAX << (from % 64));
    loop {
        if bits != 0 {
            return to.min(w * 64 + bits.trailing_zeros() as usize);
        }
        w += 1;
        if w * 64 >= to {
            return to;
        }
        bits = word(w);
    }
}

/// One symbol's course.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    blocks: Vec<Extremes>,
    /// Bars in which funding settles.
    pub settles: Bits,
    /// Bars of which a price is not known.
    pub missing: Bits,
    /// The highest close.
    pub highest_close: f64,
}

/// The extremes of one bar.
#[inline]
pub fn extremes(c: &Columns, bar: usize) -> Extremes {
    let at = |field: Field| c.at(field, bar);
    let (open, low, high) = (at(Field::Open), at(Field::Low), at(Field::High));
    let (mark_open, mark_low, mark_high) = (at(Field::MarkOpen), at(Field::MarkLow), at(Field::MarkHigh));
    Extremes {
        low: low.min(open).min(high),
        high: high.max(open).max(low),
        mark_low: mark_low.min(mark_open).min(mark_high),
        mark_high: mark_high.max(mark_open).max(mark_low),
    }
}

impl Course {
    /// The courses of a market's symbols.
    pub fn of(market: &Market) -> Vec<Course> {
        let fields = [
            Field::Open,
            Field::Low,
            Field::High,
            Field::Close,
            Field::MarkOpen,
            Field::MarkLow,
            Field::MarkHigh,
            Field::MarkClose,
        ];
        let course = |c: &Columns| Course {
            blocks: (0..market.len().div_ceil(BLOCK))
                .map(|b| {
                    (b * BLOCK..market.len().min(b * BLOCK + BLOCK)).fold(Extremes::NONE, |e, t| e.with(extremes(c, t)))
                })
                .collect(),
            settles: Bits::of(market.len(), |t| !c.at(Field::Funding, t).is_nan()),
            missing: Bits::of(market.len(), |t| fields.iter().any(|f| c.at(*f, t).is_nan())),
            highest_close: c.get(Field::Close).iter().copied().fold(f64::NAN, f64::max),
        };
        market.columns.iter().map(course).collect()
    }

    /// The first bar in `from..to` whose extremes are not calm, or `to`. What is calm for the extremes of several bars
    /// must be calm for each of them.
    pub fn first_not(&self, c: &Columns, from: usize, to: usize, calm: impl Fn(&Extremes) -> bool) -> usize {
        let mut t = from;
        while t < to {
            let block = t / BLOCK;
            if calm(&self.blocks[block]) {
                t = (block + 1) * BLOCK;
                continue;
            }
            let end = to.min((block + 1) * BLOCK);
            match (t..end).find(|t| !calm(&extremes(c, *t))) {
                Some(found) => return found,
                None => t = end,
            }
        }
        to
    }

    /// The lowest and the highest traded price of some bars.
    pub fn traded(&self, c: &Columns, from: usize, to: usize) -> (f64, f64) {
        let [open, low, high] = [Field::Open, Field::Low, Field::High].map(|field| c.get(field));
        let of_bars = |(least, most): (f64, f64), t: usize| {
            (least.min(low[t].min(open[t]).min(high[t])), most.max(high[t].max(open[t]).max(low[t])))
        };
        let first = from.next_multiple_of(BLOCK).min(to);
        let last = (to / BLOCK * BLOCK).max(first);
        let ends = (from..first).chain(last..to).fold((f64::INFINITY, f64::NEG_INFINITY), of_bars);
        let blocks = &self.blocks[first / BLOCK..last / BLOCK];
        let whole = if first < last { blocks } else { &[] };
        whole.iter().fold(ends, |(least, most), e| (least.min(e.low), most.max(e.high)))
    }

    /// The extremes of some bars.
    pub fn between(&self, c: &Columns, from: usize, to: usize) -> Extremes {
        let (mut e, mut t) = (Extremes::NONE, from);
        while t < to {
            if t % BLOCK == 0 && t + BLOCK <= to {
                e = e.with(self.blocks[t / BLOCK]);
                t += BLOCK;
            } else {
                e = e.with(extremes(c, t));
                t += 1;
            }
        }
        e
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bits_are_found() {
        let bits = Bits::of(200, |t| t == 3 || t == 64 || t == 199);
        assert_eq!([0, 3, 4, 65, 199].map(|from| bits.next(from, 200)), [3, 3, 64, 199, 199]);
        assert_eq!((bits.next(4, 60), bits.next(65, 150), bits.next(9, 5)), (60, 150, 5));
        assert!(bits.at(64) && !bits.at(65) && !bits.at(900));
    }

    proptest! {
        /// Blocks say of any bars what the bars themselves say.
        #[test]
        fn blocks_are_their_bars(seed in 0u64..50, from in 0usize..180, len in 0usize..120, level in 0.9f64..1.1) {
            let m = crate::market::tests::walk(300, 1, seed);
            let (c, course) = (&m.columns[0], &Course::of(&m)[0]);
            let to = from + len;
            let plain = (from..to).fold(Extremes::NONE, |e, t| e.with(extremes(c, t)));
            prop_assert_eq!(course.between(c, from, to), plain);
            prop_assert_eq!(course.traded(c, from, to), (plain.low, plain.high));
            let stop = c.at(Field::Close, from) * level;
            let first = (from..to).find(|t| extremes(c, *t).low <= stop).unwrap_or(to);
            prop_assert_eq!(course.first_not(c, from, to, |e| e.low > stop), first);
        }
    }
}
