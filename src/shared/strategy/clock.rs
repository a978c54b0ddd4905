//! Higher clocks: when their bars open and close, what they hold; and the calendar.

use crate::market::Field;
use crate::time::{DAY_MS, civil};

/// Monday, 5 January 1970: weeks begin there.
const MONDAY: i64 = 4 * DAY_MS;

/// Whether a bar of so many milliseconds begins at a moment: counted from midnight UTC, weeks from Monday.
pub fn begins(ms: i64, interval_ms: i64) -> bool {
    let from = if interval_ms % (7 * DAY_MS) == 0 { MONDAY } else { 0 };
    (ms - from).rem_euclid(interval_ms) == 0
}

/// What the calendar says of a bar, by its opening time in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Calendar {
    Hour,
    Minute,
    /// 0 is Monday.
    Weekday,
    Day,
    Month,
    Year,
    /// Whether the bar is the first one of its day, week or month.
    NewDay,
    NewWeek,
    NewMonth,
}

/// The words of the calendar.
pub const CALENDAR: [(&str, Calendar); 9] = [
    ("hour", Calendar::Hour),
    ("minute", Calendar::Minute),
    ("weekday", Calendar::Weekday),
    ("day", Calendar::Day),
    ("month", Calendar::Month),
    ("year", Calendar::Year),
    ("new_day", Calendar::NewDay),
    ("new_week", Calendar::NewWeek),
    ("new_month", Calendar::NewMonth),
];

impl Calendar {
    /// Whether it is true or false instead of a number.
    pub fn is_truth(self) -> bool {
        matches!(self, Calendar::NewDay | Calendar::NewWeek | Calendar::NewMonth)
    }

    /// Of a bar that opens at a moment and lasts so long, milliseconds.
    pub fn of(self, ms: i64, interval_ms: i64) -> f64 {
        let before = ms - interval_ms;
        let new = |unit: &dyn Fn(i64) -> i64| f64::from(u8::from(unit(ms) != unit(before)));
        let month = |ms: i64| {
            let (y, m, _) = civil(ms);
            y * 12 + m
        };
        match self {
            Calendar::Hour => (ms.rem_euclid(DAY_MS) / 3_600_000) as f64,
            Calendar::Minute => (ms.rem_euclid(3_600_000) / 60_000) as f64,
            Calendar::Weekday => ((ms - MONDAY).div_euclid(DAY_MS).rem_euclid(7)) as f64,
            Calendar::Day => civil(ms).2 as f64,
            Calendar::Month => civil(ms).1 as f64,
            Calendar::Year => civil(ms).0 as f64,
            Calendar::NewDay => new(&|ms| ms.div_euclid(DAY_MS)),
            Calendar::NewWeek => new(&|ms| (ms - MONDAY).div_euclid(7 * DAY_MS)),
            Calendar::NewMonth => new(&month),
        }
    }
}

/// A field of a symbol gathered from the bars of the base clock into a higher one.
#[derive(Debug, Clone)]
pub struct Gathering {
    field: Field,
    value: f64,
    /// Whether the symbol had bars before this higher one, or has them from its beginning.
    whole: bool,
    /// Whether it ever had one.
    seen: bool,
}

impl Gathering {
    /// Nothing gathered yet.
    pub fn new(field: Field) -> Gathering {
        Gathering { field, value: f64::NAN, whole: false, seen: false }
    }

    /// Takes a bar of the base clock; `opens` says that a higher bar begins with it.
    pub fn push(&mut self, x: f64, opens: bool) {
        if opens {
            self.value = f64::NAN;
            self.whole = self.seen || !x.is_nan() || self.field == Field::Funding;
        }
        self.seen |= !x.is_nan();
        if x.is_nan() {
            return;
        }
        let first = self.value.is_nan();
        self.value = match self.field {
            _ if first => x,
            Field::Open | Field::MarkOpen => self.value,
            Field::High | Field::MarkHigh => self.value.max(x),
            Field::Low | Field::MarkLow => self.value.min(x),
            Field::Volume => self.value + x,
            Field::Close | Field::MarkClose | Field::Funding => x,
        };
    }

    /// The higher bar's value when it closes: unknown where the symbol's first bars lie inside it.
    pub fn close(&self) -> f64 {
        if self.whole { self.value } else { f64::NAN }
    }
}

/// When the bars of a higher clock close.
#[derive(Debug, Clone)]
pub struct Ticks {
    interval_ms: i64,
    begun: bool,
}

impl Ticks {
    /// A clock that has seen nothing yet.
    pub fn new(interval_ms: i64) -> Ticks {
        Ticks { interval_ms, begun: false }
    }

    /// Takes a bar of the base clock: whether a higher bar begins with it, and whether one closes with it. What the
    /// beginning of the data cut off is none.
    pub fn push(&mut self, time: i64, end: i64) -> (bool, bool) {
        let opens = begins(time, self.interval_ms);
        self.begun |= opens;
        (opens, self.begun && begins(end, self.interval_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_is_utc() {
        // Thursday, 29 February 2024, 23:45.
        let ms = 1_709_250_300_000;
        let of = |c: Calendar| c.of(ms, 900_000);
        let found =
            [Calendar::Hour, Calendar::Minute, Calendar::Weekday, Calendar::Day, Calendar::Month, Calendar::Year];
        assert_eq!(found.map(of), [23.0, 45.0, 3.0, 29.0, 2.0, 2024.0]);
        let next = ms + 900_000;
        let new = [Calendar::NewDay, Calendar::NewWeek, Calendar::NewMonth];
        assert_eq!(new.map(of), [0.0; 3]);
        assert_eq!(new.map(|c| c.of(next, 900_000)), [1.0, 0.0, 1.0]);
        let monday = next + 3 * DAY_MS;
        assert_eq!(new.map(|c| c.of(monday, 900_000)), [1.0, 1.0, 0.0]);
        assert!(begins(monday, 7 * DAY_MS) && !begins(next, 7 * DAY_MS) && begins(next, 4 * 3_600_000));
    }

    #[test]
    fn what_the_beginning_cuts_off_is_no_bar() {
        let hour = 3_600_000;
        let mut ticks = Ticks::new(4 * hour);
        let seen: Vec<(bool, bool)> = (2..9).map(|h| ticks.push(h * hour, (h + 1) * hour)).collect();
        assert_eq!(seen.iter().map(|t| t.1).collect::<Vec<_>>(), [false, false, false, false, false, true, false]);
        // A symbol that begins inside a bar has none there.
        let mut high = Gathering::new(Field::High);
        for (x, opens) in [(f64::NAN, true), (5.0, false)] {
            high.push(x, opens);
        }
        assert!(high.close().is_nan());
        for (x, opens) in [(3.0, true), (f64::NAN, false), (4.0, false)] {
            high.push(x, opens);
        }
        assert_eq!(high.close(), 4.0);
    }
}
