//! What a node of a compiled strategy computes. Both evaluations use these very functions.
//!
//! A value that is not yet known is NaN. Comparisons of unknown values are unknown; `and` and
//! `or` decide where one side suffices (Kleene); a signal fires only when it is known to be true.

use super::stat::{Figure, quantile};
use std::collections::VecDeque;

/// Prefix operators and functions of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Unary {
    Negate,
    Not,
    Abs,
    Sqrt,
    Log,
    Exp,
    Floor,
    Ceil,
    Round,
    Sign,
    IsKnown,
}

/// Infix operators and functions of two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
    And,
    Or,
    Min,
    Max,
    Modulo,
    Power,
    /// The first where it is known, else the second.
    Known,
}

/// Functions of one value that remember earlier bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Memory {
    /// The value `n` bars ago.
    Prev(usize),
    /// The highest of the last `n` values, this one included.
    Highest(usize),
    /// The lowest of the last `n` values.
    Lowest(usize),
    /// On how many of the last `n` bars it was true.
    Count(usize),
    /// Bars since it was last true; unknown before the first time.
    BarsSince,
    /// The last known value.
    Hold,
    /// A figure of the last `n` values.
    Figure(Figure, usize),
}

/// What is no number is unknown: nothing is decided by a division by zero.
#[inline]
fn finite(v: f64) -> f64 {
    if v.is_finite() { v } else { f64::NAN }
}

fn truth(b: bool) -> f64 {
    if b { 1.0 } else { 0.0 }
}

impl Unary {
    /// Applies it. Logarithm and exponential come from `libm`, the same on every machine.
    #[inline(always)]
    pub fn apply(self, a: f64) -> f64 {
        match self {
            Unary::Negate => -a,
            Unary::Not => 1.0 - a,
            Unary::Abs => a.abs(),
            Unary::Sqrt => a.sqrt(),
            Unary::Log => finite(libm::log(a)),
            Unary::Exp => finite(libm::exp(a)),
            Unary::Floor => a.floor(),
            Unary::Ceil => a.ceil(),
            Unary::Round => a.round(),
            Unary::Sign if a == 0.0 => 0.0,
            Unary::Sign if a.is_nan() => a,
            Unary::Sign => 1.0_f64.copysign(a),
            Unary::IsKnown => truth(!a.is_nan()),
        }
    }
}

impl Binary {
    /// True for operators that take and give truth values or compare.
    pub fn is_logic(self) -> bool {
        matches!(self, Binary::And | Binary::Or)
    }

    /// True for comparisons.
    pub fn is_comparison(self) -> bool {
        use Binary::*;
        matches!(self, Less | LessEqual | Greater | GreaterEqual | Equal | NotEqual)
    }

    /// Applies it.
    #[inline(always)]
    pub fn apply(self, a: f64, b: f64) -> f64 {
        // Without a branch, so that loops go over several values at once.
        let unknown = a.is_nan() | b.is_nan();
        let known = |v: f64| if unknown { f64::NAN } else { v };
        match self {
            Binary::Add => finite(a + b),
            Binary::Subtract => finite(a - b),
            Binary::Multiply => finite(a * b),
            Binary::Divide => finite(a / b),
            Binary::Known if a.is_nan() => b,
            Binary::Known => a,
            Binary::And => {
                let otherwise = known(1.0);
                if (a == 0.0) | (b == 0.0) { 0.0 } else { otherwise }
            }
            Binary::Or => {
                let otherwise = known(0.0);
                if (a == 1.0) | (b == 1.0) { 1.0 } else { otherwise }
            }
            Binary::Less => known(truth(a < b)),
            Binary::LessEqual => known(truth(a <= b)),
            Binary::Greater => known(truth(a > b)),
            Binary::GreaterEqual => known(truth(a >= b)),
            Binary::Equal => known(truth(a == b)),
            Binary::NotEqual => known(truth(a != b)),
            Binary::Min => known(a.min(b)),
            Binary::Max => known(a.max(b)),
            Binary::Modulo => finite(a - b * (a / b).floor()),
            // One to the power of what is unknown would be known.
            Binary::Power => known(finite(libm::pow(a, b))),
        }
    }
}

/// Compiles what follows for each operator by itself: a loop over many values does not ask for it again and again.
macro_rules! for_each_operator {
    ($kind:ident, $self:expr, $op:ident => $then:expr, $($name:ident),+) => {
        match $self {
            $($kind::$name => {
                const $op: $kind = $kind::$name;
                $then
            })+
        }
    };
}

macro_rules! unary {
    ($self:expr, $op:ident => $then:expr) => {
        for_each_operator!(Unary, $self, $op => $then, Negate, Not, Abs, Sqrt, Log, Exp, Floor, Ceil, Round, Sign, IsKnown)
    };
}

macro_rules! binary {
    ($self:expr, $op:ident => $then:expr) => {
        for_each_operator!(
            Binary, $self, $op => $then, Add, Subtract, Multiply, Divide, Less, LessEqual, Greater, GreaterEqual, Equal,
            NotEqual, And, Or, Min, Max, Modulo, Power, Known
        )
    };
}

impl Unary {
    /// Applies it to several values.
    #[inline]
    pub fn lanes<const L: usize>(self, a: [f64; L]) -> [f64; L] {
        unary!(self, OP => std::array::from_fn(|i| OP.apply(a[i])))
    }

    /// Applies it to a column.
    pub fn column(self, a: &[f64]) -> Vec<f64> {
        unary!(self, OP => a.iter().map(|a| OP.apply(*a)).collect())
    }
}

impl Binary {
    /// Applies it to several pairs.
    #[inline]
    pub fn lanes<const L: usize>(self, a: [f64; L], b: [f64; L]) -> [f64; L] {
        binary!(self, OP => std::array::from_fn(|i| OP.apply(a[i], b[i])))
    }

    /// Applies it to two columns.
    pub fn column(self, a: &[f64], b: &[f64]) -> Vec<f64> {
        binary!(self, OP => a.iter().zip(b).map(|(a, b)| OP.apply(*a, *b)).collect())
    }
}

/// `if(condition, a, b)`: unknown while the condition is unknown.
#[inline(always)]
pub fn choose(c: f64, a: f64, b: f64) -> f64 {
    let otherwise = if c == 0.0 { b } else { f64::NAN };
    if c == 1.0 { a } else { otherwise }
}

/// The running state of a [`Memory`]: a few values, at most `n`.
#[derive(Debug, Clone)]
pub struct MemoryState {
    kind: Memory,
    bar: usize,
    /// Bars since the input was last unknown.
    known: usize,
    queue: VecDeque<(usize, f64)>,
    /// The values of the queue in their order of size, for figures that look at it.
    sorted: Vec<f64>,
    last: f64,
}

impl MemoryState {
    /// Nothing seen yet.
    pub fn new(kind: Memory) -> MemoryState {
        MemoryState { kind, bar: 0, known: 0, queue: VecDeque::new(), sorted: Vec::new(), last: f64::NAN }
    }

    /// Takes this bar's value and gives the function's.
    pub fn push(&mut self, x: f64) -> f64 {
        self.bar += 1;
        self.known = if x.is_nan() { 0 } else { self.known + 1 };
        match self.kind {
            Memory::Prev(n) => self.prev(x, n),
            Memory::Highest(n) => self.extreme(x, n, |new, old| new >= old),
            Memory::Lowest(n) => self.extreme(x, n, |new, old| new <= old),
            Memory::Count(n) => self.count(x, n),
            Memory::BarsSince => {
                self.last = if x == 1.0 { 0.0 } else { self.last + 1.0 };
                self.last
            }
            Memory::Figure(figure, n) => self.figure(x, figure, n),
            Memory::Hold => {
                self.last = if x.is_nan() { self.last } else { x };
                self.last
            }
        }
    }

    fn prev(&mut self, x: f64, n: usize) -> f64 {
        self.queue.push_back((self.bar, x));
        if self.queue.len() <= n {
            return f64::NAN;
        }
        self.queue.pop_front().map_or(f64::NAN, |(_, v)| v)
    }

    /// Monotone queue: the front is the extreme of the window.
    fn extreme(&mut self, x: f64, n: usize, replaces: fn(f64, f64) -> bool) -> f64 {
        if x.is_nan() {
            self.queue.clear();
            return f64::NAN;
        }
        while self.queue.back().is_some_and(|(_, old)| replaces(x, *old)) {
            self.queue.pop_back();
        }
        self.queue.push_back((self.bar, x));
        while self.queue.front().is_some_and(|(bar, _)| bar + n <= self.bar) {
            self.queue.pop_front();
        }
        if self.known < n { f64::NAN } else { self.queue.front().map_or(f64::NAN, |(_, v)| *v) }
    }

    /// Computed anew from the window at each bar: the same from wherever the data begin.
    fn figure(&mut self, x: f64, figure: Figure, n: usize) -> f64 {
        self.queue.push_back((self.bar, x));
        let gone = if self.queue.len() > n { self.queue.pop_front() } else { None };
        if let Some(at) = figure.quantile() {
            let place = |sorted: &[f64], x: f64| sorted.partition_point(|v| v.total_cmp(&x).is_lt());
            if let Some((_, gone)) = gone {
                self.sorted.remove(place(&self.sorted, gone));
            }
            self.sorted.insert(place(&self.sorted, x), x);
            return if self.known < n { f64::NAN } else { quantile(&self.sorted, at) };
        }
        if self.known < n { f64::NAN } else { figure.of(self.queue.iter().map(|(_, v)| *v)) }
    }

    fn count(&mut self, x: f64, n: usize) -> f64 {
        if x == 1.0 {
            self.queue.push_back((self.bar, x));
        }
        while self.queue.front().is_some_and(|(bar, _)| bar + n <= self.bar) {
            self.queue.pop_front();
        }
        if self.known < n { f64::NAN } else { self.queue.len() as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn unknown_never_fires() {
        let n = f64::NAN;
        assert!(Unary::Not.apply(Binary::Greater.apply(n, 1.0)).is_nan());
        assert_eq!(Binary::Or.apply(n, 1.0), 1.0);
        assert_eq!(Binary::And.apply(0.0, n), 0.0);
        assert!(Binary::And.apply(1.0, n).is_nan() && Binary::Or.apply(0.0, n).is_nan());
    }

    const VALUES: [f64; 12] = [f64::NAN, 0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -3.5, 1e300, -1e300, f64::MIN_POSITIVE, 7.25];

    /// What each operator is, written with branches.
    fn plainly(op: Binary, a: f64, b: f64) -> f64 {
        let number = |v: f64| if v.is_finite() { v } else { f64::NAN };
        match op {
            Binary::Known => return if a.is_nan() { b } else { a },
            Binary::And if a == 0.0 || b == 0.0 => return 0.0,
            Binary::Or if a == 1.0 || b == 1.0 => return 1.0,
            _ if a.is_nan() || b.is_nan() => return f64::NAN,
            _ => {}
        }
        let holds = match op {
            Binary::Less => a < b,
            Binary::LessEqual => a <= b,
            Binary::Greater => a > b,
            Binary::GreaterEqual => a >= b,
            Binary::Equal => a == b,
            Binary::NotEqual => a != b,
            Binary::And => true,
            Binary::Or => false,
            Binary::Add => return number(a + b),
            Binary::Subtract => return number(a - b),
            Binary::Multiply => return number(a * b),
            Binary::Divide => return number(a / b),
            Binary::Min => return a.min(b),
            Binary::Max => return a.max(b),
            Binary::Modulo => return number(a - b * (a / b).floor()),
            Binary::Power => return number(libm::pow(a, b)),
            Binary::Known => unreachable!(),
        };
        if holds { 1.0 } else { 0.0 }
    }

    /// One value, lanes and columns are the same, to the last bit, whatever is unknown.
    #[test]
    fn lanes_and_columns_are_one_by_one() {
        let same = |a: f64, b: f64| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
        let all = |op: Binary| {
            for b in VALUES {
                let (lanes, column) = (op.lanes(VALUES, [b; 12]), op.column(&VALUES, &[b; 12]));
                for (k, a) in VALUES.into_iter().enumerate() {
                    let one = op.apply(a, b);
                    assert!(same(one, plainly(op, a, b)), "{op:?} {a} {b}: {one}");
                    assert!(same(one, lanes[k]) && same(one, column[k]), "{op:?} {a} {b}");
                }
            }
        };
        use Binary::*;
        let arithmetic = [Add, Subtract, Multiply, Divide, Min, Max, Modulo, Power, Known];
        arithmetic.into_iter().for_each(all);
        [Less, LessEqual, Greater, GreaterEqual, Equal, NotEqual, And, Or].into_iter().for_each(all);
        use Unary::*;
        for op in [Negate, Not, Abs, Sqrt, Log, Exp, Floor, Ceil, Round, Sign, IsKnown] {
            let (lanes, column) = (op.lanes(VALUES), op.column(&VALUES));
            for (k, a) in VALUES.into_iter().enumerate() {
                assert!(same(op.apply(a), lanes[k]) && same(op.apply(a), column[k]), "{op:?} {a}");
            }
        }
        assert_eq!([choose(1.0, 2.0, 3.0), choose(0.0, 2.0, 3.0)], [2.0, 3.0]);
        assert!(choose(f64::NAN, 2.0, 3.0).is_nan() && choose(0.5, 2.0, 3.0).is_nan());
    }

    proptest! {
        #[test]
        fn windows_match_the_plain_definition(xs in prop::collection::vec(-5i32..5, 1..60), n in 1usize..9) {
            let xs: Vec<f64> = xs.into_iter().map(f64::from).collect();
            let mut hi = MemoryState::new(Memory::Highest(n));
            let mut lo = MemoryState::new(Memory::Lowest(n));
            let mut count = MemoryState::new(Memory::Count(n));
            let mut prev = MemoryState::new(Memory::Prev(n));
            for t in 0..xs.len() {
                let got = (hi.push(xs[t]), lo.push(xs[t]), count.push(truth(xs[t] > 0.0)), prev.push(xs[t]));
                if t + 1 >= n {
                    let w = &xs[t + 1 - n..=t];
                    prop_assert_eq!(got.0, w.iter().copied().fold(f64::MIN, f64::max));
                    prop_assert_eq!(got.1, w.iter().copied().fold(f64::MAX, f64::min));
                    prop_assert_eq!(got.2, w.iter().filter(|v| **v > 0.0).count() as f64);
                } else {
                    prop_assert!(got.0.is_nan() && got.1.is_nan() && got.2.is_nan());
                }
                let right = if t >= n { got.3 == xs[t - n] } else { got.3.is_nan() };
                prop_assert!(right);
            }
        }
    }
}
